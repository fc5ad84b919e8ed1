// The interface of strategies: a name, `offer` and `build`, and what the planner asks besides. Everything outside
// src/strategies handles strategies only through this header and the registry.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ops/gemm.hpp"
#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/executable.hpp"

namespace clconv::core {

// What tells one variant of a strategy from another: the name of its body, where the strategy has bodies
// (strategies/body.hpp), and an ordered map of small integers (tile sizes, vector width, ...). It is the variant's
// name, its wisdom text and, in capitals and without the body, its -D list.
class Config {
 public:
  using Values = std::initializer_list<std::pair<const std::string, int>>;
  Config() = default;
  Config(Values values) : values_(values) {}
  Config(std::string body, Values values) : body_(std::move(body)), values_(values) {}

  const std::string& body() const { return body_; }  // "" without

  void set(const std::string& name, int value) { values_[name] = value; }
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  // Throws Error{kInvalidArgument} where the value is missing or not in [minimum, maximum].
  int get(const std::string& name, int minimum, int maximum) const;
  int get_power_of_two(const std::string& name, int minimum, int maximum) const;
  // "kv, th, tw, vw"
  std::string names() const;

  std::string text() const;     // "body=filters,kv=2,th=1,tw=14,vw=16"
  std::string defines() const;  // "-DKV=2 -DTH=1 -DTW=14 -DVW=16"
  // Reads text(). Throws Error{kInvalidArgument} that quotes the part it could not read.
  static Config parse(std::string_view text);

  friend bool operator==(const Config& a, const Config& b) {
    return a.body_ == b.body_ && a.values_ == b.values_;
  }
  friend bool operator!=(const Config& a, const Config& b) { return !(a == b); }

 private:
  std::string body_;
  std::map<std::string, int> values_;
};

// Why a strategy or a candidate is not (or was not) an option. Words in the report and in JSON.
enum class Reason {
  // from strategies
  kDirection,        // the strategy does not serve this direction
  kShape,            // `field` is `actual`, the strategy applies only where it is `limit`
  kStorage,          // the data type or layout in the detail is not served
  kTooLarge,         // `field` is `actual`, the strategy or body takes up to `limit`
  kWorkspaceLimit,   // needs `actual` bytes of `field` at least, allowed are `limit`
  kAllocationLimit,  // `field` needs one allocation of `actual` bytes, the device allows `limit`
  kLocalMemory,      // needs `actual` bytes of local memory, the device has `limit`
  kWorkGroupSize,    // needs `actual` work-items per group, the device allows `limit`
  kFamily,           // a body for other devices; the detail says which
  kNotConsidered,    // only with rigor exhaustive, or forced; the detail says why
  // from the planner
  kMath,              // multiplies less precisely than was allowed; the detail says how
  kNotDeterministic,  // deterministic results were asked for
  kNotAllowed,        // not in the allow list, in the deny list, or another one is forced
  kUnknownConfig,     // the forced config is none of those offered
  kSlower,            // predicted or measured time `actual` ns against `limit` ns of the best
  kTooSlowToTime,     // the yardstick on a large problem where something else runs
  kNotMeasured,       // the rigor asked for does not time it
  kTimeLimit,         // the time limit ended the search first
  kBuildFailed,       // text says why
  kRunFailed,         // text says why
  kWrongResult,       // differs from the yardstick; text says where
  kNoWisdom,          // wisdom_only, and there is none for it
};
const char* to_string(Reason reason);

struct Rejection {
  Reason code = Reason::kShape;
  std::string field;
  std::int64_t actual = 0;
  std::int64_t limit = 0;
  std::string detail;  // free text of failures
};
// One line for people, e.g. "kh is 3, applies only where it is 1".
std::string to_text(const Rejection& rejection);

// What a problem must have for a variant to run all of its code, so that trust is checked on it: a whole tile, and a
// rest behind it. Sizes of the result (y; of a data gradient dx; of a weight gradient dw), per group; 0: any will do.
struct Coverage {
  std::int64_t filters = 0;  // of a tile; of a data gradient, whose result has channels, those
  std::int64_t rows = 0;     // of a tile, in an image
  std::int64_t columns = 0;  // of a tile, in a row of the image
  std::int64_t columns_multiple = 1;  // rows of results are multiples of it
  std::int64_t elements = 0;  // of a weight gradient's tile, in a filter: channels times taps
  // Its code for sums that are stored between slabs of channels runs from so many channels on, which the problem has;
  // 0: it has no such code, or the problem too few.
  std::int64_t slab_channels = 0;
};

// The arithmetic of products, from the most precise on.
enum class Math { kFloat32, kTf32, kFloat16 };
const char* to_string(Math math);  // "f32", "tf32", "f16"

// One way to compute a problem that a strategy offers. A value: nothing is compiled yet.
struct Candidate {
  Config config;
  double predicted_us = 0;                  // one execution with prepared weights
  double predicted_setup_us = 0;            // compiling, nothing cached
  double predicted_packing_us = 0;          // preparing the weights; the planner fills it in
  std::int64_t workspace_bytes = 0;         // besides the prepared weights
  std::int64_t prepared_weights_bytes = 0;  // 0: the weights are used as they are
  bool deterministic = true;                // equal inputs give equal bits
  // |result - exact| <= error_bound * (|b| + |r| + sum of the products' magnitudes) + error_floor +
  // result_error_floor(problem), for every element. Where
  // error_reach is above 0, the sum is that of each channel's (largest |input| met by the result's taps
  // or up to error_reach pixels around them) * (sum of the |weights| of its taps), and NaN and infinity
  // that near may reach the result too: it was computed from inputs that are none of its own.
  double error_bound = 0;
  int error_reach = 0;
  // Besides result_error_floor(): of float16 factors and sums that are too small to be precise.
  double error_floor = 0;
  Math math = Math::kFloat32;
  Coverage coverage;
  // Why it is considered only with rigor `exhaustive` or as a forced config, where the model does not know it; null: it
  // is always considered.
  const char* not_considered = nullptr;
  // Below rigor `exhaustive` so many of its body are considered, the best by prediction; 0: all.
  int most_of_body = 0;
};

// A body that does not apply, and why.
struct LeftOut {
  std::string body;
  Rejection reason;
};
struct Offers {
  Offers(std::vector<Candidate> all = {}) : candidates(std::move(all)) {}

