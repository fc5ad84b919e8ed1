// Errors and the small questions of clconv.h: the last error's text, names of values, the version.
#include <string>

#include "api_support.hpp"
#include "runtime/affinity.hpp"
#include "runtime/files.hpp"
#include "text.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

namespace {

static_assert(CLCONV_INTERNAL == static_cast<int>(Code::kInternal) &&
                  CLCONV_CONSTRAINT == static_cast<int>(Code::kConstraint) &&
                  CLCONV_IO == static_cast<int>(Code::kIo) &&
                  CLCONV_UNSUPPORTED == static_cast<int>(Code::kUnsupported),
              "clconv_status and Code must agree");

thread_local std::string last_error;
thread_local std::string last_detail;

static_assert(kActivations == CLCONV_PRELU + 1 && kDataTypes == CLCONV_BFLOAT16 + 1,
              "clconv.h names every row");

}  // namespace

// Defined with the C linkage that clconv.h declares.

const char* clconv_status_name(clconv_status status) {
  switch (status) {
    case CLCONV_OK: return "CLCONV_OK";
    case CLCONV_INVALID_ARGUMENT: return "CLCONV_INVALID_ARGUMENT";
    case CLCONV_INVALID_PROBLEM: return "CLCONV_INVALID_PROBLEM";
    case CLCONV_CONSTRAINT: return "CLCONV_CONSTRAINT";
    case CLCONV_NO_DEVICE: return "CLCONV_NO_DEVICE";
    case CLCONV_BUILD_FAILED: return "CLCONV_BUILD_FAILED";
    case CLCONV_OUT_OF_MEMORY: return "CLCONV_OUT_OF_MEMORY";
    case CLCONV_OPENCL: return "CLCONV_OPENCL";
    case CLCONV_GEMM: return "CLCONV_GEMM";
    case CLCONV_IO: return "CLCONV_IO";
    case CLCONV_INTERNAL: return "CLCONV_INTERNAL";
    case CLCONV_INVALID_MODEL: return "CLCONV_INVALID_MODEL";
    case CLCONV_UNSUPPORTED: return "CLCONV_UNSUPPORTED";
    default: return "?";
  }
}

const char* clconv_last_error(void) {
  return last_error.c_str();
}
const char* clconv_last_error_detail(void) {
  return last_detail.c_str();
}
clconv_status clconv_set_last_error(clconv_status status, const char* text, const char* detail) {
  try {
    last_error = one_line(text != nullptr ? text : "");
    last_detail = detail != nullptr ? detail : "";
  } catch (...) {
    last_error.clear();  // no memory for the text: the status must do
    last_detail.clear();
  }
  return status;
}
const char* clconv_version(void) {
  return CLCONV_VERSION;
}
const char* clconv_activation_name(clconv_activation activation) {
  return activation >= 0 && activation < static_cast<int>(kActivations)
             ? kActivationRows[activation].word
             : "?";
}

const char* clconv_data_type_name(clconv_data_type type) {
  return type >= 0 && type < static_cast<int>(kDataTypes) ? kDataTypeRows[type].word : "?";
}

int clconv_pin_pocl_threads(void) {
  if (!may_pin_pocl()) return 0;
  ::setenv("POCL_AFFINITY", "1", 0);
  return environment("POCL_AFFINITY") == "1" ? 1 : 0;
}

void clconv_free(char* text) {
  std::free(text);
}
