// The interface of bodies. A body is one way to lay a strategy's work out on a machine, and the unit in which the
// library grows: one .cpp and one .cl of its name and one row in its strategy's list. Offering and building are
// generic over a list of bodies, so that a candidate and its executable come from the same Layout.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "machine/machine.hpp"
#include "ops/correlation.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {

// The problem, device and limits that every body of a strategy gets, made once. Layouts refer to it: it must outlive
// them.
struct Case {
  Case(const Problem& problem, const DeviceProfile& profile, std::int64_t workspace_limit);
  // With the correlations that the bodies need, where those are not all: there are up to stride squared.
  Case(const Problem& problem, const DeviceProfile& profile, std::int64_t workspace_limit,
       std::vector<Correlation> needed);

  Problem problem;  // as the strategy normalised it
  const DeviceProfile& profile;
  Machine machine;
  std::int64_t workspace_limit;
  // Of a forward problem or a data gradient; else empty.
  std::vector<Correlation> correlations;
};

// A config of a body on a case: what it costs and what is executed.
class Layout {
 public:
  virtual ~Layout() = default;
  // Fills in what the config costs and promises; config, most_of_body and packing time are filled in elsewhere.
  virtual void describe(Candidate& candidate) const = 0;
  // Compiles and adds the steps. Throws Error{kBuildFailed}.
  virtual void add_to(Executable& executable, Device& device) const = 0;
};

using Fit = std::variant<std::unique_ptr<const Layout>, Rejection>;

// The devices that a body is offered on. It is correct on all, and a forced config runs on any.
enum class Suits {
  kCpus,
  kGpus,
  kItems,  // where work-items fill the vectors: GPUs, and CPUs whose native vector has one float
  kAll,
  kCpusAndLastResort,  // also on other devices if no other body applies there
};

struct Body {
  // First word of its configs: "body=patches,...". Also the name of its .cpp and .cl, unless two bodies differ by a
  // number only (f2x2, f4x4), have a kernel together (tile, tile_half, tile_matrix, tile_tf32) or that of a library
  // (clblast).
  const char* name;
  Suits suits;
  // At most this many of its variants, best predicted first, are candidates below rigor `exhaustive`.
  int most;
  const char* programs;  // as Strategy::programs
  // The configs worth considering. Never empty: where the body does not apply, one for which fit() says why.
  std::vector<Config> (*variants)(const Case&);
  // The only place that knows what the body accepts. Throws Error{kInvalidArgument} for a config with values that
  // no case makes valid.
  Fit (*fit)(const Case&, const Config&);
};

using Bodies = std::vector<const Body*>;
// A strategy's list is a macro LIST(X) of the names of its bodies, in the order of preference.
// LIST(CLCONV_DECLARE_BODY) declares them, each defined as body_NAME in its .cpp, and {LIST(CLCONV_BODY)} is the value.
#define CLCONV_DECLARE_BODY(name) extern const Body body_##name;
#define CLCONV_BODY(name) &body_##name,

constexpr std::int64_t kNoWorkspaceLimit = std::numeric_limits<std::int64_t>::max();

// All variants that fit, best first within a body; for each body without one the reason.
Offer offer_of(const Bodies& bodies, const Case& c);
// The candidate for a config from the user, offered or not, or why it is rejected. Throws Error{kInvalidArgument} for a
// body that is not in the list, naming those that are, and for values that no case makes valid.
std::variant<Candidate, Rejection> candidate_of(const Bodies& bodies, const Case& c,
                                                const Config& config);
// Throws Error{kInvalidArgument} for a config that does not fit, and what Layout::add_to() throws.
std::unique_ptr<Executable> build_of(const Bodies& bodies, const Case& c, const Config& config,
                                     Device& device);

// The case of a strategy that takes a problem as it is.
inline Case case_as_it_is(const Problem& p, const DeviceProfile& profile,
                          std::int64_t workspace_limit) {
  return {p, profile, workspace_limit};
}

// A strategy that is a list of bodies. `kRejection(problem)` says why it does not apply at all, or nothing;
// `kBodies(problem)` is its list; `kCase(problem, profile, workspace_limit)` makes the case.
template <auto kRejection, auto kBodies, auto kCase = case_as_it_is>
Strategy strategy_of_bodies(const char* name) {
  Strategy strategy{};
  strategy.name = name;
  strategy.offer = [](const Problem& p, const DeviceProfile& profile, std::int64_t limit) -> Offer {
    if (const auto rejection = kRejection(p)) return *rejection;
    return offer_of(kBodies(p), kCase(p, profile, limit));
  };
  strategy.build = [](const Problem& p, const Config& config, Device& device) {
    if (const auto rejection = kRejection(p))
      throw Error(Code::kInvalidArgument, to_text(*rejection));
    const DeviceProfile profile = device.snapshot();
    return build_of(kBodies(p), kCase(p, profile, kNoWorkspaceLimit), config, device);
  };
  strategy.fit = [](const Problem& p, const DeviceProfile& profile,
                    const Config& config) -> std::variant<Candidate, Rejection> {
    if (const auto rejection = kRejection(p)) return *rejection;
    return candidate_of(kBodies(p), kCase(p, profile, kNoWorkspaceLimit), config);
  };
  strategy.programs_of_body = [](const std::string& wanted) -> const char* {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData,
                                      Direction::kBackwardWeights, Direction::kTransposed}) {
      Problem p;
      p.direction = direction;
      for (const Body* body : kBodies(p)) {
        if (wanted == body->name) return body->programs;
      }
    }
    return "";
  };
  return strategy;
}
// Coverage::slab_channels of a body whose slabs have at most `most` channels.
inline std::int64_t slab_channels_within(const Correlation& c, std::int64_t most) {
  return c.channels > most ? most + 1 : 0;
}

// A register tile with more sums than this many times the machine's registers only spills, and the compiler takes half
// a minute for it (filters with kv=8,th=13,tw=11: 27 s). `vectors` of `width` floats.
constexpr int kMostSumsPerRegister = 4;
std::optional<Rejection> over_registers(const Machine& machine, std::int64_t vectors, int width);

// Work-groups of `items` work-items with so much local memory each, where the device has less.
std::optional<Rejection> over_work_group(std::int64_t items, std::int64_t local_bytes,
                                         const DeviceProfile& profile);

// "mr is 8, supported up to 4".
inline Rejection above(const char* field, std::int64_t actual, std::int64_t limit) {
  return {Reason::kTooLarge, field, actual, limit, ""};
}
// "sw is 3, applies only where it is 1".
inline Rejection other_than(const char* field, std::int64_t actual, std::int64_t wanted) {
  return {Reason::kShape, field, actual, wanted, ""};
}
// "does not serve `what`".
inline Rejection unserved(const char* field, const char* what) {
  return {Reason::kStorage, field, 0, 0, what};
}
// "needs `bytes` bytes of local memory", where the device has fewer.
inline Rejection over_local_memory(std::int64_t bytes, const DeviceProfile& profile) {
  return {Reason::kLocalMemory, "local memory", bytes, profile.local_memory_bytes, ""};
}

}  // namespace clconv::core
