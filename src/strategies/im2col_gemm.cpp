// im2col + GEMM, in all three directions: patches as a matrix in memory and one product: CLBlast's, or on
// CPUs our own.
//
//   forward   im2col(x) -> cols;  product = cols * w^T;  fold into y with bias and activation
//   data      gather dy;          cols = dy * w;         col2im(cols) into dx
//   weights   im2col(x) -> cols, dy with the filters innermost;  dw = dy^T * cols, summed over chunks
//
// To fit a workspace limit the batch is cut into runs of images, or an image into runs of output rows;
// the config says which ("images=4,rows=56").
#include <algorithm>

#include "ops/correlation.hpp"
#include "ops/epilogue.hpp"
#include "ops/gemm.hpp"
#include "ops/gemm_panels.hpp"
#include "ops/im2col.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Every chunk is three to five steps of its own.
constexpr std::int64_t kMaxChunks = 1024;

// Devices add no halves atomically.
bool can_scatter(const Problem& p) {
  return p.wants_dx() && p.data_type == DataType::kFloat32;
}

// Cut into runs of rows, dx would be rounded to halves once per run that meets a pixel.
bool can_cut_rows(const Problem& p) {
  return !p.wants_dx() || p.data_type == DataType::kFloat32;
}

std::int64_t patch(const Problem& p) {
  return p.c_per_group() * p.kh * p.kw;
}

// Whose product; `tuned` in the config.
enum class Product { kClblast = 0, kClblastTuned = 1, kPanels = 2 };

std::vector<Product> products(const DeviceProfile& profile) {
  std::vector<Product> list;
  if (serves_panels(profile)) list.push_back(Product::kPanels);
  for (const GemmParameters set : gemm_parameter_sets(profile)) {
    list.push_back(set == GemmParameters::kTuned ? Product::kClblastTuned : Product::kClblast);
  }
  return list;
}

// How a problem is cut, and one chunk's product per group: C (m x n) = A (m x k) * B (k x n),
// column-major, B stored with n innermost: the form for which CLBlast copies nothing if all sizes are
// multiples of its tile. With tuned parameters they are, and the border is zero. Our own product takes B in
// panels and pads only m and n, with anything.
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
  std::int64_t block;         // columns of B that lie together

  Chunking(const Problem& p, const DeviceProfile& profile, Product whose,
           std::int64_t images_per_chunk, std::int64_t rows_per_chunk)
      : product(whose), images(images_per_chunk), rows(rows_per_chunk) {
    const std::int64_t columns = p.wants_dx() ? patch(p) : p.k_per_group();
    GemmTile tile = {1, 1, 1};
    if (own()) tile = {panel_rows(profile), panel_columns(profile, columns), 1};
    if (product == Product::kClblastTuned) tile = gemm_tile(profile, parameters());
    pixels = saturating_product(images, rows, p.ow());
    const bool weights = p.direction == Direction::kBackwardWeights;
    m = round_up(weights ? patch(p) : pixels, tile.m);
    n = round_up(columns, tile.n);
    block = own() ? tile.n : n;
    k = round_up(weights ? pixels : p.wants_dx() ? p.k_per_group() : patch(p), tile.k);
  }

  bool own() const { return product == Product::kPanels; }
  // Of CLBlast's products.
  GemmParameters parameters() const {
    return product == Product::kClblastTuned ? GemmParameters::kTuned : GemmParameters::kDefault;
  }
  PanelGemm panels(const Problem& p) const { return {m, n, k, p.g, block, false}; }
  Gemm gemm(const Problem& p) const {
    Gemm gemm;
    gemm.transpose_b = true;
    gemm.m = gemm.lda = gemm.ldc = m;
    gemm.n = gemm.ldb = n;
    gemm.k = k;
    gemm.batch = p.g;
    return gemm;
  }
  std::int64_t a_bytes(const Problem& p) const { return saturating_product(p.g, k, m, kElement); }
  std::int64_t b_bytes(const Problem& p) const { return saturating_product(p.g, k, n, kElement); }
  std::int64_t c_bytes(const Problem& p) const { return saturating_product(p.g, n, m, kElement); }
  bool b_is_weights(const Problem& p) const { return p.direction != Direction::kBackwardWeights; }
  // The batched routine for groups takes no temporary of ours; it allocates what it needs.
  std::int64_t temporary_bytes(const Problem& p, const DeviceProfile& profile) const {
    return p.g == 1 && !own() ? gemm_workspace_bytes(profile, parameters(), gemm(p), false) : 0;
  }
  std::int64_t chunks(const Problem& p) const {
    return ceil_div(p.n, images) * ceil_div(p.oh(), rows);
  }
  Config config(const Problem& p, bool atomic) const {
    Config config = {{"images", static_cast<int>(images)},
                     {"rows", static_cast<int>(rows)},
                     {"tuned", static_cast<int>(product)}};
    if (p.wants_dx()) config.set("atomic", atomic ? 1 : 0);
    return config;
  }

  struct Regions {
    Region a, b, c, temporary;
    std::int64_t workspace_bytes = 0, prepared_bytes = 0;
  };
  Regions layout(const Problem& p, const DeviceProfile& profile) const {
    WorkspaceLayout layout(profile);
    Regions regions;
    regions.a = layout.add(a_bytes(p));
    if (b_is_weights(p)) {
      regions.prepared_bytes = b_bytes(p);
      regions.b = {kPreparedSlot, 0, regions.prepared_bytes};
    } else {
      regions.b = layout.add(b_bytes(p));
    }
    regions.c = layout.add(c_bytes(p));
    regions.temporary = layout.add(temporary_bytes(p, profile));
    regions.workspace_bytes = layout.bytes();
    return regions;
  }
  std::int64_t total_bytes(const Problem& p, const DeviceProfile& profile) const {
    const Regions regions = layout(p, profile);
    return regions.workspace_bytes + regions.prepared_bytes;
  }
  bool indexable(const Problem& p) const {
    return std::max({a_bytes(p), b_bytes(p), c_bytes(p)}) <= kElement * INT32_MAX;
  }
};

