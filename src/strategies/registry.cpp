// The list of strategies, in the order of the report. Adding one: its .cpp, its .cl and a line
// here.
#include "strategies/strategy.hpp"

#define CLCONV_STRATEGIES(X) \
  X(naive)                   \
  X(im2col_gemm)             \
  X(im2row_lean)             \
  X(pointwise_gemm)          \
  X(implicit_gemm)           \
  X(depthwise)               \
  X(winograd)                \
  X(fully_connected)         \
  X(reduction)

namespace clconv::core {

#define CLCONV_DECLARE(name) extern const Strategy strategy_##name;
CLCONV_STRATEGIES(CLCONV_DECLARE)
#undef CLCONV_DECLARE

const std::vector<const Strategy*>& strategies() {
#define CLCONV_LIST(name) &strategy_##name,
  static const std::vector<const Strategy*> list = {CLCONV_STRATEGIES(CLCONV_LIST)};
#undef CLCONV_LIST
  return list;
}

}  // namespace clconv::core
