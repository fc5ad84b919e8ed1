// Convolution one can look at: AlexNet's first layer with Gabor filters on a generated RGB image,
// and oriented edge filters on digits; checked against the definition, written as contact sheets.
//
// usage: feature_maps [--digits FILE] [--device SPEC] [--out FOLDER]
//   --digits  MNIST's IDX image file, gzipped or not; without it, digits drawn by this program
#include <chrono>
#include <clconv/clconv.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "idx.hpp"
#include "image.hpp"

namespace {

constexpr float kPi = 3.14159265f;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// ---- inputs -------------------------------------------------------------------------------------

// 3 x size x size: rings that grow finer, a fan of stripes, and soft patches of colour, so that
// every filter finds something: orientations, scales, and red against green.
std::vector<float> test_image(int size) {
  std::vector<float> image(index(3 * size * size));
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const float u = 2.0f * static_cast<float>(x) / static_cast<float>(size) - 1;
      const float v = 2.0f * static_cast<float>(y) / static_cast<float>(size) - 1;
      const float rings = 0.5f + 0.5f * std::cos(26.0f * (u * u + v * v));
      const float angle = std::atan2(v - 0.55f, u + 0.55f);
      const bool fan = std::hypot(u + 0.55f, v - 0.55f) < 0.4f;
      const float base = fan ? (std::sin(14.0f * angle) > 0 ? 0.9f : 0.1f) : rings;
      const float warm = std::exp(-6.0f * ((u - 0.5f) * (u - 0.5f) + (v + 0.5f) * (v + 0.5f)));
      const float cold = std::exp(-6.0f * ((u - 0.5f) * (u - 0.5f) + (v - 0.5f) * (v - 0.5f)));
      const float rgb[] = {base * (1 - 0.7f * cold) + 0.3f * warm, base * (1 - 0.6f * warm),
                           base * (1 - 0.7f * warm) + 0.3f * cold};
      for (int c = 0; c < 3; ++c)
        image[index((c * size + y) * size + x)] = std::clamp(rgb[c], 0.0f, 1.0f);
    }
  }
  return image;
}

// A Gabor filter: a wave of `length` pixels along `angle` under a Gaussian, without mean.
std::vector<float> gabor(int size, float angle, float length, float phase) {
  std::vector<float> filter;
  float sum = 0;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const float u = static_cast<float>(x) - static_cast<float>(size - 1) / 2;
      const float v = static_cast<float>(y) - static_cast<float>(size - 1) / 2;
      const float along = u * std::cos(angle) + v * std::sin(angle);
      const float envelope = std::exp(-(u * u + v * v) / (0.1f * static_cast<float>(size * size)));
      filter.push_back(envelope * std::cos(2 * kPi * along / length + phase));
      sum += filter.back();
    }
  }
  for (float& value : filter)
    value -= sum / static_cast<float>(size * size);
  return filter;
}

// 96 filters of 3 x 11 x 11: 8 orientations x 4 wavelengths x (even, odd, red against green).
std::vector<float> alexnet_filters() {
  std::vector<float> weights;
  for (int kind = 0; kind < 3; ++kind) {
    for (int scale = 0; scale < 4; ++scale) {
      for (int turn = 0; turn < 8; ++turn) {
        const auto wave = gabor(11, kPi * static_cast<float>(turn) / 8,
                                3.0f + 2.2f * static_cast<float>(scale), kind == 1 ? kPi / 2 : 0);
        for (const float channel : {1.0f, kind == 2 ? -1.0f : 1.0f, kind == 2 ? 0.0f : 1.0f}) {
          for (const float value : wave)
            weights.push_back(value * channel);
        }
      }
    }
  }
  return weights;
}

