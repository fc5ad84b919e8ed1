// implicit_gemm for everything that is a correlation: forward, data gradient, transposed. Four bodies
// (see implicit_gemm.cl): `filters`, `pixels` and `patches` for CPUs, `tile` for GPUs.
#include <algorithm>
#include <cmath>
#include <optional>

#include "ops/correlation.hpp"
#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// The operands by direction.
struct Operands {
  Region input, result;
  Region mask;  // y, only with p.mask
  explicit Operands(const Problem& p)
      : input{p.wants_dx() ? kDySlot : kXSlot},
        result{p.wants_dx() ? kDxSlot : kYSlot},
        mask{kYSlot} {}
};

// Stride and dilation are the same in all correlations of a problem.
std::string class_defines(const Problem& p, const Correlation& c, const std::string& body) {
  return body + " -DSH=" + std::to_string(c.sh) + " -DSW=" + std::to_string(c.sw) +
         " -DDH=" + std::to_string(c.dh) + " -DDW=" + std::to_string(c.dw) + " " +
         (c.channels_last ? " -DCHANNELS_LAST=1 -DUNROLL=4 " : " -DCHANNELS_LAST=0 ") +
         epilogue_defines(p);
}

// One correlation's share of the traffic.
double bytes_touched(const Problem& p, const Correlation& c, std::int64_t weights_bytes) {
  const double results = static_cast<double>(c.images * c.groups * c.filters * c.oh * c.ow);
  const double all = static_cast<double>(elements_of(p, result_of(p)));
  return static_cast<double>(p.x_bytes() + p.y_bytes() + weights_bytes) * results / all;
}

// Of the copy below, per core: written by one, read by all once per block of filters, it should stay in their
// second caches.
constexpr std::int64_t kChunkBytesPerUnit = 1 << 20;

// How the CPU bodies see the input: as it lies in memory, or as a float copy with padding (and mask)
// written out, from the window's origin on. The copy is made for some images at a time.
struct InputView {
  bool copied = false;
  PaddedPlanes planes;  // of all images
  std::int64_t images, chunk;
  std::int64_t image, plane, pitch, step, top = 0, left = 0;

  // `wanted`: columns of the window that may be read, which can be more than the taps reach. `floats`: the body
  // reads nothing else.
  InputView(const Problem& p, const DeviceProfile& profile,
            const std::vector<Correlation>& correlations, std::int64_t wanted, bool floats) {
    const Correlation& c = correlations.front();
    Window window = window_of(correlations);
    window.w = std::max(window.w, wanted);
    images = chunk = c.images;
    image = c.in_image;
    plane = c.in_plane;
    pitch = c.in_pitch;
    step = c.in_step;
    const bool convert = floats && c.data_type != DataType::kFloat32;
    copied = window.h > 0 && (p.mask || convert || !window.inside(c));
    if (!copied) return;
    const std::int64_t channels = c.groups * c.channels;
    top = window.top;
    left = window.left;
    pitch = window.w * step;
    image = c.channels_last ? window.h * pitch : channels * window.h * pitch;
    if (!c.channels_last) plane = window.h * pitch;
    planes = {c.channels_last ? images : images * channels,
              c.in_h,
              c.in_w * step,
              top,
              left * step,
              window.h,
              pitch,
              0,
              c.data_type};
    if (c.channels_last && c.in_h != p.h) {  // flattened: its rows are more to divide
      planes.in_h = planes.hp = p.h;
      planes.in_w = planes.wp = pitch / p.h;
    }
    const std::int64_t fitting = kChunkBytesPerUnit * profile.compute_units / (image * kElement);
    chunk = ceil_div(images, ceil_div(images, std::clamp<std::int64_t>(fitting, 1, images)));
  }

  std::int64_t offset(const Correlation& c) const {
    return c.reduction() == 0 ? 0 : (c.top - top) * pitch + (c.left - left) * step;
  }
  std::int64_t chunks() const { return ceil_div(images, chunk); }
  std::int64_t workspace_bytes(const DeviceProfile& profile) const {
    return copied ? aligned(part(0, chunk).bytes(), profile) : 0;
  }
  PaddedPlanes part(std::int64_t first, std::int64_t count) const {
    PaddedPlanes part = planes;
    part.first = first * (planes.planes / images);
    part.planes = count * (planes.planes / images);
    return part;
  }
  Pass pass() const {
    Pass pass;
    if (copied) {
      pass.bytes = static_cast<double>(planes.planes * planes.in_h * planes.in_w *
                                       element_bytes(planes.data_type)) +
                   static_cast<double>(planes.bytes()) * (chunks() > 1 ? 0.5 : 1.0);
      pass.groups = static_cast<double>(planes.planes * planes.hp);
      pass.launches = static_cast<double>(chunks());
    } else {
      pass.launches = 0;
    }
    return pass;
  }
  // Calls multiply(x, first image, images): x begins with that image.
  template <class Multiply>
  void add_to(Executable& executable, Device& device, const Problem& p, Multiply&& multiply) const {
    const Operands operands(p);
    if (!copied) return multiply(operands.input, std::int64_t{0}, images);
    WorkspaceLayout layout(device.profile());
    const Region padded = layout.add(part(0, chunk).bytes());
    executable.workspace_bytes = layout.bytes();
    for (std::int64_t first = 0; first < images; first += chunk) {
      const std::int64_t count = std::min(chunk, images - first);
      executable.run.add(pad_planes(device, part(first, count), operands.input,
                                    p.mask ? &operands.mask : nullptr, padded));
      multiply(padded, first, count);
    }
  }
};

// Packed weights, one part per correlation behind the other.
struct PackedWeights {
  std::vector<FilterBlocks> blocks;
  std::vector<Region> regions;
  std::int64_t bytes = 0;

  PackedWeights(const std::vector<Correlation>& correlations, std::int64_t block,
                const DeviceProfile& profile, std::int64_t reduction_multiple = 1) {
    for (const Correlation& c : correlations) {
      blocks.emplace_back(c, block, reduction_multiple);
      if (c.reduction() == 0) {
        regions.push_back({kPreparedSlot, 0, 0});  // nothing to read
        continue;
      }
      const std::int64_t offset = round_up(bytes, profile.base_alignment_bytes);
      regions.push_back({kPreparedSlot, offset, blocks.back().bytes()});
      bytes = offset + blocks.back().bytes();
    }
  }
  void add_to(Executable& executable, Device& device,
              const std::vector<Correlation>& correlations) const {
    for (std::size_t i = 0; i < correlations.size(); ++i) {
      if (correlations[i].reduction() == 0) continue;
      executable.prepare.add(
          pack_filters(device, correlations[i], blocks[i], Region{kWeightsSlot}, regions[i]));
    }
    executable.prepared_weights_bytes = bytes;
  }
};

// Phases without taps only write zeroes (or the epilogue of zero); adding zero is nothing to do.
bool nothing_to_do(const Problem& p, const Correlation& c) {
  return p.accumulate && c.reduction() == 0;
}

Candidate cpu_candidate(const Problem& p, const DeviceProfile& profile, const Config& config,
                        const InputView& view, const PackedWeights& packed, double multiply_us) {
  Candidate candidate;
  candidate.config = config;
  candidate.workspace_bytes = view.workspace_bytes(profile);
  candidate.prepared_weights_bytes = packed.bytes;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  candidate.predicted_us = predicted_us(profile, {view.pass()}) + multiply_us;
  candidate.predicted_setup_us = kPredictedBuildUs;
  return candidate;
}

// ---- filters: vectors along the filters ---------------------------------------------------------

struct FiltersBody {
  int kv, th, tw, vw, sums = 0;

