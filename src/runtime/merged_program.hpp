// The texts of several programs as one text, in which every kernel is a function, so that one kernel can call them all.
// Relies on the style of our kernels, and knows nothing of what they compute.
#pragma once

#include <string>
#include <vector>

#include "runtime/opencl.hpp"

namespace clconv::core {

// The text of a program as it was built: its source, and the macros among its build options.
struct ProgramText {
  std::string source;
  std::string options;
  bool operator==(const ProgramText& other) const {
    return source == other.source && options == other.options;
  }
};

// `source` is empty where the program was built from a binary.
ProgramText text_of(const cl::Kernel& kernel, const cl::Device& device);

// OpenCL C in which the names and macros of each program are its own. Kernel NAME of program i becomes the function
// merged_name(NAME, i), which takes, before the kernel's parameters,
//   long chain_work_group, long chain_work_groups   in dimension 0: the work-group's number, and how many there are
//   local char* chain_memory                        room for the kernel's arrays in local memory, aligned to 64 bytes
// Only for kernels that are launched in one dimension with work-groups of one work-item, which is the caller's to check
// (may_be_task). Arrays of several dimensions in local memory do not compile.
std::string merged_source(const std::vector<ProgramText>& programs);
std::string merged_name(const std::string& kernel, std::size_t program);

// Bytes that chain_memory needs for this kernel.
std::size_t chain_memory_bytes(const cl::Kernel& kernel, const cl::Device& device);

}  // namespace clconv::core
