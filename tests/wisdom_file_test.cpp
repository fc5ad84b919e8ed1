// The wisdom file: what is kept, by how many at once, and what happens where it cannot be.
#include "planner/wisdom_file.hpp"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/errors.hpp"
#include "support/process.hpp"
#include "support/temp.hpp"
#include "support/wisdom.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

std::size_t size_of(const std::string& path) {
  const auto book = read_wisdom(path);
  return book ? book->size() : 0;
}

double seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// A process that keeps the database locked, against readers too, until this object's end.
class Locker {
 public:
  explicit Locker(const std::string& path) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      Database database(path, true, 1000);
      database.run("BEGIN EXCLUSIVE");
      const char byte = 'x';
      if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
      ::pause();
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Locker() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_;
};

}  // namespace

TEST_CASE("what is kept is found again, by problem, by device, by class") {
  const TempFolder folder;
  const std::string path = folder.path("deep/er/wisdom.sqlite");
  {
    Wisdom wisdom(path);
    CHECK_FALSE(wisdom.find(parse_problem(kA), kScope));
    CHECK_FALSE(std::filesystem::exists(path));  // asking makes no file
    WisdomBook book = book_of(record(kA, 12.5));
    book.put(TrustRecord{"alpha", "v=1", "forward dense", kScope, false, "wrong"});
    book.put(SpeedRecord{kScope, 500, 40, 5});
    wisdom.add(book);
    wisdom.add(book_of(record(kA, 20, "beta")));
    CHECK(wisdom.notes().empty());
  }
  Wisdom wisdom(path);
  const auto found = wisdom.find(parse_problem(kA), kScope);
  REQUIRE(found);
  REQUIRE(found->candidates.size() == 2);  // merged candidate by candidate
  CHECK(found->candidates[0].measured->median_us == 12.5);
  CHECK(wisdom.find_trust("alpha", "v=1", "forward dense", kScope)->text == "wrong");
  CHECK_FALSE(wisdom.find_trust("alpha", "v=1", "backward dense", kScope));
  CHECK(wisdom.find_speed(kScope)->peak_gflops == 500);
  CHECK_FALSE(wisdom.find(parse_problem(kB), kScope));
  // Times of one core do not count for two; they say what to try first.
  const WisdomScope one_unit = {kScope.device, kScope.driver, kScope.kernels, "1 units"};
  CHECK_FALSE(wisdom.find(parse_problem(kA), one_unit));
  CHECK_FALSE(wisdom.find_speed(one_unit));
  CHECK(wisdom.find_hint(parse_problem(kA), one_unit));
  CHECK(folder.files() == std::vector<std::string>{"deep"});
  CHECK(size_of(path) == 3);
}

TEST_CASE("a file removed or replaced under a context is no loss of what comes after") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  Wisdom wisdom(path);
  wisdom.add(book_of(record(kA, 1)));
  std::filesystem::remove(path);
  wisdom.add(book_of(record(kB, 2)));
  CHECK(wisdom.notes().empty());
  CHECK(size_of(path) == 1);
  CHECK(wisdom.find(parse_problem(kB), kScope));
}

TEST_CASE(
    "a folder, a foreign file, a corrupt database: never a failure, a note, and the file as it "
    "was") {
  const TempFolder folder;
  make_directories(folder.path("taken"));
  write_file_atomically(folder.path("foreign"), "this is not JSON\n");
  {
    Wisdom wisdom(folder.path("corrupt"));
    wisdom.add(book_of(record(kA, 1)));
  }
  std::string text;
  REQUIRE(read_file(folder.path("corrupt"), text));
  for (std::size_t i = 16; i < text.size(); ++i)
    text[i] = static_cast<char>(i * 7);
  write_file_atomically(folder.path("corrupt"), text);
  for (const char* name : {"taken", "foreign", "corrupt"}) {
    const std::string path = folder.path(name);
    CAPTURE(path);
    Wisdom wisdom(path);
    CHECK_FALSE(wisdom.find(parse_problem(kA), kScope));
    wisdom.add(book_of(record(kB, 1)));
    CHECK(wisdom.notes().size() == 2);  // not read, not kept
    for (const std::string& note : wisdom.notes())
      CHECK(note.find(path) != std::string::npos);
    wisdom.add(book_of(record(kB, 1)));
    CHECK(wisdom.notes().size() == 2);              // said once
    CHECK(wisdom.find(parse_problem(kB), kScope));  // in memory
    error_of(Code::kIo, [&] { read_wisdom(path); });
    error_of(Code::kIo, [&] { check_wisdom(path); });
    error_of(Code::kIo, [&] { import_wisdom(path, book_of(record(kA, 1))); });
    error_of(Code::kIo, [&] { forget_wisdom(path, "", ""); });
  }
  std::string after;
  CHECK(read_file(folder.path("foreign"), after));
  CHECK(after == "this is not JSON\n");
  CHECK(read_file(folder.path("corrupt"), after));
  CHECK(after == text);
  CHECK(error_of(Code::kIo, [&] { read_wisdom(folder.path("foreign")); }) ==
        folder.path("foreign") + " is no wisdom file: neither SQLite nor clconv's JSON lines");
}

