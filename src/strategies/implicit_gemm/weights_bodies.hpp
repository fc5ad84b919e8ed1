#pragma once
#include "strategies/body.hpp"
namespace clconv::core::implicit_gemm {
extern const Body body_weights_filters, body_weights_pixels, body_weights_planes,
    body_weights_patches, body_weights_tile;
}
