// One axis of a depthwise convolution as the bodies for CPUs see it. Geometry only; the kernels have the same as
// macros.
#pragma once

#include <cstdint>

#include "problem.hpp"

namespace clconv::core::depthwise {

// A result sees the elements of the input that its filter multiplies. Results come in steps: of a forward convolution
// or a weight gradient one row each, of a data gradient at stride s the s rows between one row of dy and the next.
struct Axis {
  std::int64_t steps;     // of results in a plane
  std::int64_t advance;   // rows of the input from one step to the next
  std::int64_t residues;  // rows of the result in a step
  std::int64_t reach;     // rows of the input beyond the first that a step sees
  std::int64_t start;     // first row of the input that step 0 sees

  static Axis rows(const Problem& p);
  static Axis columns(const Problem& p);
  // Rows of the input that `count` steps see.
  std::int64_t input(std::int64_t count) const { return (count - 1) * advance + reach + 1; }

 private:
  Axis(bool data, std::int64_t size, std::int64_t results, std::int64_t kernel, std::int64_t stride,
       std::int64_t before, std::int64_t dilation);
};

// A tile of `rb` steps x one vector with all loops over taps unrolled and their conditions decided by the compiler:
// the combinations of input and result that it has to look at, and whether they are few enough.
std::int64_t unrolled_combinations(const Problem& p, int rb);
constexpr std::int64_t kMostUnrolled = 640;
bool unrolls(const Problem& p, int rb);

}  // namespace clconv::core::depthwise
