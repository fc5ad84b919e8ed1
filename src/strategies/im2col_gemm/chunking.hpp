// How a problem is cut into chunks, and one chunk's matrices. To fit a workspace limit, a chunk is some images of the
// batch, or some output rows of one image; the config says which ("images=4,rows=56").
#pragma once

#include <vector>

#include "ops/gemm_panels.hpp"
#include "strategies/body.hpp"

namespace clconv::core::im2col_gemm {

// Whose product.
enum class Product { kPanels, kClblast, kClblastTuned };

// Devices add no halves atomically.
bool can_scatter(const Problem& p);

// Elements of a patch, per group.
std::int64_t patch_of(const Problem& p);

// A chunk's product per group: C (m x n) = A (m x k) * B (k x n), column-major, B stored with n innermost. CLBlast then
// copies nothing if all sizes are multiples of its tile. With tuned parameters they are, and the border is zero. Our
// own product takes B in panels and pads only m and n, with anything.
//
//             m        n        k        A                      B                 C
//   forward   pixels   filters  patch    cols, columns layout   weights, packed   product
//   data      pixels   patch    filters  dy                     weights, packed   cols
//   weights   patch    filters  pixels   cols, rows layout      dy, packed        product
struct Chunking {
  Product product;
  std::int64_t images, rows;  // per chunk; rows < oh only with one image
  std::int64_t pixels;        // that a chunk has
  std::int64_t m, n, k;       // per group, padded
  std::int64_t block;         // columns of B that are adjacent in memory

  Chunking(const Case& c, Product whose, std::int64_t images_per_chunk,
           std::int64_t rows_per_chunk);

  bool own() const { return product == Product::kPanels; }
  // Of CLBlast's products.
  GemmParameters parameters() const {
    return product == Product::kClblastTuned ? GemmParameters::kTuned : GemmParameters::kDefault;
  }
  PanelGemm panels(const Problem& p) const { return {m, n, k, p.g, block, false}; }
  Gemm gemm(const Problem& p) const;
  std::int64_t a_bytes(const Problem& p) const;
  std::int64_t b_bytes(const Problem& p) const;
  std::int64_t c_bytes(const Problem& p) const;
  static bool b_is_weights(const Problem& p) { return p.direction != Direction::kBackwardWeights; }
  std::int64_t chunks(const Problem& p) const {
    return ceil_div(p.n, images) * ceil_div(p.oh(), rows);
  }

  struct Regions {
    Region a, b, c, temporary;
    std::int64_t workspace_bytes = 0, prepared_bytes = 0;
    std::int64_t total_bytes() const { return workspace_bytes + prepared_bytes; }
  };
  Regions layout(const Case& c) const;

  // Why a chunk may not be like that: matrices that CLBlast cannot index, or more than the workspace limit.
  std::optional<Rejection> rejection(const Case& c) const;
};

// The chunkings that fit and are worth considering: the first makes the largest chunks. Empty where none fits.
std::vector<Chunking> cuts(const Case& c, Product product);

// The smallest chunks for the number of them to stay sane.
Chunking smallest_cut(const Case& c, Product product);

// What a config says, besides its product.
struct Cut {
  std::int64_t images, rows;
  bool atomic;

  // Throws Error{kInvalidArgument}.
  static Cut from(const Problem& p, const Config& config);
  Config config(const char* body, const Problem& p) const;
  // Why the problem cannot be cut like that.
  std::optional<Rejection> rejection(const Problem& p) const;
};

}  // namespace clconv::core::im2col_gemm
