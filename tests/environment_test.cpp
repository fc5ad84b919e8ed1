// What surrounds the program: the CPUs it may use, drivers that cannot start, pipes, and bytes that are no text.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "doctest/doctest.h"
#include "runtime/affinity.hpp"
#include "runtime/files.hpp"
#include "support/program.hpp"
#include "support/temp.hpp"

using namespace clconv::core;
using clconv::test::ProgramResult;
using clconv::test::run_program;
using clconv::test::TempFolder;

namespace {

ProgramResult run(const TempFolder& folder, const std::string& arguments,
                  const std::string& environment = "") {
  return run_program(folder, CLCONV_PROGRAM, arguments, environment);
}

// may_pin_pocl() in a process that is allowed only these CPUs, with as many threads of PoCL, 0 for its default; -1
// where they cannot be chosen.
int may_pin_on(const std::vector<int>& cpus, long threads = 0) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (threads > 0) ::setenv("POCL_MAX_PTHREAD_COUNT", std::to_string(threads).c_str(), 1);
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : cpus)
      CPU_SET(cpu, &set);
    ::_exit(::sched_setaffinity(0, sizeof(set), &set) != 0 ? 2 : may_pin_pocl() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status) == 2 ? -1 : WEXITSTATUS(status);
}

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("PoCL's threads are pinned only where the process has all CPUs") {
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  std::vector<int> all;
  for (int cpu = 0; cpu < online; ++cpu)
    all.push_back(cpu);
  if (online < 2 || may_pin_on(all) < 0) {
    MESSAGE("skipped: this process does not have two CPUs");
    return;
  }
  CHECK(may_pin_on(all) == 1);
  CHECK(may_pin_on({1}) == 0);
  CHECK(may_pin_on({0}) == 0);
  CHECK(may_pin_on(all, online) == 1);
  CHECK(may_pin_on(all, online + 1) == 0);
  const TempFolder folder;
  const auto result =
      run_program(folder, "taskset -c 1 " CLCONV_PROGRAM, "devices", "env -u POCL_AFFINITY");
  CHECK(result.status == 0);
  // PoCL aborts at a thread that it cannot pin.
  CHECK(run(folder, "devices",
            "env -u POCL_AFFINITY POCL_MAX_PTHREAD_COUNT=" + std::to_string(online + 2))
            .status == 0);
}

TEST_CASE("without a device the message names the true cause") {
  const TempFolder folder;
  make_directories(folder.path("none"));
  make_directories(folder.path("icd"));
  write_file_atomically(folder.path("icd/broken.icd"), "libclconv-no-such-driver.so\n");
  const std::string plan = "plan n1c1h3w3k1kh1kw1";
  CHECK(run(folder, plan, "OCL_ICD_VENDORS=" + folder.path("none")).err ==
        "clconv: no OpenCL device found: no driver is named in " + folder.path("none") +
            ": install one (any CPU: the package pocl-opencl-icd)\n");
  CHECK(run(folder, plan, "OCL_ICD_VENDORS=" + folder.path("icd")).err ==
        "clconv: no OpenCL device found: none of the drivers named in " + folder.path("icd") +
            " could be loaded: broken.icd (libclconv-no-such-driver.so)\n");
  for (const std::string& named : {folder.path("icd/broken.icd"), folder.path("nowhere")}) {
    CHECK(run(folder, plan, "OCL_ICD_VENDORS=" + named).err ==
          "clconv: no OpenCL device found: OCL_ICD_VENDORS is '" + named +
              "', which is no folder or driver that could be loaded\n");
  }
  const ProgramResult devices = run(folder, "devices", "OCL_ICD_VENDORS=" + folder.path("none"));
  CHECK(devices.status == 0);
  CHECK(devices.out.find("no OpenCL device found: no driver is named in ") == 0);
  CHECK(run(folder, "devices --json", "OCL_ICD_VENDORS=" + folder.path("none")).out == "[]\n");
  // PoCL reports a device that is none where it has no folder for its kernels.
  const ProgramResult any = run(folder, "devices");
  if (any.out.find("Portable Computing Language") == std::string::npos) return;
  write_file_atomically(folder.path("file"), "");
  const ProgramResult result = run(folder, plan, "POCL_CACHE_DIR=" + folder.path("file/none"));
  CHECK(result.status == 1);
  CHECK(result.err.find("platform 'Portable Computing Language' has none or cannot start: "
                        "CL_DEVICE_NOT_FOUND (-1)") != std::string::npos);
  CHECK(result.err.find("POCL_CACHE_DIR") != std::string::npos);
  CHECK(lines_of(result.err) == 1);
  // There is such a folder, and nobody can write to it.
  const ProgramResult unwritable = run(folder, plan + " --rigor measure", "POCL_CACHE_DIR=/proc");
  CHECK(unwritable.status == 1);
  CHECK(unwritable.err.find("PoCL cannot write to its folder") != std::string::npos);
}

TEST_CASE("a driver's compiler prints nothing about vectors that the CPU does not have") {
  const TempFolder folder;
  make_directories(folder.path("kernels"));
  for (const std::string type : {"f32", "f16"}) {
    const ProgramResult result =
        run(folder,
            "plan n1c2h8w48k4kh3kw3p1 --rigor measure --strategy implicit_gemm --config "
            "body=patches,mr=4,nv=2,patch=16,sums=0,vw=16 --dtype " +
                type,
            "CLCONV_CACHE_DIR=off POCL_CACHE_DIR=" + folder.path("kernels"));
    CHECK(result.status == 0);
    CHECK(result.err.empty());
  }
}

