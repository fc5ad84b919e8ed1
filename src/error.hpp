// The one exception type of the library. The C ABI turns it into a status and a last-error text;
// it knows nothing of OpenCL or of convolution.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace clconv::core {

// Same values as clconv_status in clconv.h (api.cpp asserts it): what kind of thing went wrong, so
// that a caller can react without reading the text.
enum class Code {
  kOk = 0,
  kInvalidArgument = 1,
  kInvalidProblem = 2,
  kConstraint = 3,
  kNoDevice = 4,
  kBuildFailed = 5,
  kOutOfMemory = 6,
  kOpenCl = 7,
  kGemm = 8,
  kIo = 9,
  kInternal = 10,
  kInvalidModel = 11,
  kUnsupported = 12,
};

// `what()` is one line that names the thing, its value and what was expected; `detail()` is what
// does not fit a line (a build log), or empty.
class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& text, std::string detail = "")
      : std::runtime_error(text), code_(code), detail_(std::move(detail)) {}
  Code code() const noexcept { return code_; }
  const std::string& detail() const noexcept { return detail_; }

 private:
  Code code_;
  std::string detail_;
};

}  // namespace clconv::core
