// weights_sections: explicit vectors along the filters; a work-group stages some rows of x and of dy, transposed, in
// local memory and has its sums there. For few channels per group: first layers and grouped convolutions. For CPUs.
#include <algorithm>

#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

struct WeightsSectionsTile {
  int kv, tc, tp, tq, vw, runs, split;

  Config config() const {
    return {"weights_sections",
            {{"kv", kv},
             {"tc", tc},
             {"tp", tp},
             {"tq", tq},
             {"vw", vw},
             {"runs", runs},
             {"split", split}}};
  }
  static WeightsSectionsTile from(const Config& c) {
    return {c.get("kv", 1, 8),
            c.get("tc", 1, 32),
            c.get("tp", 1, 32),
            c.get("tq", 1, 32),
            c.get_power_of_two("vw", 4, 16),
            c.get("runs", 1, INT32_MAX),
            c.get("split", 1, INT32_MAX)};
  }
  std::int64_t block() const { return std::int64_t{vw} * kv; }
  std::int64_t taps() const { return std::int64_t{tc} * tp * tq; }
  // A tile of a single tap reads x in place.
  bool in_place(const Problem& p) const {
    return tp * tq == 1 && p.data_type == DataType::kFloat32;
  }
  std::int64_t blocks(const Problem& p) const { return ceil_div(p.k_per_group(), block()); }
  std::int64_t blocks_of_run(const Problem& p) const { return ceil_div(blocks(p), runs); }
  std::int64_t tiles(const Problem& p) const {
    return ceil_div(p.c_per_group(), tc) * ceil_div(p.kh, tp) * ceil_div(p.kw, tq);
  }
};

// What a work-group holds in local memory, in floats: the sums, `rows` rows of dy for a block of filters, and those of
// x that they meet.
struct Section {
  std::int64_t rows = 0, columns, pitch, plane = 0, gradient_at, stage_at = 0, floats = 0;

  Section(const Problem& p, const WeightsSectionsTile& tile) {
    columns = (p.ow() - 1) * p.sw + p.dw * (p.kw - 1) + 1;
    pitch = tile.in_place(p) ? p.w : round_up(columns, tile.vw) + tile.vw;
    gradient_at = tile.blocks_of_run(p) * patch_elements(p) * tile.block();
  }
  void take(const Problem& p, const WeightsSectionsTile& tile, std::int64_t count) {
    rows = count;
    plane = tile.in_place(p) ? p.h * p.w : ((rows - 1) * p.sh + p.dh * (p.kh - 1) + 1) * pitch;
    stage_at = gradient_at + rows * p.ow() * tile.block();
    floats = stage_at + (tile.in_place(p) ? 0 : p.c_per_group() * plane);
  }
  std::int64_t gradient_floats() const { return stage_at - gradient_at; }
};

// Sections of about equally many rows, as many as leave dy in L1 and all of it in kMostBytes; of one row at least.
Section section_of(const Case& all, const WeightsSectionsTile& tile) {
  constexpr std::int64_t kMostBytes = 128 * 1024;  // of local memory (docs/calibration.md)
  const Problem& p = all.problem;
  Section section(p, tile);
  section.take(p, tile, 1);
  for (std::int64_t sections = 1; sections <= p.oh(); ++sections) {
    section.take(p, tile, ceil_div(p.oh(), sections));
    if (section.gradient_floats() * kElement <= all.machine.l1_blocking_bytes &&
        section.floats * kElement <= kMostBytes)
      break;
  }
  return section;
}

// Local memory of a work-group: a power of two, so that few programs serve many sizes.
std::int64_t local_kib(const Section& section) {
  std::int64_t kib = 1;
  while (kib * 1024 < section.floats * kElement)
    kib *= 2;
  return kib;
}

// PoCL 3.1, 2-core Zen 5, 2026-11; with 16 registers 2-core Zen 3, 2026-12.
constexpr RowCopyCycles kCopy{8, 3, 3, 3};  // staging x: per row, per vector
constexpr double kTransposed = 8;           // cycles per vector of dy, and of dw
constexpr TileCycles kSums{2, 30};  // per vector of a tile's sums, loaded and stored; per tile

// Of the cycles' rate; with 16 registers for a few 1x1 filters at stride 1, and others.
double efficiency(const Machine& machine, const Problem& p) {
  constexpr double kEfficiency = 0.85, kFewPointwise = 0.9, kFew = 0.73;
  constexpr std::int64_t kFewFilters = 64;
  const bool pointwise = p.kh * p.kw == 1 && p.sw == 1 && p.k_per_group() <= kFewFilters;
  return machine.measured(pointwise ? kFewPointwise : kFew, kEfficiency);
}

Pass pass_of(const Case& all, const WeightsSectionsTile& tile, const Section& section) {
  const Problem& p = all.problem;
  const double rows = real(ceil_div(p.n * p.oh(), tile.split)), pixels = rows * real(p.ow());
  const double sections = rows / real(section.rows), blocks = real(tile.blocks_of_run(p));
  const double sums = real(tile.kv * tile.taps()), tiles = blocks * real(tile.tiles(p));
  const double copied =
      tile.in_place(p) ? 0 : sections * real(section.plane * p.c_per_group()) / real(section.pitch);
  const double copying = kCopy.of(copied, real(section.pitch) / tile.vw, 1, tile.vw);
  const double transposed = pixels * blocks * tile.kv + real(section.gradient_at) / tile.vw;
  const double products =
      tiles * product_cycles(all.machine, pixels, sums, tile.kv + real(tile.taps()));
  const double cycles =
      copying + kTransposed * transposed + products + tiles * sections * kSums.of(sums);
  return group_pass(
      all, {real(p.g * tile.runs) * tile.split, cycles, tile.vw, efficiency(all.machine, p)});
}

