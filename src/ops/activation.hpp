// ReLU by itself, for where it is not fused into what comes before.
#pragma once

#include <memory>

#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// y = x < 0 ? 0 : x, `count` elements; y may be x. NaN stays NaN.
std::unique_ptr<Step> relu(Device& device, std::int64_t count, const Region& x, const Region& y);

// dx = y > 0 ? dy : 0; dx may be dy.
std::unique_ptr<Step> relu_gradient(Device& device, std::int64_t count, const Region& y,
                                    const Region& dy, const Region& dx);

}  // namespace clconv::core
