// implicit_gemm for the weight gradient. Five bodies (see implicit_gemm_weights.cl). Where there are too
// few results to keep the device busy, the reduction over pixels is split into parts (`split`), which
// are then added in a fixed order.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "ops/reduce.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Of the first cache.
constexpr std::int64_t kNearBytes = 65536;

constexpr double kCoreCacheBytes = 1 << 20;

// Work-groups per compute unit that even out what one takes longer than another.
constexpr std::int64_t kGroupsPerUnit = 4;

std::string class_defines(const Problem& p, const std::string& body) {
  return body + " -DSH=" + std::to_string(p.sh) + " -DSW=" + std::to_string(p.sw) +
         " -DDH=" + std::to_string(p.dh) + " -DDW=" + std::to_string(p.dw) + " " +
         epilogue_defines(p);
}

// A 1x1 filter at stride 1 without padding sees no rows.
Problem flattened(const Problem& problem) {
  Problem p = problem;
  if (p.kh * p.kw == 1 && p.sh * p.sw == 1 && !p.padded()) {
    p.w *= p.h;
    p.h = 1;
  }
  return p;
}

// How many parts to split `units` (rows, pixels) into, given `groups` work-groups per part; none
// smaller than `least` units.
std::int64_t parts_for(const DeviceProfile& profile, std::int64_t groups, std::int64_t units,
                       std::int64_t least = 1) {
  const std::int64_t wanted = ceil_div(profile.compute_units * kGroupsPerUnit, groups);
  const std::int64_t parts =
      std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, units / least));
  return ceil_div(units, ceil_div(units, parts));  // as many as are not empty
}

// Where the products go: dw itself, or float parts that are added up behind them.
struct Result {
  std::int64_t parts;
  bool direct;
  Region region;

  Result(const Problem& p, std::int64_t split, WorkspaceLayout& layout)
      : parts(split), direct(is_direct(p, split)), region{kDwSlot} {
    if (!direct) region = layout.add(saturating_product(parts, p.w_elements(), kElement));
  }
  static bool is_direct(const Problem& p, std::int64_t split) {
    return split == 1 && !p.accumulate && p.data_type == DataType::kFloat32;
  }
  cl_long stride(const Problem& p) const { return cl_long{p.w_elements()}; }
  void finish(Executable& executable, Device& device, const Problem& p) const {
    if (direct) return;
    executable.run.add(sum_parts(device, p.w_elements(), parts, p.accumulate, region, nullptr,
                                 Region{kDwSlot}, p.data_type));
  }
  static Pass pass(const Problem& p, std::int64_t split) {
    Pass pass;
    if (is_direct(p, split)) {
      pass.launches = 0;
    } else {
      pass.bytes = static_cast<double>(p.w_elements() * kElement) * static_cast<double>(split + 1);
      pass.groups = static_cast<double>(p.w_elements()) / 1024;
    }
    return pass;
  }
};

// x as the CPU bodies read it: as it lies, or a float copy with its padding written out.
struct InputView {
  bool copied;
  PaddedPlanes planes;
  std::int64_t pitch, plane;

  // `vector`: columns of the result that are read at a time.
  InputView(const Problem& p, std::int64_t vector) {
    const std::int64_t rows = (p.oh() - 1) * p.sh + p.dh * (p.kh - 1) + 1;
    const std::int64_t odd = vector > 1 ? p.sw - 1 : 0;  // loaded with the others and dropped
    const std::int64_t columns =
        (round_up(p.ow(), vector) - 1) * p.sw + p.dw * (p.kw - 1) + 1 + odd;
    copied = p.padded() || columns > p.w || p.data_type != DataType::kFloat32;
    planes = {p.n * p.c, p.h, p.w, -p.pt, -p.pl, rows, columns, 0, p.data_type};
    pitch = copied ? columns : p.w;
    plane = copied ? rows * columns : p.h * p.w;
  }
  Region add_to(Executable& executable, Device& device, WorkspaceLayout& layout) const {
    if (!copied) return Region{kXSlot};
    const Region padded = layout.add(planes.bytes());
    executable.run.add(pad_planes(device, planes, Region{kXSlot}, nullptr, padded));
    return padded;
  }
  Pass pass(const Problem& p) const {
    Pass pass;
    pass.bytes = copied ? cached(static_cast<double>(p.x_bytes() + planes.bytes())) : 0;
    pass.groups = static_cast<double>(planes.planes * planes.hp);
    pass.launches = copied ? 1 : 0;
    return pass;
  }
};

Candidate candidate_of(const Problem& p, const Config& config, std::int64_t workspace_bytes,
                       double us) {
  Candidate candidate;
  candidate.config = config;
  candidate.workspace_bytes = workspace_bytes;
  candidate.predicted_us = us;
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  return candidate;
}

double bytes_touched(const Problem& p) {
  return static_cast<double>(p.x_bytes() + p.y_bytes() + p.w_bytes());
}

