#include "strategies/im2col_gemm/chunked_layout.hpp"

#include <algorithm>

#include "ops/correlation.hpp"
#include "ops/epilogue.hpp"
#include "ops/im2col.hpp"
#include "ops/pack.hpp"

namespace clconv::core::im2col_gemm {
namespace {

// PoCL 3.1, 2-core Zen 5, 2026-11, ResNet's 3x3 and first layers. Single elements cost what so many bytes
// copied do: im2col's rows layout per byte, col2im's gather per tap looked at. So does each run of pixels that lie
// together, which are single ones where an image is one pixel (2048 to 250 at n=32: 875 us).
constexpr double kRowsBytes = 6, kGatherBytes = 16, kRunBytes = 64;
// Of a matrix that is copied.
constexpr double kReadAndWritten = 2;
// The bytes of a scatter count so many times: its compare-exchange runs at a tenth of a copy (PoCL 3.1, 2-core Zen 5,
// 2026-11); a GPU's atomics are closer to its gather, a guess.
constexpr double kAtomicOnCpu = 10, kAtomicOnGpu = 2;

// dy as a problem of its own, whose im2col with a 1x1 filter gathers it into the columns layout.
Problem gradient_problem(const Problem& p) {
  Problem dy;
  dy.n = p.n;
  dy.c = p.k;
  dy.h = p.oh();
  dy.w = p.ow();
  dy.k = dy.g = p.g;
  dy.data_type = p.data_type;
  dy.in_image = p.input_image();
  return dy;
}

// The weights as pack_filters takes them: forward as they are; for data the patch elements in the place
// of the filters, and the filters summed over.
Correlation weights_of(const Problem& p) {
  Correlation c;
  c.groups = p.g;
  c.filters = p.k_per_group();
  c.channels = patch_of(p);
  c.w_group = c.filters * c.channels;
  c.w_filter = c.channels;
  c.w_channel = 1;
  c.data_type = p.data_type;
  if (p.wants_dx()) {
    std::swap(c.filters, c.channels);
    std::swap(c.w_filter, c.w_channel);
  }
  return c;
}

// One chunk after the other.
class Builder {
 public:
  Builder(const Case& c, const ChunkedLayout& layout, const Chunking& full,
          const Chunking::Regions& regions, bool atomic, Executable& executable, Device& device)
      : case_(c),
        p_(c.problem),
        layout_(layout),
        full_(full),
        regions_(regions),
        atomic_(atomic),
        executable_(executable),
        device_(device) {}

  void build() {
    executable_.workspace_bytes = regions_.workspace_bytes;
    executable_.prepared_weights_bytes = regions_.prepared_bytes;
    if (Chunking::b_is_weights(p_)) pack_weights();
    if (atomic_ && !p_.accumulate) {
      run(std::make_unique<FillStep>("zero dx", Region{kDxSlot}, p_.x_bytes()));
    }
    for (std::int64_t image = 0; image < p_.n; image += full_.images) {
      for (std::int64_t row = 0; row < p_.oh(); row += full_.rows) {
        add_chunk(image, row,
                  Chunking(case_, full_.product, std::min(full_.images, p_.n - image),
                           std::min(full_.rows, p_.oh() - row)));
      }
    }
    if (atomic_ && p_.finishes()) {
      run(finish_output(device_, p_, Region{kBiasSlot}, Region{kResidualSlot}, Region{kDxSlot}));
    }
    if (p_.direction == Direction::kBackwardWeights) fold_weights();
  }

 private:
  void run(std::unique_ptr<Step> step) { executable_.run.add(std::move(step)); }

  void pack_weights() {
    const Correlation weights = weights_of(p_);
    FilterBlocks blocks(weights, full_.block);
    blocks.reduction_padded = full_.k;
    executable_.prepare.add(
        pack_filters(device_, weights, blocks, Region{kWeightsSlot}, regions_.b));
  }

