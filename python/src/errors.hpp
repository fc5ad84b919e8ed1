// Failures of the C ABI as exceptions of the package, strings that it returns, and the guard after fork. Knows nothing
// of what is computed.
#pragma once

#include <clconv/clconv.h>
#include <nanobind/nanobind.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace clconv_python {

namespace nb = nanobind;

// Becomes the exception of python/clconv/_errors.py that stands for the status.
class Failure : public std::runtime_error {
 public:
  Failure(clconv_status status, const std::string& text, std::string detail = {})
      : std::runtime_error(text), status_(status), detail_(std::move(detail)) {}
  clconv_status status() const noexcept { return status_; }
  const std::string& detail() const noexcept { return detail_; }

 private:
  clconv_status status_;
  std::string detail_;
};

// Throws the thread's last error unless all is well.
void check(clconv_status status);
// The same for a call of OpenCL's own.
void check_opencl(cl_int code, const char* call);
// CLCONV_INVALID_ARGUMENT.
[[noreturn]] void refuse(const std::string& text);

// Takes over a string that the C ABI returned.
std::string take(char* text);

// Everything that reaches a device calls it first: an OpenCL driver's threads do not survive fork(), and a call in the
// child would wait for them for ever.
void guard_fork();
// Whether this process is the child of one that had used OpenCL: nothing can be released any more.
bool forked_in_use();

void bind_errors(nb::module_& m);

}  // namespace clconv_python
