// The digits network of the examples: its gradients against the whole network in double precision, training
// that repeats and that learns, and the program as a user runs it, wrong input included.
#include <cstring>
#include <numeric>

#include "digits_network.hpp"
#include "doctest/doctest.h"
#include "idx.hpp"
#include "npy.hpp"
#include "support/application.hpp"
#include "support/program.hpp"
#include "support/reference.hpp"

using namespace clconv::test;
using example::DigitsNetwork;

namespace {

constexpr std::size_t kPixels = 28 * 28, kClasses = DigitsNetwork::kClasses;

// ---- the network in double precision, with what rounding to float32 may do to it ------------------

constexpr double kUnit = 1.0 / (1 << 24);  // half a unit in the last place of 1

// Standard deviations of rounding that a result may be off. Rounding errors behave like independent random
// numbers (N. Higham and T. Mary, "A new approach to probabilistic rounding error analysis", 2019): this many
// deviations are as good as never exceeded, where the worst case would allow errors as large as the gradients.
constexpr double kDeviations = 8;

// A number, and the variance of the error with which float32 arithmetic gets it.
struct Rounded {
  double value = 0, variance = 0;
  double tolerance() const { return kDeviations * std::sqrt(variance); }
};
using Vector = std::vector<Rounded>;

double square(double v) {
  return v * v;
}

// A sum of products, in whatever order: each of its partial sums, as many as there are terms, is rounded, and
// is about as large as the sum of random signs or as the result.
class Sum {
 public:
  void add(const Rounded& a, const Rounded& b) {
    const double term = a.value * b.value;
    value_ += term;
    squares_ += term * term;
    variance_ += square(a.value) * b.variance + square(b.value) * a.variance;
    ++terms_;
  }
  Rounded total() const {
    return {value_, variance_ + square(kUnit) * terms_ * (squares_ + square(value_))};
  }

 private:
  double value_ = 0, squares_ = 0, variance_ = 0, terms_ = 0;
};

Vector totals(const std::vector<Sum>& sums) {
  Vector result;
  for (const Sum& sum : sums)
    result.push_back(sum.total());
  return result;
}

// SPEC section 5, by hand: what the example builds must be this.
std::vector<Problem> digits_layers(int batch) {
  std::vector<Problem> layers;
  for (const char* text : {"c1h28w28k32kh2kw2s2", "c32h14w14k64kh2kw2s2p1", "c64h8w8k128kh2kw2s2",
                           "c2048h1w1k250kh1kw1", "c250h1w1k10kh1kw1"}) {
    layers.push_back(clconv::core::parse_problem("n" + std::to_string(batch) + text));
  }
  return layers;
}

// By layer: weights and biases, or their gradients.
struct Parameters {
  std::vector<Vector> w, b;
};

class ReferenceNetwork {
 public:
  explicit ReferenceNetwork(int batch) : layers_(digits_layers(batch)) {}

  Rounded loss(const Parameters& parameters, const Vector& x,
               const std::vector<std::int32_t>& labels) {
    activations_ = {x};
    undecided_.assign(layers_.size(), {});
    for (std::size_t i = 0; i < layers_.size(); ++i)
      activations_.push_back(layer(i, parameters));
    return softmax(labels);
  }

  // After loss().
  Parameters gradients(const Parameters& parameters) const {
    Parameters gradient{parameters.w, parameters.b};
    Vector dy = dlogits_;
    for (std::size_t i = layers_.size(); i-- > 0;) {
      const Problem& p = layers_[i];
      const Vector& x = activations_[i];
      mask(i, dy);
      std::vector<Sum> dw(parameters.w[i].size()), db(parameters.b[i].size()), dx(x.size());
      const std::size_t plane = dy.size() / static_cast<std::size_t>(p.n * p.k);
      for (std::size_t j = 0; j < dy.size(); ++j)
        db[j / plane % db.size()].add(dy[j], {1, 0});
      for_each_product(p, [&](std::size_t at_x, std::size_t at_w, std::size_t at_y) {
        dw[at_w].add(x[at_x], dy[at_y]);
        if (i > 0) dx[at_x].add(parameters.w[i][at_w], dy[at_y]);
      });
      gradient.w[i] = totals(dw);
      gradient.b[i] = totals(db);
      dy = totals(dx);
    }
    return gradient;
  }