  std::int64_t block() const { return std::int64_t{vw} * kv; }
  Config config() const {
    return sums == 0 ? Config{{"kv", kv}, {"th", th}, {"tw", tw}, {"vw", vw}}
                     : Config{{"kv", kv}, {"sums", sums}, {"th", th}, {"tw", tw}, {"vw", vw}};
  }
  static FiltersBody from(const Config& c) {
    return {c.get("kv", 1, 8), c.get("th", 1, 64), c.get("tw", 1, 64), c.get("vw", 4, 16),
            c.has("sums") ? c.get("sums", 1, 256) : 0};
  }
  bool fits(const std::vector<Correlation>& correlations) const {
    return std::all_of(correlations.begin(), correlations.end(),
                       [&](const Correlation& c) { return th <= c.oh && tw <= c.ow; });
  }
  // The floats of a tile and a block of filters.
  std::int64_t tile_sums() const { return th * tw * block(); }
};

// With `sums`: what of a correlation stays near.
struct Slabs {
  std::int64_t panel;     // tiles that all blocks of a run pass before the next ones
  std::int64_t run;       // blocks of filters of a work-item
  std::int64_t channels;  // of a slab

  Slabs(const FiltersBody& body, const DeviceProfile& profile, const Correlation& c,
        const FilterBlocks& blocks) {
    // A panel's pixels and sums in half of the second cache; in three quarters of the first the weights of a slab,
    // and of its pixels all or what a tile touches, up to 4 lines a row. Work-groups enough to even out what one
    // core starts later. 2-core Zen 3, 2026-11: slabs of 48 to 192 channels of n1c1024h14w14k512kh1kw1 within 5 %,
    // n1c2048h7w7k512kh1kw1 slower from 128 on.
    constexpr std::int64_t kMostPixels = 256, kNearBytes = 24 << 10, kMostOfRow = 4 * 64;
    constexpr std::int64_t kGroupsPerUnit = 4;
    const std::int64_t tiles = ceil_div(c.ow, body.tw) * ceil_div(c.oh, body.th);
    const std::int64_t pixels = body.th * body.tw;
    const std::int64_t fitting = body.sums * 256 / body.tile_sums();
    panel = std::min({tiles, std::max<std::int64_t>(1, kMostPixels / pixels), fitting});
    panel = ceil_div(tiles, ceil_div(tiles, panel));
    const std::int64_t panels = ceil_div(tiles, panel) * c.groups * c.images;
    const std::int64_t all = blocks.blocks_per_group;
    const std::int64_t runs = std::max(ceil_div(kGroupsPerUnit * profile.compute_units, panels),
                                       ceil_div(all, fitting / panel));
    run = ceil_div(all, std::min(all, runs));
    const std::int64_t taps = std::max<std::int64_t>(1, c.taps_h * c.taps_w);
    const std::int64_t row = std::min(panel * pixels * c.sw * kElement, kMostOfRow);
    const std::int64_t channel_bytes = taps * body.block() * kElement + body.th * row;
    const std::int64_t most =
        std::clamp<std::int64_t>(kNearBytes / channel_bytes, 1, kSlabChannels);
    channels = ceil_div(c.channels, ceil_div(c.channels, most));
  }
  std::int64_t panels(std::int64_t tiles) const { return ceil_div(tiles, panel); }
  std::int64_t runs(const FilterBlocks& blocks) const {
    return ceil_div(blocks.blocks_per_group, run);
  }
};

double filters_us(const Problem& p, const DeviceProfile& profile, const FiltersBody& body,
                  const Correlation& c, const FilterBlocks& blocks, std::int64_t chunks) {
  const double groups = static_cast<double>(ceil_div(c.oh, body.th) * ceil_div(c.ow, body.tw)) *
                        static_cast<double>(blocks.blocks()) * static_cast<double>(c.images);
  const double reduction = static_cast<double>(c.reduction());
  const double pixels = body.th * body.tw;
  // Cycles of a work-group at two FMAs and (not quite) two loads a cycle; then the transposing store, which
  // costs more where rows are cut to pieces.
  // Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt.
  // A chain of FMAs advances every 4 cycles: fewer than 8 of them leave units idle.
  const double fma_cycles = reduction * std::max(4.0, body.kv * pixels / 2);
  const double load_cycles = reduction * (body.kv + pixels) / 2 * 1.1;
  // What the first cache cannot hold until it is used again comes from the second, 2.75 cycles a line:
  // n1c1024h14w14k2048kh1kw1s2 takes 9.5 cycles a product with 2x7 accumulators, 12.1 with 3x7.
  constexpr double kLineCycles = 2.75, kLineFloats = 16, kNearBytes = 24 << 10;
  const double taps = static_cast<double>(std::max<std::int64_t>(1, c.taps_h * c.taps_w));
  const double pixel_lines =
      c.channels_last
          ? pixels / kLineFloats
          : body.th * std::max(1.0, static_cast<double>(body.tw * c.sw) / kLineFloats) / taps;
  const bool far_weights = reduction * static_cast<double>(body.block() * kElement) > kNearBytes;
  const double line_cycles =
      reduction * kLineCycles *
      (pixel_lines + (far_weights ? static_cast<double>(body.block()) / kLineFloats : 0.0));
  const bool whole_rows =
      !p.accumulate && c.out_step == 1 && (body.th == 1 || body.tw == c.out_pitch);
  const double transposes = body.kv * std::ceil(pixels / body.vw);
  const double store_cycles = c.channels_last
                                  ? body.kv * pixels * 2
                                  : 70 * transposes + body.kv * pixels * (whole_rows ? 8 : 13);
  // LLVM 15 keeps eight pointers in one vector register and takes them out again.
  const double pointers = c.channels_last && pixels == 8 ? 1.1 : 1.0;
  // A tap alone takes a line or two of each plane, which no prefetcher foresees where they come from memory
  // (n32c256h56w56k64kh1kw1: 12.8 against 8.7 ms of pixels).
  const Tensor input = p.wants_dx() ? Tensor::kDy : Tensor::kX;
  const bool from_memory =
      c.taps_h * c.taps_w == 1 && !c.channels_last && bytes_of(p, input) > profile.cache_bytes;
  const double waiting = from_memory ? 1.15 : 1.0;
  // With 16 registers a product is too little work to hide the loops around it, and what the second cache brings:
  // deeplab_d2 takes 6 to 12 cycles a product with 2x4 accumulators, n1c1024h14w14k256kh1kw1 9 to 10 with 2x6
  // (2-core Zen 3, 2026-11).
  const double loop_cycles =
      few_registers(body.vw) && !c.channels_last
          ? (taps > 1 ? 1 + 7.5 / static_cast<double>(c.taps_w) : 3.0) * reduction
          : 0;
  const double cycles = std::max({fma_cycles, load_cycles, line_cycles}) * pointers * waiting +
                        loop_cycles + store_cycles;
  Pass multiply;
  // In units of cycles spent at full rate, so that a phase without taps costs its stores.
  multiply.flops = groups * cycles * 2 * 2 * body.vw;
  multiply.efficiency = profile.family == Family::kCpu ? 0.96 : 0.02;
  multiply.bytes = bytes_touched(p, c, blocks.bytes());
  multiply.groups = groups;
  multiply.launches = static_cast<double>(chunks);
  return predicted_us(profile, {multiply});
}

