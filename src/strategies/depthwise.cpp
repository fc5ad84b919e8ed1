// Direct kernels for depthwise convolutions (g = c, any channel multiplier): bodies with explicit vectors
// over planes staged in local memory, or along channels that come last, for CPUs, plain ones for GPUs (see
// depthwise.cl). Nothing is copied in global memory, and only the body along channels prepares weights.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "ops/reduce.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// A filter of one tap sees no rows: one long row tiles best.
Problem flattened(const Problem& problem) {
  Problem p = problem;
  if (p.kh * p.kw == 1 && p.sh * p.sw == 1 && !p.padded()) {
    p.w *= p.h;
    p.h = 1;
  }
  return p;
}

std::string define(const char* name, std::int64_t value) {
  return " -D" + std::string(name) + "=" + std::to_string(value);
}

// One axis of a convolution as the bodies for CPUs see it; depthwise.cl has the same as macros.
struct Axis {
  std::int64_t steps;     // of results in a plane
  std::int64_t advance;   // rows of the input from one step to the next
  std::int64_t residues;  // rows of the result in a step
  std::int64_t reach;     // rows of the input beyond the first that a step sees
  std::int64_t start;     // first row of the input that step 0 sees

  Axis(bool data, std::int64_t size, std::int64_t results, std::int64_t kernel, std::int64_t stride,
       std::int64_t before, std::int64_t dilation) {
    const std::int64_t span = (kernel - 1) * dilation;
    steps = data ? ceil_div(size, stride) : results;
    advance = data ? 1 : stride;
    residues = data ? stride : 1;
    reach = data ? span / stride + (stride - 1 + before % stride) / stride : span;
    start = data ? before / stride - span / stride : -before;
  }
  static Axis rows(const Problem& p) { return {p.wants_dx(), p.h, p.oh(), p.kh, p.sh, p.pt, p.dh}; }
  static Axis columns(const Problem& p) {
    return {p.wants_dx(), p.w, p.ow(), p.kw, p.sw, p.pl, p.dw};
  }
  std::int64_t input(std::int64_t tile) const { return (tile - 1) * advance + reach + 1; }
};

// Planes that can be read as they lie, in blocks of `block` x `vw` results that are all whole (depthwise.cl has the
// picture).
struct Planes {
  std::int64_t block, vw;
  Axis rows, columns;
  std::int64_t in_h, in_w;

  Planes(const Problem& p, std::int64_t block_rows, std::int64_t width)
      : block(block_rows),
        vw(width),
        rows(Axis::rows(p)),
        columns(Axis::columns(p)),
        in_h(p.wants_dx() ? p.oh() : p.h),
        in_w(p.wants_dx() ? p.ow() : p.w) {}

  // Only the outer blocks see what is outside, and less than a vector of it.
  bool fit() const {
    return rows.residues * columns.residues == 1 && columns.advance <= 2 &&
           columns.advance * vw <= in_w && fits(rows, in_h, block) && fits(columns, in_w, vw) &&
           left() < vw && right() + columns.advance <= vw;
  }
  std::int64_t blocks() const { return ceil_div(rows.steps, block); }

  std::string defines() const {
    return define("TOP", top()) + define("BOTTOM", bottom()) + define("LEFT", left()) +
           define("RIGHT", right()) + define("ONE_BLOCK", rows.steps == block) +
           define("ONE_VECTOR", columns.steps == vw) + define("SHIFT_H", shift(rows, in_h, block)) +
           define("SHIFT_W", shift(columns, in_w, vw)) +
           define("TWICE_H", round_up(rows.steps, block) - rows.steps) +
           define("TWICE_W", round_up(columns.steps, vw) - columns.steps);
  }

 private:
  // Rows and columns outside; negative where some inside are not seen.
  std::int64_t top() const { return -rows.start; }
  std::int64_t left() const { return -columns.start; }
  std::int64_t bottom() const { return beyond(rows, in_h, rows.steps - 1); }
  std::int64_t right() const { return beyond(columns, in_w, columns.steps - 1); }
  static std::int64_t beyond(const Axis& axis, std::int64_t size, std::int64_t step) {
    return step * axis.advance + axis.start + axis.reach - (size - 1);
  }
  // Steps at the end that see something outside, or read it: at stride 2, columns come in pairs.
  static std::int64_t margin(const Axis& axis, std::int64_t size) {
    const std::int64_t outside = beyond(axis, size, axis.steps - 1) + axis.advance - 1;
    return outside > 0 ? ceil_div(outside, axis.advance) : 0;
  }
  // By so much the pieces between the first and the last move back, for only the last to see the end.
  static std::int64_t shift(const Axis& axis, std::int64_t size, std::int64_t piece) {
    const std::int64_t before_last = (ceil_div(axis.steps, piece) - 1) * piece;
    return std::max<std::int64_t>(0, before_last - (axis.steps - margin(axis, size)));
  }
  static bool fits(const Axis& axis, std::int64_t size, std::int64_t piece) {
    if (axis.steps <= piece) return axis.steps == piece;
    const std::int64_t back = shift(axis, size, piece);
    return margin(axis, size) <= piece && (axis.steps - piece) * axis.advance + axis.start >= 0 &&
           (axis.steps <= 2 * piece ? back == 0 : (piece - back) * axis.advance + axis.start >= 0);
  }
};