 private:
  bool has_relu(std::size_t i) const { return i + 1 < layers_.size(); }

  Vector layer(std::size_t i, const Parameters& parameters) {
    const Problem& p = layers_[i];
    std::vector<Sum> sums(static_cast<std::size_t>(p.y_bytes() / 4));
    for_each_product(p, [&](std::size_t x, std::size_t w, std::size_t y) {
      sums[y].add(activations_[i][x], parameters.w[i][w]);
    });
    const std::size_t plane = sums.size() / static_cast<std::size_t>(p.n * p.k);
    for (std::size_t j = 0; j < sums.size(); ++j)
      sums[j].add(parameters.b[i][j / plane % parameters.b[i].size()], {1, 0});
    Vector y = totals(sums);
    if (!has_relu(i)) return y;
    for (Rounded& v : y) {
      // So near 0 that rounding decides whether the gradient passes.
      undecided_[i].push_back(std::fabs(v.value) <= v.tolerance());
      if (v.value <= 0) v = {0, undecided_[i].back() ? v.variance : 0};
    }
    return y;
  }

  void mask(std::size_t i, Vector& dy) const {
    if (!has_relu(i)) return;
    for (std::size_t j = 0; j < dy.size(); ++j) {
      const double either = undecided_[i][j] ? square(dy[j].value) : 0;
      dy[j] = activations_[i + 1][j].value > 0 ? dy[j] : Rounded{};
      dy[j].variance += either;
    }
  }

  // exp and log are good to 3 or 4 units in the last place, a division to 2.5 (OpenCL 1.2, section 7.4); the
  // argument of exp is rounded too.
  Rounded softmax(const std::vector<std::int32_t>& labels) {
    constexpr double kOfFunctions = 8;
    const Vector& logits = activations_.back();
    const double rows = static_cast<double>(labels.size());
    dlogits_.assign(logits.size(), {});
    Rounded loss;
    for (std::size_t row = 0; row < labels.size(); ++row) {
      const Rounded* z = &logits[row * kClasses];
      Rounded* dz = &dlogits_[row * kClasses];
      const auto label = static_cast<std::size_t>(labels[row]);
      double top = z[0].value, sum = 0;
      for (std::size_t i = 1; i < kClasses; ++i)
        top = std::max(top, z[i].value);
      for (std::size_t i = 0; i < kClasses; ++i)
        sum += std::exp(z[i].value - top);
      const double below = z[label].value - top;
      loss.value += (std::log(sum) - below) / rows;
      loss.variance += square(kUnit * kOfFunctions * (1 + std::log(sum) - below) / rows);
      for (std::size_t i = 0; i < kClasses; ++i) {
        const double p = std::exp(z[i].value - top) / sum;
        dz[i].value = (p - (i == label ? 1 : 0)) / rows;
        dz[i].variance = square(kUnit * p * (kOfFunctions + top - z[i].value) / rows) +
                         square(kUnit * dz[i].value);
        for (std::size_t j = 0; j < kClasses; ++j) {
          const double pj = std::exp(z[j].value - top) / sum;
          dz[i].variance += square(p * ((i == j ? 1 : 0) - pj) / rows) * z[j].variance;
        }
        loss.variance += square(dz[i].value) * z[i].variance;
      }
    }
    return loss;
  }

  std::vector<Problem> layers_;
  std::vector<Vector> activations_;  // the input, then every layer's output
  std::vector<std::vector<bool>> undecided_;
  Vector dlogits_;
};

// ---- the network on the device --------------------------------------------------------------------

cl::Buffer label_buffer(const std::vector<std::int32_t>& labels) {
  cl::Buffer buffer(application_context(), CL_MEM_READ_WRITE, labels.size() * 4);
  make_queue().enqueueWriteBuffer(buffer, CL_TRUE, 0, labels.size() * 4, labels.data());
  return buffer;
}

class DeviceNetwork {
 public:
  explicit DeviceNetwork(int batch, const clconv::PlanOptions& options = clconv::PlanOptions())
      : queue_(make_queue()),
        network_(context(), queue_, batch, options),
        loss_(empty_buffer(4)),
        moment1_(zeroes()),
        moment2_(zeroes()) {}

