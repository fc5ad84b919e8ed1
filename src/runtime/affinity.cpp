#include "runtime/affinity.hpp"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>

#include "runtime/files.hpp"

namespace clconv::core {

bool may_pin_pocl() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return false;  // more CPUs than a set has
  // More threads than CPUs: PoCL aborts at the first that it cannot pin.
  if (std::atoi(environment("POCL_MAX_PTHREAD_COUNT").c_str()) > CPU_COUNT(&allowed)) return false;
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (online != CPU_COUNT(&allowed)) return false;
  for (int cpu = 0; cpu < online; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) return false;
  }
  return true;
}

}  // namespace clconv::core