  std::vector<Candidate> candidates;
  std::vector<LeftOut> left_out;
};
// Or why the strategy as a whole does not apply.
using Offer = std::variant<Offers, Rejection>;

// The buffers of an execution, as slots of Bindings: the tensors by their number, then our own.
enum Slot : int {
  kXSlot = static_cast<int>(Tensor::kX),
  kWeightsSlot = static_cast<int>(Tensor::kW),
  kBiasSlot = static_cast<int>(Tensor::kB),
  kYSlot = static_cast<int>(Tensor::kY),
  kDxSlot = static_cast<int>(Tensor::kDx),
  kDwSlot = static_cast<int>(Tensor::kDw),
  kDbSlot = static_cast<int>(Tensor::kDb),
  kDySlot = static_cast<int>(Tensor::kDy),
  kResidualSlot = static_cast<int>(Tensor::kR),
  kSlopesSlot = static_cast<int>(Tensor::kSlopes),
  kWorkspaceSlot = Executable::kWorkspaceSlot,
  kPreparedSlot = Executable::kPreparedSlot,
};
static_assert(kTensors <= kWorkspaceSlot);

struct Strategy {
  const char* name;  // = its file or folder = its name in wisdom, CLI and JSON
  // Pure, cheap, no OpenCL: the candidates for a valid problem, of each body the best by prediction first.
  // One that can cut its work to fit does so to keep workspace plus prepared weights within
  // `workspace_limit` bytes; of the others the planner rejects what exceeds it, with the reason.
  Offer (*offer)(const Problem& problem, const DeviceProfile& profile,
                 std::int64_t workspace_limit);
  // Compiles; nothing is left to decide at execution. For the problem of the offer the memory is what the candidate
  // says. Takes any config that offer() gives for some problem of the same class (stride, dilation, filter size);
  // throws Error{kInvalidArgument} for one it cannot honour and Error{kBuildFailed}; never runs something else instead.
  std::unique_ptr<Executable> (*build)(const Problem& problem, const Config& config,
                                       Device& device);
  // The one that all others are checked against; where others run it is timed only if it is quick.
  bool yardstick = false;
  // What a config is that offer() does not have: null where it has all that build() takes. Throws
  // Error{kInvalidArgument} for one that is valid for no problem.
  std::variant<Candidate, Rejection> (*fit)(const Problem& problem, const DeviceProfile& profile,
                                            const Config& config) = nullptr;
  // The programs (names of .cl files, between spaces) that build() may compile: what was measured and checked depends
  // on them. Of a strategy with bodies each body has its own.
  const char* programs = "";
  const char* (*programs_of_body)(const std::string& body) = nullptr;
};

// Strategy::build. kJoined: with its launches as one where that is faster (runtime/joined.hpp); kJoinedWithWeights:
// with the packing of weights, too.
enum class Launches { kJoined, kJoinedWithWeights, kApart };
std::unique_ptr<Executable> executable_of(const Strategy& strategy, const Problem& problem,
                                          const Config& config, Device& device, Launches launches);

// The hash of all programs of a variant, as wisdom keeps it. "" for a body that there is not.
std::string programs_hash(const Strategy& strategy, const Config& config);

// In the order of the report; registry.cpp has one line per strategy.
const std::vector<const Strategy*>& strategies();
// Throws Error{kInvalidArgument} that lists the known names.
const Strategy& find_strategy(std::string_view name);
const Strategy& yardstick();

// ---- what several strategies need ---------------------------------------------------------------

// beyond_32_bits() as a rejection.
std::optional<Rejection> too_large(const Problem& problem);

// "serves forward only" and the like, as a rejection.
Rejection not_served(const Problem& problem);

// "takes no float16", as a rejection, for storage that is none of those served; plain storage always is.
enum class Serves { kNarrow, kNhwc, kKrsc };  // kNarrow: types of fewer bits than float32
std::optional<Rejection> storage_not_served(const Problem& problem,
                                            std::initializer_list<Serves> served);

// More than an execution may need besides its operands.
Rejection over_limit(std::int64_t workspace_bytes, std::int64_t prepared_weights_bytes,
                     std::int64_t limit);

// CLBlast casts all sizes to 32 bits.
std::optional<Rejection> gemm_too_large(const Gemm& gemm);
// A set that gemm_parameter_sets() does not have for the device.
std::optional<Rejection> gemm_not_tuned(const DeviceProfile& profile, GemmParameters parameters);

// The error bound of a float32 sum of `terms` products added one after the other, in any order,
// with bias: worst case grows with terms, rounding errors of independent sign with its square root;
// the factor leaves room for both input roundings of a split or padded sum.
double summation_error_bound(std::int64_t terms);

// Makes the candidate's promises those of products in float16. The factors are rounded to it, and so are the sums of
// `chunk` products one after the other, of which the worst case counts; what follows is float32.
void multiplies_float16(Candidate& candidate, const Problem& problem, int chunk);
// The same of products in TF32, whose factors have float16's precision and float32's range, with float32 sums.
void multiplies_tf32(Candidate& candidate, const Problem& problem);

// Candidate::error_bound of a result whose sum keeps `sum_error_bound`: the activation multiplies errors by its
// Lipschitz constant and adds its own, a masked gradient has the error of its factors, and the result is rounded to the
// problem's data type. Slopes of PReLU and scales count as being in [-1, 1].
double result_error_bound(const Problem& problem, double sum_error_bound);
// What comes on top whatever the magnitudes are: of activations that are not 0 at 0, and where the data type has no
// closer numbers.
double result_error_floor(const Problem& problem);

// The largest value in [1, most] that `fits`, which must hold for all smaller ones too; 0 if none.
template <class Fits>
std::int64_t largest(std::int64_t most, Fits&& fits) {
  std::int64_t low = 0;
  while (low < most) {
    const std::int64_t middle = low + (most - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      most = middle - 1;
    }
  }
  return low;
}

// Carves a workspace into aligned regions.
class WorkspaceLayout {
 public:
  explicit WorkspaceLayout(const DeviceProfile& profile)
      : alignment_(profile.base_alignment_bytes) {}
  Region add(std::int64_t bytes);
  std::int64_t bytes() const { return bytes_; }

 private:
  std::int64_t alignment_;
  std::int64_t bytes_ = 0;
};

}  // namespace clconv::core
