#include "net/lowering.hpp"

#include <algorithm>

#include "error.hpp"
#include "problem.hpp"
#include "runtime/storage.hpp"
#include "runtime/waking.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;

// For messages and reports.
std::string name_of(const Graph& graph, ValueId id) {
  return graph.value(id).name;
}

cl::Buffer uploaded(core::Device& device, const cl::CommandQueue& queue, const void* data,
                    std::size_t bytes, const std::string& what) {
  cl::Buffer buffer =
      core::allocate(device.context(), static_cast<std::int64_t>(bytes),
                     device.profile().max_allocation_bytes, "constant '" + what + "'");
  if (bytes > 0) {
    core::check(
        clEnqueueWriteBuffer(queue(), buffer(), CL_TRUE, 0, bytes, data, 0, nullptr, nullptr),
        "clEnqueueWriteBuffer");
  }
  return buffer;
}

}  // namespace

std::string Lowering::storage_define() const {
  return std::string("-D") + core::row_of(storage()).macro;
}

std::int64_t Lowering::bytes_of(const Shape& shape) const {
  return core::saturating_product(elements(shape), core::element_bytes(storage()));
}

BufferId Lowering::add_buffer(BufferSpec spec) {
  result_.buffers.push_back(std::move(spec));
  return static_cast<BufferId>(result_.buffers.size() - 1);
}

BufferId Lowering::constant(const std::string& name, const cl::Buffer& memory, std::int64_t bytes) {
  BufferSpec spec;
  spec.kind = BufferSpec::Kind::kConstant;
  spec.name = name;
  spec.bytes = bytes;
  spec.memory = memory;
  return add_buffer(std::move(spec));
}

BufferId Lowering::in_one_piece(const Images& images) const {
  if (images.stride == 0) return images.buffer;
  throw Error(Code::kInternal, "node '" + node_.name + "' takes no images apart, as those of '" +
                                   spec(images.buffer).name + "' are");
}

Images Lowering::images_out(std::size_t i) {
  const BufferId buffer = out(i, storage());
  return {buffer, spec(buffer).image_stride};
}

Images Lowering::images_in(std::size_t i) {
  const Value& value = input(i);
  const ValueId id = node_.inputs[i];
  const auto found = result_.of_values.find(id);
  if (found != result_.of_values.end()) return {found->second, spec(found->second).image_stride};
  if (value.constant == nullptr) {
    throw Error(Code::kInternal, "value '" + value.name + "' has no buffer");
  }
  std::vector<float> numbers(static_cast<std::size_t>(value.constant->count()));
  for (std::size_t e = 0; e < numbers.size(); ++e)
    numbers[e] = value.constant->number(e);
  const BufferId buffer = upload_stored(value.name, numbers);
  result_.of_values[id] = buffer;
  return {buffer, 0};
}

// Makes the part, which has the value's bytes, one whose images lie apart.
void Lowering::set_images_apart(BufferSpec& part, ValueId id, std::int64_t image_stride) const {
  const std::int64_t images = graph_.value(id).shape->front();
  const std::int64_t stride_bytes = image_stride * core::element_bytes(storage());
  part.image_stride = image_stride;
  part.gap_bytes = (images - 1) * (stride_bytes - part.bytes / images);
  part.bytes += part.gap_bytes;
}

// The buffer of a value that a node makes: its own, or the part of another value's that places_of() gave it.
BufferId Lowering::made(ValueId id, core::DataType type) {
  const auto found = result_.of_values.find(id);
  if (found != result_.of_values.end()) return found->second;
  BufferSpec part;
  part.name = name_of(graph_, id);
  part.bytes =
      core::saturating_product(elements(*graph_.value(id).shape), core::element_bytes(type));
  const auto place = result_.places.find(id);
  if (place != result_.places.end() && type == storage()) {
    const BufferId whole = made(place->second.whole, type);
    const std::int64_t stride = place->second.image_stride, whole_stride = spec(whole).image_stride;
    // What is one piece in a whole whose images lie apart would be none; it gets memory of its own.
    if (stride > 0 || whole_stride == 0) {
      part.whole = spec(whole).whole == kNoBuffer ? whole : spec(whole).whole;
      part.offset_bytes = spec(whole).offset_bytes + place->second.offset_bytes;
    }
    if (stride > 0) set_images_apart(part, id, whole_stride > 0 ? whole_stride : stride);
  }
  const BufferId buffer = add_buffer(std::move(part));
  result_.of_values[id] = buffer;
  return buffer;
}

BufferId Lowering::upload(const std::string& name, const std::vector<float>& values) {
  const std::size_t bytes = values.size() * sizeof(float);
  return constant(name, uploaded(device_, queue_, values.data(), bytes, name),
                  static_cast<std::int64_t>(bytes));
}

BufferId Lowering::upload_stored(const std::string& name, const std::vector<float>& values) {
  const std::vector<unsigned char> stored = core::to_storage(values, storage());
  return constant(name, uploaded(device_, queue_, stored.data(), stored.size(), name),
                  static_cast<std::int64_t>(stored.size()));
}

