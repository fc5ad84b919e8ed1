#include "ops/pack.hpp"

#include <tuple>

#include "ops/epilogue.hpp"
#include "runtime/spans.hpp"

namespace clconv::core {
namespace {

// RUN of ops/pack.cl: elements per work-item and filter, a cache line of the reading side.
constexpr std::int64_t kRun = 16;

// A CPU work-item copies about this many bytes, so that a launch is neither one work-group on one
// core nor thousands of empty ones.
constexpr std::int64_t kBytesPerItem = 16384;

// Lines of `width` elements that a work-item handles.
std::int64_t lines_per_item(const DeviceProfile& profile, std::int64_t width) {
  if (profile.family != Family::kCpu) return 1;
  return std::max<std::int64_t>(1, kBytesPerItem / (width * Problem::kFloatBytes));
}

std::int64_t local_size(const DeviceProfile& profile) {
  return profile.family == Family::kCpu ? 1 : Spans::local_size(profile);
}

std::string defines(const DeviceProfile& profile, const Mask& mask, DataType type) {
  const std::int64_t width = profile.family == Family::kCpu ? Runs::vector_width(profile) : 1;
  return "-DVW=" + std::to_string(width) + mask.defines + " " + storage_define(type);
}

}  // namespace

std::unique_ptr<Step> pack_filters(Device& device, const Correlation& correlation,
                                   const FilterBlocks& blocks, const Region& weights,
                                   const Region& packed) {
  Correlation c = correlation;
  if (c.channels_last) {
    // The same loops, the channels in the place of a tap's columns.
    std::tie(c.channels, c.taps_h, c.taps_w) = std::tuple(c.taps_h, c.taps_w, c.channels);
    std::tie(c.w_channel, c.w_row, c.w_column) = std::tuple(c.w_row, c.w_column, c.w_channel);
  }
  const std::int64_t count = blocks.blocks() * ceil_div(blocks.reduction_padded, kRun);
  const bool dense = c.w_column == 1 && c.w_row == c.taps_w && c.w_channel == c.taps_h * c.taps_w;
  return std::make_unique<KernelStep>(
      "pack_filters",
      device.kernel("ops/pack", "pack_filters", defines(device.profile(), Mask(), c.data_type)),
      std::vector<Argument>{{"weights", weights},
                            {"packed", packed},
                            {"filters", narrow(c.filters)},
                            {"reduction", narrow(c.reduction())},
                            {"taps_h", narrow(c.taps_h)},
                            {"taps_w", narrow(c.taps_w)},
                            {"reduction_padded", narrow(blocks.reduction_padded)},
                            {"B", narrow(blocks.block)},
                            {"blocks_per_group", narrow(blocks.blocks_per_group)},
                            {"items", cl_long{count}},
                            {"w_base", cl_long{c.w_base}},
                            {"w_group", cl_long{c.w_group}},
                            {"w_filter", cl_long{c.w_filter}},
                            {"w_channel", cl_long{c.w_channel}},
                            {"w_row", cl_long{c.w_row}},
                            {"w_column", cl_long{c.w_column}},
                            {"dense", cl_int{dense ? 1 : 0}}},
      items(count, local_size(device.profile())));
}

std::unique_ptr<Step> pad_planes(Device& device, const PaddedPlanes& window, const Region& input,
                                 const Mask& mask, const Region& padded) {
  PaddedPlanes planes = window;
  if (planes.top == 0 && planes.left == 0 && planes.hp == planes.in_h && planes.wp == planes.in_w &&
      planes.hp * planes.wp * Problem::kFloatBytes <= kBytesPerItem) {
    // Nothing but a mask or a type to apply: one long row a plane.
    planes.in_w = planes.wp = planes.hp * planes.wp;
    planes.in_h = planes.hp = 1;
  }
  const std::int64_t rows = planes.planes * planes.hp;
  const std::int64_t span = lines_per_item(device.profile(), planes.wp);
  return std::make_unique<KernelStep>(
      "pad",
      device.kernel("ops/pack", "pad_planes", defines(device.profile(), mask, window.data_type)),
      std::vector<Argument>{{"input", input},
                            {"y", mask.y_or(input)},
                            {"padded", padded},
                            {"in_h", narrow(planes.in_h)},
                            {"in_w", narrow(planes.in_w)},
                            {"top", narrow(planes.top)},
                            {"left", narrow(planes.left)},
                            {"hp", narrow(planes.hp)},
                            {"wp", narrow(planes.wp)},
                            {"first_plane", cl_long{planes.first}},
                            {"rows", cl_long{rows}},
                            {"span", narrow(span)},
                            {"image_planes", cl_long{planes.image_planes}},
                            {"gap", cl_long{planes.gap}}},
      items(ceil_div(rows, span), local_size(device.profile())));
}

std::unique_ptr<Step> pack_gradient(Device& device, const Problem& p, const GradientBlocks& blocks,
                                    const Region& dy, const Mask& mask, const Region& packed) {
  const std::int64_t span =
      std::max(kRun, round_up(lines_per_item(device.profile(), blocks.block), kRun));
  const std::int64_t count =
      p.g * blocks.blocks_per_group * blocks.images * ceil_div(blocks.pixels, span);
  return std::make_unique<KernelStep>(
      "pack_gradient",
      device.kernel("ops/pack", "pack_gradient", defines(device.profile(), mask, p.data_type)),
      std::vector<Argument>{{"dy", dy},
                            {"y", mask.y_or(dy)},
                            {"packed", packed},
                            {"first_image", narrow(blocks.first_image)},
                            {"images", narrow(blocks.images)},
                            {"first", narrow(blocks.first)},
                            {"pixels", narrow(blocks.pixels)},
                            {"image_pixels", narrow(p.oh() * p.ow())},
                            {"filters", narrow(p.k_per_group())},
                            {"B", narrow(blocks.block)},
                            {"blocks_per_group", narrow(blocks.blocks_per_group)},
                            {"groups", narrow(p.g)},
                            {"block_stride", cl_long{blocks.block_stride}},
                            {"items", cl_long{count}},
                            {"span", narrow(span)}},
      items(count, local_size(device.profile())));
}

std::unique_ptr<Step> unfold_columns(Device& device, const Problem& p, const Unfolding& columns,
                                     const Region& x, const Region& unfolded) {
  const std::int64_t width =
      device.profile().family == Family::kCpu ? Runs::vector_width(device.profile()) : 1;
  const std::int64_t span = lines_per_item(device.profile(), p.c_per_group());
  const std::int64_t count =
      p.g * (width == 1 ? columns.group_stride(p)
                        : ceil_div(columns.columns, width) * ceil_div(columns.hp, span));
  return std::make_unique<KernelStep>(
      "unfold",
      device.kernel("ops/pack", "unfold_columns", defines(device.profile(), Mask(), p.data_type)),
      std::vector<Argument>{{"x", x},
                            {"unfolded", unfolded},
                            {"channels", narrow(p.c_per_group())},
                            {"h", narrow(p.h)},
                            {"w", narrow(p.w)},
                            {"top", narrow(columns.top)},
                            {"left", narrow(columns.left)},
                            {"hp", narrow(columns.hp)},
                            {"columns", narrow(columns.columns)},
                            {"x_offset", cl_long{columns.image * p.input_image()}},
                            {"items", cl_long{count}},
                            {"span", narrow(span)}},
      items(count, local_size(device.profile())));
}

}  // namespace clconv::core