// What a body keeps of its efficiency where there are 16 registers: `share`, or all where there are more.
double with_few_registers(int vw, double share) {
  return few_registers(vw) ? share : 1.0;
}

const Region kMaskRegion{kYSlot};
const Region* mask_of(const Problem& p) {
  return p.mask ? &kMaskRegion : nullptr;
}

// ---- filters: vectors along the filters ---------------------------------------------------------

struct FiltersBody {
  int kv, tc, tq, vw, split;

  Config config() const {
    return {{"kv", kv}, {"tc", tc}, {"tq", tq}, {"vw", vw}, {"split", split}};
  }
  static FiltersBody from(const Config& c) {
    return {c.get("kv", 1, 8), c.get("tc", 1, 32), c.get("tq", 1, 32), c.get("vw", 4, 16),
            c.get("split", 1, INT32_MAX)};
  }
  // Of one part.
  std::int64_t groups(const Problem& p, const GradientBlocks& blocks) const {
    return ceil_div(p.kw, tq) * p.kh * ceil_div(p.c_per_group(), tc) * p.g *
           blocks.blocks_per_group;
  }
};

Candidate filters_candidate(const Problem& p, const DeviceProfile& profile, FiltersBody body) {
  const GradientBlocks blocks(p, std::int64_t{body.vw} * body.kv);
  const std::int64_t rows = p.n * p.oh();
  body.split = static_cast<int>(parts_for(profile, body.groups(p, blocks), rows));
  const InputView view(p, 1);
  WorkspaceLayout layout(profile);
  if (view.copied) layout.add(view.planes.bytes());
  layout.add(blocks.bytes(p));
  const Result result(p, body.split, layout);

  // Cycles of a work-group as in the forward body, and one for the loop over pixels; a chain of FMAs
  // advances every 4 cycles. A store of one tap of one filter takes about two.
  const double pixels = static_cast<double>(ceil_div(rows, body.split) * p.ow());
  const double taps = body.tc * body.tq;
  const double fma_cycles = pixels * std::max(4.0, body.kv * taps / 2);
  const double load_cycles = pixels * (body.kv + taps) / 2 * 1.1;
  const double store_cycles = 2.0 * taps * body.kv * body.vw + 100;
  Pass pack;
  pack.bytes = cached(static_cast<double>(p.y_bytes() + blocks.bytes(p)));
  pack.groups =
      static_cast<double>(p.n * p.g * blocks.blocks_per_group * ceil_div(p.oh() * p.ow(), 16));
  Pass multiply;
  multiply.groups = static_cast<double>(body.groups(p, blocks) * body.split);
  multiply.flops = multiply.groups * (std::max(fma_cycles, load_cycles) + pixels + store_cycles) *
                   2 * 2 * body.vw;
  // Half of what it reads was packed by another core, in about every second process (medians of the core suite:
  // `patches`, which packs nothing, is 3-16 % faster where both were predicted equal). With few registers:
  // predicted against measured over core.txt, here and below; PoCL 3.1, 2-core Zen 3, 2026-11.
  multiply.efficiency =
      profile.family == Family::kCpu ? 0.9 * with_few_registers(body.vw, 0.85) : 0.02;
  // What a core's cache does not keep from one work-group to the next.
  const double group_bytes =
      pixels * (body.kv * body.vw + static_cast<double>(body.tc * p.sh * p.sw)) * kElement;
  const double read_again =
      group_bytes > kCoreCacheBytes ? multiply.groups * cached(group_bytes) : 0;
  multiply.bytes = std::max(bytes_touched(p), read_again);
  return candidate_of(
      p, body.config(), layout.bytes(),
      predicted_us(profile, {view.pass(p), pack, multiply, Result::pass(p, body.split)}));
}

std::vector<Candidate> filters_candidates(const Problem& p, const DeviceProfile& profile) {
  constexpr std::size_t kOffered = 3;
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  std::vector<Candidate> candidates;
  for (int kv = 1; kv <= 3; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= p.k_per_group()) continue;
    const std::int64_t most = (registers - kv - 1) / kv;
    for (const std::int64_t tq : {std::min(p.kw, most), ceil_div(p.kw, 2), std::int64_t{1}}) {
      if (tq > most) continue;
      const std::int64_t tc = std::min(p.c_per_group(), most / tq);
      const FiltersBody body{kv, static_cast<int>(tc), static_cast<int>(tq), vw, 1};
      candidates.push_back(filters_candidate(p, profile, body));
    }
  }
  // Small filters reach the same tile by two ways.
  candidates = best_of(std::move(candidates), SIZE_MAX);
  candidates.erase(
      std::unique(candidates.begin(), candidates.end(),
                  [](const Candidate& a, const Candidate& b) { return a.config == b.config; }),
      candidates.end());
  return best_of(std::move(candidates), kOffered);
}

