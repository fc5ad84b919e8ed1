// Enlarges a picture with a network: waifu2x, Real-ESRGAN, or any other ONNX file that takes (1,3,H,W) in 0..1 and
// gives the same picture larger.
//
// Between layers a picture takes a hundred times its memory and more, so that a large one is done in tiles, all of one
// size: the network is compiled once. At the edge of a tile the network lacks pixels. Some networks crop the result
// there; others compute with zeros instead, which spoils it. Either way a tile gives less than it takes, and tiles
// overlap by the difference. The shapes of input and output say which kind a network is, and how far it enlarges.
#define CL_HPP_ENABLE_EXCEPTIONS
#include <algorithm>
#include <chrono>
#include <clconv/net.hpp>
#include <cstdio>
#include <cstring>

#include "beside.hpp"
#include "cli/image.hpp"

namespace {

using clconv::cli::Picture;

// Pixels at each edge of a tile whose results are spoilt where the network computes with zeros.
constexpr std::int64_t kSpoilt = 16;
// Most pixels of a tile in each direction, as the network takes it.
constexpr std::int64_t kTile = 256;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// One direction of the picture. Tile i gives the picture's pixels from i * step on.
struct Cut {
  std::int64_t factor;   // pixels of the result for one of the picture
  std::int64_t border;   // pixels that a tile takes on each side beyond those that it gives
  std::int64_t skipped;  // pixels of the network's output on each side that are not used
  std::int64_t step;     // pixels of the picture that a tile gives
  std::int64_t tiles;
};

// For a network that makes `output` pixels of `input`: factor * input without what it crops.
Cut cut(std::int64_t size, std::int64_t input, std::int64_t output) {
  Cut result{};
  result.factor = (output + input - 1) / input;
  const std::int64_t lost = result.factor * input - output;
  if (output < 1 || lost >= input / 2 || lost % (2 * result.factor) != 0) {
    throw std::runtime_error("the network makes " + std::to_string(output) + " pixels of " +
                             std::to_string(input) + ", which is no enlarged picture");
  }
  result.border = lost > 0 ? lost / (2 * result.factor) : kSpoilt;
  result.skipped = lost > 0 ? 0 : kSpoilt * result.factor;
  result.step = input - 2 * result.border;
  result.tiles = (size + result.step - 1) / result.step;
  return result;
}

// The size of tiles: the whole picture with its borders where that is not too large. Many networks want even sizes.
std::int64_t tile_size(std::int64_t size, std::int64_t most) {
  return std::min((size + 2 * kSpoilt + 7) / 8 * 8, most);
}

// A network of one input and one output, both (1,3,H,W).
class Enlarger {
 public:
  Enlarger(const clconv::Context& context, const std::string& model, const Picture& picture,
           std::int64_t tile)
      : picture_(picture),
        network_(context, clconv::Model::load(model),
                 {{"", {1, 3, tile_size(picture.height, tile), tile_size(picture.width, tile)}}}),
        queue_(context.opencl_context(), context.device()) {
    const auto inputs = network_.inputs(), outputs = network_.outputs();
    if (inputs.size() != 1 || outputs.size() != 1 || outputs[0].sizes.size() != 4 ||
        outputs[0].sizes[1] != 3) {
      throw std::runtime_error(model + ": does not make one picture (1,3,H,W) of another");
    }
    in_ = inputs[0].sizes, out_ = outputs[0].sizes;
    rows_ = cut(picture.height, in_[2], out_[2]);
    columns_ = cut(picture.width, in_[3], out_[3]);
    input_ = cl::Buffer(context.opencl_context(), CL_MEM_READ_ONLY, index(inputs[0].bytes));
    output_ = cl::Buffer(context.opencl_context(), CL_MEM_WRITE_ONLY, index(outputs[0].bytes));
  }

  std::int64_t tiles() const { return rows_.tiles * columns_.tiles; }

  Picture enlarged() const {
    Picture result;
    result.width = picture_.width * columns_.factor;
    result.height = picture_.height * rows_.factor;
    result.channels = 3;
    result.values.resize(index(3 * result.height * result.width));
    for (std::int64_t row = 0; row < rows_.tiles; ++row) {
      for (std::int64_t column = 0; column < columns_.tiles; ++column)
        put(result, row, column, computed(tile(row, column)));
    }
    return result;
  }

