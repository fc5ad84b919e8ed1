// clblast: CLBlast's product, as it comes (tuned=0) or with our parameters for this kind of device (tuned=1).
#include "strategies/im2col_gemm/chunked_layout.hpp"

namespace clconv::core::im2col_gemm {
namespace {

class Clblast : public ChunkedLayout {
 public:
  using ChunkedLayout::ChunkedLayout;

  std::unique_ptr<Step> multiply(Device& device, const Chunking& chunk, bool add) const override {
    Gemm gemm = chunk.gemm(case_.problem);
    gemm.beta = add ? 1.0f : 0.0f;
    return gemm_step(device, chunk.parameters(), gemm, {regions_.a}, {regions_.b}, {regions_.c},
                     regions_.temporary);
  }

 protected:
  double multiply_setup_us() const override { return kPredictedGemmBuildUs; }
  Pass multiply_pass() const override {
    return gemm_pass(case_.profile, chunking_.parameters(), chunking_.gemm(case_.problem));
  }
};

Product product_with(GemmParameters set) {
  return set == GemmParameters::kTuned ? Product::kClblastTuned : Product::kClblast;
}

Config config_of(const Problem& p, const Chunking& chunking, bool atomic) {
  Config config = Cut{chunking.images, chunking.rows, atomic}.config("clblast", p);
  config.set("tuned", static_cast<int>(chunking.parameters()));
  return config;
}

std::vector<Config> variants(const Case& c) {
  std::vector<Config> configs;
  for (const GemmParameters set : gemm_parameter_sets(c.profile)) {
    const std::vector<Chunking> chunkings = cuts(c, product_with(set));
    for (const Chunking& chunking : chunkings)
      configs.push_back(config_of(c.problem, chunking, false));
    if (!chunkings.empty() && can_scatter(c.problem))
      configs.push_back(config_of(c.problem, chunkings.front(), true));
  }
  if (!configs.empty()) return configs;
  // The least that any needs.
  std::optional<Chunking> least;
  for (const GemmParameters set : gemm_parameter_sets(c.profile)) {
    const Chunking cut = smallest_cut(c, product_with(set));
    if (!least || cut.layout(c).total_bytes() < least->layout(c).total_bytes()) least = cut;
  }
  return {config_of(c.problem, *least, false)};
}

Fit fit(const Case& c, const Config& config) {
  const auto set = static_cast<GemmParameters>(config.get("tuned", 0, 1));
  const Cut cut = Cut::from(c.problem, config);
  if (auto rejection = gemm_not_tuned(c.profile, set)) return *rejection;
  if (auto rejection = cut.rejection(c.problem)) return *rejection;
  const Chunking chunking(c, product_with(set), cut.images, cut.rows);
  if (auto rejection = chunking.rejection(c)) return *rejection;
  return std::make_unique<const Clblast>(c, chunking, cut.atomic);
}

}  // namespace

extern const Body body_clblast = {
    "clblast", Suits::kAll, 0, "ops/col2im ops/epilogue ops/im2col ops/pack", variants, fit};

}  // namespace clconv::core::im2col_gemm
