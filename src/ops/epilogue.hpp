// What a matrix product leaves to do to become y: folding, bias, residual, activation.
#pragma once

#include <memory>

#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// product[group*group_stride + f*ld + image*pixels + t] -> result[first_image + image][group*filters + f]
// [first + t], t < pixels, with the problem's bias, residual `r` and activation, or added to it
// (accumulate). `product` is float32, the rest of the problem's data type.
struct FoldPart {
  std::int64_t first_image = 0, images = 1;
  std::int64_t planes = 1, planes_per_group = 1;  // of the result, per image
  std::int64_t first = 0, pixels = 1, plane_pixels = 1;
  std::int64_t image_elements = 0;  // of the result, from one image to the next
  std::int64_t group_stride = 0, ld = 0;
};
std::unique_ptr<Step> fold_output(Device& device, const Problem& problem, const FoldPart& part,
                                  const Region& product, const Region& b, const Region& r,
                                  const Region& result);

// The same in place, where the product already is the result (y, or dx if that is wanted).
std::unique_ptr<Step> finish_output(Device& device, const Problem& problem, const Region& b,
                                    const Region& r, const Region& result);

// -DBIAS=.. -DRESIDUAL=.. -DACTIVATION=.. -DSLOPES=.. -DMASK=.. -DACCUMULATE=.. -DSTORAGE_..: what of a problem,
// besides its class, is compiled in.
std::string epilogue_defines(const Problem& problem);
// The same for a kernel that can serve several layers of a network by one program: where a problem has a bias, and an
// activation that holds the result between two numbers, these and whether there is a residual are arguments. (A problem
// without a bias is none of a trained network, and keeps what is compiled in: bounds take 1 % of short reductions.)
std::string shared_epilogue_defines(const Problem& problem);
// The last of them alone.
std::string storage_define(DataType type);
// The arguments of a kernel with SLOPES_PARAMETER at its end (kernels/parts/epilogue.cl): behind them the slopes where
// the problem's activation has some, or its scale.
std::vector<Argument> with_slopes(const Problem& problem, std::vector<Argument> arguments);
// The same of a kernel with shared_epilogue_defines.
std::vector<Argument> with_bounds(const Problem& problem, std::vector<Argument> arguments);

}  // namespace clconv::core
