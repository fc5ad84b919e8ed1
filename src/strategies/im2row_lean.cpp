// Memory-lean im2row (M. Cho and D. Brand, "MEC: Memory-efficient Convolution for Deep Neural Network", ICML
// 2017, one step further): the padded columns of one image lie one after the other with the channels
// innermost, so that the patches of an output column overlap in memory, and a product of our own reads them
// as a matrix with a leading dimension (sh*c) smaller than its width (kh*c). No element is stored twice.
//
// Workspace: the columns that `columns` output columns meet, see unfolding_of(): of all ow, at most one padded image,
// whatever kh and kw are. Of one image at a time, each column unfolded once. Under a workspace limit an image
// is cut into chunks of output columns, which repeat the (kw-1)*dw + 1 - sw columns that neighbours share.
#include <algorithm>

#include "machine/machine.hpp"
#include "ops/correlation.hpp"
#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "runtime/spans.hpp"
#include "strategies/body.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

// Each chunk is two steps.
constexpr std::int64_t kMaxChunks = 1024;

// Fractions of peak. CPU: PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt, where it runs level with implicit_gemm's
// same register tile. GPU: guesses.
constexpr double kTileOnCpu = 0.9;
constexpr double kPlainOnCpu = 0.01, kPlainOnGpu = 0.1;
// Cycles per step of the loop around a product, which the little work of 16 registers does not hide; 2-core Zen 3,
// 2026-11.
constexpr double kLoopWith16 = 0.8;
// Cycles around a tile, as in `filters`: n1c1h86w86k88kh5kw5s4p2 took 30 us instead of 16 (2-core Zen 5, 2026-11). With
// 16 registers first layers at a stride were predicted 1.2 times too fast without (Zen 3).
constexpr double kAroundTile = 120, kAroundTileWith16 = 200;
// Traffic per unfolded byte.
constexpr double kUnfoldBytes = 4;

// g * c/g * ((oh-1)*sh + (kh-1)*dh + 1) * ((columns-1)*sw + (kw-1)*dw + 1) floats.
Unfolding unfolding_of(const Problem& p, std::int64_t columns) {
  Unfolding unfolding;
  unfolding.top = p.pt;
  unfolding.left = p.pl;
  unfolding.hp = (p.oh() - 1) * p.sh + (p.kh - 1) * p.dh + 1;
  unfolding.columns = (columns - 1) * p.sw + (p.kw - 1) * p.dw + 1;
  return unfolding;
}

std::int64_t chunks(const Problem& p, std::int64_t columns) {
  return saturating_product(p.n, ceil_div(p.ow(), columns));
}

// The weights in the order of the unfolded columns: tap column, tap row, channel.
Correlation weights_of(const Problem& p) {
  Correlation c;
  c.groups = p.g;
  c.filters = p.k_per_group();
  c.channels = p.kw;
  c.taps_h = p.kh;
  c.taps_w = p.c_per_group();
  c.w_channel = 1;
  c.w_row = p.kw;
  c.w_column = p.kh * p.kw;
  c.w_filter = c.reduction();
  c.w_group = c.filters * c.w_filter;
  c.data_type = p.data_type;
  return c;
}

// A register tile, vw 1 without one (kv, th, tw 1).
struct Tile {
  int kv = 1, th = 1, tw = 1, vw = 1;

  FilterBlocks blocks(const Problem& p) const {
    return {weights_of(p), vw == 1 ? p.k_per_group() : std::int64_t{vw} * kv};
  }
  Config config() const {
    if (vw == 1) return {{"vw", vw}};
    return {{"kv", kv}, {"th", th}, {"tw", tw}, {"vw", vw}};
  }
  static Tile from(const Config& config) {
    const int vw = config.get("vw", 1, 16);
    if (vw == 1) return {};
    return {config.get("kv", 1, 4), config.get("th", 1, 32), config.get("tw", 1, 32), vw};
  }
};

std::int64_t workspace_bytes(const Problem& p, const DeviceProfile& profile, std::int64_t columns) {
  WorkspaceLayout layout(profile);
  layout.add(unfolding_of(p, columns).bytes(p));
  return layout.bytes();
}

