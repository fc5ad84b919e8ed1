// Between files of pictures and bytes: the only files that know libpng and libjpeg. A build without one of them says so
// where it is needed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clconv::cli {

// Rows of pixels without gaps; a pixel is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) samples.
struct Samples {
  std::int64_t width = 0, height = 0, channels = 0;
  int bits = 8;  // or 16, the upper byte first
  std::vector<unsigned char> bytes;
  int orientation = 1;  // of EXIF
};

// `path` is for messages. These throw BadInput.
Samples decode_png(const std::string& path, const std::vector<unsigned char>& file);
Samples decode_jpeg(const std::string& path, const std::vector<unsigned char>& file);
// 8 bits, 1 or 3 channels.
std::string encode_png(const std::string& path, const Samples& samples);

// Refuses, as BadInput, what has more pixels than are read.
void check_pixels(const std::string& path, std::int64_t width, std::int64_t height);

}  // namespace clconv::cli
