// Trains a small network to read handwritten digits, on any OpenCL device.
//
// Data: MNIST's t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, gzipped or not, in a folder. The first
// four fifths are trained on, the rest is the test set. `digits --help` lists the options.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "digits_data.hpp"
#include "digits_network.hpp"
#include "digits_ranks.hpp"
#include "npy.hpp"

namespace {

using example::kPixels, example::kSide;
constexpr int kClasses = example::DigitsNetwork::kClasses;

struct Options {
  std::string data, device, save, load, predict;
  int batch = 32, epochs = 10, shift = 1;
  std::uint64_t seed = 1;
  float learning_rate = 2e-3f;
  bool deterministic = false, mpi = false;
};

class Trainer {
 public:
  Trainer(const clconv::Context& context, const Options& options, example::Ranks& ranks)
      : context_(context),
        options_(options),
        ranks_(ranks),
        queue_(context.opencl_context(), context.device()),
        network_(context, queue_, options.batch, planning(options)),
        gradient_sum_(ranks, queue_, network_),
        x_(floats(options.batch * kPixels)),
        labels_(floats(options.batch)),
        loss_(floats(1)),
        probabilities_(floats(options.batch * kClasses)),
        moment1_(floats(network_.parameter_count())),
        moment2_(floats(network_.parameter_count())) {
    network_.initialise(options.seed);
  }

  example::DigitsNetwork& network() { return network_; }

  // Rank 0's weights on all ranks.
  void share_parameters() {
    if (ranks_.size() == 1) return;
    auto values = network_.get(network_.parameters(), network_.parameter_count());
    ranks_.broadcast(values);
    network_.set(network_.parameters(), values);
  }

  // Each rank takes its images of every step.
  void train(const example::Data& data, int count) {
    const int steps = count / (options_.batch * ranks_.size());
    const int own = steps * options_.batch;
    const cl::Buffer images = floats(std::int64_t{own} * kPixels), labels = floats(own);
    std::mt19937_64 engine(options_.seed);
    for (int epoch = 1; epoch <= options_.epochs; ++epoch) {
      const example::Data epoch_data =
          example::share_of(example::shuffled(data, count, options_.shift, engine), options_.batch,
                            ranks_.rank(), ranks_.size());
      network_.set(images, epoch_data.images);
      queue_.enqueueWriteBuffer(labels, CL_TRUE, 0, static_cast<std::size_t>(own) * 4,
                                epoch_data.labels.data());
      queue_.enqueueFillBuffer(loss_, 0.0f, 0, 4);
      // The loss so far, read without waiting: what is shown is a report or two behind.
      float loss = 0;
      cl::Event read;
      const auto begin = std::chrono::steady_clock::now();
      for (int step = 0; step < steps; ++step) {
        take_batch(images, labels, step);
        train_step((epoch - 1) * steps + step, options_.epochs * steps);
        if ((step + 1) % kReport != 0 && step + 1 < steps) continue;
        if (read() != nullptr) read.wait();  // the host runs ahead by no more than two reports
        const int reported = step + 1 == steps ? steps : step + 1 - kReport;
        if (step + 1 == steps) queue_.finish();
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
        queue_.enqueueReadBuffer(loss_, step + 1 == steps, 0, 4, &loss, nullptr, &read);
        if (step + 1 == steps) loss = mean_over_ranks(loss);
        progress(epoch, step + 1, steps, reported > 0 ? loss / static_cast<float>(reported) : 0,
                 (step + 1) * options_.batch * ranks_.size() / taken.count());
      }
    }
  }

