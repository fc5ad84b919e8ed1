#include "environment.hpp"

#include <clconv/clconv.hpp>

#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "threads.hpp"

namespace clconv::bench {
namespace {

constexpr const char* kAdded = "CLCONV_BENCH_ADDED";

struct Variable {
  std::string name, value;
  bool always = false;  // also over what the user has set
};

std::vector<Variable> wanted() {
  const std::string threads = std::to_string(thread_count());
  std::vector<Variable> variables = {
      {"OMP_NUM_THREADS", threads},
      {"OPENBLAS_NUM_THREADS", threads},
      // OpenBLAS's idle threads spin for 2^26 cycles before they sleep: 16 ms, into others' turns. 4 ms bridge
      // what lies between its own calls.
      {"OPENBLAS_THREAD_TIMEOUT", "24"},
      // glibc gives large blocks back to the kernel and takes page faults when it gets them again: in
      // favour of oneDNN's and OpenBLAS's own buffers.
      {"MALLOC_TOP_PAD_", "268435456"},
      {"MALLOC_TRIM_THRESHOLD_", "4294967296"},
      {"MALLOC_MMAP_THRESHOLD_", "4294967296"},
  };
#if defined(__x86_64__)
  // OpenBLAS 0.3.21 takes a CPU newer than itself for a Haswell: half the speed. Distributions and container
  // images set that, too.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
    variables.push_back({"OPENBLAS_CORETYPE", "SkylakeX", true});
  }
#endif
  return variables;
}

}  // namespace

void settle_environment(char** argv) {
  if (std::getenv(kAdded) != nullptr) return;
  const bool pinned = std::getenv("POCL_AFFINITY") == nullptr && clconv::pin_pocl_threads();
  std::string added = pinned ? "POCL_AFFINITY" : "";
  for (const auto& [name, value, always] : wanted()) {
    if (std::getenv(name.c_str()) != nullptr && !always) continue;
    ::setenv(name.c_str(), value.c_str(), 1);
    added += (added.empty() ? "" : " ") + name;
  }
  ::setenv(kAdded, added.c_str(), 1);
  if (added.empty()) return;
  ::execv("/proc/self/exe", argv);
  // Still here, so without /proc: it works, if not as fast for everybody.
}

std::vector<std::string> added_variables() {
  std::vector<std::string> names = {kAdded};
  const char* text = std::getenv(kAdded);
  std::istringstream words(text != nullptr ? text : "");
  for (std::string name; words >> name;)
    names.push_back(name);
  return names;
}

}  // namespace clconv::bench
