#include "ops/mask.hpp"

#include <cstdio>
#include <cstring>

namespace clconv::core {
namespace {

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  static_assert(sizeof(bits) == sizeof(value));
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

}  // namespace

std::string parameter_defines(const Problem& problem, Activation activation) {
  std::string parameters;
  const std::pair<const char*, float> values[] = {{"SLOPE", problem.activation_slope},
                                                  {"OFFSET", problem.activation_offset}};
  for (int i = 0; i < row_of(activation).parameters; ++i) {
    // As bits: exact, and the same in every locale.
    char define[48];
    std::snprintf(define, sizeof(define), " -D%s=as_float(0x%08xu)", values[i].first,
                  bits_of(values[i].second));
    parameters += define;
  }
  return parameters;
}

Mask mask_of(const Problem& problem) {
  if (!problem.mask) return {};
  return {true, Region{static_cast<int>(Tensor::kY)},
          std::string(" -DMASK=1 -DBACKWARD=") + backward_of(problem.masked).macro +
              parameter_defines(problem, problem.masked)};
}

}  // namespace clconv::core