  // What adding up the gradients of all ranks took, and that the ranks have the same weights now.
  void report_ranks() {
    if (ranks_.size() == 1) return;
    const auto weights = network_.get(network_.parameters(), network_.parameter_count());
    std::uint64_t hash = 14695981039346656037U;  // FNV-1a
    const auto* bytes = reinterpret_cast<const unsigned char*>(weights.data());
    for (std::size_t i = 0; i < weights.size() * sizeof(float); ++i)
      hash = (hash ^ bytes[i]) * 1099511628211U;
    if (!ranks_.equal(hash)) throw std::runtime_error("the ranks' weights are not the same bits");
    const auto& times = gradient_sum_.times();
    std::vector<double> seconds = {times.in_flight_s, times.exposed_s};
    ranks_.sum(seconds);
    if (!ranks_.first() || times.steps == 0) return;
    const double steps = static_cast<double>(times.steps) * ranks_.size();
    std::printf(
        "\n%d ranks, %d images each a step; gradients in %zu buckets: %.3f ms a step under way, "
        "%.3f ms of it after the backward pass (%.0f %% hidden)\n",
        ranks_.size(), options_.batch, gradient_sum_.buckets(), seconds[0] / steps * 1e3,
        seconds[1] / steps * 1e3, 100 * (1 - seconds[1] / std::max(seconds[0], 1e-9)));
  }

