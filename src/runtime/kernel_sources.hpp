// The .cl files, embedded at build time by kernels/embed.cmake.
#pragma once

#include <cstddef>

namespace clconv::core {

struct KernelSource {
  const char* name;  // path below kernels/, without .cl
  const char* text;
};
extern const KernelSource kKernelSources[];
extern const std::size_t kKernelSourceCount;

}  // namespace clconv::core