  // Of a matrix that stays as it is from chunk to chunk of the same size, once.
  void zero_border_once(std::int64_t& zeroed_pixels, const Chunking& chunk, std::int64_t rows,
                        std::int64_t rows_padded, std::int64_t columns, std::int64_t ld,
                        const Region& matrix) {
    if (chunk.own() || (rows == rows_padded && columns == ld) || zeroed_pixels == chunk.pixels) {
      return;
    }
    run(zero_border(device_, p_.g, rows, rows_padded, columns, ld, matrix));
    zeroed_pixels = chunk.pixels;
  }

  // A and B of a forward problem or a data gradient: x's patches or dy, in columns.
  void fill_columns(MatrixPart& part, const Chunking& chunk) {
    part.image_stride = chunk.rows * p_.ow();
    const bool dx = p_.wants_dx();
    if (dx) {
      run(im2col_step(device_, gradient_problem(p_), ColumnsLayout::kColumns, part, Region{kDySlot},
                      mask_of(p_), regions_.a));
    } else {
      run(im2col_step(device_, p_, ColumnsLayout::kColumns, part, Region{kXSlot}, Mask(),
                      regions_.a));
    }
    zero_border_once(zeroed_a_, chunk, dx ? p_.k_per_group() : patch_of(p_), chunk.k, chunk.pixels,
                     chunk.m, regions_.a);
  }

  // A and B of a weight gradient: x's patches in rows, dy with the filters innermost.
  void fill_rows(MatrixPart& part, const Chunking& chunk) {
    const std::int64_t image_pixels = chunk.rows * p_.ow();
    part.image_stride = image_pixels * chunk.m;
    run(im2col_step(device_, p_, ColumnsLayout::kRows, part, Region{kXSlot}, Mask(), regions_.a));
    zero_border_once(zeroed_a_, chunk, chunk.pixels, chunk.k, patch_of(p_), chunk.m, regions_.a);
    GradientBlocks blocks(p_, chunk.block);
    blocks.first_image = part.first_image;
    blocks.images = chunk.images;
    blocks.first = part.first_row * p_.ow();
    blocks.pixels = image_pixels;
    blocks.block_stride = chunk.k * chunk.block;
    run(pack_gradient(device_, p_, blocks, Region{kDySlot}, mask_of(p_), regions_.b));
    zero_border_once(zeroed_b_, chunk, chunk.pixels, chunk.k, chunk.n, chunk.n, regions_.b);
  }

  void fold_result(const MatrixPart& part, const Chunking& chunk) {
    FoldPart fold;
    fold.first_image = part.first_image;
    fold.images = chunk.images;
    fold.planes = p_.k;
    fold.planes_per_group = p_.k_per_group();
    fold.first = part.first_row * p_.ow();
    fold.pixels = chunk.rows * p_.ow();
    fold.plane_pixels = p_.oh() * p_.ow();
    fold.image_elements = p_.result_image();
    fold.group_stride = chunk.n * chunk.m;
    fold.ld = chunk.m;
    run(fold_output(device_, p_, fold, regions_.c, Region{kBiasSlot}, Region{kResidualSlot},
                    Region{kYSlot}));
  }

  void fold_weights() {
    FoldPart fold;
    fold.planes = p_.k;
    fold.planes_per_group = p_.k_per_group();
    fold.pixels = fold.plane_pixels = patch_of(p_);
    fold.group_stride = full_.n * full_.m;
    fold.ld = full_.m;
    run(fold_output(device_, p_, fold, regions_.c, Region{kDwSlot}, Region{kDwSlot},
                    Region{kDwSlot}));
  }

  void fold_columns(MatrixPart part, const Chunking& chunk) {
    part.group_stride = chunk.n * chunk.m;
    const std::int64_t row = part.first_row;
    run(col2im_step(device_, p_, ColumnsLayout::kColumns,
                    atomic_ ? Col2imVariant::kAtomic : Col2imVariant::kGather, part, regions_.c,
                    Region{kBiasSlot}, Region{kResidualSlot}, Region{kDxSlot},
                    row > 0 || p_.accumulate, row + chunk.rows == p_.oh()));
  }

