#include "runtime/processor.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "error.hpp"
#include "runtime/files.hpp"

namespace clconv::core {
namespace {

// A file of the system's; "" where there is none or it is not ours to read: then it limits nothing that we could know.
std::string system_file(const std::string& path) {
  std::string text;
  try {
    read_file(path, text);
  } catch (const Error&) {
    text.clear();
  }
  return text;
}

void lower(std::optional<double>& least, double quota, double period) {
  if (quota > 0 && period > 0) least = std::min(least.value_or(quota / period), quota / period);
}

// Of one group and all above it. `controllers` empty: version 2.
void read_group(const std::string& root, const std::string& controllers, std::string group,
                std::optional<double>& least) {
  for (;;) {
    if (controllers.empty()) {
      for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        std::istringstream text(system_file(root + mount + group + "/cpu.max"));
        std::string quota;  // or "max"
        double period = 0;
        if (text >> quota >> period) lower(least, std::atof(quota.c_str()), period);
      }
    } else {
      for (const std::string& mount : {controllers, std::string("cpu")}) {
        const std::string folder = root + "/sys/fs/cgroup/" + mount + group;
        lower(least, std::atof(system_file(folder + "/cpu.cfs_quota_us").c_str()),
              std::atof(system_file(folder + "/cpu.cfs_period_us").c_str()));
      }
    }
    if (group.empty()) return;
    group.erase(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

// Of all threads: an application may pin the one that asks, and the device's threads run elsewhere.
std::int64_t cpus_of_threads() {
  cpu_set_t all;
  CPU_ZERO(&all);
  std::error_code none;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", none)) {
    cpu_set_t one;
    CPU_ZERO(&one);
    const auto id = static_cast<pid_t>(std::atol(thread.path().filename().c_str()));
    if (::sched_getaffinity(id, sizeof(one), &one) == 0) CPU_OR(&all, &all, &one);
  }
  return CPU_COUNT(&all);
}

}  // namespace

std::int64_t processor_vector_registers() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("avx512vl") ? 32 : 16;
#elif defined(__aarch64__)
  return 32;
#else
  return 0;
#endif
}

std::string processor_name() {
  std::string found, vendor;
  std::istringstream lines(system_file("/proc/cpuinfo"));
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0) continue;
    const std::string name = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    const std::string value = line.substr(std::min(line.size(), colon + 2));
    if (name == "vendor_id" || name == "CPU implementer") vendor = value;
    for (const char* one : {"cpu family", "model", "stepping", "CPU architecture", "CPU variant",
                            "CPU part", "CPU revision"}) {
      if (name == one) found += (found.empty() ? "" : "/") + value;
    }
  }
  return vendor.empty() ? found : vendor + " " + found;
}

std::optional<double> cpu_quota(const std::string& root) {
  std::optional<double> least;
  std::istringstream lines(system_file(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {  // "4:cpu,cpuacct:/a/b", or "0::/a/b"
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool counts = controllers.empty()
                            ? line[0] == '0'
                            : ("," + controllers + ",").find(",cpu,") != std::string::npos;
    if (!counts) continue;
    const std::string group = line.substr(second + 1);
    read_group(root, controllers, group == "/" ? "" : group, least);
  }
  return least;
}

std::int64_t usable_cpus() {
  const std::int64_t cpus = cpus_of_threads();
  const auto quota = cpu_quota("");
  if (!quota) return cpus;
  const auto whole = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(*quota)));
  return cpus > 0 ? std::min(cpus, whole) : whole;
}

}  // namespace clconv::core
