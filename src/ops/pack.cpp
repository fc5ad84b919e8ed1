#include "ops/pack.hpp"

#include "ops/spans.hpp"

namespace clconv::core {
namespace {

// Filter elements per work-item and filter: a cache line of the reading side (pack.cl).
constexpr std::int64_t kRun = 16;

// A CPU work-item copies about this many bytes, so that a launch is neither one work-group on one
// core nor thousands of empty ones.
constexpr std::int64_t kBytesPerItem = 16384;

}  // namespace

std::unique_ptr<Step> pack_filters(Device& device, const Problem& p, const FilterBlocks& blocks,
                                   const Region& weights, const Region& packed) {
  const std::int64_t count = blocks.blocks(p) * ceil_div(blocks.reduction_padded, kRun);
  const Spans spans(device.profile(), 1);
  return std::make_unique<KernelStep>(
      "pack_filters", device.kernel("pack", "pack_filters", ""),
      std::vector<Argument>{weights, packed, narrow(p.k_per_group()), narrow(p.reduction()),
                            narrow(blocks.reduction_padded), narrow(blocks.block),
                            narrow(blocks.blocks_per_group), cl_long{count}},
      spans.range(count));
}

std::unique_ptr<Step> pad_planes(Device& device, const Problem& p, const PaddedPlanes& planes,
                                 const Region& x, const Region& padded) {
  const std::int64_t rows = p.n * p.c * planes.hp;
  const bool cpu = device.profile().family == Family::kCpu;
  const std::int64_t span =
      cpu ? std::max<std::int64_t>(1, kBytesPerItem / (planes.wp * Problem::kElementBytes)) : 1;
  const std::int64_t local = cpu ? 1 : Spans::local_size(device.profile());
  return std::make_unique<KernelStep>(
      "pad", device.kernel("pack", "pad_planes", ""),
      std::vector<Argument>{x, padded, narrow(p.h), narrow(p.w), narrow(p.pt), narrow(p.pl),
                            narrow(planes.hp), narrow(planes.wp), cl_long{rows}, narrow(span)},
      items(ceil_div(rows, span), local));
}

}  // namespace clconv::core
