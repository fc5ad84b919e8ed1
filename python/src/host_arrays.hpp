// The memory of host arrays, for calls that take pointers.
#pragma once

#include <string>
#include <vector>

#include "errors.hpp"

namespace clconv_python {

// The memory of arrays for one call.
class HostArrays {
 public:
  HostArrays() = default;
  ~HostArrays() {
    for (Py_buffer& view : views_)
      PyBuffer_Release(&view);
  }
  HostArrays(const HostArrays&) = delete;
  HostArrays& operator=(const HostArrays&) = delete;

  void* get(nb::handle array, const std::string& name, bool written) {
    views_.reserve(views_.size() + 1);
    Py_buffer view{};
    const int flags = PyBUF_C_CONTIGUOUS | (written ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(array.ptr(), &view, flags) != 0) {
      PyErr_Clear();
      refuse(name + " is not " + (written ? "a writable array" : "an array") + " in C order");
    }
    views_.push_back(view);
    return view.buf;
  }

 private:
  std::vector<Py_buffer> views_;
};

}  // namespace clconv_python
