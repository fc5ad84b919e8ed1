#include "strategies/implicit_gemm/gpu_tile.hpp"

#include <algorithm>

namespace clconv::core::implicit_gemm {

std::optional<Rejection> Tile::rejection(const DeviceProfile& profile, std::int64_t others,
                                         const TileFactors& factors) const {
  // Of two steps.
  const std::int64_t local_bytes =
      std::int64_t{2} * bk * (bm + bn + 2 * factors.padding) * factors.bytes + others;
  return over_work_group(items(), local_bytes, profile);
}

Config Tile::config(const char* body) const {
  return {body,
          {{"bm", bm},
           {"bn", bn},
           {"bk", bk},
           {"tm", tm},
           {"tn", tn},
           {"ahead", ahead},
           {"wide", wide},
           {"split", split}}};
}

std::string Tile::defines(const Machine& machine) const {
  const Config macros{{"bm", bm}, {"bn", bn},       {"bk", bk},    {"tm", tm},
                      {"tn", tn}, {"ahead", ahead}, {"wide", wide}};
  return macros.defines() + (tm * tn >= 64 ? machine.more_registers : "");
}

Pass Tile::pass(const Case& c, std::int64_t work_groups, std::int64_t parts, std::int64_t products,
                double bytes, double speed) const {
  const double flops = real(work_groups) * kFlopsPerFma * bm * bn * real(products);
  return arithmetic_pass(flops, speed * efficiency(c.profile),
                         {bytes, filling(c, work_groups * parts)});
}

double Tile::efficiency(const DeviceProfile& profile) const {
  // Multiply-adds that a factor takes which is fetched, of which a larger tile has fewer; a guess.
  constexpr double kOfFetch = 4;
  const double fetches = 1.0 / bm + 1.0 / bn;
  return multiplying_share(profile, tm, tn) / (1 + kOfFetch * fetches);
}

double Tile::filling(const Case& c, std::int64_t groups) const {
  return filling_groups(c.profile, c.machine, real(groups), real(items()));
}

int Tile::wanted_split(const Case& c, std::int64_t groups, std::int64_t steps) const {
  constexpr std::int64_t kWorkGroupsPerUnit = 2, kLeastSteps = 8, kMostParts = 16;
  const std::int64_t busy = std::max<std::int64_t>(
      1, c.profile.compute_units * kWorkGroupsPerUnit * c.machine.items_per_unit / items());
  const std::int64_t most = std::clamp<std::int64_t>(steps / kLeastSteps, 1, kMostParts);
  return static_cast<int>(std::clamp<std::int64_t>(busy / groups, 1, most));
}

Tile Tile::from(const Config& c) {
  const Tile tile{c.get("bm", 4, 256), c.get("bn", 4, 256),    c.get("bk", 4, 64),
                  c.get("tm", 4, 16),  c.get("tn", 4, 16),     c.get("ahead", 0, 1),
                  c.get("wide", 0, 1), c.get("split", 1, 1024)};
  // The fetch loops hand out whole rows and columns.
  const std::int64_t items = tile.items();
  const auto divides = [](std::int64_t a, std::int64_t b) { return a > 0 && b % a == 0; };
  if (!divides(tile.tm, tile.bm) || !divides(tile.tn, tile.bn) || !divides(4, tile.tm) ||
      !divides(4, tile.tn) || !divides(tile.bn, items) || !divides(tile.bk, items) ||
      !divides(4 * items / tile.bn, tile.bk) ||
      !divides(4 * items, std::int64_t{tile.bk} * tile.bm) || !divides(items / tile.bk, tile.bm) ||
      !divides(items / tile.bk, tile.bn)) {
    throw Error(Code::kInvalidArgument,
                "config '" + c.text() + "': the tiles do not divide among the work-items");
  }
  return tile;
}

bool input_fours(const Correlation& c) {
  const bool flat = c.taps_h * c.taps_w == 1 && c.sh * c.sw == 1 && c.top == 0 && c.left == 0 &&
                    c.in_h == c.oh && c.in_w == c.ow && c.out_step == 1;
  return flat && !c.channels_last && c.ow % 4 == 0 && c.in_image % 4 == 0;
}

bool store_fours(const Correlation& c) {
  if (c.channels_last) return c.filters % 4 == 0;
  return c.out_step == 1 && c.out_pitch == c.ow && c.oh * c.ow % 4 == 0 && c.out_plane % 4 == 0 &&
         c.out_offset % 4 == 0 && c.out_image % 4 == 0;
}

}  // namespace clconv::core::implicit_gemm