// Ten 28x28 digits in seven-segment style with soft strokes, for where MNIST is not at hand.
example::Images drawn_digits() {
  static const char* const kSegments[] = {"abcdef", "bc",     "abdeg", "abcdg",   "bcfg",
                                          "acdfg",  "acdefg", "abc",   "abcdefg", "abcdfg"};
  static const float kStrokes[7][4] = {{9, 5, 19, 5},   {19, 5, 18, 14}, {18, 14, 17, 23},
                                       {7, 23, 17, 23}, {8, 14, 7, 23},  {9, 5, 8, 14},
                                       {8, 14, 18, 14}};
  example::Images images{10, 28, {}};
  for (const char* digit : kSegments) {
    for (int y = 0; y < 28; ++y) {
      for (int x = 0; x < 28; ++x) {
        float nearest = 100;
        for (const char* s = digit; *s != '\0'; ++s) {
          const float* line = kStrokes[*s - 'a'];
          const float dx = line[2] - line[0], dy = line[3] - line[1];
          const float px = static_cast<float>(x) - line[0], py = static_cast<float>(y) - line[1];
          const float t = std::clamp((px * dx + py * dy) / (dx * dx + dy * dy), 0.0f, 1.0f);
          nearest = std::min(nearest, std::hypot(px - t * dx, py - t * dy));
        }
        images.pixels.push_back(std::clamp(2.2f - nearest, 0.0f, 1.0f));
      }
    }
  }
  return images;
}

// ---- the convolution ----------------------------------------------------------------------------

struct Run {
  const clconv::Context& context;
  cl::Context cl = context.opencl_context();
  cl::CommandQueue queue{cl, context.device()};

  cl::Buffer upload(std::vector<float>& values) const {
    return cl::Buffer(cl, values.begin(), values.end(), false);
  }

  // y of the problem, after checking it against the definition in double precision.
  std::vector<float> convolve(const clconv::Problem& p, std::vector<float> x, std::vector<float> w,
                              std::vector<float> b) const {
    const clconv::Plan plan = context.plan(p);
    std::vector<float> y(index(p.info().y_bytes / 4));
    clconv::Operands operands;
    operands.x = upload(x);
    operands.w = upload(w);
    operands.b = upload(b);
    operands.y = upload(y);
    plan.execute(queue, operands);
    queue.finish();
    const auto begin = std::chrono::steady_clock::now();
    constexpr int kRuns = 20;
    for (int i = 0; i < kRuns; ++i)
      plan.execute(queue, operands);
    queue.finish();
    const std::chrono::duration<double, std::micro> taken =
        std::chrono::steady_clock::now() - begin;
    cl::copy(queue, operands.y, y.begin(), y.end());
    check(p, x, w, b, y, plan.info().error_bound);
    std::printf("%s by %s: %.0f us a run, %.0f GFLOP/s, right to the last element\n",
                p.text().c_str(), plan.info().strategy, taken.count() / kRuns,
                p.info().flops * kRuns / taken.count() * 1e-3);
    return y;
  }

  static void check(const clconv::Problem& p, const std::vector<float>& x,
                    const std::vector<float>& w, const std::vector<float>& b,
                    const std::vector<float>& y, double error_bound) {
    const auto info = p.info();
    for (std::int64_t i = 0; i < p.n * p.k * info.oh * info.ow; ++i) {
      const std::int64_t column = i % info.ow, row = i / info.ow % info.oh,
                         k = i / (info.ow * info.oh) % p.k;
      const std::int64_t n = i / (info.ow * info.oh * p.k);
      double sum = static_cast<double>(b[index(k)]), magnitude = std::fabs(sum);
      for (std::int64_t t = 0; t < p.c * p.kh * p.kw; ++t) {
        const std::int64_t c = t / (p.kh * p.kw), at_y = row * p.sh - p.pt + t / p.kw % p.kh,
                           at_x = column * p.sw - p.pl + t % p.kw;
        if (at_y < 0 || at_y >= p.h || at_x < 0 || at_x >= p.w) continue;
        const double product =
            static_cast<double>(x[index(((n * p.c + c) * p.h + at_y) * p.w + at_x)]) *
            static_cast<double>(w[index(k * p.c * p.kh * p.kw + t)]);
        sum += product;
        magnitude += std::fabs(product);
      }
      const double expected = std::max(0.0, sum);  // with ReLU
      if (!(std::fabs(static_cast<double>(y[index(i)]) - expected) <=
            error_bound * magnitude + 1e-12)) {
        throw std::runtime_error("y[" + std::to_string(i) + "] is " + std::to_string(y[index(i)]) +
                                 ", expected " + std::to_string(expected));
      }
    }
  }
};