std::unique_ptr<const Executable> build_filters(const Problem& p, const FiltersBody& body,
                                                Device& device) {
  if (body.tc > p.c_per_group() || body.tq > p.kw) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': a tile exceeds channels or taps");
  }
  const GradientBlocks blocks(p, std::int64_t{body.vw} * body.kv);
  const InputView view(p, 1);
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(device.profile());
  const Region x = view.add_to(*executable, device, layout);
  const Region packed = layout.add(blocks.bytes(p));
  executable->run.add(pack_gradient(device, p, blocks, Region{kDySlot}, mask_of(p), packed));
  const std::int64_t rows = p.n * p.oh();
  const std::int64_t rows_per_part = ceil_div(rows, body.split);
  const std::int64_t parts = ceil_div(rows, rows_per_part);
  const Result result(p, parts, layout);
  executable->run.add(std::make_unique<KernelStep>(
      "multiply",
      device.kernel("implicit_gemm_weights/filters", "weights_filters",
                    class_defines(p, body.config().defines())),
      std::vector<Argument>{{"x", x},
                            {"packed", packed},
                            {"result", result.region},
                            {"images", narrow(p.n)},
                            {"channels", narrow(p.c_per_group())},
                            {"kh", narrow(p.kh)},
                            {"kw", narrow(p.kw)},
                            {"pitch", narrow(view.pitch)},
                            {"plane", cl_long{view.plane}},
                            {"oh", narrow(p.oh())},
                            {"ow", narrow(p.ow())},
                            {"filters", narrow(p.k_per_group())},
                            {"blocks_per_group", narrow(blocks.blocks_per_group)},
                            {"groups", narrow(p.g)},
                            {"channel_tiles", narrow(ceil_div(p.c_per_group(), body.tc))},
                            {"tap_tiles", narrow(ceil_div(p.kw, body.tq))},
                            {"rows_per_part", cl_long{rows_per_part}},
                            {"part_stride", result.stride(p)}},
      one_item_groups(body.groups(p, blocks) * parts)));
  result.finish(*executable, device, p);
  executable->workspace_bytes = layout.bytes();
  return executable;
}

// ---- pixels: vectors along the pixels of a row --------------------------------------------------

struct PixelsBody {
  int mr, tp, tq, vw, split;

  Config config() const {
    return {{"mr", mr}, {"tp", tp}, {"tq", tq}, {"vw", vw}, {"split", split}};
  }
  static PixelsBody from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("tp", 1, 32), c.get("tq", 1, 32), c.get("vw", 4, 16),
            c.get("split", 1, INT32_MAX)};
  }
  std::int64_t groups(const Problem& p) const {
    return ceil_div(p.kw, tq) * ceil_div(p.kh, tp) * p.c_per_group() *
           ceil_div(p.k_per_group(), mr) * p.g;
  }
  // dy as floats with its rows filled up to whole vectors, masked.
  PaddedPlanes gradient(const Problem& p) const {
    return {p.n * p.k, p.oh(), p.ow(), 0, 0, p.oh(), round_up(p.ow(), vw), 0, p.data_type};
  }
  bool copies_gradient(const Problem& p) const {
    return p.mask || p.ow() % vw != 0 || p.data_type != DataType::kFloat32;
  }
};

Candidate pixels_candidate(const Problem& p, const DeviceProfile& profile, PixelsBody body) {
  const std::int64_t rows = p.n * p.oh();
  body.split = static_cast<int>(parts_for(profile, body.groups(p), rows));
  const InputView view(p, body.vw);
  const PaddedPlanes gradient = body.gradient(p);
  WorkspaceLayout layout(profile);
  if (view.copied) layout.add(view.planes.bytes());
  if (body.copies_gradient(p)) layout.add(gradient.bytes());
  const Result result(p, body.split, layout);

  const double vectors =
      static_cast<double>(ceil_div(rows, body.split) * ceil_div(p.ow(), body.vw));
  const double taps = body.tp * body.tq;
  const double fma_cycles = vectors * body.mr * taps / 2;
  const double load_cycles = vectors * (body.mr + taps * (p.sw == 1 ? 1 : 4)) / 2 * 1.2;
  const double sum_cycles = 12.0 * body.mr * taps + 100;
  Pass copy;
  copy.bytes =
      body.copies_gradient(p) ? cached(static_cast<double>(p.y_bytes() + gradient.bytes())) : 0;
  copy.groups = static_cast<double>(p.n * p.k);
  copy.launches = body.copies_gradient(p) ? 1 : 0;
  Pass multiply;
  multiply.groups = static_cast<double>(body.groups(p) * body.split);
  multiply.flops =
      multiply.groups * (std::max(fma_cycles, load_cycles) + sum_cycles) * 2 * 2 * body.vw;
  // Most of the loads cross a cache line, which costs more where they come from behind the first cache.
  const std::int64_t plane_bytes = (view.plane + body.mr * gradient.hp * gradient.wp) * kElement;
  const double loaded = (plane_bytes > kNearBytes ? 0.7 : 0.85) * with_few_registers(body.vw, 0.65);
  multiply.efficiency = profile.family == Family::kCpu ? loaded : 0.02;
  multiply.bytes = bytes_touched(p);
  return candidate_of(
      p, body.config(), layout.bytes(),
      predicted_us(profile, {view.pass(p), copy, multiply, Result::pass(p, body.split)}));
}