  void add_chunk(std::int64_t image, std::int64_t row, const Chunking& chunk) {
    const bool weights = p_.direction == Direction::kBackwardWeights;
    MatrixPart part;
    part.first_image = image;
    part.images = chunk.images;
    part.first_row = row;
    part.rows = chunk.rows;
    part.group_stride = chunk.k * chunk.m;
    part.ld = chunk.m;
    weights ? fill_rows(part, chunk) : fill_columns(part, chunk);
    run(layout_.multiply(device_, chunk, weights && !first_));
    first_ = false;
    if (p_.direction == Direction::kForward) fold_result(part, chunk);
    if (p_.wants_dx()) fold_columns(part, chunk);
  }

  const Case& case_;
  const Problem& p_;
  const ChunkedLayout& layout_;
  const Chunking& full_;
  const Chunking::Regions& regions_;
  bool atomic_;
  Executable& executable_;
  Device& device_;
  bool first_ = true;
  std::int64_t zeroed_a_ = -1, zeroed_b_ = -1;  // the chunk size whose border is zero already
};

}  // namespace

// im2col, gathering or packing dy, zeroing borders.
Pass ChunkedLayout::before() const {
  const Problem& p = case_.problem;
  const bool cpu = case_.profile.family == Family::kCpu;
  const bool b_is_weights = Chunking::b_is_weights(p);
  const double chunks = real(chunking_.chunks(p)), images = real(chunking_.images);
  const double a_bytes = real(chunking_.a_bytes(p)), b_bytes = real(chunking_.b_bytes(p));
  double bytes = (a_bytes + (b_is_weights ? 0 : kReadAndWritten * b_bytes)) * chunks +
                 real(p.wants_dx() ? p.y_bytes() : p.x_bytes());
  if (cpu && !b_is_weights) bytes += kRowsBytes * a_bytes * chunks;
  if (cpu) bytes += kRunBytes * images * chunks * real(p.c * p.kh * p.kw * chunking_.rows);
  return arithmetic_pass(0, kFullRate, {bytes, images * real(p.c * chunking_.rows), 2 * chunks});
}

// Folding the product, or col2im.
Pass ChunkedLayout::after() const {
  const Problem& p = case_.problem;
  const bool cpu = case_.profile.family == Family::kCpu;
  const double chunks = real(chunking_.chunks(p)), images = real(chunking_.images);
  double bytes =
      real(chunking_.c_bytes(p)) * chunks + real(p.wants_dx() ? p.x_bytes() : p.y_bytes());
  if (p.wants_dx() && cpu) bytes += kGatherBytes * real(p.x_elements()) * real(p.kh * p.kw);
  if (atomic_) bytes *= cpu ? kAtomicOnCpu : kAtomicOnGpu;
  return arithmetic_pass(0, kFullRate, {bytes, images * real(p.wants_dx() ? p.c : p.k), chunks});
}

void ChunkedLayout::describe(Candidate& candidate) const {
  const Problem& p = case_.problem;
  candidate.workspace_bytes = regions_.workspace_bytes;
  candidate.prepared_weights_bytes = regions_.prepared_bytes;
  candidate.deterministic = !atomic_;
  candidate.error_bound =
      result_error_bound(p, summation_error_bound(p.reduction()) +
                                (p.wants_dx() ? summation_error_bound(p.kh * p.kw) : 0));
  candidate.predicted_setup_us = multiply_setup_us() + 2 * kPredictedBuildUs;
  const Pass multiply = times(multiply_pass(), real(chunking_.chunks(p)));
  candidate.predicted_us = predicted_us(case_.profile, {before(), multiply, after()});
}

void ChunkedLayout::add_to(Executable& executable, Device& device) const {
  Builder(case_, *this, chunking_, regions_, atomic_, executable, device).build();
}

}  // namespace clconv::core::im2col_gemm