 private:
  // What the network takes; beyond the picture its outermost pixels are repeated.
  std::vector<float> tile(std::int64_t row, std::int64_t column) const {
    std::vector<float> values;
    values.reserve(index(3 * in_[2] * in_[3]));
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t y = 0; y < in_[2]; ++y) {
        const std::int64_t from_y = row * rows_.step - rows_.border + y;
        const std::int64_t line =
            c * picture_.height + std::clamp<std::int64_t>(from_y, 0, picture_.height - 1);
        for (std::int64_t x = 0; x < in_[3]; ++x) {
          const std::int64_t from_x = column * columns_.step - columns_.border + x;
          values.push_back(picture_.values[index(
              line * picture_.width + std::clamp<std::int64_t>(from_x, 0, picture_.width - 1))]);
        }
      }
    }
    return values;
  }

  std::vector<float> computed(const std::vector<float>& values) const {
    queue_.enqueueWriteBuffer(input_, CL_TRUE, 0, values.size() * sizeof(float), values.data());
    network_.run(queue_, {input_}, {output_});
    std::vector<float> result(index(3 * out_[2] * out_[3]));
    queue_.enqueueReadBuffer(output_, CL_TRUE, 0, result.size() * sizeof(float), result.data());
    return result;
  }

  // The part of the last tiles that lies beyond the picture is left out.
  void put(Picture& result, std::int64_t row, std::int64_t column,
           const std::vector<float>& values) const {
    const std::int64_t top = row * rows_.step * rows_.factor,
                       left = column * columns_.step * columns_.factor;
    const std::int64_t height = std::min(rows_.step * rows_.factor, result.height - top),
                       width = std::min(columns_.step * columns_.factor, result.width - left);
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t y = 0; y < height; ++y) {
        const std::int64_t from = (c * out_[2] + rows_.skipped + y) * out_[3] + columns_.skipped;
        std::copy_n(values.begin() + from, width,
                    result.values.begin() + (c * result.height + top + y) * result.width + left);
      }
    }
  }

  const Picture& picture_;
  clconv::Network network_;
  cl::CommandQueue queue_;
  std::vector<std::int64_t> in_, out_;
  Cut rows_{}, columns_{};
  cl::Buffer input_, output_;
};

// Without a network: every pixel becomes a square.
Picture repeated(const Picture& picture, std::int64_t width, std::int64_t height) {
  Picture result;
  result.width = width, result.height = height, result.channels = picture.channels;
  for (std::int64_t i = 0; i < result.channels * height * width; ++i) {
    const std::int64_t c = i / width / height, y = i / width % height * picture.height / height,
                       x = i % width * picture.width / width;
    result.values.push_back(picture.values[index((c * picture.height + y) * picture.width + x)]);
  }
  return result;
}

void enlarge(const std::string& model, const std::string& in, const std::string& out,
             std::int64_t tile, bool with_original) {
  const Picture picture = clconv::cli::with_channels(clconv::cli::read_picture(in), 3);
  const Enlarger enlarger(clconv::Context(), model, picture, tile);
  const auto begin = std::chrono::steady_clock::now();
  const Picture result = enlarger.enlarged();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  std::printf("%s: from %lldx%lld to %lldx%lld pixels in %lld tiles, %.2f s\n", out.c_str(),
              static_cast<long long>(picture.width), static_cast<long long>(picture.height),
              static_cast<long long>(result.width), static_cast<long long>(result.height),
              static_cast<long long>(enlarger.tiles()), taken.count());
  const Picture original =
      with_original ? repeated(picture, result.width, result.height) : Picture();
  clconv::cli::write_png(out, with_original ? example::beside(original, result) : result);
}

}  // namespace

int main(int argc, char** argv) {
  clconv_pin_pocl_threads();
  std::int64_t tile = kTile;
  bool with_original = false;
  int at = 1;
  for (; at < argc && std::strncmp(argv[at], "--", 2) == 0; ++at) {
    if (std::strcmp(argv[at], "--beside") == 0)
      with_original = true;
    else if (std::strcmp(argv[at], "--tile") == 0 && at + 1 < argc)
      tile = std::atoll(argv[++at]);
    else
      tile = 0;
  }
  if (argc - at != 3 || tile <= 2 * kSpoilt) {
    std::fprintf(
        stderr,
        "usage: enlarge [--beside] [--tile PIXELS] MODEL.onnx in.png out.png\n"
        "  --beside  the picture before beside it, every pixel a square\n"
        "  --tile    most pixels of a tile in each direction: %d or more, %d if not given\n",
        static_cast<int>(2 * kSpoilt + 1), static_cast<int>(kTile));
    return 2;
  }
  try {
    enlarge(argv[at], argv[at + 1], argv[at + 2], tile, with_original);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "enlarge: %s\n", error.what());
    return 1;
  }
}
