// The digits network, forward and forward + backward, one image and 32 at a time: nested loops on one CPU
// thread, clconv with each of three strategies forced or chosen, and NumPy and PyTorch where Python has
// them (digits_peers.py). All in one run, after checking that clconv and the loops agree.
//
// usage: digits --data FOLDER [--device SPEC] [--svg FILE] [--json FILE] [--no-peers]
//   --data  folder with MNIST's t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz
//
// A forward pass starts with the images in host memory and ends with the probabilities there; forward +
// backward ends with all gradients computed where they are. The weights stay as they are in both.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/words.hpp"
#include "digits_data.hpp"
#include "digits_network.hpp"
#include "svg.hpp"

namespace {

using clconv::Problem;
using example::Data, example::kPixels;
using Json = nlohmann::ordered_json;
using Seconds = std::vector<double>;

constexpr int kImages = 960, kClasses = example::DigitsNetwork::kClasses;
constexpr const char* kForward = "forward";
constexpr const char* kBoth = "forward+backward";

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// ---- nested loops -------------------------------------------------------------------------------

// Calls visit(x, w, y) with the element numbers of every product of the convolution.
template <class Visit>
void for_each_product(const Problem& p, Visit&& visit) {
  const auto info = p.info();
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t k = 0; k < p.k; ++k)
      for (std::int64_t i = 0; i < info.oh; ++i)
        for (std::int64_t j = 0; j < info.ow; ++j)
          for (std::int64_t c = 0; c < p.c; ++c)
            for (std::int64_t u = 0; u < p.kh; ++u)
              for (std::int64_t v = 0; v < p.kw; ++v) {
                const std::int64_t y = i * p.sh - p.pt + u, x = j * p.sw - p.pl + v;
                if (y < 0 || y >= p.h || x < 0 || x >= p.w) continue;
                visit(index(((n * p.c + c) * p.h + y) * p.w + x),
                      index(((k * p.c + c) * p.kh + u) * p.kw + v),
                      index(((n * p.k + k) * info.oh + i) * info.ow + j));
              }
}

// What any student writes first, on one thread.
class Loops {
 public:
  struct Layer {
    Problem problem;
    std::vector<float> w, b, y, dw, db, dy;
  };
  std::vector<Layer> layers;
  std::vector<float> probabilities;

  void forward(const float* images) {
    const float* x = images;
    for (Layer& layer : layers) {
      const std::int64_t plane = layer.problem.info().oh * layer.problem.info().ow;
      for (std::size_t i = 0; i < layer.y.size(); ++i) {
        layer.y[i] = layer.b[i / index(plane) % index(layer.problem.k)];
      }
      for_each_product(layer.problem, [&](std::size_t xi, std::size_t wi, std::size_t yi) {
        layer.y[yi] += x[xi] * layer.w[wi];
      });
      if (layer.problem.activation != CLCONV_NO_ACTIVATION) {
        for (float& value : layer.y)
          value = std::max(value, 0.0f);
      }
      x = layer.y.data();
    }
    probabilities = layers.back().y;
    for (auto p = probabilities.begin(); p != probabilities.end(); p += kClasses) {
      const float most = *std::max_element(p, p + kClasses);
      float sum = 0;
      for (int i = 0; i < kClasses; ++i)
        sum += p[i] = std::exp(p[i] - most);
      for (int i = 0; i < kClasses; ++i)
        p[i] /= sum;
    }
  }

