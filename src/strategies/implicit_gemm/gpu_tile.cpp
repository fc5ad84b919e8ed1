#include "strategies/implicit_gemm/gpu_tile.hpp"

#include <algorithm>

namespace clconv::core::implicit_gemm {

// Of 4 floats each row of a tile may be longer than its results.
std::optional<Rejection> Tile::rejection(const DeviceProfile& profile) const {
  const std::int64_t local_bytes =
      std::int64_t{buffers} * bk * (bm + bn + 8) * Problem::kFloatBytes + std::int64_t{bn} * 16;
  if (items() > profile.max_work_group_size) {
    return Rejection{Reason::kWorkGroupSize, "work-group size", items(),
                     profile.max_work_group_size, ""};
  }
  if (local_bytes > profile.local_memory_bytes) return over_local_memory(local_bytes, profile);
  return std::nullopt;
}

Config Tile::config(const char* body) const {
  return {body,
          {{"bm", bm},
           {"bn", bn},
           {"bk", bk},
           {"tm", tm},
           {"tn", tn},
           {"buffers", buffers},
           {"split", split}}};
}

std::string Tile::defines() const {
  Config config{{"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}, {"buffers", buffers}};
  config.set("vw", 4);
  return config.defines();
}

double Tile::efficiency() const {
  // Unmeasured: local memory feeds tm*tn multiply-adds from tm + tn words, which is enough at 8x8; a larger
  // tile comes from global memory less often.
  const double reuse = static_cast<double>(tm * tn) / (tm + tn);
  const double fetches = 1.0 / bm + 1.0 / bn;
  return 0.7 * std::min(1.0, reuse / 4) / (1 + 8 * fetches);
}

// Work-items that keep a compute unit busy.
constexpr std::int64_t kItemsPerUnit = 256;

double Tile::filling(std::int64_t groups) const {
  return static_cast<double>(groups) *
         std::min(1.0, static_cast<double>(items()) / static_cast<double>(kItemsPerUnit));
}

int Tile::wanted_split(const DeviceProfile& profile, std::int64_t groups,
                       std::int64_t steps) const {
  constexpr std::int64_t kWorkGroupsPerUnit = 2, kLeastSteps = 8, kMostParts = 16;
  const std::int64_t busy = profile.compute_units * kWorkGroupsPerUnit *
                            std::max<std::int64_t>(1, kItemsPerUnit / items());
  const std::int64_t most = std::clamp<std::int64_t>(steps / kLeastSteps, 1, kMostParts);
  return static_cast<int>(std::clamp<std::int64_t>(busy / groups, 1, most));
}

Tile Tile::from(const Config& c) {
  const Tile tile{c.get("bm", 4, 256),    c.get("bn", 4, 256), c.get("bk", 4, 64),
                  c.get("tm", 4, 16),     c.get("tn", 4, 16),  c.get("buffers", 1, 2),
                  c.get("split", 1, 1024)};
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

}  // namespace clconv::core::implicit_gemm
