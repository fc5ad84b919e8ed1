// Implicit GEMM: gathers patches while multiplying, no im2col matrix in memory. Three bodies (see
// implicit_gemm.cl): `tile` for GPUs, `filters` and `pixels` for CPUs. All run on all devices; the
// cost model knows which suits which family, so the planner's choice follows from the profile.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kElement = Problem::kElementBytes;

// A 1x1 filter at stride 1 without padding sees no rows: one long row tiles best.
Problem flattened(const Problem& problem) {
  Problem p = problem;
  if (p.kh * p.kw == 1 && p.sh * p.sw == 1 && !p.padded()) {
    p.w *= p.h;
    p.h = 1;
  }
  return p;
}

std::string class_defines(const Problem& p, const Config& config) {
  return config.defines() + " -DSH=" + std::to_string(p.sh) + " -DSW=" + std::to_string(p.sw) +
         " -DDH=" + std::to_string(p.dh) + " -DDW=" + std::to_string(p.dw) + " " +
         epilogue_defines(p);
}

// Vector width of the CPU bodies; on a scalar architecture (a GPU running them anyway) 4.
int vector_width(const DeviceProfile& profile) {
  return profile.float_width >= 16 ? 16 : profile.float_width >= 8 ? 8 : 4;
}

// Vector registers: 32 with AVX-512, 16 with AVX, SSE (and NEON's 32 used as 16).
int vector_registers(int width) {
  return width == 16 ? 32 : 16;
}

std::int64_t aligned(std::int64_t bytes, const DeviceProfile& profile) {
  WorkspaceLayout layout(profile);
  layout.add(bytes);
  return layout.bytes();
}

// ---- filters: vectors along the filters ---------------------------------------------------------

struct FiltersBody {
  int kv, th, tw, vw;

  std::int64_t block() const { return std::int64_t{vw} * kv; }
  Config config() const { return {{"kv", kv}, {"th", th}, {"tw", tw}, {"vw", vw}}; }
  static FiltersBody from(const Config& c) {
    return {c.get("kv", 1, 8), c.get("th", 1, 64), c.get("tw", 1, 64), c.get("vw", 4, 16)};
  }
};

Candidate filters_candidate(const Problem& p, const DeviceProfile& profile,
                            const FiltersBody& body) {
  const FilterBlocks blocks(p, body.block());
  const PaddedPlanes planes(p);
  const std::int64_t tiles_y = ceil_div(p.oh(), body.th);
  const std::int64_t tiles_x = ceil_div(p.ow(), body.tw);
  const double groups = static_cast<double>(tiles_x * tiles_y) *
                        static_cast<double>(blocks.blocks(p)) * static_cast<double>(p.n);
  const double reduction = static_cast<double>(p.reduction());
  const double pixels = body.th * body.tw;

  // Cycles of a work-group at two FMAs and (not quite) two loads a cycle; the transposing store
  // costs about 200 cycles per vector of filters and vector of pixels, more where rows are cut to
  // pieces. Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt.
  const double fma_cycles = reduction * body.kv * pixels / 2;
  const double load_cycles = reduction * (body.kv + pixels) / 2 * 1.1;
  const bool whole_rows = body.th == 1 || body.tw == p.ow();
  const double stores = body.kv * std::ceil(pixels / body.vw);
  const double store_cycles = stores * (whole_rows ? 200 : 280);
  const double cycles = std::max(fma_cycles, load_cycles) + store_cycles;
  Pass multiply;
  multiply.flops = groups * fma_cycles * 2 * 2 * body.vw;
  multiply.efficiency = (profile.family == Family::kCpu ? 0.96 : 0.02) * fma_cycles / cycles;
  multiply.bytes = static_cast<double>(p.x_bytes() + p.y_bytes() + blocks.bytes(p));
  multiply.groups = groups;

  Candidate candidate;
  candidate.config = body.config();
  candidate.prepared_weights_bytes = blocks.bytes(p);
  candidate.error_bound = summation_error_bound(p.reduction());
  if (p.padded()) {
    candidate.workspace_bytes = aligned(planes.bytes(p), profile);
    Pass pad;
    pad.bytes = static_cast<double>(p.x_bytes() + planes.bytes(p));
    pad.groups = static_cast<double>(p.n * p.c * planes.hp);
    candidate.predicted_us = predicted_us(profile, {pad, multiply});
  } else {
    candidate.predicted_us = predicted_us(profile, {multiply});
  }
  return candidate;
}