  // counts[label][guess] over the images from `first` on; each rank reads a part of them.
  std::vector<std::vector<int>> confusion(const example::Data& data, int first) {
    std::vector<std::vector<int>> counts(kClasses, std::vector<int>(kClasses));
    const std::int64_t all = data.count() - first;
    const auto border = [&](int rank) {
      return first + static_cast<int>(all * rank / ranks_.size());
    };
    const int end = border(ranks_.rank() + 1);
    for (int i = border(ranks_.rank()); i < end; i += options_.batch) {
      const int n = std::min(options_.batch, end - i);
      const auto p = probabilities(&data.images[static_cast<std::size_t>(i) * kPixels], n);
      for (int j = 0; j < n; ++j) {
        const auto row = p.begin() + j * kClasses;
        const auto guess = static_cast<std::size_t>(std::max_element(row, row + kClasses) - row);
        ++counts[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(i + j)])][guess];
      }
    }
    for (auto& row : counts) {
      std::vector<double> sums(row.begin(), row.end());
      ranks_.sum(sums);
      std::transform(sums.begin(), sums.end(), row.begin(),
                     [](double v) { return static_cast<int>(v); });
    }
    return counts;
  }

  // Of the first `n` images of a batch; the others are left as they are.
  std::vector<float> probabilities(const float* images, int n) {
    queue_.enqueueWriteBuffer(x_, CL_TRUE, 0, static_cast<std::size_t>(n * kPixels) * 4, images);
    network_.forward(x_);
    clconv::SoftmaxOperands softmax;
    softmax.logits = network_.logits();
    softmax.probabilities = probabilities_;
    context_.softmax_cross_entropy(queue_, softmax_params(), softmax);
    return network_.get(probabilities_, n * kClasses);
  }

  // Which strategy every layer and direction uses, and its share of the device's time.
  void print_strategies() {
    struct Row {
      std::string layer, direction, strategy;
      double us;
    };
    std::vector<Row> rows;
    double total = 0;
    const auto add = [&](const std::string& layer, const char* direction, const clconv::Plan& plan,
                         const clconv::Operands& operands) {
      double us = 0;
      for (const auto& step : nlohmann::json::parse(plan.profile(operands)))
        us += step.at("us").get<double>();
      const auto info = plan.info();
      rows.push_back({layer, direction, std::string(info.strategy) + " " + info.config, us});
      total += us;
    };
    const auto& layers = network_.layers();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      add(layers[i].name, "forward", layers[i].forward,
          network_.forward_operands(layers[i], i > 0 ? layers[i - 1].y : x_));
    }
    for (std::size_t i = layers.size(); i-- > 0;) {
      const auto operands = network_.backward_operands(i);
      add(layers[i].name, "backward weights", layers[i].dw, operands);
      add(layers[i].name, "backward bias", layers[i].db, operands);
      if (i > 0) add(layers[i].name, "backward data", layers[i].dx, operands);
    }
    std::printf("\n%-7s %-17s %-46s %9s %6s\n", "layer", "direction", "strategy", "time", "share");
    for (const Row& row : rows) {
      std::printf("%-7s %-17s %-46s %6.1f us %4.0f %%\n", row.layer.c_str(), row.direction.c_str(),
                  row.strategy.c_str(), row.us, 100 * row.us / total);
    }
  }

  // One .npy file per tensor.
  void save(const std::string& folder) {
    for_each_tensor([&](const std::string& name, const std::vector<std::int64_t>& shape,
                        const cl::Buffer& buffer, std::int64_t count) {
      example::write_npy(folder + "/" + name + ".npy", shape, network_.get(buffer, count));
    });
  }
  void load(const std::string& folder) {
    for_each_tensor([&](const std::string& name, const std::vector<std::int64_t>& shape,
                        const cl::Buffer& buffer, std::int64_t) {
      network_.set(buffer, example::read_npy(folder + "/" + name + ".npy", shape));
    });
  }

 private:
  static constexpr int kReport = 25;  // steps

  static clconv::PlanOptions planning(const Options& options) {
    clconv::PlanOptions result;
    result.deterministic = options.deterministic ? 1 : 0;
    result.weights_change = options.epochs > 0 ? 1 : 0;
    return result;
  }

  clconv::SoftmaxParams softmax_params() const {
    clconv::SoftmaxParams params;
    params.n = options_.batch;
    params.m = kClasses;
    params.accumulate = 1;  // the loss, over an epoch
    params.gradient_scale =
        1.0f / static_cast<float>(ranks_.size());  // the mean over all ranks' images
    return params;
  }

  cl::Buffer floats(std::int64_t count) const {
    const auto bytes = static_cast<std::size_t>(count * 4);
    cl::Buffer buffer(context_.opencl_context(), CL_MEM_READ_WRITE, bytes);
    queue_.enqueueFillBuffer(buffer, 0.0f, 0, bytes);
    return buffer;
  }

  void take_batch(const cl::Buffer& images, const cl::Buffer& labels, int step) {
    const auto n = static_cast<std::size_t>(options_.batch),
               at = static_cast<std::size_t>(step) * n;
    queue_.enqueueCopyBuffer(images, x_, at * kPixels * 4, 0, n * kPixels * 4);
    queue_.enqueueCopyBuffer(labels, labels_, at * 4, 0, n * 4);
  }

  void train_step(int step, int steps) {
    network_.forward(x_);
    clconv::SoftmaxOperands softmax;
    softmax.logits = network_.logits();
    softmax.labels = labels_;
    softmax.loss = loss_;
    softmax.dlogits = network_.dlogits();
    context_.softmax_cross_entropy(queue_, softmax_params(), softmax);
    if (ranks_.size() > 1)
      gradient_sum_.backward();
    else
      network_.backward();
    clconv::AdamParams adam;
    adam.count = network_.parameter_count();
    adam.step = step + 1;
    // Down to nothing along half a cosine (I. Loshchilov and F. Hutter, "SGDR", 2017).
    adam.learning_rate =
        options_.learning_rate * 0.5f *
        (1 + std::cos(3.14159265f * static_cast<float>(step) / static_cast<float>(steps)));
    context_.adam(queue_, adam, network_.parameters(), network_.gradients(), moment1_, moment2_);
  }

  float mean_over_ranks(float value) const {
    std::vector<double> sum = {static_cast<double>(value)};
    ranks_.sum(sum);
    return static_cast<float>(sum.front() / ranks_.size());
  }

  void progress(int epoch, int step, int steps, float loss, double images_per_s) const {
    if (!ranks_.first()) return;
    const bool terminal = ::isatty(STDERR_FILENO) != 0, last = step == steps;
    if (terminal) {
      const int done = 30 * step / steps;
      std::fprintf(stderr, "\repoch %2d [%s%s] loss %.4f, %.0f images/s  ", epoch,
                   std::string(static_cast<std::size_t>(done), '#').c_str(),
                   std::string(static_cast<std::size_t>(30 - done), '.').c_str(),
                   static_cast<double>(loss), images_per_s);
      if (last) std::fprintf(stderr, "\r%80s\r", "");
    }
    if (last) {
      std::printf("epoch %2d  loss %.4f  %6.0f images/s\n", epoch, static_cast<double>(loss),
                  images_per_s);
      std::fflush(stdout);
    }
  }

  template <class Visit>
  void for_each_tensor(Visit&& visit) {
    for (const auto& layer : network_.layers()) {
      const auto& p = layer.problem;
      visit(layer.name + "_w", std::vector<std::int64_t>{p.k, p.c, p.kh, p.kw}, layer.w,
            layer.w_count());
      visit(layer.name + "_b", std::vector<std::int64_t>{p.k}, layer.b, p.k);
    }
  }

  const clconv::Context& context_;
  Options options_;
  example::Ranks& ranks_;
  cl::CommandQueue queue_;
  example::DigitsNetwork network_;
  example::GradientSum gradient_sum_;
  cl::Buffer x_, labels_, loss_, probabilities_, moment1_, moment2_;
};