// How planes are cut to tiles whose input fits the stage in local memory.
struct Tiling {
  // Floats, unless a single block of rows needs more: what a first-level cache of 32 KiB holds.
  static constexpr std::int64_t kStage = 8192;
  static constexpr std::int64_t kWidest = 512;  // columns of a tile

  Axis rows, columns;
  std::int64_t tile_h, tile_w, tiles_x, tiles_y;
  std::int64_t pitch, shift, stage_floats, sums_pitch, floats;

  // `block`: rows of results computed together; `pieces`: at least so many tiles where the plane allows.
  Tiling(const Problem& p, int vw, std::int64_t block, std::int64_t pieces)
      : rows(Axis::rows(p)), columns(Axis::columns(p)) {
    tile_w = std::min(round_up(columns.steps, vw), round_up(kWidest, vw));
    while (true) {
      lay_out(p, vw, block, block);
      if (floats <= kStage || tile_w <= vw) break;
      tile_w = round_up(tile_w / 2, vw);
    }
    // As many rows as fit, in tiles of about the same height.
    std::int64_t most = round_up(rows.steps, block);
    if (floats < kStage) {
      const std::int64_t least = floats;
      lay_out(p, vw, block, 2 * block);
      most = std::min(most,
                      block + (kStage - least) / std::max<std::int64_t>(1, floats - least) * block);
    } else {
      most = block;
    }
    tiles_x = ceil_div(columns.steps, tile_w);
    tiles_y = std::max(ceil_div(rows.steps, most),
                       std::min(ceil_div(pieces, tiles_x), ceil_div(rows.steps, block)));
    tile_h = round_up(ceil_div(rows.steps, tiles_y), block);
    tiles_y = ceil_div(rows.steps, tile_h);
    lay_out(p, vw, block, tile_h);
  }
  std::int64_t tiles() const { return tiles_x * tiles_y; }
  // Few sizes of local memory, so that few programs serve all planes.
  std::int64_t stage_define() const {
    std::int64_t size = kStage;
    while (size < floats)
      size *= 2;
    return size;
  }

 private:
  void lay_out(const Problem& p, int vw, std::int64_t block, std::int64_t height) {
    const std::int64_t width = std::min(tile_w, columns.steps);
    // The first column of the image is stored aligned.
    const std::int64_t border = std::max<std::int64_t>(0, -columns.start) / columns.advance;
    shift = (vw - border % vw) % vw;
    const std::int64_t stored = ceil_div(columns.input(width), columns.advance) + vw;
    const std::int64_t loaded = round_up(width, vw) + columns.reach / columns.advance;
    pitch = round_up(shift + std::max(stored, loaded), vw);
    stage_floats = rows.input(round_up(height, block)) * columns.advance * pitch;
    sums_pitch = round_up(width, vw);
    const bool multi = p.wants_dx() && p.k > p.c;
    floats = stage_floats + vw +
             (multi ? round_up(height, block) * rows.residues * columns.residues * sums_pitch : 0);
  }
};

std::string class_defines(const Problem& p, const Config& config) {
  return config.defines() + define("KH", p.kh) + define("KW", p.kw) + define("SH", p.sh) +
         define("SW", p.sw) + define("DH", p.dh) + define("DW", p.dw) +
         define("NHWC", p.layout == TensorLayout::kNhwc ? 1 : 0) +
         define("DATA", p.wants_dx() ? 1 : 0) + define("PT_MOD", p.wants_dx() ? p.pt % p.sh : 0) +
         define("PL_MOD", p.wants_dx() ? p.pl % p.sw : 0) + " " + epilogue_defines(p);
}

double bytes_touched(const Problem& p) {
  return static_cast<double>(p.x_bytes() + p.y_bytes() + p.w_bytes());
}

Candidate candidate_of(const Problem& p, const Config& config, double us) {
  Candidate candidate;
  candidate.config = config;
  candidate.predicted_us = us;
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  return candidate;
}

// Work-groups per compute unit that even out what one takes longer than another.
constexpr std::int64_t kGroupsPerUnit = 8;

// ---- planes, rows: forward and data gradient on a CPU -------------------------------------------

struct RowsBody {
  int rb;
  bool stage;
  int vw;

  Config config() const { return {{"rb", rb}, {"stage", stage}, {"vw", vw}}; }
  static RowsBody from(const Config& c) {
    return {c.get("rb", 1, 16), c.get("stage", 0, 1) == 1, c.get("vw", 4, 16)};
  }

  Tiling tiling(const Problem& p, const DeviceProfile& profile) const {
    const std::int64_t planes = p.n * p.c;
    return {p, vw, rb, ceil_div(2 * profile.compute_units, planes)};
  }
  // All loops over taps unrolled and their conditions decided by the compiler; the limit is on what it
  // has to look at.
  bool unrolls(const Problem& p) const {
    const Axis rows = Axis::rows(p), columns = Axis::columns(p);
    constexpr std::int64_t kMost = 640;
    if (columns.residues > 2 || rows.residues > 2) return false;
    return saturating_product(rows.input(rb), columns.reach + 1, rb, columns.residues) <= kMost;
  }
  // What is computed twice must not add up; nine cases of the unrolled loops.
  bool reads_planes(const Problem& p) const {
    return p.layout == TensorLayout::kNchw && !p.accumulate && (!p.wants_dx() || p.k == p.c) &&
           unrolls(p) && p.kh * p.kw <= 25 && Planes(p, rb, vw).fit();
  }
};

