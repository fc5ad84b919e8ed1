// staged_channels: forward convolution with channels last, explicit vectors along the channels, whose pixels are staged
// in local memory with their padding; packs the weights with the channels innermost. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr std::int64_t kKibFloats = 1024 / kElement;

// A register tile of results: rows, columns, and floats of a vector of channels.
struct PixelTile {
  int th, tw, vw;

  static PixelTile from(const Config& c) {
    return {c.get("th", 1, 4), c.get("tw", 1, 16), c.get_power_of_two("vw", 4, 16)};
  }
  int sums() const { return th * tw; }
};

// Results of an image that a work-item computes for the vectors of channels that share a cache line.
struct Section {
  PixelTile tile;
  std::int64_t vectors;           // of a cache line
  std::int64_t lines;             // of the channels
  std::int64_t rows, columns;     // of results
  std::int64_t count_y, count_x;  // sections of an image
  std::int64_t in_rows, pitch;    // of a vector's stage: rows, floats of one
  std::int64_t floats;            // of local memory
  std::int64_t all, per_work_group;

  Section(const Case& c, const PixelTile& t)
      : tile(t),
        vectors(std::max<std::int64_t>(1, c.machine.line_bytes / kElement / t.vw)),
        lines(ceil_div(c.problem.c, vectors * t.vw)) {
    const Problem& p = c.problem;
    columns = evened(p.ow(), most_columns(c), t.tw);
    count_x = ceil_div(p.ow(), columns);
    pitch = ((columns - 1) * p.sw + reach_w(p) + 1) * t.vw;
    const std::int64_t wanted = c.profile.compute_units * kWorkGroupsPerUnit;
    // Not so few rows that most of what is staged is staged for the next section, too.
    constexpr std::int64_t kLeastRows = 8;
    const std::int64_t bands = std::clamp(ceil_div(wanted, p.n * lines * count_x), std::int64_t{1},
                                          ceil_div(p.oh(), kLeastRows));
    rows = evened(p.oh(), std::min(most_rows(c), ceil_div(p.oh(), bands)), t.th);
    count_y = ceil_div(p.oh(), rows);
    in_rows = (rows - 1) * p.sh + reach_h(p) + 1;
    const std::int64_t weight_rows = ceil_div(p.kh * p.kw * t.vw, pitch);
    floats = saturating_product(in_rows + weight_rows, pitch, vectors);
    all = p.n * count_y * count_x * lines;
    per_work_group = ceil_div(all, wanted);
  }
  // Local memory as compiled in: few sizes, so that few programs serve all problems.
  std::int64_t local_kib() const {
    std::int64_t kib = 32;
    while (kib * kKibFloats < floats)
      kib *= 2;
    return kib;
  }

 private:
  static std::int64_t reach_h(const Problem& p) { return (p.kh - 1) * p.dh; }
  static std::int64_t reach_w(const Problem& p) { return (p.kw - 1) * p.dw; }
  // `size` in parts of about the same size, of at most `most` and multiples of `tile`, if it is not one.
  static std::int64_t evened(std::int64_t size, std::int64_t most, std::int64_t of_tile) {
    const std::int64_t parts = ceil_div(size, std::max(most / of_tile * of_tile, of_tile));
    return std::min(size, round_up(ceil_div(size, parts), of_tile));
  }
  // The rows that a tile sees stay in L1; of large filters, in L2.
  std::int64_t most_columns(const Case& c) const {
    constexpr std::int64_t kLeastTiles = 4;
    const Problem& p = c.problem;
    const std::int64_t seen = (tile.th - 1) * p.sh + reach_h(p) + 1;
    const std::int64_t in_l1 = c.machine.l1_blocking_bytes / (seen * tile.vw * kElement);
    return std::max((in_l1 - reach_w(p) - 1) / p.sw + 1, kLeastTiles * tile.tw);
  }
  // All of it stays in half of an L2 of 512 KiB, and in half of the device's local memory.
  std::int64_t most_rows(const Case& c) const {
    constexpr std::int64_t kMostBytes = 256 << 10;
    const Problem& p = c.problem;
    const std::int64_t most = std::min(kMostBytes, c.profile.local_memory_bytes / 2) / kElement;
    const std::int64_t seen = (most / vectors - p.kh * p.kw * tile.vw) / pitch;
    return std::max<std::int64_t>(tile.th, (seen - reach_h(p) - 1) / p.sh + 1);
  }
};

// Cycles, calibrated on PoCL 3.1, 2-core Zen 3, 2026-11: per section; to stage a pixel, at a stride of which fewer
// come with a prefetch; per tile; per step of the loop over the taps beside its multiply-adds; to store a result.
constexpr double kSection = 200, kPixel = 3, kPixelAtStride = 4.3;
constexpr double kTile = 40, kStep = 0.5, kStore = 1.5;

class StagedChannels : public Layout {
 public:
  StagedChannels(const Case& c, const Config& config, const Section& section)
      : case_(c),
        config_(config),
        section_(section),
        taps_(taps_of(c.problem)),
        packing_(taps_, taps_.filters) {}