TEST_CASE("a file without permission is no empty file") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  import_wisdom(path, book_of(record(kA, 1)));
  ::chmod(path.c_str(), 0);
  ::chmod(folder.root().c_str(), 0777);
  const int status = in_child([&] {
    if (::geteuid() == 0 && (::setgid(60002) != 0 || ::setuid(60002) != 0)) return 2;
    Wisdom wisdom(path);
    wisdom.add(book_of(record(kB, 1)));
    const bool said = wisdom.notes().size() == 1 &&
                      wisdom.notes()[0].find("Permission denied") != std::string::npos;
    try {
      read_wisdom(path);
      return 3;
    } catch (const Error&) {
      return said ? 0 : 4;
    }
  });
  CHECK(status == 0);
  ::chmod(path.c_str(), 0644);
  CHECK(size_of(path) == 1);
}

TEST_CASE("what may be read but not written is read, and a note says that nothing is kept") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  import_wisdom(path, book_of(record(kA, 1)));
  ::chmod(path.c_str(), 0444);
  ::chmod(folder.root().c_str(), 0555);
  const int status = in_child([&] {
    if (::geteuid() == 0 && (::setgid(60002) != 0 || ::setuid(60002) != 0)) return 2;
    Wisdom wisdom(path);
    if (!wisdom.find(parse_problem(kA), kScope)) return 3;
    if (!wisdom.notes().empty()) return 4;
    wisdom.add(book_of(record(kB, 1)));
    if (wisdom.notes().size() != 1 || !wisdom.find(parse_problem(kB), kScope)) return 5;
    Wisdom missing(folder.path("new.sqlite"));
    missing.add(book_of(record(kB, 1)));
    return missing.notes().size() == 1 &&
                   missing.notes()[0].find("Permission denied") != std::string::npos
               ? 0
               : 6;
  });
  ::chmod(folder.root().c_str(), 0755);
  CHECK(status == 0);
  CHECK(size_of(path) == 1);
}

TEST_CASE("a lock that is held: a wait with a limit, a note, and nothing is lost") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  import_wisdom(path, book_of(record(kA, 1)));
  Wisdom wisdom(path);
  {
    const Locker locker(path);
    CHECK(seconds([&] { CHECK_FALSE(wisdom.find(parse_problem(kA), kScope)); }) < 3);
    // Waited once; not again for every record.
    CHECK(seconds([&] {
            for (int i = 0; i < 20; ++i)
              wisdom.add(book_of(record(kB, 1)));
          }) < 1);
    REQUIRE(wisdom.notes().size() == 2);
    CHECK(wisdom.notes()[0].find("another process has locked it") != std::string::npos);
    CHECK(wisdom.find(parse_problem(kB), kScope));
    CHECK(seconds([&] { error_of(Code::kIo, [&] { check_wisdom(path); }); }) < 3);
  }
  wisdom.add(book_of(record("n3c8h8w8k8kh3kw3p1", 1)));
  CHECK(wisdom.notes().empty());
  CHECK(size_of(path) == 3);
}

