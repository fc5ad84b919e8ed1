// The network operations against their definitions in double precision: through layers/ on the device and on the
// device as if it were a GPU, and through the public API.
#include <functional>

#include "doctest/doctest.h"
#include "layers/optimizer.hpp"
#include "layers/pooling.hpp"
#include "layers/softmax.hpp"
#include "ops/activation.hpp"
#include "support/device.hpp"
#include "support/errors.hpp"
#include "support/queues.hpp"
#include "support/reference.hpp"
// After runtime/opencl.hpp, which sets the macros of CLHPP without asking.
#include "clconv/clconv.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Device& as_gpu() {
  static Device& instance = [&]() -> Device& {
    DeviceProfile profile = device().profile();
    profile.family = Family::kGpu;
    profile.max_work_group_size = 64;
    return *new Device(device().context(), device().cl(), cache_options("", 0), profile);
  }();
  return instance;
}

// Runs on buffers that start with `contents` (empty vectors are bound to nothing) and gives what is in them after.
std::vector<std::vector<float>> run(Device& on, const Executable& operation,
                                    const std::vector<std::vector<float>>& contents,
                                    const std::function<void(Bindings&)>& numbers = {}) {
  std::vector<GuardedBuffer> buffers;
  Bindings bindings;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    buffers.emplace_back(contents[i]);
    bindings.bind(static_cast<int>(i), buffers.back().get());
  }
  if (numbers) numbers(bindings);
  enqueue(operation, on, queue()(), is_in_order(queue()()), bindings, {}, {});
  queue().finish();
  std::vector<std::vector<float>> results;
  for (GuardedBuffer& buffer : buffers) {
    CHECK(buffer.intact());
    results.push_back(buffer.read());
  }
  return results;
}

std::vector<float> poison(std::int64_t count) {
  return std::vector<float>(static_cast<std::size_t>(count), kNan);
}

// The largest error relative to 1 + the expected magnitude; infinite for NaN.
double worst(const std::vector<float>& result, const std::vector<double>& expected) {
  double error = result.size() == expected.size() ? 0 : kInfinity;
  for (std::size_t i = 0; i < result.size() && i < expected.size(); ++i) {
    const double difference =
        std::fabs(static_cast<double>(result[i]) - expected[i]) / (1 + std::fabs(expected[i]));
    error = difference <= error ? error : std::isnan(difference) ? kInfinity : difference;
  }
  return error;
}

double d(float value) {
  return static_cast<double>(value);
}

std::vector<double> doubles(const std::vector<float>& values) {
  return std::vector<double>(values.begin(), values.end());
}

// int32 values as the floats that buffers here are made of, and back.
std::vector<float> as_floats(const std::vector<std::int32_t>& values) {
  std::vector<float> bits(values.size());
  if (!values.empty()) std::memcpy(bits.data(), values.data(), values.size() * 4);
  return bits;
}
std::int32_t as_int(float bits) {
  std::int32_t value = 0;
  std::memcpy(&value, &bits, 4);
  return value;
}

// ---- softmax ------------------------------------------------------------------------------------

struct SoftmaxResult {
  double loss = 0;
  std::int32_t correct = 0;
  std::vector<double> probabilities, dlogits;
};

SoftmaxResult softmax_reference(std::int64_t n, std::int64_t m, const std::vector<double>& logits,
                                const std::vector<std::int32_t>& labels, double gradient_scale) {
  SoftmaxResult r;
  const auto classes = static_cast<std::size_t>(m);
  for (std::size_t row = 0; row < static_cast<std::size_t>(n); ++row) {
    const double* z = logits.data() + row * classes;
    const std::size_t best =
        static_cast<std::size_t>(std::max_element(z, z + classes) - z);  // the first of equals
    double sum = 0;
    for (std::size_t i = 0; i < classes; ++i)
      sum += std::exp(z[i] - z[best]);
    const auto label = static_cast<std::size_t>(labels[row]);
    r.loss += (std::log(sum) - (z[label] - z[best])) / static_cast<double>(n);
    r.correct += best == label ? 1 : 0;
    for (std::size_t i = 0; i < classes; ++i) {
      const double p = std::exp(z[i] - z[best]) / sum;
      r.probabilities.push_back(p);
      r.dlogits.push_back((p - (i == label ? 1.0 : 0.0)) * gradient_scale / static_cast<double>(n));
    }
  }
  return r;
}

std::vector<std::int32_t> labels_of(std::int64_t n, std::int64_t m) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < n; ++i)
    labels.push_back(static_cast<std::int32_t>((i * 7 + 3) % m));
  return labels;
}

const Region kLoss{2}, kCorrect{3}, kProbabilities{4}, kDlogits{5};

SoftmaxRegions all_results() {
  return {Region{0}, Region{1}, &kLoss, &kCorrect, &kProbabilities, &kDlogits};
}