// Planes in bands of blocks where there are too few of them, for the work-groups of a launch.
struct Bands {
  std::int64_t band, bands, units, span;

  Bands(const Problem& p, const DeviceProfile& profile, const Planes& planes) {
    const std::int64_t count = p.n * (p.wants_dx() ? p.c : p.k);
    // More than staging has: the second of two threads often wakes up when the first is half through.
    const std::int64_t wanted = 2 * kGroupsPerUnit * profile.compute_units;
    band = ceil_div(planes.blocks(), std::min(planes.blocks(), ceil_div(wanted, count)));
    bands = ceil_div(planes.blocks(), band);
    units = count * bands;
    span = ceil_div(units, wanted);
  }
};

// Cycles to stage the input of a tile: per row and per vector (scattering one by one beyond stride 2).
// Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11, as all cycles below.
double stage_cycles(const Tiling& t, int vw) {
  const double rows = static_cast<double>(t.rows.input(t.tile_h));
  const double columns = static_cast<double>(t.columns.input(std::min(t.tile_w, t.columns.steps)));
  if (t.columns.advance > 2) return rows * columns * 3;
  return rows * (4 + (t.columns.advance == 2 ? 6 : 2.5) * std::ceil(columns / vw));
}

double rows_us(const Problem& p, const DeviceProfile& profile, const RowsBody& body) {
  const Tiling t = body.tiling(p, profile);
  const double units = static_cast<double>(p.n * p.c * t.tiles());
  const double channels = static_cast<double>(p.wants_dx() ? p.k / p.c : 1);
  const double filters = static_cast<double>(p.wants_dx() ? 1 : p.k / p.c);
  const double vectors =
      static_cast<double>(ceil_div(std::min(t.tile_w, t.columns.steps), body.vw));
  const double rows = static_cast<double>(t.tile_h);
  const double taps = static_cast<double>(p.kh * p.kw);
  const bool unrolled = body.unrolls(p);
  const double result_vectors =
      rows * vectors * static_cast<double>(t.rows.residues * t.columns.residues);
  const double tap_cycles = rows * vectors * taps * (unrolled ? 0.65 : 1.6);
  const double store_cycles =
      result_vectors * (unrolled || t.columns.residues == 1 ? 4 : 4 * body.vw);
  const double cycles =
      50 + channels * (stage_cycles(t, body.vw) + filters * (20 + tap_cycles + store_cycles));
  Pass pass;
  // In units of cycles at full rate: two FMAs each.
  pass.flops = units * cycles * 2 * 2 * body.vw;
  pass.efficiency = profile.family == Family::kCpu ? 1.0 : 0.02;
  pass.bytes = cached(bytes_touched(p));
  pass.groups = units;
  return predicted_us(profile, {pass});
}

// Cycles to load and multiply what one vector of a block of results sees.
double planes_cycles(const Problem& p, const Planes& planes) {
  const double vectors = static_cast<double>(planes.rows.input(planes.block) * p.kw);
  const double taps = static_cast<double>(planes.block * p.kh * p.kw);
  return 5 + (planes.columns.advance == 2 ? 2.3 : 0.6) * vectors + 0.45 * taps;
}

double planes_us(const Problem& p, const DeviceProfile& profile, const RowsBody& body) {
  const Planes planes(p, body.rb, body.vw);
  const double blocks = static_cast<double>(p.n * (p.wants_dx() ? p.c : p.k) * planes.blocks() *
                                            ceil_div(planes.columns.steps, body.vw));
  Pass pass;
  pass.flops = blocks * (planes_cycles(p, planes) + 2 * body.rb) * 2 * 2 * body.vw;
  pass.efficiency = profile.family == Family::kCpu ? 1.0 : 0.02;
  pass.bytes = cached(bytes_touched(p));
  pass.groups = static_cast<double>(Bands(p, profile, planes).units);
  return predicted_us(profile, {pass});
}

std::vector<Candidate> rows_candidates(const Problem& p, const DeviceProfile& profile) {
  std::vector<Candidate> candidates;
  const int widest = vector_width(profile);
  const std::int64_t steps = Axis::rows(p).steps;
  // First, since ties go to the first: planes as they lie, by the widest vectors that they allow and in blocks of as
  // many rows as registers serve.
  for (int vw = widest; vw >= 4 && candidates.empty(); vw /= 2) {
    const int most = vector_registers(vw) == 32 ? 7 : 4;
    for (int rb = static_cast<int>(std::min<std::int64_t>(most, steps));
         rb > 0 && candidates.empty(); --rb) {
      const RowsBody body{rb, false, vw};
      if (!body.reads_planes(p)) continue;
      candidates.push_back(candidate_of(p, body.config(), planes_us(p, profile, body)));
    }
  }
  std::vector<int> widths{widest};
  // Half a vector wastes less on narrow planes.
  if (widest > 4 && Axis::columns(p).steps <= widest / 2) widths.push_back(widest / 2);
  for (const int vw : widths) {
    const RowsBody body{static_cast<int>(std::min<std::int64_t>(4, steps)), true, vw};
    if (body.tiling(p, profile).floats * kElement > profile.local_memory_bytes / 2) continue;
    candidates.push_back(candidate_of(p, body.config(), rows_us(p, profile, body)));
  }
  return candidates;
}

