// What a CPU device runs on: which processor, and how many of its CPUs this process gets. OpenCL tells neither, and
// binaries and measured times depend on both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace clconv::core {

// "AuthenticAMD 26/2/1" on x86, "0x41 8/0x0/0xd0c/1" on ARM, "" where the system does not say.
std::string processor_name();

// Vector registers of a core of this processor: 32 with AVX-512 (at any width) and NEON, 16 on other x86, else 0.
std::int64_t processor_vector_registers();

// CPUs that threads of this process may run on, at most what control groups allow it of them, rounded up: a
// container with half a CPU has one. 0 where the system does not say.
std::int64_t usable_cpus();

// The quota of the control groups (both versions) that a process is in, in CPUs; nothing where there is none. `root` is
// where /proc and /sys are: "" but in tests.
std::optional<double> cpu_quota(const std::string& root);

}  // namespace clconv::core