double slabs_us(const Problem& p, const DeviceProfile& profile, const FiltersBody& body,
                const Correlation& c, const FilterBlocks& blocks, std::int64_t chunks) {
  const Slabs slabs(body, profile, c, blocks);
  const std::int64_t tiles = ceil_div(c.oh, body.th) * ceil_div(c.ow, body.tw);
  const double pixels = body.th * body.tw;
  const double accumulators = pixels * body.kv;
  const double reduction = static_cast<double>(c.reduction());
  // As in filters_us, but that nothing is far. Calibrated on PoCL 3.1, 2-core Zen 3, 2026-11, over resnet50.txt's 1x1.
  const double fma_cycles = std::max(4.6, accumulators / 2);
  const double load_cycles = (body.kv + pixels) / 2 * 1.1;
  const double turns = static_cast<double>(ceil_div(c.channels, slabs.channels));
  const double transposes = body.kv * std::ceil(pixels / body.vw);
  const double cycles = reduction * (std::max(fma_cycles, load_cycles) + 0.5) +
                        turns * (2 * accumulators + 30) + 70 * transposes + 8 * accumulators;
  Pass multiply;
  multiply.flops = cycles * static_cast<double>(tiles * blocks.blocks() * c.images) * 4 * body.vw;
  multiply.efficiency = profile.family == Family::kCpu ? 0.92 : 0.02;
  multiply.bytes = bytes_touched(p, c, blocks.bytes());
  multiply.groups =
      static_cast<double>(slabs.panels(tiles) * slabs.runs(blocks) * c.groups * c.images);
  multiply.launches = static_cast<double>(chunks);
  return predicted_us(profile, {multiply});
}

// The best few (KV, TH, TW) by the model; the measured choice among them is the planner's.
std::vector<Candidate> filters_candidates(const Problem& p, const DeviceProfile& profile,
                                          const std::vector<Correlation>& correlations) {
  constexpr std::size_t kOffered = 4, kOfferedInSlabs = 2;
  // Channels last, each pixel of a tile is a pointer: beyond 12 they live on the stack (14: 1.2x on
  // resnet_3x3_56; PoCL 3.1, 2-core Zen 5, 2026-11).
  constexpr int kMostPointers = 12;
  const bool channels_last = correlations.front().channels_last;
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  std::int64_t least_h = INT64_MAX, least_w = INT64_MAX;
  for (const Correlation& c : correlations) {
    least_h = std::min(least_h, c.oh);
    least_w = std::min(least_w, c.ow);
  }
  // Where `patches` is not better: with several taps, or strides, it stages what is read several times or apart
  // (resnet_1x1_s2 1.6 against 2.0 ms, resnet_3x3_14 1.9 against 2.4; 2-core Zen 3, 2026-11).
  constexpr int kSums = 64;
  const Correlation& c = correlations.front();
  const bool one_tap = few_registers(vw) && !channels_last && correlations.size() == 1 &&
                       c.taps_h * c.taps_w == 1 && c.sh * c.sw == 1;
  int sums = kSums;
  while (sums * 1024 > profile.local_memory_bytes)
    sums /= 2;
  const InputView view(p, profile, correlations, 0, true);
  std::vector<Candidate> candidates, slabs;
  const auto add = [&](const FiltersBody& body) {
    const PackedWeights packed(correlations, body.block(), profile);
    double us = 0;
    for (std::size_t i = 0; i < correlations.size(); ++i) {
      us += (body.sums > 0 ? slabs_us : filters_us)(p, profile, body, correlations[i],
                                                    packed.blocks[i], view.chunks());
    }
    (body.sums > 0 ? slabs : candidates)
        .push_back(cpu_candidate(p, profile, body.config(), view, packed, us));
  };
  for (int kv = 1; kv <= 4; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= correlations.front().filters) continue;
    int most_pixels = (registers - kv - 1) / kv;
    if (channels_last) most_pixels = std::min(most_pixels, kMostPointers);
    for (int th = 1; th <= most_pixels && th <= least_h; ++th) {
      int tw = static_cast<int>(std::min<std::int64_t>(most_pixels / th, least_w));
      if (tw < 1) continue;
      add({kv, th, tw, vw});
      const FiltersBody in_slabs{kv, th, tw, vw, sums};
      if (one_tap && th == 1 && in_slabs.tile_sums() <= sums * 256) add(in_slabs);
      if (channels_last) {
        // Fewer pixels are as fast, so that a width without rest is to be had.
        while (--tw * 2 > most_pixels / th)
          add({kv, th, tw, vw});
        continue;
      }
      // A narrower tile with as many tiles in the row does less twice.
      const int even = static_cast<int>(ceil_div(least_w, ceil_div(least_w, tw)));
      if (even != tw) add({kv, th, even, vw});
      // Nor does one that divides the row, if nearly as many products are left to a load.
      int without_rest = tw;
      while (least_w % without_rest != 0)
        --without_rest;
      if (without_rest < even && 2 * without_rest > tw) add({kv, th, without_rest, vw});
    }
  }
  candidates = best_of(std::move(candidates), kOffered);
  for (Candidate& candidate : best_of(std::move(slabs), kOfferedInSlabs))
    candidates.push_back(candidate);
  return candidates;
}

// Tiles that all blocks of filters take before the next ones: their pixels stay in a second cache meanwhile
// (n1c256h56w56k512kh1kw1s2: 478 against 491 us with all tiles; 2-core Zen 5, 2026-11).
std::int64_t tiles_of_panel(const Correlation& c, std::int64_t image, std::int64_t tiles) {
  constexpr std::int64_t kPanelBytes = 512 << 10;
  const std::int64_t rows_read = image / (c.taps_h == 1 ? c.sh : 1);
  const std::int64_t panels =
      std::max<std::int64_t>(1, ceil_div(rows_read * kElement, kPanelBytes));
  return ceil_div(tiles, std::min(panels, tiles));
}

std::unique_ptr<const Executable> build_filters(const Problem& p, const FiltersBody& body,
                                                Device& device) {
  const std::vector<Correlation> correlations = correlations_of(p);
  if (!body.fits(correlations)) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': a tile exceeds the result");
  }
  if (body.sums > 0 && (correlations.front().channels_last || body.tile_sums() > body.sums * 256)) {
    throw Error(Code::kInvalidArgument, "config '" + body.config().text() +
                                            "': sums need planes, and room for those of a tile");
  }
  const InputView view(p, device.profile(), correlations, 0, true);
  const PackedWeights packed(correlations, body.block(), device.profile());
  auto executable = std::make_unique<Executable>();
  packed.add_to(*executable, device, correlations);
  view.add_to(
      *executable, device, p, [&](const Region& x, std::int64_t first_image, std::int64_t images) {
        for (std::size_t i = 0; i < correlations.size(); ++i) {
          const Correlation& c = correlations[i];
          if (nothing_to_do(p, c)) continue;
          const FilterBlocks& blocks = packed.blocks[i];
          const std::int64_t tiles_x = ceil_div(c.ow, body.tw);
          const std::int64_t tiles = tiles_x * ceil_div(c.oh, body.th);
          std::optional<Slabs> slabs;
          if (body.sums > 0) slabs.emplace(body, device.profile(), c, blocks);
          // Whichever is larger, weights or image, should be read once and not per block or image.
          const std::int64_t panel = slabs ? slabs->panel
                                     : blocks.bytes() <= view.image * kElement
                                         ? tiles_of_panel(c, view.image, tiles)
                                         : 0;
          // Channels last and dense: the taps of a row are one run of products.
          const bool joined = c.channels_last && c.groups == 1 && c.dw == 1;
          std::vector<Argument> arguments{
              {"x", x},
              {"packed", packed.regions[i]},
              {"b", Region{kBiasSlot}},
              {"r", Region{kResidualSlot}},
              {"result", Operands(p).result},
              {"images", narrow(images)},
              {"channels", narrow(joined ? c.channels * c.taps_w : c.channels)},
              {"taps_h", narrow(c.taps_h)},
              {"taps_w", narrow(joined ? 1 : c.taps_w)},
              {"x_image", cl_long{view.image}},
              {"plane", cl_long{view.plane}},
              {"pitch", narrow(view.pitch)},
              {"step", narrow(view.step)},
              {"x_offset", cl_long{view.offset(c)}},
              {"oh", narrow(c.oh)},
              {"ow", narrow(c.ow)},
              {"tiles_x", narrow(tiles_x)},
              {"tiles", narrow(tiles)},
              {"filters", narrow(c.filters)},
              {"blocks_per_group", narrow(blocks.blocks_per_group)},
              {"groups", narrow(c.groups)},
              {"panel", narrow(panel)},
              {"out_image", cl_long{c.out_image}},
              {"out_plane", cl_long{c.out_plane}},
              {"out_offset", cl_long{c.out_offset + first_image * c.out_image}},
              {"out_pitch", cl_long{c.out_pitch}},
              {"out_step", narrow(c.out_step)}};
          std::int64_t groups = tiles * blocks.blocks() * images;
          if (slabs) {
            arguments.insert(arguments.end(),
                             {{"slab", narrow(slabs->channels)}, {"run", narrow(slabs->run)}});
            groups = slabs->panels(tiles) * slabs->runs(blocks) * c.groups * images;
          }
          executable->run.add(std::make_unique<KernelStep>(
              "multiply",
              device.kernel(slabs ? "implicit_gemm/slabs" : "implicit_gemm/filters",
                            slabs ? "implicit_gemm_slabs" : "implicit_gemm_filters",
                            class_defines(p, c, body.config().defines())),
              arguments, one_item_groups(groups)));
        }
      });
  return executable;
}