std::unique_ptr<const Executable> build_planes(const Problem& p, const RowsBody& body,
                                               Device& device) {
  const Planes planes(p, body.rb, body.vw);
  const Bands bands(p, device.profile(), planes);
  const bool data = p.wants_dx();
  const Region input{data ? kDySlot : kXSlot};
  auto executable = std::make_unique<Executable>();
  executable->run.add(std::make_unique<KernelStep>(
      "depthwise",
      device.kernel("depthwise/planes", "depthwise_planes",
                    class_defines(p, body.config()) + planes.defines()),
      std::vector<Argument>{{"x", input},
                            {"y_mask", p.mask ? Region{kYSlot} : input},
                            {"weights", Region{kWeightsSlot}},
                            {"b", Region{kBiasSlot}},
                            {"r", Region{kResidualSlot}},
                            {"result", Region{data ? kDxSlot : kYSlot}},
                            {"groups", narrow(p.c)},
                            {"filters", narrow(p.k / p.c)},
                            {"in_h", narrow(planes.in_h)},
                            {"in_w", narrow(planes.in_w)},
                            {"res_h", narrow(planes.rows.steps)},
                            {"res_w", narrow(planes.columns.steps)},
                            {"band", narrow(bands.band)},
                            {"bands", narrow(bands.bands)},
                            {"units", cl_long{bands.units}},
                            {"span", cl_long{bands.span}}},
      one_item_groups(ceil_div(bands.units, bands.span))));
  return executable;
}

std::unique_ptr<const Executable> build_rows(const Problem& p, const RowsBody& body,
                                             Device& device) {
  if (body.rb > Axis::rows(p).steps) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': a block exceeds the rows of the result");
  }
  if (!body.stage) {
    if (!body.reads_planes(p)) {
      throw Error(Code::kInvalidArgument,
                  "config '" + body.config().text() + "': the planes need staging");
    }
    return build_planes(p, body, device);
  }
  const Tiling t = body.tiling(p, device.profile());
  const bool data = p.wants_dx();
  const std::int64_t multiplier = p.k / p.c;
  const std::int64_t units = p.n * p.c * t.tiles();
  const std::int64_t span = ceil_div(units, device.profile().compute_units * kGroupsPerUnit);
  const Region input{data ? kDySlot : kXSlot};
  const std::string options = class_defines(p, body.config()) +
                              " -DUNROLL=" + (body.unrolls(p) ? "1" : "0") +
                              " -DMULTI=" + (data && multiplier > 1 ? "1" : "0") +
                              " -DSTAGE_FLOATS=" + std::to_string(t.stage_define());
  auto executable = std::make_unique<Executable>();
  executable->run.add(std::make_unique<KernelStep>(
      "depthwise", device.kernel("depthwise/rows", "depthwise_rows", options),
      std::vector<Argument>{{"x", input},
                            {"y_mask", p.mask ? Region{kYSlot} : input},
                            {"weights", Region{kWeightsSlot}},
                            {"b", Region{kBiasSlot}},
                            {"r", Region{kResidualSlot}},
                            {"result", Region{data ? kDxSlot : kYSlot}},
                            {"groups", narrow(p.c)},
                            {"channels", narrow(data ? multiplier : 1)},
                            {"filters", narrow(data ? 1 : multiplier)},
                            {"in_h", narrow(data ? p.oh() : p.h)},
                            {"in_w", narrow(data ? p.ow() : p.w)},
                            {"in_size", cl_long{data ? p.y_elements() : p.x_elements()}},
                            {"top", narrow(t.rows.start)},
                            {"left", narrow(t.columns.start)},
                            {"res_h", narrow(data ? p.h : p.oh())},
                            {"res_w", narrow(data ? p.w : p.ow())},
                            {"steps_h", narrow(t.rows.steps)},
                            {"steps_w", narrow(t.columns.steps)},
                            {"tile_h", narrow(t.tile_h)},
                            {"tile_w", narrow(t.tile_w)},
                            {"tiles_x", narrow(t.tiles_x)},
                            {"tiles", narrow(t.tiles())},
                            {"units", cl_long{units}},
                            {"span", narrow(span)},
                            {"pitch", narrow(t.pitch)},
                            {"shift", narrow(t.shift)},
                            {"stage_floats", narrow(t.stage_floats)},
                            {"sums_pitch", narrow(t.sums_pitch)}},
      one_item_groups(ceil_div(units, span))));
  return executable;
}

// ---- channels: forward with channels last on a CPU ----------------------------------------------

struct ChannelsBody {
  int th, tw, vw;

