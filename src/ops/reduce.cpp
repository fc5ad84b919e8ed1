#include "ops/reduce.hpp"

#include "ops/epilogue.hpp"
#include "runtime/spans.hpp"

namespace clconv::core {
namespace {

std::string defines(bool accumulate, const Mask& mask, DataType type) {
  return std::string("-DACCUMULATE=") + (accumulate ? "1" : "0") + mask.defines + " " +
         storage_define(type);
}

// Power of two, for the tree in local memory.
std::int64_t group_size(const DeviceProfile& profile) {
  if (profile.family == Family::kCpu) return 1;
  std::int64_t size = 1;
  while (size * 2 <= std::min<std::int64_t>(256, profile.max_work_group_size))
    size *= 2;
  return size;
}

std::string width_define(const Device& device) {
  const bool cpu = device.profile().family == Family::kCpu;
  return " -DVW=" + std::to_string(cpu ? Runs::vector_width(device.profile()) : 1);
}

std::string stage_options(const Device& device, bool accumulate, const Mask& mask, DataType type) {
  return defines(accumulate, mask, type) + width_define(device) +
         " -DLOCAL=" + std::to_string(group_size(device.profile()));
}

}  // namespace

std::unique_ptr<Step> sum_parts(Device& device, std::int64_t count, std::int64_t parts,
                                bool accumulate, const Region& partials, const Mask& mask,
                                const Region& result, DataType type, DataType parts_type) {
  const bool gradient = mask.on || parts_type != DataType::kFloat32;
  const bool cpu = device.profile().family == Family::kCpu;
  const std::int64_t span = cpu ? 1024 : 1;
  return std::make_unique<KernelStep>(
      "sum_parts",
      device.kernel("ops/sum_parts", "sum_parts",
                    defines(accumulate, mask, type) + (gradient ? " -DGRADIENT=1" : "") +
                        width_define(device)),
      std::vector<Argument>{{"parts", partials},
                            {"y", mask.y_or(partials)},
                            {"result", result},
                            {"count", cl_long{count}},
                            {"parts_count", narrow(parts)},
                            {"span", narrow(span)}},
      items(ceil_div(count, span), cpu ? 1 : Spans::local_size(device.profile())));
}

std::unique_ptr<Step> plane_sums(Device& device, const Problem& p, const Region& dy,
                                 const Mask& mask, const Region& sums) {
  const std::int64_t local = group_size(device.profile());
  return std::make_unique<KernelStep>(
      "plane_sums",
      device.kernel("ops/bias_gradient", "plane_sums",
                    stage_options(device, false, mask, p.data_type)),
      std::vector<Argument>{{"dy", dy},
                            {"y", mask.y_or(dy)},
                            {"sums", sums},
                            {"images", narrow(p.n)},
                            {"channels", narrow(p.k)},
                            {"pixels", narrow(p.oh() * p.ow())}},
      items(p.n * p.k * local, local));
}

std::unique_ptr<Step> channel_sums(Device& device, const Problem& p, const Region& sums,
                                   const Region& db) {
  return std::make_unique<KernelStep>(
      "channel_sums",
      device.kernel("ops/bias_gradient", "channel_sums",
                    stage_options(device, p.accumulate, Mask(), p.data_type)),
      std::vector<Argument>{
          {"sums", sums}, {"result", db}, {"images", narrow(p.n)}, {"channels", narrow(p.k)}},
      items(p.k, device.profile().family == Family::kCpu ? std::min<std::int64_t>(16, p.k)
                                                         : Spans::local_size(device.profile())));
}

}  // namespace clconv::core
