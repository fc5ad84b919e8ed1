#include "strategies/implicit_gemm/weights_bodies.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"

namespace clconv::core::implicit_gemm {

std::string weights_defines(const Problem& p, const std::string& config) {
  return config + " -DSH=" + std::to_string(p.sh) + " -DSW=" + std::to_string(p.sw) +
         " -DDH=" + std::to_string(p.dh) + " -DDW=" + std::to_string(p.dw) + " " +
         epilogue_defines(p);
}

std::int64_t parts_for(const DeviceProfile& profile, std::int64_t work_groups, std::int64_t units,
                       std::int64_t least) {
  // Work-groups per compute unit that even out what one takes longer than another.
  constexpr std::int64_t kWorkGroupsPerUnit = 4;
  const std::int64_t wanted = ceil_div(profile.compute_units * kWorkGroupsPerUnit, work_groups);
  const std::int64_t parts =
      std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, units / least));
  return Split(units, parts).parts;
}

std::int64_t patch_elements(const Problem& p) {
  return p.c_per_group() * p.kh * p.kw;
}

std::string stride_defines(const Problem& p) {
  return " -DSW=" + std::to_string(p.sw > 2 ? 0 : p.sw) + " " + storage_define(p.data_type);
}

std::vector<Argument> patch_arguments(const Problem& p, const Region& dy, const Region& result) {
  return {{"x", Region{kXSlot}},
          {"dy", dy},
          {"result", result},
          {"x_elements", cl_long{p.x_elements()}},
          {"channels", narrow(p.c_per_group())},
          {"h", narrow(p.h)},
          {"w", narrow(p.w)},
          {"filters", narrow(p.k_per_group())},
          {"kh", narrow(p.kh)},
          {"kw", narrow(p.kw)},
          {"pt", narrow(p.pt)},
          {"pl", narrow(p.pl)},
          {"sh", narrow(p.sh)},
          {"sw", narrow(p.sw)},
          {"dh", narrow(p.dh)},
          {"dw", narrow(p.dw)},
          {"oh", narrow(p.oh())},
          {"ow", narrow(p.ow())},
          {"groups", narrow(p.g)}};
}

}  // namespace clconv::core::implicit_gemm