std::vector<std::vector<float>> run_softmax(Device& on, const Softmax& s,
                                            const SoftmaxRegions& regions,
                                            const std::vector<float>& logits,
                                            const std::vector<std::int32_t>& labels,
                                            float gradient_scale, float loss,
                                            std::int32_t correct) {
  return run(on, softmax_cross_entropy(on, s, regions),
             {logits,
              as_floats(labels),
              {loss},
              as_floats({correct}),
              poison(s.n * s.m),
              poison(s.n * s.m)},
             [&](Bindings& b) { b.bind(regions.gradient_scale, gradient_scale); });
}

void check_softmax(Device& on, std::int64_t n, std::int64_t m, float scale) {
  CAPTURE(n);
  CAPTURE(m);
  CAPTURE(scale);
  auto logits = random_floats(n * m, 3);
  for (float& z : logits)
    z *= scale;
  const auto labels = labels_of(n, m);
  const SoftmaxResult expected = softmax_reference(n, m, doubles(logits), labels, 0.5);
  for (const bool accumulate : {false, true}) {
    const auto r = run_softmax(on, {n, m, accumulate}, all_results(), logits, labels, 0.5f,
                               accumulate ? 2.0f : kNan, 1000);
    CHECK(worst(r[2], {expected.loss + (accumulate ? 2 : 0)}) < 1e-5);
    CHECK(as_int(r[3][0]) == expected.correct + (accumulate ? 1000 : 0));
    CHECK(worst(r[4], expected.probabilities) < 1e-5);
    CHECK(worst(r[5], expected.dlogits) < 1e-5);
  }
}

// ---- pooling ------------------------------------------------------------------------------------

// Calls visit(plane, i, j, rows [p0,p1), columns [q0,q1)) for every window.
template <class Visit>
void for_each_window(const Pooling& p, Visit&& visit) {
  for (std::int64_t plane = 0; plane < p.n * p.c; ++plane)
    for (std::int64_t i = 0; i < p.oh(); ++i)
      for (std::int64_t j = 0; j < p.ow(); ++j) {
        const std::int64_t top = i * p.sh - p.pt, left = j * p.sw - p.pl;
        visit(static_cast<std::size_t>((plane * p.oh() + i) * p.ow() + j), plane * p.h * p.w,
              std::max<std::int64_t>(0, top), std::min(p.h, top + p.kh),
              std::max<std::int64_t>(0, left), std::min(p.w, left + p.kw));
      }
}

struct PoolingResult {
  std::vector<double> y, dx;
};

PoolingResult pooling_reference(const Pooling& p, const std::vector<float>& x,
                                const std::vector<float>& dy) {
  PoolingResult r;
  r.y.resize(dy.size());
  r.dx.resize(x.size());
  for_each_window(p, [&](std::size_t y, std::int64_t plane, std::int64_t p0, std::int64_t p1,
                         std::int64_t q0, std::int64_t q1) {
    std::vector<std::size_t> pixels;
    for (std::int64_t row = p0; row < p1; ++row)
      for (std::int64_t column = q0; column < q1; ++column)
        pixels.push_back(static_cast<std::size_t>(plane + row * p.w + column));
    REQUIRE(!pixels.empty());
    if (p.mode == PoolingMode::kMax) {
      const std::size_t best = *std::max_element(
          pixels.begin(), pixels.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
      r.y[y] = d(x[best]);
      r.dx[best] += d(dy[y]);
    } else {
      const double count = static_cast<double>(pixels.size());
      for (const std::size_t pixel : pixels) {
        r.y[y] += d(x[pixel]) / count;
        r.dx[pixel] += d(dy[y]) / count;
      }
    }
  });
  return r;
}

std::vector<float> pooled(Device& on, const Pooling& p, const std::vector<float>& x) {
  return run(on, one_step(pool(on, p, Region{0}, Region{1})), {x, poison(p.y_bytes() / 4)})[1];
}

std::vector<float> unpooled(Device& on, const Pooling& p, const std::vector<float>& x,
                            const std::vector<float>& dy) {
  return run(on, one_step(unpool(on, p, Region{0}, Region{1}, Region{2})),
             {x, dy, poison(p.x_bytes() / 4)})[2];
}

Pooling pooling(std::array<std::int64_t, 4> x, std::array<std::int64_t, 2> window,
                std::array<std::int64_t, 2> stride, std::array<std::int64_t, 4> padding) {
  Pooling p;
  p.n = x[0], p.c = x[1], p.h = x[2], p.w = x[3];
  p.kh = window[0], p.kw = window[1], p.sh = stride[0], p.sw = stride[1];
  p.pt = padding[0], p.pl = padding[1], p.pb = padding[2], p.pr = padding[3];
  return p;
}

const std::vector<Pooling>& poolings() {
  static const std::vector<Pooling> list = {
      pooling({1, 1, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}),
      pooling({3, 5, 14, 14}, {2, 2}, {2, 2}, {0, 0, 0, 0}),
      pooling({2, 3, 13, 11}, {3, 3}, {2, 2}, {1, 1, 1, 1}),
      pooling({1, 4, 9, 31}, {2, 3}, {1, 2}, {0, 2, 1, 1}),   // odd everything
      pooling({2, 2, 7, 20}, {5, 4}, {3, 3}, {4, 3, 4, 3}),   // as much padding as there may be
      pooling({1, 2, 10, 10}, {2, 2}, {4, 3}, {0, 0, 0, 0}),  // gaps
      pooling({2, 1, 6, 5}, {6, 5}, {1, 1}, {0, 0, 0, 0}),    // the whole image
      pooling({1, 3, 40, 70}, {3, 3}, {1, 1}, {1, 1, 1, 1}),
      pooling({1, 1, 2, 3}, {5, 7}, {2, 2}, {2, 3, 2, 3}),  // windows larger than the image
      pooling({2, 2, 3, 5}, {5, 4}, {5, 6}, {1, 0, 0, 0}),  // and, with ceil only, than its padding
  };
  return list;
}

void check_pooling(Device& on, Pooling p) {
  const auto x = random_floats(p.x_bytes() / 4, 21);
  for (const bool ceil : {false, true}) {
    p.ceil = ceil;
    if (p.oh() == 0) continue;
    for (const PoolingMode mode : {PoolingMode::kMax, PoolingMode::kAverage}) {
      p.mode = mode;
      p.validate();
      CAPTURE(p.text());
      const auto dy = random_floats(p.y_bytes() / 4, 22);
      const PoolingResult expected = pooling_reference(p, x, dy);
      CHECK(worst(pooled(on, p, x), expected.y) < 1e-6);
      CHECK(worst(unpooled(on, p, x, dy), expected.dx) < 1e-5);
    }
  }
}

// ---- gradients ----------------------------------------------------------------------------------

// The largest difference between a gradient and central differences of `loss`, in double, around `at`.
double differs_from_differences(const std::vector<float>& gradient, std::vector<double> at,
                                const std::function<double(const std::vector<double>&)>& loss) {
  constexpr double kStep = 1e-6;
  double error = gradient.size() == at.size() ? 0 : kInfinity;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double here = at[i];
    at[i] = here + kStep;
    const double above = loss(at);
    at[i] = here - kStep;
    const double below = loss(at);
    at[i] = here;
    error = std::max(error, std::fabs((above - below) / (2 * kStep) - d(gradient[i])));
  }
  return error;
}