  void backward(const float* images, const std::int32_t* labels) {
    const std::int64_t n = layers.front().problem.n;
    for (std::int64_t i = 0; i < n * kClasses; ++i) {
      const float target = labels[i / kClasses] == i % kClasses ? 1.0f : 0.0f;
      layers.back().dy[index(i)] = (probabilities[index(i)] - target) / static_cast<float>(n);
    }
    for (std::size_t l = layers.size(); l-- > 0;) {
      Layer& layer = layers[l];
      const std::int64_t plane = layer.problem.info().oh * layer.problem.info().ow;
      std::fill(layer.dw.begin(), layer.dw.end(), 0.0f);
      std::fill(layer.db.begin(), layer.db.end(), 0.0f);
      for (std::size_t i = 0; i < layer.dy.size(); ++i) {
        if (layer.problem.activation != CLCONV_NO_ACTIVATION && !(layer.y[i] > 0)) layer.dy[i] = 0;
        layer.db[i / index(plane) % index(layer.problem.k)] += layer.dy[i];
      }
      const float* x = l > 0 ? layers[l - 1].y.data() : images;
      std::vector<float>* dx = l > 0 ? &layers[l - 1].dy : nullptr;
      if (dx != nullptr) std::fill(dx->begin(), dx->end(), 0.0f);
      for_each_product(layer.problem, [&](std::size_t xi, std::size_t wi, std::size_t yi) {
        layer.dw[wi] += x[xi] * layer.dy[yi];
        if (dx != nullptr) (*dx)[xi] += layer.w[wi] * layer.dy[yi];
      });
    }
  }
};

// The loops with the parameters of `network`.
Loops loops_of(example::DigitsNetwork& network) {
  Loops loops;
  for (auto& layer : network.layers()) {
    const auto info = layer.problem.info();
    Loops::Layer copy;
    copy.problem = layer.problem;
    copy.w = network.get(layer.w, info.w_bytes / 4);
    copy.b = network.get(layer.b, info.b_bytes / 4);
    copy.dw.resize(copy.w.size());
    copy.db.resize(copy.b.size());
    copy.y.resize(index(info.y_bytes / 4));
    copy.dy.resize(copy.y.size());
    loops.layers.push_back(std::move(copy));
  }
  return loops;
}

// ---- one contender ------------------------------------------------------------------------------

// Seconds by name, pass ("forward"), and images per batch.
using Passes = std::map<std::string, std::map<int, Seconds>>;
using Results = std::vector<std::pair<std::string, Passes>>;

// Times `call(first image)` for every batch, after one untimed call.
template <class Call>
Seconds timed(int batch, int most, Call&& call) {
  call(0);
  Seconds seconds;
  for (int first = 0; first < std::min(kImages, most * batch); first += batch) {
    const double start = now_s();
    call(first);
    seconds.push_back(now_s() - start);
  }
  return seconds;
}

// clconv's side of a batch: everything it takes from host memory to the result.
struct Runner {
  example::DigitsNetwork network;
  cl::CommandQueue queue;
  const clconv::Context& context;
  const Data& data;
  cl::Buffer x, labels, probabilities;
  std::vector<float> host = std::vector<float>(index(network.batch() * kClasses));

  Runner(const clconv::Context& context_, const cl::CommandQueue& queue_, int batch,
         const clconv::PlanOptions& options, const Data& data_)
      : network(context_, queue_, batch, options), queue(queue_), context(context_), data(data_) {
    const cl::Context cl = context.opencl_context();
    const auto n = static_cast<std::size_t>(batch);
    x = cl::Buffer(cl, CL_MEM_READ_ONLY, n * kPixels * 4);
    labels = cl::Buffer(cl, CL_MEM_READ_ONLY, n * 4);
    probabilities = cl::Buffer(cl, CL_MEM_READ_WRITE, n * kClasses * 4);
    network.initialise(1);
  }

  void upload(int first) {
    const auto n = static_cast<std::size_t>(network.batch());
    queue.enqueueWriteBuffer(x, CL_FALSE, 0, n * kPixels * 4, &data.images[index(first) * kPixels]);
    queue.enqueueWriteBuffer(labels, CL_FALSE, 0, n * 4, &data.labels[index(first)]);
  }
  void softmax(bool gradient) {
    clconv::SoftmaxParams params;
    params.n = network.batch();
    params.m = kClasses;
    clconv::SoftmaxOperands operands;
    operands.logits = network.logits();
    operands.labels = labels;
    (gradient ? operands.dlogits : operands.probabilities) =
        gradient ? network.dlogits() : probabilities;
    context.softmax_cross_entropy(queue, params, operands);
  }
  void forward(int first) {
    upload(first);
    network.forward(x);
    softmax(false);
    queue.enqueueReadBuffer(probabilities, CL_TRUE, 0, host.size() * 4, host.data());
  }
  void both(int first) {
    upload(first);
    network.forward(x);
    softmax(true);
    network.backward();
    queue.finish();
  }
};

