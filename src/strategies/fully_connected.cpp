// Fully connected layers, to a convolution those whose filter is the image: one product for the whole batch
// and in every direction, since x (n, c*h*w), w (k, c*h*w) and y (n, k) lie in memory as its matrices.
// Own bodies for CPUs, which pack nothing; CLBlast for everything else.
#include <algorithm>

#include "ops/activation.hpp"
#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

// Work-groups per compute unit that even out what one takes longer than another.
constexpr std::int64_t kGroupsPerUnit = 4;

// Cycles of a register tile of `accumulators` that brings `loads` vectors or numbers per step, at two FMAs
// and (not quite) two loads a cycle; a chain of FMAs advances every 4 cycles.
double cycles(std::int64_t steps, double accumulators, double loads) {
  return static_cast<double>(steps) * std::max({4.0, accumulators / 2, loads / 2 * 1.1});
}

// What of that is reached: everything comes from the second cache. PoCL 3.1, 2-core Zen 5, 2026-11:
// n32c2048h1w1k250kh1kw1. On a device that wants no vectors: a guess.
double efficiency(const DeviceProfile& profile) {
  return profile.family == Family::kCpu ? 0.6 : 0.02;
}

Pass product_pass(const DeviceProfile& profile, double groups, double group_cycles, int width,
                  double bytes) {
  Pass pass;
  pass.flops = groups * group_cycles * 2 * 2 * width;  // at full rate
  pass.efficiency = efficiency(profile);
  pass.bytes = bytes;
  pass.groups = groups;
  return pass;
}

std::int64_t inputs(const Problem& p) {
  return p.c * p.h * p.w;
}
Region result(const Problem& p) {
  return Region{static_cast<int>(result_of(p))};
}

Candidate candidate_of(const Problem& p, const Config& config) {
  Candidate candidate;
  candidate.config = config;
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  return candidate;
}

double bytes_touched(const Problem& p) {
  return static_cast<double>(p.x_bytes() + p.w_bytes() + p.y_bytes());
}

std::string defines(const Problem& p, const Config& config) {
  return config.defines() + " " + epilogue_defines(p);
}

// ---- dot: forward -------------------------------------------------------------------------------

struct DotBody {
  int mr, nr, vw;

  Config config() const { return {{"mr", mr}, {"nr", nr}, {"vw", vw}}; }
  static DotBody from(const Config& c) {
    return {c.get("mr", 1, 8), c.get("nr", 1, 8), c.get("vw", 4, 16)};
  }
  std::int64_t row_blocks(const Problem& p) const { return ceil_div(p.k, mr); }
  // Of x, as floats.
  static std::int64_t copy_bytes(const Problem& p) {
    return p.data_type != DataType::kFloat32 && p.n > 1 ? p.x_elements() * Problem::kFloatBytes : 0;
  }
  // All where there are rows enough to divide the work by: w is then read once.
  std::int64_t images_per_item(const Problem& p, const DeviceProfile& profile) const {
    const std::int64_t wanted = ceil_div(profile.compute_units * kGroupsPerUnit, row_blocks(p));
    return round_up(ceil_div(p.n, wanted), nr);
  }

  Candidate candidate(const Problem& p, const DeviceProfile& profile) const {
    Candidate candidate = candidate_of(p, config());
    const std::int64_t images = images_per_item(p, profile);
    const double lane_sums = 8.0 * mr * nr;  // cycles
    const double tile = cycles(ceil_div(inputs(p), vw), mr * nr, mr + nr) + lane_sums;
    const Pass pass = product_pass(
        profile, static_cast<double>(row_blocks(p) * ceil_div(p.n, images)),
        tile * static_cast<double>(ceil_div(std::min(images, p.n), nr)), vw, bytes_touched(p));
    Pass copy;
    copy.bytes = 1.5 * static_cast<double>(copy_bytes(p));
    copy.launches = copy_bytes(p) > 0 ? 1 : 0;
    copy.groups = copy.bytes / 4096;
    candidate.predicted_us = predicted_us(profile, {copy, pass});
    WorkspaceLayout layout(profile);
    layout.add(copy_bytes(p));
    candidate.workspace_bytes = layout.bytes();
    return candidate;
  }