// PoCL 3.1, 2-core Zen 5, 2026-11, ResNet's 3x3 and first layers. Single elements cost what so many bytes
// copied do: im2col's rows layout per byte, col2im's gather per tap looked at.
constexpr double kPanelsEfficiency = 0.75;
// With 16 registers, 2-core Zen 3, 2026-11, likewise.
constexpr double kPanelsEfficiencyFewRegisters = 0.6;
// So does each run of pixels that lie together, which are single ones where an image is one pixel (2048 to 250 at
// n=32: 875 us).
constexpr double kRowsBytes = 6, kGatherBytes = 16, kRunBytes = 64;

Pass panels_pass(const DeviceProfile& profile, const PanelGemm& gemm) {
  const double m = static_cast<double>(gemm.m), n = static_cast<double>(gemm.n),
               k = static_cast<double>(gemm.k), batch = static_cast<double>(gemm.batch);
  Pass pass;
  pass.flops = 2.0 * batch * m * n * k;
  pass.efficiency =
      few_registers(vector_width(profile)) ? kPanelsEfficiencyFewRegisters : kPanelsEfficiency;
  pass.bytes = batch * (m * k + n * k + m * n) * 4.0;
  pass.groups = static_cast<double>(panel_groups(profile, gemm));
  return pass;
}

