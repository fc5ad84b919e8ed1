// Reads MNIST's IDX image files, gzipped or not (zlib reads both).
#pragma once

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

struct Images {
  int count = 0, size = 0;    // squares
  std::vector<float> pixels;  // in [0, 1]
};

// The first `most` images. Throws std::runtime_error that names the file and what is wrong with it.
inline Images read_idx_images(const std::string& path, int most) {
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot read " + path);
  const auto fail = [&](const std::string& what) {
    gzclose(file);
    throw std::runtime_error(path + ": " + what);
  };
  std::uint8_t head[16];
  if (gzread(file, head, sizeof(head)) != sizeof(head)) fail("truncated in its header");
  const auto word = [&](int i) {
    return head[i] << 24 | head[i + 1] << 16 | head[i + 2] << 8 | head[i + 3];
  };
  if (word(0) != 0x803)
    fail("magic number " + std::to_string(word(0)) + ", expected 2051 (IDX images)");
  Images images;
  images.count = std::min(word(4), most);
  images.size = word(8);
  if (images.count < 1 || images.size < 1 || images.size > 1024 || images.size != word(12)) {
    fail("expected at least one square image of up to 1024 pixels a side");
  }
  std::vector<std::uint8_t> bytes(
      static_cast<std::size_t>(images.count * images.size * images.size));
  const auto wanted = static_cast<unsigned>(bytes.size());
  if (gzread(file, bytes.data(), wanted) != static_cast<int>(wanted)) fail("truncated");
  gzclose(file);
  for (const std::uint8_t b : bytes)
    images.pixels.push_back(static_cast<float>(b) / 255.0f);
  return images;
}

}  // namespace example