class WeightsSections : public SplitLayout {
 public:
  WeightsSections(const Case& c, const WeightsSectionsTile& tile)
      : SplitLayout(c, c.problem.n * c.problem.oh(), tile.split),
        tile_(tile),
        section_(section_of(c, tile)) {}

 protected:
  double us() const override {
    return predicted_us(case_.profile, {pass_of(case_, tile_, section_),
                                        PartialSums::pass(case_.problem, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.block(); }
  std::int64_t tile_elements() const override {
    return tile_.tc * case_.problem.kh * case_.problem.kw;
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
                                             {"kw", narrow(p.kw)},
                                             {"pt", narrow(p.pt)},
                                             {"pl", narrow(p.pl)},
                                             {"oh", narrow(p.oh())},
                                             {"ow", narrow(p.ow())},
                                             {"groups", narrow(p.g)},
                                             {"runs", narrow(tile_.runs)},
                                             {"section", narrow(section_.rows)},
                                             {"columns", narrow(section_.columns)},
                                             {"gradient_at", narrow(section_.gradient_at)},
                                             {"stage_at", narrow(section_.stage_at)},
                                             {"rows_per_part", cl_long{split_.units_per_part}},
                                             {"part_stride", result.stride(p)}};
    const Config macros{{"kv", tile_.kv},
                        {"tc", tile_.tc},
                        {"tp", tile_.tp},
                        {"tq", tile_.tq},
                        {"vw", tile_.vw},
                        {"local", static_cast<int>(local_kib(section_))},
                        {"pitch", static_cast<int>(section_.pitch)},
                        {"plane", static_cast<int>(section_.plane)}};
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/weights_sections", "weights_sections",
                      weights_defines(p, macros.defines())),
        arguments, one_item_groups(p.g * tile_.runs * split_.parts));
  }

 private:
  WeightsSectionsTile tile_;
  Section section_;
};

// Tiles of as many rows of taps as fit in the registers, of one row, and of one tap; each with as many channels as then
// fit. Rows, taps and channels are divided into tiles as evenly as possible.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const int registers = c.machine.registers;
  std::vector<Config> configs;
  for (int kv = 1; kv <= 2; ++kv) {
    if (kv > 1 && (kv - 1) * c.machine.lanes >= p.k_per_group()) continue;
    const std::int64_t most = (registers - kv - 1) / kv;
    const std::int64_t tq = ceil_div(p.kw, ceil_div(p.kw, most));
    const auto add = [&](std::int64_t tp, std::int64_t columns) {
      const std::int64_t channels = std::min(p.c_per_group(), most / (tp * columns));
      const std::int64_t tc = ceil_div(p.c_per_group(), ceil_div(p.c_per_group(), channels));
      WeightsSectionsTile tile{kv,
                               static_cast<int>(tc),
                               static_cast<int>(tp),
                               static_cast<int>(columns),
                               c.machine.lanes,
                               1,
                               1};
      tile.runs = static_cast<int>(parts_for(c.profile, p.g, tile.blocks(p)));
      tile.split = static_cast<int>(parts_for(c.profile, p.g * tile.runs, p.n * p.oh()));
      const Config config = tile.config();
      if (std::find(configs.begin(), configs.end(), config) == configs.end())
        configs.push_back(config);
    };
    const std::int64_t rows = std::min(p.kh, most / tq);
    add(ceil_div(p.kh, ceil_div(p.kh, rows)), tq);
    add(1, tq);
    add(1, 1);
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  WeightsSectionsTile tile = WeightsSectionsTile::from(config);
  const Problem& p = c.problem;
  // A config may have more runs than there are blocks of filters: those would be empty.
  tile.runs = static_cast<int>(std::min<std::int64_t>(tile.runs, tile.blocks(p)));
  if (tile.tc > p.c_per_group()) return above("tc", tile.tc, p.c_per_group());
  if (tile.tp > p.kh) return above("tp", tile.tp, p.kh);
  if (tile.tq > p.kw) return above("tq", tile.tq, p.kw);
  if (auto refused = over_registers(c.machine, tile.kv * tile.taps(), tile.vw)) return *refused;
  constexpr std::int64_t kMostFloats = 256 * 1024 / kElement;
  const Section section = section_of(c, tile);
  if (section.floats > kMostFloats)
    return above("floats in local memory", section.floats, kMostFloats);
  if (local_kib(section) * 1024 > c.profile.local_memory_bytes)
    return over_local_memory(local_kib(section) * 1024, c.profile);
  return std::make_unique<const WeightsSections>(c, tile);
}

}  // namespace

extern const Body body_weights_sections = {"weights_sections",
                                           Suits::kCpusAndLastResort,
                                           2,
                                           "implicit_gemm/weights_sections ops/sum_parts",
                                           variants,
                                           fit};

}  // namespace clconv::core::implicit_gemm
