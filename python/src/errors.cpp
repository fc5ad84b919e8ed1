#include "errors.hpp"

#include <pthread.h>

#include <atomic>
#include <memory>

namespace clconv_python {
namespace {

std::atomic<bool> used{false};
std::atomic<bool> forked{false};

void raise_in_python(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Failure& failure) {
    try {
      const nb::object error = nb::module_::import_("clconv._errors")
                                   .attr("of_status")(failure.status(), nb::str(failure.what()),
                                                      nb::str(failure.detail().c_str()));
      PyErr_SetObject(error.type().ptr(), error.ptr());
    } catch (nb::python_error& error) {
      error.restore();
    }
  }
}

}  // namespace

void check(clconv_status status) {
  if (status != CLCONV_OK) throw Failure(status, clconv_last_error(), clconv_last_error_detail());
}

void check_opencl(cl_int code, const char* call) {
  if (code == CL_SUCCESS) return;
  const bool memory = code == CL_OUT_OF_HOST_MEMORY || code == CL_OUT_OF_RESOURCES ||
                      code == CL_MEM_OBJECT_ALLOCATION_FAILURE;
  throw Failure(memory ? CLCONV_OUT_OF_MEMORY : CLCONV_OPENCL,
                std::string(call) + " failed: OpenCL error " + std::to_string(code));
}

void refuse(const std::string& text) {
  throw Failure(CLCONV_INVALID_ARGUMENT, text);
}

std::string take(char* text) {
  const std::unique_ptr<char, void (*)(char*)> owner(text, clconv_free);
  return text;
}

void guard_fork() {
  if (forked.load(std::memory_order_relaxed)) {
    throw Failure(CLCONV_OPENCL,
                  "this process was forked from one that had used OpenCL, whose driver does not "
                  "work after fork(): start processes with multiprocessing's method 'spawn' or "
                  "'forkserver', or fork before the first use of clconv");
  }
  used.store(true, std::memory_order_relaxed);
}

bool forked_in_use() {
  return forked.load(std::memory_order_relaxed);
}

void bind_errors(nb::module_& m) {
  nb::register_exception_translator(raise_in_python);
  pthread_atfork(nullptr, nullptr, [] {
    if (used.load(std::memory_order_relaxed)) forked.store(true, std::memory_order_relaxed);
  });
  m.def("version", [] { return clconv_version(); });
  m.def("status_name", [](clconv_status status) { return clconv_status_name(status); });
}

}  // namespace clconv_python