TEST_CASE("many processes and threads that write at once lose nothing") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  constexpr int kProcesses = 4, kThreads = 2, kEach = 8;
  const auto write = [&](int who) {
    Wisdom wisdom(path);
    for (int i = 0; i < kEach; ++i) {
      wisdom.add(book_of(record(
          "n1c1h" + std::to_string(10 + who) + "w" + std::to_string(10 + i) + "k1kh3kw3", 1)));
    }
    // On a busy machine a turn may take longer than the bounded wait: what was not kept then is kept with what comes
    // next.
    for (int i = 0; i < 600 && !wisdom.notes().empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      wisdom.add({});
    }
    return wisdom.notes().empty();
  };
  for (int p = 0; p < kProcesses; ++p) {
    if (::fork() == 0) {
      bool good[kThreads] = {};
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] { good[t] = write(p * kThreads + t); });
      for (std::thread& thread : threads)
        thread.join();
      ::_exit(good[0] && good[1] ? 0 : 1);
    }
  }
  for (int p = 0; p < kProcesses; ++p) {
    int status = 0;
    ::wait(&status);
    CHECK(status == 0);
  }
  CHECK(size_of(path) == kProcesses * kThreads * kEach);
  CHECK(folder.files() == std::vector<std::string>{"w.sqlite"});
}

TEST_CASE("behind a fork both processes keep what they learn") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  Wisdom wisdom(path);
  wisdom.add(book_of(record(kA, 1)));
  CHECK(in_child([&] {
          wisdom.add(book_of(record(kB, 1)));
          return wisdom.notes().empty() ? 0 : 1;
        }) == 0);
  wisdom.add(book_of(record("n3c8h8w8k8kh3kw3p1", 1)));
  CHECK(size_of(path) == 3);
}

TEST_CASE("a process killed while it imports has changed nothing") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  import_wisdom(path, book_of(record(kA, 1)));
  WisdomBook many;
  for (int i = 0; i < 4000; ++i)
    many.put(record("n1c1h" + std::to_string(10 + i) + "w9k1kh3kw3", 1));
  for (int ms = 1; ms < 40; ms += 6) {
    const pid_t child = ::fork();
    if (child == 0) {
      import_wisdom(path, many);
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const std::size_t size = size_of(path);
    CHECK((size == 1 || size == 4001));  // nothing, or all where it was fast
    CHECK(Wisdom(path).find(parse_problem(kA), kScope));
  }
}

TEST_CASE("a full disk: a note, and the file as it was") {
  const TempFolder folder;
  const std::string disk = folder.path("disk");
  make_directories(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    MESSAGE("skipped: this user cannot mount a small disk");
    return;
  }
  {
    const std::string path = disk + "/w.sqlite";
    Wisdom wisdom(path);
    wisdom.add(book_of(record(kA, 1)));
    CHECK(wisdom.notes().empty());
    WisdomBook many;
    for (int i = 0; i < 1000; ++i)
      many.put(record("n1c1h" + std::to_string(10 + i) + "w9k1kh3kw3", 1));
    wisdom.add(many);
    REQUIRE(wisdom.notes().size() == 1);
    CHECK(wisdom.notes()[0].find("full") != std::string::npos);
    CHECK(wisdom.find(parse_problem("n1c1h500w9k1kh3kw3"), kScope));  // in memory
    CHECK(size_of(path) == 1);
  }
  ::umount(disk.c_str());
}

TEST_CASE(
    "the umask decides the mode of a new file, and a second user of a group folder can write") {
  const TempFolder folder;
  const std::string path = folder.path("w.sqlite");
  ::chmod(folder.root().c_str(), 02777);
  const mode_t before = ::umask(002);
  import_wisdom(path, book_of(record(kA, 1)));
  ::umask(before);
  struct stat known {};
  REQUIRE(::stat(path.c_str(), &known) == 0);
  CHECK((known.st_mode & 0777) == 0664);
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can be two users");
    return;
  }
  const int status = in_child([&] {
    if (::setgid(known.st_gid) != 0 || ::setuid(60002) != 0) return 2;
    Wisdom wisdom(path);
    wisdom.add(book_of(record(kB, 1)));
    return wisdom.notes().empty() ? 0 : 1;
  });
  CHECK(status == 0);
  CHECK(size_of(path) == 2);
}

