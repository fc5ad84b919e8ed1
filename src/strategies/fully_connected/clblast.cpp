// clblast: CLBlast's product, in every direction. Column-major, so that every row-major matrix here is its transpose.
#include <algorithm>

#include "ops/activation.hpp"
#include "ops/epilogue.hpp"
#include "strategies/fully_connected/bodies.hpp"

namespace clconv::core::fully_connected {
namespace {

Gemm product_of(const Problem& p) {
  Gemm gemm;
  gemm.beta = p.accumulate ? 1.0f : 0.0f;
  if (p.direction == Direction::kForward) {  // y^T (k,n) = w * x^T
    gemm.transpose_a = true;
    gemm.m = p.k;
    gemm.n = p.n;
    gemm.k = gemm.lda = columns_of(p);
    gemm.ldb = p.input_image();
    gemm.ldc = p.result_image();
  } else if (p.wants_dx()) {  // dx^T (c,n) = w^T * dy^T
    gemm.m = gemm.lda = columns_of(p);
    gemm.n = p.n;
    gemm.k = p.k;
    gemm.ldb = p.input_image();
    gemm.ldc = p.result_image();
  } else {  // dw^T (c,k) = x^T * dy
    gemm.transpose_b = true;
    gemm.m = gemm.lda = gemm.ldc = columns_of(p);
    gemm.n = gemm.ldb = p.k;
    gemm.k = p.n;
  }
  return gemm;
}

class Clblast : public Layout {
 public:
  Clblast(const Case& c, GemmParameters parameters)
      : case_(c), parameters_(parameters), product_(product_of(c.problem)) {
    WorkspaceLayout layout(c.profile);
    if (c.problem.mask) masked_ = layout.add(c.problem.y_bytes());
    temporary_ = layout.add(gemm_workspace_bytes(c.profile, parameters, product_, false));
    workspace_bytes_ = layout.bytes();
  }

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    describe_product(candidate, p);
    candidate.workspace_bytes = workspace_bytes_;
    candidate.predicted_setup_us = kPredictedGemmBuildUs;
    candidate.predicted_us = predicted_us(
        case_.profile, {gemm_pass(case_.profile, parameters_, product_), finishing_pass(p)});
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    executable.workspace_bytes = workspace_bytes_;
    Region dy{kDySlot};
    if (p.mask) {
      executable.run.add(activation_gradient(device, p.y_elements(), mask_of(p), dy, masked_));
      dy = masked_;
    }
    Matrix a{Region{kWeightsSlot}}, b{dy};
    if (p.direction == Direction::kForward) b = {Region{kXSlot}};
    if (p.direction == Direction::kBackwardWeights) a = {Region{kXSlot}};
    executable.run.add(
        gemm_step(device, parameters_, product_, a, b, {result_region(p)}, temporary_));
    if (p.finishes()) {
      executable.run.add(
          finish_output(device, p, Region{kBiasSlot}, Region{kResidualSlot}, result_region(p)));
    }
  }

 private:
  const Case& case_;
  GemmParameters parameters_;
  Gemm product_;
  Region masked_, temporary_;
  std::int64_t workspace_bytes_ = 0;
};

std::vector<Config> variants(const Case& c) {
  std::vector<Config> configs;
  for (const GemmParameters set : gemm_parameter_sets(c.profile))
    configs.push_back({"clblast", {{"tuned", static_cast<int>(set)}}});
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const auto parameters = static_cast<GemmParameters>(config.get("tuned", 0, 1));
  const Problem& p = c.problem;
  if (p.data_type != DataType::kFloat32) return unserved("data type", row_of(p.data_type).name);
  if (auto rejection = gemm_too_large(product_of(p))) return *rejection;
  if (auto rejection = gemm_not_tuned(c.profile, parameters)) return *rejection;
  return std::make_unique<const Clblast>(c, parameters);
}

}  // namespace

extern const Body body_clblast = {"clblast", Suits::kAll, 2, "ops/activation ops/epilogue",
                                  variants,  fit};

}  // namespace clconv::core::fully_connected
