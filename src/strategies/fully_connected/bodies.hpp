// What the bodies of fully connected layers share. x (n, c*h*w), w (k, c*h*w) and y (n, k) lie in memory as matrices.
#pragma once

#include <string>

#include "strategies/body.hpp"
#include "strategies/cost_model.hpp"

namespace clconv::core::fully_connected {

// Of the matrices x and w, c*h*w.
std::int64_t columns_of(const Problem& p);
Region result_region(const Problem& p);

// All but times and memory.
void describe_product(Candidate& candidate, const Problem& p);

// Cycles of a register tile of `accumulators` that brings `loads` vectors or numbers per step.
double tile_cycles(const Machine& machine, std::int64_t steps, double accumulators, double loads);

// A product in so many work-groups of so many cycles, with vectors of `width` floats.
Pass product_pass(const Case& c, double work_groups, double cycles, int width);

// The config's vector width, `vw`. Throws Error{kInvalidArgument} for one that is none.
int width_of(const Config& config);

// The macros of a program.
std::string defines_of(const Problem& p, const Config& config);

}  // namespace clconv::core::fully_connected
