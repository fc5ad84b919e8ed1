// Prints a suite of realistic random problems: what networks ask for, at sizes nobody tuned for. The same seed gives
// the same suite everywhere, so that a regret or a hash measured on it can be measured again.
//
//     build/bench/random_suite 200 1 >random.txt && build/clconv bench --suite random.txt
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>

namespace {

// SplitMix64 (G. Steele et al., "Fast Splittable Pseudorandom Number Generators", 2014): the standard library's
// distributions may differ from one implementation to the next.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // In [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  std::int64_t among(std::initializer_list<std::int64_t> values) {
    return values.begin()[next() % values.size()];
  }

 private:
  std::uint64_t state_;
};

// Channel counts are multiples of 8 most often, of 4 or odd otherwise (pruned and searched networks).
std::int64_t channels(Random& random, std::int64_t most) {
  const std::int64_t step = random.among({8, 8, 8, 16, 32, 4, 1});
  return step * random.between(1, std::max<std::int64_t>(1, most / step));
}

struct Layer {
  const char* kind;
  std::int64_t n, c, h, w, k, kernel_h, kernel_w, stride, dilation, groups;
};

Layer draw(Random& random) {
  Layer l{"conv", random.among({1, 1, 1, 2, 4, 8}), 0, 0, 0, 0, 0, 0, 1, 1, 1};
  const std::int64_t image = random.between(5, 120);
  l.h = image;
  l.w = random.among({0, 0, 1}) == 0 ? image : random.between(5, 120);
  // The smaller the image, the more channels: about what a network's stages do.
  const std::int64_t most = std::clamp<std::int64_t>(4096 / image, 16, 512);
  l.c = channels(random, most);
  l.k = channels(random, most);
  const std::int64_t kind = random.between(0, 99);
  if (kind < 30) {
    l.kind = "pointwise";
    l.kernel_h = l.kernel_w = 1;
    l.stride = random.among({1, 1, 1, 1, 2});
  } else if (kind < 60) {
    l.kind = "3x3";
    l.kernel_h = l.kernel_w = 3;
    l.stride = random.among({1, 1, 1, 2});
    l.dilation = random.among({1, 1, 1, 1, 2, 3});
  } else if (kind < 75) {
    l.kind = "depthwise";
    l.kernel_h = l.kernel_w = random.among({3, 3, 3, 5, 7});
    l.stride = random.among({1, 1, 2});
    l.groups = l.k = l.c;
  } else if (kind < 83) {
    l.kind = "grouped";
    l.groups = random.among({2, 4, 8, 16});
    l.c = l.groups * random.between(1, 16);
    l.k = l.groups * random.between(1, 16);
    l.kernel_h = l.kernel_w = random.among({1, 3, 3});
    l.stride = random.among({1, 1, 2});
  } else if (kind < 91) {
    l.kind = "first";
    l.c = random.among({1, 3, 3, 3, 4});
    l.k = 8 * random.between(2, 12);
    l.h = l.w = random.between(60, 230);
    l.n = 1;
    l.kernel_h = l.kernel_w = random.among({3, 3, 5, 7});
    l.stride = random.among({1, 2, 2, 4});
  } else {
    l.kind = "oblong";
    l.kernel_h = random.among({1, 1, 2, 5});
    l.kernel_w = random.among({3, 4, 5, 7});
    l.stride = random.among({1, 1, 2});
  }
  // Even and large filters keep an image of their own size at least.
  l.h = std::max(l.h, l.dilation * (l.kernel_h - 1) + 1);
  l.w = std::max(l.w, l.dilation * (l.kernel_w - 1) + 1);
  return l;
}

double gflop(const Layer& l) {
  const double pixels = static_cast<double>(l.h) / static_cast<double>(l.stride) *
                        static_cast<double>(l.w) / static_cast<double>(l.stride);
  return 2e-9 * static_cast<double>(l.n * l.k * (l.c / l.groups) * l.kernel_h * l.kernel_w) *
         pixels;
}

void print(int number, const Layer& l, Random& random) {
  const auto value = [](std::int64_t v) { return static_cast<long long>(v); };
  std::printf("%s_%d n%lldc%lldh%lldw%lldk%lldkh%lldkw%lld", l.kind, number, value(l.n), value(l.c),
              value(l.h), value(l.w), value(l.k), value(l.kernel_h), value(l.kernel_w));
  if (l.stride > 1) std::printf("s%lld", value(l.stride));
  // "Same" padding, four times out of five.
  const std::int64_t pad_h = l.dilation * (l.kernel_h - 1) / 2,
                     pad_w = l.dilation * (l.kernel_w - 1) / 2;
  if (pad_h + pad_w > 0 && random.between(0, 4) > 0) {
    std::printf("p%lld,%lld", value(pad_h), value(pad_w));
  }
  if (l.dilation > 1) std::printf("d%lld", value(l.dilation));
  if (l.groups > 1) std::printf("g%lld", value(l.groups));
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 0;
  const long seed = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1;
  const double most_gflop = argc > 3 ? std::strtod(argv[3], nullptr) : 2;
  if (count < 1 || seed < 0 || !(most_gflop > 0)) {
    std::fprintf(stderr,
                 "usage: random_suite COUNT [SEED [MOST_GFLOP]]: a suite on standard output\n");
    return 2;
  }
  Random random(static_cast<std::uint64_t>(seed));
  std::printf("# %ld random problems of at most %g GFLOP, seed %ld: random_suite %ld %ld %g\n",
              count, most_gflop, seed, count, seed, most_gflop);
  for (int number = 0; number < count;) {
    const Layer layer = draw(random);
    if (gflop(layer) <= most_gflop) print(number++, layer, random);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
