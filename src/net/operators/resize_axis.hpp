// What Resize takes along one axis: for each index of the result, the indices of the input and their weights. All modes
// are told apart here, on the host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/opencl.hpp"

namespace clconv::net {

struct ResizeModes {
  std::string mode;         // nearest, linear, cubic
  std::string coordinates;  // coordinate_transformation_mode
  std::string nearest;      // nearest_mode; "simple" is that of opset 10
  float cubic_a = -0.75f;
  bool exclude_outside = false;
};

// What is asked for along one axis.
struct ResizeAxis {
  std::int64_t from_size = 0, size = 0;
  float scale = 1;                   // that asked for, or of the sizes
  float roi_start = 0, roi_end = 1;  // of tf_crop_and_resize, relative to the input
};

constexpr cl_int kOutside =
    -1;  // in the place of the first index: the result is the extrapolation value

// The index that each index of the result takes by mode nearest.
std::vector<cl_int> nearest_indices(const ResizeModes& modes, const ResizeAxis& axis);

// `count` neighbours of each index of the result, and their weights.
struct Taps {
  std::int64_t from_size = 0, size = 0;
  std::int64_t count = 1;
  std::vector<cl_int> indices;
  std::vector<float> weights;
};
// By mode linear or cubic; one tap each where every index takes itself.
Taps taps_of(const ResizeModes& modes, const ResizeAxis& axis);
Taps own_taps(std::int64_t size);
bool takes_itself(const Taps& taps);

}  // namespace clconv::net
