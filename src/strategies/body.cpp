#include "strategies/body.hpp"

#include <algorithm>

#include "strategies/cost_model.hpp"

namespace clconv::core {
namespace {

const Body& find_body(const Bodies& bodies, const Config& config) {
  std::string known;
  for (const Body* body : bodies) {
    if (config.body() == body->name) return *body;
    known += (known.empty() ? "" : ", ") + std::string(body->name);
  }
  const std::string text = "config '" + config.text() + "'";
  throw Error(
      Code::kInvalidArgument,
      config.body().empty()
          ? text + " names no body, expected body= one of those for this direction: " + known
          : text + ": body '" + config.body() + "' is none of those for this direction: " + known);
}

// A value that no variant has would be one variant under two names.
void check_names(const Body& body, const Case& c, const Config& config) {
  const std::string names = body.variants(c).front().names();
  if (config.names() == names) return;
  throw Error(Code::kInvalidArgument, "config '" + config.text() + "': body '" + body.name +
                                          "' has the values " + names + " and no others");
}

// Bodies for CPUs have explicit vectors, and work-groups of one work-item.
bool has_one_item(const Body& body) {
  return body.suits == Suits::kCpus || body.suits == Suits::kCpusAndLastResort;
}

bool suits(const Body& body, const DeviceProfile& profile) {
  switch (body.suits) {
    case Suits::kAll: return true;
    case Suits::kGpus: return profile.family == Family::kGpu;
    case Suits::kItems: return profile.family == Family::kGpu || vectors_are_items(profile);
    case Suits::kCpus:
    case Suits::kCpusAndLastResort: break;
  }
  return profile.family == Family::kCpu;
}

const char* meant_for(const Body& body) {
  if (has_one_item(body)) return "is for CPUs";
  return body.suits == Suits::kItems ? "is for GPUs, and CPUs whose native vector has one float"
                                     : "is for GPUs";
}

Candidate described(const Body& body, const Layout& layout, const Case& c, const Config& config) {
  Candidate candidate;
  candidate.config = config;
  candidate.most_of_body = body.most;
  layout.describe(candidate);
  if (has_one_item(body) && vectors_are_items(c.profile))
    candidate.predicted_us *= kOneItemOfVector;
  return candidate;
}

// Of a need that the device or the limit does not meet, the least is the reason.
bool needs_less(const Rejection& a, const Rejection& b) {
  const bool need = a.code == Reason::kLocalMemory || a.code == Reason::kWorkGroupSize ||
                    a.code == Reason::kWorkspaceLimit;
  return need && a.code == b.code && a.actual < b.actual;
}

// Adds the body's candidates, or why there are none.
void add_offer(const Body& body, const Case& c, Offers& offers) {
  std::vector<Candidate> found;
  std::optional<Rejection> reason;
  for (const Config& config : body.variants(c)) {
    const Fit fit = body.fit(c, config);
    if (const auto* rejection = std::get_if<Rejection>(&fit)) {
      if (!reason || needs_less(*rejection, *reason)) reason = *rejection;
    } else {
      found.push_back(described(body, *std::get<0>(fit), c, config));
    }
  }
  if (found.empty()) {
    if (!reason)
      throw Error(Code::kInternal, std::string("body ") + body.name + " has no variants");
    offers.left_out.push_back({body.name, *reason});
  }
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return a.predicted_us < b.predicted_us;
  });
  offers.candidates.insert(offers.candidates.end(), found.begin(), found.end());
}

}  // namespace

Case::Case(const Problem& p, const DeviceProfile& device_profile, std::int64_t limit)
    : Case(p, device_profile, limit,
           p.direction == Direction::kForward || p.wants_dx() ? correlations_of(p)
                                                              : std::vector<Correlation>{}) {}

Case::Case(const Problem& p, const DeviceProfile& device_profile, std::int64_t limit,
           std::vector<Correlation> needed)
    : problem(p),
      profile(device_profile),
      machine(Machine::of(device_profile)),
      workspace_limit(limit),
      correlations(std::move(needed)) {}

std::optional<Rejection> over_registers(const Machine& machine, std::int64_t vectors, int width) {
  // A vector that is wider than the machine's takes several of its registers.
  const std::int64_t sums = vectors * std::max(1, width / machine.lanes);
  const std::int64_t most = std::int64_t{kMostSumsPerRegister} * machine.registers;
  if (sums > most) return above("registers for a tile's sums", sums, most);
  return std::nullopt;
}

std::optional<Rejection> over_work_group(std::int64_t items, std::int64_t local_bytes,
                                         const DeviceProfile& profile) {
  if (items > profile.max_work_group_size) {
    return Rejection{Reason::kWorkGroupSize, "work-group size", items, profile.max_work_group_size,
                     ""};
  }
  if (local_bytes > profile.local_memory_bytes) return over_local_memory(local_bytes, profile);
  return std::nullopt;
}

Offer offer_of(const Bodies& bodies, const Case& c) {
  Offers offers;
  std::vector<const Body*> others;
  for (const Body* body : bodies) {
    if (suits(*body, c.profile)) {
      add_offer(*body, c, offers);
    } else {
      others.push_back(body);
    }
  }
  const bool none = offers.candidates.empty();
  for (const Body* body : others) {
    if (none && body->suits == Suits::kCpusAndLastResort) {
      add_offer(*body, c, offers);
    } else {
      offers.left_out.push_back({body->name, {Reason::kFamily, "device", 0, 0, meant_for(*body)}});
    }
  }
  return offers;
}

std::variant<Candidate, Rejection> candidate_of(const Bodies& bodies, const Case& c,
                                                const Config& config) {
  const Body& body = find_body(bodies, config);
  const Fit fit = body.fit(c, config);
  if (const auto* rejection = std::get_if<Rejection>(&fit)) return *rejection;
  check_names(body, c, config);
  return described(body, *std::get<0>(fit), c, config);
}

std::unique_ptr<Executable> build_of(const Bodies& bodies, const Case& c, const Config& config,
                                     Device& device) {
  const Body& body = find_body(bodies, config);
  const Fit fit = body.fit(c, config);
  if (const auto* rejection = std::get_if<Rejection>(&fit)) {
    throw Error(Code::kInvalidArgument, "config '" + config.text() + "': " + to_text(*rejection));
  }
  check_names(body, c, config);
  auto executable = std::make_unique<Executable>();
  std::get<0>(fit)->add_to(*executable, device);
  return executable;
}

}  // namespace clconv::core