// ---- the public API -----------------------------------------------------------------------------

clconv::Context& context() {
  static clconv::Context& instance =
      *new clconv::Context(device().context(), device().cl(), clconv::ContextOptions());
  return instance;
}

cl::Buffer buffer_of(const std::vector<float>& values) {
  cl::Buffer buffer(device().context(), CL_MEM_READ_WRITE, values.size() * 4);
  queue().enqueueWriteBuffer(buffer, CL_TRUE, 0, values.size() * 4, values.data());
  return buffer;
}

std::vector<float> read(const cl::Buffer& buffer) {
  std::vector<float> values(buffer.getInfo<CL_MEM_SIZE>() / 4);
  queue().enqueueReadBuffer(buffer, CL_TRUE, 0, values.size() * 4, values.data());
  return values;
}

template <class Call>
std::string api_error(clconv_status status, Call&& call) {
  try {
    call();
  } catch (const clconv::Error& error) {
    CHECK(error.status() == status);
    return error.what();
  }
  FAIL_CHECK("expected an error");
  return "";
}

}  // namespace

// ---- ReLU ---------------------------------------------------------------------------------------

TEST_CASE("ReLU and its gradient, odd counts, also in place") {
  for (Device* on : {&device(), &as_gpu()}) {
    for (const std::int64_t count : {1, 15, 16, 4097, 100003}) {
      CAPTURE(count);
      auto x = random_floats(count, 1);
      x[0] = count > 1 ? kNan : 0.0f;
      const auto dy = random_floats(count, 2);
      std::vector<float> y(x), dx(dy);
      for (std::size_t i = 0; i < x.size(); ++i) {
        y[i] = x[i] < 0 ? 0 : x[i];
        dx[i] = x[i] > 0 ? dy[i] : 0;
      }
      const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float p, float q) {
          return p == q || (std::isnan(p) && std::isnan(q));
        });
      };
      CHECK(same(run(*on, one_step(relu(*on, count, Region{0}, Region{1})), {x, poison(count)})[1],
                 y));
      CHECK(same(run(*on, one_step(relu(*on, count, Region{0}, Region{0})), {x})[0], y));
      CHECK(same(run(*on, one_step(relu_gradient(*on, count, Region{0}, Region{1}, Region{2})),
                     {x, dy, poison(count)})[2],
                 dx));
      CHECK(same(run(*on, one_step(relu_gradient(*on, count, Region{0}, Region{1}, Region{1})),
                     {x, dy})[1],
                 dx));
    }
  }
}

// ---- softmax ------------------------------------------------------------------------------------

TEST_CASE("softmax and cross-entropy over odd sizes, logits from small to +-1e4") {
  for (Device* on : {&device(), &as_gpu()}) {
    for (const std::int64_t n : {1, 3, 32, 333}) {
      for (const std::int64_t m : {1, 2, 10, 17, 250}) {
        for (const float scale : {1.0f, 30.0f, 1e4f})
          check_softmax(*on, n, m, scale);
      }
    }
  }
}