Candidate candidate(const Problem& p, const DeviceProfile& profile, const Chunking& chunking,
                    bool atomic) {
  Candidate c;
  c.config = chunking.config(p, atomic);
  const Chunking::Regions regions = chunking.layout(p, profile);
  c.workspace_bytes = regions.workspace_bytes;
  c.prepared_weights_bytes = regions.prepared_bytes;
  c.deterministic = !atomic;
  c.error_bound =
      result_error_bound(p, summation_error_bound(p.reduction()) +
                                (p.wants_dx() ? summation_error_bound(p.kh * p.kw) : 0));
  c.predicted_setup_us =
      (chunking.own() ? kPredictedBuildUs : kPredictedGemmBuildUs) + 2 * kPredictedBuildUs;

  const double chunks = static_cast<double>(chunking.chunks(p));
  const double images = static_cast<double>(chunking.images);
  Pass before;  // im2col, gathering or packing dy, zeroing borders
  before.bytes = (static_cast<double>(chunking.a_bytes(p)) +
                  (chunking.b_is_weights(p) ? 0 : 2.0 * static_cast<double>(chunking.b_bytes(p)))) *
                     chunks +
                 static_cast<double>(p.wants_dx() ? p.y_bytes() : p.x_bytes());
  if (profile.family == Family::kCpu && !chunking.b_is_weights(p)) {
    before.bytes += kRowsBytes * static_cast<double>(chunking.a_bytes(p)) * chunks;
  }
  if (profile.family == Family::kCpu) {
    before.bytes +=
        kRunBytes * images * chunks * static_cast<double>(p.c * p.kh * p.kw * chunking.rows);
  }
  before.launches = 2 * chunks;
  before.groups = images * static_cast<double>(p.c * chunking.rows);
  Pass multiply = chunking.own() ? panels_pass(profile, chunking.panels(p))
                                 : gemm_pass(profile, chunking.parameters(), chunking.gemm(p));
  multiply.flops *= chunks;
  multiply.bytes *= chunks;
  multiply.launches *= chunks;
  Pass after;
  after.bytes = static_cast<double>(chunking.c_bytes(p)) * chunks +
                static_cast<double>(p.wants_dx() ? p.x_bytes() : p.y_bytes());
  if (p.wants_dx() && profile.family == Family::kCpu) {
    after.bytes +=
        kGatherBytes * static_cast<double>(p.x_elements()) * static_cast<double>(p.kh * p.kw);
  }
  // Measured on PoCL 3.1, 2-core Zen 5, 2026-11: the scatter's compare-exchange runs at a tenth of a
  // copy; a GPU's atomics are closer to its gather.
  if (atomic) after.bytes *= profile.family == Family::kCpu ? 10 : 2;
  after.launches = chunks;
  after.groups = images * static_cast<double>(p.wants_dx() ? p.c : p.k);
  c.predicted_us = predicted_us(profile, {before, multiply, after});
  return c;
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t workspace_limit) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto rejection = storage_not_served(p, {Serves::kNarrow})) return *rejection;
  if (auto rejection = too_large(p)) return *rejection;
  std::vector<Candidate> candidates;
  std::optional<Rejection> least;
  std::optional<Rejection> beyond_clblast;
  for (const Product product : products(profile)) {
    const auto cut = [&](std::int64_t images, std::int64_t rows) {
      return Chunking(p, profile, product, images, rows);
    };
    const auto fits = [&](const Chunking& chunking) {
      return chunking.indexable(p) && chunking.total_bytes(p, profile) <= workspace_limit;
    };
    const auto add = [&](const Chunking& chunking, bool both_variants) {
      candidates.push_back(candidate(p, profile, chunking, false));
      if (can_scatter(p) && both_variants && product != Product::kPanels) {
        candidates.push_back(candidate(p, profile, chunking, true));
      }
    };
    // The fewest rows or images a chunk may have for the number of chunks to stay sane.
    const std::int64_t rows_floor =
        can_cut_rows(p) ? ceil_div(p.oh(), std::max<std::int64_t>(1, kMaxChunks / p.n)) : p.oh();
    const Chunking smallest =
        p.n <= kMaxChunks ? cut(1, rows_floor) : cut(ceil_div(p.n, kMaxChunks), p.oh());
    const Chunking::Regions needs = smallest.layout(p, profile);
    const Rejection over = over_limit(needs.workspace_bytes, needs.prepared_bytes, workspace_limit);
    if (!least || over.actual < least->actual) least = over;
    if (!smallest.indexable(p)) {
      const std::int64_t elements =
          std::max({smallest.a_bytes(p), smallest.b_bytes(p), smallest.c_bytes(p)}) / kElement;
      beyond_clblast =
          Rejection{Reason::kTooLarge, "elements of a matrix", elements, INT32_MAX, ""};
      continue;
    }
    if (!fits(smallest)) continue;
    const std::int64_t images = largest(p.n, [&](std::int64_t i) { return fits(cut(i, p.oh())); });
    if (images == 0 || cut(images, p.oh()).chunks(p) > kMaxChunks) {
      add(cut(1, largest(p.oh(), [&](std::int64_t r) { return fits(cut(1, r)); })), true);
      continue;
    }
    // Many images at once make a large product of small planes; one at a time stays in the cache.
    add(cut(images, p.oh()), true);
    if (images > 1 && p.n <= kMaxChunks) add(cut(1, p.oh()), false);
  }
  if (!candidates.empty()) return candidates;
  if (beyond_clblast) return *beyond_clblast;
  return *least;
}