// The best few (KV, TH, TW) by the model; the measured choice among them is the planner's.
std::vector<Candidate> filters_candidates(const Problem& p, const DeviceProfile& profile) {
  constexpr std::size_t kOffered = 4;
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  std::vector<Candidate> candidates;
  for (int kv = 1; kv <= 4; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= p.k_per_group()) continue;
    const int most_pixels = (registers - kv - 1) / kv;
    for (int th = 1; th <= most_pixels && th <= p.oh(); ++th) {
      const int tw = static_cast<int>(std::min<std::int64_t>(most_pixels / th, p.ow()));
      if (tw < 1) continue;
      candidates.push_back(filters_candidate(p, profile, {kv, th, tw, vw}));
      // A narrower tile with as many tiles in the row does less twice.
      const std::int64_t tiles = ceil_div(p.ow(), tw);
      const int even = static_cast<int>(ceil_div(p.ow(), tiles));
      if (even != tw) candidates.push_back(filters_candidate(p, profile, {kv, th, even, vw}));
    }
  }
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.predicted_us < b.predicted_us; });
  candidates.resize(std::min(candidates.size(), kOffered));
  return candidates;
}

std::unique_ptr<const Executable> build_filters(const Problem& p, const FiltersBody& body,
                                                Device& device) {
  if (body.th > p.oh() || body.tw > p.ow()) {
    throw Error(Code::kInvalidArgument, "config '" + body.config().text() +
                                            "': a tile exceeds the " + std::to_string(p.oh()) +
                                            "x" + std::to_string(p.ow()) + " output");
  }
  const FilterBlocks blocks(p, body.block());
  const PaddedPlanes planes(p);
  auto executable = std::make_unique<Executable>();
  const Region packed{kPreparedSlot, 0, blocks.bytes(p)};
  executable->prepared_weights_bytes = packed.bytes;
  executable->prepare.add(pack_filters(device, p, blocks, Region{kWeightsSlot}, packed));

  Region x{kXSlot};
  std::int64_t pitch = p.w;
  std::int64_t plane = p.h * p.w;
  if (p.padded()) {
    WorkspaceLayout layout(device.profile());
    const Region padded = layout.add(planes.bytes(p));
    executable->run.add(pad_planes(device, p, planes, x, padded));
    executable->workspace_bytes = layout.bytes();
    x = padded;
    pitch = planes.wp;
    plane = planes.hp * planes.wp;
  }
  const std::int64_t tiles_x = ceil_div(p.ow(), body.tw);
  const std::int64_t tiles = tiles_x * ceil_div(p.oh(), body.th);
  // Whichever is larger, the weights or an image, should be read once and not per block or image.
  const bool blocks_inner = blocks.bytes(p) <= p.c * plane * kElement;
  executable->run.add(std::make_unique<KernelStep>(
      "multiply",
      device.kernel("implicit_gemm", "implicit_gemm_filters", class_defines(p, body.config())),
      std::vector<Argument>{x, packed, Region{kBiasSlot}, Region{kYSlot}, narrow(p.n),
                            narrow(p.c_per_group()), narrow(p.kh), narrow(p.kw), narrow(pitch),
                            cl_long{plane}, narrow(p.oh()), narrow(p.ow()), narrow(tiles_x),
                            narrow(tiles), narrow(p.k_per_group()), narrow(blocks.blocks_per_group),
                            narrow(p.g), cl_int{blocks_inner ? 1 : 0}},
      one_item_groups(tiles * blocks.blocks(p) * p.n)));
  return executable;
}

// ---- pixels: vectors along the pixels of a row --------------------------------------------------

struct PixelsBody {
  int mr, nv, vw;

  std::int64_t span() const { return std::int64_t{vw} * nv; }
  Config config() const { return {{"mr", mr}, {"nv", nv}, {"vw", vw}}; }
  static PixelsBody from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 32), c.get("vw", 4, 16)};
  }
  // Wide enough for the last vector, and for the odd elements that stride 2 loads and drops.
  PaddedPlanes planes(const Problem& p) const {
    PaddedPlanes planes(p);
    planes.wp = (round_up(p.ow(), span()) - 1) * p.sw + p.dw * (p.kw - 1) + p.sw;
    return planes;
  }
  bool needs_planes(const Problem& p) const {
    return p.padded() || p.sw != 1 || p.ow() % span() != 0;
  }
};

