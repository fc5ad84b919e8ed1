// The common course of `weights_rolling` and `weights_deinterleaved`: weight gradients of planes that are read row by
// row, in bands, each work-item several filters.
#pragma once

#include "strategies/depthwise/rolling_planes.hpp"
#include "strategies/depthwise/weights_layout.hpp"

namespace clconv::core::depthwise {

class RollingWeightsLayout : public WeightsLayout {
 public:
  // `file`: of the kernel, without kernels/ and .cl. `defines`: macros of its own.
  RollingWeightsLayout(const Case& c, const Config& config, const RollingPlanes& planes,
                       std::int64_t bands, const char* file, const char* kernel,
                       const std::string& defines = "");

 protected:
  std::unique_ptr<Step> multiply(Device& device, const std::string& defines,
                                 const Region& result) const override;
  // Of dy, that a band goes through.
  std::int64_t rows_of_band() const { return band_ + (bands_ > 1 ? planes_.roll() - 1 : 0); }

  RollingPlanes planes_;

 private:
  const char *file_, *kernel_;
  std::string defines_;
  std::int64_t band_, bands_;
};

}  // namespace clconv::core::depthwise