// The mean share of the taps that a tile multiplies: the kernel leaves out those that only padding meets.
double met(const Problem& p, const Tile& tile) {
  return share_met_along(p.oh(), tile.th, p.kh, -p.pt, p.sh, p.dh, p.h) *
         share_met_along(p.ow(), tile.tw, p.kw, -p.pl, p.sw, p.dw, p.w);
}

// Of one chunk. As implicit_gemm's `filters`.
Pass tile_pass(const Problem& p, const DeviceProfile& profile, const Tile& tile,
               const FilterBlocks& blocks, std::int64_t columns) {
  const Machine machine = Machine::of(profile);
  const double loop = machine.measured(kLoopWith16, 0), steps = real(p.reduction()) * met(p, tile);
  const double vectors = tile.kv * tile.th * tile.tw, loads = tile.kv + tile.th * tile.tw;
  const double lines = far_weight_lines(machine, steps, tile.kv * tile.vw * Problem::kFloatBytes);
  const double transposes = real(tile.kv * tile.th * ceil_div(tile.tw, tile.vw));
  const double products = product_cycles(machine, steps, vectors, loads);
  const double cycles = std::max(products, l2_cycles(machine, steps, lines)) + loop * steps +
                        transposing_store_cycles(transposes, vectors, true) +
                        machine.measured(kAroundTileWith16, kAroundTile);
  const std::int64_t tiles = ceil_div(p.oh(), tile.th) * ceil_div(columns, tile.tw);
  const double groups = real(tiles * blocks.blocks());
  return vector_pass(profile, {groups, cycles, tile.vw, kTileOnCpu}, {0, groups});
}

Pass plain_pass(const Problem& p, const DeviceProfile& profile, std::int64_t columns) {
  const std::int64_t results = p.k * p.oh() * columns;
  return arithmetic_pass(kFlopsPerFma * real(p.reduction()) * real(results),
                         profile.family == Family::kCpu ? kPlainOnCpu : kPlainOnGpu,
                         {0, real(ceil_div(results, Spans::local_size(profile)))});
}

// All chunks at once.
Pass unfold_pass(const Machine& machine, const Problem& p, std::int64_t columns) {
  const Unfolding unfolding = unfolding_of(p, columns);
  const double count = real(chunks(p, columns));
  const double bytes = kUnfoldBytes * cached(machine, real(unfolding.bytes(p))) * count;
  return arithmetic_pass(0, kFullRate, {bytes, real(p.g * unfolding.hp), count});
}

double time_us(const Problem& p, const DeviceProfile& profile, const Tile& tile,
               const FilterBlocks& blocks, std::int64_t columns) {
  const Machine machine = Machine::of(profile);
  const double count = real(chunks(p, columns));
  Pass multiply =
      tile.vw == 1 ? plain_pass(p, profile, columns) : tile_pass(p, profile, tile, blocks, columns);
  const double moved =
      real(unfolding_of(p, columns).bytes(p)) + real(blocks.bytes()) + real(p.y_bytes()) / count;
  multiply.bytes = cached(machine, moved);
  return predicted_us(profile, {unfold_pass(machine, p, columns), times(multiply, count)});
}

Candidate candidate(const Problem& p, const DeviceProfile& profile, const Tile& tile,
                    std::int64_t columns) {
  const FilterBlocks blocks = tile.blocks(p);
  Candidate c;
  c.config = tile.config();
  c.config.set("columns", static_cast<int>(columns));
  c.workspace_bytes = workspace_bytes(p, profile, columns);
  c.prepared_weights_bytes = blocks.bytes();
  c.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  c.predicted_setup_us = 2 * kPredictedBuildUs;
  c.coverage.filters = tile.vw == 1 ? 0 : std::int64_t{tile.kv} * tile.vw;
  c.predicted_us = time_us(p, profile, tile, blocks, columns);
  if (vectors_are_items(profile)) c.predicted_us *= kOneItemOfVector;
  return c;
}

// Of `limit` bytes; 0 if not one column fits, or if the chunks become too many.
std::int64_t columns_within(const Problem& p, const DeviceProfile& profile, const Tile& tile,
                            std::int64_t limit) {
  const std::int64_t weights = tile.blocks(p).bytes();
  const std::int64_t columns = largest(
      p.ow(), [&](std::int64_t c) { return workspace_bytes(p, profile, c) + weights <= limit; });
  return columns > 0 && chunks(p, columns) <= kMaxChunks ? columns : 0;
}