void print_confusion(const std::vector<std::vector<int>>& counts) {
  int right = 0, all = 0;
  std::printf("\nconfusion matrix of the test set (rows: label, columns: guess)\n   ");
  for (int i = 0; i < kClasses; ++i)
    std::printf("%5d", i);
  for (std::size_t label = 0; label < counts.size(); ++label) {
    std::printf("\n%3zu", label);
    for (std::size_t guess = 0; guess < counts.size(); ++guess) {
      std::printf("%5d", counts[label][guess]);
      all += counts[label][guess];
      if (label == guess) right += counts[label][guess];
    }
  }
  std::printf("\n\ntest accuracy %.2f %% (%d of %d)\n", 100.0 * right / all, right, all);
}

// Known to all ranks: none is waiting for another.
struct CommonFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Several ranks on a host with several GPUs take one each.
std::string device_of(const Options& options, const example::Ranks& ranks) {
  const char* named = std::getenv("CLCONV_DEVICE");
  if (ranks.size() == 1 || !options.device.empty() || (named != nullptr && *named != '\0'))
    return options.device;
  const auto devices = nlohmann::json::parse(clconv::devices());
  std::string type;
  for (const auto& device : devices) {
    if (device.at("default").get<bool>()) type = device.at("type");
  }
  std::vector<std::string> same;
  for (const auto& device : devices) {
    if (device.at("type") == type && type != "cpu") same.push_back(device.at("index"));
  }
  return same.empty() ? "" : same[static_cast<std::size_t>(ranks.local_rank()) % same.size()];
}

// What a run trains on.
struct Setup {
  example::Data data;
  int train_count = 0;
  std::unique_ptr<clconv::Context> context;
  std::unique_ptr<Trainer> trainer;

  Setup(const Options& options, example::Ranks& ranks) {
    // Before anything is planned: what is wrong with it shows at once.
    if (options.predict.empty()) data = example::read_data(options.data);
    train_count = data.count() / 5 * 4;
    if (options.predict.empty() && options.batch > train_count / ranks.size()) {
      throw std::runtime_error(
          "--batch " + std::to_string(options.batch) +
          (ranks.size() > 1 ? " on each of " + std::to_string(ranks.size()) + " ranks" : "") +
          ": there are " + std::to_string(train_count) + " images to train on");
    }
    if (!options.save.empty()) std::filesystem::create_directories(options.save);
    context = std::make_unique<clconv::Context>(device_of(options, ranks));
    trainer = std::make_unique<Trainer>(*context, options, ranks);
    if (!options.load.empty()) trainer->load(options.load);
  }
  void print_device() const {
    std::printf("device  %s\n", context->device().getInfo<CL_DEVICE_NAME>().c_str());
  }
};

