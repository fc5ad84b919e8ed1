// Optimizer steps over a buffer of parameters, in place. What changes from step to step comes as numbers.
#pragma once

#include <memory>

#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

struct SgdNumbers {
  Number rate{0}, momentum{1}, decay{2};
};
// w -= rate*v with v = momentum*v + dw + decay*w; `velocity` null: v = dw + decay*w, and momentum is not read.
std::unique_ptr<Step> sgd(Device& device, std::int64_t count, const Region& w, const Region& dw,
                          const Region* velocity, const SgdNumbers& numbers);

struct AdamNumbers {
  Number rate{0}, beta1{1}, beta2{2}, scale2{3}, epsilon{4}, decay{5};  // as in layers/optimizer.cl
};
struct AdamStep {
  std::int64_t step;  // 1 for the first
  float rate, beta1, beta2, epsilon, decay;
};
// The numbers of a step, its bias correction in them.
void bind(Bindings& bindings, const AdamNumbers& numbers, const AdamStep& step);

// D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1, the gradient being
// dw + decay*w.
std::unique_ptr<Step> adam(Device& device, std::int64_t count, const Region& w, const Region& dw,
                           const Region& moment1, const Region& moment2,
                           const AdamNumbers& numbers);

}  // namespace clconv::core
