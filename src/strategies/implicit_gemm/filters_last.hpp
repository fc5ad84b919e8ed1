// `filters` with channels last: a kernel and costs of its own.
#pragma once

#include "strategies/implicit_gemm/filter_tile.hpp"

namespace clconv::core::implicit_gemm {

Fit filters_last(const Case& all, const Config& config, const FilterTile& tile);

}  // namespace clconv::core::implicit_gemm