  void build(const Problem& p, Executable& executable, Device& device) const {
    const std::int64_t images = images_per_item(p, device.profile());
    const bool copies = copy_bytes(p) > 0;
    WorkspaceLayout layout(device.profile());
    const Region copy = layout.add(copy_bytes(p));
    executable.workspace_bytes = layout.bytes();
    if (copies) {
      PaddedPlanes rows;
      rows.planes = p.n;
      rows.in_w = rows.wp = inputs(p);
      rows.data_type = p.data_type;
      executable.run.add(pad_planes(device, rows, Region{kXSlot}, nullptr, copy));
    }
    executable.run.add(std::make_unique<KernelStep>(
        "fully_connected",
        device.kernel("fully_connected/dot", "fully_connected_dot",
                      defines(p, config()) + " -DX_FLOATS=" + (copies ? "1" : "0")),
        std::vector<Argument>{{"x", copies ? copy : Region{kXSlot}},
                              {"w", Region{kWeightsSlot}},
                              {"b", Region{kBiasSlot}},
                              {"r", Region{kResidualSlot}},
                              {"y", Region{kYSlot}},
                              {"images", narrow(p.n)},
                              {"c", narrow(inputs(p))},
                              {"k", narrow(p.k)},
                              {"images_per_item", narrow(images)}},
        Range{{static_cast<std::size_t>(row_blocks(p)),
               static_cast<std::size_t>(ceil_div(p.n, images)), 1},
              {1, 1, 1}}));
  }
};

// ---- outer: the gradients and transposed --------------------------------------------------------

struct OuterBody {
  int mr, kv, vw;

  Config config() const { return {{"mr", mr}, {"kv", kv}, {"vw", vw}}; }
  static OuterBody from(const Config& c) {
    return {c.get("mr", 1, 8), c.get("kv", 1, 8), c.get("vw", 4, 16)};
  }
  static std::int64_t rows(const Problem& p) { return p.wants_dx() ? p.n : p.k; }
  std::int64_t row_blocks(const Problem& p) const { return ceil_div(rows(p), mr); }
  std::int64_t column_blocks(const Problem& p) const { return ceil_div(inputs(p), kv * vw); }

  Candidate candidate(const Problem& p, const DeviceProfile& profile) const {
    Candidate candidate = candidate_of(p, config());
    const Pass pass =
        product_pass(profile, static_cast<double>(row_blocks(p) * column_blocks(p)),
                     cycles(p.wants_dx() ? p.k : p.n, mr * kv, mr + kv), vw, bytes_touched(p));
    candidate.predicted_us = predicted_us(profile, {pass});
    return candidate;
  }

  void build(const Problem& p, Executable& executable, Device& device) const {
    const std::int64_t filters_step = 1, images_step = p.k;
    const bool dx = p.wants_dx();
    executable.run.add(std::make_unique<KernelStep>(
        "fully_connected",
        device.kernel("fully_connected/outer", "fully_connected_outer", defines(p, config())),
        std::vector<Argument>{{"dy", Region{kDySlot}},
                              {"y", Region{p.mask ? kYSlot : kDySlot}},
                              {"rows", Region{dx ? kWeightsSlot : kXSlot}},
                              {"b", Region{kBiasSlot}},
                              {"r", Region{kResidualSlot}},
                              {"result", result(p)},
                              {"is", narrow(rows(p))},
                              {"rs", narrow(dx ? p.k : p.n)},
                              {"columns", narrow(inputs(p))},
                              {"i_step", cl_long{dx ? images_step : filters_step}},
                              {"r_step", cl_long{dx ? filters_step : images_step}},
                              {"plane", narrow(p.h * p.w)}},
        Range{{static_cast<std::size_t>(row_blocks(p)), static_cast<std::size_t>(column_blocks(p)),
               1},
              {1, 1, 1}}));
  }
};

// ---- CLBlast ------------------------------------------------------------------------------------
//
// Column-major, so that every row-major matrix here is its transpose.

struct GemmBody {
  GemmParameters parameters;

  Config config() const { return {{"tuned", parameters == GemmParameters::kTuned ? 1 : 0}}; }
  static GemmBody from(const Config& c) {
    return {static_cast<GemmParameters>(c.get("tuned", 0, 1))};
  }

  static Gemm product(const Problem& p) {
    Gemm gemm;
    gemm.beta = p.accumulate ? 1.0f : 0.0f;
    if (p.direction == Direction::kForward) {  // y^T (k,n) = w * x^T
      gemm.transpose_a = true;
      gemm.m = gemm.ldc = p.k;
      gemm.n = p.n;
      gemm.k = gemm.lda = gemm.ldb = inputs(p);
    } else if (p.wants_dx()) {  // dx^T (c,n) = w^T * dy^T
      gemm.m = gemm.lda = gemm.ldc = inputs(p);
      gemm.n = p.n;
      gemm.k = gemm.ldb = p.k;
    } else {  // dw^T (c,k) = x^T * dy
      gemm.transpose_b = true;
      gemm.m = gemm.lda = gemm.ldc = inputs(p);
      gemm.n = gemm.ldb = p.k;
      gemm.k = p.n;
    }
    return gemm;
  }

  struct Regions {
    Region temporary, masked;
    std::int64_t bytes;
    Regions(const Problem& p, const DeviceProfile& profile, GemmParameters parameters) {
      WorkspaceLayout layout(profile);
      if (p.mask) masked = layout.add(p.y_bytes());
      temporary = layout.add(gemm_workspace_bytes(profile, parameters, product(p), false));
      bytes = layout.bytes();
    }
  };

