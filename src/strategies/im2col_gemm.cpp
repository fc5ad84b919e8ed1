// im2col + GEMM: patches gathered into a matrix, one CLBlast product, and a pass that folds the
// rows into y with bias and activation. To fit a workspace limit the batch is cut into runs of
// images, or an image into runs of output rows; the config says which ("images=4,rows=56").
#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/gemm.hpp"
#include "ops/im2col.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kElement = Problem::kElementBytes;

// Every chunk is three or four steps of its own.
constexpr std::int64_t kMaxChunks = 1024;

// How a problem is cut, and the padded sizes of one chunk's product: pixels x filters
// (column-major) = cols (pixels x reduction) * weights^T. With tuned parameters the sizes are
// multiples of the tile, so that CLBlast copies nothing; the border is zero.
struct Chunking {
  GemmParameters parameters;
  std::int64_t images, rows;  // per chunk; rows < oh only with one image
  std::int64_t m, n, k;       // per group

  Chunking(const Problem& p, const DeviceProfile& profile, GemmParameters set,
           std::int64_t images_per_chunk, std::int64_t rows_per_chunk)
      : parameters(set), images(images_per_chunk), rows(rows_per_chunk) {
    const bool tuned = set == GemmParameters::kTuned;
    const GemmTile tile = tuned ? gemm_tile(profile, set) : GemmTile{1, 1, 1};
    m = round_up(saturating_product(images, rows, p.ow()), tile.m);
    n = round_up(p.k_per_group(), tile.n);
    k = round_up(p.reduction(), tile.k);
  }

  Gemm gemm(const Problem& p) const {
    Gemm gemm;
    gemm.transpose_b = true;
    gemm.m = gemm.lda = gemm.ldc = m;
    gemm.n = gemm.ldb = n;
    gemm.k = k;
    gemm.batch = p.g;
    return gemm;
  }
  std::int64_t cols_bytes(const Problem& p) const {
    return saturating_product(p.g, k, m, kElement);
  }
  std::int64_t product_bytes(const Problem& p) const {
    return saturating_product(p.g, n, m, kElement);
  }
  std::int64_t temporary_bytes(const Problem& p, const DeviceProfile& profile) const {
    return p.g == 1 ? gemm_workspace_bytes(profile, parameters, gemm(p), false) : 0;
  }
  std::int64_t chunks(const Problem& p) const {
    return ceil_div(p.n, images) * ceil_div(p.oh(), rows);
  }
  Config config() const {
    return {{"images", static_cast<int>(images)},
            {"rows", static_cast<int>(rows)},
            {"tuned", parameters == GemmParameters::kTuned ? 1 : 0}};
  }
  FilterBlocks packing(const Problem& p) const {
    FilterBlocks blocks(p, n);
    blocks.reduction_padded = k;
    return blocks;
  }

  struct Regions {
    Region cols, product, temporary;
    std::int64_t bytes;
  };
  Regions layout(const Problem& p, const DeviceProfile& profile) const {
    WorkspaceLayout layout(profile);
    Regions regions;
    regions.cols = layout.add(cols_bytes(p));
    regions.product = layout.add(product_bytes(p));
    regions.temporary = layout.add(temporary_bytes(p, profile));
    regions.bytes = layout.bytes();
    return regions;
  }
  std::int64_t total_bytes(const Problem& p, const DeviceProfile& profile) const {
    return layout(p, profile).bytes + packing(p).bytes(p);
  }
  bool indexable(const Problem& p) const {
    return cols_bytes(p) <= kElement * INT32_MAX && product_bytes(p) <= kElement * INT32_MAX;
  }
};

Candidate candidate(const Problem& p, const DeviceProfile& profile, const Chunking& chunking) {
  Candidate c;
  c.config = chunking.config();
  c.workspace_bytes = chunking.layout(p, profile).bytes;
  c.prepared_weights_bytes = chunking.packing(p).bytes(p);
  c.error_bound = summation_error_bound(p.reduction());

  const double chunks = static_cast<double>(chunking.chunks(p));
  const double cols = static_cast<double>(chunking.cols_bytes(p)) * chunks;
  const double folded = static_cast<double>(chunking.product_bytes(p)) * chunks;
  Pass gather;
  gather.bytes = static_cast<double>(p.x_bytes()) + cols;
  gather.launches = 2 * chunks;
  gather.groups = static_cast<double>(chunking.images * p.c * chunking.rows);
  Pass multiply = gemm_pass(profile, chunking.parameters, chunking.gemm(p));
  multiply.flops *= chunks;
  multiply.bytes *= chunks;
  multiply.launches *= chunks;
  Pass fold;
  fold.bytes = folded + static_cast<double>(p.y_bytes());
  fold.launches = chunks;
  fold.groups = static_cast<double>(chunking.images * p.k);
  c.predicted_us = predicted_us(profile, {gather, multiply, fold});
  return c;
}