TEST_CASE("softmax: the mean of losses whose sum is beyond float32") {
  for (Device* on : {&device(), &as_gpu()}) {
    for (const std::int64_t n : {4, 3000}) {
      std::vector<float> logits;
      for (std::int64_t i = 0; i < n; ++i)
        logits.insert(logits.end(), {3e38f, 0.0f});
      const auto r =
          run_softmax(*on, {n, 2, false}, all_results(), logits,
                      std::vector<std::int32_t>(static_cast<std::size_t>(n), 1), 1, kNan, 0);
      CHECK(std::fabs(r[2][0] / 3e38f - 1) < 1e-4f);
    }
  }
}

TEST_CASE("softmax computes only what is asked for") {
  const auto logits = random_floats(33 * 10, 4);
  const auto labels = labels_of(33, 10);
  const SoftmaxResult expected = softmax_reference(33, 10, doubles(logits), labels, 1);
  for (int wanted = 1; wanted < 16; ++wanted) {
    CAPTURE(wanted);
    SoftmaxRegions regions = all_results();
    if ((wanted & 1) == 0) regions.loss = nullptr;
    if ((wanted & 2) == 0) regions.correct = nullptr;
    if ((wanted & 4) == 0) regions.probabilities = nullptr;
    if ((wanted & 8) == 0) regions.dlogits = nullptr;
    const auto r = run_softmax(device(), {33, 10, false}, regions, logits, labels, 1, kNan, -5);
    CHECK((worst(r[2], {expected.loss}) < 1e-5) == ((wanted & 1) != 0));
    CHECK(as_int(r[3][0]) == ((wanted & 2) != 0 ? expected.correct : -5));
    CHECK((worst(r[4], expected.probabilities) < 1e-5) == ((wanted & 4) != 0));
    CHECK((worst(r[5], expected.dlogits) < 1e-5) == ((wanted & 8) != 0));
  }
}

TEST_CASE(
    "softmax: a label that is none makes the loss NaN and reads nothing, ties go to the first") {
  const std::vector<float> logits = {1, 2, 2, 0, 5, 5, 5, 5};
  auto r = run_softmax(device(), {2, 4, false}, all_results(), logits, {1, 1}, 1, kNan, 0);
  CHECK(as_int(r[3][0]) == 1);
  for (const std::int32_t label : {-1, 4, INT32_MAX, INT32_MIN}) {
    r = run_softmax(device(), {2, 4, false}, all_results(), logits, {label, 0}, 2, 0, 0);
    CHECK(std::isnan(r[2][0]));
    CHECK(as_int(r[3][0]) == 1);
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(r[5][i] == r[4][i]);
  }
}

TEST_CASE("the gradient of softmax and cross-entropy is that of differences") {
  const auto logits = random_floats(3 * 10, 5);
  const auto labels = labels_of(3, 10);
  const auto r = run_softmax(device(), {3, 10, false}, all_results(), logits, labels, 1, 0, 0);
  CHECK(differs_from_differences(r[5], doubles(logits), [&](const std::vector<double>& z) {
          return softmax_reference(3, 10, z, labels, 1).loss;
        }) < 1e-6);
}

// ---- optimizers ---------------------------------------------------------------------------------

TEST_CASE("SGD with and without momentum and decay, several steps") {
  for (Device* on : {&device(), &as_gpu()}) {
    for (const std::int64_t count : {1, 17, 8197}) {
      for (const bool momentum : {false, true}) {
        for (const float decay : {0.0f, 0.1f}) {
          CAPTURE(count);
          CAPTURE(momentum);
          auto w = random_floats(count, 1), v = std::vector<float>(w.size(), 0.0f);
          auto expected = doubles(w), velocity = doubles(v);
          const Region kept{2};
          const SgdNumbers numbers;
          const Executable operation =
              one_step(sgd(*on, count, Region{0}, Region{1}, momentum ? &kept : nullptr, numbers));
          for (unsigned step = 1; step <= 4; ++step) {
            const auto dw = random_floats(count, 10 + step);
            const float rate = 0.1f / static_cast<float>(step);
            const auto r = run(*on, operation, {w, dw, v}, [&](Bindings& b) {
              b.bind(numbers.rate, rate);
              b.bind(numbers.momentum, 0.9f);
              b.bind(numbers.decay, decay);
            });
            w = r[0];
            v = r[2];
            for (std::size_t i = 0; i < w.size(); ++i) {
              velocity[i] =
                  (momentum ? d(0.9f) * velocity[i] : 0.0) + d(dw[i]) + d(decay) * expected[i];
              expected[i] -= d(rate) * velocity[i];
            }
          }
          CHECK(worst(w, expected) < 1e-6);
          if (momentum) CHECK(worst(v, velocity) < 1e-6);
        }
      }
    }
  }
}