  Config config() const { return {{"th", th}, {"tw", tw}, {"vw", vw}}; }
  static ChannelsBody from(const Config& c) {
    return {c.get("th", 1, 4), c.get("tw", 1, 16), c.get("vw", 4, 16)};
  }
  std::int64_t in_h(const Problem& p) const { return (th - 1) * p.sh + (p.kh - 1) * p.dh + 1; }
  std::int64_t in_w(const Problem& p) const { return (tw - 1) * p.sw + (p.kw - 1) * p.dw + 1; }
  // A vector of weights per tap in registers, or near; and so many rows and columns that each vector is used
  // more than once.
  bool unrolls(const Problem& p) const {
    return p.kh * p.kw <= 25 && in_h(p) * in_w(p) <= 8 * th * tw;
  }
};

// Cuts the channels where there are too few blocks of pixels.
struct ChannelsUnits {
  std::int64_t blocks_h, blocks_w, chunk, chunks, units, span;

  ChannelsUnits(const Problem& p, const DeviceProfile& profile, const ChannelsBody& body)
      : blocks_h(ceil_div(p.oh(), body.th)), blocks_w(ceil_div(p.ow(), body.tw)) {
    const std::int64_t blocks = p.n * blocks_h * blocks_w;
    const std::int64_t wanted = profile.compute_units * kGroupsPerUnit;
    const std::int64_t vectors = ceil_div(p.c, body.vw);
    chunks = std::clamp<std::int64_t>(ceil_div(wanted, blocks), 1, ceil_div(vectors, 4));
    chunk = std::min(p.c, ceil_div(vectors, chunks) * body.vw);
    chunks = ceil_div(p.c, chunk);
    units = blocks * chunks;
    span = ceil_div(units, wanted);
  }
};

// [tap][channel].
FilterBlocks channels_packing(const Correlation& taps) {
  return FilterBlocks(taps, taps.filters);
}
Correlation channels_taps(const Problem& problem) {
  Problem p = problem;
  p.c = p.g = 1;
  return correlations_of(p).front();
}

double channels_us(const Problem& p, const DeviceProfile& profile, const ChannelsBody& body) {
  const ChannelsUnits units(p, profile, body);
  const double results = body.th * body.tw;
  const double taps = static_cast<double>(p.kh * p.kw);
  // Cycles per vector of channels.
  const double loads = static_cast<double>(body.in_h(p) * body.in_w(p));
  const double cycles =
      (body.unrolls(p) ? 0.6 * results * taps + loads : results * taps) + taps + 2 * results;
  Pass pass;
  pass.flops = static_cast<double>(units.units) *
               (100 + std::ceil(static_cast<double>(units.chunk) / body.vw) * cycles) * 2 * 2 *
               body.vw;
  pass.bytes = bytes_touched(p);
  pass.groups = static_cast<double>(ceil_div(units.units, units.span));
  return predicted_us(profile, {pass});
}

std::vector<Candidate> channels_candidates(const Problem& p, const DeviceProfile& profile) {
  int vw = vector_width(profile);
  while (vw > 4 && vw > p.c)
    vw /= 2;
  if (p.k != p.c || vw > p.c) return {};
  const std::int64_t widest = vector_registers(vw) == 32 ? 7 : 3;
  const ChannelsBody body{static_cast<int>(std::min<std::int64_t>(2, p.oh())),
                          static_cast<int>(std::min(widest, p.ow())), vw};
  constexpr std::int64_t kMostPixels = 512;  // rows and columns that a block keeps addresses of
  if (body.in_h(p) + body.in_w(p) > kMostPixels) return {};
  Candidate candidate = candidate_of(p, body.config(), channels_us(p, profile, body));
  candidate.prepared_weights_bytes = channels_packing(channels_taps(p)).bytes();
  return {candidate};
}

std::unique_ptr<const Executable> build_channels(const Problem& p, const ChannelsBody& body,
                                                 Device& device) {
  if (body.th > p.oh() || body.tw > p.ow() || body.vw > p.c || p.k != p.c) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': a block exceeds the result");
  }
  const Correlation taps = channels_taps(p);
  const FilterBlocks packing = channels_packing(taps);
  const Region packed{kPreparedSlot, 0, packing.bytes()};
  const ChannelsUnits units(p, device.profile(), body);
  auto executable = std::make_unique<Executable>();
  executable->prepared_weights_bytes = packed.bytes;
  executable->prepare.add(pack_filters(device, taps, packing, Region{kWeightsSlot}, packed));
  executable->run.add(std::make_unique<KernelStep>(
      "depthwise",
      device.kernel("depthwise/channels", "depthwise_channels",
                    class_defines(p, body.config()) + " -DUNROLL=" + (body.unrolls(p) ? "1" : "0")),
      std::vector<Argument>{{"x", Region{kXSlot}},
                            {"w", packed},
                            {"b", Region{kBiasSlot}},
                            {"r", Region{kResidualSlot}},
                            {"y", Region{kYSlot}},
                            {"c", narrow(p.c)},
                            {"chunk", narrow(units.chunk)},
                            {"chunks", narrow(units.chunks)},
                            {"in_h", narrow(p.h)},
                            {"in_w", narrow(p.w)},
                            {"pt", narrow(p.pt)},
                            {"pl", narrow(p.pl)},
                            {"oh", narrow(p.oh())},
                            {"ow", narrow(p.ow())},
                            {"blocks_h", narrow(units.blocks_h)},
                            {"blocks_w", narrow(units.blocks_w)},
                            {"units", cl_long{units.units}},
                            {"span", cl_long{units.span}}},
      one_item_groups(ceil_div(units.units, units.span))));
  return executable;
}