BufferId Lowering::upload(const std::string& name, const std::vector<cl_int>& values) {
  const std::size_t bytes = values.size() * sizeof(cl_int);
  return constant(name, uploaded(device_, queue_, values.data(), bytes, name),
                  static_cast<std::int64_t>(bytes));
}

cl::Buffer Lowering::take_constant(BufferId id) {
  BufferSpec& taken = result_.buffers[static_cast<std::size_t>(id)];
  taken.bytes = 0;
  return std::exchange(taken.memory, cl::Buffer());
}

BufferId Lowering::upload(const std::string& name, const std::vector<cl_long>& values) {
  const std::size_t bytes = values.size() * sizeof(cl_long);
  return constant(name, uploaded(device_, queue_, values.data(), bytes, name),
                  static_cast<std::int64_t>(bytes));
}

BufferId Lowering::scratch(const std::string& name, std::int64_t bytes) {
  BufferSpec spec;
  spec.name = name;
  spec.bytes = bytes;
  return add_buffer(std::move(spec));
}

bool Lowering::may_alias(BufferId buffer, std::int64_t offset_bytes, std::int64_t bytes) const {
  const BufferSpec& source = spec(buffer);
  if ((source.offset_bytes + offset_bytes) % profile().base_alignment_bytes != 0) return false;
  const bool ours = source.kind == BufferSpec::Kind::kActivation;
  return ours || (offset_bytes == 0 && bytes == source.bytes);
}

void Lowering::alias(std::size_t output, BufferId buffer, std::int64_t offset_bytes,
                     std::int64_t image_stride) {
  const ValueId id = node_.outputs[output];
  const BufferSpec& source = spec(buffer);
  BufferSpec part;
  part.kind = source.kind;
  part.name = name_of(graph_, id);
  part.bytes = bytes_of(output_shape(output));
  part.position = source.position;
  part.whole = source.whole == kNoBuffer ? buffer : source.whole;
  part.offset_bytes = source.offset_bytes + offset_bytes;
  part.memory = source.memory;
  if (image_stride > 0) set_images_apart(part, id, image_stride);
  if (result_.of_values.count(id) != 0 || !may_alias(buffer, offset_bytes, part.bytes)) {
    throw Error(Code::kInternal, "value '" + part.name + "' cannot be a part of '" + source.name +
                                     "' from byte " + std::to_string(part.offset_bytes) + " on");
  }
  result_.of_values[id] = add_buffer(std::move(part));
}

bool Lowering::is_part(BufferId part, BufferId buffer, std::int64_t offset_bytes) const {
  const auto root = [&](BufferId id) { return spec(id).whole == kNoBuffer ? id : spec(id).whole; };
  return part != buffer && root(part) == root(buffer) &&
         spec(part).offset_bytes == spec(buffer).offset_bytes + offset_bytes;
}

double Lowering::predicted_us(std::int64_t bytes) const {
  const double us = static_cast<double>(bytes) / (profile().bandwidth_gbs * 1e3);
  return profile().launch_us + us +
         core::waking_us(profile(), us, static_cast<double>(profile().compute_units));
}

void Lowering::launch(const std::string& name, const char* file, const char* entry,
                      const std::string& defines, const std::vector<Argument>& arguments,
                      const core::Range& range, std::int64_t bytes) {
  add(std::make_unique<LaunchStep>(name, device_.kernel(file, entry, defines), arguments, range,
                                   predicted_us(bytes)));
}

void Lowering::launch_generated(const std::string& name, const std::string& text, const char* entry,
                                const std::string& defines, const std::vector<Argument>& arguments,
                                const core::Range& range, std::int64_t bytes) {
  add(std::make_unique<LaunchStep>(name, device_.generated_kernel(text, entry, defines), arguments,
                                   range, predicted_us(bytes)));
}

void Lowering::copy(const std::string& name, BufferId from, BufferId to, std::int64_t bytes) {
  if (bytes == 0) return;  // OpenCL takes it for an error
  add(std::make_unique<CopyStep>(name, from, to, bytes, predicted_us(2 * bytes)));
}

void Lowering::add(std::unique_ptr<Step> step) {
  result_.steps.push_back(std::move(step));
}

