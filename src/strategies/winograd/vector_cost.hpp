// What the two launches of `f2x2` and `f4x4` cost, for all chunks of a problem.
#pragma once

#include "strategies/cost_model.hpp"
#include "strategies/winograd/vector_tile.hpp"

namespace clconv::core::winograd {

// The transform of the input.
Pass input_pass(const Case& all, const Geometry& geometry);
// The products, and the transform of their sums.
Pass multiply_pass(const Case& all, const Geometry& geometry);

}  // namespace clconv::core::winograd
