// The texts of several programs as one text, in which every kernel is a function, so that one kernel can call them all.
// Relies on the style of our kernels, and knows nothing of what they compute.
#pragma once

#include <string>
#include <vector>

#include "runtime/kernel.hpp"

namespace clconv::core {

// OpenCL C in which the names and macros of each program are its own. Kernel NAME of program i, of work-groups of one
// work-item, becomes the function merged_name(NAME, i), which takes, before the kernel's parameters,
//   long chain_group, long chain_groups   of dimension 0: the work-group, and how many there are
//   local char* chain_memory              what the kernel's own arrays in local memory lie in, aligned to 64 bytes
// What only a kernel may have (a work-group of several items, arrays of several dimensions in local memory) does not
// compile in it, nor do arrays that need more than `memory_bytes`.
std::string merged_source(const std::vector<ProgramTextPtr>& programs, std::size_t memory_bytes);
std::string merged_name(const std::string& kernel, std::size_t program);

}  // namespace clconv::core
