// Matrix products of our own for CPUs, where CLBlast reaches half of the device; of matrices that we lay
// out ourselves, so that nothing is transposed or copied.
#pragma once

#include <memory>

#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// C = A * B, or C += A * B, for `batch` matrices one after the other: A stored as [k][m], B as
// [n / panel][k][panel], C as [n][m]. m and n are multiples of the tile; the padding's content does not matter.
struct PanelGemm {
  std::int64_t m = 1, n = 1, k = 1;
  std::int64_t batch = 1;
  std::int64_t panel = 1;
  bool add = false;
};

// Whether the device has the vectors and the local memory for it.
bool serves_panels(const DeviceProfile& profile);
// What m is a multiple of.
std::int64_t panel_rows(const DeviceProfile& profile);
// Columns of a panel: of those that fit the registers the number that costs least for n.
std::int64_t panel_columns(const DeviceProfile& profile, std::int64_t n);
// Independent pieces of a product.
std::int64_t panel_groups(const DeviceProfile& profile, const PanelGemm& gemm);

std::unique_ptr<Step> panel_gemm_step(Device& device, const PanelGemm& gemm, const Region& a,
                                      const Region& b, const Region& c);

}  // namespace clconv::core
