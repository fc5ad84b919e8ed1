// CLHPP, configured once for the whole library, and OpenCL status codes in words.
#pragma once

// The library asks for nothing newer than OpenCL 1.2; what newer devices have is queried as
// extensions. CL_HPP_ENABLE_EXCEPTIONS turns every failing call into a cl::Error.
#define CL_TARGET_OPENCL_VERSION 120
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_HPP_ENABLE_EXCEPTIONS
#include <CL/opencl.hpp>

#include <string>

#include "error.hpp"

namespace clconv::core {

// "CL_OUT_OF_RESOURCES (-5)"; the number alone where the code is not a core one.
std::string status_text(cl_int status);

// The library's error for a failed call: out of memory where OpenCL says so, else kOpenCl.
Error opencl_error(const char* call, cl_int status);

// For the C functions that CLHPP does not wrap the way we need them.
inline void check(cl_int status, const char* call) {
  if (status != CL_SUCCESS) throw opencl_error(call, status);
}

}  // namespace clconv::core
