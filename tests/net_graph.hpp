// Graphs built by hand and run as a network's plan would run them: inference, lowering, then all steps in order. Every
// buffer has memory of its own, filled with NaN and guarded behind its end; parts are parts of their wholes.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "doctest/doctest.h"
#include "net/graph.hpp"
#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "net/passes.hpp"
#include "support/device.hpp"

namespace clconv::test {

namespace core = clconv::core;
using namespace clconv::net;
using Numbers = std::vector<float>;

// The device under test as if it were a GPU: one element per work-item, groups of 64.
inline core::Device& as_gpu() {
  static core::Device& instance = [&]() -> core::Device& {
    core::DeviceProfile profile = device().profile();
    profile.family = core::Family::kGpu;
    profile.float_width = 1;
    profile.max_work_group_size = 64;
    return *new core::Device(device().context(), device().cl(), core::cache_options("", 0),
                             profile);
  }();
  return instance;
}

inline const clconv::Context& net_context() {
  static const clconv::Context& instance = *new clconv::Context(device().context(), device().cl());
  return instance;
}

// The memory of one run: a guarded buffer for every whole one.
class TestMemory : public Memory {
 public:
  TestMemory(const Lowered& lowered, const std::vector<Numbers>& inputs) : lowered_(lowered) {
    for (std::size_t i = 0; i < lowered.buffers.size(); ++i) {
      const BufferSpec& spec = lowered.buffers[i];
      if (spec.whole != kNoBuffer || spec.kind == BufferSpec::Kind::kConstant) continue;
      const auto id = static_cast<BufferId>(i);
      GuardedBuffer& made = own_.emplace(id, GuardedBuffer(spec.bytes)).first->second;
      if (spec.kind != BufferSpec::Kind::kInput) continue;
      const Numbers& values = inputs.at(static_cast<std::size_t>(spec.position));
      REQUIRE(static_cast<std::int64_t>(values.size()) * 4 == spec.bytes);
      made.write(values);
    }
    for (std::size_t i = 0; i < lowered.buffers.size(); ++i)
      add_part(static_cast<BufferId>(i));
    std::int64_t bytes = 0;
    for (const auto& step : lowered.steps)
      bytes = std::max(bytes, step->workspace_bytes());
    workspace_ = std::make_unique<GuardedBuffer>(bytes);
  }

  cl_mem buffer(BufferId id) const override {
    const auto part = parts_.find(id);
    if (part != parts_.end()) return part->second();
    const auto own = own_.find(id);
    return own != own_.end() ? own->second.get() : spec(id).memory();
  }
  cl_mem workspace() const override { return workspace_->get(); }
  Numbers read(BufferId id) { return own_.at(whole(id)).read(); }
  bool intact() {
    return workspace_->intact() &&
           std::all_of(own_.begin(), own_.end(), [](auto& entry) { return entry.second.intact(); });
  }
  BufferId whole(BufferId id) const { return spec(id).whole == kNoBuffer ? id : spec(id).whole; }

 private:
  const BufferSpec& spec(BufferId id) const {
    return lowered_.buffers.at(static_cast<std::size_t>(id));
  }
  void add_part(BufferId id) {
    const BufferSpec& part = spec(id);
    if (part.whole == kNoBuffer || part.bytes == 0) return;
    REQUIRE(spec(part.whole).whole == kNoBuffer);
    REQUIRE(part.offset_bytes + part.bytes <= spec(part.whole).bytes);
    const cl_buffer_region region{static_cast<std::size_t>(part.offset_bytes),
                                  static_cast<std::size_t>(part.bytes)};
    cl_int status = CL_SUCCESS;
    const cl_mem made =
        clCreateSubBuffer(buffer(part.whole), 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &status);
    REQUIRE(status == CL_SUCCESS);
    parts_[id] = cl::Buffer(made);
  }

  const Lowered& lowered_;
  std::map<BufferId, GuardedBuffer> own_;
  std::map<BufferId, cl::Buffer> parts_;
  std::unique_ptr<GuardedBuffer> workspace_;
};

// Every step reads what is there before it: inputs, constants and what steps before it wrote. It writes neither inputs
// nor constants.
inline void check_order(const Lowered& lowered, const TestMemory& memory) {
  std::map<BufferId, bool> there;
  const auto kind = [&](BufferId id) {
    return lowered.buffers[static_cast<std::size_t>(memory.whole(id))].kind;
  };
  const auto given = [&](BufferId id) {
    return kind(id) == BufferSpec::Kind::kInput || kind(id) == BufferSpec::Kind::kConstant;
  };
  for (const auto& step : lowered.steps) {
    CAPTURE(step->name());
    for (const BufferId id : step->reads())
      CHECK((given(id) || there[memory.whole(id)]));
    for (const BufferId id : step->writes()) {
      CHECK_FALSE(given(id));
      there[memory.whole(id)] = true;
    }
  }
}

struct RunOptions {
  core::DataType storage = core::DataType::kFloat32;
  core::Device* on = nullptr;  // null: device()
};

// A graph in the making, with what its inputs are given.
class NetGraph {
 public:
  explicit NetGraph(std::int64_t opset = 17) { graph_.opset = opset; }

  ValueId input(const Shape& shape, Numbers values, Type type = Type::kFloat32) {
    const ValueId id = graph_.add_value("x", type);
    graph_.value(id).shape = shape;
    graph_.inputs.push_back(id);
    inputs_.push_back(std::move(values));
    return id;
  }
  ValueId constant(const Shape& shape, Numbers values) {
    return graph_.add_constant("c", constant_of(shape, std::move(values)));
  }
  ValueId constant(const Shape& shape, std::vector<std::int64_t> values) {
    return graph_.add_constant("c", constant_of(shape, std::move(values)));
  }
  ValueId constant(ConstantPtr value) { return graph_.add_constant("c", std::move(value)); }

