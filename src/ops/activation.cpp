#include "ops/activation.hpp"

#include "runtime/spans.hpp"

namespace clconv::core {

std::unique_ptr<Step> relu(Device& device, std::int64_t count, const Region& x, const Region& y) {
  const Runs runs(device.profile(), count);
  return std::make_unique<KernelStep>(
      "relu",
      device.kernel("ops/activation", "relu", "-DACTIVATION=activate_relu " + runs.define()),
      std::vector<Argument>{
          {"x", x}, {"y", y}, {"count", cl_long{count}}, {"span", cl_long{runs.span}}},
      runs.range);
}

std::unique_ptr<Step> activation_gradient(Device& device, std::int64_t count, const Mask& mask,
                                          const Region& dy, const Region& dx) {
  const Runs runs(device.profile(), count);
  return std::make_unique<KernelStep>(
      "activation_gradient",
      device.kernel("ops/activation", "activation_gradient", runs.define() + mask.defines),
      std::vector<Argument>{{"y", mask.y},
                            {"dy", dy},
                            {"dx", dx},
                            {"count", cl_long{count}},
                            {"span", cl_long{runs.span}}},
      runs.range);
}

std::unique_ptr<Step> relu_gradient(Device& device, std::int64_t count, const Region& y,
                                    const Region& dy, const Region& dx) {
  Problem relu;
  relu.mask = true;
  Mask mask = mask_of(relu);
  mask.y = y;
  return activation_gradient(device, count, mask, dy, dx);
}

}  // namespace clconv::core