// ---- weights_planes, weights_rows: weight gradient on a CPU -------------------------------------

struct WeightsBody {
  int rows;
  bool stage;
  int taps, vw;

  Config config() const { return {{"rows", rows}, {"stage", stage}, {"taps", taps}, {"vw", vw}}; }
  static WeightsBody from(const Config& c) {
    return {c.get("rows", 1, 8), c.get("stage", 0, 1) == 1, c.get("taps", 1, 64),
            c.get("vw", 4, 16)};
  }
  bool reads_planes(const Problem& p) const {
    return p.layout == TensorLayout::kNchw && all_taps(p) && Planes(p, rows, vw).fit();
  }

  bool all_taps(const Problem& p) const { return taps == p.kh * p.kw; }
  std::int64_t chunks(const Problem& p) const {
    return all_taps(p) ? 1 : p.kh * ceil_div(p.kw, taps);
  }
};

// The sum over images, or tiles of all images, is cut to parts where there are too few filters.
struct Parts {
  Tiling tiling;
  std::int64_t units, span, parts;

  Parts(const Problem& p, const DeviceProfile& profile, const WeightsBody& body)
      : tiling(p, body.vw, 1, ceil_div(2 * profile.compute_units, p.k * body.chunks(p) * p.n)) {
    units = body.stage ? p.n * tiling.tiles() : p.n;
    const std::int64_t groups = p.k * body.chunks(p);
    const std::int64_t wanted = groups >= 2 * profile.compute_units
                                    ? 1
                                    : std::min(units, ceil_div(2 * profile.compute_units, groups));
    span = ceil_div(units, wanted);
    parts = ceil_div(units, span);
  }
  std::int64_t partial_bytes(const Problem& p) const {
    return parts > 1 ? saturating_product(parts, p.w_elements(), kElement) : 0;
  }
};

double weights_us(const Problem& p, const DeviceProfile& profile, const WeightsBody& body,
                  const Parts& parts) {
  const Tiling& t = parts.tiling;
  const double groups = static_cast<double>(p.k * body.chunks(p) * parts.parts);
  const double width = static_cast<double>(std::min(t.tile_w, t.columns.steps));
  const double vectors = std::ceil(width / body.vw);
  const double row_cycles = std::fmod(width, body.vw) == 0 ? 12 : 22;
  double unit_cycles =
      stage_cycles(t, body.vw) +
      static_cast<double>(t.tile_h) * (row_cycles + vectors * (4 + 0.8 * body.taps));
  if (!body.stage) {
    const Planes planes(p, body.rows, body.vw);
    unit_cycles = static_cast<double>(planes.blocks() * ceil_div(planes.columns.steps, body.vw)) *
                  (planes_cycles(p, planes) + body.rows);
  }
  const double cycles = 100 + 16.0 * body.taps + static_cast<double>(parts.span) * unit_cycles;
  Pass multiply;
  multiply.flops = groups * cycles * 2 * 2 * body.vw;
  multiply.efficiency = profile.family == Family::kCpu ? 1.0 : 0.02;
  multiply.bytes = cached(bytes_touched(p));
  multiply.groups = groups;
  Pass sum;
  sum.launches = parts.parts > 1 ? 1 : 0;
  sum.bytes = static_cast<double>(parts.partial_bytes(p));
  return predicted_us(profile, {multiply, sum});
}

std::vector<Candidate> weights_candidates(const Problem& p, const DeviceProfile& profile) {
  const std::int64_t all = p.kh * p.kw;
  std::vector<WeightsBody> bodies;
  for (int vw = vector_width(profile); vw >= 4; vw /= 2) {
    const std::int64_t registers = vector_registers(vw);
    // dy and an x besides the sums.
    const std::int64_t taps =
        all <= registers - 4 ? all : std::min<std::int64_t>(p.kw, registers - 4);
    // As many rows as registers are left for, up to 4; a much dilated filter shares nothing between them.
    const bool shares = taps == all && p.kh > 1 && (p.kh - 1) * p.dh * p.kw <= 64;
    WeightsBody body{
        shares ? static_cast<int>(std::clamp<std::int64_t>(registers - 3 - taps, 1, 4)) : 1, true,
        static_cast<int>(taps), vw};
    if (bodies.empty()) bodies.push_back(body);
    // The widest vectors with which planes can be read as they lie.
    body.stage = false;
    while (body.rows > 1 && !body.reads_planes(p))
      --body.rows;
    if (body.reads_planes(p)) {
      bodies.insert(bodies.begin(), body);  // ties go to the first
      break;
    }
  }
  std::vector<Candidate> candidates;
  for (const WeightsBody& body : bodies) {
    const Parts parts(p, profile, body);
    if (body.stage && parts.tiling.floats * kElement > profile.local_memory_bytes / 2) continue;
    Candidate candidate = candidate_of(p, body.config(), weights_us(p, profile, body, parts));
    WorkspaceLayout layout(profile);
    if (parts.parts > 1) layout.add(parts.partial_bytes(p));
    candidate.workspace_bytes = layout.bytes();
    candidates.push_back(candidate);
  }
  return candidates;
}

