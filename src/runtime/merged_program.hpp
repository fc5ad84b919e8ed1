// Several programs as one text, so that one kernel can call what the kernels of all of them do. Knows our kernels'
// style, nothing of what they compute.
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

// Empty `source` where the program was built of a binary.
ProgramText text_of(const cl::Kernel& kernel, const cl::Device& device);

// OpenCL C in which the names and macros of each program are its own. Kernel NAME of program i, of work-groups of one
// work-item, becomes the function merged_name(NAME, i), which takes, before the kernel's parameters,
//   long chain_group, long chain_groups   of dimension 0: the work-group, and how many there are
//   local char* chain_memory              what the kernel's own arrays in local memory lie in, aligned to 64 bytes
// What only a kernel may have (a work-group of several items, arrays of several dimensions in local memory) does not
// compile in it.
std::string merged_source(const std::vector<ProgramText>& programs);
std::string merged_name(const std::string& kernel, std::size_t program);

// Bytes that chain_memory needs for this kernel.
std::size_t chain_memory_bytes(const cl::Kernel& kernel, const cl::Device& device);

}  // namespace clconv::core