TEST_CASE("Adam with bias correction, from the first step and late") {
  for (Device* on : {&device(), &as_gpu()}) {
    for (const std::int64_t count : {1, 33, 8200}) {
      for (const std::int64_t first : {1, 2000}) {
        for (const float decay : {0.0f, 0.1f}) {
          CAPTURE(count);
          CAPTURE(first);
          AdamStep s{first, 0.01f, 0.9f, 0.999f, 1e-8f, decay};
          auto w = random_floats(count, 1), m = std::vector<float>(w.size(), 0.0f), v = m;
          auto expected = doubles(w), m1 = doubles(m), m2 = m1;
          const AdamNumbers numbers;
          const Executable operation =
              one_step(adam(*on, count, Region{0}, Region{1}, Region{2}, Region{3}, numbers));
          for (int i = 0; i < 4; ++i, ++s.step) {
            const auto dw = random_floats(count, 20 + static_cast<unsigned>(i));
            const auto r =
                run(*on, operation, {w, dw, m, v}, [&](Bindings& b) { bind(b, numbers, s); });
            w = r[0], m = r[2], v = r[3];
            const double b1 = d(s.beta1), b2 = d(s.beta2), t = static_cast<double>(s.step);
            for (std::size_t e = 0; e < w.size(); ++e) {
              const double g = d(dw[e]) + d(decay) * expected[e];
              m1[e] = b1 * m1[e] + (1 - b1) * g;
              m2[e] = b2 * m2[e] + (1 - b2) * g * g;
              expected[e] -= d(s.rate) * m1[e] / (1 - std::pow(b1, t)) /
                             (std::sqrt(m2[e] / (1 - std::pow(b2, t))) + d(s.epsilon));
            }
          }
          CHECK(worst(w, expected) < 2e-6);
          CHECK(worst(m, m1) < 1e-6);
          CHECK(worst(v, m2) < 1e-6);
        }
      }
    }
  }
}

// ---- pooling ------------------------------------------------------------------------------------

TEST_CASE("max and average pooling and their gradients, floor and ceil, as CPU and as GPU") {
  for (Device* on : {&device(), &as_gpu()}) {
    for (const Pooling& p : poolings())
      check_pooling(*on, p);
  }
}

TEST_CASE("pooling: output sizes of floor and ceil") {
  Pooling p = pooling({1, 1, 6, 7}, {3, 2}, {2, 3}, {0, 0, 0, 0});
  CHECK(p.oh() == 2);
  CHECK(p.ow() == 2);
  p.ceil = true;
  CHECK(p.oh() == 3);
  CHECK(p.ow() == 3);
  // A window that would start in the padding behind the image does not count.
  p = pooling({1, 1, 4, 4}, {2, 2}, {3, 3}, {0, 0, 1, 1});
  p.ceil = true;
  CHECK(p.oh() == 2);
  p.h = 3;
  CHECK(p.oh() == 1);
  // A window that the image does not fill counts with ceil, if a step back would not reach it.
  p = pooling({1, 1, 3, 1}, {5, 1}, {5, 1}, {0, 0, 0, 0});
  CHECK(p.oh() == 0);
  p.ceil = true;
  CHECK(p.oh() == 1);
  p.sh = 2;
  CHECK(p.oh() == 0);
}

TEST_CASE(
    "pooling: equal values go to the first, NaN wins, gradients add up where windows overlap") {
  const Pooling p = pooling({1, 1, 1, 4}, {1, 3}, {1, 1}, {0, 0, 0, 0});
  for (Device* on : {&device(), &as_gpu()}) {
    CHECK(unpooled(*on, p, {1, 5, 5, 2}, {3, 4}) == std::vector<float>{0, 7, 0, 0});
    CHECK(unpooled(*on, p, {-INFINITY, -INFINITY, -INFINITY, -INFINITY}, {3, 4}) ==
          std::vector<float>{3, 4, 0, 0});
    const auto y = pooled(*on, p, {9, kNan, 1, INFINITY});
    CHECK(std::isnan(y[0]));
    CHECK(std::isnan(y[1]));
    CHECK(unpooled(*on, p, {9, kNan, kNan, INFINITY}, {3, 4}) == std::vector<float>{0, 7, 0, 0});
  }
}

TEST_CASE("the gradients of pooling are those of differences") {
  for (const PoolingMode mode : {PoolingMode::kMax, PoolingMode::kAverage}) {
    Pooling p = pooling({2, 2, 7, 6}, {3, 2}, {2, 1}, {1, 1, 2, 0});
    p.mode = mode;
    p.ceil = true;
    const auto x = random_floats(p.x_bytes() / 4, 31);
    const auto dy = random_floats(p.y_bytes() / 4, 32);
    CHECK(differs_from_differences(
              unpooled(device(), p, x, dy), doubles(x), [&](const std::vector<double>& at) {
                double loss = 0;
                for_each_window(p, [&](std::size_t y, std::int64_t plane, std::int64_t p0,
                                       std::int64_t p1, std::int64_t q0, std::int64_t q1) {
                  double sum = 0, top = -kInfinity;
                  for (std::int64_t row = p0; row < p1; ++row)
                    for (std::int64_t column = q0; column < q1; ++column) {
                      const double value = at[static_cast<std::size_t>(plane + row * p.w + column)];
                      sum += value;
                      top = std::max(top, value);
                    }
                  const double count = static_cast<double>((p1 - p0) * (q1 - q0));
                  loss += d(dy[y]) * (mode == PoolingMode::kMax ? top : sum / count);
                });
                return loss;
              }) < 1e-5);
  }
}