std::vector<Candidate> pixels_candidates(const Problem& p, const DeviceProfile& profile) {
  constexpr std::size_t kOffered = 2;
  std::vector<Candidate> candidates;
  if (p.sw > 2) return candidates;  // would need a gather per vector
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  for (const int mr : {1, 2, 4}) {
    if (mr > p.k_per_group()) continue;
    const std::int64_t most = (registers - mr - 1) / mr;
    const int tq = static_cast<int>(std::min(p.kw, most));
    const int tp = static_cast<int>(std::min<std::int64_t>(p.kh, most / tq));
    candidates.push_back(pixels_candidate(p, profile, {mr, tp, tq, vw, 1}));
  }
  return best_of(std::move(candidates), kOffered);
}

std::unique_ptr<const Executable> build_pixels(const Problem& p, const PixelsBody& body,
                                               Device& device) {
  if (p.sw > 2 || body.mr > p.k_per_group() || body.tp > p.kh || body.tq > p.kw) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': a tile exceeds filters or taps, or sw > 2");
  }
  const InputView view(p, body.vw);
  const PaddedPlanes gradient = body.gradient(p);
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(device.profile());
  const Region x = view.add_to(*executable, device, layout);
  Region dy{kDySlot};
  if (body.copies_gradient(p)) {
    dy = layout.add(gradient.bytes());
    executable->run.add(pad_planes(device, gradient, Region{kDySlot}, mask_of(p), dy));
  }
  const std::int64_t rows = p.n * p.oh();
  const std::int64_t rows_per_part = ceil_div(rows, body.split);
  const std::int64_t parts = ceil_div(rows, rows_per_part);
  const Result result(p, parts, layout);
  executable->run.add(std::make_unique<KernelStep>(
      "multiply",
      device.kernel("implicit_gemm_weights/pixels", "weights_pixels",
                    class_defines(p, body.config().defines())),
      std::vector<Argument>{{"x", x},
                            {"dy", dy},
                            {"result", result.region},
                            {"images", narrow(p.n)},
                            {"channels", narrow(p.c_per_group())},
                            {"kh", narrow(p.kh)},
                            {"kw", narrow(p.kw)},
                            {"pitch", narrow(view.pitch)},
                            {"plane", cl_long{view.plane}},
                            {"oh", narrow(p.oh())},
                            {"ow", narrow(p.ow())},
                            {"dy_pitch", narrow(gradient.wp)},
                            {"dy_plane", cl_long{gradient.hp * gradient.wp}},
                            {"filters", narrow(p.k_per_group())},
                            {"groups", narrow(p.g)},
                            {"filter_tiles", narrow(ceil_div(p.k_per_group(), body.mr))},
                            {"row_tiles", narrow(ceil_div(p.kh, body.tp))},
                            {"tap_tiles", narrow(ceil_div(p.kw, body.tq))},
                            {"rows_per_part", cl_long{rows_per_part}},
                            {"part_stride", result.stride(p)}},
      one_item_groups(body.groups(p) * parts)));
  result.finish(*executable, device, p);
  executable->workspace_bytes = layout.bytes();
  return executable;
}

// ---- what `planes` and `patches` share: dy as it lies, and x, too, as patches in local memory -------

std::int64_t patch_elements(const Problem& p) {
  return p.c_per_group() * p.kh * p.kw;
}

std::string stride_defines(const Problem& p) {
  return " -DSW=" + std::to_string(p.sw > 2 ? 0 : p.sw) + " " + storage_define(p.data_type);
}

// dy as floats, masked: a copy only where it is not that already.
struct PlainGradient {
  bool masked, copied;
  PaddedPlanes planes;

  explicit PlainGradient(const Problem& p)
      : masked(p.mask),
        copied(p.mask || p.data_type != DataType::kFloat32),
        planes{p.n * p.k, p.oh(), p.ow(), 0, 0, p.oh(), p.ow(), 0, p.data_type} {}
  Region add_to(Executable& executable, Device& device, WorkspaceLayout& layout) const {
    if (!copied) return Region{kDySlot};
    const Region copy = layout.add(planes.bytes());
    executable.run.add(
        pad_planes(device, planes, Region{kDySlot}, masked ? &kMaskRegion : nullptr, copy));
    return copy;
  }
  Pass pass(const Problem& p) const {
    Pass pass;
    pass.bytes = copied ? cached(static_cast<double>(p.y_bytes() + planes.bytes())) : 0;
    pass.groups = static_cast<double>(planes.planes);
    pass.launches = copied ? 1 : 0;
    return pass;
  }
};

