// Softmax and its logarithm, along one axis or (below opset 13) along all axes from one on.
#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "net/operators/division.hpp"

namespace clconv::net {
namespace {

// The tensor as [outer, n, inner], normalised along n.
struct Softmax {
  std::int64_t outer, n, inner;
};

Softmax softmax_of(const NodeView& view) {
  const Shape& shape = view.shape(0);
  const bool coerced = view.opset() < 13;  // to two dimensions
  const std::size_t axis =
      normalized_axis(view.attributes().integer("axis", coerced ? 1 : -1), shape.size(), coerced);
  if (coerced) return {elements(shape, 0, axis), elements(shape, axis, shape.size()), 1};
  return {elements(shape, 0, axis), shape[axis], elements(shape, axis + 1, shape.size())};
}

void infer_softmax(Inference& inference) {
  inference.expect_inputs(1, 1);
  inference.expect_floating(0);
  softmax_of(inference);
  inference.output(0, inference.type(0), inference.shape(0));
}

void lower_kind(Lowering& lowering, bool log) {
  const Softmax softmax = softmax_of(lowering);
  const core::DeviceProfile& profile = lowering.profile();
  const std::int64_t total = elements(lowering.shape(0));
  const bool rows = softmax.inner == 1, vectors = takes_vectors(profile);
  const BufferId y = lowering.out(0);
  if (total == 0) return;
  std::string defines = lowering.storage_define() + (log ? " -DLOG=1" : " -DLOG=0");
  std::int64_t tasks = softmax.outer * softmax.inner;
  std::int64_t span = 1;
  core::Range range;
  const char* entry = rows ? "softmax_rows" : "softmax_columns";
  if (vectors) {
    const std::int64_t width = core::Runs::vector_width(profile);
    const bool short_rows = rows && softmax.n < width;
    if (short_rows) entry = "softmax_short_rows";
    if (short_rows) tasks = core::ceil_div(softmax.outer, width);
    if (!rows) tasks = softmax.outer * core::ceil_div(softmax.inner, width);
    // An exponential takes about as long as 8 elements of a sum.
    const Tasks divided(profile, tasks, 8 * softmax.n * (rows && !short_rows ? 1 : width));
    span = divided.span;
    range = divided.range;
    defines += vector_define(profile);
  } else {
    const std::int64_t local = row_items(profile);
    range =
        rows ? rows_of_items(tasks, local) : core::items(tasks, core::Spans::local_size(profile));
    defines += " -DLOCAL=" + std::to_string(local);
  }
  std::vector<Argument> arguments = {{"x", In{lowering.in(0)}},
                                     {"y", Out{y}},
                                     {"tasks", cl_long{tasks}},
                                     {"n", cl_long{softmax.n}},
                                     {"inner", cl_long{softmax.inner}}};
  if (vectors) {
    arguments.push_back({"total", cl_long{total}});
    arguments.push_back({"span", cl_long{span}});
  }
  lowering.launch(log ? "log softmax" : "softmax", vectors ? "net/softmax" : "net/softmax_items",
                  entry, defines, arguments, range, 2 * lowering.bytes_of(lowering.shape(0)));
}

void lower_softmax(Lowering& lowering) {
  lower_kind(lowering, false);
}
void lower_log_softmax(Lowering& lowering) {
  lower_kind(lowering, true);
}

}  // namespace

Operators softmax_operators();
Operators softmax_operators() {
  return {{"Softmax", "", 7, infer_softmax, nullptr, lower_softmax},
          {"LogSoftmax", "", 7, infer_softmax, nullptr, lower_log_softmax}};
}

}  // namespace clconv::net