// The largest value in [1, most] that `fits`, which must hold for all smaller ones too; 0 if none.
template <class Fits>
std::int64_t largest(std::int64_t most, Fits&& fits) {
  std::int64_t low = 0;
  while (low < most) {
    const std::int64_t middle = low + (most - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      most = middle - 1;
    }
  }
  return low;
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t workspace_limit) {
  if (auto rejection = too_large(p)) return *rejection;
  std::vector<Candidate> candidates;
  std::int64_t least = INT64_MAX;
  std::optional<Rejection> beyond_clblast;
  for (const GemmParameters set : gemm_parameter_sets(profile)) {
    const auto cut = [&](std::int64_t images, std::int64_t rows) {
      return Chunking(p, profile, set, images, rows);
    };
    const auto fits = [&](const Chunking& chunking) {
      return chunking.indexable(p) && chunking.total_bytes(p, profile) <= workspace_limit;
    };
    // The fewest rows or images a chunk may have for the number of chunks to stay sane.
    const std::int64_t rows_floor = ceil_div(p.oh(), std::max<std::int64_t>(1, kMaxChunks / p.n));
    const Chunking smallest =
        p.n <= kMaxChunks ? cut(1, rows_floor) : cut(ceil_div(p.n, kMaxChunks), p.oh());
    least = std::min(least, smallest.total_bytes(p, profile));
    if (!smallest.indexable(p)) {
      beyond_clblast = Rejection{Reason::kTooLarge, "elements of cols",
                                 smallest.cols_bytes(p) / kElement, INT32_MAX, ""};
      continue;
    }
    if (!fits(smallest)) continue;
    const std::int64_t images = largest(p.n, [&](std::int64_t i) { return fits(cut(i, p.oh())); });
    if (images == 0 || cut(images, p.oh()).chunks(p) > kMaxChunks) {
      const std::int64_t rows = largest(p.oh(), [&](std::int64_t r) { return fits(cut(1, r)); });
      candidates.push_back(candidate(p, profile, cut(1, rows)));
      continue;
    }
    // Many images at once make a large product of small planes; one at a time stays in the cache.
    candidates.push_back(candidate(p, profile, cut(images, p.oh())));
    if (images > 1 && p.n <= kMaxChunks) {
      candidates.push_back(candidate(p, profile, cut(1, p.oh())));
    }
  }
  if (!candidates.empty()) return candidates;
  if (beyond_clblast) return *beyond_clblast;
  return Rejection{Reason::kWorkspaceLimit, "workspace", least, workspace_limit, ""};
}

std::unique_ptr<const Executable> build(const Problem& p, const Config& config, Device& device) {
  const auto set = static_cast<GemmParameters>(config.get("tuned", 0, 1));
  // A config made for a larger problem of the class just has fewer chunks here.
  const std::int64_t images = std::min<std::int64_t>(p.n, config.get("images", 1, INT32_MAX));
  const std::int64_t rows = std::min<std::int64_t>(p.oh(), config.get("rows", 1, INT32_MAX));
  if (images > 1 && rows < p.oh()) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': more than one image needs all of its rows");
  }
  const DeviceProfile& profile = device.profile();
  const Chunking full(p, profile, set, images, rows);
  const Chunking::Regions regions = full.layout(p, profile);
  auto executable = std::make_unique<Executable>();
  const Region packed{kPreparedSlot, 0, full.packing(p).bytes(p)};
  executable->prepared_weights_bytes = packed.bytes;
  executable->workspace_bytes = regions.bytes;
  executable->prepare.add(pack_filters(device, p, full.packing(p), Region{kWeightsSlot}, packed));

  std::int64_t bordered_pixels = -1;  // the chunk size whose border is already zero
  for (std::int64_t image = 0; image < p.n; image += images) {
    for (std::int64_t row = 0; row < p.oh(); row += rows) {
      const Chunking chunk(p, profile, set, std::min(images, p.n - image),
                           std::min(rows, p.oh() - row));
      const std::int64_t image_pixels = chunk.rows * p.ow();
      const std::int64_t pixels = chunk.images * image_pixels;
      Im2colPart gather;
      gather.first_image = image;
      gather.images = chunk.images;
      gather.first_row = row;
      gather.rows = chunk.rows;
      gather.image_stride = image_pixels;
      gather.group_stride = chunk.k * chunk.m;
      gather.ld = chunk.m;
      executable->run.add(im2col_columns(device, p, gather, Region{kXSlot}, regions.cols));
      const bool border = chunk.k != p.reduction() || chunk.m != pixels;
      if (border && bordered_pixels != pixels) {
        executable->run.add(
            zero_border(device, p.g, p.reduction(), chunk.k, pixels, chunk.m, regions.cols));
        bordered_pixels = pixels;
      }
      executable->run.add(gemm_step(device, set, chunk.gemm(p), {regions.cols}, {packed},
                                    {regions.product}, regions.temporary));
      FoldPart fold;
      fold.first_image = image;
      fold.images = chunk.images;
      fold.first = row * p.ow();
      fold.pixels = image_pixels;
      fold.group_stride = chunk.n * chunk.m;
      fold.ld = chunk.m;
      executable->run.add(
          fold_output(device, p, fold, regions.product, Region{kBiasSlot}, Region{kYSlot}));
    }
  }
  return executable;
}

}  // namespace

extern const Strategy strategy_im2col_gemm = {"im2col_gemm", offer, build};

}  // namespace clconv::core