// The first arguments of both kernels.
std::vector<Argument> patch_arguments(const Problem& p, const Region& dy, const Region& result) {
  return {{"x", Region{kXSlot}},
          {"dy", dy},
          {"result", result},
          {"x_elements", cl_long{p.x_elements()}},
          {"channels", narrow(p.c_per_group())},
          {"h", narrow(p.h)},
          {"w", narrow(p.w)},
          {"filters", narrow(p.k_per_group())},
          {"kh", narrow(p.kh)},
          {"kw", narrow(p.kw)},
          {"pt", narrow(p.pt)},
          {"pl", narrow(p.pl)},
          {"sh", narrow(p.sh)},
          {"sw", narrow(p.sw)},
          {"dh", narrow(p.dh)},
          {"dw", narrow(p.dw)},
          {"oh", narrow(p.oh())},
          {"ow", narrow(p.ow())},
          {"groups", narrow(p.g)}};
}

// ---- planes: vectors along the pixels of an image -----------------------------------------------

struct PlanesBody {
  int mr, ne, vw, runs, split;

  // Rows of a register tile, of patch elements and of dy, in the first-level cache together.
  static constexpr std::int64_t kRowsBytes = 40960;
  // Tiles of patch elements that a work-group holds, in the second-level cache.
  static constexpr std::int64_t kElementTiles = 4;

  Config config() const {
    return {{"mr", mr}, {"ne", ne}, {"vw", vw}, {"runs", runs}, {"split", split}};
  }
  static PlanesBody from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("ne", 1, 32), c.get("vw", 4, 16), c.get("runs", 1, INT32_MAX),
            c.get("split", 1, INT32_MAX)};
  }
  std::int64_t blocks(const Problem& p, const DeviceProfile& profile) const {
    const std::int64_t tiles = ceil_div(patch_elements(p), ne);
    return std::min(tiles, round_up(ceil_div(tiles, kElementTiles), profile.compute_units));
  }
  bool fits(const DeviceProfile& profile) const {
    return (kElementTiles * ne * (depth() + vw) + vw) * kElement <= profile.local_memory_bytes;
  }
  // Pixels that a register tile adds up before its lanes are.
  std::int64_t depth() const { return kRowsBytes / kElement / (mr + ne) / vw * vw; }
  std::int64_t vectors(const Problem& p) const { return ceil_div(p.oh() * p.ow(), vw); }
  // Equal pieces of an image, in vectors, and how many of them are multiplied at a time.
  std::int64_t piece(const Problem& p) const {
    return ceil_div(vectors(p), ceil_div(vectors(p) * vw, depth()));
  }
  std::int64_t pieces(const Problem& p) const { return ceil_div(vectors(p), piece(p)); }
  std::int64_t at_once(const Problem& p) const { return depth() / (piece(p) * vw); }
  std::string defines(const Problem& p) const {
    const Config macros{{"mr", mr},
                        {"ne", ne},
                        {"vw", vw},
                        {"depth", static_cast<int>(depth())},
                        {"element_tiles", static_cast<int>(kElementTiles)}};
    return macros.defines() + stride_defines(p);
  }
};

Candidate planes_candidate(const Problem& p, const DeviceProfile& profile, PlanesBody body) {
  const std::int64_t pieces = p.n * body.pieces(p);
  const std::int64_t blocks = body.blocks(p, profile) * p.g;
  body.split = static_cast<int>(parts_for(profile, blocks * body.runs, pieces));
  const PlainGradient gradient(p);
  WorkspaceLayout layout(profile);
  if (gradient.copied) layout.add(gradient.planes.bytes());
  const Result result(p, body.split, layout);

  // Cycles of a work-group: copying rows of patch elements, multiplying, adding up lanes.
  const double part = static_cast<double>(ceil_div(pieces, body.split));
  const double vectors = part * static_cast<double>(body.piece(p));
  const double elements = static_cast<double>(
      ceil_div(ceil_div(patch_elements(p), body.ne), body.blocks(p, profile)) * body.ne);
  const double tiles = elements / body.ne *
                       static_cast<double>(ceil_div(ceil_div(p.k_per_group(), body.mr), body.runs));
  const double rows = vectors * body.vw / static_cast<double>(p.ow());
  const double row_vectors = rows * static_cast<double>(ceil_div(p.ow(), body.vw));
  const double vector_cycles = p.sw == 1 ? 3 : p.sw == 2 ? 7 : 3.0 * body.vw;
  const double copy_cycles = elements * (10 * rows + row_vectors * vector_cycles);
  const double fma_cycles = vectors * tiles * std::max(4.0, body.mr * body.ne / 2.0);
  const double load_cycles = vectors * tiles * (body.mr + body.ne) / 2 * 1.1;
  const double sum_cycles = tiles * std::ceil(part / static_cast<double>(body.at_once(p))) *
                            (4.0 * body.mr * body.ne + 30);
  Pass multiply;
  multiply.groups = static_cast<double>(blocks * body.runs * body.split);
  multiply.flops = multiply.groups *
                   (copy_cycles + std::max(fma_cycles, load_cycles) + sum_cycles) * 2 * 2 * body.vw;
  // dy comes from the second cache.
  multiply.efficiency =
      profile.family == Family::kCpu ? 0.9 * with_few_registers(body.vw, 0.6) : 0.02;
  multiply.bytes = bytes_touched(p);
  return candidate_of(
      p, body.config(), layout.bytes(),
      predicted_us(profile, {gradient.pass(p), multiply, Result::pass(p, body.split)}));
}