// ---- pixels: vectors along the pixels of a row --------------------------------------------------

struct PixelsBody {
  int mr, nv, vw, stage;

  std::int64_t span() const { return std::int64_t{vw} * nv; }
  Config config() const { return {{"mr", mr}, {"nv", nv}, {"vw", vw}, {"stage", stage}}; }
  static PixelsBody from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 32), c.get("vw", 4, 16), c.get("stage", 0, 128)};
  }
  std::int64_t stage_bytes(const Correlation& c) const {
    return saturating_product(c.channels, span(), kElement);
  }
  // KiB for the pixels of one tap as floats, a power of two so that few programs serve all; 0 where the pixels are
  // read once, or dense loads do not pay for the copy.
  // On PoCL 3.1, 2-core Zen 5, 2026-11: n32c64h56w56k256kh1kw1 7.4 instead of 7.8 ms (f16: 8.0), but with 256
  // channels, 96 KiB, only f16 gains. With 16 registers `patches` does the same better (resnet_1x1_56_exp: 0.88 against
  // 1.22 ms; 2-core Zen 3).
  int stage_wanted(const Problem& p, const DeviceProfile& profile,
                   const std::vector<Correlation>& correlations) const {
    const std::int64_t most = p.data_type != DataType::kFloat32 ? 128 << 10 : 32 << 10;
    const Correlation& c = correlations.front();
    const bool once = c.filters <= mr || correlations.size() > 1 || c.taps_h * c.taps_w != 1;
    if (once || few_registers(vw) || stage_bytes(c) > std::min(most, profile.local_memory_bytes))
      return 0;
    int kib = 1;
    while (kib * 1024 < stage_bytes(c))
      kib *= 2;
    return kib * 1024 <= profile.local_memory_bytes ? kib : 0;
  }
  // Columns of the window that the last vectors reach, with the odd elements that stride 2 loads and
  // drops.
  std::int64_t wanted(const std::vector<Correlation>& correlations) const {
    const Window window = window_of(correlations);
    std::int64_t columns = 0;
    for (const Correlation& c : correlations) {
      if (c.reduction() == 0) continue;
      const std::int64_t last = (std::max(c.ow, span()) - 1) * c.sw + c.dw * (c.taps_w - 1) + c.sw;
      columns = std::max(columns, c.left - window.left + last);
    }
    return columns;
  }
};

// Blocks of filters that a work-item of `pixels` multiplies its pixels with: its pixels are then in the first
// cache from the second block on, as long as the weights stay in the second.
std::int64_t blocks_in_a_run(const DeviceProfile& profile, const Correlation& c,
                             const FilterBlocks& blocks, std::int64_t row_tiles) {
  constexpr std::int64_t kWeightsBytes = 256 << 10, kGroupsPerUnit = 16;
  const std::int64_t block_bytes =
      std::max<std::int64_t>(1, c.reduction()) * blocks.block * kElement;
  const std::int64_t tiles = row_tiles * c.oh * c.groups;
  const std::int64_t most =
      std::min(kWeightsBytes / block_bytes,
               tiles * blocks.blocks_per_group / (profile.compute_units * kGroupsPerUnit));
  const std::int64_t run = std::clamp<std::int64_t>(most, 1, blocks.blocks_per_group);
  return ceil_div(blocks.blocks_per_group, ceil_div(blocks.blocks_per_group, run));
}

double pixels_us(const Problem& p, const DeviceProfile& profile, const PixelsBody& body,
                 const Correlation& c, const FilterBlocks& blocks, std::int64_t chunks) {
  const double groups = static_cast<double>(ceil_div(c.ow, body.span()) * c.oh) *
                        static_cast<double>(blocks.blocks()) * static_cast<double>(c.images);
  const double reduction = static_cast<double>(c.reduction());
  // As in filters_us; stride 2 loads twice and shuffles, and scattered results go one by one. Staged pixels lie
  // dense and near, and are brought once for a run of blocks (n1c128h28w28k512kh1kw1: 222 against 262 us of filters).
  const bool staged = body.stage > 0;
  const double vectors_loaded = body.nv * (c.sw == 1 || staged ? 1.0 : 4.0);
  const double fma_cycles = reduction * body.mr * body.nv / 2;
  // With few registers there are more of both beside each multiply-add (vgg_conv1_1's data gradient, mr=1,nv=6: 6.1
  // ms, which would else be 3.0; 2-core Zen 3, 2026-11).
  const bool few = few_registers(body.vw);
  const double load_cycles = reduction * ((few ? 1.5 : 1.0) * vectors_loaded + body.mr) / 2;
  const double loop_cycles = (staged ? 0.4 : few ? 3 : 1.5) * reduction;
  const double store_cycles =
      staged && c.out_step == 1
          ? (body.nv + 4.0) * body.mr
          : (c.out_step == 1 ? 4.0 : (few ? 3.5 : 2.0) * body.vw) * body.mr * body.nv + 30;
  const std::int64_t run =
      blocks_in_a_run(profile, c, blocks, ceil_div(c.ow, body.span()) * c.images);
  const double stage_cycles =
      staged ? reduction * body.nv * (c.sw == 1 ? 3 : 6) / static_cast<double>(run) : 0;
  // Shorter runs of a row wait more often for the next one.
  const double waiting = !staged ? 1 + 0.1 / body.nv : body.stage > 16 ? 1.05 : 1.0;
  const double cycles =
      std::max(fma_cycles, load_cycles) * waiting + loop_cycles + store_cycles + stage_cycles;
  Pass multiply;
  multiply.flops = groups * cycles * 2 * 2 * body.vw;
  multiply.efficiency = profile.family == Family::kCpu ? 0.97 : 0.02;
  multiply.bytes = bytes_touched(p, c, blocks.bytes());
  multiply.groups = groups / static_cast<double>(blocks.blocks_per_group) *
                    static_cast<double>(ceil_div(blocks.blocks_per_group, run));
  multiply.launches = static_cast<double>(chunks);
  return predicted_us(profile, {multiply});
}

