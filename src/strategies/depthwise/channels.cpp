// channels: forward convolution with channels last, explicit vectors along the channels, a register tile of pixels;
// packs the weights with the channels innermost. For CPUs.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/axis.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

// A register tile of results: rows, columns, and floats of a vector of channels.
struct ChannelsTile {
  int th, tw, vw;

  static ChannelsTile from(const Config& c) {
    return {c.get("th", 1, 4), c.get("tw", 1, 16), c.get_power_of_two("vw", 4, 16)};
  }
  std::int64_t in_h(const Problem& p) const { return (th - 1) * p.sh + (p.kh - 1) * p.dh + 1; }
  std::int64_t in_w(const Problem& p) const { return (tw - 1) * p.sw + (p.kw - 1) * p.dw + 1; }
  // More taps than registers hold, of which a row fits beside the sums of a row: those of 16 registers.
  bool by_rows(const Case& c) const {
    constexpr std::int64_t kFewTaps = 9;
    const Problem& p = c.problem;
    return c.machine.few_registers() && p.kh * p.kw > kFewTaps &&
           tw + p.kw + 2 <= c.machine.registers;
  }
  // A vector of weights per tap in registers or L1; and so many rows and columns that each vector is used
  // more than once.
  bool unrolls(const Problem& p) const {
    return p.kh * p.kw <= 25 && in_h(p) * in_w(p) <= 8 * th * tw;
  }
};

// Columns of padding that results see behind the image.
std::int64_t beyond_end(const Problem& p) {
  const Axis columns = Axis::columns(p);
  const std::int64_t seen =
      (columns.steps - 1) * columns.advance + columns.start + columns.reach + 1;
  return std::max<std::int64_t>(seen - p.w, 0);
}

// Stacks: the tiles of the same pixels, one behind the other along the channels. Cut where there are too few of them.
struct Stacks {
  std::int64_t tiles_h, tiles_w;
  std::int64_t stack_channels, channel_stacks;  // channels of a stack, stacks along the channels
  std::int64_t count, per_work_group;

  Stacks(const Problem& p, const DeviceProfile& profile, const ChannelsTile& tile)
      : tiles_h(ceil_div(p.oh(), tile.th)), tiles_w(ceil_div(p.ow(), tile.tw)) {
    const std::int64_t uncut = p.n * tiles_h * tiles_w;
    const std::int64_t wanted = profile.compute_units * kWorkGroupsPerUnit;
    const std::int64_t vectors = ceil_div(p.c, tile.vw);
    channel_stacks = std::clamp<std::int64_t>(ceil_div(wanted, uncut), 1, ceil_div(vectors, 4));
    stack_channels = std::min(p.c, ceil_div(vectors, channel_stacks) * tile.vw);
    channel_stacks = ceil_div(p.c, stack_channels);
    count = uncut * channel_stacks;
    per_work_group = ceil_div(count, wanted);
  }
};

// Whole cache lines of channels, which are then streamed (kernels/parts/stream.cl), by tiles that do not write to more
// lines at once than a processor collects.
bool streams(const Case& c, const ChannelsTile& tile, const Stacks& stacks) {
  constexpr int kMostResults = 6;
  return results_leave_caches(c) && c.problem.c * kElement % c.machine.line_bytes == 0 &&
         stacks.channel_stacks == 1 && tile.th * tile.tw <= kMostResults;
}

// Cycles, calibrated on PoCL 3.1, 2-core Zen 5, 2026-11: per stack, and per tile of one for a product and
// for a result.
constexpr double kStack = 100;
constexpr double kProduct = 1, kProductUnrolled = 0.6, kLoad = 1, kStore = 2;
// With 16 registers (2-core Zen 3): weights of more taps than 3x3 spill, or are loaded row by row.
constexpr double kFewProduct = 1.5, kFewProductUnrolled = 0.45, kFewLoad = 0.6;
constexpr double kProductByRows = 0.5;
constexpr double kProductSpilled = 0.9;
constexpr std::int64_t kFewTaps = 9;

class ChannelsLayout : public Layout {
 public:
  ChannelsLayout(const Case& c, const Config& config, const ChannelsTile& tile)
      : case_(c),
        config_(config),
        tile_(tile),
        stacks_(c.problem, c.profile, tile),
        taps_(taps_of(c.problem)),
        packing_(taps_, taps_.filters) {}