std::vector<Candidate> planes_candidates(const Problem& p, const DeviceProfile& profile) {
  constexpr std::size_t kOffered = 1;
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  std::vector<Candidate> candidates;
  if (p.oh() * p.ow() < vw) return candidates;
  for (const int mr : {2, 3, 4, 6}) {
    PlanesBody body{mr, (registers - mr - 1) / mr, vw, 1, 1};
    if (mr > p.k_per_group() || body.ne < 1 || !body.fits(profile)) continue;
    candidates.push_back(planes_candidate(p, profile, body));
    body.runs = static_cast<int>(
        parts_for(profile, body.blocks(p, profile) * p.g, ceil_div(p.k_per_group(), mr)));
    if (body.runs > 1) candidates.push_back(planes_candidate(p, profile, body));
  }
  return best_of(std::move(candidates), kOffered);
}

std::unique_ptr<const Executable> build_planes(const Problem& p, const PlanesBody& body,
                                               Device& device) {
  if (body.mr > p.k_per_group() || p.oh() * p.ow() < body.vw || !body.fits(device.profile())) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() +
                    "': a tile exceeds filters, a vector the pixels, or local memory is too small");
  }
  const PlainGradient gradient(p);
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(device.profile());
  const Region dy = gradient.add_to(*executable, device, layout);
  const std::int64_t pieces = p.n * body.pieces(p);
  const std::int64_t pieces_per_part = ceil_div(pieces, body.split);
  const std::int64_t parts = ceil_div(pieces, pieces_per_part);
  const std::int64_t blocks = body.blocks(p, device.profile());
  const Result result(p, parts, layout);
  std::vector<Argument> arguments = patch_arguments(p, dy, result.region);
  for (const Argument& argument :
       std::vector<Argument>{{"blocks", narrow(blocks)},
                             {"runs", narrow(body.runs)},
                             {"vectors", narrow(body.vectors(p))},
                             {"pieces", narrow(body.pieces(p))},
                             {"piece", narrow(body.piece(p))},
                             {"at_once", narrow(body.at_once(p))},
                             {"all_pieces", cl_long{pieces}},
                             {"pieces_per_part", cl_long{pieces_per_part}},
                             {"part_stride", result.stride(p)}}) {
    arguments.push_back(argument);
  }
  executable->run.add(std::make_unique<KernelStep>(
      "multiply", device.kernel("implicit_gemm_weights/planes", "weights_planes", body.defines(p)),
      arguments, one_item_groups(blocks * body.runs * p.g * parts)));
  result.finish(*executable, device, p);
  executable->workspace_bytes = layout.bytes();
  return executable;
}

// ---- patches: vectors along the elements of a patch ---------------------------------------------

struct PatchesBody {
  int kv, tf, vw, runs, split;

  // Bytes of local memory that hold the patches while all filters read them: most of a first-level cache.
  static constexpr std::int64_t kPatchesBytes = 32768;

  Config config() const {
    return {{"kv", kv}, {"tf", tf}, {"vw", vw}, {"runs", runs}, {"split", split}};
  }
  static PatchesBody from(const Config& c) {
    return {c.get("kv", 1, 8), c.get("tf", 1, 32), c.get("vw", 4, 16), c.get("runs", 1, INT32_MAX),
            c.get("split", 1, INT32_MAX)};
  }
  std::int64_t block() const { return std::int64_t{kv} * vw; }
  std::int64_t depth() const { return kPatchesBytes / (block() * kElement); }
  std::int64_t blocks(const Problem& p) const { return ceil_div(patch_elements(p), block()); }
  bool fits(const DeviceProfile& profile) const {
    return ((depth() + 3) * kElement + 11 * std::int64_t{sizeof(cl_int)}) * block() <=
           profile.local_memory_bytes;
  }
  // Pixels that are multiplied at a time: about equal pieces of a part, of whole rows where those fit.
  std::int64_t step(const Problem& p, std::int64_t pixels_per_part) const {
    const std::int64_t unit = p.ow() <= depth() / 2 ? p.ow() : vw;
    const std::int64_t most = depth() / unit * unit;
    return round_up(ceil_div(pixels_per_part, ceil_div(pixels_per_part, most)), unit);
  }
  std::string defines(const Problem& p) const {
    const Config macros{{"kv", kv}, {"tf", tf}, {"vw", vw}, {"depth", static_cast<int>(depth())}};
    return macros.defines() + stride_defines(p);
  }
};

