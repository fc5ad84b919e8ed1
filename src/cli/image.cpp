#include "cli/image.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "cli/errors.hpp"
#include "cli/image_codecs.hpp"
#include "runtime/files.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

// Far above what the largest picture takes without compression at 16 bits and four channels.
constexpr std::size_t kMaxBytes = static_cast<std::size_t>(kMaxPixels) * 9;

std::vector<unsigned char> read_bytes(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  std::vector<unsigned char> bytes;
  std::vector<unsigned char> piece(1 << 16);
  std::size_t count = 0;
  while (file && (count = std::fread(piece.data(), 1, piece.size(), file.get())) > 0) {
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    if (bytes.size() > kMaxBytes) throw BadInput(path + ": is too long for a picture");
  }
  if (!file || std::ferror(file.get()) != 0) {  // a folder opens, and fails when it is read
    throw FileFailure("cannot read " + path + ": " + std::strerror(errno));
  }
  return bytes;
}

bool starts_with(const std::vector<unsigned char>& bytes, const char* magic) {
  const std::size_t size = std::strlen(magic);
  return bytes.size() >= size && std::memcmp(bytes.data(), magic, size) == 0;
}

// Rows of interleaved samples to planes; a last channel of 2 or 4 is how opaque the pixel is.
Picture planes_of(const Samples& samples) {
  const bool alpha = samples.channels == 2 || samples.channels == 4;
  Picture picture;
  picture.width = samples.width, picture.height = samples.height;
  picture.channels = samples.channels - (alpha ? 1 : 0);
  picture.orientation = samples.orientation;
  const auto pixels = static_cast<std::size_t>(picture.width * picture.height);
  const auto all = static_cast<std::size_t>(samples.channels);
  const auto colours = static_cast<std::size_t>(picture.channels);
  picture.values.resize(pixels * colours);
  const auto sample = [&](std::size_t at) {
    if (samples.bits == 8) return static_cast<float>(samples.bytes[at]) / 255.0f;
    return static_cast<float>(samples.bytes[2 * at] * 256 + samples.bytes[2 * at + 1]) / 65535.0f;
  };
  for (std::size_t i = 0; i < pixels; ++i) {
    const float opaque = alpha ? sample(i * all + all - 1) : 1.0f;
    for (std::size_t c = 0; c < colours; ++c) {
      const float value = sample(i * all + c);
      picture.values[c * pixels + i] = alpha ? value * opaque + (1 - opaque) : value;
    }
  }
  return picture;
}

// The pixels of one axis that a pixel of the result is made of.
struct Tap {
  std::size_t first;
  std::vector<float> weights;  // their sum is 1
};

std::vector<Tap> taps_of(std::int64_t from, std::int64_t to) {
  const double ratio = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(1.0, ratio);
  std::vector<Tap> taps(static_cast<std::size_t>(to));
  for (std::size_t i = 0; i < taps.size(); ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * ratio - 0.5;
    const auto begin = std::max<std::int64_t>(0, std::llround(std::ceil(centre - reach)));
    const auto end = std::min<std::int64_t>(from - 1, std::llround(std::floor(centre + reach)));
    taps[i].first = static_cast<std::size_t>(begin);
    double sum = 0;
    std::vector<double> weights;
    for (std::int64_t at = begin; at <= end; ++at) {
      weights.push_back(std::max(0.0, 1 - std::fabs(static_cast<double>(at) - centre) / reach));
      sum += weights.back();
    }
    for (const double weight : weights)
      taps[i].weights.push_back(static_cast<float>(weight / sum));
  }
  return taps;
}

}  // namespace

Picture read_picture(const std::string& path) {
  const std::vector<unsigned char> bytes = read_bytes(path);
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n")) return planes_of(decode_png(path, bytes));
  if (starts_with(bytes, "\xff\xd8\xff")) return planes_of(decode_jpeg(path, bytes));
  throw BadInput(path + ": is neither a PNG nor a JPEG");
}

Picture with_channels(Picture picture, std::int64_t channels) {
  if (picture.channels == channels) return picture;
  const auto pixels = static_cast<std::size_t>(picture.width * picture.height);
  std::vector<float> values(pixels * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; channels == 1 && i < pixels; ++i) {
    values[i] = 0.299f * picture.values[i] + 0.587f * picture.values[pixels + i] +
                0.114f * picture.values[2 * pixels + i];
  }
  for (std::size_t i = 0; channels == 3 && i < values.size(); ++i)
    values[i] = picture.values[i % pixels];
  picture.channels = channels;
  picture.values = std::move(values);
  return picture;
}

Picture resized(const Picture& picture, std::int64_t width, std::int64_t height) {
  const auto from_w = static_cast<std::size_t>(picture.width),
             from_h = static_cast<std::size_t>(picture.height),
             to_w = static_cast<std::size_t>(width), to_h = static_cast<std::size_t>(height),
             channels = static_cast<std::size_t>(picture.channels);
  const auto columns = taps_of(picture.width, width), rows = taps_of(picture.height, height);
  Picture result;
  result.width = width, result.height = height, result.channels = picture.channels;
  result.orientation = picture.orientation;
  result.values.resize(channels * to_w * to_h);
  // Pointers, not references to elements: a side may be 0.
  std::vector<float> narrow(from_h * to_w);  // one plane, resized in its width
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t y = 0; y < from_h; ++y) {
      const float* const row = picture.values.data() + (c * from_h + y) * from_w;
      for (std::size_t x = 0; x < to_w; ++x) {
        float sum = 0;
        for (std::size_t t = 0; t < columns[x].weights.size(); ++t)
          sum += columns[x].weights[t] * row[columns[x].first + t];
        narrow[y * to_w + x] = sum;
      }
    }
    for (std::size_t y = 0; y < to_h; ++y) {
      float* const row = result.values.data() + (c * to_h + y) * to_w;
      for (std::size_t t = 0; t < rows[y].weights.size(); ++t) {
        const float* const part = narrow.data() + (rows[y].first + t) * to_w;
        for (std::size_t x = 0; x < to_w; ++x)
          row[x] += rows[y].weights[t] * part[x];
      }
    }
  }
  return result;
}

void write_png(const std::string& path, const Picture& picture) {
  const auto pixels = static_cast<std::size_t>(picture.width * picture.height);
  const auto channels = static_cast<std::size_t>(picture.channels);
  Samples samples;
  samples.width = picture.width, samples.height = picture.height;
  samples.channels = picture.channels;
  samples.bytes.resize(pixels * channels);
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const float value = picture.values[c * pixels + i];
      const float clamped = value > 0 ? std::min(value, 1.0f) : 0.0f;  // NaN is not above 0
      samples.bytes[i * channels + c] = static_cast<unsigned char>(std::lround(clamped * 255.0f));
    }
  }
  core::write_file_atomically(path, encode_png(path, samples));
}

bool picture_name(const std::string& path) {
  const std::string name = core::lowered(path);
  for (const char* end : {".png", ".jpg", ".jpeg"}) {
    const std::size_t size = std::strlen(end);
    if (name.size() > size && name.compare(name.size() - size, size, end) == 0) return true;
  }
  return false;
}

}  // namespace clconv::cli
