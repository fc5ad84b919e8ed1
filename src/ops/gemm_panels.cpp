#include "ops/gemm_panels.hpp"

#include <string>

#include "machine/machine.hpp"
#include "runtime/spans.hpp"

namespace clconv::core {
namespace {

// Vectors of a column of C in a register tile; 2 by 14 is what 32 registers hold.
constexpr std::int64_t kVectors = 2;

// Depth and number of the row panels that are copied together: with vectors of 16 that is 64 KiB, which stay in L2, and
// a panel of B is 14 KiB in L1. Twice either is level, four times is slower (PoCL 3.1, 2-core Zen 5, 2026-11, ResNet's
// 3x3).
constexpr std::int64_t kDepth = 256, kPanels = 2;

// Per core, so that a core that falls behind is not waited for long.
constexpr std::int64_t kWorkGroupsPerUnit = 4;

std::int64_t most_columns(const DeviceProfile& profile) {
  return (Machine::of(profile).registers - kVectors - 1) / kVectors;
}

std::int64_t row_blocks(const DeviceProfile& profile, const PanelGemm& gemm) {
  return ceil_div(gemm.m, panel_rows(profile) * kPanels);
}

// Runs of column panels that a block of rows is divided into.
std::int64_t column_runs(const DeviceProfile& profile, const PanelGemm& gemm) {
  const std::int64_t wanted =
      ceil_div(profile.compute_units * kWorkGroupsPerUnit, row_blocks(profile, gemm) * gemm.batch);
  return std::min(gemm.n / gemm.panel, wanted);
}

}  // namespace

bool serves_panels(const DeviceProfile& profile) {
  return profile.family == Family::kCpu && Runs::vector_width(profile) > 1 &&
         kPanels * kDepth * panel_rows(profile) * Problem::kFloatBytes <=
             profile.local_memory_bytes;
}

std::int64_t panel_rows(const DeviceProfile& profile) {
  return kVectors * Runs::vector_width(profile);
}

std::int64_t panel_columns(const DeviceProfile& profile, std::int64_t n) {
  // Few sizes, since each is a program. What counts is the loads per k: a narrow panel pads less and loads more.
  const std::int64_t most = most_columns(profile);
  const auto loads = [&](std::int64_t columns) {
    return ceil_div(n, columns) * (columns + kVectors);
  };
  std::int64_t best = most;
  for (const std::int64_t columns : {most - 1, most / 2}) {
    if (loads(columns) < loads(best)) best = columns;
  }
  return best;
}

std::int64_t panel_groups(const DeviceProfile& profile, const PanelGemm& gemm) {
  return row_blocks(profile, gemm) * column_runs(profile, gemm) * gemm.batch;
}

std::unique_ptr<Step> panel_gemm_step(Device& device, const PanelGemm& gemm, const Region& a,
                                      const Region& b, const Region& c) {
  const DeviceProfile& profile = device.profile();
  const std::string defines =
      "-DVW=" + std::to_string(Runs::vector_width(profile)) + " -DMV=" + std::to_string(kVectors) +
      " -DNR=" + std::to_string(gemm.panel) + " -DKB=" + std::to_string(kDepth) +
      " -DMP=" + std::to_string(kPanels);
  return std::make_unique<KernelStep>(
      "gemm (own)", device.kernel("ops/gemm", "gemm_panels", defines),
      std::vector<Argument>{{"a", a},
                            {"b", b},
                            {"c", c},
                            {"m", cl_long{gemm.m}},
                            {"k", narrow(gemm.k)},
                            {"n_panels", narrow(gemm.n / gemm.panel)},
                            {"m_blocks", narrow(row_blocks(profile, gemm))},
                            {"n_runs", narrow(column_runs(profile, gemm))},
                            {"add", cl_int{gemm.add ? 1 : 0}}},
      one_item_groups(panel_groups(profile, gemm)));
}

}  // namespace clconv::core
