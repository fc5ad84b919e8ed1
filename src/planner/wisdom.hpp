// Wisdom: what was measured before, in a file of JSON lines that many processes share. Reading
// never fails (a line that cannot be read is kept as it is and counted), writing is a merge under a
// lock, by temp file and rename.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "planner/report.hpp"

namespace clconv::core {

// To what a measurement belongs. Another driver or other kernels make other numbers.
struct WisdomScope {
  std::string device, driver;  // DeviceProfile: "platform / name", driver
  std::string kernels;         // hex of kernels_hash()
};

// One candidate of a problem: either times, or how it failed.
struct WisdomCandidate {
  std::string strategy, config;
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

// The content of a wisdom file.
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
  // Of the same device with another driver or other kernels: no truth, but a hint at the order.
  const WisdomRecord* find_hint(const Problem& problem, const WisdomScope& scope) const;
  const TrustRecord* find_trust(const std::string& strategy, const std::string& config,
                                const std::string& problem_class, const WisdomScope& scope) const;
  const SpeedRecord* find_speed(const WisdomScope& scope) const;

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

// `path` "off" means none (""); empty means CLCONV_WISDOM, else wisdom.jsonl in the user's cache
// folder.
std::string wisdom_path(const std::string& path);

// Reads, changes and replaces a wisdom file under its lock, so that no process loses another's
// lines. Throws Error{kIo}.
void update_wisdom_file(const std::string& path, const std::function<void(WisdomBook&)>& change);

// A book bound to a file ("" = to none). Thread-safe.
class Wisdom {
 public:
  explicit Wisdom(std::string path);

  // Adds to memory and to the file. A file that cannot be written makes a note, not an error.
  void add(const WisdomBook& additions);

  // Runs `query` on the book under the lock; return copies, not pointers.
  template <class Query>
  auto ask(Query&& query) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return query(static_cast<const WisdomBook&>(book_));
  }

  const std::string& path() const { return path_; }
  // What is wrong with the file, one line each.
  std::vector<std::string> notes() const;

 private:
  std::string path_;
  mutable std::mutex mutex_;
  WisdomBook book_;
  std::vector<std::string> notes_;
};

}  // namespace clconv::core
