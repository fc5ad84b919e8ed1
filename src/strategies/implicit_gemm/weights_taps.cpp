// weights_taps: explicit vectors along the pixels of a row, whose lanes are added at the end; some rows of x and of dy
// in local memory, a register tile of filters and rows of taps. For few channels and large images, on CPUs.
#include <algorithm>

#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

struct WeightsTapsTile {
  int mr, tp, vw, runs, split;

  Config config() const {
    return {"weights_taps", {{"mr", mr}, {"tp", tp}, {"vw", vw}, {"runs", runs}, {"split", split}}};
  }
  static WeightsTapsTile from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("tp", 1, 32), c.get_power_of_two("vw", 4, 16),
            c.get("runs", 1, INT32_MAX), c.get("split", 1, INT32_MAX)};
  }
  // Rows of dy that are whole vectors of floats are read as they lie.
  bool direct(const Problem& p) const {
    return p.ow() % vw == 0 && !p.mask && p.data_type == DataType::kFloat32;
  }
  std::int64_t tiles(const Problem& p) const { return ceil_div(p.k_per_group(), mr); }
  std::int64_t tiles_of_run(const Problem& p) const { return ceil_div(tiles(p), runs); }
};

// What a work-group holds in local memory, in floats: the sums, `rows` rows of dy for a tile of filters, and those of x
// that they meet.
struct Section {
  std::int64_t rows = 0, width, pitch, x_rows = 0, gradient_at, stage_at = 0, floats = 0;

  Section(const Problem& p, const WeightsTapsTile& tile)
      : width(round_up(p.ow(), tile.vw)),
        pitch(round_up(width + p.dw * (p.kw - 1) / p.sw, tile.vw)),
        gradient_at(
            saturating_product(tile.tiles_of_run(p), patch_elements(p), tile.mr * tile.vw)) {}
  void take(const Problem& p, const WeightsTapsTile& tile, std::int64_t count) {
    rows = count;
    x_rows = (rows - 1) * p.sh + p.dh * (p.kh - 1) + 1;
    stage_at = gradient_at + rows * width * tile.mr;
    floats = stage_at + saturating_product(p.c_per_group(), x_rows, p.sw * pitch);
  }
  std::int64_t gradient_floats() const { return stage_at - gradient_at; }
};

constexpr std::int64_t kMostBytes = 512 * 1024;  // of local memory

// As many rows as leave dy in half of L1, in about equal sections; at least one.
Section section_of(const Case& all, const WeightsTapsTile& tile) {
  const Problem& p = all.problem;
  Section section(p, tile);
  for (std::int64_t sections = 1; sections <= p.oh(); ++sections) {
    section.take(p, tile, ceil_div(p.oh(), sections));
    if (section.gradient_floats() * kElement <= all.machine.l1_blocking_bytes / 2 &&
        section.floats * kElement <= kMostBytes)
      break;
  }
  return section;
}

std::int64_t local_kib(const Section& section) {
  std::int64_t kib = 16;
  while (kib * 1024 < section.floats * kElement)
    kib *= 2;
  return kib;
}

// PoCL 3.1, 2-core Zen 5, 2026-11.
constexpr double kEfficiency = 0.95;          // fraction of the cycles' rate
constexpr RowCopyCycles kCopyX{10, 3, 4, 3};  // per row, per vector by stride, per float
constexpr double kCopyDy = 3;                 // cycles per vector
// Loads of a vector of dy, with a prefetch, and of x, of which most cross a cache line: two rows of filters are 7 %
// slower than three for vgg_conv1_1, one thread.
constexpr double kDyLoads = 2, kXLoads = 1.85;
constexpr TileCycles kSums{2, 30};  // per vector of sums of a tile, loaded and stored
constexpr double kLanes = 4;        // to add up the lanes of a sum

Pass pass_of(const Case& all, const WeightsTapsTile& tile, const Section& section) {
  const Problem& p = all.problem;
  const double rows = real(ceil_div(p.n * p.oh(), tile.split)),
               sections = rows / real(section.rows);
  const double vectors = rows * real(section.width / tile.vw), tiles = real(tile.tiles_of_run(p));
  const double taps = real(tile.tp * p.kw), sums = tile.mr * taps;
  const double tap_tiles = tiles * real(p.c_per_group() * ceil_div(p.kh, tile.tp));
  const double copying = kCopyX.of(sections * real(section.x_rows * p.c_per_group()),
                                   real(p.sw * section.pitch / tile.vw), p.sw, tile.vw);
  const double loads = vectors * (kDyLoads * tile.mr + kXLoads * taps);
  const double products =
      tap_tiles * independent_cycles(all.machine, vectors * sums, loads, kDenseLoads);
  const double cycles = copying + (tile.direct(p) ? 0 : kCopyDy) * vectors * tiles * tile.mr +
                        products + tap_tiles * sections * kSums.of(sums) +
                        kLanes * tiles * tile.mr * real(patch_elements(p));
  return group_pass(all, {real(p.g * tile.runs) * tile.split, cycles, tile.vw, kEfficiency});
}