  DigitsNetwork& network() { return network_; }
  const cl::CommandQueue& queue() const { return queue_; }

  float loss(const cl::Buffer& x, const cl::Buffer& labels) {
    network_.forward(x);
    clconv::SoftmaxParams params;
    params.n = network_.batch();
    params.m = DigitsNetwork::kClasses;
    clconv::SoftmaxOperands operands;
    operands.logits = network_.logits();
    operands.labels = labels;
    operands.loss = loss_;
    operands.dlogits = network_.dlogits();
    context().softmax_cross_entropy(queue_, params, operands);
    return network_.get(loss_, 1)[0];
  }

  float train_step(const cl::Buffer& x, const cl::Buffer& labels, int step) {
    const float result = loss(x, labels);
    network_.backward();
    clconv::AdamParams adam;
    adam.count = network_.parameter_count();
    adam.step = step;
    context().adam(queue_, adam, network_.parameters(), network_.gradients(), moment1_, moment2_);
    return result;
  }

 private:
  cl::Buffer zeroes() const {
    return device_buffer(
        std::vector<float>(static_cast<std::size_t>(network_.parameter_count()), 0.0f));
  }

  cl::CommandQueue queue_;
  DigitsNetwork network_;
  cl::Buffer loss_, moment1_, moment2_;
};

Vector exact(const std::vector<float>& values) {
  Vector result;
  for (const float value : values)
    result.push_back({static_cast<double>(value), 0});
  return result;
}

// Images in [0,1] and labels; biases that are not 0, as after some training.
struct Inputs {
  std::vector<float> x;
  std::vector<std::int32_t> labels;

  explicit Inputs(int batch) : x(random_floats(batch * static_cast<std::int64_t>(kPixels), 5)) {
    for (float& v : x)
      v = std::max(0.0f, v);
    for (int i = 0; i < batch; ++i)
      labels.push_back((7 * i + 3) % DigitsNetwork::kClasses);
  }
};

Parameters initialised(DigitsNetwork& network) {
  network.initialise(11);
  Parameters result;
  for (auto& layer : network.layers()) {
    auto b = random_floats(layer.problem.k, 12);
    for (float& v : b)
      v *= 0.1f;
    network.set(layer.b, b);
    result.w.push_back(exact(network.get(layer.w, layer.w_count())));
    result.b.push_back(exact(b));
  }
  return result;
}

// The largest error in units of what rounding may do; infinite for NaN.
double worst(const std::vector<float>& result, const Vector& expected) {
  double ratio = result.size() == expected.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < result.size() && i < expected.size(); ++i) {
    const double error = std::fabs(static_cast<double>(result[i]) - expected[i].value);
    const double allowed = expected[i].tolerance() + 1e-30;
    if (!(error <= ratio * allowed)) ratio = std::isnan(error) ? INFINITY : error / allowed;
  }
  return ratio;
}

// What rounding may do, relative to the gradient, over the tensor.
double looseness(const Vector& v) {
  double allowed = 0, size = 0;
  for (const Rounded& r : v) {
    allowed += square(r.tolerance());
    size += square(r.value);
  }
  return std::sqrt(allowed / size);
}

std::size_t largest(const Vector& v) {
  const auto less = [](const Rounded& a, const Rounded& b) {
    return std::fabs(a.value) < std::fabs(b.value);
  };
  return static_cast<std::size_t>(std::max_element(v.begin(), v.end(), less) - v.begin());
}

// (above - below) / the distance, of `parameter` moved by `step` both ways.
template <class Loss>
Rounded difference(Rounded& parameter, double step, Loss&& loss) {
  const double here = parameter.value;
  parameter.value = here + step;
  const Rounded above = loss();
  parameter.value = here - step;
  const Rounded below = loss();
  parameter.value = here;
  return {(above.value - below.value) / (2 * step),
          (above.variance + below.variance) / square(2 * step)};
}

