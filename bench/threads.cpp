#include "threads.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace clconv::bench {
namespace {

cpu_set_t affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) CPU_SET(0, &set);
  return set;
}

// The cores that the process may use; asked first by main, which is nowhere pinned then.
const std::vector<int>& cores() {
  static const std::vector<int> list = [] {
    const cpu_set_t set = affinity();
    std::vector<int> found;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) found.push_back(core);
    }
    return found;
  }();
  return list;
}

// That a thread cannot be pinned is no error: it is then only slower.
void pin(pid_t thread, int index) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores()[static_cast<std::size_t>(index) % cores().size()], &set);
  ::sched_setaffinity(thread, sizeof(set), &set);
}

}  // namespace

int thread_count() {
  return static_cast<int>(cores().size());
}

std::vector<pid_t> threads() {
  std::vector<pid_t> list;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", none))
    list.push_back(static_cast<pid_t>(std::stol(entry.path().filename())));
  std::sort(list.begin(), list.end());
  return list;
}

void pin_threads(const std::vector<pid_t>& known) {
  int index = 1;
  for (const pid_t thread : threads()) {
    const bool is_known = std::find(known.begin(), known.end(), thread) != known.end();
    if (thread != ::gettid() && !is_known) pin(thread, index++);
  }
}

void pin_this_thread(int index) {
  pin(0, index);
}

OnFirstCore::OnFirstCore() : before_(affinity()) {
  pin(0, 0);
}

OnFirstCore::~OnFirstCore() {
  ::sched_setaffinity(0, sizeof(before_), &before_);
}

}  // namespace clconv::bench
