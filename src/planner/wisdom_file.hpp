// Wisdom in a file: an SQLite database that many processes share, of which only what is asked for is read and only what
// is new is written. Export, import and the files of earlier versions are JSON lines (wisdom.hpp).
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "planner/wisdom.hpp"
#include "runtime/database.hpp"

namespace clconv::core {

// `path` "off" means none (""); empty means CLCONV_WISDOM, else wisdom.sqlite in the user's cache folder, "" where
// there is none.
std::string wisdom_path(const std::string& path);

// All of a file, a database or JSON lines; nothing where it does not exist. Where the default file is not there
// yet, that of earlier versions is read. Throws Error{kIo}: what cannot be read is not empty.
std::optional<WisdomBook> read_wisdom(const std::string& path);

// Can records be kept in the file now? Throws Error{kIo} with the reason if not. Leaves records alone.
void check_wisdom(const std::string& path);

// Merges records into a file, all of them or none. Throws Error{kIo}.
void import_wisdom(const std::string& path, const WisdomBook& records);

// Removes records as WisdomBook::forget() and forget_unreadable() do; how many. Throws Error{kIo}.
std::size_t forget_wisdom(const std::string& path, const std::string& problem,
                          const std::string& device);
std::size_t forget_unreadable_wisdom(const std::string& path);

// The wisdom of a context: a file ("" = none) and what this process has learned that is not in it. Never fails and
// never waits long: what cannot be read or kept makes a note, and what this process learned stays in memory and is
// written with what it learns next. Thread-safe.
class Wisdom {
 public:
  explicit Wisdom(std::string path);
  // Tries once more to keep what could not be kept.
  ~Wisdom();

  void add(const WisdomBook& additions);

  std::optional<WisdomRecord> find(const Problem& problem, const WisdomScope& scope);
  std::optional<WisdomRecord> find_hint(const Problem& problem, const WisdomScope& scope);
  std::optional<TrustRecord> find_trust(const std::string& strategy, const std::string& config,
                                        const std::string& problem_class, const WisdomScope& scope);
  std::optional<SpeedRecord> find_speed(const WisdomScope& scope);

  const std::string& path() const { return path_; }
  // What is wrong with the file, one line each.
  std::vector<std::string> notes() const;

 private:
  class File;
  // What the file has under a key (a hint), with what is not in it yet; an empty book where that fails.
  WisdomBook read(const std::string& key, bool as_hint);
  void keep();
  File* file(bool create);
  void note(const std::string& text);
  // Not again and again behind a process that keeps the file locked.
  int wait_ms() const;
  void failed(const char* what, const std::exception& error);

  std::string path_;
  mutable std::mutex mutex_;
  std::unique_ptr<File> file_;
  WisdomBook pending_;  // not in the file
  WisdomBook lines_;    // of a file of an earlier version that cannot be migrated
  bool lines_read_ = false;
  double locked_at_s_ = -1e9;
  std::vector<std::string> notes_;
};

}  // namespace clconv::core