// ---- building -----------------------------------------------------------------------------------

// dy as a problem of its own, whose im2col with a 1x1 filter gathers it into the columns layout.
Problem gradient_problem(const Problem& p) {
  Problem dy;
  dy.n = p.n;
  dy.c = p.k;
  dy.h = p.oh();
  dy.w = p.ow();
  dy.k = dy.g = p.g;
  dy.data_type = p.data_type;
  return dy;
}

// The weights as pack_filters takes them: forward as they are; for data the patch elements in the place
// of the filters, and the filters summed over.
Correlation weights_of(const Problem& p) {
  Correlation c;
  c.groups = p.g;
  c.filters = p.k_per_group();
  c.channels = patch(p);
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
  Builder(const Problem& p, const Chunking& full, Col2imVariant variant, Device& device)
      : p_(p),
        full_(full),
        regions_(full.layout(p, device.profile())),
        variant_(variant),
        device_(device),
        executable_(std::make_unique<Executable>()) {}

  std::unique_ptr<const Executable> build() {
    executable_->workspace_bytes = regions_.workspace_bytes;
    executable_->prepared_weights_bytes = regions_.prepared_bytes;
    if (full_.b_is_weights(p_)) {
      FilterBlocks blocks(weights_of(p_), full_.block);
      blocks.reduction_padded = full_.k;
      executable_->prepare.add(
          pack_filters(device_, weights_of(p_), blocks, Region{kWeightsSlot}, regions_.b));
    }
    const bool scatter = p_.wants_dx() && variant_ == Col2imVariant::kAtomic;
    if (scatter && !p_.accumulate) {
      run(std::make_unique<FillStep>("zero dx", Region{kDxSlot}, p_.x_bytes()));
    }
    for (std::int64_t image = 0; image < p_.n; image += full_.images) {
      for (std::int64_t row = 0; row < p_.oh(); row += full_.rows) {
        add_chunk(
            image, row,
            Chunking(p_, device_.profile(), full_.product, std::min(full_.images, p_.n - image),
                     std::min(full_.rows, p_.oh() - row)));
      }
    }
    if (scatter && p_.finishes()) {
      run(finish_output(device_, p_, Region{kBiasSlot}, Region{kResidualSlot}, Region{kDxSlot}));
    }
    if (p_.direction == Direction::kBackwardWeights) {
      FoldPart fold;
      fold.planes = p_.k;
      fold.planes_per_group = p_.k_per_group();
      fold.pixels = fold.plane_pixels = patch(p_);
      fold.group_stride = full_.n * full_.m;
      fold.ld = full_.m;
      run(fold_output(device_, p_, fold, regions_.c, Region{kDwSlot}, Region{kDwSlot},
                      Region{kDwSlot}));
    }
    return std::move(executable_);
  }

 private:
  void run(std::unique_ptr<Step> step) { executable_->run.add(std::move(step)); }

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

  void multiply(const Chunking& chunk, bool add) {
    if (chunk.own()) {
      PanelGemm gemm = chunk.panels(p_);
      gemm.add = add;
      run(panel_gemm_step(device_, gemm, regions_.a, regions_.b, regions_.c));
      return;
    }
    Gemm gemm = chunk.gemm(p_);
    gemm.beta = add ? 1.0f : 0.0f;
    run(gemm_step(device_, chunk.parameters(), gemm, {regions_.a}, {regions_.b}, {regions_.c},
                  regions_.temporary));
  }

  void add_chunk(std::int64_t image, std::int64_t row, const Chunking& chunk) {
    const std::int64_t image_pixels = chunk.rows * p_.ow();
    MatrixPart part;
    part.first_image = image;
    part.images = chunk.images;
    part.first_row = row;
    part.rows = chunk.rows;
    const Region mask{kYSlot};
    const Region* masked = p_.mask ? &mask : nullptr;
    bool add = false;
    switch (p_.direction) {
      case Direction::kForward:
        part.image_stride = image_pixels;
        part.group_stride = chunk.k * chunk.m;
        part.ld = chunk.m;
        run(im2col_step(device_, p_, ColumnsLayout::kColumns, part, Region{kXSlot}, nullptr,
                        regions_.a));
        zero_border_once(zeroed_a_, chunk, patch(p_), chunk.k, chunk.pixels, chunk.m, regions_.a);
        break;
      case Direction::kBackwardData:
      case Direction::kTransposed:
        part.image_stride = image_pixels;
        part.group_stride = chunk.k * chunk.m;
        part.ld = chunk.m;
        run(im2col_step(device_, gradient_problem(p_), ColumnsLayout::kColumns, part,
                        Region{kDySlot}, masked, regions_.a));
        zero_border_once(zeroed_a_, chunk, p_.k_per_group(), chunk.k, chunk.pixels, chunk.m,
                         regions_.a);
        break;
      case Direction::kBackwardWeights: {
        part.image_stride = image_pixels * chunk.m;
        part.group_stride = chunk.k * chunk.m;
        part.ld = chunk.m;
        run(im2col_step(device_, p_, ColumnsLayout::kRows, part, Region{kXSlot}, nullptr,
                        regions_.a));
        zero_border_once(zeroed_a_, chunk, chunk.pixels, chunk.k, patch(p_), chunk.m, regions_.a);
        GradientBlocks blocks(p_, chunk.block);
        blocks.first_image = image;
        blocks.images = chunk.images;
        blocks.first = row * p_.ow();
        blocks.pixels = image_pixels;
        blocks.block_stride = chunk.k * chunk.block;
        run(pack_gradient(device_, p_, blocks, Region{kDySlot}, masked, regions_.b));
        zero_border_once(zeroed_b_, chunk, chunk.pixels, chunk.k, chunk.n, chunk.n, regions_.b);
        add = !first_;
        break;
      }
      case Direction::kBackwardBias: return;
    }
    multiply(chunk, add);
    first_ = false;
    if (p_.direction == Direction::kForward) {
      FoldPart fold;
      fold.first_image = image;
      fold.images = chunk.images;
      fold.planes = p_.k;
      fold.planes_per_group = p_.k_per_group();
      fold.first = row * p_.ow();
      fold.pixels = image_pixels;
      fold.plane_pixels = p_.oh() * p_.ow();
      fold.group_stride = chunk.n * chunk.m;
      fold.ld = chunk.m;
      run(fold_output(device_, p_, fold, regions_.c, Region{kBiasSlot}, Region{kResidualSlot},
                      Region{kYSlot}));
    } else if (p_.wants_dx()) {
      part.group_stride = chunk.n * chunk.m;
      run(col2im_step(device_, p_, ColumnsLayout::kColumns, variant_, part, regions_.c,
                      Region{kBiasSlot}, Region{kResidualSlot}, Region{kDxSlot},
                      row > 0 || p_.accumulate, row + chunk.rows == p_.oh()));
    }
  }

  const Problem& p_;
  const Chunking& full_;
  Chunking::Regions regions_;
  Col2imVariant variant_;
  Device& device_;
  std::unique_ptr<Executable> executable_;
  bool first_ = true;
  std::int64_t zeroed_a_ = -1, zeroed_b_ = -1;  // the chunk size whose border is zero already
};

std::unique_ptr<const Executable> build(const Problem& p, const Config& config, Device& device) {
  const auto product = static_cast<Product>(config.get("tuned", 0, 2));
  if (product == Product::kPanels && !serves_panels(device.profile())) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': our own product is for CPUs with vectors");
  }
  // A config made for a larger problem of the class just has fewer chunks here.
  const std::int64_t images = std::min<std::int64_t>(p.n, config.get("images", 1, INT32_MAX));
  const std::int64_t rows = std::min<std::int64_t>(p.oh(), config.get("rows", 1, INT32_MAX));
  if (images > 1 && rows < p.oh()) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': more than one image needs all of its rows");
  }
  if (rows < p.oh() && !can_cut_rows(p)) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': float16 gradients need all rows at once");
  }
  const bool atomic = p.wants_dx() && config.get("atomic", 0, 1) == 1;
  if (atomic && !can_scatter(p)) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': float16 is not added atomically");
  }
  const Chunking full(p, device.profile(), product, images, rows);
  return Builder(p, full, atomic ? Col2imVariant::kAtomic : Col2imVariant::kGather, device).build();
}

}  // namespace

extern const Strategy strategy_im2col_gemm = {"im2col_gemm", offer, build};

}  // namespace clconv::core