TEST_CASE("pooling that breaks a rule is refused with the field") {
  const auto error_with = [](std::int64_t Pooling::*field, std::int64_t value) {
    Pooling p = pooling({1, 2, 8, 8}, {3, 3}, {2, 2}, {0, 0, 0, 0});
    p.*field = value;
    return error_of(Code::kInvalidProblem, [&] { p.validate(); });
  };
  CHECK(error_with(&Pooling::n, -1) == "n=-1: must be at least 0");
  CHECK(error_with(&Pooling::sw, -2) == "sw=-2: must be at least 1");
  CHECK(error_with(&Pooling::pb, 3) == "pb=3: must be at least 0 and less than the window, 3");
  CHECK(error_with(&Pooling::pl, -1) == "pl=-1: must be at least 0 and less than the window, 3");
  CHECK(error_with(&Pooling::kh, 9) == "kh=9: more than the height with padding, 8");
  CHECK(error_with(&Pooling::h, INT64_MAX).find("h=9223372036854775807: supported up to") == 0);
  CHECK(error_with(&Pooling::h, 1 << 29).find("h*w=") == 0);
}

TEST_CASE("equal inputs give equal bits, as CPU, as GPU and every time") {
  const Pooling p = pooling({2, 3, 23, 17}, {3, 3}, {1, 2}, {1, 1, 1, 1});
  const auto x = random_floats(p.x_bytes() / 4, 41);
  const auto dy = random_floats(p.y_bytes() / 4, 42);
  const auto dx = unpooled(device(), p, x, dy);
  const auto logits = random_floats(1000 * 10, 43);
  const auto labels = labels_of(1000, 10);
  const auto softmax_once = [&](Device& on) {
    return run_softmax(on, {1000, 10, false}, all_results(), logits, labels, 1, 0, 0);
  };
  const auto on_cpu = softmax_once(device()), on_gpu = softmax_once(as_gpu());
  for (int i = 0; i < 5; ++i) {
    CHECK(unpooled(device(), p, x, dy) == dx);
    CHECK(unpooled(as_gpu(), p, x, dy) == dx);
    CHECK(softmax_once(device()) == on_cpu);
    CHECK(softmax_once(as_gpu()) == on_gpu);
  }
}

// For ./dev sanitize, as in strategies_test.
TEST_CASE("checker: tiny network operations") {
  for (Device* on : {&device(), &as_gpu()}) {
    check_softmax(*on, 3, 5, 1);
    check_softmax(*on, 70, 40, 1);  // several groups
    check_pooling(*on, pooling({1, 2, 5, 4}, {3, 2}, {2, 1}, {1, 1, 2, 0}));
    const auto x = random_floats(19, 1);
    const auto y = run(*on, one_step(relu(*on, 19, Region{0}, Region{1})), {x, poison(19)})[1];
    CHECK(run(*on, one_step(relu_gradient(*on, 19, Region{0}, Region{1}, Region{2})),
              {y, x, poison(19)})[2] == y);
    const Region velocity{2};
    const auto numbers = [](Bindings& b) {
      b.bind(SgdNumbers().rate, 1);
      b.bind(SgdNumbers().momentum, 0);
      b.bind(SgdNumbers().decay, 0);
    };
    CHECK(run(*on, one_step(sgd(*on, 19, Region{0}, Region{1}, &velocity, SgdNumbers())), {x, x, y},
              numbers)[0] == std::vector<float>(19, 0.0f));
    const auto w =
        run(*on, one_step(adam(*on, 19, Region{0}, Region{1}, Region{2}, Region{3}, AdamNumbers())),
            {x, x, std::vector<float>(19, 0.0f), std::vector<float>(19, 0.0f)}, [](Bindings& b) {
              bind(b, AdamNumbers(), {1, 0.5f, 0.9f, 0.999f, 0.0f, 0.0f});
            })[0];
    for (std::size_t i = 0; i < w.size(); ++i)
      CHECK(std::fabs(std::fabs(w[i] - x[i]) - 0.5f) < 1e-5f);
  }
}

// ---- the public API -----------------------------------------------------------------------------