Candidate pixels_candidate(const Problem& p, const DeviceProfile& profile, const PixelsBody& body) {
  const FilterBlocks blocks(p, body.mr);
  const PaddedPlanes planes = body.planes(p);
  const double groups = static_cast<double>(ceil_div(p.ow(), body.span()) * p.oh()) *
                        static_cast<double>(blocks.blocks(p)) * static_cast<double>(p.n);
  const double reduction = static_cast<double>(p.reduction());
  // As in filters_candidate; stride 2 loads twice and shuffles.
  const double fma_cycles = reduction * body.mr * body.nv / 2;
  const double load_cycles = reduction * (body.nv * (p.sw == 1 ? 1 : 4) + body.mr) / 2;
  const double cycles = std::max(fma_cycles, load_cycles) + 4.0 * body.mr * body.nv + 30;
  Pass multiply;
  multiply.flops = groups * fma_cycles * 2 * 2 * body.vw;
  multiply.efficiency = (profile.family == Family::kCpu ? 0.9 : 0.02) * fma_cycles / cycles;
  multiply.bytes = static_cast<double>(p.x_bytes() + p.y_bytes() + blocks.bytes(p));
  multiply.groups = groups;

  Candidate candidate;
  candidate.config = body.config();
  candidate.prepared_weights_bytes = blocks.bytes(p);
  candidate.error_bound = summation_error_bound(p.reduction());
  if (body.needs_planes(p)) {
    candidate.workspace_bytes = aligned(planes.bytes(p), profile);
    Pass pad;
    pad.bytes = static_cast<double>(p.x_bytes() + planes.bytes(p));
    pad.groups = static_cast<double>(p.n * p.c * planes.hp);
    candidate.predicted_us = predicted_us(profile, {pad, multiply});
  } else {
    candidate.predicted_us = predicted_us(profile, {multiply});
  }
  return candidate;
}

std::vector<Candidate> pixels_candidates(const Problem& p, const DeviceProfile& profile) {
  constexpr std::size_t kOffered = 2;
  std::vector<Candidate> candidates;
  if (p.sw > 2) return candidates;  // would need a gather per vector
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  for (const int mr : {1, 2, 4, 8, 16}) {
    if (mr > 1 && mr / 2 >= p.k_per_group()) continue;
    for (const int nv : {1, 2, 3, 4, 6}) {
      if (mr * nv + nv + 1 > registers) continue;
      if (nv > 1 && (nv - 1) * vw >= p.ow()) continue;
      candidates.push_back(pixels_candidate(p, profile, {mr, nv, vw}));
    }
  }
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.predicted_us < b.predicted_us; });
  candidates.resize(std::min(candidates.size(), kOffered));
  return candidates;
}

std::unique_ptr<const Executable> build_pixels(const Problem& p, const PixelsBody& body,
                                               Device& device) {
  if (p.sw > 2) {
    throw Error(Code::kInvalidArgument,
                "config '" + body.config().text() + "': needs sw <= 2, is " + std::to_string(p.sw));
  }
  const FilterBlocks blocks(p, body.mr);
  auto executable = std::make_unique<Executable>();
  const Region packed{kPreparedSlot, 0, blocks.bytes(p)};
  executable->prepared_weights_bytes = packed.bytes;
  executable->prepare.add(pack_filters(device, p, blocks, Region{kWeightsSlot}, packed));

  Region x{kXSlot};
  std::int64_t pitch = p.w;
  std::int64_t plane = p.h * p.w;
  if (body.needs_planes(p)) {
    const PaddedPlanes planes = body.planes(p);
    WorkspaceLayout layout(device.profile());
    const Region padded = layout.add(planes.bytes(p));
    executable->run.add(pad_planes(device, p, planes, x, padded));
    executable->workspace_bytes = layout.bytes();
    x = padded;
    pitch = planes.wp;
    plane = planes.hp * planes.wp;
  }
  const std::int64_t tiles_x = ceil_div(p.ow(), body.span());
  executable->run.add(std::make_unique<KernelStep>(
      "multiply",
      device.kernel("implicit_gemm", "implicit_gemm_pixels", class_defines(p, body.config())),
      std::vector<Argument>{x, packed, Region{kBiasSlot}, Region{kYSlot}, narrow(p.n),
                            narrow(p.c_per_group()), narrow(p.kh), narrow(p.kw), narrow(pitch),
                            cl_long{plane}, narrow(p.oh()), narrow(p.ow()), narrow(tiles_x),
                            narrow(p.k_per_group()), narrow(blocks.blocks_per_group), narrow(p.g)},
      one_item_groups(tiles_x * p.oh() * blocks.blocks(p) * p.n)));
  return executable;
}

// ---- tile: local memory -------------------------------------------------------------------------

struct TileBody {
  int bm, bn, bk, tm, tn;