void check_gradients(int batch, const clconv::PlanOptions& options) {
  const Inputs in(batch);
  DeviceNetwork device(batch, options);
  const Parameters parameters = initialised(device.network());
  ReferenceNetwork reference(batch);
  const Rounded loss = reference.loss(parameters, exact(in.x), in.labels);
  const Parameters expected = reference.gradients(parameters);
  const float found = device.loss(device_buffer(in.x), label_buffer(in.labels));
  CHECK(worst({found}, {loss}) <= 1.0);
  device.network().backward();
  for (std::size_t i = 0; i < device.network().layers().size(); ++i) {
    const auto& layer = device.network().layers()[i];
    CAPTURE(layer.name);
    CHECK(layer.problem.text() == to_text(digits_layers(batch)[i]));
    const auto dw = device.network().get(layer.gradient_w, layer.w_count());
    const auto db = device.network().get(layer.gradient_b, layer.problem.k);
    CHECK(worst(dw, expected.w[i]) <= 1.0);
    CHECK(worst(db, expected.b[i]) <= 1.0);
    // A tolerance that would hide an image, a mask or a bias would be none.
    CHECK(looseness(expected.w[i]) < 1e-4);
    CHECK(looseness(expected.b[i]) < 1e-4);
  }
}

// ---- data -----------------------------------------------------------------------------------------

// A picture of noise for every class, seen through more noise.
struct Patterns {
  std::vector<float> x;
  std::vector<std::int32_t> labels;

  Patterns(int count, std::uint64_t seed) {
    const auto pattern = random_floats(static_cast<std::int64_t>(kClasses * kPixels), 99);
    std::mt19937_64 engine(seed);
    std::uniform_int_distribution<std::int32_t> label(0, kClasses - 1);
    std::normal_distribution<float> noise(0.0f, 0.3f);
    for (int i = 0; i < count; ++i) {
      labels.push_back(label(engine));
      for (std::size_t j = 0; j < kPixels; ++j) {
        const float v =
            pattern[static_cast<std::size_t>(labels.back()) * kPixels + j] + noise(engine);
        x.push_back(std::min(1.0f, std::max(0.0f, v)));
      }
    }
  }
};

struct Trained {
  std::vector<float> parameters, losses;
};