std::vector<Candidate> pixels_candidates(const Problem& p, const DeviceProfile& profile,
                                         const std::vector<Correlation>& correlations) {
  constexpr std::size_t kOffered = 2;
  std::vector<Candidate> candidates;
  const Correlation& c = correlations.front();
  if (c.channels_last) return candidates;  // the pixels of a channel do not lie together
  if (c.sw > 2) return candidates;         // would need a gather per vector
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  for (const int mr : {1, 2, 4, 8, 16}) {
    if (mr > 1 && mr / 2 >= c.filters) continue;
    // Three vectors are slow, the cause not established: vgg_conv1_1 4.3 against 1.5 ms of mr=4,nv=4 (data gradient),
    // 0.62 against 0.49 ms of mr=8,nv=2 (forward).
    for (const int nv : {1, 2, 4, 6}) {
      if (mr * nv + nv + 1 > registers) continue;
      if (nv > 1 && (nv - 1) * vw >= c.ow) continue;
      PixelsBody body{mr, nv, vw, 0};
      body.stage = body.stage_wanted(p, profile, correlations);
      const InputView view(p, profile, correlations, body.wanted(correlations), false);
      const PackedWeights packed(correlations, mr, profile);
      double us = 0;
      for (std::size_t i = 0; i < correlations.size(); ++i) {
        us += pixels_us(p, profile, body, correlations[i], packed.blocks[i], view.chunks());
      }
      candidates.push_back(cpu_candidate(p, profile, body.config(), view, packed, us));
    }
  }
  return best_of(std::move(candidates), kOffered);
}

std::unique_ptr<const Executable> build_pixels(const Problem& p, const PixelsBody& body,
                                               Device& device) {
  const std::vector<Correlation> correlations = correlations_of(p);
  if (correlations.front().sw > 2 || p.layout != TensorLayout::kNchw) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': needs sw <= 2 and planes of channels");
  }
  const Correlation& first = correlations.front();
  if (body.stage > 0 && (correlations.size() > 1 || first.taps_h * first.taps_w != 1 ||
                         body.stage_bytes(first) > body.stage * 1024)) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': the pixels do not fit the stage");
  }
  const InputView view(p, device.profile(), correlations, body.wanted(correlations), false);
  const PackedWeights packed(correlations, body.mr, device.profile());
  const std::string direct =
      p.data_type != DataType::kFloat32 && !view.copied ? " -DDIRECT=1" : " -DDIRECT=0";
  auto executable = std::make_unique<Executable>();
  packed.add_to(*executable, device, correlations);
  view.add_to(
      *executable, device, p, [&](const Region& x, std::int64_t first_image, std::int64_t images) {
        for (std::size_t i = 0; i < correlations.size(); ++i) {
          const Correlation& c = correlations[i];
          if (nothing_to_do(p, c)) continue;
          const FilterBlocks& blocks = packed.blocks[i];
          const std::int64_t tiles_x = ceil_div(c.ow, body.span());
          const std::int64_t run = blocks_in_a_run(device.profile(), c, blocks, tiles_x * images);
          executable->run.add(std::make_unique<KernelStep>(
              "multiply",
              device.kernel("implicit_gemm/pixels", "implicit_gemm_pixels",
                            class_defines(p, c, body.config().defines()) + direct),
              std::vector<Argument>{
                  {"x", x},
                  {"packed", packed.regions[i]},
                  {"b", Region{kBiasSlot}},
                  {"r", Region{kResidualSlot}},
                  {"result", Operands(p).result},
                  {"channels", narrow(c.channels)},
                  {"taps_h", narrow(c.taps_h)},
                  {"taps_w", narrow(c.taps_w)},
                  {"x_image", cl_long{view.image}},
                  {"plane", cl_long{view.plane}},
                  {"pitch", narrow(view.pitch)},
                  {"x_offset", cl_long{view.offset(c)}},
                  {"oh", narrow(c.oh)},
                  {"ow", narrow(c.ow)},
                  {"tiles_x", narrow(tiles_x)},
                  {"filters", narrow(c.filters)},
                  {"blocks_per_group", narrow(blocks.blocks_per_group)},
                  {"run", narrow(run)},
                  {"groups", narrow(c.groups)},
                  {"out_image", cl_long{c.out_image}},
                  {"out_plane", cl_long{c.out_plane}},
                  {"out_offset", cl_long{c.out_offset + first_image * c.out_image}},
                  {"out_pitch", cl_long{c.out_pitch}},
                  {"out_step", narrow(c.out_step)}},
              one_item_groups(tiles_x * c.oh * ceil_div(blocks.blocks_per_group, run) * c.groups *
                              images)));
        }
      });
  return executable;
}

// ---- patches: vectors along pixels, gathered in local memory ------------------------------------

// How a result is divided: whole images, rows of one, or a part of a row.
struct PatchesTile {
  std::int64_t images = 0, h = 1, w = 1;  // no images: not to be divided
  std::int64_t pitch = 0;                 // floats of a row of patches
  double multiplied = 0;                  // pixels of all images, those for nothing included

  std::int64_t tiles_x(const Correlation& c) const { return ceil_div(c.ow, w); }
  std::int64_t tiles(const Correlation& c) const { return tiles_x(c) * ceil_div(c.oh, h); }
  // Tiles of all images and groups.
  std::int64_t all(const Correlation& c) const {
    return tiles(c) * c.groups * ceil_div(c.images, images);
  }
};

struct PatchesBody {
  int mr, nv, vw, patch, sums;

