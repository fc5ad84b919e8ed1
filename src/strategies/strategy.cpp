// What strategies share, and the words of the seam.
#include "strategies/strategy.hpp"

#include "runtime/joined.hpp"
#include "runtime/program.hpp"
#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <sstream>

namespace clconv::core {
namespace {

[[noreturn]] void bad_config(const std::string& text) {
  throw Error(Code::kInvalidArgument, "config " + text);
}

}  // namespace

int Config::get(const std::string& name, int minimum, int maximum) const {
  const auto found = values_.find(name);
  if (found == values_.end()) bad_config("'" + text() + "': value " + name + " is missing");
  if (found->second < minimum || found->second > maximum) {
    bad_config("'" + text() + "': " + name + "=" + std::to_string(found->second) + " is not in [" +
               std::to_string(minimum) + ", " + std::to_string(maximum) + "]");
  }
  return found->second;
}

int Config::get_power_of_two(const std::string& name, int minimum, int maximum) const {
  const int value = get(name, minimum, maximum);
  if ((value & (value - 1)) != 0)
    bad_config("'" + text() + "': " + name + "=" + std::to_string(value) + " is no power of two");
  return value;
}

std::string Config::names() const {
  std::string list;
  for (const auto& [name, value] : values_)
    list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::string Config::text() const {
  std::string text = body_.empty() ? "" : "body=" + body_;
  for (const auto& [name, value] : values_) {
    text += (text.empty() ? "" : ",") + name + "=" + std::to_string(value);
  }
  return text;
}

std::string Config::defines() const {
  std::string text;
  for (const auto& [name, value] : values_) {
    text += text.empty() ? "-D" : " -D";
    for (const char c : name) {
      text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    text += "=" + std::to_string(value);
  }
  return text;
}

Config Config::parse(std::string_view text) {
  Config config;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const std::size_t equals = item.find('=');
    begin = end + 1;
    if (item.rfind("body=", 0) == 0 && config.body_.empty() && equals + 1 < item.size()) {
      config.body_ = item.substr(equals + 1);
      continue;
    }
    int value = 0;
    bool good = equals != std::string_view::npos && equals > 0;
    if (good) {
      const char* last = item.data() + item.size();
      const auto [stop, error] = std::from_chars(item.data() + equals + 1, last, value);
      good = error == std::errc() && stop == last;
    }
    if (!good)
      bad_config("'" + std::string(text) + "': expected name=integer at '" + std::string(item) +
                 "'");
    if (!config.values_.emplace(std::string(item.substr(0, equals)), value).second) {
      bad_config("'" + std::string(text) + "': a name is given twice at '" + std::string(item) +
                 "'");
    }
  }
  return config;
}

const char* to_string(Reason reason) {
  switch (reason) {
    case Reason::kDirection: return "direction";
    case Reason::kShape: return "shape";
    case Reason::kStorage: return "storage";
    case Reason::kTooLarge: return "too_large";
    case Reason::kWorkspaceLimit: return "workspace_limit";
    case Reason::kAllocationLimit: return "allocation_limit";
    case Reason::kLocalMemory: return "local_memory";
    case Reason::kWorkGroupSize: return "work_group_size";
    case Reason::kFamily: return "device_family";
    case Reason::kNotConsidered: return "not_considered";
    case Reason::kMath: return "math";
    case Reason::kNotDeterministic: return "not_deterministic";
    case Reason::kNotAllowed: return "not_allowed";
    case Reason::kUnknownConfig: return "unknown_config";
    case Reason::kSlower: return "slower";
    case Reason::kTooSlowToTime: return "too_slow_to_time";
    case Reason::kNotMeasured: return "not_measured";
    case Reason::kTimeLimit: return "time_limit";
    case Reason::kBuildFailed: return "build_failed";
    case Reason::kRunFailed: return "run_failed";
    case Reason::kWrongResult: return "wrong_result";
    case Reason::kNoWisdom: return "no_wisdom";
  }
  return "?";
}

const char* to_string(Math math) {
  switch (math) {
    case Math::kFloat32: return "f32";
    case Math::kTf32: return "tf32";
    case Math::kFloat16: return "f16";
  }
  return "?";
}

std::string to_text(const Rejection& r) {
  const std::string actual = std::to_string(r.actual);
  const std::string limit = std::to_string(r.limit);
  const auto ratio = [&] {
    return fixed_text(
        static_cast<double>(r.actual) / static_cast<double>(std::max<std::int64_t>(1, r.limit)), 1);
  };
  switch (r.code) {
    case Reason::kDirection:
    case Reason::kStorage: return "does not serve " + r.detail;
    case Reason::kShape: return r.field + " is " + actual + ", applies only where it is " + limit;
    case Reason::kTooLarge: return r.field + " is " + actual + ", supported up to " + limit;
    case Reason::kWorkspaceLimit:
      return "needs at least " + actual + " bytes of " + r.field + ", the limit is " + limit;
    case Reason::kAllocationLimit:
      return r.field + " needs one allocation of " + actual + " bytes, the device allows " + limit;
    case Reason::kLocalMemory:
      return "needs " + actual + " bytes of local memory, the device has " + limit;
    case Reason::kWorkGroupSize:
      return "needs " + actual + " work-items per group, the device allows " + limit;
    case Reason::kNotDeterministic:
      return "not deterministic, and deterministic results were asked for";
    case Reason::kFamily:
    case Reason::kMath:
    case Reason::kNotConsidered:
    case Reason::kNotAllowed:
    case Reason::kUnknownConfig: return r.detail;
    case Reason::kSlower: return ratio() + " times the time of the best (" + r.field + ")";
    case Reason::kTooSlowToTime:
      return "predicted " + std::to_string(r.actual / 1000000) + " ms, not timed beyond " +
             std::to_string(r.limit / 1000000) + " ms while another runs";
    case Reason::kNotMeasured: return "rigor " + r.detail + " does not time it";
    case Reason::kTimeLimit: return "the time limit of " + limit + " ms ended the search first";
    case Reason::kBuildFailed:
    case Reason::kRunFailed: return r.detail;
    case Reason::kWrongResult:
      return r.detail.empty() ? "differs from naive by " + actual + " times its error bound"
                              : r.detail;
    case Reason::kNoWisdom: return "no wisdom for this problem, device, driver and library version";
  }
  return "?";
}

std::optional<Rejection> too_large(const Problem& problem) {
  const auto size = beyond_32_bits(problem);
  if (!size) return std::nullopt;
  return Rejection{Reason::kTooLarge, size->name, size->value, kIndexLimit, ""};
}

Rejection not_served(const Problem& problem) {
  return {Reason::kDirection, "direction", 0, 0, to_string(problem.direction)};
}

std::optional<Rejection> storage_not_served(const Problem& p,
                                            std::initializer_list<Serves> served) {
  const auto serves = [&](Serves what) {
    return std::find(served.begin(), served.end(), what) != served.end();
  };
  const auto refuse = [](const char* field, const char* what) {
    return Rejection{Reason::kStorage, field, 0, 0, what};
  };
  if (p.data_type != DataType::kFloat32 && !serves(Serves::kNarrow)) {
    return refuse("data type", row_of(p.data_type).name);
  }
  if (p.layout == TensorLayout::kNhwc && !serves(Serves::kNhwc)) {
    return refuse("layout", "channels last (nhwc): it would have to transpose x and y");
  }
  // Weights with one tap or one channel are the same in both orders.
  const bool same = p.kh * p.kw == 1 || p.c_per_group() == 1;
  if (p.weights_layout == WeightsLayout::kKrsc && !same && !serves(Serves::kKrsc)) {
    return refuse("weights layout", "weights (k,kh,kw,c/g)");
  }
  return std::nullopt;
}

Rejection over_limit(std::int64_t workspace_bytes, std::int64_t prepared_weights_bytes,
                     std::int64_t limit) {
  return {Reason::kWorkspaceLimit,
          prepared_weights_bytes > 0 ? "workspace and weights" : "workspace",
          workspace_bytes + prepared_weights_bytes, limit, ""};
}

std::optional<Rejection> gemm_too_large(const Gemm& gemm) {
  // Columns may lie further apart than their elements take.
  const auto elements = [&](std::int64_t ld, std::int64_t rows, std::int64_t columns) {
    return saturating_product(std::max(ld, rows), columns, gemm.batch);
  };
  const auto [a_rows, a_columns] =
      gemm.transpose_a ? std::pair(gemm.k, gemm.m) : std::pair(gemm.m, gemm.k);
  const auto [b_rows, b_columns] =
      gemm.transpose_b ? std::pair(gemm.n, gemm.k) : std::pair(gemm.k, gemm.n);
  const std::pair<const char*, std::int64_t> sizes[] = {
      {"elements of a GEMM operand", elements(gemm.lda, a_rows, a_columns)},
      {"elements of a GEMM operand", elements(gemm.ldb, b_rows, b_columns)},
      {"elements of a GEMM result", elements(gemm.ldc, gemm.m, gemm.n)},
  };
  for (const auto& [name, value] : sizes) {
    if (value > INT32_MAX) return Rejection{Reason::kTooLarge, name, value, INT32_MAX, ""};
  }
  return std::nullopt;
}

std::optional<Rejection> gemm_not_tuned(const DeviceProfile& profile, GemmParameters parameters) {
  const auto sets = gemm_parameter_sets(profile);
  if (std::find(sets.begin(), sets.end(), parameters) != sets.end()) return std::nullopt;
  return Rejection{Reason::kFamily, "device", 0, 0,
                   "is for devices that we have parameters of CLBlast for"};
}

constexpr double kUnitRoundoff = 0x1p-24;

// The probabilistic form, lambda * sqrt(terms) * u with u = 2^-24 and lambda = 4: N. Higham and
// T. Mary, "A New Approach to Probabilistic Rounding Error Analysis", SIAM J. Sci. Comput. 41(5),
// 2019. The worst case, terms * u, would hide a missing product in long sums.
double summation_error_bound(std::int64_t terms) {
  return 4.0 * kUnitRoundoff * (std::sqrt(static_cast<double>(terms)) + 2.0);
}

namespace {
// Of computing the activation, or the factors of a masked gradient, and of rounding what comes of it to memory.
// Relative to the result, or to what is added.
double finishing_error(const Problem& p) {
  const double own_error = row_of(p.activation).own_error + (p.scale ? 1 : 0) +
                           (p.mask ? backward_of(p.masked).own_error : 0);
  return own_error * kUnitRoundoff + row_of(p.data_type).rounding;
}
}  // namespace

double result_error_bound(const Problem& p, double sum_error_bound) {
  return row_of(p.activation).lipschitz * (sum_error_bound + finishing_error(p));
}

void multiplies_float16(Candidate& candidate, const Problem& p, int chunk) {
  constexpr double kRoundoff = 0x1p-11;
  // Half the distance of the smallest numbers: of either factor, and of a sum. Factors count as being in [-1, 1].
  constexpr double kSmallest = 0x1p-25, kRoundings = 3;
  // Two factors; a product may be rounded before it is added; and terms of second order.
  const double roundings = 2 + (chunk > 0 ? chunk + 1 : 0);
  const double sum = roundings * kRoundoff / (1 - roundings * kRoundoff);
  candidate.math = Math::kFloat16;
  candidate.error_bound = result_error_bound(p, sum + summation_error_bound(p.reduction()));
  candidate.error_floor =
      row_of(p.activation).lipschitz * kRoundings * kSmallest * static_cast<double>(p.reduction());
}

void multiplies_tf32(Candidate& candidate, const Problem& p) {
  // Of each of two factors, which have 10 bits behind the point; what is too small for float32's range becomes 0.
  constexpr double kRoundoff = 0x1p-11, kSmallest = 0x1p-126, kRoundings = 2;
  const double sum = kRoundings * kRoundoff / (1 - kRoundings * kRoundoff);
  candidate.math = Math::kTf32;
  candidate.error_bound = result_error_bound(p, sum + summation_error_bound(p.reduction()));
  candidate.error_floor =
      row_of(p.activation).lipschitz * kRoundings * kSmallest * static_cast<double>(p.reduction());
}

double result_error_floor(const Problem& p) {
  return row_of(p.activation).at_zero * finishing_error(p) + row_of(p.data_type).spacing;
}

Region WorkspaceLayout::add(std::int64_t bytes) {
  const Region region{kWorkspaceSlot, bytes_, bytes};
  bytes_ = round_up(bytes_ + bytes, alignment_);
  return region;
}

std::unique_ptr<Executable> executable_of(const Strategy& strategy, const Problem& problem,
                                          const Config& config, Device& device, Launches launches) {
  auto executable = strategy.build(problem, config, device);
  if (launches != Launches::kApart)
    join(*executable, device, launches == Launches::kJoinedWithWeights);
  return executable;
}

std::string programs_hash(const Strategy& strategy, const Config& config) {
  static std::mutex mutex;
  static std::map<std::string, std::string> known;
  const std::string programs = strategy.programs_of_body != nullptr
                                   ? strategy.programs_of_body(config.body())
                                   : strategy.programs;
  if (programs.empty()) return "";
  const std::lock_guard<std::mutex> lock(mutex);
  std::string& hash = known[programs];
  if (hash.empty()) {
    std::istringstream names(programs);
    std::string all;
    for (std::string name; names >> name;)
      all += hex(program_hash(name));
    hash = hex(fnv1a(all));
  }
  return hash;
}

const Strategy& find_strategy(std::string_view name) {
  std::string known;
  for (const Strategy* strategy : strategies()) {
    if (name == strategy->name) return *strategy;
    known += (known.empty() ? "" : ", ") + std::string(strategy->name);
  }
  throw Error(Code::kInvalidArgument,
              "strategy '" + std::string(name) + "' is unknown, expected one of " + known);
}

const Strategy& yardstick() {
  const auto& all = strategies();
  return **std::find_if(all.begin(), all.end(), [](const Strategy* s) { return s->yardstick; });
}

}  // namespace clconv::core
