// weights_planes: explicit vectors along the pixels of an image; rows of patch elements in local memory. For CPUs.
#include <algorithm>
#include <cmath>

#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

std::int64_t rows_in_l1(const Machine& machine) {
  return machine.l1_blocking_bytes / 4 * 5;
}

struct WeightsPlanesTile {
  int mr, ne, vw, runs, split;
  std::int64_t rows_bytes;  // of a register tile's rows, of patch elements and of dy: about L1

  // Tiles of patch elements that a work-group holds, in the second-level cache.
  static constexpr std::int64_t kElementTiles = 4;

  Config config() const {
    return {"weights_planes",
            {{"mr", mr}, {"ne", ne}, {"vw", vw}, {"runs", runs}, {"split", split}}};
  }
  static WeightsPlanesTile from(const Config& c, const Machine& machine) {
    return {
        c.get("mr", 1, 32),          c.get("ne", 1, 32),           c.get_power_of_two("vw", 4, 16),
        c.get("runs", 1, INT32_MAX), c.get("split", 1, INT32_MAX), rows_in_l1(machine)};
  }
  std::int64_t blocks(const Problem& p, const DeviceProfile& profile) const {
    const std::int64_t tiles = ceil_div(patch_elements(p), ne);
    return std::min(tiles, round_up(ceil_div(tiles, kElementTiles), profile.compute_units));
  }
  std::int64_t local_bytes() const { return (kElementTiles * ne * (depth() + vw) + vw) * kElement; }
  // Pixels that a register tile adds up before its lanes are.
  std::int64_t depth() const { return rows_bytes / kElement / (mr + ne) / vw * vw; }
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

// PoCL 3.1, 2-core Zen 5 and Zen 3, 2026-11, over core.txt.
constexpr double kEfficiency = 0.9;          // fraction of the cycles' rate: dy comes from L2
constexpr RowCopyCycles kCopy{10, 3, 7, 3};  // per row, per vector by stride, per float
constexpr TileCycles kLanes{4, 30};          // to add up the lanes of a sum

// What one work-group does.
struct Share {
  double vectors, elements;  // copied: vectors of pixels of so many patch elements
  double tiles;              // register tiles, each of which meets all vectors
  double turns;              // times that the lanes of a tile's sums are added up

  Share(const Problem& p, const DeviceProfile& profile, const WeightsPlanesTile& tile) {
    const std::int64_t blocks = tile.blocks(p, profile);
    const double pieces = real(ceil_div(p.n * tile.pieces(p), tile.split));
    vectors = pieces * real(tile.piece(p));
    elements = real(ceil_div(ceil_div(patch_elements(p), tile.ne), blocks) * tile.ne);
    tiles = elements / tile.ne * real(ceil_div(ceil_div(p.k_per_group(), tile.mr), tile.runs));
    turns = std::ceil(pieces / real(tile.at_once(p)));
  }
};

Pass pass_of(const Case& all, const WeightsPlanesTile& tile) {
  const Problem& p = all.problem;
  const Share share(p, all.profile, tile);
  const double rows = share.vectors * tile.vw / real(p.ow()), sums = tile.mr * tile.ne;
  const double copying = kCopy.of(rows, real(ceil_div(p.ow(), tile.vw)), p.sw, tile.vw);
  const double steps = share.vectors * share.tiles, loads = tile.mr + tile.ne;
  const double cycles = share.elements * copying + product_cycles(all.machine, steps, sums, loads) +
                        share.tiles * share.turns * kLanes.of(sums);
  const double groups = real(tile.blocks(p, all.profile) * p.g * tile.runs * tile.split);
  const double efficiency = kEfficiency * all.machine.measured(0.6, 1.0);
  return group_pass(all, {groups, cycles, tile.vw, efficiency});
}

class WeightsPlanes : public PlainGradientLayout {
 public:
  WeightsPlanes(const Case& c, const WeightsPlanesTile& tile)
      : PlainGradientLayout(c, c.problem.n * tile.pieces(c.problem), tile.split), tile_(tile) {}

 protected:
  double us() const override {
    return predicted_us(case_.profile, {gradient_.pass(case_), pass_of(case_, tile_),
                                        PartialSums::pass(case_.problem, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.mr; }
  std::int64_t tile_elements() const override {
    return WeightsPlanesTile::kElementTiles * tile_.ne;
  }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    const std::int64_t blocks = tile_.blocks(p, case_.profile);
    std::vector<Argument> arguments = patch_arguments(p, operands.dy, result.region);
    arguments.insert(arguments.end(), {{"blocks", narrow(blocks)},
                                       {"runs", narrow(tile_.runs)},
                                       {"vectors", narrow(tile_.vectors(p))},
                                       {"pieces", narrow(tile_.pieces(p))},
                                       {"piece", narrow(tile_.piece(p))},
                                       {"at_once", narrow(tile_.at_once(p))},
                                       {"all_pieces", cl_long{p.n * tile_.pieces(p)}},
                                       {"pieces_per_part", cl_long{split_.units_per_part}},
                                       {"part_stride", result.stride(p)}});
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/weights_planes", "weights_planes", tile_.defines(p)),
        arguments, one_item_groups(blocks * tile_.runs * p.g * split_.parts));
  }

 private:
  WeightsPlanesTile tile_;
};

std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const int vw = c.machine.lanes;
  const int registers = c.machine.registers;
  std::vector<Config> configs;
  for (const int mr : {2, 3, 4, 6}) {
    WeightsPlanesTile tile{mr, (registers - mr - 1) / mr, vw, 1, 1, rows_in_l1(c.machine)};
    if ((mr > 2 && mr > p.k_per_group()) || tile.ne < 1) continue;
    const auto add = [&] {
      const std::int64_t work_groups = tile.blocks(p, c.profile) * p.g * tile.runs;
      tile.split = static_cast<int>(parts_for(c.profile, work_groups, p.n * tile.pieces(p)));
      configs.push_back(tile.config());
    };
    add();
    tile.runs = static_cast<int>(
        parts_for(c.profile, tile.blocks(p, c.profile) * p.g, ceil_div(p.k_per_group(), mr)));
    if (tile.runs > 1) add();
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  WeightsPlanesTile tile = WeightsPlanesTile::from(config, c.machine);
  const Problem& p = c.problem;
  if (tile.mr > p.k_per_group()) return above("mr", tile.mr, p.k_per_group());
  if (p.oh() * p.ow() < tile.vw) return above("vw", tile.vw, p.oh() * p.ow());
  if (auto refused = over_registers(c.machine, tile.mr * tile.ne, tile.vw)) return *refused;
  if (tile.depth() < tile.vw)
    return above("mr + ne", tile.mr + tile.ne, tile.rows_bytes / kElement / tile.vw);
  if (tile.local_bytes() > c.profile.local_memory_bytes)
    return over_local_memory(tile.local_bytes(), c.profile);
  // More runs than tiles of filters would be empty.
  tile.runs =
      static_cast<int>(std::min<std::int64_t>(tile.runs, ceil_div(p.k_per_group(), tile.mr)));
  return std::make_unique<const WeightsPlanes>(c, tile);
}

}  // namespace

extern const Body body_weights_planes = {"weights_planes",
                                         Suits::kCpusAndLastResort,
                                         1,
                                         "implicit_gemm/weights_planes ops/pack ops/sum_parts",
                                         variants,
                                         fit};

}  // namespace clconv::core::implicit_gemm