  void describe(Candidate& candidate) const override {
    describe_as(candidate, case_.problem, predicted_us(case_.profile, {pass()}));
    candidate.prepared_weights_bytes = packing_.bytes();
    constexpr std::int64_t kMostPixels = 512;
    if (tile_.in_h(case_.problem) + tile_.in_w(case_.problem) > kMostPixels)
      candidate.not_considered = "a tile keeps addresses of more than 512 rows and columns";
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const Region packed{kPreparedSlot, 0, packing_.bytes()};
    executable.prepared_weights_bytes = packed.bytes;
    executable.prepare.add(pack_filters(device, taps_, packing_, Region{kWeightsSlot}, packed));
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/channels", "depthwise_channels",
                      class_defines(p, config_) + define("UNROLL", tile_.unrolls(p)) +
                          define("BY_ROWS", tile_.by_rows(case_)) + define("LEFT", p.pl) +
                          define("RIGHT", beyond_end(p)) + define("AHEAD", from_memory(case_)) +
                          define("STREAM", streams(case_, tile_, stacks_))),
        with_slopes(p, {{"x", Region{kXSlot}},
                        {"w", packed},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"y", Region{kYSlot}},
                        {"c", narrow(p.c)},
                        {"stack_channels", narrow(stacks_.stack_channels)},
                        {"channel_stacks", narrow(stacks_.channel_stacks)},
                        {"in_h", narrow(p.h)},
                        {"in_w", narrow(p.w)},
                        {"pt", narrow(p.pt)},
                        {"pl", narrow(p.pl)},
                        {"oh", narrow(p.oh())},
                        {"ow", narrow(p.ow())},
                        {"tiles_h", narrow(stacks_.tiles_h)},
                        {"tiles_w", narrow(stacks_.tiles_w)},
                        {"all_stacks", cl_long{stacks_.count}},
                        {"stacks_per_work_group", cl_long{stacks_.per_work_group}}}),
        one_item_groups(ceil_div(stacks_.count, stacks_.per_work_group))));
  }

 private:
  // Each weight is loaded once; pixels with every product, or once where the loops are unrolled.
  Pass pass() const {
    const Problem& p = case_.problem;
    const double results = tile_.th * tile_.tw, taps = real(p.kh * p.kw);
    const double vector = products(p, results * taps) + taps + kStore * results;
    const double vectors = std::ceil(real(stacks_.stack_channels) / tile_.vw);
    const double bytes = cached(case_.machine, operand_bytes(p)) -
                         (streams(case_, tile_, stacks_) ? streamed_bytes(case_) : 0.0);
    return vector_pass(case_.profile, {real(stacks_.count), kStack + vectors * vector, tile_.vw},
                       {bytes, real(ceil_div(stacks_.count, stacks_.per_work_group))});
  }
  // Cycles of so many multiply-adds and their loads.
  double products(const Problem& p, double count) const {
    const Machine& machine = case_.machine;
    if (tile_.by_rows(case_)) {
      const double loads = real(tile_.th * p.kh * (tile_.in_w(p) + p.kw));
      return kProductByRows * count + kFewLoad * loads;
    }
    if (!tile_.unrolls(p)) return machine.measured(kFewProduct, kProduct) * count;
    const double loads = real(tile_.in_h(p) * tile_.in_w(p));
    if (machine.few_registers() && p.kh * p.kw > kFewTaps)
      return kProductSpilled * count + kLoad * loads;
    return machine.measured(kFewProductUnrolled, kProductUnrolled) * count +
           machine.measured(kFewLoad, kLoad) * loads;
  }

  const Case& case_;
  Config config_;
  ChannelsTile tile_;
  Stacks stacks_;
  Correlation taps_;
  FilterBlocks packing_;
};

// As many accumulators as registers serve beside the weights of 3x3. With 16 registers also tiles of four rows, which
// read fewer pixels per result but overlap more in small images.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  int vw = c.machine.lanes;
  while (vw > 4 && vw > p.c)
    vw /= 2;
  const auto config_of = [&](std::int64_t th, std::int64_t tw) {
    return Config{"channels",
                  {{"th", static_cast<int>(std::min(th, p.oh()))},
                   {"tw", static_cast<int>(std::min(tw, p.ow()))},
                   {"vw", vw}}};
  };
  if (!c.machine.few_registers()) return {config_of(2, 7)};
  if (ChannelsTile{1, 7, vw}.by_rows(c)) return {config_of(2, 7), config_of(4, 7)};
  const Config usual = config_of(2, 3);
  std::vector<Config> configs{usual};
  const ChannelsTile tile = ChannelsTile::from(usual);
  if (streams(c, tile, Stacks(p, c.profile, tile))) return configs;
  // At a stride, from memory: 3.4 ms, 2.5 with two rows (n8c96h112w112k96kh3kw3s2p1g96), cause not established.
  if (p.oh() >= 4 && !(p.sh > 1 && from_memory(c))) configs.push_back(config_of(4, 2));
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const ChannelsTile tile = ChannelsTile::from(config);
  if (p.layout != TensorLayout::kNhwc) return unserved("layout", "channels first (nchw)");
  if (p.k != p.c) return other_than("k", p.k, p.c);
  if (tile.th > p.oh()) return above("th", tile.th, p.oh());
  if (tile.tw > p.ow()) return above("tw", tile.tw, p.ow());
  if (tile.vw > p.c) return above("vw", tile.vw, p.c);
  if (auto refused = over_registers(c.machine, tile.th * tile.tw, tile.vw)) return *refused;
  return std::make_unique<const ChannelsLayout>(c, config, tile);
}

}  // namespace

extern const Body body_channels = {"channels", Suits::kCpus, 2, "depthwise/channels ops/pack",
                                   variants,   fit};

}  // namespace clconv::core::depthwise
