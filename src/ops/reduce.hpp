// Sums in a fixed order: deterministic, and in stages where they are long.
#pragma once

#include "ops/mask.hpp"
#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// result[i] = sum of parts[part*count + i] over `parts`, added to result[i] with `accumulate`.
// `mask`: of parts that are a gradient. The result is of `type`; so are the mask and parts that are operands, which
// `parts_type` then says too.
std::unique_ptr<Step> sum_parts(Device& device, std::int64_t count, std::int64_t parts,
                                bool accumulate, const Region& partials, const Mask& mask,
                                const Region& result, DataType type = DataType::kFloat32,
                                DataType parts_type = DataType::kFloat32);

// The bias gradient in two stages: planes first, then images. `sums` holds n*k floats.
std::unique_ptr<Step> plane_sums(Device& device, const Problem& problem, const Region& dy,
                                 const Mask& mask, const Region& sums);
std::unique_ptr<Step> channel_sums(Device& device, const Problem& problem, const Region& sums,
                                   const Region& db);

}  // namespace clconv::core