  std::int64_t span() const { return std::int64_t{vw} * nv; }
  Config config() const {
    return {{"mr", mr}, {"nv", nv}, {"vw", vw}, {"patch", patch}, {"sums", sums}};
  }
  static PatchesBody from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 32), c.get("vw", 4, 16), c.get("patch", 1, 256),
            c.get("sums", 0, 256)};
  }
  // With 32 registers `filters` reads a tap alone as it lies, and is not behind. At strides beyond 2 pixels would
  // be staged one by one, which costs what is gained (alexnet_conv1: 1.86 against 1.84 ms of filters; 2-core Zen 3,
  // 2026-11).
  static bool serves(const std::vector<Correlation>& correlations, int vw) {
    const Correlation& c = correlations.front();
    if (c.channels_last || c.sw > 2) return false;
    return few_registers(vw) ||
           (correlations.size() == 1 && !scatters(correlations) && c.taps_h * c.taps_w > 1);
  }
  // Are the results of a tile anything but rows that lie one behind the other?
  static bool scatters(const std::vector<Correlation>& correlations) {
    return std::any_of(correlations.begin(), correlations.end(),
                       [](const Correlation& c) { return c.out_step != 1 || c.out_pitch != c.ow; });
  }
  // Channels that are staged at once: all, or as many as leave a strip of patches half of the first cache.
  std::int64_t slab(const Correlation& c) const {
    if (sums == 0) return c.channels;
    constexpr std::int64_t kStripBytes = 16 << 10, kLineBytes = 64;
    const std::int64_t products =
        std::min(kSlabProducts, kStripBytes / std::max(span() * kElement, kLineBytes));
    const std::int64_t most =
        std::max<std::int64_t>(1, products / std::max<std::int64_t>(1, c.taps_h * c.taps_w));
    return ceil_div(c.channels, ceil_div(c.channels, most));
  }
  // The kernel stages rows by vectors of at most this many pixels.
  int stage_width(std::int64_t columns) const {
    return columns > 8 ? vw : columns > 4 ? std::min(8, vw) : 4;
  }
  // Pixels multiplied for `images` times `pixels`.
  double multiplied(std::int64_t images, std::int64_t pixels) const {
    return static_cast<double>(round_up(images * ceil_div(pixels, vw), nv) * vw);
  }

  // Floats that wait for the next slab, of a tile and a block of filters.
  std::int64_t sums_of_a_block(std::int64_t images, std::int64_t pixels) const {
    return mr * round_up(images * round_up(pixels, vw), span());
  }

  // The tile that costs least: pixels multiplied, those for nothing included; with few registers, where these were
  // measured, also weights fetched for each tile, pixels staged for each run of blocks, and the core that waits for the
  // other one's last tile, of which half is left on the average.
  PatchesTile tile(const DeviceProfile& profile, const Correlation& c) const {
    constexpr double kWeightsInPixels = 8, kStagingInFilters = 8;
    constexpr std::int64_t kMostImages = 8;
    constexpr std::int64_t kLine = 16;  // floats
    const std::int64_t products = std::max<std::int64_t>(1, slab(c) * c.taps_h * c.taps_w);
    // More pixels than this are no gain, only more to consider.
    constexpr std::int64_t kMostPixels = 8192;
    const std::int64_t most = std::min(kMostPixels, std::int64_t{patch} * 256 / products);
    PatchesTile best;
    double least = 0;
    const auto consider = [&](std::int64_t images, std::int64_t h, std::int64_t w) {
      const std::int64_t image = round_up(h * w, vw);
      const std::int64_t end = (images - 1) * image + (h - 1) * w + round_up(w, stage_width(w));
      std::int64_t pitch = round_up(std::max({images * image, end, span()}), vw);
      // A power of two would put the lines of a strip into few sets of the first cache.
      if (sums > 0 && pitch % (2 * kLine) == 0) pitch += kLine;
      if (pitch > most || (sums > 0 && sums_of_a_block(images, h * w) > sums * 256)) return;
      // The last tile of each kind is smaller.
      const auto in_rows = [&](std::int64_t n, std::int64_t rows) {
        return static_cast<double>(c.ow / w) * multiplied(n, rows * w) +
               multiplied(n, rows * (c.ow % w));
      };
      const auto in_images = [&](std::int64_t n) {
        return static_cast<double>(c.oh / h) * in_rows(n, h) + in_rows(n, c.oh % h);
      };
      const double all =
          static_cast<double>(c.images / images) * in_images(images) + in_images(c.images % images);
      const PatchesTile tile{images, h, w, pitch, all};
      double cost = all;
      if (few_registers(vw)) {
        const double tiles = static_cast<double>(tile.all(c));
        const double runs = std::max(1.0, static_cast<double>(wanted_groups(profile)) / tiles);
        const double staging = runs * kStagingInFilters / static_cast<double>(c.filters);
        cost = all * static_cast<double>(c.groups) * (1 + staging) + kWeightsInPixels * tiles +
               multiplied(images, h * w) / (2 * runs);
      }
      if (best.images > 0 && cost >= least) return;
      best = tile;
      least = cost;
    };
    for (std::int64_t images = 1; images <= std::min(c.images, kMostImages); ++images)
      consider(images, c.oh, c.ow);
    for (std::int64_t h = std::min(c.oh - 1, most / c.ow); h >= 1; --h)
      consider(1, h, c.ow);
    for (std::int64_t w = std::min(most, c.ow - 1) / span() * span(); w > 0; w -= span())
      consider(1, 1, w);
    return best;
  }
  // Work-groups that even out what one core starts later than another.
  std::int64_t wanted_groups(const DeviceProfile& profile) const {
    return profile.compute_units * (few_registers(vw) ? 4 : 2);
  }
  // Blocks of filters that a work-item multiplies its patches with: all that there is room for sums for, where there
  // are tiles enough.
  std::int64_t run(const DeviceProfile& profile, const Correlation& c, const PatchesTile& tile,
                   const FilterBlocks& blocks) const {
    const std::int64_t all = blocks.blocks_per_group;
    std::int64_t runs = std::min(all, ceil_div(wanted_groups(profile), tile.all(c)));
    if (sums > 0) {
      const std::int64_t fitting = sums * 256 / sums_of_a_block(tile.images, tile.h * tile.w);
      runs = std::max(runs, ceil_div(all, fitting));
    }
    return ceil_div(all, runs);
  }
};

double patches_us(const Problem& p, const DeviceProfile& profile, const PatchesBody& body,
                  const Correlation& c, bool scatter, const PatchesTile& tile,
                  const FilterBlocks& blocks) {
  const std::int64_t run = body.run(profile, c, tile, blocks);
  const double runs = static_cast<double>(ceil_div(blocks.blocks_per_group, run));
  const double reduction = static_cast<double>(c.reduction());
  // As in pixels_us; staging takes 3 to 4 cycles a vector, however few pixels of a row it brings.
  // Calibrated on PoCL 3.1, 2-core Zen 5 and Zen 3, 2026-11, over core.txt (there the digits' and first layers).
  const double fma_cycles = reduction * std::max(4.0, body.mr * body.nv / 2.0);
  const double load_cycles = reduction * (body.nv + body.mr) / 2;
  const double loop_cycles = few_registers(body.vw) ? 0.5 * reduction : 0;
  const std::int64_t slab = body.slab(c);
  const double slabs = static_cast<double>(ceil_div(c.channels, slab));
  const double store_cycles = scatter ? 1.5 * body.mr * static_cast<double>(body.span()) + 100
                                      : 1.5 * body.mr * body.nv + 20;
  const double sums_cycles = (slabs - 1) * 2 * body.mr * body.nv;
  // Vectors that are not in the first cache for the next block of filters.
  const double waiting =
      slab * c.taps_h * c.taps_w * body.span() * kElement > (32 << 10) ? 1.15 : 1.0;
  const double staged = reduction * static_cast<double>(c.images * c.oh * tile.tiles_x(c) *
                                                        ceil_div(tile.w, body.stage_width(tile.w)));
  const double cycles =
      static_cast<double>(blocks.blocks_per_group) * tile.multiplied /
          static_cast<double>(body.span()) *
          (std::max(fma_cycles, load_cycles) * waiting + loop_cycles + store_cycles + sums_cycles) +
      runs * staged * (few_registers(body.vw) ? 5 : 3.5);
  Pass multiply;
  multiply.flops = cycles * static_cast<double>(c.groups) * 2 * 2 * body.vw;
  multiply.efficiency = profile.family == Family::kCpu ? 0.94 : 0.02;
  multiply.bytes = cached(bytes_touched(p, c, blocks.bytes()));
  multiply.groups = runs * static_cast<double>(tile.all(c));
  return predicted_us(profile, {multiply});
}

