// Trains a small network to read handwritten digits, on any OpenCL device.
//
// Data: MNIST's t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, gzipped or not, in a folder. The first
// four fifths are trained on, the rest is the test set. `digits --help` lists the options.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/words.hpp"
#include "digits_trainer.hpp"

namespace {

using clconv::cli::real_number, clconv::cli::Sign, clconv::cli::whole_number;
using example::kSide, example::Options, example::Trainer;
constexpr int kClasses = Trainer::kClasses;

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
  app.add_option("--batch", o.batch, "images per step")->check(whole_number(1, 100000));
  app.add_option("--epochs", o.epochs, "passes over the data; 0 only tests")
      ->check(whole_number(0, std::numeric_limits<int>::max()));
  app.add_option("--seed", o.seed, "of weights and order")->check(whole_number(0));
  app.add_option("--lr", o.learning_rate, "learning rate at the start")
      ->check(real_number(Sign::kPositive));
  app.add_option("--shift", o.shift, "pixels by which images are shifted at random")
      ->check(whole_number(0, 8));
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
  if (const auto status = clconv::cli::parse_words(app, argc, argv)) return *status;
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