Candidate patches_candidate(const Problem& p, const DeviceProfile& profile, PatchesBody body) {
  const std::int64_t pixels = p.n * p.oh() * p.ow();
  const std::int64_t tiles = ceil_div(p.k_per_group(), body.tf);
  const std::int64_t blocks = body.blocks(p) * p.g;
  body.split = static_cast<int>(parts_for(profile, blocks * body.runs, pixels, body.depth() / 2));
  const PlainGradient gradient(p);
  WorkspaceLayout layout(profile);
  if (gradient.copied) layout.add(gradient.planes.bytes());
  const Result result(p, body.split, layout);

  // Cycles of a work-group: transposing pixels of a row by fours; multiplying as in `filters`, the loop over
  // pixels included; adding to the result once per step.
  const double part = static_cast<double>(ceil_div(pixels, body.split));
  const double steps = std::ceil(part / static_cast<double>(body.depth()));
  const double run_tiles = static_cast<double>(ceil_div(tiles, body.runs));
  const double rows = part / static_cast<double>(p.ow());
  const double row_quads = rows * static_cast<double>(ceil_div(p.ow(), 4));
  const double quad_cycles = p.sw == 1 ? 16 : p.sw == 2 ? 30 : 8.0 * body.vw;
  const double copy_cycles = body.kv * (50 * rows + row_quads * quad_cycles);
  const double fma_cycles = part * run_tiles * std::max(4.0, body.kv * body.tf / 2.0);
  const double load_cycles = part * run_tiles * (body.kv + body.tf) / 2 * 1.1;
  const double store_cycles = run_tiles * steps * (4.0 * body.kv * body.tf + 150);
  Pass multiply;
  multiply.groups = static_cast<double>(blocks * body.runs * body.split);
  multiply.flops =
      multiply.groups *
      (copy_cycles + std::max(fma_cycles, load_cycles) + part * run_tiles + store_cycles) * 2 * 2 *
      body.vw;
  const double share = with_few_registers(body.vw, body.kv == 1 ? 0.8 : 1.0);
  multiply.efficiency = profile.family == Family::kCpu ? share : 0.02;
  multiply.bytes = bytes_touched(p);
  return candidate_of(
      p, body.config(), layout.bytes(),
      predicted_us(profile, {gradient.pass(p), multiply, Result::pass(p, body.split)}));
}

std::vector<Candidate> patches_candidates(const Problem& p, const DeviceProfile& profile) {
  constexpr std::size_t kOffered = 2;
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  std::vector<Candidate> candidates;
  for (const int kv : {1, 2, 4}) {
    if (kv > 1 && (kv - 1) * vw >= p.c_per_group() * p.kh * p.kw) continue;
    // Beyond 13 rows of dy too few of their addresses stay in registers (3 to 5 % slower with 14).
    const int tf = std::min((registers - kv - 1) / kv, 13);
    PatchesBody body{kv, tf, vw, 1, 1};
    if (tf < 1 || tf > p.k_per_group() || !body.fits(profile)) continue;
    candidates.push_back(patches_candidate(p, profile, body));
    // Instead of parts of the pixels, which another launch adds up, runs of filters, which copy the same
    // patches again.
    body.runs =
        static_cast<int>(parts_for(profile, body.blocks(p) * p.g, ceil_div(p.k_per_group(), tf)));
    if (body.runs > 1) candidates.push_back(patches_candidate(p, profile, body));
  }
  return best_of(std::move(candidates), kOffered);
}

std::unique_ptr<const Executable> build_patches(const Problem& p, const PatchesBody& body,
                                                Device& device) {
  if (body.tf > p.k_per_group() || !body.fits(device.profile())) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': a tile exceeds filters, or local memory");
  }
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(device.profile());
  const PlainGradient gradient(p);
  const Region dy = gradient.add_to(*executable, device, layout);
  const std::int64_t pixels = p.n * p.oh() * p.ow();
  const std::int64_t pixels_per_part = ceil_div(pixels, body.split);
  const std::int64_t parts = ceil_div(pixels, pixels_per_part);
  const Result result(p, parts, layout);
  std::vector<Argument> arguments = patch_arguments(p, dy, result.region);
  for (const Argument& argument :
       std::vector<Argument>{{"blocks", narrow(body.blocks(p))},
                             {"runs", narrow(body.runs)},
                             {"pixels", cl_long{pixels}},
                             {"pixels_per_part", cl_long{pixels_per_part}},
                             {"step", narrow(body.step(p, pixels_per_part))},
                             {"part_stride", result.stride(p)}}) {
    arguments.push_back(argument);
  }
  executable->run.add(std::make_unique<KernelStep>(
      "multiply",
      device.kernel("implicit_gemm_weights/patches", "weights_patches", body.defines(p)), arguments,
      one_item_groups(body.blocks(p) * body.runs * p.g * parts)));
  result.finish(*executable, device, p);
  executable->workspace_bytes = layout.bytes();
  return executable;
}

