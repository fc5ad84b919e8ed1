// How a strided copy is laid out on a device (kernels/net/copy.cl).
#include <algorithm>
#include <limits>
#include <utility>

#include "net/operators/rows.hpp"
#include "net/operators/strided.hpp"
#include "problem.hpp"
#include "runtime/spans.hpp"

namespace clconv::net {
namespace {

using core::ceil_div;
using core::Family;

// Below this, a dimension is no side of a tile: the other one is copied in steps.
constexpr std::int64_t kLeastTileSide = 9;
constexpr std::int64_t kLocalTile = 32;  // of kernels/net/copy.cl

// The dimension in which x lies without gaps; `rank` where there is none.
std::size_t dense_dimension(const StridedCopy& copy) {
  const auto at = std::find(copy.from.begin(), copy.from.end(), 1);
  return static_cast<std::size_t>(at - copy.from.begin());
}

std::vector<cl_long> outer_dimensions(const StridedCopy& copy, std::size_t inner,
                                      std::size_t other) {
  std::vector<cl_long> table;
  for (std::size_t d = 0; d < copy.sizes.size(); ++d) {
    if (d == inner || d == other) continue;
    table.insert(table.end(), {copy.sizes[d], copy.from[d], copy.to[d]});
  }
  if (table.empty()) table = {1, 0, 0};
  return table;
}

// The kernels' index type: int where all offsets fit, and the device's divisions of long are slow.
std::string index_of(const Lowering& lowering, const StridedCopy& copy) {
  std::int64_t from = copy.from_first, to = copy.to_first;
  for (std::size_t d = 0; d < copy.sizes.size(); ++d) {
    from += (copy.sizes[d] - 1) * std::abs(copy.from[d]);
    to += (copy.sizes[d] - 1) * std::abs(copy.to[d]);
  }
  return index_define(lowering.profile(), std::max({from, to, elements(copy.sizes)}));
}

std::string step_define(const StridedCopy& copy, std::size_t inner) {
  if (copy.to[inner] != 1) return " -DSTEPS";
  if (copy.from[inner] == 1) return " -DONE_PIECE";
  return copy.from[inner] == 0 ? " -DREPEATED" : " -DSTEPS";
}

// Rows along dimension `inner`.
void launch_rows(Lowering& lowering, BufferId x, BufferId y, const StridedCopy& copy,
                 std::size_t inner) {
  const std::vector<cl_long> outer = outer_dimensions(copy, inner, inner);
  const std::int64_t columns = copy.sizes[inner], rows = elements(copy.sizes) / columns;
  const RowDivision division(lowering.profile(), rows, columns);
  lowering.launch("copy", "net/copy", "copy_rows",
                  lowering.storage_define() + index_of(lowering, copy) +
                      vector_define(lowering.profile()) + step_define(copy, inner),
                  {{"x", In{x}},
                   {"y", Out{y}},
                   {"outer", In{lowering.upload("copy", outer)}},
                   {"rank", static_cast<cl_int>(outer.size() / 3)},
                   {"x_first", cl_long{copy.from_first}},
                   {"y_first", cl_long{copy.to_first}},
                   {"rows", cl_long{rows}},
                   {"columns", cl_long{columns}},
                   {"x_step", cl_long{copy.from[inner]}},
                   {"y_step", cl_long{copy.to[inner]}},
                   {"rows_each", cl_long{division.rows_each}},
                   {"columns_each", cl_long{division.columns_each}}},
                  division.range, 2 * lowering.bytes_of(copy.sizes));
}

// Tiles of dimension `dense`, along which x has no gaps, and the last one, along which y has none.
void launch_tiles(Lowering& lowering, BufferId x, BufferId y, const StridedCopy& copy,
                  std::size_t dense) {
  const core::DeviceProfile& profile = lowering.profile();
  const bool cpu = profile.family == Family::kCpu;
  const std::size_t last = copy.sizes.size() - 1;
  const std::vector<cl_long> outer = outer_dimensions(copy, dense, last);
  const std::int64_t side = cpu ? core::Runs::vector_width(profile) : kLocalTile;
  const std::int64_t x_tiles = ceil_div(copy.sizes[dense], side);
  const std::int64_t y_tiles = ceil_div(copy.sizes[last], side);
  const std::int64_t tiles =
      x_tiles * y_tiles * (elements(copy.sizes) / copy.sizes[dense] / copy.sizes[last]);
  const std::int64_t each =
      cpu ? std::max(ceil_div(std::int64_t{4096}, side * side),
                     ceil_div(tiles, kWorkGroupsPerUnit * profile.compute_units))
          : 1;
  const core::Range range = cpu ? core::one_item_groups(ceil_div(tiles, each))
                                : core::items(tiles * kTileItems, kTileItems);
  lowering.launch("transpose", "net/copy", cpu ? "copy_tiles" : "copy_tiles_local",
                  lowering.storage_define() + index_of(lowering, copy) + vector_define(profile),
                  {{"x", In{x}},
                   {"y", Out{y}},
                   {"outer", In{lowering.upload("transpose", outer)}},
                   {"rank", static_cast<cl_int>(outer.size() / 3)},
                   {"x_first", cl_long{copy.from_first}},
                   {"y_first", cl_long{copy.to_first}},
                   {"x_size", cl_long{copy.sizes[dense]}},
                   {"y_size", cl_long{copy.sizes[last]}},
                   {"x_pitch", cl_long{copy.from[last]}},
                   {"y_pitch", cl_long{copy.to[dense]}},
                   {"tiles", cl_long{tiles}},
                   {"tiles_each", cl_long{each}}},
                  range, 2 * lowering.bytes_of(copy.sizes));
}

// Two dimensions that interleave: `near` elements, 2 or 4, lie side by side in one tensor and apart in the other, at
// each position along `along`, which has no gaps there.
struct Interleaved {
  std::size_t along, near;
  bool joins;  // they lie side by side in y, else in x
};

bool find_interleaved(const Lowering& lowering, const StridedCopy& copy, std::size_t dense,
                      Interleaved& found) {
  const core::DeviceProfile& profile = lowering.profile();
  const std::size_t last = copy.sizes.size() - 1;
  if (profile.family != Family::kCpu || core::Runs::vector_width(profile) == 1) return false;
  if (dense >= last || copy.to[last] != 1) return false;
  const auto is_near = [](std::int64_t size) { return size == 2 || size == 4; };
  if (is_near(copy.sizes[last]) && copy.to[dense] == copy.sizes[last]) {
    found = {dense, last, true};
    return true;
  }
  found = {last, dense, false};
  return is_near(copy.sizes[dense]) && copy.from[last] == copy.sizes[dense];
}

void launch_interleaved(Lowering& lowering, BufferId x, BufferId y, const StridedCopy& copy,
                        const Interleaved& how) {
  const std::vector<cl_long> outer = outer_dimensions(copy, how.along, how.near);
  const std::int64_t columns = copy.sizes[how.along], near = copy.sizes[how.near];
  const std::int64_t rows = elements(copy.sizes) / columns / near;
  const RowDivision division(lowering.profile(), rows, columns);
  lowering.launch("copy", "net/copy", "copy_interleaved",
                  lowering.storage_define() + index_of(lowering, copy) +
                      vector_define(lowering.profile()) + " -DINTERLEAVED=" + std::to_string(near) +
                      (how.joins ? " -DJOINS" : " -DPARTS"),
                  {{"x", In{x}},
                   {"y", Out{y}},
                   {"outer", In{lowering.upload("copy", outer)}},
                   {"rank", static_cast<cl_int>(outer.size() / 3)},
                   {"x_first", cl_long{copy.from_first}},
                   {"y_first", cl_long{copy.to_first}},
                   {"rows", cl_long{rows}},
                   {"columns", cl_long{columns}},
                   {"pitch", cl_long{how.joins ? copy.from[how.near] : copy.to[how.near]}},
                   {"rows_each", cl_long{division.rows_each}},
                   {"columns_each", cl_long{division.columns_each}}},
                  division.range, 2 * lowering.bytes_of(copy.sizes));
}

bool takes_tiles(const Lowering& lowering, const StridedCopy& copy, std::size_t dense) {
  const std::size_t last = copy.sizes.size() - 1;
  if (dense >= last || copy.to[last] != 1) return false;
  if (std::min(copy.sizes[dense], copy.sizes[last]) < kLeastTileSide) return false;
  const core::DeviceProfile& profile = lowering.profile();
  if (profile.family == Family::kCpu) return core::Runs::vector_width(profile) > 1;
  return profile.max_work_group_size >= kTileItems;
}

}  // namespace

void launch_copy(Lowering& lowering, BufferId x, BufferId y, const StridedCopy& copy) {
  if (elements(copy.sizes) == 0) return;
  StridedCopy small = collapsed(copy);
  if (small.sizes.empty()) small = {{1}, {1}, {1}, small.from_first, small.to_first};
  const std::size_t dense = dense_dimension(small), last = small.sizes.size() - 1;
  if (takes_tiles(lowering, small, dense)) return launch_tiles(lowering, x, y, small, dense);
  Interleaved interleaved{};
  if (find_interleaved(lowering, small, dense, interleaved)) {
    return launch_interleaved(lowering, x, y, small, interleaved);
  }
  // Of two dimensions of which one is short, a CPU walks along the longer one.
  const bool cpu = lowering.profile().family == Family::kCpu;
  const bool swaps = cpu && dense < last && small.sizes[dense] > small.sizes[last];
  launch_rows(lowering, x, y, small, swaps ? dense : last);
}

}  // namespace clconv::net