std::vector<Candidate> patches_candidates(const Problem& p, const DeviceProfile& profile,
                                          const std::vector<Correlation>& correlations) {
  // KiB. Beyond the second cache's half there is nothing to gain (vgg_conv1_1, 10 rows of 224 instead of 5: 0.43
  // instead of 0.40 ms) but where that is too little for whole vectors (resnet_conv1, 2 rows of 112: 0.54 instead of
  // 0.60 ms); 32, one row, took 0.47 ms for vgg_conv1_1.
  constexpr int kPatch = 128, kSums = 64;
  std::vector<Candidate> candidates;
  const int vw = vector_width(profile);
  if (!PatchesBody::serves(correlations, vw)) return candidates;
  const bool scatter = PatchesBody::scatters(correlations);
  std::int64_t reduction = 0;  // the longest
  for (const Correlation& c : correlations)
    reduction = std::max(reduction, c.reduction());
  const int registers = vector_registers(vw);
  const std::size_t offered = few_registers(vw) ? 2 : 1;
  int patch = kPatch;
  while (patch > 1 && patch * 1024 > profile.local_memory_bytes)
    patch /= 2;
  const auto add = [&](const PatchesBody& body) {
    if ((body.patch + body.sums) * 1024 > profile.local_memory_bytes) return;
    const PackedWeights packed(correlations, body.mr, profile);
    Candidate candidate;
    for (std::size_t i = 0; i < correlations.size(); ++i) {
      if (nothing_to_do(p, correlations[i])) continue;
      const PatchesTile tile = body.tile(profile, correlations[i]);
      if (tile.images == 0) return;
      candidate.predicted_us +=
          patches_us(p, profile, body, correlations[i], scatter, tile, packed.blocks[i]);
    }
    candidate.config = body.config();
    candidate.prepared_weights_bytes = packed.bytes;
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidates.push_back(candidate);
  };
  // 3 or 4 with fewer filters, 1 with 12: no faster anywhere.
  constexpr int kVectors = 2;
  // Reductions from which on a strip in the first cache counts for more than results in a row.
  constexpr std::int64_t kDeep = 128;
  for (const int mr : {8, 6, 4}) {
    if (mr * kVectors + kVectors + 1 > registers || mr / 2 >= correlations.front().filters)
      continue;
    for (const int kib : {patch, 2 * patch})
      add({mr, kVectors, vw, kib, 0});
    // Half of both where there is too little local memory, and so on.
    PatchesBody deep{mr, kVectors, vw, kPatch, kSums};
    while (deep.sums > 1 && (deep.patch + deep.sums) * 1024 > profile.local_memory_bytes) {
      deep.patch /= 2;
      deep.sums /= 2;
    }
    if (few_registers(vw) && reduction >= kDeep) add(deep);
  }
  return best_of(std::move(candidates), offered);
}

std::unique_ptr<const Executable> build_patches(const Problem& p, const PatchesBody& body,
                                                Device& device) {
  const std::vector<Correlation> correlations = correlations_of(p);
  if (!PatchesBody::serves(correlations, body.vw)) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': needs planes and a stride of at most 2" +
                    (few_registers(body.vw) ? "" : ", a filter of several taps and dense results"));
  }
  const PackedWeights packed(correlations, body.mr, device.profile());
  const std::string scatter = PatchesBody::scatters(correlations) ? " -DSCATTER=1" : " -DSCATTER=0";
  const Operands operands(p);
  auto executable = std::make_unique<Executable>();
  packed.add_to(*executable, device, correlations);
  for (std::size_t i = 0; i < correlations.size(); ++i) {
    const Correlation& c = correlations[i];
    if (nothing_to_do(p, c)) continue;
    const PatchesTile tile = body.tile(device.profile(), c);
    if (tile.images == 0) {
      throw Error(Code::kInvalidArgument,
                  "config '" + body.config().text() + "': the patches or their sums do not fit");
    }
    const FilterBlocks& blocks = packed.blocks[i];
    const std::int64_t run = body.run(device.profile(), c, tile, blocks);
    executable->run.add(std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/patches", "implicit_gemm_patches",
                      class_defines(p, c, body.config().defines()) + scatter),
        std::vector<Argument>{{"x", operands.input},
                              {"y_mask", p.mask ? operands.mask : operands.input},
                              {"packed", packed.regions[i]},
                              {"b", Region{kBiasSlot}},
                              {"r", Region{kResidualSlot}},
                              {"result", operands.result},
                              {"channels", narrow(c.channels)},
                              {"slab", narrow(body.slab(c))},
                              {"taps_h", narrow(c.taps_h)},
                              {"taps_w", narrow(c.taps_w)},
                              {"in_h", narrow(c.in_h)},
                              {"in_w", narrow(c.in_w)},
                              {"in_size", cl_long{c.images * c.in_image}},
                              {"top", narrow(c.top)},
                              {"left", narrow(c.left)},
                              {"images", narrow(c.images)},
                              {"oh", narrow(c.oh)},
                              {"ow", narrow(c.ow)},
                              {"tile_images", narrow(tile.images)},
                              {"tile_h", narrow(tile.h)},
                              {"tile_w", narrow(tile.w)},
                              {"tiles_x", narrow(tile.tiles_x(c))},
                              {"tiles", narrow(tile.tiles(c))},
                              {"pitch", narrow(tile.pitch)},
                              {"filters", narrow(c.filters)},
                              {"blocks_per_group", narrow(blocks.blocks_per_group)},
                              {"run", narrow(run)},
                              {"groups", narrow(c.groups)},
                              {"out_image", cl_long{c.out_image}},
                              {"out_plane", cl_long{c.out_plane}},
                              {"out_offset", cl_long{c.out_offset}},
                              {"out_pitch", cl_long{c.out_pitch}},
                              {"out_step", narrow(c.out_step)}},
        one_item_groups(tile.all(c) * ceil_div(blocks.blocks_per_group, run))));
  }
  return executable;
}

// ---- tile: local memory -------------------------------------------------------------------------

constexpr Tile kTiles[] = {
    {128, 128, 8, 8, 8},  // the classic SGEMM shape: 256 work-items, 64 accumulators each
    {64, 64, 16, 8,
     8},  // the same by 64 work-items: smaller results, and devices with small work-groups
    {32, 64, 16, 4, 8},  // few filters
    {32, 32, 16, 4, 4},  // small results
};

// A correlation as `tile` divides it.
struct TileGrid {
  std::int64_t pixels, filter_tiles, pixel_tiles, steps, steps_per_part, parts;

  TileGrid(const Tile& tile, const Correlation& c)
      : pixels(c.images * c.oh * c.ow),
        filter_tiles(ceil_div(c.filters, tile.bm)),
        pixel_tiles(ceil_div(pixels, tile.bn)),
        steps(ceil_div(c.reduction(), tile.bk)),
        steps_per_part(std::max<std::int64_t>(1, ceil_div(steps, tile.split))),
        parts(std::max<std::int64_t>(1, ceil_div(steps, steps_per_part))) {}
  std::int64_t groups(const Correlation& c) const { return filter_tiles * pixel_tiles * c.groups; }
  // Of what is summed apart, if it is.
  std::int64_t partial_bytes(const Tile& tile, const Correlation& c) const {
    return tile.split == 1 ? 0 : saturating_product(parts, c.groups * c.filters, pixels, kElement);
  }
};

std::int64_t tile_workspace_bytes(const Tile& tile, const std::vector<Correlation>& correlations,
                                  const DeviceProfile& profile) {
  std::int64_t bytes = 0;
  for (const Correlation& c : correlations) {
    bytes = std::max(bytes, TileGrid(tile, c).partial_bytes(tile, c));
  }
  return bytes == 0 ? 0 : aligned(bytes, profile);
}

Candidate tile_candidate(const Problem& p, const DeviceProfile& profile, const Tile& tile,
                         const std::vector<Correlation>& correlations) {
  const PackedWeights packed(correlations, tile.bm, profile, tile.bk);
  Candidate candidate;
  for (const Correlation& c : correlations) {
    const TileGrid grid(tile, c);
    Pass pass;
    pass.groups = tile.filling(grid.groups(c) * grid.parts);
    pass.flops = static_cast<double>(grid.groups(c)) * 2.0 * tile.bm * tile.bn *
                 static_cast<double>(grid.steps * tile.bk);
    pass.efficiency = tile.efficiency();
    pass.bytes = bytes_touched(p, c, packed.bytes);
    Pass fold;
    fold.launches = tile.split > 1 ? 1 : 0;
    fold.bytes = 2.0 * static_cast<double>(grid.partial_bytes(tile, c));
    fold.groups = static_cast<double>(c.groups * c.filters * grid.pixels) / 64;
    candidate.predicted_us += predicted_us(profile, {pass, fold});
  }
  candidate.config = tile.config();
  candidate.workspace_bytes = tile_workspace_bytes(tile, correlations, profile);
  candidate.prepared_weights_bytes = packed.bytes;
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  return candidate;
}