TEST_CASE("a compiler that fails is no constraint: exit status 1") {
  const TempFolder folder;
  if (run(folder, "devices").out.find("Portable Computing Language") == std::string::npos) return;
  const ProgramResult result = run(folder, "plan n1c1h3w3k1kh1kw1 --rigor measure",
                                   "CLCONV_WISDOM=off POCL_EXTRA_BUILD_FLAGS=-Dkernel=nosuch");
  CAPTURE(result.err);
  CHECK(result.status == 1);
  // The compiler may say something, too.
  CHECK(result.err.find(
            "clconv: no strategy can run n1c1h3w3k1kh1kw1: naive (building kernels/naive.cl") !=
        std::string::npos);
}

TEST_CASE("control characters and broken UTF-8 of the input stay in one line, escaped") {
  const TempFolder folder;
  const auto fails = [&](const std::string& arguments, const std::string& part) {
    const ProgramResult result = run(folder, arguments);
    CAPTURE(arguments);
    CHECK(result.status != 0);
    CHECK(lines_of(result.err) == 1);
    CHECK(result.err.find(part) != std::string::npos);
    CHECK(result.err.find('\x1b') == std::string::npos);
  };
  fails("plan \"$(printf 'n1c64\\nh56')\"", "n1c64\\x0ah56");
  fails("plan \"$(printf 'n1\\033[31m')\"", "\\x1b[31m");
  fails("plan \"$(printf 'n1\\344')\"", "n1\\xe4");
  fails("run --x \"$(printf 'no\\nfile')\" --w w.npy --out y.npy", "no\\x0afile");
  fails("plan n1c1h3w3k1kh1kw1 --device \"$(printf 'a\\tb')\"", "a\\x09b");
  fails("plan n1c1h3w3k1kh1kw1 --strategy \"$(printf 'a\\rb')\"", "a\\x0db");
  write_file_atomically(folder.path("suite.txt"), "na\x1b[2Jme n1c1h3w3k1kh1kw1\n");
  const ProgramResult bench = run(folder, "bench --suite suite.txt");
  CHECK(bench.status == 0);
  CHECK(bench.out.find("na\\x1b[2Jme") != std::string::npos);
  write_file_atomically(folder.path("latin1.txt"),
                        "gr\xf6\xdf"
                        "e n1c1h3w3k1kh1kw1\n");
  const ProgramResult json = run(folder, "bench --suite latin1.txt --json");
  CHECK(json.status == 0);
  CHECK(json.out.find("\"gr\\\\xf6\\\\xdfe\"") != std::string::npos);
  const ProgramResult note = run(folder, "plan n1c1h3w3k1kh1kw1 --rigor measure",
                                 "env CLCONV_WISDOM=\"$(printf '/proc/no\\nwhere')\"");
  CHECK(note.out.find("/proc/no\\x0awhere") != std::string::npos);
}

TEST_CASE("inputs and outputs may be pipes") {
  const TempFolder folder;
  // (1,1,2,2) and (1,1,1,1) of ones.
  const auto npy = [](const std::string& shape, int count) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
    header.append(127 - 10 - header.size(), ' ');
    header += '\n';
    std::string file = "\x93NUMPY\x01";
    file += '\0';
    file += static_cast<char>(header.size());
    file += '\0';
    file += header;
    for (int i = 0; i < count; ++i)
      file += std::string("\0\0\x80\x3f", 4);
    return file;
  };
  write_file_atomically(folder.path("x.npy"), npy("(1, 1, 2, 2)", 4));
  write_file_atomically(folder.path("w.npy"), npy("(1, 1, 1, 1)", 1));
  write_file_atomically(folder.path("short.npy"), npy("(1, 1, 2, 2)", 3));
  CHECK(run(folder, "run --x x.npy --w w.npy --out y.npy").status == 0);
  CHECK(run(folder, "run --x /dev/stdin --w w.npy --out piped.npy < x.npy").status == 0);
  const ProgramResult piped = run_program(folder, "cat x.npy | " CLCONV_PROGRAM,
                                          "run --x /dev/stdin --w w.npy --out /dev/stderr");
  CHECK(piped.status == 0);
  std::string y, again;
  CHECK(read_file(folder.path("y.npy"), y));
  CHECK(read_file(folder.path("piped.npy"), again));
  CHECK(y == again);
  CHECK(piped.err == y);
  std::string said;
  const std::string to_stdout = "run --x x.npy --w w.npy --out /dev/stdout 2>said | ";
  CHECK(run(folder, to_stdout + "cat").out == y);
  CHECK(read_file(folder.path("said"), said));
  CHECK(said.find("wrote     /dev/stdout") != std::string::npos);
  CHECK(run(folder, to_stdout + CLCONV_PROGRAM " run --x /dev/stdin --w w.npy --out twice.npy")
            .status == 0);
  const ProgramResult columns =
      run(folder, "im2col --x x.npy --kernel 1x1 --out /dev/stdout 2>said | cat");
  CHECK(columns.out.find("NUMPY") == 1);
  CHECK(columns.out.find("wrote") == std::string::npos);
  const ProgramResult cut = run_program(folder, "cat short.npy | " CLCONV_PROGRAM,
                                        "run --x /dev/stdin --w w.npy --out z.npy");
  CHECK(cut.status == 2);
  CHECK(cut.err == "clconv: /dev/stdin: holds 12 bytes of data, its shape (1,1,2,2) needs 16\n");
  CHECK(run_program(folder, "printf 'a n1c1h3w3k1kh1kw1\\n' | " CLCONV_PROGRAM,
                    "bench --suite /dev/stdin")
            .status == 0);
  CHECK(run(folder, "run --x . --w w.npy --out z.npy").err ==
        "clconv: cannot read .: Is a directory\n");
  CHECK_FALSE(std::filesystem::exists(folder.path("z.npy")));
}