TEST_CASE("API: a fully connected layer and its gradients are a plan") {
  for (const std::int64_t n : {1, 3, 32}) {
    for (const std::int64_t outputs : {10, 250}) {
      for (const clconv_direction direction :
           {CLCONV_FORWARD, CLCONV_BACKWARD_DATA, CLCONV_BACKWARD_WEIGHTS, CLCONV_BACKWARD_BIAS}) {
        clconv::Problem p = clconv::Problem::fully_connected(n, 77, outputs);
        p.direction = direction;
        p.bias = direction == CLCONV_FORWARD ? 1 : 0;
        p.activation = direction == CLCONV_FORWARD ? CLCONV_RELU : CLCONV_NO_ACTIVATION;
        p.mask = p.accumulate = direction == CLCONV_FORWARD ? 0 : 1;
        Problem core = parse_problem(p.text());
        core.direction = static_cast<Direction>(direction);
        core.bias = direction == CLCONV_FORWARD;
        core.activation = core.bias ? Activation::kRelu : Activation::kNone;
        core.mask = core.accumulate = direction != CLCONV_FORWARD;
        CAPTURE(p.text());
        CAPTURE(direction);
        const Tensors t(core);
        const Reference expected = reference(core, t);
        clconv::Operands o;
        o.x = buffer_of(t[Tensor::kX]), o.w = buffer_of(t[Tensor::kW]);
        o.b = buffer_of(t[Tensor::kB]), o.y = buffer_of(t[Tensor::kY]);
        o.dx = buffer_of(t[Tensor::kDx]), o.dw = buffer_of(t[Tensor::kDw]);
        o.db = buffer_of(t[Tensor::kDb]), o.dy = buffer_of(t[Tensor::kDy]);
        clconv::PlanOptions options;
        if (direction != CLCONV_BACKWARD_BIAS) options.strategy = "fully_connected";
        const clconv::Plan plan = context().plan(p, options);
        CHECK(plan.info().prepared_weights_bytes == 0);
        plan.execute(queue(), o);
        queue().finish();
        const cl::Buffer results[] = {o.y, o.dx, o.dw, o.db};
        CHECK(worst(read(results[direction]), expected.result) < 1e-5);
      }
    }
  }
  CHECK(api_error(CLCONV_INVALID_PROBLEM, [] { clconv::Problem::fully_connected(1, 0, 3); }) ==
        "inputs=0: must be at least 1");
}

TEST_CASE("API: the chain of a training step on an out-of-order queue, by events alone") {
  const cl::CommandQueue queue = device().make_queue(queue_kinds(device().cl()).back());
  clconv::Pooling p;
  p.n = 2, p.c = 3, p.h = p.w = 4, p.kh = p.kw = p.sh = p.sw = 2;
  const auto x = random_floats(96, 1);
  const cl::Buffer dx_in = buffer_of(x), y = buffer_of(poison(24)), r = buffer_of(poison(24));
  const cl::Buffer labels = buffer_of(as_floats({1, 5})), loss = buffer_of({0.0f});
  const cl::Buffer correct = buffer_of(as_floats({0})), dz = buffer_of(poison(24));
  const cl::Buffer dr = buffer_of(poison(24)), dx = buffer_of(poison(96));
  const cl::Buffer m = buffer_of(std::vector<float>(96, 0.0f));
  const cl::Buffer v = buffer_of(std::vector<float>(96, 0.0f));
  cl::UserEvent gate(device().context());
  clconv::Events after = {gate};
  cl::Event done;
  const auto next = [&] { after = {done}; };
  context().pooling_forward(queue, p, dx_in, y, &after, &done), next();
  context().relu(queue, 24, y, r, &after, &done), next();
  clconv::SoftmaxParams softmax;
  softmax.n = 2, softmax.m = 12;
  clconv::SoftmaxOperands o;
  o.logits = r, o.labels = labels, o.loss = loss, o.correct = correct, o.dlogits = dz;
  context().softmax_cross_entropy(queue, softmax, o, &after, &done), next();
  context().relu_backward(queue, 24, r, dz, dr, &after, &done), next();
  context().pooling_backward(queue, p, dx_in, dr, dx, &after, &done), next();
  clconv::AdamParams adam_params;
  adam_params.count = 96;
  context().adam(queue, adam_params, dx_in, dx, m, v, &after, &done), next();
  clconv::SgdParams sgd_params;
  sgd_params.count = 96;
  context().sgd(queue, sgd_params, dx_in, dx, cl::Buffer(), &after, &done);
  queue.flush();
  CHECK(done.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() != CL_COMPLETE);
  gate.setStatus(CL_COMPLETE);
  done.wait();
  CHECK(std::isfinite(read(loss)[0]));
  const auto gradient = read(dx), moved = read(dx_in);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double adam_step = gradient[i] == 0 ? 0.0 : gradient[i] > 0 ? 0.001 : -0.001;
    CHECK(std::fabs(d(moved[i]) - (d(x[i]) - adam_step - 0.01 * d(gradient[i]))) < 1e-5);
  }
}

TEST_CASE(
    "API: steps and losses over an epoch allocate and compile nothing, whatever the numbers") {
  const cl::Buffer w = buffer_of(random_floats(1000, 1)), dw = buffer_of(random_floats(1000, 2));
  const cl::Buffer m = buffer_of(std::vector<float>(1000, 0.0f)),
                   v = buffer_of(std::vector<float>(1000, 0.0f));
  const cl::Buffer labels = buffer_of(as_floats(labels_of(500, 10)));
  const cl::Buffer logits = buffer_of(random_floats(5000, 3)), loss = buffer_of({0.0f});
  clconv::SoftmaxParams softmax;
  softmax.n = 500, softmax.m = 10, softmax.accumulate = 1;
  clconv::SoftmaxOperands o;
  o.logits = logits, o.labels = labels, o.loss = loss;
  clconv::AdamParams params;
  params.count = 1000;
  const auto step = [&](int i) {
    params.step = i;
    params.learning_rate = 0.001f / static_cast<float>(i);
    context().adam(queue(), params, w, dw, m, v);
    softmax.gradient_scale = static_cast<float>(i);
    context().softmax_cross_entropy(queue(), softmax, o);
  };
  step(1);
  queue().finish();
  const float once = read(loss)[0];
  const std::string before = context().stats();
  for (int i = 2; i <= 20; ++i)
    step(i);
  queue().finish();
  CHECK(context().stats() == before);
  CHECK(std::fabs(read(loss)[0] - 20 * once) < 1e-3f);
}