  // A node: {"axis", std::int64_t{1}} in `attributes`. kNoValue among the inputs leaves one out.
  using AttributeList = std::vector<std::pair<const char*, AttributeValue>>;
  std::vector<ValueId> add_node(const std::string& op, std::vector<ValueId> inputs,
                                std::size_t outputs, const AttributeList& attributes = {},
                                const std::string& domain = "") {
    Node node;
    node.op = op;
    node.domain = domain;
    node.name = op + std::to_string(graph_.nodes.size());
    node.inputs = std::move(inputs);
    for (std::size_t i = 0; i < outputs; ++i)
      node.outputs.push_back(graph_.add_value("y"));
    for (const auto& [name, value] : attributes)
      node.attributes.set(name, value);
    graph_.nodes.push_back(node);
    return node.outputs;
  }
  // The same with one output.
  ValueId add(const std::string& op, std::vector<ValueId> inputs,
              const AttributeList& attributes = {}, const std::string& domain = "") {
    return add_node(op, std::move(inputs), 1, attributes, domain).front();
  }
  void output(ValueId id) { graph_.outputs.push_back(id); }

  Graph& graph() { return graph_; }
  // Shape inference and folding, once everything is added; run() does it, too.
  Graph& infer() {
    net::infer(graph_);
    return graph_;
  }
  const Shape& shape(ValueId id) const { return *graph_.value(id).shape; }
  // Inference, then the pass of that name; what it changed.
  Changes apply(const std::string& name) {
    infer();
    Changes changes;
    bool found = false;
    for (const Pass& pass : passes()) {
      if (name != pass.name) continue;
      pass.run(graph_, changes);
      found = true;
    }
    REQUIRE(found);
    graph_.remove_unused();
    return changes;
  }
  // The operators of the nodes, in their order.
  std::vector<std::string> operators() const {
    std::vector<std::string> names;
    for (const Node& node : graph_.nodes)
      names.push_back(node.op);
    return names;
  }

  // What the outputs are, as float32. Everything that a plan relies on is checked on the way. The graph stays as it is,
  // so that it can run again with other options.
  std::vector<Numbers> run(const RunOptions& options = {}) const {
    Graph graph = graph_;
    net::infer(graph);
    core::Device& on = options.on != nullptr ? *options.on : device();
    LoweringOptions lowering;
    lowering.storage = options.storage;
    const Lowered lowered = lower(graph, on, net_context(), queue(), lowering);
    TestMemory memory(lowered, inputs_);
    check_order(lowered, memory);
    for (const auto& step : lowered.steps)
      step->enqueue(queue()(), memory, {});
    queue().finish();
    CHECK(memory.intact());
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      check_input(memory, lowered.of_values.at(graph.inputs[i]), inputs_[i]);
    std::vector<Numbers> results;
    for (std::size_t i = 0; i < graph.outputs.size(); ++i)
      results.push_back(memory.read(output_at(lowered, i)));
    return results;
  }
  // The steps that run() enqueues, by name.
  std::vector<std::string> steps(const RunOptions& options = {}) const {
    Graph graph = graph_;
    net::infer(graph);
    LoweringOptions lowering;
    lowering.storage = options.storage;
    std::vector<std::string> names;
    for (const auto& step : lower(graph, options.on != nullptr ? *options.on : device(),
                                  net_context(), queue(), lowering)
                                .steps)
      names.push_back(step->name());
    return names;
  }

 private:
  static BufferId output_at(const Lowered& lowered, std::size_t position) {
    for (std::size_t i = 0; i < lowered.buffers.size(); ++i) {
      const BufferSpec& spec = lowered.buffers[i];
      if (spec.kind == BufferSpec::Kind::kOutput && spec.position == static_cast<int>(position)) {
        return static_cast<BufferId>(i);
      }
    }
    FAIL("no buffer for output " << position);
    return kNoBuffer;
  }
  static void check_input(TestMemory& memory, BufferId id, const Numbers& given) {
    const Numbers after = memory.read(id);
    REQUIRE(after.size() == given.size());
    CHECK((given.empty() || std::memcmp(after.data(), given.data(), given.size() * 4) == 0));
  }

  Graph graph_;
  std::vector<Numbers> inputs_;
};

// Uniform in [low, high), the same for the same seed.
inline Numbers random_numbers(std::int64_t count, unsigned seed, float low = -1, float high = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> distribution(low, high);
  Numbers values(static_cast<std::size_t>(count));
  for (float& value : values)
    value = distribution(engine);
  return values;
}
inline Numbers random_numbers(const Shape& shape, unsigned seed, float low = -1, float high = 1) {
  return random_numbers(elements(shape), seed, low, high);
}

// The largest error relative to 1 + the expected magnitude. NaN equals NaN and an infinity itself; against anything
// else they are infinitely wrong.
inline double worst_error(const Numbers& result, const std::vector<double>& expected) {
  if (result.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double is = result[i], wanted = expected[i];
    if (is == wanted || (std::isnan(is) && std::isnan(wanted))) continue;
    const double error = std::fabs(is - wanted) / (1 + std::fabs(wanted));
    if (!std::isfinite(error)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, error);
  }
  return worst;
}

}  // namespace clconv::test