std::vector<Candidate> candidates_within(const Problem& p, const DeviceProfile& profile,
                                         std::int64_t limit) {
  std::vector<Candidate> candidates;
  if (profile.family != Family::kCpu) {
    const Tile plain;
    const std::int64_t columns = columns_within(p, profile, plain, limit);
    if (columns > 0) candidates.push_back(candidate(p, profile, plain, columns));
    return candidates;
  }
  Tile tile;
  const Machine machine = Machine::of(profile);
  tile.vw = machine.lanes;
  for (tile.kv = 1; tile.kv <= 4; ++tile.kv) {
    if (tile.kv > 1 && (tile.kv - 1) * tile.vw >= p.k_per_group()) break;
    const std::int64_t columns = columns_within(p, profile, tile, limit);
    if (columns == 0) continue;
    const int most_pixels = (machine.registers - tile.kv - 1) / tile.kv;
    for (tile.th = 1; tile.th <= std::min<std::int64_t>(most_pixels, p.oh()); ++tile.th) {
      tile.tw = static_cast<int>(std::min<std::int64_t>(most_pixels / tile.th, columns));
      candidates.push_back(candidate(p, profile, tile, columns));
    }
  }
  // One: it is offered for its workspace, not for its speed.
  const auto best = std::min_element(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.predicted_us < b.predicted_us; });
  if (best == candidates.end()) return candidates;
  return {*best};
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t workspace_limit) {
  if (p.direction != Direction::kForward) return not_served(p);
  if (auto rejection = storage_not_served(p, {Serves::kNarrow})) return *rejection;
  if (auto rejection = too_large(p)) return *rejection;
  if (p.n > kMaxChunks) return Rejection{Reason::kTooLarge, "n", p.n, kMaxChunks, ""};
  const std::int64_t column = saturating_product(unfolding_of(p, 1).hp, p.c_per_group());
  if (column > kIndexLimit) {
    return Rejection{Reason::kTooLarge, "channels times rows of a padded column", column,
                     kIndexLimit, ""};
  }
  auto candidates = candidates_within(p, profile, workspace_limit);
  if (!candidates.empty()) return candidates;
  Tile least;
  least.vw = profile.family == Family::kCpu ? Machine::of(profile).lanes : 1;
  const std::int64_t columns = ceil_div(p.ow(), kMaxChunks / p.n);
  return over_limit(workspace_bytes(p, profile, columns), least.blocks(p).bytes(), workspace_limit);
}

// ---- building -----------------------------------------------------------------------------------

// What all launches of an executable have in common.
struct Launch {
  const Problem& p;
  const Tile& tile;
  const FilterBlocks& blocks;
  const Unfolding& unfolding;
  std::int64_t columns;
  Region unfolded, packed;

  bool plain() const { return tile.vw == 1; }
  std::int64_t tiles_x() const { return ceil_div(columns, tile.tw); }
  std::int64_t tiles() const { return tiles_x() * ceil_div(p.oh(), tile.th); }
};