Trained train(std::uint64_t seed, int steps) {
  constexpr int kBatch = 16;
  clconv::PlanOptions options;
  options.deterministic = 1;
  DeviceNetwork device(kBatch, options);
  device.network().initialise(seed);
  Trained result;
  for (int step = 1; step <= steps; ++step) {
    const Patterns batch(kBatch, 1000 + static_cast<std::uint64_t>(step));
    result.losses.push_back(
        device.train_step(device_buffer(batch.x), label_buffer(batch.labels), step));
  }
  result.parameters =
      device.network().get(device.network().parameters(), device.network().parameter_count());
  return result;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// ---- the program ----------------------------------------------------------------------------------

ProgramResult digits(const TempFolder& folder, const std::string& arguments) {
  return run_program(folder, CLCONV_DIGITS, arguments);
}

// The folder with the real digits, or "" and a message.
std::string mnist() {
  const char* named = std::getenv("CLCONV_MNIST");
  const std::string folder =
      named != nullptr && *named != '\0' ? named : CLCONV_SOURCE "/../shared/data/mnist";
  for (const char* file : {"/t10k-images-idx3-ubyte", "/t10k-images-idx3-ubyte.gz"}) {
    if (std::filesystem::exists(folder + file)) return folder;
  }
  MESSAGE("skipped: no MNIST digits in " << folder << " (CLCONV_MNIST names another folder)");
  return "";
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

void write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// An IDX file of bytes, all `value`.
std::string idx(const std::vector<std::uint32_t>& sizes, char value = 1) {
  std::string file = big_endian(0x800 + static_cast<std::uint32_t>(sizes.size()));
  std::size_t count = 1;
  for (const std::uint32_t size : sizes) {
    file += big_endian(size);
    count *= size;
  }
  return file + std::string(count, value);
}

// A folder of 20 images, all grey.
void write_data(const TempFolder& folder, const std::string& name) {
  std::filesystem::create_directories(folder.path(name));
  write(folder.path(name + "/t10k-images-idx3-ubyte"), idx({20, 28, 28}));
  write(folder.path(name + "/t10k-labels-idx1-ubyte"), idx({20}));
}

void check_refused(const TempFolder& folder, const std::string& arguments,
                   const std::string& line) {
  CAPTURE(arguments);
  const ProgramResult result = digits(folder, arguments);
  CHECK(result.status == 1);
  CHECK(result.err == "digits: " + line + "\n");
}

// What follows `label` in the text, as a number.
double number_after(const std::string& text, const std::string& label) {
  const std::size_t at = text.find(label);
  return at == std::string::npos ? NAN : std::strtod(text.c_str() + at + label.size(), nullptr);
}

}  // namespace

// ---- gradients ------------------------------------------------------------------------------------

TEST_CASE("the gradient of the whole network is that in double precision, one image") {
  for (const char* strategy : {"naive", "im2col_gemm", ""}) {
    CAPTURE(std::string(strategy));
    clconv::PlanOptions options;
    options.strategy = strategy;
    check_gradients(1, options);
  }
}

TEST_CASE("the gradient of the whole network is that in double precision, three images") {
  for (const char* strategy : {"naive", "im2col_gemm", ""}) {
    CAPTURE(std::string(strategy));
    clconv::PlanOptions options;
    options.strategy = strategy;
    check_gradients(3, options);
  }
}

TEST_CASE("the reference's gradients are the differences of its loss") {
  constexpr double kStep = 1e-6;
  const Inputs in(1);
  DeviceNetwork device(1);
  Parameters parameters = initialised(device.network());
  ReferenceNetwork reference(1);
  const auto loss = [&] { return reference.loss(parameters, exact(in.x), in.labels); };
  loss();
  const Parameters gradients = reference.gradients(parameters);
  const auto check = [&](Vector& tensor, const Vector& gradient) {
    const double scale = std::fabs(gradient[largest(gradient)].value);
    REQUIRE(scale > 1e-6);
    for (const std::size_t at : {largest(gradient), tensor.size() / 3, tensor.size() - 1}) {
      const double found = difference(tensor[at], kStep, loss).value;
      // What 2^-53 becomes when it is divided by the step, and the third derivative.
      CHECK(std::fabs(found - gradient[at].value) < 1e-7 * (1 + scale));
    }
  };
  for (std::size_t i = 0; i < parameters.w.size(); ++i) {
    CAPTURE(i);
    check(parameters.w[i], gradients.w[i]);
    check(parameters.b[i], gradients.b[i]);
  }
}

TEST_CASE("the device's gradients are the differences of its loss") {
  // Rounding the loss counts for less the larger the step; the reference says what its size costs.
  constexpr double kStep = 1.0 / 128;
  const Inputs in(3);
  DeviceNetwork device(3);
  Parameters parameters = initialised(device.network());
  const cl::Buffer x = device_buffer(in.x), labels = label_buffer(in.labels);
  ReferenceNetwork reference(3);
  const auto loss = [&] { return reference.loss(parameters, exact(in.x), in.labels); };
  loss();
  const Parameters gradients = reference.gradients(parameters);
  device.loss(x, labels);
  device.network().backward();
  const auto check = [&](Vector& tensor, const Vector& gradient, const cl::Buffer& on_device,
                         const cl::Buffer& gradient_on_device) {
    const std::size_t at = largest(gradient);
    const auto count = static_cast<std::int64_t>(tensor.size());
    const auto found = device.network().get(gradient_on_device, count)[at];
    const std::vector<float> before = device.network().get(on_device, count);
    const auto loss_at = [&](double value) {
      std::vector<float> moved = before;
      moved[at] = static_cast<float>(value);
      device.network().set(on_device, moved);
      return static_cast<double>(device.loss(x, labels));
    };
    // Rounded so that the step is the same on both sides.
    tensor[at].value = std::round(tensor[at].value * 1024) / 1024;
    const double rounded = tensor[at].value;
    const double on_this = (loss_at(rounded + kStep) - loss_at(rounded - kStep)) / (2 * kStep);
    const Rounded expected = difference(tensor[at], kStep, loss);
    tensor[at].value = static_cast<double>(before[at]);
    device.network().set(on_device, before);
    const double of_the_step = std::fabs(expected.value - gradient[at].value);
    CHECK(std::fabs(on_this - expected.value) <= expected.tolerance());
    CHECK(std::fabs(on_this - static_cast<double>(found)) <=
          of_the_step + expected.tolerance() + gradient[at].tolerance());
    CHECK(of_the_step + expected.tolerance() < 0.1 * std::fabs(gradient[at].value));
  };
  for (std::size_t i = 0; i < parameters.w.size(); ++i) {
    auto& layer = device.network().layers()[i];
    CAPTURE(layer.name);
    check(parameters.w[i], gradients.w[i], layer.w, layer.gradient_w);
    check(parameters.b[i], gradients.b[i], layer.b, layer.gradient_b);
  }
}

// ---- training -------------------------------------------------------------------------------------

TEST_CASE("training again from the same seed gives the same bits, from another seed others") {
  const Trained once = train(1, 20);
  const Trained again = train(1, 20);
  CHECK(same_bits(once.parameters, again.parameters));
  CHECK(same_bits(once.losses, again.losses));
  CHECK_FALSE(same_bits(once.parameters, train(2, 20).parameters));
}

TEST_CASE("a few dozen steps lower the loss") {
  const Trained trained = train(3, 36);
  const auto mean = [](const float* first, int count) {
    return std::accumulate(first, first + count, 0.0f) / static_cast<float>(count);
  };
  const float before = trained.losses.front(),
              after = mean(trained.losses.data() + trained.losses.size() - 4, 4);
  CAPTURE(before);
  CAPTURE(after);
  CHECK(before > 1.5f);  // nothing is known yet: about log(10)
  CHECK(after < 0.3f * before);
}

// ---- the program ----------------------------------------------------------------------------------

TEST_CASE("digits: an epoch on real digits, weights saved and loaded, single digits read") {
  const std::string data = mnist();
  if (data.empty()) return;
  const TempFolder folder;
  const ProgramResult trained =
      digits(folder, "--data " + data + " --epochs 1 --deterministic --save weights");
  CHECK(trained.err.empty());
  REQUIRE(trained.status == 0);
  const std::string label = "test accuracy ";
  CHECK(number_after(trained.out, label) > 90);
  const ProgramResult loaded =
      digits(folder, "--data " + data + " --epochs 0 --deterministic --load weights");
  REQUIRE(loaded.status == 0);
  const auto line = [&](const std::string& text) {
    const std::size_t at = text.find(label);
    return text.substr(at, text.find('\n', at) - at);
  };
  CHECK(line(loaded.out) == line(trained.out));

  const std::string plain = data + "/t10k-images-idx3-ubyte";
  const auto images =
      example::read_idx_images(std::filesystem::exists(plain) ? plain : plain + ".gz", 3);
  const std::string labels = data + "/t10k-labels-idx1-ubyte";
  const auto truth =
      example::read_idx_labels(std::filesystem::exists(labels) ? labels : labels + ".gz", 3);
  int right = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto first = images.pixels.begin() + static_cast<std::ptrdiff_t>(i * kPixels);
    example::write_npy(folder.path("digit.npy"), {28, 28}, {first, first + kPixels});
    const ProgramResult read = digits(folder, "--load weights --predict digit.npy");
    REQUIRE(read.status == 0);
    std::vector<double> p;
    for (int c = 0; c < DigitsNetwork::kClasses; ++c)
      p.push_back(number_after(read.out, "\n" + std::to_string(c) + "  "));
    // Four digits are printed.
    CHECK(std::fabs(std::accumulate(p.begin(), p.end(), 0.0) - 1) <= 10 * 0.5e-4 + 1e-12);
    right += std::max_element(p.begin(), p.end()) - p.begin() == truth[i] ? 1 : 0;
  }
  CHECK(right >= 2);
}