// Throws where two vectors differ by more than float32 rounding explains.
void compare(const std::string& what, const std::vector<float>& ours,
             const std::vector<float>& loops) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < loops.size(); ++i) {
    const double difference = static_cast<double>(ours[i]) - static_cast<double>(loops[i]);
    error += difference * difference;
    size += static_cast<double>(loops[i]) * static_cast<double>(loops[i]);
  }
  if (!(error <= 1e-8 * size) || size == 0) {
    throw std::runtime_error(what + " differs from the nested loops by " +
                             std::to_string(std::sqrt(error / size)) + " of its size");
  }
}

Loops check_forward(Runner& runner) {
  Loops loops = loops_of(runner.network);
  runner.forward(0);
  loops.forward(runner.data.images.data());
  compare("the probabilities", runner.host, loops.probabilities);
  return loops;
}

void check(Runner& runner) {
  Loops loops = check_forward(runner);
  runner.both(0);
  loops.backward(runner.data.images.data(), runner.data.labels.data());
  for (std::size_t i = 0; i < loops.layers.size(); ++i) {
    auto& layer = runner.network.layers()[i];
    const auto info = layer.problem.info();
    compare(layer.name + "'s dw", runner.network.get(layer.gradient_w, info.w_bytes / 4),
            loops.layers[i].dw);
    compare(layer.name + "'s db", runner.network.get(layer.gradient_b, info.b_bytes / 4),
            loops.layers[i].db);
  }
}

struct Contender {
  std::string name;
  clconv::PlanOptions options;
  int most_batches;  // enough to see the spread of what takes seconds
};

// ---- peers --------------------------------------------------------------------------------------

// What digits_peers.py says in an environment; nothing where there is no Python or no NumPy.
void add_peers(const std::string& environment, const std::string& suffix, const Data& data,
               Results& results) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("clconv-digits-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream((folder / "images.f32"), std::ios::binary)
      .write(reinterpret_cast<const char*>(data.images.data()),
             static_cast<std::streamsize>(kImages * kPixels * sizeof(float)));
  std::ofstream((folder / "labels.i32"), std::ios::binary)
      .write(reinterpret_cast<const char*>(data.labels.data()),
             static_cast<std::streamsize>(kImages * sizeof(std::int32_t)));
  Json json = Json::object();  // of the interpreter that knows most
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    const std::string command = environment + " " + python + " '" CLCONV_PEERS "' '" +
                                (folder / "images.f32").string() + "' '" +
                                (folder / "labels.i32").string() + "' 2>/dev/null";
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) continue;
    std::string text;
    char buffer[65536];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
      text.append(buffer, got);
    }
    ::pclose(pipe);
    Json found = Json::parse(text, nullptr, false);
    if (found.is_object() && found.size() > json.size()) json = std::move(found);
    if (json.size() > 1) break;
  }
  std::filesystem::remove_all(folder);
  for (const auto& [name, passes] : json.items()) {
    results.push_back({name + suffix, {}});
    for (const auto& [pass, batches] : passes.items()) {
      for (const auto& [batch, seconds] : batches.items()) {
        results.back().second[pass][std::stoi(batch)] = seconds.get<Seconds>();
      }
    }
  }
}

// ---- reporting ----------------------------------------------------------------------------------

struct Summary {
  double mean = 0, std = 0, min, quarter, median, three_quarters, max;

  explicit Summary(Seconds s) {
    std::sort(s.begin(), s.end());
    for (const double v : s)
      mean += v / static_cast<double>(s.size());
    for (const double v : s)
      std += (v - mean) * (v - mean);
    std = s.size() > 1 ? std::sqrt(std / static_cast<double>(s.size() - 1)) : 0;
    const auto at = [&](double q) {
      const double position = q * static_cast<double>(s.size() - 1);
      const auto low = static_cast<std::size_t>(position);
      const auto high = std::min(low + 1, s.size() - 1);
      return s[low] + (position - static_cast<double>(low)) * (s[high] - s[low]);
    };
    min = s.front(), quarter = at(0.25), median = at(0.5), three_quarters = at(0.75),
    max = s.back();
  }
};

