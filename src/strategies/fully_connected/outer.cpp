// outer: the gradients and transposed, vectors along the rows of w (of x), which are added with a number of dy each.
// Nothing packed.
#include "ops/epilogue.hpp"
#include "strategies/fully_connected/bodies.hpp"

namespace clconv::core::fully_connected {
namespace {

// Rows of the result and vectors of one in registers, floats of a vector.
struct OuterTile {
  int mr, kv, vw;

  Config config() const { return {"outer", {{"mr", mr}, {"kv", kv}, {"vw", vw}}}; }
  static OuterTile from(const Config& c) {
    return {c.get("mr", 1, 8), c.get("kv", 1, 8), width_of(c)};
  }
};

// Of the result.
std::int64_t rows_of(const Problem& p) {
  return p.wants_dx() ? p.n : p.k;
}

class Outer : public Layout {
 public:
  Outer(const Case& c, const OuterTile& tile) : case_(c), tile_(tile) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    describe_product(candidate, p);
    const auto [mr, kv, vw] = tile_;
    const Pass pass =
        product_pass(case_, real(row_tiles() * column_tiles()),
                     tile_cycles(case_.machine, p.wants_dx() ? p.k : p.n, mr * kv, mr + kv), vw);
    candidate.predicted_us = predicted_us(case_.profile, {pass});
    if (p.wants_dx()) {
      candidate.coverage.filters = ceil_div(kv * vw, p.h * p.w);
    } else {
      candidate.coverage.elements = kv * vw;
    }
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const std::int64_t filters_step = 1, images_step = p.wants_dx() ? p.input_image() : p.k;
    const bool dx = p.wants_dx();
    executable.run.add(std::make_unique<KernelStep>(
        "fully_connected",
        device.kernel("fully_connected/outer", "fully_connected_outer",
                      defines_of(p, tile_.config())),
        with_slopes(p, {{"dy", Region{kDySlot}},
                        {"y", Region{p.mask ? kYSlot : kDySlot}},
                        {"rows", Region{dx ? kWeightsSlot : kXSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"result", result_region(p)},
                        {"is", narrow(rows_of(p))},
                        {"rs", narrow(dx ? p.k : p.n)},
                        {"columns", narrow(columns_of(p))},
                        {"i_step", cl_long{dx ? images_step : filters_step}},
                        {"r_step", cl_long{dx ? filters_step : images_step}},
                        {"result_step", cl_long{dx ? p.result_image() : columns_of(p)}},
                        {"plane", narrow(p.h * p.w)}}),
        Range{{static_cast<std::size_t>(row_tiles()), static_cast<std::size_t>(column_tiles()), 1},
              {1, 1, 1}}));
  }

 private:
  std::int64_t row_tiles() const { return ceil_div(rows_of(case_.problem), tile_.mr); }
  std::int64_t column_tiles() const {
    return ceil_div(columns_of(case_.problem), tile_.kv * tile_.vw);
  }

  const Case& case_;
  OuterTile tile_;
};

// Register tiles that fill the vector registers, or for one row what reads fastest.
std::vector<Config> variants(const Case& all) {
  const int width = all.machine.lanes;
  if (rows_of(all.problem) == 1) return {OuterTile{1, 8, width}.config()};
  if (all.machine.few_registers()) {
    return {OuterTile{2, 4, width}.config(), OuterTile{4, 2, width}.config()};
  }
  return {OuterTile{4, 6, width}.config(), OuterTile{6, 4, width}.config()};
}

Fit fit(const Case& c, const Config& config) {
  const OuterTile tile = OuterTile::from(config);
  if (auto refused = over_registers(c.machine, tile.mr * tile.kv, tile.vw)) return *refused;
  return std::make_unique<const Outer>(c, tile);
}

}  // namespace

extern const Body body_outer = {"outer", Suits::kCpus, 2, "fully_connected/outer", variants, fit};

}  // namespace clconv::core::fully_connected