  std::int64_t items() const { return std::int64_t{bm / tm} * (bn / tn); }
  std::int64_t local_bytes() const { return (std::int64_t{bk} * (bm + 1) + bk * bn) * kElement; }
  Config config() const { return {{"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}}; }
  static TileBody from(const Config& c) {
    const TileBody body{c.get("bm", 1, 256), c.get("bn", 1, 256), c.get("bk", 1, 64),
                        c.get("tm", 1, 16), c.get("tn", 1, 16)};
    // The fetch loops hand out whole rows and columns.
    if (body.bm % body.tm != 0 || body.bn % body.tn != 0 || body.items() % body.bn != 0 ||
        body.items() % body.bk != 0 || body.bk % (body.items() / body.bn) != 0 ||
        body.bm % (body.items() / body.bk) != 0) {
      throw Error(Code::kInvalidArgument,
                  "config '" + c.text() + "': the tiles do not divide among the work-items");
    }
    return body;
  }
};

constexpr TileBody kTiles[] = {
    {128, 128, 16, 8, 8},  // the classic SGEMM shape: 256 work-items, 64 accumulators each
    {64, 64, 16, 4, 4},
    {32, 64, 16, 4, 4},  // few filters
    {32, 32, 16, 4, 4},  // small results, and devices with small work-groups
};

std::vector<Candidate> tile_candidates(const Problem& p, const DeviceProfile& profile) {
  std::vector<Candidate> candidates;
  const std::int64_t pixels = p.n * p.oh() * p.ow();
  for (const TileBody& body : kTiles) {
    if (body.items() > profile.max_work_group_size) continue;
    if (body.local_bytes() > profile.local_memory_bytes) continue;
    const std::int64_t filter_tiles = ceil_div(p.k_per_group(), body.bm);
    const double groups =
        static_cast<double>(filter_tiles * p.g) * static_cast<double>(ceil_div(pixels, body.bn));
    Pass pass;
    pass.groups = groups;
    pass.flops =
        groups * 2.0 * body.bm * body.bn * static_cast<double>(round_up(p.reduction(), body.bk));
    // A GPU's local memory feeds (tm*tn)/(tm+tn) multiply-adds per word: 0.6 of peak at 8x8 is what
    // such kernels reach without vector loads; unmeasured here. On PoCL (2026-11, 2-core Zen 5)
    // 10-25 of 500 GFLOP/s.
    const double reuse = static_cast<double>(body.tm * body.tn) / (body.tm + body.tn);
    pass.efficiency = profile.family == Family::kCpu ? 0.03 : 0.6 * reuse / 4.0;
    pass.bytes = static_cast<double>(p.x_bytes() + p.w_bytes() + p.y_bytes());
    Candidate candidate;
    candidate.config = body.config();
    candidate.predicted_us = predicted_us(profile, {pass});
    candidate.error_bound = summation_error_bound(p.reduction());
    candidates.push_back(candidate);
  }
  return candidates;
}

std::unique_ptr<const Executable> build_tile(const Problem& p, const TileBody& body,
                                             Device& device) {
  const std::int64_t pixels = p.n * p.oh() * p.ow();
  const std::int64_t filter_tiles = ceil_div(p.k_per_group(), body.bm);
  const std::int64_t pixel_tiles = ceil_div(pixels, body.bn);
  const std::int64_t step = body.items() / body.bn;  // B_ROWS of the kernel
  auto executable = std::make_unique<Executable>();
  const auto local = static_cast<std::size_t>(body.items());
  executable->run.add(std::make_unique<KernelStep>(
      "multiply",
      device.kernel("implicit_gemm", "implicit_gemm_tile", class_defines(p, body.config())),
      std::vector<Argument>{Region{kXSlot},
                            Region{kWeightsSlot},
                            Region{kBiasSlot},
                            Region{kYSlot},
                            narrow(p.c),
                            narrow(p.h),
                            narrow(p.w),
                            narrow(p.k),
                            narrow(p.kh),
                            narrow(p.kw),
                            narrow(p.pt),
                            narrow(p.pl),
                            narrow(p.oh()),
                            narrow(p.ow()),
                            narrow(p.g),
                            cl_long{pixels},
                            narrow(filter_tiles),
                            cl_long{pixel_tiles},
                            narrow(step / (p.kh * p.kw)),
                            narrow(step % (p.kh * p.kw) / p.kw),
                            narrow(step % p.kw)},
      Range{{static_cast<std::size_t>(filter_tiles * pixel_tiles * p.g) * local, 1, 1},
            {local, 1, 1}}));
  return executable;
}

// ---- the strategy -------------------------------------------------------------------------------

Offer offer(const Problem& problem, const DeviceProfile& profile, std::int64_t) {
  if (auto rejection = too_large(problem)) return *rejection;
  const Problem p = flattened(problem);
  std::vector<Candidate> candidates;
  for (const auto& list : {filters_candidates(p, profile), pixels_candidates(p, profile),
                           tile_candidates(problem, profile)}) {
    candidates.insert(candidates.end(), list.begin(), list.end());
  }
  return candidates;
}

std::unique_ptr<const Executable> build(const Problem& problem, const Config& config,
                                        Device& device) {
  if (config.has("bm")) return build_tile(problem, TileBody::from(config), device);
  const Problem p = flattened(problem);
  if (config.has("mr")) return build_pixels(p, PixelsBody::from(config), device);
  return build_filters(p, FiltersBody::from(config), device);
}

}  // namespace

extern const Strategy strategy_implicit_gemm = {"implicit_gemm", offer, build};

}  // namespace clconv::core