TEST_CASE("digits: a number out of range is told with what is allowed, in one line") {
  const TempFolder folder;
  const struct {
    const char *words, *line;
  } cases[] = {{"--batch 0", "--batch: is '0', expected a whole number from 1 to 100000"},
               {"--epochs -1", "--epochs: is '-1', expected a whole number from 0 to 2147483647"},
               {"--lr nan", "--lr: is 'nan', expected a number above 0"},
               {"--seed 1.5", "--seed: is '1.5', expected a whole number of at least 0"},
               {"--shift 9", "--shift: is '9', expected a whole number from 0 to 8"}};
  for (const auto& one : cases) {
    CAPTURE(one.words);
    const ProgramResult result = digits(folder, std::string("--data d ") + one.words);
    CHECK(result.status == 2);
    CHECK(result.err == std::string("digits: ") + one.line + " (see --help)\n");
  }
}

TEST_CASE("digits: data that is missing, truncated or not what it should be, in one line") {
  const TempFolder folder;
  const std::string run = "--epochs 1 --batch 4 --data ";
  check_refused(folder, run + "nowhere", "cannot read nowhere/t10k-images-idx3-ubyte.gz");
  write_data(folder, "d");
  const std::string images = "d/t10k-images-idx3-ubyte", labels = "d/t10k-labels-idx1-ubyte";
  CHECK(digits(folder, run + "d").status == 0);
  const auto with = [&](const std::string& name, const std::string& content,
                        const std::string& line) {
    write(folder.path(name), content);
    check_refused(folder, run + "d", line);
    write_data(folder, "d");
  };
  const std::string good = idx({20, 28, 28});
  with(images, good.substr(0, good.size() - 1), images + ": truncated");
  with(images, good.substr(0, 10), images + ": truncated in its header");
  with(images, "", images + ": truncated in its header");
  with(images, big_endian(0x801) + good.substr(4), images + ": magic number 2049, expected 2051");
  with(images, idx({20, 28, 27}), images + ": the images are not square");
  with(images, idx({20, 14, 14}), "d: expected as many 28x28 images as labels");
  with(labels, idx({19}), "d: expected as many 28x28 images as labels");
  with(labels, idx({21}), "d: expected as many 28x28 images as labels");
  with(labels, idx({20, 28, 28}), labels + ": magic number 2051, expected 2049");
  with(labels, idx({20}).substr(0, 20), labels + ": truncated");
  with(labels, idx({20}, 10), labels + ": label 10 is not a digit");
  std::filesystem::remove(folder.path(labels));
  check_refused(folder, run + "d", "cannot read " + labels + ".gz");
}