  Candidate candidate(const Problem& p, const DeviceProfile& profile) const {
    Candidate candidate = candidate_of(p, config());
    candidate.workspace_bytes = Regions(p, profile, parameters).bytes;
    candidate.predicted_setup_us = kPredictedGemmBuildUs;
    Pass others;
    others.bytes = (p.finishes() ? 2.0 * static_cast<double>(bytes_of(p, result_of(p))) : 0) +
                   (p.mask ? 3.0 * static_cast<double>(p.y_bytes()) : 0);
    others.launches = (p.finishes() ? 1 : 0) + (p.mask ? 1 : 0);
    others.groups = static_cast<double>(p.n * p.k);
    candidate.predicted_us =
        predicted_us(profile, {gemm_pass(profile, parameters, product(p)), others});
    return candidate;
  }

  void build(const Problem& p, Executable& executable, Device& device) const {
    const Regions regions(p, device.profile(), parameters);
    executable.workspace_bytes = regions.bytes;
    Region dy{kDySlot};
    if (p.mask) {
      executable.run.add(relu_gradient(device, p.y_elements(), Region{kYSlot}, dy, regions.masked));
      dy = regions.masked;
    }
    Matrix a{Region{kWeightsSlot}}, b{dy};
    if (p.direction == Direction::kForward) b = {Region{kXSlot}};
    if (p.direction == Direction::kBackwardWeights) a = {Region{kXSlot}};
    executable.run.add(
        gemm_step(device, parameters, product(p), a, b, {result(p)}, regions.temporary));
    if (p.finishes())
      executable.run.add(
          finish_output(device, p, Region{kBiasSlot}, Region{kResidualSlot}, result(p)));
  }
};

// ---- the strategy -------------------------------------------------------------------------------

std::optional<Rejection> not_fully_connected(const Problem& p) {
  const std::pair<const char*, std::pair<std::int64_t, std::int64_t>> wanted[] = {
      {"kh", {p.kh, p.h}}, {"kw", {p.kw, p.w}}, {"g", {p.g, 1}},   {"pt", {p.pt, 0}},
      {"pl", {p.pl, 0}},   {"pb", {p.pb, 0}},   {"pr", {p.pr, 0}},
  };
  for (const auto& [field, values] : wanted) {
    if (values.first != values.second) {
      return Rejection{Reason::kShape, field, values.first, values.second, ""};
    }
  }
  return std::nullopt;
}

// Register tiles that fill the vector registers, or for one row what reads fastest.
std::vector<DotBody> dot_bodies(const Problem& p, int width) {
  if (p.n == 1) return {{8, 1, width}};
  // Of float16, w is what costs to load.
  const bool half = p.data_type != DataType::kFloat32;
  if (vector_registers(width) == 32) return {half ? DotBody{4, 6, width} : DotBody{6, 4, width}};
  return {{2, 4, width}};
}
std::vector<OuterBody> outer_bodies(const Problem& p, int width) {
  if (OuterBody::rows(p) == 1) return {{1, 8, width}};
  if (vector_registers(width) == 32) return {{4, 6, width}, {6, 4, width}};
  return {{2, 4, width}, {4, 2, width}};
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto rejection = too_large(p)) return *rejection;
  if (auto rejection = not_fully_connected(p)) return *rejection;
  // An image and a filter in the same order are the same rows, whatever that order is.
  const bool same_order =
      p.c == 1 || p.h * p.w == 1 ||
      (p.layout == TensorLayout::kNhwc) == (p.weights_layout == WeightsLayout::kKrsc);
  if (auto rejection = same_order
                           ? storage_not_served(p, {Serves::kNarrow, Serves::kNhwc, Serves::kKrsc})
                           : storage_not_served(p, {Serves::kNarrow})) {
    return *rejection;
  }
  std::vector<Candidate> candidates;
  const int width = vector_width(profile);
  if (p.direction == Direction::kForward) {
    for (const DotBody& body : dot_bodies(p, width))
      candidates.push_back(body.candidate(p, profile));
  } else {
    for (const OuterBody& body : outer_bodies(p, width))
      candidates.push_back(body.candidate(p, profile));
  }
  if (p.data_type == DataType::kFloat32 && !gemm_too_large(GemmBody::product(p))) {
    for (const GemmParameters parameters : gemm_parameter_sets(profile))
      candidates.push_back(GemmBody{parameters}.candidate(p, profile));
  }
  return candidates;
}

std::unique_ptr<const Executable> build(const Problem& p, const Config& config, Device& device) {
  auto executable = std::make_unique<Executable>();
  if (config.has("tuned")) {
    GemmBody::from(config).build(p, *executable, device);
  } else if (p.direction == Direction::kForward) {
    DotBody::from(config).build(p, *executable, device);
  } else {
    OuterBody::from(config).build(p, *executable, device);
  }
  return executable;
}

}  // namespace

extern const Strategy strategy_fully_connected = {"fully_connected", offer, build};

}  // namespace clconv::core
