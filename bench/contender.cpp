#include "contender.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>

#include "threads.hpp"

namespace clconv::bench {
namespace {

// Winograd's rounding on long reductions stays below a tenth of this; a wrong tap is far above.
constexpr double kMostRelativeDifference = 1e-3;

std::vector<float> noise(std::int64_t bytes, float scale, unsigned seed) {
  std::minstd_rand engine(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  std::vector<float> values(static_cast<std::size_t>(bytes) / sizeof(float));
  for (float& value : values)
    value = uniform(engine);
  return values;
}

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Chain : public Contender {
 public:
  explicit Chain(std::vector<ContenderPtr> links) : links_(std::move(links)) {}
  void enqueue() override {
    for (const ContenderPtr& link : links_)
      link->enqueue();
  }
  void finish() override { links_.back()->finish(); }
  bool computes_here() const override { return links_.back()->computes_here(); }
  std::vector<float> result() override { return links_.back()->result(); }

 private:
  std::vector<ContenderPtr> links_;
};

}  // namespace

Case::Case(const std::string& name_, const Problem& problem_)
    : name(name_), problem(problem_), info(problem_.info()) {
  const auto products = static_cast<float>(problem.c / problem.g * problem.kh * problem.kw);
  const bool forward = problem.direction == CLCONV_FORWARD;
  if (problem.direction != CLCONV_BACKWARD_DATA) x = noise(info.x_bytes, 1, 1);
  if (problem.direction != CLCONV_BACKWARD_WEIGHTS) {
    w = noise(info.w_bytes, 1 / std::sqrt(products), 2);
  }
  if (forward && problem.bias != 0) b = noise(info.b_bytes, 1, 3);
  if (!forward) dy = noise(info.y_bytes, 1, 4);
}

std::size_t Case::result_size() const {
  const std::int64_t bytes = problem.direction == CLCONV_FORWARD         ? info.y_bytes
                             : problem.direction == CLCONV_BACKWARD_DATA ? info.x_bytes
                                                                         : info.w_bytes;
  return static_cast<std::size_t>(bytes) / sizeof(float);
}

double Contender::seconds(int calls) {
  std::optional<OnFirstCore> pinned;
  if (computes_here()) pinned.emplace();
  const double start = now_s();
  for (int i = 0; i < calls; ++i)
    enqueue();
  finish();
  return now_s() - start;
}

ContenderPtr prepare_chain(const Peer& peer, const std::vector<Case>& cases) {
  if (peer.prepare_chain) return peer.prepare_chain(cases);
  std::vector<ContenderPtr> links;
  for (const Case& item : cases) {
    links.push_back(peer.prepare(item));
    if (!links.back()) return nullptr;
  }
  return std::make_unique<Chain>(std::move(links));
}

std::string mismatch(const Peer& peer, const Case& item, std::vector<float> result,
                     const std::vector<float>& expected) {
  const Problem& p = item.problem;
  if (p.direction == CLCONV_FORWARD) {
    const auto plane = static_cast<std::size_t>(item.info.oh * item.info.ow);
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (p.bias != 0 && !peer.adds_bias) result[i] += item.b[i / plane % item.b.size()];
      if (p.activation != CLCONV_NO_ACTIVATION && !peer.adds_relu)
        result[i] = std::max(result[i], 0.0f);
    }
  }
  if (result.size() != expected.size()) {
    return "has " + std::to_string(result.size()) + " results, expected " +
           std::to_string(expected.size());
  }
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double a = static_cast<double>(result[i]), e = static_cast<double>(expected[i]);
    largest = std::max(largest, std::fabs(e));
    // Not max(): a NaN must not get lost.
    if (!(std::fabs(a - e) <= difference)) difference = std::fabs(a - e);
  }
  if (difference <= kMostRelativeDifference * largest) return "";
  return "differs by " + std::to_string(difference) + ", where the largest result is " +
         std::to_string(largest);
}

}  // namespace clconv::bench
