#include "layers/softmax.hpp"

#include "runtime/spans.hpp"

namespace clconv::core {
namespace {

// Up to here one work-group, which needs no second launch: PoCL 3.1, 2-core Zen 5, 2026-11.
constexpr std::int64_t kElementsOfOneGroup = 2048;
// softmax_totals adds them up one after the other.
constexpr std::int64_t kMostGroups = 256;
constexpr std::int64_t kWorkGroupsPerUnit = 4;

std::int64_t rows_per_group(const DeviceProfile& profile, const Softmax& s, std::int64_t local) {
  if (s.n * s.m <= kElementsOfOneGroup) return s.n;
  const std::int64_t groups =
      profile.family == Family::kCpu
          ? std::min(profile.compute_units * kWorkGroupsPerUnit, kMostGroups)
          : kMostGroups;
  return std::max(local, ceil_div(s.n, groups));
}

// Power of two, for the tree in local memory.
std::int64_t local_size(const DeviceProfile& profile) {
  std::int64_t size = 1;
  while (profile.family == Family::kGpu && size * 2 <= Spans::local_size(profile))
    size *= 2;
  return size;
}

// Of no rows the totals are 0.
Executable of_nothing(const Softmax& s, const SoftmaxRegions& r) {
  Executable nothing;
  for (const Region* total : {r.loss, r.correct}) {
    if (total == nullptr || s.accumulate) continue;
    nothing.run.add(std::make_unique<FillStep>("zero", *total, Problem::kFloatBytes));
  }
  return nothing;
}

}  // namespace

Executable softmax_cross_entropy(Device& device, const Softmax& s, const SoftmaxRegions& r) {
  const DeviceProfile& profile = device.profile();
  if (s.n == 0) return of_nothing(s, r);
  const std::int64_t local = local_size(profile);
  const std::int64_t rows = rows_per_group(profile, s, local);
  const std::int64_t groups = ceil_div(s.n, rows);
  const bool single = groups == 1;
  const bool cpu = profile.family == Family::kCpu;

  Executable operation;
  Region losses{Executable::kWorkspaceSlot}, hits{Executable::kWorkspaceSlot};
  if (!single) {
    hits.offset = round_up(groups * Problem::kFloatBytes, profile.base_alignment_bytes);
    hits.bytes = losses.bytes = groups * Problem::kFloatBytes;
    operation.workspace_bytes = hits.offset + hits.bytes;
  }
  // What is not computed is not touched: any buffer will do.
  const auto or_any = [&](const Region* region) { return region != nullptr ? *region : r.logits; };
  const auto flag = [](const char* name, bool set) {
    return std::string(" -D") + name + (set ? "=1" : "=0");
  };
  const std::string options =
      "-DVW=" + std::to_string(cpu ? Runs::vector_width(profile) : 1) +
      " -DLOCAL=" + std::to_string(local) + flag("LOSS", r.loss != nullptr) +
      flag("CORRECT", r.correct != nullptr) + flag("PROBABILITIES", r.probabilities != nullptr) +
      flag("DLOGITS", r.dlogits != nullptr) + flag("ACCUMULATE", s.accumulate);
  const auto loss_scale = static_cast<cl_float>(1.0 / static_cast<double>(s.n));
  operation.run.add(std::make_unique<KernelStep>(
      "softmax", device.kernel("layers/softmax", "softmax_rows", options),
      std::vector<Argument>{{"logits", r.logits},
                            {"labels", r.labels},
                            {"probabilities", or_any(r.probabilities)},
                            {"dlogits", or_any(r.dlogits)},
                            {"losses", single ? or_any(r.loss) : losses},
                            {"hits", single ? or_any(r.correct) : hits},
                            {"n", narrow(s.n)},
                            {"m", narrow(s.m)},
                            {"rows_per_group", narrow(rows)},
                            {"single", cl_int{single ? 1 : 0}},
                            {"loss_scale", loss_scale},
                            {"gradient_scale", r.gradient_scale}},
      items(groups * local, local)));
  if (!single && (r.loss != nullptr || r.correct != nullptr)) {
    operation.run.add(std::make_unique<KernelStep>(
        "softmax_totals", device.kernel("layers/softmax", "softmax_totals", options),
        std::vector<Argument>{{"losses", losses},
                              {"hits", hits},
                              {"loss", or_any(r.loss)},
                              {"correct", or_any(r.correct)},
                              {"groups", narrow(groups)}},
        one_item_groups(1)));
  }
  return operation;
}

}  // namespace clconv::core