std::unique_ptr<const Executable> build_weights(const Problem& p, const WeightsBody& body,
                                                Device& device) {
  if (!body.all_taps(p) && (body.taps > p.kw || body.rows > 1)) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': taps are neither all nor of one row");
  }
  if (!body.stage && !body.reads_planes(p)) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': the planes need staging");
  }
  const Parts parts(p, device.profile(), body);
  const Tiling& t = parts.tiling;
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(device.profile());
  Region result{kDwSlot};
  Problem stage = p;
  if (parts.parts > 1) {
    result = layout.add(parts.partial_bytes(p));
    stage.accumulate = false;  // sum_parts does it
  }
  executable->workspace_bytes = layout.bytes();
  std::string options =
      class_defines(stage, body.config()) + " -DPARTS=" + (parts.parts > 1 ? "1" : "0");
  if (!body.stage) {
    executable->run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_planes", "depthwise_weights_planes",
                      options + Planes(p, body.rows, body.vw).defines()),
        std::vector<Argument>{{"x", Region{kXSlot}},
                              {"dy", Region{kDySlot}},
                              {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
                              {"result", result},
                              {"groups", narrow(p.c)},
                              {"filters", narrow(p.k / p.c)},
                              {"in_h", narrow(p.h)},
                              {"in_w", narrow(p.w)},
                              {"oh", narrow(p.oh())},
                              {"ow", narrow(p.ow())},
                              {"images", cl_long{parts.units}},
                              {"span", cl_long{parts.span}},
                              {"part_stride", cl_long{p.w_elements()}}},
        one_item_groups(p.k * parts.parts)));
  } else {
    options += " -DALL_TAPS=" + std::string(body.all_taps(p) ? "1" : "0") +
               " -DSTAGE_FLOATS=" + std::to_string(t.stage_define());
    executable->run.add(std::make_unique<KernelStep>(
        "depthwise", device.kernel("depthwise/weights_rows", "depthwise_weights_rows", options),
        std::vector<Argument>{{"x", Region{kXSlot}},
                              {"dy", Region{kDySlot}},
                              {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
                              {"result", result},
                              {"groups", narrow(p.c)},
                              {"filters", narrow(p.k / p.c)},
                              {"in_h", narrow(p.h)},
                              {"in_w", narrow(p.w)},
                              {"in_size", cl_long{p.x_elements()}},
                              {"dy_size", cl_long{p.y_elements()}},
                              {"top", narrow(t.rows.start)},
                              {"left", narrow(t.columns.start)},
                              {"oh", narrow(p.oh())},
                              {"ow", narrow(p.ow())},
                              {"tile_h", narrow(t.tile_h)},
                              {"tile_w", narrow(t.tile_w)},
                              {"tiles_x", narrow(t.tiles_x)},
                              {"tiles", narrow(t.tiles())},
                              {"units", cl_long{parts.units}},
                              {"span", cl_long{parts.span}},
                              {"pitch", narrow(t.pitch)},
                              {"shift", narrow(t.shift)},
                              {"part_stride", cl_long{p.w_elements()}}},
        one_item_groups(p.k * body.chunks(p) * parts.parts)));
  }
  if (parts.parts > 1) {
    executable->run.add(sum_parts(device, p.w_elements(), parts.parts, p.accumulate, result,
                                  nullptr, Region{kDwSlot}, p.data_type));
  }
  return executable;
}

// ---- direct, weights_direct: GPUs ---------------------------------------------------------------

constexpr int kDirectItems = 64;

// Rows that a work-item goes down: what the unrolled loop over a small filter can share.
int direct_rows(const Problem& p) {
  const bool small = p.kh * p.kw <= 25 && p.dh == 1 && p.sh <= 2;
  return p.wants_dx() || !small ? 1 : 4;
}

std::int64_t direct_items(const Problem& p, int ty) {
  const std::int64_t planes = p.n * (p.wants_dx() ? p.c : p.k);
  return planes * ceil_div(p.wants_dx() ? p.h : p.oh(), ty) * (p.wants_dx() ? p.w : p.ow());
}

std::int64_t direct_local(const DeviceProfile& profile) {
  return std::min<std::int64_t>(kDirectItems, profile.max_work_group_size);
}

// Fraction of peak. PoCL 3.1, 2-core Zen 5, 2026-11: about 5 of 500 GFLOP/s; of GPUs a guess.
double direct_efficiency(const DeviceProfile& profile) {
  return profile.family == Family::kCpu ? 0.01 : 0.15;
}

std::vector<Candidate> direct_candidates(const Problem& p, const DeviceProfile& profile) {
  const int ty = direct_rows(p);
  Pass pass;
  pass.flops = p.flops();
  if (p.wants_dx()) pass.flops *= static_cast<double>(p.sh) * static_cast<double>(p.sw);
  pass.efficiency = direct_efficiency(profile);
  pass.bytes = bytes_touched(p);
  pass.groups = std::ceil(static_cast<double>(direct_items(p, ty)) /
                          static_cast<double>(direct_local(profile)));
  return {candidate_of(p, {{"ty", ty}}, predicted_us(profile, {pass}))};
}