std::vector<Candidate> tile_candidates(const Problem& p, const DeviceProfile& profile,
                                       const std::vector<Correlation>& correlations) {
  constexpr std::size_t kOffered = 3;
  std::vector<Candidate> candidates;
  for (Tile tile : kTiles) {
    if (!tile.fits(profile)) continue;
    candidates.push_back(tile_candidate(p, profile, tile, correlations));
    const TileGrid grid(tile, correlations.front());
    tile.split = tile.wanted_split(profile, grid.groups(correlations.front()), grid.steps);
    if (tile.split > 1) candidates.push_back(tile_candidate(p, profile, tile, correlations));
  }
  return best_of(std::move(candidates), kOffered);
}

// How the kernel reads the input, its GATHER.
int gather_of(const Correlation& c) {
  if (c.channels_last) return c.channels % 4 == 0 && c.reduction() > 0 ? 2 : 0;
  const bool flat = c.reduction() == c.channels && c.sh * c.sw == 1 && c.top == 0 && c.left == 0 &&
                    c.in_h == c.oh && c.in_w == c.ow && c.out_step == 1;
  return flat && c.ow % 4 == 0 ? 1 : 0;
}

std::unique_ptr<const Executable> build_tile(const Problem& p, const Tile& tile, Device& device) {
  const std::vector<Correlation> correlations = correlations_of(p);
  const PackedWeights packed(correlations, tile.bm, device.profile(), tile.bk);
  auto executable = std::make_unique<Executable>();
  packed.add_to(*executable, device, correlations);
  executable->workspace_bytes = tile_workspace_bytes(tile, correlations, device.profile());
  const Region partial{kWorkspaceSlot, 0, executable->workspace_bytes};
  const Operands operands(p);
  const auto local = static_cast<std::size_t>(tile.items());
  for (std::size_t i = 0; i < correlations.size(); ++i) {
    const Correlation& c = correlations[i];
    if (nothing_to_do(p, c)) continue;
    const TileGrid grid(tile, c);
    const int gather = gather_of(c);
    const std::string defines = class_defines(p, c, tile.defines()) +
                                " -DGATHER=" + std::to_string(gather) +
                                (tile.split > 1 ? " -DPARTIAL=1" : " -DPARTIAL=0");
    // Of at least 1, so that the kernel can divide by them; without steps nothing is read.
    const auto least1 = [](std::int64_t n) { return std::max<std::int64_t>(1, n); };
    struct Counter {
      std::int64_t end, step;
    };
    const Counter rows{least1(c.taps_h), c.dh * c.in_pitch},
        columns{least1(c.taps_w), c.dw * c.in_step}, channels{least1(c.channels), c.in_plane};
    const Counter outer = c.channels_last ? rows : channels;
    const Counter middle = c.channels_last ? columns : rows;
    const Counter inner = c.channels_last ? channels : columns;
    // FETCH_ROWS of the kernel.
    const std::int64_t fetch = gather == 0 ? tile.items() / tile.bn : 4 * tile.items() / tile.bn;
    executable->run.add(std::make_unique<KernelStep>(
        "multiply", device.kernel("implicit_gemm/tile", "implicit_gemm_tile", defines),
        std::vector<Argument>{{"x", operands.input},
                              {"y_mask", p.mask ? operands.mask : operands.input},
                              {"packed", packed.regions[i]},
                              {"b", Region{kBiasSlot}},
                              {"r", Region{kResidualSlot}},
                              {"result", operands.result},
                              {"partial", partial},
                              {"outer", narrow(outer.end)},
                              {"middle", narrow(middle.end)},
                              {"inner", narrow(inner.end)},
                              {"outer_step", cl_long{outer.step}},
                              {"middle_step", cl_long{middle.step}},
                              {"inner_step", cl_long{inner.step}},
                              {"fetch_outer", narrow(fetch / (middle.end * inner.end))},
                              {"fetch_middle", narrow(fetch / inner.end % middle.end)},
                              {"fetch_inner", narrow(fetch % inner.end)},
                              {"steps", narrow(grid.steps)},
                              {"steps_per_part", narrow(grid.steps_per_part)},
                              {"in_h", narrow(c.in_h)},
                              {"in_w", narrow(c.in_w)},
                              {"top", narrow(c.top)},
                              {"left", narrow(c.left)},
                              {"oh", narrow(c.oh)},
                              {"ow", narrow(c.ow)},
                              {"filters", narrow(c.filters)},
                              {"groups", narrow(c.groups)},
                              {"pixels", cl_long{grid.pixels}},
                              {"filter_tiles", narrow(grid.filter_tiles)},
                              {"pixel_tiles", cl_long{grid.pixel_tiles}},
                              {"in_image", cl_long{c.in_image}},
                              {"in_group", cl_long{c.channels * c.in_plane}},
                              {"in_pitch", cl_long{c.in_pitch}},
                              {"in_step", narrow(c.in_step)},
                              {"out_image", cl_long{c.out_image}},
                              {"out_plane", cl_long{c.out_plane}},
                              {"out_offset", cl_long{c.out_offset}},
                              {"out_pitch", cl_long{c.out_pitch}},
                              {"out_step", narrow(c.out_step)}},
        Range{{static_cast<std::size_t>(grid.groups(c) * grid.parts) * local, 1, 1},
              {local, 1, 1}}));
    if (tile.split == 1) continue;
    executable->run.add(std::make_unique<KernelStep>(
        "fold", device.kernel("implicit_gemm/tile", "implicit_gemm_fold", defines),
        std::vector<Argument>{{"partial", partial},
                              {"b", Region{kBiasSlot}},
                              {"r", Region{kResidualSlot}},
                              {"result", operands.result},
                              {"parts", narrow(grid.parts)},
                              {"all_filters", narrow(c.groups * c.filters)},
                              {"pixels", cl_long{grid.pixels}},
                              {"oh", narrow(c.oh)},
                              {"ow", narrow(c.ow)},
                              {"out_image", cl_long{c.out_image}},
                              {"out_plane", cl_long{c.out_plane}},
                              {"out_offset", cl_long{c.out_offset}},
                              {"out_pitch", cl_long{c.out_pitch}},
                              {"out_step", narrow(c.out_step)}},
        items(c.groups * c.filters * grid.pixels,
              std::min<std::int64_t>(64, device.profile().max_work_group_size))));
  }
  return executable;
}

}  // namespace

std::vector<Candidate> correlation_candidates(const Problem& p, const DeviceProfile& profile) {
  const std::vector<Correlation> correlations = correlations_of(p);
  if (profile.family == Family::kGpu) {
    std::vector<Candidate> tiles = tile_candidates(p, profile, correlations);
    if (!tiles.empty()) return tiles;  // else it has too little local memory
  }
  std::vector<Candidate> candidates = filters_candidates(p, profile, correlations);
  for (Candidate& c : pixels_candidates(p, profile, correlations))
    candidates.push_back(c);
  for (Candidate& c : patches_candidates(p, profile, correlations))
    candidates.push_back(c);
  return candidates;
}

std::unique_ptr<const Executable> build_correlation(const Problem& p, const Config& config,
                                                    Device& device) {
  if (config.has("bm")) return build_tile(p, Tile::from(config), device);
  if (config.has("patch")) return build_patches(p, PatchesBody::from(config), device);
  if (config.has("mr")) return build_pixels(p, PixelsBody::from(config), device);
  return build_filters(p, FiltersBody::from(config), device);
}

}  // namespace clconv::core::implicit_gemm
