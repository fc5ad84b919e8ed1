// A 1x1 filter at stride 1 without padding: each image already is the matrix, so every direction is one
// CLBlast product per image and group, straight from tensor to tensor. No im2col, no folding.
//
//   forward   y^T  (pixels x filters)   = x^T  (pixels x channels) * w^T
//   data      dx^T (pixels x channels)  = dy^T (pixels x filters)  * w
//   weights   dw^T (channels x filters) = x    (channels x pixels) * dy^T, summed over the images
//
// (column-major; an image (channels, pixels) in row-major order is its transpose.) With the channels last, all
// images together are one matrix, a group some of its columns:
//
//   forward   y^T  (filters x pixels)   = w    (filters x channels) * x^T
#include "ops/activation.hpp"
#include "ops/correlation.hpp"
#include "ops/epilogue.hpp"
#include "ops/gemm.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

// Products are steps made one by one; beyond this many another strategy is the better idea.
constexpr std::int64_t kMaxProducts = 4096;

bool channels_last(const Problem& p) {
  return p.layout == TensorLayout::kNhwc;
}

// Products: one per group and image, or group.
std::int64_t images(const Problem& p) {
  return channels_last(p) ? 1 : p.n;
}

Gemm product(const Problem& p) {
  const std::int64_t pixels = p.h * p.w;
  const std::int64_t channels = p.c_per_group();
  const std::int64_t filters = p.k_per_group();
  Gemm gemm;
  switch (p.direction) {
    case Direction::
        kForward:  // the weights packed with the filters innermost, as CLBlast wants them
      if (channels_last(p)) {
        gemm.m = gemm.lda = filters;
        gemm.n = p.n * pixels;
        gemm.k = channels;
        gemm.ldb = p.c;
        gemm.ldc = p.k;
        break;
      }
      gemm.transpose_b = true;
      gemm.m = gemm.lda = gemm.ldc = pixels;
      gemm.n = gemm.ldb = filters;
      gemm.k = channels;
      break;
    case Direction::kBackwardData:
    case Direction::kTransposed:  // here they lie like that already
      gemm.transpose_b = true;
      gemm.m = gemm.lda = gemm.ldc = pixels;
      gemm.n = gemm.ldb = channels;
      gemm.k = filters;
      break;
    case Direction::kBackwardWeights:
      gemm.transpose_a = true;
      gemm.m = gemm.ldc = channels;
      gemm.n = filters;
      gemm.k = gemm.lda = gemm.ldb = pixels;
      break;
    case Direction::kBackwardBias: break;
  }
  return gemm;
}

bool packs(const Problem& p) {
  return p.direction == Direction::kForward;
}

FilterBlocks packing(const Problem& p) {
  return FilterBlocks(correlations_of(p).front(), p.k_per_group());
}

std::int64_t temporary_bytes(const Problem& p, const DeviceProfile& profile,
                             GemmParameters parameters) {
  const Gemm gemm = product(p);
  bool aligned = true;
  const bool last = channels_last(p);  // then groups are columns of x and y
  for (const std::int64_t stride :
       {gemm.m * gemm.k, last ? gemm.k : gemm.n * gemm.k, last ? gemm.m : gemm.m * gemm.n}) {
    aligned = aligned && stride * Problem::kFloatBytes % profile.base_alignment_bytes == 0;
  }
  if (!last && p.n > 1) {
    for (const std::int64_t stride : {p.input_image(), p.result_image()})
      aligned = aligned && stride * Problem::kFloatBytes % profile.base_alignment_bytes == 0;
  }
  return gemm_workspace_bytes(profile, parameters, gemm, images(p) * p.g > 1 && !aligned);
}

// The temporary memory of one product, which all share, and the masked gradient.
struct Regions {
  Region temporary, masked;
  std::int64_t bytes;
  Regions(const Problem& p, const DeviceProfile& profile, GemmParameters parameters) {
    WorkspaceLayout layout(profile);
    if (p.mask) masked = layout.add(p.y_bytes());
    temporary = layout.add(temporary_bytes(p, profile, parameters));
    bytes = layout.bytes();
  }
};