std::string title(const std::string& pass, int batch) {
  return pass + ", B=" + std::to_string(batch);
}

void print_table(const Results& results, const std::string& pass, int batch) {
  std::printf("\n%s (milliseconds a batch)\n", title(pass, batch).c_str());
  std::printf("%-28s %6s %10s %10s %10s %10s %10s %10s %10s\n", "", "count", "mean", "std", "min",
              "25%", "50%", "75%", "max");
  for (const auto& [name, passes] : results) {
    const auto& seconds = passes.at(pass).at(batch);
    const Summary s(seconds);
    std::printf("%-28s %6zu", name.c_str(), seconds.size());
    for (const double value :
         {s.mean, s.std, s.min, s.quarter, s.median, s.three_quarters, s.max}) {
      std::printf(" %10.3f", value * 1e3);
    }
    std::printf("\n");
  }
}

// Four charts of horizontal bars of the medians, on one logarithmic scale.
std::string svg(const Results& results) {
  constexpr int kBar = 18, kLabel = 190, kWidth = 300, kChart = kLabel + kWidth + 90, kTop = 30;
  const int height = kTop + kBar * static_cast<int>(results.size()) + 20;
  double low = 1e9, high = 0;
  for (const auto& [name, passes] : results) {
    for (const auto& [pass, batches] : passes) {
      for (const auto& [batch, seconds] : batches) {
        low = std::min(low, Summary(seconds).median);
        high = std::max(high, Summary(seconds).median);
      }
    }
  }
  clconv::bench::Svg chart(2 * kChart, 2 * height);
  char value[32];
  int number = 0;
  for (const char* pass : {kForward, kBoth}) {
    for (const int batch : {1, 32}) {
      const int x = number % 2 * kChart + kLabel, y = number / 2 * height;
      ++number;
      chart.text(x, y + 18, title(pass, batch) + ": median, ms", "font-weight=\"bold\"");
      int top = y + kTop;
      for (const auto& [name, passes] : results) {
        const double median = Summary(passes.at(pass).at(batch)).median;
        const double length =
            kWidth * (0.02 + 0.98 * std::log(median / low) / std::log(high / low));
        const bool ours = name.rfind("clconv", 0) == 0;
        std::snprintf(value, sizeof(value), "%.3g", median * 1e3);
        chart.text(x - 6, top + 13, name, "text-anchor=\"end\"");
        chart.rect(x, top + 2, length, kBar - 4,
                   ours ? clconv::bench::kOurs : clconv::bench::kTheirs);
        chart.text(x + length + 4, top + 13, value);
        top += kBar;
      }
    }
  }
  return chart.finished();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path);
  std::printf("wrote %s\n", path.c_str());
}

// Where the time of a forward pass goes: on the device, in enqueueing, and in waiting for the rest.
void print_anatomy(Runner& runner) {
  double device_us = 0;
  std::size_t launches = 0;
  const cl::Buffer* input = &runner.x;
  for (const auto& layer : runner.network.layers()) {
    const auto steps =
        Json::parse(layer.forward.profile(runner.network.forward_operands(layer, *input)));
    for (const auto& step : steps)
      device_us += step.at("us").get<double>();
    launches += steps.size();
    input = &layer.y;
  }
  Seconds enqueue, all;
  for (int i = 0; i < 200; ++i) {
    const double start = now_s();
    runner.network.forward(runner.x);
    enqueue.push_back(now_s() - start);
    runner.queue.finish();
    all.push_back(now_s() - start);
  }
  std::printf(
      "  B=%d: %zu launches, %.0f us on the device one by one; together %.0f us, of which %.0f us "
      "enqueueing\n",
      runner.network.batch(), launches, device_us, Summary(all).median * 1e6,
      Summary(enqueue).median * 1e6);
}

std::vector<Contender> contenders() {
  std::vector<Contender> all;
  for (const char* strategy : {"naive", "im2col_gemm"}) {
    Contender forced{std::string("clconv ") + strategy, {}, 60};
    forced.options.strategy = strategy;
    all.push_back(forced);
  }
  all.push_back({"clconv planner, estimate", {}, kImages});
  Contender measured{"clconv planner, measure", {}, kImages};
  measured.options.rigor = CLCONV_MEASURE;
  all.push_back(measured);
  return all;
}