void read_digit(const Options& options) {
  const std::vector<float> digit = example::read_npy(options.predict, {kSide, kSide});
  example::Ranks alone;
  const Setup setup(options, alone);
  setup.print_device();
  const auto p = setup.trainer->probabilities(digit.data(), 1);
  for (int i = 0; i < kClasses; ++i)
    std::printf("%d  %.4f\n", i, static_cast<double>(p[static_cast<std::size_t>(i)]));
}

void train_with(const Options& options, example::Ranks& ranks) {
  std::unique_ptr<Setup> setup;
  std::string failure;
  try {
    setup = std::make_unique<Setup>(options, ranks);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  // What is wrong on any rank ends all of them here, with one line.
  failure = ranks.first_failure(failure);
  if (!failure.empty()) throw CommonFailure(failure);
  if (ranks.first()) setup->print_device();
  Trainer& trainer = *setup->trainer;
  trainer.share_parameters();
  trainer.train(setup->data, setup->train_count);
  trainer.report_ranks();
  if (!options.save.empty() && ranks.first()) trainer.save(options.save);
  if (options.epochs > 0 && ranks.first()) trainer.print_strategies();
  const auto counts = trainer.confusion(setup->data, setup->train_count);
  if (ranks.first()) print_confusion(counts);
}

// The exit status.
int train(const Options& options) {
  std::unique_ptr<example::Ranks> ranks = std::make_unique<example::Ranks>();
#ifdef CLCONV_DIGITS_MPI
  if (options.mpi) ranks = example::mpi_ranks();
#endif
  clconv::pin_pocl_threads();
  try {
    train_with(options, *ranks);
    return 0;
  } catch (const CommonFailure& error) {
    if (ranks->first()) std::fprintf(stderr, "digits: %s\n", error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits: rank %d: %s\n", ranks->rank(), error.what());
    ranks->abort();
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app{"Trains a network on handwritten digits, or lets a trained one read one", "digits"};
  auto* data = app.add_option("--data", o.data,
                              "folder with MNIST's t10k images and labels (IDX, gzipped or not)");
  app.add_option("--device", o.device, "index P:D or part of a name");
  app.add_option("--batch", o.batch, "images per step")->check(CLI::Range(1, 100000));
  app.add_option("--epochs", o.epochs, "passes over the data; 0 only tests")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", o.seed, "of weights and order");
  app.add_option("--lr", o.learning_rate, "learning rate at the start")->check(CLI::PositiveNumber);
  app.add_option("--shift", o.shift, "pixels by which images are shifted at random")
      ->check(CLI::Range(0, 8));
  app.add_flag("--deterministic", o.deterministic,
               "the same seed gives the same weights, bit for bit");
  app.add_option("--save", o.save, "folder to write the weights to, one .npy a tensor");
  auto* load = app.add_option("--load", o.load, "folder to read them from");
  auto* predict = app.add_option("--predict", o.predict,
                                 "a digit: .npy, (28,28) float32 in [0,1], white on black");
  predict->needs(load);
  app.add_flag("--mpi", o.mpi,
               "train with the other ranks of mpirun, each on --batch images per step")
      ->excludes(predict);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    std::fprintf(stderr, "digits: %s (see --help)\n", error.what());
    return 2;
  }
  if (data->count() == 0 && predict->count() == 0) {
    std::fprintf(stderr, "digits: --data FOLDER is missing (or --load FOLDER --predict FILE)\n");
    return 2;
  }
#ifndef CLCONV_DIGITS_MPI
  if (o.mpi) {
    std::fprintf(stderr, "digits: --mpi: this program was built without MPI (libopenmpi-dev)\n");
    return 2;
  }
#endif
  if (o.predict.empty()) return train(o);
  clconv::pin_pocl_threads();
  try {
    read_digit(o);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits: %s\n", error.what());
    return 1;
  }
}
