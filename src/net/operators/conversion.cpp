// Conversions between float32 and the storage of activations, at both ends of a network.
#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "runtime/spans.hpp"

namespace clconv::net {
namespace {

void infer_conversion(Inference& inference) {
  inference.expect_inputs(1, 1);
  inference.output(0, Type::kFloat32, inference.shape(0));
}

void convert(Lowering& lowering, const char* entry, BufferId to) {
  const std::int64_t count = elements(lowering.shape(0));
  if (count == 0) return;
  const core::Runs runs(lowering.profile(), count);
  lowering.launch(entry, "net/conversion", entry, lowering.storage_define() + " " + runs.define(),
                  {{"x", In{lowering.in(0)}},
                   {"y", Out{to}},
                   {"count", cl_long{count}},
                   {"span", cl_long{runs.span}}},
                  runs.range, 6 * count);
}

void lower_to_storage(Lowering& lowering) {
  convert(lowering, "to_storage", lowering.out(0));
}

void lower_from_storage(Lowering& lowering) {
  convert(lowering, "from_storage", lowering.out_float32(0));
}

}  // namespace

Operators conversion_operators();
Operators conversion_operators() {
  return {{"ToStorage", kOwnDomain, 1, infer_conversion, nullptr, lower_to_storage},
          {"FromStorage", kOwnDomain, 1, infer_conversion, nullptr, lower_from_storage}};
}

}  // namespace clconv::net
