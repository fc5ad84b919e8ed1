// Lowering: from a node to the steps that compute it. An operator says what it launches on which buffers; where the
// buffers lie is decided afterwards (memory.hpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "clconv/clconv.hpp"
#include "data_type.hpp"
#include "net/choice.hpp"
#include "net/in_place.hpp"
#include "net/operator.hpp"
#include "net/step.hpp"
#include "runtime/device.hpp"

namespace clconv::net {

// A buffer of a plan before it has memory. Either a whole one, or a part of a whole one.
struct BufferSpec {
  enum class Kind {
    kActivation,  // lies in the arena from its first to its last step
    kInput,       // the caller's, by its position
    kOutput,      // the caller's
    kConstant,    // made when the network is compiled
  };
  Kind kind = Kind::kActivation;
  std::string name;
  std::int64_t bytes = 0;
  int position = 0;               // of inputs and outputs
  BufferId whole = kNoBuffer;     // of a part
  std::int64_t offset_bytes = 0;  // of a part, in the whole
  // Of a part that is a range of channels of several images: elements from one image to the next, and bytes that lie
  // between its images and are not its own. Else 0.
  std::int64_t image_stride = 0, gap_bytes = 0;
  cl::Buffer memory;  // of a constant
};

// What compiling is asked for, as far as lowering must know it.
struct LoweringOptions {
  core::DataType storage = core::DataType::kFloat32;
  PlanOptions planning;
  Choices choices;  // of convolutions whose variant is decided already
  // Told before each node: how many are lowered, of how many, and its name. May be empty.
  std::function<void(std::int64_t, std::int64_t, const std::string&)> progress;
};

// An operand whose images (dimension 0) may lie apart.
struct Images {
  BufferId buffer = kNoBuffer;
  std::int64_t stride = 0;  // elements from one image to the next; 0: they lie one behind the other
};

// Everything that lowering the nodes of a graph makes.
struct Lowered {
  struct Layer {
    std::string name, op;
    Shape output;  // of its first output
    std::size_t first_step = 0, steps = 0;
  };
  std::vector<BufferSpec> buffers;
  std::vector<std::unique_ptr<Step>> steps;
  std::vector<Layer> layers;  // one per node, in order
  std::map<ValueId, BufferId> of_values;
  Places places;  // of values that are made as parts of others
};

// Lowers one node: what an operator's `lower` is given.
class Lowering : public NodeView {
 public:
  Lowering(Graph& graph, Node& node, core::Device& device, const Context& context,
           const cl::CommandQueue& queue, const LoweringOptions& options, Lowered& result)
      : NodeView(graph, node),
        device_(device),
        context_(context),
        queue_(queue),
        options_(options),
        result_(result) {}

  core::Device& device() const { return device_; }
  const core::DeviceProfile& profile() const { return device_.profile(); }
  const Context& context() const { return context_; }
  const cl::CommandQueue& queue() const {
    return queue_;
  }  // for what is done once, at compile time
  const LoweringOptions& options() const { return options_; }
  // How the elements of activations lie in memory. Kernels compute in float and go through parts/storage.cl, whose
  // macro is in storage_define() ("-DSTORAGE_FLOAT16").
  core::DataType storage() const { return options_.storage; }
  std::string storage_define() const;
  // Bytes of a tensor in storage.
  std::int64_t bytes_of(const Shape& shape) const;

  // The buffer of an input; of a constant, its elements in storage, uploaded once. All of it lies in one piece.
  BufferId in(std::size_t i) { return in_one_piece(images_in(i)); }
  // The buffer of an output, made when it is first asked for.
  BufferId out(std::size_t i) { return in_one_piece(images_out(i)); }
  // The same for operators with Operator::images_apart.
  Images images_in(std::size_t i);
  Images images_out(std::size_t i);
  // The same in float32, whatever the storage is.
  BufferId out_float32(std::size_t i) { return out(i, core::DataType::kFloat32); }
  const Shape& output_shape(std::size_t i) const { return *graph_.value(node_.outputs[i]).shape; }

  // Constants of the kernels' own: floats as float32, floats in storage, integers.
  BufferId upload(const std::string& name, const std::vector<float>& values);
  BufferId upload_stored(const std::string& name, const std::vector<float>& values);
  BufferId upload(const std::string& name, const std::vector<cl_int>& values);
  BufferId upload(const std::string& name, const std::vector<cl_long>& values);
  // A constant that lowering itself fills on queue().
  using NodeView::constant;
  BufferId constant(const std::string& name, const cl::Buffer& memory, std::int64_t bytes);
  // The memory of a constant that no step will read: the plan forgets it.
  cl::Buffer take_constant(BufferId id);
  // Memory between the steps of this node.
  BufferId scratch(const std::string& name, std::int64_t bytes);

  // May an output of `bytes` be the part of the buffer from `offset_bytes` on? The offset must be a multiple of the
  // device's base_alignment_bytes, and a part of the caller's buffer must be all of it.
  bool may_alias(BufferId buffer, std::int64_t offset_bytes, std::int64_t bytes) const;
  // The output is the buffer, or a part of it, without a step: Reshape, Split in place. Before out(i) was asked for,
  // and where may_alias() says so. With an image_stride, its images lie so many elements apart; all its readers must
  // take that.
  void alias(std::size_t output, BufferId buffer, std::int64_t offset_bytes = 0,
             std::int64_t image_stride = 0);
  bool may_have_images_apart(std::size_t output) const {
    return readers_take_images_apart(graph_, node_.outputs[output]);
  }
  // Was `part` made as the part of `buffer` from `offset_bytes` on?
  bool is_part(BufferId part, BufferId buffer, std::int64_t offset_bytes) const;

  // A launch of entry point `entry` in kernels/<file>.cl. `bytes` is what it moves at least, for the prediction.
  void launch(const std::string& name, const char* file, const char* entry,
              const std::string& defines, const std::vector<Argument>& arguments,
              const core::Range& range, std::int64_t bytes);
  // The same for a generated program: `text` is OpenCL C, its first line names the parts that it uses.
  void launch_generated(const std::string& name, const std::string& text, const char* entry,
                        const std::string& defines, const std::vector<Argument>& arguments,
                        const core::Range& range, std::int64_t bytes);
  void copy(const std::string& name, BufferId from, BufferId to, std::int64_t bytes);
  void add(std::unique_ptr<Step> step);

 private:
  BufferId out(std::size_t i, core::DataType type) { return made(node_.outputs[i], type); }
  BufferId made(ValueId id, core::DataType type);
  BufferId in_one_piece(const Images& images) const;
  void set_images_apart(BufferSpec& part, ValueId id, std::int64_t image_stride) const;
  BufferId add_buffer(BufferSpec spec);
  const BufferSpec& spec(BufferId id) const {
    return result_.buffers[static_cast<std::size_t>(id)];
  }
  double predicted_us(std::int64_t bytes) const;

  core::Device& device_;
  const Context& context_;
  const cl::CommandQueue& queue_;
  const LoweringOptions& options_;
  Lowered& result_;
};

// Lowers all nodes. Inputs and outputs of the network are float32 buffers of the caller; where storage is another type,
// conversions stand at both ends.
Lowered lower(Graph& graph, core::Device& device, const Context& context,
              const cl::CommandQueue& queue, const LoweringOptions& options);

}  // namespace clconv::net
