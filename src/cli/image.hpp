// Pictures as networks take and give them: PNG and JPEG files as planes of numbers in 0..1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clconv::cli {

// The largest picture that is read, in pixels.
constexpr std::int64_t kMaxPixels = std::int64_t{8192} * 8192;

struct Picture {
  std::int64_t width = 0, height = 0, channels = 0;  // 1: grey, 3: red, green, blue
  std::vector<float> values;                         // (channels, height, width), in 0..1
  int orientation = 1;                               // what a JPEG's EXIF says; not applied
};

// The file's first bytes say what it is. 8 and 16 bits per channel, grey, RGB, palettes; what is transparent lies on
// white. Gamma and colour profiles are not applied: a value is the stored one over the largest. Throws FileFailure for
// a file that cannot be read, BadInput for what is in it.
Picture read_picture(const std::string& path);

// 1 channel becomes 3 equal ones; 3 become their luma (0.299, 0.587, 0.114), as JPEG has it.
Picture with_channels(Picture picture, std::int64_t channels);

// Bilinear; where the picture gets smaller, the filter covers all pixels that become one (no aliasing).
Picture resized(const Picture& picture, std::int64_t width, std::int64_t height);

// 8 bits per channel; values outside of 0..1 are clamped, NaN becomes 0. Throws BadInput where PNG has no such size.
void write_png(const std::string& path, const Picture& picture);

// Whether a file of this name is taken for a picture: .png, .jpg, .jpeg.
bool picture_name(const std::string& path);

}  // namespace clconv::cli
