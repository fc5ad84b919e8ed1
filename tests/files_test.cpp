// Whole files, what the system says of a processor, and what is none of our files.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "doctest/doctest.h"
#include "planner/wisdom_file.hpp"
#include "runtime/files.hpp"
#include "runtime/processor.hpp"
#include "support/errors.hpp"
#include "support/process.hpp"
#include "support/temp.hpp"

using namespace clconv::core;
using clconv::test::error_of;
using clconv::test::in_child;
using clconv::test::TempFolder;

namespace {

std::string content(const std::string& path) {
  std::string text;
  REQUIRE(read_file(path, text));
  return text;
}

}  // namespace

TEST_CASE("standard output is written to, be it a pipe or a file, and never replaced") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  CHECK(in_child([&] {
          ::dup2(ends[1], STDOUT_FILENO);
          write_file_atomically("/dev/stdout", "through a pipe");
          return 0;
        }) == 0);
  ::close(ends[1]);
  char text[64] = {};
  CHECK(::read(ends[0], text, sizeof(text)) == 14);
  ::close(ends[0]);
  CHECK(std::string(text) == "through a pipe");

  const TempFolder folder;
  const std::string path = folder.path("out");
  CHECK(in_child([&] {
          const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0644);
          ::dup2(file, STDOUT_FILENO);
          if (::write(STDOUT_FILENO, "before ", 7) != 7) return 1;
          write_file_atomically("/dev/stdout", "within ");
          return ::write(STDOUT_FILENO, "behind", 6) == 6 ? 0 : 1;
        }) == 0);
  CHECK(content(path) == "before within behind");
  CHECK(folder.files() == std::vector<std::string>{"out"});
}

TEST_CASE("a file that this user may not write is not replaced") {
  const TempFolder folder;
  const std::string path = folder.path("kept");
  write_file_atomically(path, "old");
  ::chmod(path.c_str(), 0444);
  ::chmod(folder.root().c_str(), 0777);
  CHECK(in_child([&] {
          if (::geteuid() == 0 && (::setgid(60002) != 0 || ::setuid(60002) != 0)) return 2;
          try {
            write_file_atomically(path, "new");
            return 3;
          } catch (const Error& error) {
            return std::string(error.what()) == "cannot write " + path + ": Permission denied" ? 0
                                                                                               : 4;
          }
        }) == 0);
  CHECK(content(path) == "old");
}

TEST_CASE("the database of another program is left alone") {
  const TempFolder folder;
  const std::string path = folder.path("other.sqlite");
  {
    Database other(path, true, 1000);
    other.run("CREATE TABLE bookmarks (name TEXT)");
  }
  const std::string before = content(path);
  const std::string text = path + " is no wisdom file: the database of another program";
  CHECK(error_of(Code::kIo, [&] { read_wisdom(path); }) == text);
  CHECK(error_of(Code::kIo, [&] { check_wisdom(path); }) == text);
  {
    Wisdom wisdom(path);
    WisdomBook book;
    book.put(SpeedRecord{{"device", "driver", "kernels", "machine"}, 1, 1, 1});
    wisdom.add(book);
    CHECK(wisdom.notes() == std::vector<std::string>{"wisdom is not kept: " + text});
  }
  CHECK(content(path) == before);
}

TEST_CASE("the quota of control groups, of both versions and of the groups above") {
  const TempFolder none;
  CHECK_FALSE(cpu_quota(none.root()));

  const TempFolder second;
  for (const char* folder : {"proc/self", "sys/fs/cgroup/a/b"})
    make_directories(second.path(folder));
  write_file_atomically(second.path("proc/self/cgroup"), "0::/a/b\n");
  write_file_atomically(second.path("sys/fs/cgroup/a/b/cpu.max"), "max 100000\n");
  CHECK_FALSE(cpu_quota(second.root()));
  write_file_atomically(second.path("sys/fs/cgroup/a/cpu.max"), "150000 100000\n");
  CHECK(cpu_quota(second.root()).value() == 1.5);

  const TempFolder first;
  for (const char* folder : {"proc/self", "sys/fs/cgroup/cpu,cpuacct/c"})
    make_directories(first.path(folder));
  write_file_atomically(first.path("proc/self/cgroup"),
                        "3:cpuset:/x\n2:cpu,cpuacct:/c\n1:name=systemd:/\n0::/\n");
  const std::string group = first.path("sys/fs/cgroup/cpu,cpuacct/c");
  write_file_atomically(group + "/cpu.cfs_quota_us", "-1\n");
  write_file_atomically(group + "/cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(cpu_quota(first.root()));
  write_file_atomically(group + "/cpu.cfs_quota_us", "50000\n");
  CHECK(cpu_quota(first.root()).value() == 0.5);
  CHECK(usable_cpus() >= 1);
}