TEST_CASE("of a symbolic link the target is used") {
  const TempFolder folder;
  make_directories(folder.path("store"));
  REQUIRE(::symlink("store/real.sqlite", folder.path("link").c_str()) == 0);
  Wisdom wisdom(folder.path("link"));
  wisdom.add(book_of(record(kA, 1)));
  CHECK(std::filesystem::is_symlink(folder.path("link")));
  CHECK(size_of(folder.path("store/real.sqlite")) == 1);
}

// ---- lines of earlier versions ------------------------------------------------------------------

TEST_CASE("lines are migrated once, with what cannot be read, and stay under another name") {
  const TempFolder folder;
  const std::string path = folder.path("w.jsonl");
  const std::string lines = book_of(record(kA, 1)).write() + "garbage\n";
  write_file_atomically(path, lines);
  ::chmod(path.c_str(), 0640);
  CHECK(size_of(path) == 1);  // reading changes nothing
  CHECK(folder.files() == std::vector<std::string>{"w.jsonl"});
  {
    Wisdom wisdom(path);
    CHECK(wisdom.find(parse_problem(kA), kScope));
    wisdom.add(book_of(record(kB, 1)));
    CHECK(wisdom.notes().empty());
  }
  CHECK(size_of(path) == 2);
  CHECK(read_wisdom(path)->unreadable() == std::vector<std::string>{"garbage"});
  std::string old;
  CHECK(read_file(path + ".old", old));
  CHECK(old == lines);
  struct stat known {};
  REQUIRE(::stat(path.c_str(), &known) == 0);
  CHECK((known.st_mode & 0777) == 0640);
  CHECK(folder.files() == std::vector<std::string>{"w.jsonl", "w.jsonl.old"});
  CHECK(forget_unreadable_wisdom(path) == 1);
  CHECK(forget_wisdom(path, kA, "") == 1);
  CHECK(size_of(path) == 1);
}

TEST_CASE("the default file of earlier versions is taken over and left where it is") {
  const TempFolder folder;
  const std::string cache = folder.path("clconv");
  make_directories(cache);
  write_file_atomically(cache + "/wisdom.jsonl", book_of(record(kA, 1)).write());
  CHECK(in_child([&] {
          ::setenv("XDG_CACHE_HOME", folder.root().c_str(), 1);
          ::unsetenv("CLCONV_WISDOM");
          const std::string path = wisdom_path("");
          if (path != cache + "/wisdom.sqlite" || size_of(path) != 1) return 1;
          Wisdom wisdom(path);
          wisdom.add(book_of(record(kB, 1)));
          return wisdom.notes().empty() && size_of(path) == 2 ? 0 : 2;
        }) == 0);
  CHECK(std::filesystem::exists(cache + "/wisdom.jsonl"));
  // A relative XDG_CACHE_HOME is ignored, as its specification says; without HOME there is no place.
  CHECK(in_child([&] {
          ::unsetenv("CLCONV_WISDOM");
          ::setenv("XDG_CACHE_HOME", "relative", 1);
          ::setenv("HOME", "/somewhere", 1);
          if (wisdom_path("") != "/somewhere/.cache/clconv/wisdom.sqlite") return 1;
          ::unsetenv("HOME");
          return wisdom_path("").empty() ? 0 : 2;
        }) == 0);
}

TEST_CASE("processes that migrate the same lines at once lose nothing") {
  const TempFolder folder;
  const std::string path = folder.path("w.jsonl");
  WisdomBook many;
  for (int i = 0; i < 300; ++i)
    many.put(record("n1c1h" + std::to_string(10 + i) + "w9k1kh3kw3", 1));
  write_file_atomically(path, many.write());
  constexpr int kProcesses = 5;
  for (int p = 0; p < kProcesses; ++p) {
    if (::fork() == 0) {
      Wisdom wisdom(path);
      wisdom.add(book_of(record("n7c1h" + std::to_string(10 + p) + "w9k1kh3kw3", 1)));
      ::_exit(wisdom.notes().empty() ? 0 : 1);
    }
  }
  for (int p = 0; p < kProcesses; ++p) {
    int status = 0;
    ::wait(&status);
    CHECK(status == 0);
  }
  CHECK(size_of(path) == 300 + kProcesses);
  CHECK(folder.files() == std::vector<std::string>{"w.jsonl", "w.jsonl.old"});
}
