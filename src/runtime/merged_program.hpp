// The texts of several programs as one text, in which every kernel is a function, so that one kernel can call them all.
// Relies on the style of our kernels, and knows nothing of what they compute.
#pragma once

#include <string>
#include <vector>

#include "runtime/kernel.hpp"

namespace clconv::core {

// OpenCL C in which the names and macros of each program are its own. Kernel NAME of program i becomes the function
// merged_name(NAME, i), which takes, before the kernel's parameters,
//   long chain_work_group, long chain_work_groups   in dimension 0: the work-group's number, and how many there are
//   local char* chain_memory                        room for the kernel's arrays in local memory, aligned to 64 bytes
// Only for kernels that are launched in one dimension with work-groups of one work-item, which is the caller's to check
// (may_be_task). Arrays of several dimensions in local memory, or of more than `memory_bytes`, do not compile.
std::string merged_source(const std::vector<ProgramTextPtr>& programs, std::size_t memory_bytes);
std::string merged_name(const std::string& kernel, std::size_t program);

}  // namespace clconv::core