  void describe(Candidate& candidate) const override {
    describe_as(candidate, case_.problem, predicted_us(case_.profile, {pass()}));
    candidate.prepared_weights_bytes = packing_.bytes();
    // Where `channels` is known to be fast.
    constexpr std::int64_t kFewTaps = 25;
    if (!case_.machine.few_registers() && case_.problem.kh * case_.problem.kw <= kFewTaps)
      candidate.not_considered = "its speed is not known with 32 vector registers and few taps";
    if (section_.count_y * section_.count_x == 1) return;
    candidate.coverage.rows = section_.rows;
    candidate.coverage.columns = section_.columns;
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const Region packed{kPreparedSlot, 0, packing_.bytes()};
    executable.prepared_weights_bytes = packed.bytes;
    executable.prepare.add(pack_filters(device, taps_, packing_, Region{kWeightsSlot}, packed));
    const std::string macros =
        define("CV", section_.vectors) + define("STAGE", section_.local_kib());
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/staged_channels", "depthwise_staged_channels",
                      class_defines(p, config_) + macros),
        with_slopes(p, arguments(packed)),
        one_item_groups(ceil_div(section_.all, section_.per_work_group))));
  }

 private:
  std::vector<Argument> arguments(const Region& packed) const {
    const Problem& p = case_.problem;
    return {{"x", Region{kXSlot}},
            {"w", packed},
            {"b", Region{kBiasSlot}},
            {"r", Region{kResidualSlot}},
            {"y", Region{kYSlot}},
            {"c", narrow(p.c)},
            {"in_h", narrow(p.h)},
            {"in_w", narrow(p.w)},
            {"pt", narrow(p.pt)},
            {"pl", narrow(p.pl)},
            {"oh", narrow(p.oh())},
            {"ow", narrow(p.ow())},
            {"rows", narrow(section_.rows)},
            {"columns", narrow(section_.columns)},
            {"sections_y", narrow(section_.count_y)},
            {"sections_x", narrow(section_.count_x)},
            {"lines", narrow(section_.lines)},
            {"in_rows", narrow(section_.in_rows)},
            {"pitch", narrow(section_.pitch)},
            {"all_sections", cl_long{section_.all}},
            {"sections_per_work_group", cl_long{section_.per_work_group}}};
  }

  // Each pixel is staged once and loaded with every product; each weight once per tile.
  Pass pass() const {
    const Problem& p = case_.problem;
    const PixelTile& tile = section_.tile;
    const double taps = real(p.kh * p.kw), sums = tile.sums();
    const double tiles =
        real(ceil_div(section_.rows, tile.th) * ceil_div(section_.columns, tile.tw));
    const double products =
        product_cycles(case_.machine, taps, sums, sums + 1, kDenseLoads) + kStep * taps;
    const double pixel = p.sh * p.sw > 1 ? kPixelAtStride : kPixel;
    const double vector = pixel * real(section_.in_rows * section_.pitch) / tile.vw +
                          tiles * (kTile + products + kStore * sums);
    const double vectors = real(ceil_div(p.c, tile.vw)) / real(section_.lines);
    return vector_pass(case_.profile, {real(section_.all), kSection + vectors * vector, tile.vw},
                       {cached(case_.machine, operand_bytes(p)), real(section_.all)});
  }

  const Case& case_;
  Config config_;
  Section section_;
  Correlation taps_;
  FilterBlocks packing_;
};

// Tiles of two rows, which are faster where predictions tie, and of one. They have as many accumulators as registers
// serve beside a weight and a pixel, or fewer where the tiles of a row then overlap less.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  int vw = c.machine.lanes;
  while (vw > 4 && vw > p.c)
    vw /= 2;
  std::vector<Config> configs;
  for (std::int64_t th = std::min<std::int64_t>(2, p.oh()); th > 0; --th) {
    const std::int64_t most = std::min<std::int64_t>(16, (c.machine.registers - 2) / th);
    const std::int64_t tw = ceil_div(p.ow(), ceil_div(p.ow(), most));
    configs.push_back({"staged_channels",
                       {{"th", static_cast<int>(th)}, {"tw", static_cast<int>(tw)}, {"vw", vw}}});
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const PixelTile tile = PixelTile::from(config);
  if (p.layout != TensorLayout::kNhwc) return unserved("layout", "channels first (nchw)");
  if (p.k != p.c) return other_than("k", p.k, p.c);
  if (tile.th > p.oh()) return above("th", tile.th, p.oh());
  if (tile.tw > p.ow()) return above("tw", tile.tw, p.ow());
  if (tile.vw > p.c) return above("vw", tile.vw, p.c);
  if (auto refused = over_registers(c.machine, tile.sums(), tile.vw)) return *refused;
  const Section section(c, tile);
  if (section.floats > c.profile.local_memory_bytes / kElement)
    return over_local_memory(saturating_product(section.floats, kElement), c.profile);
  if (section.local_kib() * 1024 > c.profile.local_memory_bytes)
    return over_local_memory(section.local_kib() * 1024, c.profile);
  return std::make_unique<const StagedChannels>(c, config, section);
}

}  // namespace

extern const Body body_staged_channels = {
    "staged_channels", Suits::kCpus, 1, "depthwise/staged_channels ops/pack", variants, fit};

}  // namespace clconv::core::depthwise
