// ReLU, and the backward of any activation that has one, by themselves, for where they are not fused.
#pragma once

#include <memory>

#include "ops/mask.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// y = x < 0 ? 0 : x, `count` elements; y may be x. NaN stays NaN.
std::unique_ptr<Step> relu(Device& device, std::int64_t count, const Region& x, const Region& y);

// dx = dy times the derivative at mask.y, `count` elements; of ReLU y > 0 ? dy : 0. dx may be dy.
std::unique_ptr<Step> activation_gradient(Device& device, std::int64_t count, const Mask& mask,
                                          const Region& dy, const Region& dx);
// ReLU's.
std::unique_ptr<Step> relu_gradient(Device& device, std::int64_t count, const Region& y,
                                    const Region& dy, const Region& dx);

}  // namespace clconv::core
