// Launching reductions: sums, maxima and the like over any axes of a tensor. Knows kinds as data, and no node.
#pragma once

#include <string>
#include <vector>

#include "net/lowering.hpp"

namespace clconv::net {

// What a reduction does: finish(fold over all elements of map(element), divided by their number where it is a mean).
struct Reduction {
  enum class Fold { kSum, kProduct, kMax, kMin, kLogSumExp };
  enum class Map { kNone, kAbs, kSquare };
  enum class Finish { kNone, kSqrt, kLog };
  const char* name;  // the operator's
  Fold fold;
  Map map = Map::kNone;
  Finish finish = Finish::kNone;
  bool mean = false;
};

inline constexpr Reduction kMean{"ReduceMean", Reduction::Fold::kSum, Reduction::Map::kNone,
                                 Reduction::Finish::kNone, true};
inline constexpr Reduction kMax{"ReduceMax", Reduction::Fold::kMax};

// Steps from input 0 to output 0, over the axes for which `reduced` holds.
void lower_reduction(Lowering& lowering, const Reduction& reduction,
                     const std::vector<bool>& reduced);

}  // namespace clconv::net
