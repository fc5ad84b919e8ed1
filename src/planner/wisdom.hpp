// Wisdom: what was measured before, as records and as the JSON lines that export and import exchange. Reading lines
// never fails: one that cannot be read is kept as it is and counted. Refuses to know of files.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planner/report.hpp"

namespace clconv::core {

// To what a measurement belongs. Another driver or other kernels make other numbers.
struct WisdomScope {
  std::string device, driver;  // DeviceProfile: "platform / name", driver
  // Hash of the programs that were run. Of plans each candidate has its own, so that a change of one kernel voids only
  // what was measured with it.
  std::string kernels;
  // What the name does not tell and times depend on: machine_of(). Files of earlier versions lack it.
  std::string machine;
  // Of plans: the arithmetic that was allowed; "" float32. A search that may use float16 times other candidates.
  std::string math = "";
};

// One candidate of a problem: either times, or how it failed.
struct WisdomCandidate {
  std::string strategy, config;
  std::string kernels;  // programs_hash()
  std::optional<Measured> measured;
  double setup_us = 0;
  // With measured times: what else a tie is decided by, as it was then. Older files lack them.
  double predicted_us = 0;
  std::int64_t bytes = 0;  // workspace plus prepared weights
  bool deterministic = true;
  Status status = Status::kApplicable;  // or kFailed*
  std::string text;                     // of the failure
};

struct WisdomRecord {
  std::string problem;  // to_text(); the epilogue is no part of it, its cost hardly differs
  std::string direction;
  std::string storage;  // storage_words(); older files lack it
  WisdomScope scope;
  Rigor rigor = Rigor::kMeasure;
  std::vector<WisdomCandidate> candidates;
};

// The outcome of checking a variant against naive on a small problem of the class.
struct TrustRecord {
  std::string strategy, config, problem_class;
  WisdomScope scope;
  bool trusted = false;
  std::string text;  // of the failure
};

// Measured speeds of a device (probe()).
struct SpeedRecord {
  WisdomScope scope;
  double peak_gflops = 0, bandwidth_gbs = 0, launch_us = 0;
};

// A record as a file stores it.
struct WisdomEntry {
  std::string kind;             // "plan", "trust", "speed" or "unreadable"
  std::string key;              // newer replaces older with the same
  std::string hint;             // of plans: the key without driver and machine
  std::string problem, device;  // "" where it is of none
  std::string line;             // without the line break
};

// Records in memory.
class WisdomBook {
 public:
  // Adds the lines of `text`; returns the numbers (from 1) of lines that could not be read.
  std::vector<int> read(const std::string& text);
  std::string write() const;

  // Newer replaces older: same key, candidate by candidate.
  void merge(const WisdomBook& newer);
  void put(const WisdomRecord& record);
  void put(const TrustRecord& record);
  void put(const SpeedRecord& record);

  const WisdomRecord* find(const Problem& problem, const WisdomScope& scope) const;
  // Of the same device with another driver or machine: no truth, but a hint at the order.
  const WisdomRecord* find_hint(const Problem& problem, const WisdomScope& scope) const;
  const TrustRecord* find_trust(const std::string& strategy, const std::string& config,
                                const std::string& problem_class, const WisdomScope& scope) const;
  const SpeedRecord* find_speed(const WisdomScope& scope) const;
  // The keys that these look for.
  static std::string key_of(const Problem& problem, const WisdomScope& scope);
  static std::string hint_of(const Problem& problem, const WisdomScope& scope);
  static std::string key_of_trust(const std::string& strategy, const std::string& config,
                                  const std::string& problem_class, const WisdomScope& scope);
  static std::string key_of_speed(const WisdomScope& scope);

  std::vector<WisdomEntry> entries() const;

  // Removes the records of a problem ("" = everything, trust and speeds too) on devices whose name
  // contains `device` ("" = all). Returns how many.
  std::size_t forget(const std::string& problem, const std::string& device);
  std::size_t forget_unreadable();

  std::size_t size() const { return records_.size() + trust_.size() + speeds_.size(); }
  // The records of problems as a JSON array, each with its "best" candidate by the planner's rule.
  std::string records_json() const;
  const std::vector<std::string>& unreadable() const { return unreadable_; }

 private:
  std::map<std::string, WisdomRecord> records_;  // by key
  std::map<std::string, TrustRecord> trust_;
  std::map<std::string, SpeedRecord> speeds_;
  std::vector<std::string> unreadable_;
};

}  // namespace clconv::core
