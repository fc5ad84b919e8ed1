// Pictures for the examples: planes of floats, drawn side by side into a PNG.
#pragma once

#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

// RGB, values in [0, 1].
class Canvas {
 public:
  Canvas(int width, int height)
      : width_(width), height_(height), pixels_(static_cast<std::size_t>(width * height * 3), 24) {}

  void set(int x, int y, float r, float g, float b) {
    const auto at = static_cast<std::size_t>((y * width_ + x) * 3);
    const float values[] = {r, g, b};
    for (std::size_t i = 0; i < 3; ++i) {
      pixels_[at + i] =
          static_cast<std::uint8_t>(std::lround(255.0f * std::clamp(values[i], 0.0f, 1.0f)));
    }
  }

  // A feature map in grey, from 0 to its largest value (square root, so that faint parts show), in
  // a square of `size` pixels.
  void draw_map(const float* plane, int plane_size, int left, int top, int size) {
    const float most = std::max(1e-20f, *std::max_element(plane, plane + plane_size * plane_size));
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const float v =
            std::sqrt(plane[y * plane_size / size * plane_size + x * plane_size / size] / most);
        set(left + x, top + y, v, v, v);
      }
    }
  }

  // Three planes as red, green and blue, `lowest` black and `highest` white.
  void draw_rgb(const float* planes, int plane_size, int left, int top, int size, float lowest,
                float highest) {
    const auto at = [&](int c, int y, int x) {
      const float v =
          planes[(c * plane_size + y * plane_size / size) * plane_size + x * plane_size / size];
      return (v - lowest) / (highest - lowest);
    };
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x)
        set(left + x, top + y, at(0, y, x), at(1, y, x), at(2, y, x));
    }
  }

  void write_png(const std::string& path) const {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    png.width = static_cast<png_uint_32>(width_);
    png.height = static_cast<png_uint_32>(height_);
    png.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&png, path.c_str(), 0, pixels_.data(), 0, nullptr) == 0) {
      throw std::runtime_error("cannot write " + path + ": " + png.message);
    }
  }

 private:
  int width_, height_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace example
