#include "planner/wisdom_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "runtime/files.hpp"

namespace clconv::core {
namespace {

constexpr const char* kDatabaseHead = "SQLite format 3";
constexpr const char* kLinesMark = "\"clconv_wisdom\"";
constexpr int kSchema = 1;
// For another process that writes: one takes milliseconds, an import a second.
constexpr int kWaitMs = 1000;
constexpr double kPatienceS = 10;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One at a time in this process: closing any descriptor of a file takes away the locks that another connection of the
// process has on it (POSIX), and we look into files before SQLite does.
class InTurn {
 public:
  InTurn() : lock_(mutex(), std::chrono::milliseconds(2 * kWaitMs)) {
    if (!lock_.owns_lock()) throw Locked("another thread keeps the wisdom busy");
  }

 private:
  static std::timed_mutex& mutex() {
    static std::timed_mutex instance;
    return instance;
  }
  std::unique_lock<std::timed_mutex> lock_;
};

enum class Format { kMissing, kDatabase, kLines };

// Throws Error{kIo} for what is neither, or cannot be read.
Format format_of(const std::string& path) {
  std::string head(1 << 16, '\0');
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && (errno == ENOENT || errno == ENOTDIR)) return Format::kMissing;
  const ssize_t got = file < 0 ? -1 : ::read(file, head.data(), head.size());
  const int error = errno;
  if (file >= 0) ::close(file);
  if (got < 0) throw Error(Code::kIo, "cannot read " + path + ": " + std::strerror(error));
  head.resize(static_cast<std::size_t>(got));
  if (head.empty() || head.compare(0, std::strlen(kDatabaseHead), kDatabaseHead) == 0) {
    return Format::kDatabase;
  }
  if (head.find(kLinesMark) != std::string::npos) return Format::kLines;
  throw Error(Code::kIo, path + " is no wisdom file: neither SQLite nor clconv's JSON lines");
}

// The default file of earlier versions, where `path` is today's default.
std::string earlier_default(const std::string& path) {
  const std::string directory = user_cache_directory();
  if (directory.empty() || path != directory + "/wisdom.sqlite") return "";
  return directory + "/wisdom.jsonl";
}

// Is there anything to read yet? Throws Error{kIo} for the database of another program, or of another version of
// this one.
bool has_tables(Database& database, const std::string& path) {
  const bool ours =
      database.number("SELECT count(*) FROM sqlite_master WHERE name = 'wisdom'") != 0;
  if (!ours && database.number("SELECT count(*) FROM sqlite_master") != 0) {
    throw Error(Code::kIo, path + " is no wisdom file: the database of another program");
  }
  const std::int64_t schema = database.number("PRAGMA user_version");
  if (ours && schema != kSchema) {
    throw Error(Code::kIo, path + " has schema " + std::to_string(schema) + ", expected " +
                               std::to_string(kSchema) + ": another version of clconv wrote it");
  }
  return ours;
}

void create_tables(Database& database, const std::string& path) {
  if (has_tables(database, path)) return;
  database.run(
      "CREATE TABLE IF NOT EXISTS wisdom (key TEXT PRIMARY KEY, kind TEXT NOT NULL, problem TEXT "
      "NOT NULL,"
      " device TEXT NOT NULL, hint TEXT NOT NULL, line TEXT NOT NULL);"
      "CREATE INDEX IF NOT EXISTS wisdom_hint ON wisdom (hint) WHERE hint <> '';"
      "PRAGMA user_version = 1");
}

void merge(Database& database, const WisdomBook& records) {
  Database::Statement find(database, "SELECT line FROM wisdom WHERE key = ?1");
  Database::Statement put(database,
                          "INSERT OR REPLACE INTO wisdom (key, kind, problem, device, hint, line)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  for (const WisdomEntry& entry : records.entries()) {
    std::string line = entry.line;
    if (entry.kind == "plan") {  // candidate by candidate
      find.bind(1, entry.key);
      if (find.step()) {
        WisdomBook both;
        both.read(find.text(0));
        both.read(entry.line);
        for (const WisdomEntry& merged : both.entries()) {
          if (merged.key == entry.key) line = merged.line;
        }
      }
      find.reset();
    }
    put.bind(1, entry.key).bind(2, entry.kind).bind(3, entry.problem);
    put.bind(4, entry.device).bind(5, entry.hint).bind(6, line);
    put.step();
    put.reset();
  }
}

void write_tables(Database& database, const std::string& path, const WisdomBook& records) {
  Database::Transaction transaction(database);
  create_tables(database, path);
  merge(database, records);
  transaction.commit();
}

// A lock on the lines of an earlier version, held while they are migrated.
class LinesLock {
 public:
  explicit LinesLock(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) {
      throw Error(Code::kIo, "cannot read " + path + ": " + std::strerror(errno));
    }
    const double until = now_s() + kWaitMs / 1000.0;
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (now_s() > until) {
        ::close(descriptor_);
        throw Locked("another process has locked " + path);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ~LinesLock() { ::close(descriptor_); }
  LinesLock(const LinesLock&) = delete;
  LinesLock& operator=(const LinesLock&) = delete;

  // Is the locked file still the one of that name?
  bool holds(const std::string& path) const {
    struct stat ours {
    }, named{};
    return ::fstat(descriptor_, &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
  }

 private:
  int descriptor_;
};

// Keeps what is at `path` under another name, too: path.old, or path.old2 and so on.
void keep_old(const std::string& path) {
  for (int number = 1;; ++number) {
    const std::string old = path + ".old" + (number > 1 ? std::to_string(number) : "");
    if (::link(path.c_str(), old.c_str()) == 0) return;
    const int error = errno;
    struct stat there {
    }, ours{};
    const bool same = ::stat(old.c_str(), &there) == 0 && ::stat(path.c_str(), &ours) == 0 &&
                      there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
    if (same) return;  // a migration that was killed here
    if (error != EEXIST || number > 99) {
      throw Error(Code::kIo, "cannot keep " + path + " as " + old + ": " + std::strerror(error));
    }
  }
}

// For whoever used the lines to use the database, also where another user (root) migrates them.
void keep_owner_and_mode_of(const std::string& made, const std::string& from) {
  struct stat known {};
  const int file = ::open(made.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  if (::stat(from.c_str(), &known) == 0) keep_owner_and_mode(file, known);
  ::close(file);
}

// Makes a database at `path` of the lines at `from`, once: whoever is killed on the way leaves the lines as they were.
// Lines at the path itself stay as path.old; those of the earlier default stay where they are.
void migrate(const std::string& from, const std::string& path) {
  const LinesLock lock(from);
  if (!lock.holds(from)) return;  // another process was faster
  std::string text;
  if (!read_file(from, text)) return;
  WisdomBook book;
  book.read(text);
  const std::string target = resolve_links(path);
  const std::string made = target + ".tmp." + std::to_string(::getpid());
  try {
    {
      Database database(made, true, kWaitMs);
      write_tables(database, made, book);
    }
    keep_owner_and_mode_of(made, from);
    if (from == path) {
      keep_old(target);
      if (::rename(made.c_str(), target.c_str()) != 0) {
        throw Error(Code::kIo, "cannot replace " + target + ": " + std::strerror(errno));
      }
    } else {
      // Fails where another process was faster.
      if (::link(made.c_str(), target.c_str()) != 0 && errno != EEXIST) {
        throw Error(Code::kIo, "cannot make " + target + ": " + std::strerror(errno));
      }
      ::unlink(made.c_str());
    }
  } catch (...) {
    ::unlink(made.c_str());
    ::unlink((made + "-journal").c_str());
    throw;
  }
}

// The lines that would have to be migrated to use `path`, or "".
std::string lines_of(const std::string& path) {
  switch (format_of(path)) {
    case Format::kLines: return path;
    case Format::kDatabase: return "";
    case Format::kMissing: break;
  }
  const std::string earlier = earlier_default(path);
  return !earlier.empty() && format_of(earlier) == Format::kLines ? earlier : "";
}

// For changing; created where it is missing.
void open_to_change(const std::string& path, std::optional<Database>& database) {
  const std::string lines = lines_of(path);
  if (!lines.empty()) migrate(lines, path);
  database.emplace(path, true, kWaitMs);
}

}  // namespace

std::string wisdom_path(const std::string& path) {
  const std::string wanted = path.empty() ? environment("CLCONV_WISDOM") : path;
  if (wanted == "off") return "";
  if (!wanted.empty()) return wanted;
  const std::string directory = user_cache_directory();
  return directory.empty() ? "" : directory + "/wisdom.sqlite";
}

std::optional<WisdomBook> read_wisdom(const std::string& path) {
  const InTurn turn;
  WisdomBook book;
  const std::string lines = lines_of(path);
  if (!lines.empty()) {
    std::string text;
    if (!read_file(lines, text)) return std::nullopt;
    book.read(text);
    return book;
  }
  if (format_of(path) == Format::kMissing) return std::nullopt;
  Database database(path, false, kWaitMs);
  if (!has_tables(database, path)) return book;
  Database::Statement all(database, "SELECT line FROM wisdom ORDER BY rowid");
  while (all.step())
    book.read(all.text(0));
  return book;
}

void check_wisdom(const std::string& path) {
  import_wisdom(path, WisdomBook());
}

void import_wisdom(const std::string& path, const WisdomBook& records) {
  const InTurn turn;
  std::optional<Database> database;
  open_to_change(path, database);
  write_tables(*database, path, records);
}

std::size_t forget_wisdom(const std::string& path, const std::string& problem,
                          const std::string& device) {
  const InTurn turn;
  std::optional<Database> database;
  open_to_change(path, database);
  Database::Transaction transaction(*database);
  create_tables(*database, path);
  Database::Statement forget(*database,
                             "DELETE FROM wisdom WHERE kind <> 'unreadable' AND (?1 = '' OR (kind "
                             "= 'plan' AND problem = ?1))"
                             " AND (?2 = '' OR instr(device, ?2) > 0)");
  forget.bind(1, problem).bind(2, device).step();
  const auto count = static_cast<std::size_t>(database->number("SELECT changes()"));
  transaction.commit();
  return count;
}

std::size_t forget_unreadable_wisdom(const std::string& path) {
  const InTurn turn;
  std::optional<Database> database;
  open_to_change(path, database);
  Database::Transaction transaction(*database);
  create_tables(*database, path);
  database->run("DELETE FROM wisdom WHERE kind = 'unreadable'");
  const auto count = static_cast<std::size_t>(database->number("SELECT changes()"));
  transaction.commit();
  return count;
}

// ---- Wisdom -------------------------------------------------------------------------------------

// A connection, with what tells that it is still the right one.
class Wisdom::File {
 public:
  File(const std::string& path, bool create, int wait_ms)
      : database(path, create, wait_ms), path_(path), process_(::getpid()) {
    ::stat(path_.c_str(), &opened_);
  }
  // A connection must not be used behind a fork; and the file may have been removed or replaced.
  bool usable() const {
    struct stat now {};
    return process_ == ::getpid() && ::stat(path_.c_str(), &now) == 0 &&
           now.st_ino == opened_.st_ino && now.st_dev == opened_.st_dev;
  }
  bool ours() const { return process_ == ::getpid(); }

  Database database;

 private:
  std::string path_;
  pid_t process_;
  struct stat opened_ {};
};

Wisdom::Wisdom(std::string path) : path_(std::move(path)) {}

Wisdom::~Wisdom() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Of another process it is left alone: closing it would take that one's locks.
  if (file_ && !file_->ours()) static_cast<void>(file_.release());
  if (pending_.size() > 0) keep();
}

int Wisdom::wait_ms() const {
  return now_s() - locked_at_s_ < kPatienceS ? 0 : kWaitMs;
}

void Wisdom::note(const std::string& text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) notes_.push_back(text);
}

void Wisdom::failed(const char* what, const std::exception& error) {
  if (dynamic_cast<const Locked*>(&error) != nullptr && wait_ms() > 0) locked_at_s_ = now_s();
  note(std::string(what) + error.what());
}

Wisdom::File* Wisdom::file(bool create) {
  if (file_ && file_->usable()) {
    file_->database.set_wait(wait_ms());
    return file_.get();
  }
  if (file_ && !file_->ours()) static_cast<void>(file_.release());
  file_.reset();
  const std::string lines = lines_of(path_);
  if (!lines.empty()) {
    try {
      migrate(lines, path_);
    } catch (const Error&) {
      // On read-only media they serve as they are.
      std::string text;
      if (!lines_read_ && read_file(lines, text)) lines_.read(text);
      lines_read_ = true;
      if (create) throw;
      return nullptr;
    }
  } else if (!create && format_of(path_) == Format::kMissing) {
    return nullptr;
  }
  file_ = std::make_unique<File>(path_, create, wait_ms());
  return file_.get();
}

WisdomBook Wisdom::read(const std::string& key, bool as_hint) {
  WisdomBook found;
  if (path_.empty()) return found;
  try {
    const InTurn turn;
    File* in = file(false);
    if (in == nullptr || !has_tables(in->database, path_)) return found;
    Database::Statement statement(in->database,
                                  as_hint ? "SELECT line FROM wisdom WHERE hint = ?1 LIMIT 1"
                                          : "SELECT line FROM wisdom WHERE key = ?1");
    statement.bind(1, key);
    if (statement.step()) found.read(statement.text(0));
  } catch (const std::exception& error) {
    failed("wisdom is not read: ", error);
    found = WisdomBook();
  }
  return found;
}

void Wisdom::keep() {
  if (path_.empty()) return;
  try {
    const InTurn turn;
    write_tables(file(true)->database, path_, pending_);
    pending_ = WisdomBook();
    notes_.clear();
  } catch (const std::exception& error) {
    failed("wisdom is not kept: ", error);
  }
}

void Wisdom::add(const WisdomBook& additions) {
  const std::lock_guard<std::mutex> lock(mutex_);
  pending_.merge(additions);
  keep();
}

std::optional<WisdomRecord> Wisdom::find(const Problem& problem, const WisdomScope& scope) {
  const std::lock_guard<std::mutex> lock(mutex_);
  WisdomBook book = read(WisdomBook::key_of(problem, scope), false);
  for (const WisdomBook* more : {&lines_, &pending_}) {
    if (const auto* record = more->find(problem, scope)) book.put(*record);
  }
  const auto* record = book.find(problem, scope);
  return record != nullptr ? std::optional<WisdomRecord>(*record) : std::nullopt;
}

std::optional<WisdomRecord> Wisdom::find_hint(const Problem& problem, const WisdomScope& scope) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const WisdomBook book = read(WisdomBook::hint_of(problem, scope), true);
  for (const WisdomBook* any : {&book, static_cast<const WisdomBook*>(&lines_),
                                static_cast<const WisdomBook*>(&pending_)}) {
    if (const auto* record = any->find_hint(problem, scope)) return *record;
  }
  return std::nullopt;
}

std::optional<TrustRecord> Wisdom::find_trust(const std::string& strategy,
                                              const std::string& config,
                                              const std::string& problem_class,
                                              const WisdomScope& scope) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto look = [&](const WisdomBook& book) {
    return book.find_trust(strategy, config, problem_class, scope);
  };
  if (const auto* record = look(pending_)) return *record;
  if (const auto* record = look(lines_)) return *record;
  const WisdomBook book =
      read(WisdomBook::key_of_trust(strategy, config, problem_class, scope), false);
  const auto* record = look(book);
  return record != nullptr ? std::optional<TrustRecord>(*record) : std::nullopt;
}

std::optional<SpeedRecord> Wisdom::find_speed(const WisdomScope& scope) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const auto* record = pending_.find_speed(scope)) return *record;
  if (const auto* record = lines_.find_speed(scope)) return *record;
  const WisdomBook book = read(WisdomBook::key_of_speed(scope), false);
  const auto* record = book.find_speed(scope);
  return record != nullptr ? std::optional<SpeedRecord>(*record) : std::nullopt;
}

std::vector<std::string> Wisdom::notes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return notes_;
}

}  // namespace clconv::core
