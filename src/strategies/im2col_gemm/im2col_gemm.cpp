// im2col + GEMM, in all three directions: patches as a matrix in memory and one product: CLBlast's, or on
// CPUs our own.
//
//   forward   im2col(x) -> cols;  product = cols * w^T;  fold into y with bias and activation
//   data      gather dy;          cols = dy * w;         col2im(cols) into dx
//   weights   im2col(x) -> cols, dy with the filters innermost;  dw = dy^T * cols, summed over chunks
#include "strategies/im2col_gemm/chunking.hpp"

#define CLCONV_BODIES(X) \
  X(panels)              \
  X(clblast)

namespace clconv::core {
namespace im2col_gemm {
CLCONV_BODIES(CLCONV_DECLARE_BODY)
}  // namespace im2col_gemm

namespace {

using namespace im2col_gemm;

const Bodies& bodies_for(const Problem&) {
  static const Bodies bodies = {CLCONV_BODIES(CLCONV_BODY)};
  return bodies;
}

std::optional<Rejection> rejection(const Problem& p) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto refused = storage_not_served(p, {Serves::kNarrow})) return refused;
  return too_large(p);
}

}  // namespace

extern const Strategy strategy_im2col_gemm;
const Strategy strategy_im2col_gemm = strategy_of_bodies<rejection, bodies_for>("im2col_gemm");

}  // namespace clconv::core
