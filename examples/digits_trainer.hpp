// Trains examples/digits_network.hpp on one rank's share of the images, tests it, and keeps its weights.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "digits_data.hpp"
#include "digits_ranks.hpp"
#include "npy.hpp"

namespace example {

struct Options {
  std::string data, device, save, load, predict;
  int batch = 32, epochs = 10, shift = 1;
  std::uint64_t seed = 1;
  float learning_rate = 2e-3f;
  bool deterministic = false, mpi = false;
};

class Trainer {
 public:
  static constexpr int kClasses = DigitsNetwork::kClasses;

  Trainer(const clconv::Context& context, const Options& options, Ranks& ranks)
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

  DigitsNetwork& network() { return network_; }

  // Rank 0's weights on all ranks.
  void share_parameters() {
    if (ranks_.size() == 1) return;
    auto values = network_.get(network_.parameters(), network_.parameter_count());
    ranks_.broadcast(values);
    network_.set(network_.parameters(), values);
  }

  // Each rank takes its images of every step.
  void train(const Data& data, int count) {
    const int steps = count / (options_.batch * ranks_.size());
    const int own = steps * options_.batch;
    const cl::Buffer images = floats(std::int64_t{own} * kPixels), labels = floats(own);
    std::mt19937_64 engine(options_.seed);
    for (int epoch = 1; epoch <= options_.epochs; ++epoch) {
      const Data epoch_data = share_of(shuffled(data, count, options_.shift, engine),
                                       options_.batch, ranks_.rank(), ranks_.size());
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
  std::vector<std::vector<int>> confusion(const Data& data, int first) {
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
      write_npy(folder + "/" + name + ".npy", shape, network_.get(buffer, count));
    });
  }
  void load(const std::string& folder) {
    for_each_tensor([&](const std::string& name, const std::vector<std::int64_t>& shape,
                        const cl::Buffer& buffer, std::int64_t) {
      network_.set(buffer, read_npy(folder + "/" + name + ".npy", shape));
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
  Ranks& ranks_;
  cl::CommandQueue queue_;
  DigitsNetwork network_;
  GradientSum gradient_sum_;
  cl::Buffer x_, labels_, loss_, probabilities_, moment1_, moment2_;
};

}  // namespace example
