// Which bits every variant gives: runs every deterministic candidate of many problems, in all directions, storages
// and epilogues, and writes a hash of each result. Two builds give the same file where a change has left the
// arithmetic alone. Public headers only.
//
//     build/bench/bits --suite tests/suites/edge.txt --out before.txt        (again with the other build: after.txt)
//     build/bench/bits --compare before.txt after.txt
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/cli.hpp"

namespace {

using clconv::Problem;
using clconv::cli::NamedProblem;
using nlohmann::json;

// FNV-1a, 64 bits.
std::uint64_t hash_of(const void* bytes, std::size_t size,
                      std::uint64_t hash = 0xcbf29ce484222325u) {
  const auto* byte = static_cast<const unsigned char*>(bytes);
  for (std::size_t i = 0; i < size; ++i)
    hash = (hash ^ byte[i]) * 0x100000001b3u;
  return hash;
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// One way to ask for a problem: what else is chosen beside its geometry.
struct Setting {
  const char* words;
  void (*apply)(Problem&);
};

const std::vector<Setting> kSettings = {
    {"forward", [](Problem&) {}},
    {"forward bias residual leaky-relu",
     [](Problem& p) {
       p.bias = p.residual = 1;
       p.activation = CLCONV_LEAKY_RELU;
     }},
    {"forward bias prelu",
     [](Problem& p) {
       p.bias = 1;
       p.activation = CLCONV_PRELU;
     }},
    {"forward f16 bias relu6",
     [](Problem& p) {
       p.data_type = CLCONV_FLOAT16;
       p.bias = 1;
       p.activation = CLCONV_RELU6;
     }},
    {"forward nhwc bias relu",
     [](Problem& p) {
       p.layout = CLCONV_NHWC;
       p.bias = 1;
       p.activation = CLCONV_RELU;
     }},
    {"forward nhwc krsc f16",
     [](Problem& p) {
       p.layout = CLCONV_NHWC;
       p.weights_layout = CLCONV_KRSC;
       p.data_type = CLCONV_FLOAT16;
     }},
    {"backward-data", [](Problem& p) { p.direction = CLCONV_BACKWARD_DATA; }},
    {"backward-data f16 mask accumulate",
     [](Problem& p) {
       p.direction = CLCONV_BACKWARD_DATA;
       p.data_type = CLCONV_FLOAT16;
       p.mask = p.accumulate = 1;
     }},
    {"backward-weights", [](Problem& p) { p.direction = CLCONV_BACKWARD_WEIGHTS; }},
    {"backward-weights f16 mask accumulate",
     [](Problem& p) {
       p.direction = CLCONV_BACKWARD_WEIGHTS;
       p.data_type = CLCONV_FLOAT16;
       p.mask = p.accumulate = 1;
     }},
    {"backward-data sigmoid mask",
     [](Problem& p) {
       p.direction = CLCONV_BACKWARD_DATA;
       p.mask = 1;
       p.activation = CLCONV_SIGMOID;
     }},
    {"backward-bias mask",
     [](Problem& p) {
       p.direction = CLCONV_BACKWARD_BIAS;
       p.mask = 1;
     }},
    {"transposed bias relu",
     [](Problem& p) {
       p.direction = CLCONV_TRANSPOSED;
       p.bias = 1;
       p.activation = CLCONV_RELU;
     }},
};

// Buffers of one problem, filled once with numbers in [-1, 1) that every build makes alike. Gradients and results
// start from such numbers, too: what accumulates adds to them, and what is not written shows as a number that another
// build would leave as well, so results are filled with NaN unless they accumulate.
class Buffers {
 public:
  Buffers(const clconv::Context& context, const cl::CommandQueue& queue, const Problem& p)
      : queue_(queue), info_(p.info()), half_(p.data_type == CLCONV_FLOAT16) {
    const cl::Context cl = context.opencl_context();
    const bool dx = p.direction == CLCONV_BACKWARD_DATA || p.direction == CLCONV_TRANSPOSED;
    std::uint32_t seed = 1;
    const auto filled = [&](std::int64_t bytes, std::uint32_t with) {
      const std::vector<unsigned char> values = noise(bytes, with);
      cl::Buffer buffer(cl, CL_MEM_READ_WRITE, values.size());
      queue_.enqueueWriteBuffer(buffer, CL_TRUE, 0, values.size(), values.data());
      return buffer;
    };
    const auto fill = [&](std::int64_t bytes) { return filled(bytes, seed++); };
    operands_.x = fill(p.direction == CLCONV_TRANSPOSED ? info_.y_bytes : info_.x_bytes);
    operands_.w = fill(info_.w_bytes);
    operands_.b = fill(info_.b_bytes);
    operands_.y = fill(p.direction == CLCONV_TRANSPOSED ? info_.x_bytes : info_.y_bytes);
    operands_.dy = fill(info_.y_bytes);
    operands_.dx = fill(info_.x_bytes);
    operands_.dw = fill(info_.w_bytes);
    operands_.db = fill(info_.b_bytes);
    operands_.r = fill(dx ? info_.x_bytes : info_.y_bytes);
    operands_.slopes = filled(info_.b_bytes, 100);  // what older builds fill keeps its seeds
    result_ = p.direction == CLCONV_BACKWARD_DATA      ? operands_.dx
              : p.direction == CLCONV_BACKWARD_WEIGHTS ? operands_.dw
              : p.direction == CLCONV_BACKWARD_BIAS    ? operands_.db
                                                       : operands_.y;
    initial_.assign(result_.getInfo<CL_MEM_SIZE>(), 0xff);  // NaN in both data types
    if (p.accumulate != 0) initial_ = noise(static_cast<std::int64_t>(initial_.size()), seed);
  }

  std::uint64_t run(const clconv::Plan& plan) {
    queue_.enqueueWriteBuffer(result_, CL_TRUE, 0, initial_.size(), initial_.data());
    plan.execute(queue_, operands_);
    std::vector<unsigned char> bytes(initial_.size());
    queue_.enqueueReadBuffer(result_, CL_TRUE, 0, bytes.size(), bytes.data());
    return hash_of(bytes.data(), bytes.size());
  }

 private:
  std::vector<unsigned char> noise(std::int64_t bytes, std::uint32_t seed) const {
    std::vector<unsigned char> values(static_cast<std::size_t>(bytes));
    const std::size_t size = half_ ? 2 : 4;
    std::uint32_t state = seed * 2654435761u + 12345u;
    for (std::size_t at = 0; at + size <= values.size(); at += size) {
      state =
          state * 1664525u + 1013904223u;  // Numerical Recipes' generator; its upper bits are used
      if (half_) {
        // A sign, an exponent from 2^-8 to 2^-1 and ten bits.
        const auto bits = static_cast<std::uint16_t>(
            (state >> 31) << 15 | (7 + (state >> 28 & 7)) << 10 | (state >> 8 & 1023));
        std::memcpy(&values[at], &bits, size);
      } else {
        const float value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
        std::memcpy(&values[at], &value, size);
      }
    }
    return values;
  }

  cl::CommandQueue queue_;
  clconv_problem_info info_;
  bool half_;
  clconv::Operands operands_;
  cl::Buffer result_;
  std::vector<unsigned char> initial_;
};

struct Options {
  std::vector<std::string> suites;
  std::string device, out;
  double most_gflop = 0.2;
  int every = 1;
  std::vector<std::string> compare;
};

// All variants of one problem under one setting, or every so many of them, as lines of `out`.
void run_case(const clconv::Context& context, const cl::CommandQueue& queue, const Options& options,
              const Problem& problem, const char* words, std::FILE* out) {
  const json report = json::parse(context.explain(problem));
  std::unique_ptr<Buffers> buffers;
  for (const json& candidate : report.at("candidates")) {
    if (candidate.at("config").is_null() || !candidate.value("deterministic", false)) continue;
    const std::string strategy = candidate.at("strategy"), config = candidate.at("config");
    const std::string key = problem.text() + " " + words + " " + strategy + " " + config;
    // By the name, so that both builds leave out the same ones.
    if (hash_of(key.data(), key.size()) % static_cast<unsigned>(options.every) != 0) continue;
    clconv::PlanOptions forced;
    forced.strategy = strategy.c_str();
    forced.config = config.c_str();
    std::string outcome;
    try {
      const clconv::Plan plan = context.plan(problem, forced);
      if (!buffers) buffers = std::make_unique<Buffers>(context, queue, problem);
      outcome = hex(buffers->run(plan));
    } catch (const clconv::Error& error) {
      outcome = std::string("failed: ") + error.what();
    }
    std::fprintf(out, "%s\t%s\n", key.c_str(), outcome.c_str());
  }
}

int run(const Options& options) {
  std::FILE* out = std::fopen(options.out.c_str(), "w");
  if (out == nullptr) {
    std::fprintf(stderr, "bits: %s cannot be written\n", options.out.c_str());
    return 1;
  }
  std::vector<NamedProblem> problems;
  for (const std::string& suite : options.suites) {
    for (NamedProblem& item : clconv::cli::read_suite(suite)) {
      if (item.problem.info().flops <= options.most_gflop * 1e9)
        problems.push_back(std::move(item));
    }
  }
  clconv::ContextOptions context_options;
  context_options.wisdom_path = "off";  // what was measured must not decide what is offered
  const clconv::Context context(options.device, context_options);
  const cl::CommandQueue queue(context.opencl_context(), context.device());
  clconv::cli::Progress progress("bits", problems.size() * kSettings.size());
  for (const NamedProblem& item : problems) {
    for (const Setting& setting : kSettings) {
      progress.step(item.name + " " + setting.words);
      Problem problem = item.problem;
      setting.apply(problem);
      run_case(context, queue, options, problem, setting.words, out);
    }
  }
  const bool written = std::fflush(out) == 0 && std::ferror(out) == 0;
  if (std::fclose(out) == 0 && written) return 0;
  std::fprintf(stderr, "bits: %s: writing failed\n", options.out.c_str());
  return 1;
}

std::map<std::string, std::string> read_lines(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw clconv::cli::FileFailure(path + " cannot be read");
  std::map<std::string, std::string> lines;
  for (std::string line; std::getline(in, line);) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) throw clconv::cli::BadInput(path + ": no tab in '" + line + "'");
    lines[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return lines;
}

// 0 where every variant that both files have gives the same bits, 1 otherwise.
int compare(const std::string& before_path, const std::string& after_path) {
  const auto before = read_lines(before_path), after = read_lines(after_path);
  std::size_t same = 0, differ = 0, gone = 0;
  for (const auto& [key, outcome] : before) {
    const auto found = after.find(key);
    if (found == after.end()) {
      ++gone;
      std::printf("gone     %s\n", key.c_str());
    } else if (found->second != outcome) {
      ++differ;
      std::printf("differs  %s: %s, %s\n", key.c_str(), outcome.c_str(), found->second.c_str());
    } else {
      ++same;
    }
  }
  std::printf("%zu the same, %zu differ, %zu only in %s, %zu only in %s\n", same, differ, gone,
              before_path.c_str(), after.size() - same - differ, after_path.c_str());
  return differ == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Hashes of the results of every deterministic variant, to be compared between builds.",
      "bits");
  Options options;
  app.add_option("--suite", options.suites, "suite files: NAME PROBLEM a line");
  app.add_option("--out", options.out, "file for the hashes");
  app.add_option("--device", options.device, "as clconv's --device");
  app.add_option("--most-gflop", options.most_gflop, "leave out larger problems (0.2)")
      ->check(clconv::cli::real_number(clconv::cli::Sign::kNotNegative));
  app.add_option("--every", options.every, "run one variant of so many, chosen by its name (1)")
      ->check(clconv::cli::whole_number(1, std::numeric_limits<int>::max()));
  app.add_option("--compare", options.compare, "two files of hashes")->expected(2);
  if (const auto status = clconv::cli::parse_words(app, argc, argv)) return *status;
  try {
    if (!options.compare.empty()) return compare(options.compare[0], options.compare[1]);
    if (options.suites.empty() || options.out.empty()) {
      std::fprintf(stderr, "bits: --suite and --out are needed, or --compare\n");
      return 2;
    }
    return run(options);
  } catch (const clconv::cli::BadInput& error) {
    std::fprintf(stderr, "bits: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bits: %s\n", error.what());
    return 1;
  }
}