TEST_CASE("API: what is missing, too small, foreign or out of range is refused in one line") {
  const cl::Buffer small = buffer_of({1, 2, 3}), large = buffer_of(random_floats(64, 1));
  const cl::Buffer none;
  const auto refused = [](auto&& call) { return api_error(CLCONV_INVALID_ARGUMENT, call); };
  CHECK(refused([&] { context().relu(queue(), -1, small, small); }) ==
        "count=-1: must be at least 0");
  CHECK(refused([&] { context().relu(queue(), 4, large, small); }) ==
        "buffer y has 12 bytes, ReLU needs 16");
  CHECK(refused([&] { context().relu(queue(), INT64_MAX, large, small); }).find("buffer x has") ==
        0);
  CHECK(refused([&] { context().relu_backward(queue(), 3, none, small, small); }) ==
        "buffer y is missing, ReLU needs 12 bytes");
  const cl::Context other(device().cl());
  const cl::Buffer foreign(other, CL_MEM_READ_WRITE, 256);
  CHECK(refused([&] { context().relu(queue(), 4, foreign, large); }) ==
        "buffer x belongs to another cl_context");
  queue().finish();
}

TEST_CASE(
    "API: softmax and optimizers refuse in one line what is missing, too small or out of range") {
  const cl::Buffer small = buffer_of({1, 2, 3}), large = buffer_of(random_floats(64, 1));
  const cl::Buffer none;
  const auto refused = [](auto&& call) { return api_error(CLCONV_INVALID_ARGUMENT, call); };
  clconv::SoftmaxParams softmax;
  clconv::SoftmaxOperands o;
  o.logits = large;
  CHECK(refused([&] { context().softmax_cross_entropy(queue(), softmax, o); }) ==
        "no result is wanted: loss, correct, probabilities and dlogits are NULL");
  o.loss = small;
  CHECK(refused([&] { context().softmax_cross_entropy(queue(), softmax, o); }) ==
        "buffer labels is missing, softmax needs 4 bytes");
  o.labels = small;
  softmax.n = 5, softmax.m = 13;
  CHECK(refused([&] { context().softmax_cross_entropy(queue(), softmax, o); }) ==
        "buffer logits has 256 bytes, softmax needs 260");
  softmax.m = int64_t{1} << 40;
  CHECK(refused([&] { context().softmax_cross_entropy(queue(), softmax, o); }) ==
        "m=1099511627776: supported up to 1073741823");
  clconv::SgdParams sgd_params;
  sgd_params.momentum = 0.5f;
  CHECK(refused([&] { context().sgd(queue(), sgd_params, large, large, none); }) ==
        "buffer velocity is missing, SGD needs 4 bytes");
  sgd_params.learning_rate = kNan;
  CHECK(refused([&] { context().sgd(queue(), sgd_params, large, large, large); }) ==
        "learning_rate=nan: must be finite, at least 0");
  clconv::AdamParams adam_params;
  adam_params.step = 0;
  CHECK(refused([&] { context().adam(queue(), adam_params, large, large, large, large); }) ==
        "step=0: must be at least 1");
  adam_params.step = 1;
  adam_params.beta2 = 1;
  CHECK(refused([&] { context().adam(queue(), adam_params, large, large, large, large); }) ==
        "beta2=1.000000: must be at least 0 and less than 1");
}

TEST_CASE("API: pooling refuses in one line what is missing, too small or unknown") {
  const cl::Buffer small = buffer_of({1, 2, 3}), large = buffer_of(random_floats(64, 1));
  const cl::Buffer none;
  const auto refused = [](auto&& call) { return api_error(CLCONV_INVALID_ARGUMENT, call); };
  clconv::Pooling p;
  p.mode = 7;
  CHECK(refused([&] { context().pooling_forward(queue(), p, large, large); }) ==
        "mode 7 is unknown");
  p.mode = CLCONV_POOLING_AVERAGE;
  p.h = p.w = 8;
  CHECK(p.info().y_bytes == 256);
  CHECK(refused([&] { context().pooling_backward(queue(), p, none, small, large); }) ==
        "buffer dy has 12 bytes, pooling needs 256");
  context().pooling_backward(queue(), p, none, large, buffer_of(poison(64)));  // averages need no x
  p.mode = CLCONV_POOLING_MAX;
  CHECK(refused([&] { context().pooling_backward(queue(), p, none, large, large); }) ==
        "buffer x is missing, pooling needs 256 bytes");
  queue().finish();
}