Candidate candidate(const Problem& p, const DeviceProfile& profile, GemmParameters parameters) {
  Candidate c;
  c.config = {{"tuned", parameters == GemmParameters::kTuned ? 1 : 0}};
  c.workspace_bytes = Regions(p, profile, parameters).bytes;
  c.prepared_weights_bytes = packs(p) ? packing(p).bytes() : 0;
  c.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  c.predicted_setup_us = kPredictedGemmBuildUs;
  const Pass multiply = times(gemm_pass(profile, parameters, product(p)), real(images(p) * p.g));
  c.predicted_us = predicted_us(profile, {multiply, finishing_pass(p)});
  return c;
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  const std::pair<const char*, std::pair<std::int64_t, std::int64_t>> wanted[] = {
      {"kh", {p.kh, 1}}, {"kw", {p.kw, 1}}, {"sh", {p.sh, 1}}, {"sw", {p.sw, 1}},
      {"pt", {p.pt, 0}}, {"pl", {p.pl, 0}}, {"pb", {p.pb, 0}}, {"pr", {p.pr, 0}},
  };
  for (const auto& [field, values] : wanted) {
    if (values.first != values.second) {
      return Rejection{Reason::kShape, field, values.first, values.second, ""};
    }
  }
  if (auto rejection = storage_not_served(p, {Serves::kNhwc})) return *rejection;
  if (auto rejection = too_large(p)) return *rejection;
  if (images(p) * p.g > kMaxProducts) {
    return Rejection{Reason::kTooLarge, "n*g", images(p) * p.g, kMaxProducts, ""};
  }
  if (auto rejection = gemm_too_large(product(p))) return *rejection;
  std::vector<Candidate> candidates;
  for (const GemmParameters parameters : gemm_parameter_sets(profile)) {
    candidates.push_back(candidate(p, profile, parameters));
  }
  return candidates;
}

std::unique_ptr<Executable> build(const Problem& p, const Config& config, Device& device) {
  const auto parameters = static_cast<GemmParameters>(config.get("tuned", 0, 1));
  const Regions regions(p, device.profile(), parameters);
  auto executable = std::make_unique<Executable>();
  executable->workspace_bytes = regions.bytes;
  Region weights{kWeightsSlot};
  if (packs(p)) {
    const FilterBlocks blocks = packing(p);
    weights = {kPreparedSlot, 0, blocks.bytes()};
    executable->prepared_weights_bytes = weights.bytes;
    executable->prepare.add(
        pack_filters(device, correlations_of(p).front(), blocks, Region{kWeightsSlot}, weights));
  }
  Region dy{kDySlot};
  if (p.mask) {
    executable->run.add(
        activation_gradient(device, p.y_elements(), mask_of(p), dy, regions.masked));
    dy = regions.masked;
  }
  const std::int64_t pixels = p.h * p.w;
  const std::int64_t channels = p.c_per_group();
  const std::int64_t filters = p.k_per_group();
  for (std::int64_t image = 0; image < images(p); ++image) {
    for (std::int64_t group = 0; group < p.g; ++group) {
      const std::int64_t step = channels_last(p) ? 1 : pixels;  // from one channel to the next
      const bool dx = p.wants_dx();
      const std::int64_t x_at =
          image * (dx ? p.result_image() : p.input_image()) + group * channels * step;
      const std::int64_t y_at =
          image * (dx ? p.input_image() : p.result_image()) + group * filters * step;
      const std::int64_t w_at = group * filters * channels;
      Gemm gemm = product(p);
      gemm.beta = p.accumulate ? 1.0f : 0.0f;
      Matrix a{{kXSlot}, x_at}, b{weights, w_at}, c{{kYSlot}, y_at};
      if (channels_last(p)) {
        std::swap(a, b);
      } else if (p.wants_dx()) {
        a = {dy, y_at};
        c = {{kDxSlot}, x_at};
      } else if (p.direction == Direction::kBackwardWeights) {
        b = {dy, y_at};
        c = {{kDwSlot}, w_at};
        if (image > 0) gemm.beta = 1.0f;
      }
      executable->run.add(gemm_step(device, parameters, gemm, a, b, c, regions.temporary));
    }
  }
  if (p.finishes()) {
    executable->run.add(finish_output(device, p, Region{kBiasSlot}, Region{kResidualSlot},
                                      Region{p.wants_dx() ? kDxSlot : kYSlot}));
  }
  return executable;
}

}  // namespace

extern const Strategy strategy_pointwise_gemm = {
    "pointwise_gemm", offer, build, false, nullptr, "ops/activation ops/epilogue ops/pack"};

}  // namespace clconv::core