TEST_CASE("digits: weights and digits that are missing or of another shape, in one line") {
  const TempFolder folder;
  write_data(folder, "d");
  const ProgramResult saved = digits(folder, "--data d --epochs 0 --batch 4 --save weights");
  CHECK(saved.err.empty());
  REQUIRE(saved.status == 0);
  const std::string run = "--load weights --predict digit.npy";
  example::write_npy(folder.path("digit.npy"), {28, 28}, std::vector<float>(kPixels));
  CHECK(digits(folder, run).status == 0);

  const std::string wanted = ", expected float32 in C order of shape (28, 28)";
  example::write_npy(folder.path("digit.npy"), {28, 27}, std::vector<float>(28 * 27));
  check_refused(folder, run, "digit.npy: has shape (28,27,)" + wanted);
  example::write_npy(folder.path("digit.npy"), {kPixels}, std::vector<float>(kPixels));
  check_refused(folder, run, "digit.npy: has shape (784,)" + wanted);
  example::write_npy(folder.path("digit.npy"), {28, 28}, std::vector<float>(kPixels - 1));
  check_refused(folder, run, "digit.npy: truncated");
  write(folder.path("digit.npy"), "7");
  check_refused(folder, run, "digit.npy: not a .npy file of format 1.0");
  std::filesystem::remove(folder.path("digit.npy"));
  check_refused(folder, run, "cannot read digit.npy");

  example::write_npy(folder.path("weights/conv2_b.npy"), {65}, std::vector<float>(65));
  check_refused(folder, "--data d --epochs 0 --batch 4 --load weights",
                "weights/conv2_b.npy: has shape (65,), expected float32 in C order of shape (64)");
  std::filesystem::remove(folder.path("weights/conv2_b.npy"));
  check_refused(folder, "--data d --epochs 0 --batch 4 --load weights",
                "cannot read weights/conv2_b.npy");
  check_refused(folder, "--data d --batch 17", "--batch 17: there are 16 images to train on");
}