// ---- tile: local memory -------------------------------------------------------------------------

constexpr Tile kTiles[] = {{128, 128, 8, 8, 8}, {64, 64, 8, 8, 8}, {32, 32, 16, 4, 4}};

// Work-groups of one part.
std::int64_t tile_groups(const Problem& p, const Tile& tile) {
  return ceil_div(p.k_per_group(), tile.bm) * ceil_div(p.c_per_group() * p.kh * p.kw, tile.bn) *
         p.g;
}

std::vector<Candidate> tile_candidates(const Problem& p, const DeviceProfile& profile) {
  std::vector<Candidate> candidates;
  const std::int64_t pixels = p.n * p.oh() * p.ow();
  for (Tile tile : kTiles) {
    if (!tile.fits(profile)) continue;
    const std::int64_t groups = tile_groups(p, tile);
    tile.split = static_cast<int>(parts_for(profile, groups, pixels, 256));
    WorkspaceLayout layout(profile);
    const Result result(p, tile.split, layout);
    Pass pass;
    pass.groups = tile.filling(groups * tile.split);
    pass.flops = static_cast<double>(groups) * 2.0 * tile.bm * tile.bn *
                 static_cast<double>(round_up(pixels, tile.bk));
    pass.efficiency = tile.efficiency();
    pass.bytes = bytes_touched(p);
    candidates.push_back(candidate_of(p, tile.config(), layout.bytes(),
                                      predicted_us(profile, {pass, Result::pass(p, tile.split)})));
  }
  return candidates;
}

std::unique_ptr<const Executable> build_tile(const Problem& p, const Tile& tile, Device& device) {
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(device.profile());
  const std::int64_t image_pixels = p.oh() * p.ow();
  const std::int64_t pixels = p.n * image_pixels;
  const std::int64_t pixels_per_part = ceil_div(pixels, tile.split);
  const std::int64_t parts = ceil_div(pixels, pixels_per_part);
  const Result result(p, parts, layout);
  const auto local = static_cast<std::size_t>(tile.items());
  executable->run.add(std::make_unique<KernelStep>(
      "multiply",
      device.kernel("implicit_gemm_weights/tile", "weights_tile", class_defines(p, tile.defines())),
      std::vector<Argument>{
          {"x", Region{kXSlot}},
          {"dy", Region{kDySlot}},
          {"y_mask", Region{p.mask ? kYSlot : kDySlot}},
          {"result", result.region},
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
          {"pixels", cl_long{pixels}},
          {"pixels_per_part", cl_long{pixels_per_part}},
          {"filter_tiles", narrow(ceil_div(p.k_per_group(), tile.bm))},
          {"column_tiles", narrow(ceil_div(p.c_per_group() * p.kh * p.kw, tile.bn))},
          {"step_image", narrow(tile.bk / image_pixels)},
          {"step_i", narrow(tile.bk % image_pixels / p.ow())},
          {"step_j", narrow(tile.bk % p.ow())},
          {"part_stride", result.stride(p)}},
      Range{{static_cast<std::size_t>(tile_groups(p, tile) * parts) * local, 1, 1},
            {local, 1, 1}}));
  result.finish(*executable, device, p);
  executable->workspace_bytes = layout.bytes();
  return executable;
}

}  // namespace

std::vector<Candidate> weights_candidates(const Problem& problem, const DeviceProfile& profile) {
  const Problem p = flattened(problem);
  if (profile.family == Family::kGpu) {
    std::vector<Candidate> tiles = tile_candidates(p, profile);
    if (!tiles.empty()) return tiles;  // else it has too little local memory
  }
  std::vector<Candidate> candidates = filters_candidates(p, profile);
  for (Candidate& c : pixels_candidates(p, profile))
    candidates.push_back(c);
  for (Candidate& c : planes_candidates(p, profile))
    candidates.push_back(c);
  for (Candidate& c : patches_candidates(p, profile))
    candidates.push_back(c);
  return candidates;
}

std::unique_ptr<const Executable> build_weights(const Problem& problem, const Config& config,
                                                Device& device) {
  const Problem p = flattened(problem);
  if (config.has("bm")) return build_tile(p, Tile::from(config), device);
  if (config.has("tf")) return build_patches(p, PatchesBody::from(config), device);
  if (config.has("ne")) return build_planes(p, PlanesBody::from(config), device);
  if (config.has("mr")) return build_pixels(p, PixelsBody::from(config), device);
  return build_filters(p, FiltersBody::from(config), device);
}

}  // namespace clconv::core::implicit_gemm