void time_loops(const clconv::Context& context, const cl::CommandQueue& queue, const Data& data,
                Passes& passes) {
  for (const int batch : {1, 32}) {
    Runner reference(context, queue, batch, {}, data);
    Loops loops = loops_of(reference.network);
    const auto image = [&](int first) { return &data.images[index(first) * kPixels]; };
    passes[kForward][batch] =
        timed(batch, 60 / batch + 2, [&](int first) { loops.forward(image(first)); });
    passes[kBoth][batch] = timed(batch, 60 / batch + 2, [&](int first) {
      loops.forward(image(first));
      loops.backward(image(first), &data.labels[index(first)]);
    });
  }
}

Json json_of(const Results& results) {
  Json json;
  for (const auto& [name, passes] : results) {
    for (const auto& [pass, batches] : passes) {
      for (const auto& [batch, seconds] : batches)
        json[name][pass][std::to_string(batch)] = seconds;
    }
  }
  return json;
}

void run(const std::string& folder, const std::string& device, const std::string& svg_path,
         const std::string& json_path, bool peers) {
  const Data data = example::read_data(folder);
  if (data.count() < kImages) {
    throw std::runtime_error(folder + ": has " + std::to_string(data.count()) +
                             " images, expected at least " + std::to_string(kImages));
  }
  const clconv::Context context(device);
  const cl::CommandQueue queue(context.opencl_context(), context.device());
  std::printf("device  %s\n", context.device().getInfo<CL_DEVICE_NAME>().c_str());

  Results results;
  results.push_back({"nested loops, 1 thread", {}});
  time_loops(context, queue, data, results[0].second);
  for (const Contender& contender : contenders()) {
    results.push_back({contender.name, {}});
    Passes& passes = results.back().second;
    for (const int batch : {1, 32}) {
      clconv::PlanOptions options = contender.options;
      options.weights_change = 1;
      Runner training(context, queue, batch, options, data);
      check(training);
      passes[kBoth][batch] =
          timed(batch, contender.most_batches, [&](int first) { training.both(first); });
      Runner inference(context, queue, batch, contender.options, data);
      inference.network.freeze();
      check_forward(inference);
      passes[kForward][batch] =
          timed(batch, contender.most_batches, [&](int first) { inference.forward(first); });
    }
  }
  if (peers) {
    add_peers("", "", data, results);
    add_peers(
        "MALLOC_TOP_PAD_=268435456 MALLOC_MMAP_THRESHOLD_=1073741824 OPENBLAS_CORETYPE=SkylakeX "
        "OPENBLAS_NUM_THREADS=1",
        ", tuned", data, results);
  }
  for (const char* pass : {kForward, kBoth}) {
    for (const int batch : {1, 32})
      print_table(results, pass, batch);
  }
  std::printf("\nthe layers' forward passes with prepared weights, without upload and softmax:\n");
  for (const int batch : {1, 32}) {
    Runner runner(context, queue, batch, {}, data);
    runner.network.freeze();
    runner.forward(0);
    print_anatomy(runner);
  }
  if (!svg_path.empty()) write_text(svg_path, svg(results));
  if (!json_path.empty()) write_text(json_path, json_of(results).dump(1) + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"The digits network: nested loops, clconv, NumPy and PyTorch in one run", "digits"};
  std::string data, device, svg_path, json_path;
  bool no_peers = false;
  app.add_option("--data", data, "folder with MNIST's t10k images and labels, gzipped IDX")
      ->required();
  app.add_option("--device", device, "index P:D or part of a name");
  app.add_option("--svg", svg_path, "write a chart of the medians");
  app.add_option("--json", json_path, "write all times");
  app.add_flag("--no-peers", no_peers, "leave NumPy and PyTorch out");
  if (const auto status = clconv::cli::parse_words(app, argc, argv)) return *status;
  clconv::pin_pocl_threads();
  try {
    run(data, device, svg_path, json_path, !no_peers);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits: %s\n", error.what());
    return 1;
  }
}