// ---- contact sheets -----------------------------------------------------------------------------

// The image and the 96 filters on the left, the 96 maps on the right, at the same places.
void alexnet_sheet(const Run& run, const std::string& path) {
  clconv::Problem p("n1c3h227w227k96kh11kw11s4");
  p.bias = p.activation = CLCONV_RELU;
  const auto image = test_image(227);
  const auto filters = alexnet_filters();
  const auto maps = run.convolve(p, image, filters, std::vector<float>(96, 0.0f));
  constexpr int kMap = 57, kFilter = 19, kLeft = 12 * kFilter + 4;
  example::Canvas canvas(kLeft + 12 * kMap, 8 * kMap);
  canvas.draw_rgb(image.data(), 227, 0, 0, 227, 0.0f, 1.0f);
  for (int k = 0; k < 96; ++k) {
    const int column = k / 8, row = k % 8;
    canvas.draw_rgb(&filters[index(k * 3 * 11 * 11)], 11, column * kFilter,
                    248 + row * (kFilter + 6), kFilter - 2, -1.0f, 1.0f);
    canvas.draw_map(&maps[index(k * 55 * 55)], 55, kLeft + column * kMap, row * kMap, 55);
  }
  canvas.write_png(path);
}

// A column per digit: the digit, then its eight maps.
void digits_sheet(const Run& run, const example::Images& digits, const std::string& path) {
  constexpr int kFilters = 8, kCell = 58;
  clconv::Problem p("n" + std::to_string(digits.count) + "c1h" + std::to_string(digits.size) + "w" +
                    std::to_string(digits.size) + "k8kh5kw5p2");
  p.bias = p.activation = CLCONV_RELU;
  std::vector<float> weights;
  for (int turn = 0; turn < kFilters; ++turn) {
    const auto edge = gabor(5, kPi * static_cast<float>(turn) / 4, 6.0f, kPi / 2);
    weights.insert(weights.end(), edge.begin(), edge.end());
  }
  const auto maps = run.convolve(p, digits.pixels, weights, std::vector<float>(kFilters, 0.0f));
  example::Canvas canvas(digits.count * kCell, (kFilters + 1) * kCell);
  const int plane = digits.size * digits.size;
  for (int n = 0; n < digits.count; ++n) {
    canvas.draw_map(&digits.pixels[index(n * plane)], digits.size, n * kCell, 0, kCell - 2);
    for (int k = 0; k < kFilters; ++k) {
      canvas.draw_map(&maps[index((n * kFilters + k) * plane)], digits.size, n * kCell,
                      (k + 1) * kCell, kCell - 2);
    }
  }
  canvas.write_png(path);
}

}  // namespace

int main(int argc, char** argv) {
  std::string digits_file, device, out = ".";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--digits") == 0)
      digits_file = argv[i + 1];
    else if (std::strcmp(argv[i], "--device") == 0)
      device = argv[i + 1];
    else if (std::strcmp(argv[i], "--out") == 0)
      out = argv[i + 1];
    else
      argc = 0;
  }
  if (argc % 2 == 0) {
    std::fprintf(stderr, "usage: feature_maps [--digits FILE] [--device SPEC] [--out FOLDER]\n");
    return 2;
  }
  try {
    std::filesystem::create_directories(out);
    const clconv::Context context(device);
    const Run run{context};
    alexnet_sheet(run, out + "/alexnet_conv1.png");
    const bool real = !digits_file.empty();
    const auto digits = real ? example::read_idx_images(digits_file, 16) : drawn_digits();
    std::printf("digits: %s\n", real ? digits_file.c_str() : "drawn by this program (no --digits)");
    digits_sheet(run, digits, out + "/digits.png");
    std::printf("wrote %s/alexnet_conv1.png and %s/digits.png\n", out.c_str(), out.c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "feature_maps: %s\n", error.what());
    return 1;
  }
}
