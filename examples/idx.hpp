// Reads MNIST's IDX files, gzipped or not (zlib reads both).
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

struct Images {
  int count = 0, size = 0;    // squares
  std::vector<float> pixels;  // in [0, 1]
};

// The sizes and bytes of an IDX file of unsigned bytes with `rank` dimensions, at most the first `most`
// items. Throws std::runtime_error that names the file and what is wrong with it.
inline std::vector<std::uint8_t> read_idx(const std::string& path, std::size_t rank, int most,
                                          std::vector<int>& sizes) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) throw std::runtime_error("cannot read " + path);
  std::vector<std::uint8_t> head(4 * (rank + 1));
  if (gzread(file.get(), head.data(), static_cast<unsigned>(head.size())) !=
      static_cast<int>(head.size())) {
    throw std::runtime_error(path + ": truncated in its header");
  }
  const auto word = [&](std::size_t i) {
    return head[4 * i] << 24 | head[4 * i + 1] << 16 | head[4 * i + 2] << 8 | head[4 * i + 3];
  };
  const int magic = 0x800 + static_cast<int>(rank);
  if (word(0) != magic) {
    throw std::runtime_error(path + ": magic number " + std::to_string(word(0)) + ", expected " +
                             std::to_string(magic));
  }
  sizes.clear();
  std::size_t bytes = 1;
  for (std::size_t i = 1; i <= rank; ++i) {
    sizes.push_back(i == 1 ? std::min(word(1), most) : word(i));
    if (sizes.back() < 1 || (i > 1 && sizes.back() > 1024)) {
      throw std::runtime_error(path + ": size " + std::to_string(sizes.back()) + " of dimension " +
                               std::to_string(i) + " is not between 1 and 1024");
    }
    bytes *= static_cast<std::size_t>(sizes.back());
  }
  std::vector<std::uint8_t> values(bytes);
  if (gzread(file.get(), values.data(), static_cast<unsigned>(bytes)) != static_cast<int>(bytes)) {
    throw std::runtime_error(path + ": truncated");
  }
  return values;
}

inline Images read_idx_images(const std::string& path, int most) {
  std::vector<int> sizes;
  const auto bytes = read_idx(path, 3, most, sizes);
  if (sizes[1] != sizes[2]) throw std::runtime_error(path + ": the images are not square");
  Images images{sizes[0], sizes[1], {}};
  for (const std::uint8_t b : bytes)
    images.pixels.push_back(static_cast<float>(b) / 255.0f);
  return images;
}

inline std::vector<std::int32_t> read_idx_labels(const std::string& path, int most) {
  std::vector<int> sizes;
  const auto bytes = read_idx(path, 1, most, sizes);
  return {bytes.begin(), bytes.end()};
}

}  // namespace example