class WeightsTaps : public SplitLayout {
 public:
  WeightsTaps(const Case& c, const WeightsTapsTile& tile)
      : SplitLayout(c, c.problem.n * c.problem.oh(), tile.split),
        tile_(tile),
        section_(section_of(c, tile)) {}

 protected:
  double us() const override {
    return predicted_us(case_.profile, {pass_of(case_, tile_, section_),
                                        PartialSums::pass(case_.problem, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.mr; }
  std::int64_t tile_elements() const override { return tile_.tp * case_.problem.kw; }
  const char* not_considered() const override {
    // 2-core Zen 3, 2026-12: first layers take 1.0 to 1.15 times as long as with other bodies.
    return case_.machine.few_registers() && case_.problem.g == 1
               ? "with 16 vector registers it pays in groups only"
               : nullptr;
  }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    const std::vector<Argument> arguments = {{"x", operands.x},
                                             {"dy", operands.dy},
                                             {"y_mask", mask_of(p).y_or(operands.dy)},
                                             {"result", result.region},
                                             {"images", cl_long{p.n}},
                                             {"channels", narrow(p.c_per_group())},
                                             {"h", narrow(p.h)},
                                             {"w", narrow(p.w)},
                                             {"filters", narrow(p.k_per_group())},
                                             {"kh", narrow(p.kh)},
                                             {"pt", narrow(p.pt)},
                                             {"pl", narrow(p.pl)},
                                             {"oh", narrow(p.oh())},
                                             {"ow", narrow(p.ow())},
                                             {"groups", narrow(p.g)},
                                             {"runs", narrow(tile_.runs)},
                                             {"section", narrow(section_.rows)},
                                             {"gradient_at", narrow(section_.gradient_at)},
                                             {"stage_at", narrow(section_.stage_at)},
                                             {"rows_per_part", cl_long{split_.units_per_part}},
                                             {"part_stride", result.stride(p)}};
    const Config macros{{"mr", tile_.mr},
                        {"tp", tile_.tp},
                        {"kw", static_cast<int>(p.kw)},
                        {"vw", tile_.vw},
                        {"direct", tile_.direct(p) ? 1 : 0},
                        {"local", static_cast<int>(local_kib(section_))},
                        {"pitch", static_cast<int>(section_.pitch)}};
    return std::make_unique<KernelStep>("multiply",
                                        device.kernel("implicit_gemm/weights_taps", "weights_taps",
                                                      weights_defines(p, macros.defines())),
                                        arguments,
                                        one_item_groups(p.g * tile_.runs * split_.parts));
  }

 private:
  WeightsTapsTile tile_;
  Section section_;
};

// Tiles of as many whole rows of taps as registers allow, in equal parts. Work-groups are parts of the rows, and runs
// of filters where those are too few or all sums too many.
std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kSumsBytes = 320 * 1024;  // of a run
  constexpr std::int64_t kWorkGroups = 2;          // per core
  constexpr std::int64_t kRows = 8;                // of a part, at least
  const Problem& p = c.problem;
  std::vector<Config> configs;
  for (const int mr : {2, 3, 4}) {
    const std::int64_t rows = std::min(p.kh, (c.machine.registers - mr - 1) / mr / p.kw);
    if (mr > 2 && (rows < 1 || mr > p.k_per_group())) continue;
    const std::int64_t tp = ceil_div(p.kh, ceil_div(p.kh, std::max<std::int64_t>(1, rows)));
    WeightsTapsTile tile{mr, static_cast<int>(tp), c.machine.lanes, 1, 1};
    const std::int64_t sums =
        saturating_product(p.k_per_group(), patch_elements(p), tile.vw * kElement);
    const std::int64_t least = std::min(tile.tiles(p), ceil_div(sums, kSumsBytes));
    const std::int64_t enough = kWorkGroups * c.profile.compute_units;
    tile.split = static_cast<int>(
        std::clamp<std::int64_t>(enough / (p.g * least), 1, ceil_div(p.n * p.oh(), kRows)));
    tile.runs = static_cast<int>(
        std::clamp<std::int64_t>(enough / (p.g * tile.split), least, tile.tiles(p)));
    configs.push_back(tile.config());
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  WeightsTapsTile tile = WeightsTapsTile::from(config);
  const Problem& p = c.problem;
  // More runs than tiles of filters would be empty.
  tile.runs = static_cast<int>(std::min<std::int64_t>(tile.runs, tile.tiles(p)));
  if (tile.mr > p.k_per_group()) return above("mr", tile.mr, p.k_per_group());
  if (tile.tp > p.kh) return above("tp", tile.tp, p.kh);
  if (auto refused = over_registers(c.machine, tile.mr * tile.tp * p.kw, tile.vw)) return *refused;
  const Section section = section_of(c, tile);
  if (section.floats * kElement > kMostBytes)
    return above("floats to stage", section.floats, kMostBytes / kElement);
  if (local_kib(section) * 1024 > c.profile.local_memory_bytes)
    return over_local_memory(local_kib(section) * 1024, c.profile);
  return std::make_unique<const WeightsTaps>(c, tile);
}

}  // namespace

extern const Body body_weights_taps = {
    "weights_taps", Suits::kCpus, 2, "implicit_gemm/weights_taps ops/sum_parts", variants, fit};

}  // namespace clconv::core::implicit_gemm
