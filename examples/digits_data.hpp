// MNIST's t10k digits, and a random order with random shifts of them.
#pragma once

#include <filesystem>
#include <numeric>
#include <random>

#include "idx.hpp"

namespace example {

constexpr int kSide = 28, kPixels = kSide * kSide;

struct Data {
  std::vector<float> images;
  std::vector<std::int32_t> labels;
  int count() const { return static_cast<int>(labels.size()); }
};

inline Data read_data(const std::string& folder) {
  const auto path = [&](const std::string& name) {
    const std::string plain = folder + "/" + name;
    return std::filesystem::exists(plain) ? plain : plain + ".gz";
  };
  auto images = read_idx_images(path("t10k-images-idx3-ubyte"), 1 << 20);
  Data data{std::move(images.pixels), read_idx_labels(path("t10k-labels-idx1-ubyte"), 1 << 20)};
  if (images.size != kSide || images.count != data.count()) {
    throw std::runtime_error(folder + ": expected as many 28x28 images as labels");
  }
  for (const std::int32_t label : data.labels) {
    if (label > 9) {
      throw std::runtime_error(path("t10k-labels-idx1-ubyte") + ": label " + std::to_string(label) +
                               " is not a digit");
    }
  }
  return data;
}

// The first `count` images in another order, each shifted by up to `shift` pixels.
inline Data shuffled(const Data& data, int count, int shift, std::mt19937_64& engine) {
  std::vector<int> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), engine);
  std::uniform_int_distribution<int> offset(-shift, shift);
  Data result{std::vector<float>(order.size() * kPixels, 0.0f), {}};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const float* from = &data.images[static_cast<std::size_t>(order[i]) * kPixels];
    float* to = &result.images[i * kPixels];
    const int dy = offset(engine), dx = offset(engine);
    for (int y = std::max(0, dy); y < std::min(kSide, kSide + dy); ++y) {
      for (int x = std::max(0, dx); x < std::min(kSide, kSide + dx); ++x) {
        to[y * kSide + x] = from[(y - dy) * kSide + x - dx];
      }
    }
    result.labels.push_back(data.labels[static_cast<std::size_t>(order[i])]);
  }
  return result;
}

// Of every `batch` * `ranks` images, those that `rank` takes; what is left over at the end belongs to nobody.
inline Data share_of(const Data& data, int batch, int rank, int ranks) {
  Data share;
  for (int first = rank * batch; first - rank * batch + batch * ranks <= data.count();
       first += batch * ranks) {
    const auto at = static_cast<std::ptrdiff_t>(first), end = at + batch;
    share.images.insert(share.images.end(), data.images.begin() + at * kPixels,
                        data.images.begin() + end * kPixels);
    share.labels.insert(share.labels.end(), data.labels.begin() + at, data.labels.begin() + end);
  }
  return share;
}

}  // namespace example