std::vector<Argument> arguments_of(const Launch& launch, std::int64_t image, std::int64_t first) {
  const Problem& p = launch.p;
  const std::int64_t c = p.c_per_group(), hp = launch.unfolding.hp;
  // Without a tile the kh*c products of a column are one loop where they are adjacent.
  const bool together = launch.plain() && p.dh == 1;
  const FilterBlocks& blocks = launch.blocks;
  std::vector<Argument> arguments = {
      {"unfolded", launch.unfolded},
      {"packed", launch.packed},
      {"b", Region{kBiasSlot}},
      {"r", Region{kResidualSlot}},
      {"y", Region{kYSlot}},
      {"group_stride", cl_long{launch.unfolding.group_stride(p)}},
      {"row_step", cl_long{p.sh * c}},
      {"column_step", cl_long{p.sw * hp * c}},
      {"taps_w", narrow(p.kw)},
      {"taps_h", narrow(together ? 1 : p.kh)},
      {launch.plain() ? "adjacent" : "channels", narrow(together ? p.kh * c : c)},
      {"tap_row", cl_long{p.dh * c}},
      {"tap_column", cl_long{p.dw * hp * c}},
      {"oh", narrow(p.oh())},
      {"ow", narrow(p.ow())},
      {"first_column", narrow(first)},
      {"columns", narrow(launch.columns)}};
  if (launch.plain()) {
    arguments.insert(arguments.end(),
                     {{"filters", narrow(p.k_per_group())}, {"groups", narrow(p.g)}});
  } else {
    const bool blocks_inner = blocks.bytes() <= launch.unfolding.bytes(p);
    arguments.insert(arguments.end(), {{"tiles_x", narrow(launch.tiles_x())},
                                       {"tiles", narrow(launch.tiles())},
                                       {"filters", narrow(p.k_per_group())},
                                       {"blocks_per_group", narrow(blocks.blocks_per_group)},
                                       {"blocks", narrow(blocks.blocks())},
                                       {"blocks_inner", cl_int{blocks_inner ? 1 : 0}},
                                       {"sh", narrow(p.sh)},
                                       {"sw", narrow(p.sw)},
                                       {"dh", narrow(p.dh)},
                                       {"dw", narrow(p.dw)},
                                       {"in_h", narrow(p.h)},
                                       {"in_w", narrow(p.w)},
                                       {"top", narrow(-p.pt)},
                                       {"left", narrow(first * p.sw - p.pl)}});
  }
  arguments.push_back({"image", narrow(image)});
  arguments.push_back({"out_image", cl_long{p.result_image()}});
  return arguments;
}

std::unique_ptr<Step> multiply(Device& device, const Launch& launch, std::int64_t image,
                               std::int64_t first) {
  const std::string defines = launch.tile.config().defines() + " " + epilogue_defines(launch.p);
  const std::vector<Argument> arguments = with_slopes(launch.p, arguments_of(launch, image, first));
  if (launch.plain()) {
    return std::make_unique<KernelStep>(
        "multiply", device.kernel("im2row_lean/plain", "im2row_lean_plain", defines), arguments,
        items(launch.p.k * launch.p.oh() * launch.columns, Spans::local_size(device.profile())));
  }
  return std::make_unique<KernelStep>(
      "multiply", device.kernel("im2row_lean/filters", "im2row_lean_filters", defines), arguments,
      one_item_groups(launch.tiles() * launch.blocks.blocks()));
}

std::unique_ptr<Executable> build(const Problem& p, const Config& config, Device& device) {
  const Tile tile = Tile::from(config);
  const std::int64_t columns = std::min<std::int64_t>(p.ow(), config.get("columns", 1, INT32_MAX));
  if (tile.th > p.oh() || tile.tw > columns) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': a tile exceeds the result or its columns");
  }
  const Machine machine = Machine::of(device.profile());
  if (auto refused = over_registers(machine, tile.kv * tile.th * tile.tw, tile.vw))
    throw Error(Code::kInvalidArgument, "config '" + config.text() + "': " + to_text(*refused));
  const FilterBlocks blocks = tile.blocks(p);
  Unfolding unfolding = unfolding_of(p, columns);
  WorkspaceLayout layout(device.profile());
  const Region unfolded = layout.add(unfolding.bytes(p));
  const Region packed{kPreparedSlot, 0, blocks.bytes()};
  auto executable = std::make_unique<Executable>();
  executable->workspace_bytes = layout.bytes();
  executable->prepared_weights_bytes = blocks.bytes();
  executable->prepare.add(
      pack_filters(device, weights_of(p), blocks, Region{kWeightsSlot}, packed));
  const Launch launch{p, tile, blocks, unfolding, columns, unfolded, packed};
  for (std::int64_t image = 0; image < p.n; ++image) {
    for (std::int64_t j = 0; j < p.ow(); j += columns) {
      // The last chunk overlaps the one before instead of having fewer columns.
      const std::int64_t first = std::min(j, p.ow() - columns);
      unfolding.image = image;
      unfolding.left = p.pl - first * p.sw;
      executable->run.add(unfold_columns(device, p, unfolding, Region{kXSlot}, unfolded));
      executable->run.add(multiply(device, launch, image, first));
    }
  }
  return executable;
}

}  // namespace

extern const Strategy strategy_im2row_lean = {
    "im2row_lean", offer, build, false, nullptr, "im2row_lean/filters im2row_lean/plain ops/pack"};

}  // namespace clconv::core