namespace {

// Adds a node of one input and one output that converts between float32 and storage, in front of the network or behind.
Node conversion(Graph& graph, const char* op, ValueId from, ValueId to) {
  Node node;
  node.op = op;
  node.domain = kOwnDomain;
  node.name = graph.value(op == std::string("ToStorage") ? from : to).name;
  node.inputs = {from};
  node.outputs = {to};
  return node;
}

// Where storage is not float32, nodes at both ends convert what the caller gives and gets.
void add_conversions(Graph& graph) {
  std::vector<Node> nodes;
  for (const ValueId id : graph.inputs) {
    const ValueId stored = graph.add_value(graph.value(id).name + "_stored");
    graph.value(stored).shape = graph.value(id).shape;
    graph.replace_uses(id, stored);
    nodes.push_back(conversion(graph, "ToStorage", id, stored));
  }
  nodes.insert(nodes.end(), graph.nodes.begin(), graph.nodes.end());
  for (ValueId& id : graph.outputs) {
    const ValueId wanted = graph.add_value(graph.value(id).name + "_float32");
    graph.value(wanted).shape = graph.value(id).shape;
    nodes.push_back(conversion(graph, "FromStorage", id, wanted));
    id = wanted;
  }
  graph.nodes = std::move(nodes);
}

BufferSpec external(const Graph& graph, ValueId id, BufferSpec::Kind kind, std::size_t position) {
  BufferSpec spec;
  spec.kind = kind;
  spec.name = name_of(graph, id);
  spec.bytes = core::saturating_product(elements(*graph.value(id).shape), std::int64_t{4});
  spec.position = static_cast<int>(position);
  return spec;
}

// The buffers of the network's inputs, and of outputs that a node makes.
void add_externals(const Graph& graph, Lowered& result) {
  const auto add = [&](ValueId id, BufferSpec spec) {
    if (result.of_values.count(id) != 0) return;  // an output that is an input, or comes twice
    result.buffers.push_back(std::move(spec));
    result.of_values[id] = static_cast<BufferId>(result.buffers.size() - 1);
  };
  for (std::size_t i = 0; i < graph.inputs.size(); ++i)
    add(graph.inputs[i], external(graph, graph.inputs[i], BufferSpec::Kind::kInput, i));
}

// The activation `buffer` becomes the caller's, with the whole that it is all of. False where it cannot.
bool become_output(Lowered& result, BufferId buffer, std::size_t position) {
  const BufferSpec& wanted = result.buffers[static_cast<std::size_t>(buffer)];
  const BufferId whole = wanted.whole == kNoBuffer ? buffer : wanted.whole;
  if (wanted.kind != BufferSpec::Kind::kActivation) return false;
  std::vector<BufferSpec*> same;
  for (BufferSpec& other : result.buffers) {
    const bool is_whole = &other == &result.buffers[static_cast<std::size_t>(whole)];
    if (!is_whole && other.whole != whole) continue;
    if (other.bytes != wanted.bytes || other.offset_bytes != 0) return false;
    same.push_back(&other);
  }
  for (BufferSpec* other : same) {
    other->kind = BufferSpec::Kind::kOutput;
    other->position = static_cast<int>(position);
  }
  return true;
}

// The network's outputs are written in place where a node makes them, else copied.
void finish_outputs(Graph& graph, Lowering& lowering, Lowered& result) {
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const ValueId id = graph.outputs[i];
    const auto found = result.of_values.find(id);
    if (found != result.of_values.end() && become_output(result, found->second, i)) continue;
    const BufferId from = found != result.of_values.end() ? found->second : lowering.in(i);
    result.buffers.push_back(external(graph, id, BufferSpec::Kind::kOutput, i));
    const auto to = static_cast<BufferId>(result.buffers.size() - 1);
    const std::size_t first = result.steps.size();
    lowering.copy("copy", from, to, result.buffers.back().bytes);
    result.layers.push_back(
        {name_of(graph, id), "Copy", *graph.value(id).shape, first, result.steps.size() - first});
  }
}

// Of the first output that is there.
Shape shape_of_result(const Graph& graph, const Node& node) {
  for (const ValueId id : node.outputs) {
    if (id != kNoValue) return *graph.value(id).shape;
  }
  return {};
}

}  // namespace

Lowered lower(Graph& graph, core::Device& device, const Context& context,
              const cl::CommandQueue& queue, const LoweringOptions& options) {
  Lowered result;
  if (options.storage != core::DataType::kFloat32) add_conversions(graph);
  add_externals(graph, result);
  result.places =
      places_of(graph, core::element_bytes(options.storage), device.profile().base_alignment_bytes);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    if (options.progress) {
      options.progress(static_cast<std::int64_t>(i), static_cast<std::int64_t>(graph.nodes.size()),
                       node.name);
    }
    const Operator* op = find_operator(node.domain, node.op);
    if (op == nullptr || op->lower == nullptr) {
      unsupported(node, graph,
                  "this operator is supported only where its result can be computed "
                  "before the network runs");
    }
    Lowering lowering(graph, node, device, context, queue, options, result);
    const std::size_t first = result.steps.size();
    op->lower(lowering);
    result.layers.push_back(
        {node.name, node.op, shape_of_result(graph, node), first, result.steps.size() - first});
  }
  Node outputs;  // stands for the caller, who reads them
  outputs.op = "Output";
  outputs.domain = kOwnDomain;
  outputs.name = "outputs";
  outputs.inputs = graph.outputs;
  Lowering lowering(graph, outputs, device, context, queue, options, result);
  finish_outputs(graph, lowering, result);
  return result;
}

}  // namespace clconv::net