std::unique_ptr<const Executable> build_direct(const Problem& p, const Config& config,
                                               Device& device) {
  const int ty = config.get("ty", 1, 8);
  const bool data = p.wants_dx();
  const std::int64_t multiplier = p.k / p.c;
  const Region input{data ? kDySlot : kXSlot};
  const std::int64_t count = direct_items(p, ty);
  auto executable = std::make_unique<Executable>();
  executable->run.add(std::make_unique<KernelStep>(
      "depthwise",
      device.kernel("depthwise/direct", "depthwise_direct",
                    class_defines(p, config) + " -DUNROLL=" + (ty > 1 ? "1" : "0")),
      std::vector<Argument>{{"x", input},
                            {"y_mask", p.mask ? Region{kYSlot} : input},
                            {"weights", Region{kWeightsSlot}},
                            {"b", Region{kBiasSlot}},
                            {"r", Region{kResidualSlot}},
                            {"result", Region{data ? kDxSlot : kYSlot}},
                            {"groups", narrow(p.c)},
                            {"channels", narrow(data ? multiplier : 1)},
                            {"filters", narrow(data ? 1 : multiplier)},
                            {"in_h", narrow(data ? p.oh() : p.h)},
                            {"in_w", narrow(data ? p.ow() : p.w)},
                            {"pt", narrow(p.pt)},
                            {"pl", narrow(p.pl)},
                            {"res_h", narrow(data ? p.h : p.oh())},
                            {"res_w", narrow(data ? p.w : p.ow())},
                            {"row_blocks", narrow(ceil_div(data ? p.h : p.oh(), ty))},
                            {"items", cl_long{count}}},
      items(count, direct_local(device.profile()))));
  return executable;
}

// Power of two, for the tree in local memory.
int weights_items(const DeviceProfile& profile) {
  int size = 1;
  while (size * 2 <= std::min<std::int64_t>(64, profile.max_work_group_size))
    size *= 2;
  return size;
}

std::vector<Candidate> weights_direct_candidates(const Problem& p, const DeviceProfile& profile) {
  Pass pass;
  pass.flops = p.flops();
  pass.efficiency = direct_efficiency(profile);
  pass.bytes = bytes_touched(p);
  pass.groups = static_cast<double>(p.w_elements());
  return {candidate_of(p, {{"items", weights_items(profile)}}, predicted_us(profile, {pass}))};
}

std::unique_ptr<const Executable> build_weights_direct(const Problem& p, const Config& config,
                                                       Device& device) {
  const int size = config.get("items", 1, 1024);
  if ((size & (size - 1)) != 0) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': items is not a power of two");
  }
  auto executable = std::make_unique<Executable>();
  executable->run.add(std::make_unique<KernelStep>(
      "depthwise",
      device.kernel("depthwise/weights_direct", "depthwise_weights_direct",
                    class_defines(p, config)),
      std::vector<Argument>{{"x", Region{kXSlot}},
                            {"dy", Region{kDySlot}},
                            {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
                            {"result", Region{kDwSlot}},
                            {"images", narrow(p.n)},
                            {"groups", narrow(p.c)},
                            {"filters", narrow(p.k / p.c)},
                            {"in_h", narrow(p.h)},
                            {"in_w", narrow(p.w)},
                            {"pt", narrow(p.pt)},
                            {"pl", narrow(p.pl)},
                            {"oh", narrow(p.oh())},
                            {"ow", narrow(p.ow())}},
      items(p.w_elements() * size, size)));
  return executable;
}

// ---- the strategy -------------------------------------------------------------------------------

Offer offer(const Problem& problem, const DeviceProfile& profile, std::int64_t) {
  if (problem.direction == Direction::kBackwardBias) return not_served(problem);
  if (auto rejection = storage_not_served(problem, {Serves::kNarrow, Serves::kNhwc}))
    return *rejection;
  if (auto rejection = too_large(problem)) return *rejection;
  if (problem.g != problem.c) return Rejection{Reason::kShape, "g", problem.g, problem.c, ""};
  const Problem p = flattened(problem);
  const bool weights = p.direction == Direction::kBackwardWeights;
  std::vector<Candidate> candidates;
  if (profile.family == Family::kCpu) {
    candidates = p.layout == TensorLayout::kNhwc ? channels_candidates(p, profile)
                 : weights                       ? weights_candidates(p, profile)
                                                 : rows_candidates(p, profile);
  }
  for (const Candidate& c :
       weights ? weights_direct_candidates(p, profile) : direct_candidates(p, profile)) {
    candidates.push_back(c);
  }
  return candidates;
}

std::unique_ptr<const Executable> build(const Problem& problem, const Config& config,
                                        Device& device) {
  const Problem p = flattened(problem);
  if (p.g != p.c) {
    throw Error(Code::kInvalidArgument, "depthwise applies only where g is c");
  }
  if (config.has("th")) return build_channels(p, ChannelsBody::from(config), device);
  if (config.has("ty")) return build_direct(p, config, device);
  if (config.has("items")) return build_weights_direct(p, config, device);
  if (config.has("taps")) return build_weights(p, WeightsBody::from(config), device);
  return build_rows(p, RowsBody::from(config), device);
}

}  // namespace

extern const Strategy strategy_depthwise = {"depthwise", offer, build};

}  // namespace clconv::core
