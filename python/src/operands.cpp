#include "operands.hpp"

#include <nanobind/stl/string.h>

#include <string>

namespace clconv_python {
namespace {

// NULL where the object lacks the attribute.
nb::object attribute(nb::handle object, const char* name) {
  PyObject* found = PyObject_GetAttrString(object.ptr(), name);
  if (found == nullptr) PyErr_Clear();
  return nb::steal<nb::object>(found);
}

std::uintptr_t number(nb::handle object) {
  const std::size_t value = PyLong_AsSize_t(object.ptr());
  if (PyErr_Occurred() != nullptr) throw nb::python_error();
  return value;
}

std::string class_of(nb::handle object) {
  return nb::cast<std::string>(object.type().attr("__name__"));
}

}  // namespace

std::uintptr_t address_of(nb::handle object, const char* name) {
  if (PyLong_Check(object.ptr())) return number(object);
  const nb::object pointer = attribute(object, "int_ptr");
  if (!pointer.is_valid()) {
    refuse(std::string(name) + " is of type " + class_of(object) +
           ", expected an object of PyOpenCL or the address of one");
  }
  return number(pointer);
}

cl_command_queue queue_of(nb::handle object) {
  if (object.is_none()) refuse("queue is None, expected a pyopencl.CommandQueue");
  return reinterpret_cast<cl_command_queue>(address_of(object, "queue"));
}

WaitList::WaitList(nb::handle events) {
  if (events.is_none()) return;
  for (const nb::handle event : nb::iter(events))
    events_.push_back(reinterpret_cast<cl_event>(address_of(event, "wait_for")));
}

DeviceOperands::~DeviceOperands() {
  for (const cl_mem part : parts_)
    clReleaseMemObject(part);
}

cl_mem DeviceOperands::get(nb::handle object, const char* name) {
  if (object.is_none()) return nullptr;
  if (PyLong_Check(object.ptr())) return reinterpret_cast<cl_mem>(number(object));
  const nb::object pointer = attribute(object, "int_ptr");
  if (pointer.is_valid()) return reinterpret_cast<cl_mem>(number(pointer));
  return part_of(object, name);
}

cl_mem DeviceOperands::part_of(nb::handle array, const char* name) {
  const nb::object base = attribute(array, "base_data");
  if (!base.is_valid() || (!base.is_none() && !attribute(base, "int_ptr").is_valid())) {
    refuse(std::string(name) + " is of type " + class_of(array) +
           ", expected a buffer or an array of PyOpenCL");
  }
  if (base.is_none()) return nullptr;  // no elements
  const auto whole = reinterpret_cast<cl_mem>(number(base.attr("int_ptr")));
  const std::size_t offset = number(array.attr("offset"));
  if (offset == 0) return whole;
  const cl_buffer_region region{offset, number(array.attr("nbytes"))};
  cl_int code = CL_SUCCESS;
  const cl_mem part = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
  if (code == CL_MISALIGNED_SUB_BUFFER_OFFSET) {
    refuse(std::string(name) + " starts " + std::to_string(offset) +
           " bytes inside its buffer, where the device cannot address it: copy it");
  }
  check_opencl(code, "clCreateSubBuffer");
  parts_.push_back(part);
  return part;
}

HostOperands::~HostOperands() {
  for (Entry& entry : entries_)
    PyBuffer_Release(&entry.view);
}

void HostOperands::add(nb::handle array, const char* name, Access access, cl_mem* slot) {
  *slot = nullptr;
  if (array.is_none()) return;
  Entry entry{};
  entry.name = name;
  entry.access = access;
  entry.slot = slot;
  const int flags = PyBUF_C_CONTIGUOUS | (access == Access::kRead ? 0 : PyBUF_WRITABLE);
  if (PyObject_GetBuffer(array.ptr(), &entry.view, flags) != 0) {
    PyErr_Clear();
    refuse(std::string(name) + " is of type " + class_of(array) + ", expected " +
           (access == Access::kRead ? "an array" : "a writable array") + " in C order");
  }
  try {
    entries_.push_back(entry);
  } catch (...) {
    PyBuffer_Release(&entry.view);
    throw;
  }
}

void HostOperands::run(const std::function<clconv_status(cl_command_queue)>& enqueue) {
  guard_fork();
  check_apart();
  const nb::gil_scoped_release no_python;
  QueueLoan loan(*device_);
  const cl_command_queue queue = loan.get();
  try {
    open(queue, false);
    clconv_status status = enqueue(queue);
    if (status == CLCONV_INVALID_ARGUMENT && device_->shares_host_memory()) {
      // NumPy aligns to 16 bytes; a plan that uses CLBlast refuses that, others take it.
      bool all_aligned = true;
      for (const Entry& entry : entries_)
        all_aligned = all_aligned && aligned(entry);
      if (!all_aligned) {
        close();
        open(queue, true);
        status = enqueue(queue);
      }
    }
    check(status);
    collect(queue);
  } catch (...) {
    clFinish(queue);  // nothing writes to the arrays once they are given back
    close();
    throw;
  }
  close();
}

// The library sees it where arrays are used where they lie, but not in copies.
void HostOperands::check_apart() const {
  const auto begin = [](const Entry& e) { return reinterpret_cast<std::uintptr_t>(e.view.buf); };
  const auto end = [&](const Entry& e) {
    return begin(e) + static_cast<std::uintptr_t>(e.view.len);
  };
  for (const Entry& written : entries_) {
    if (written.access == Access::kRead) continue;
    for (const Entry& other : entries_) {
      if (&other == &written || begin(other) >= end(written) || begin(written) >= end(other))
        continue;
      refuse(std::string(written.name) + " and " + other.name + " overlap in memory");
    }
  }
}

bool HostOperands::aligned(const Entry& entry) const {
  return reinterpret_cast<std::uintptr_t>(entry.view.buf) % device_->alignment() == 0;
}

void HostOperands::open(cl_command_queue queue, bool copy_unaligned) {
  for (Entry& entry : entries_) {
    const bool copy = !device_->shares_host_memory() || (copy_unaligned && !aligned(entry));
    if (entry.view.len > 0) open(entry, queue, copy);
  }
}

void HostOperands::open(Entry& entry, cl_command_queue queue, bool copy) {
  const auto bytes = static_cast<std::size_t>(entry.view.len);
  cl_mem_flags flags = entry.access == Access::kRead ? CL_MEM_READ_ONLY : CL_MEM_READ_WRITE;
  if (!copy) flags |= CL_MEM_USE_HOST_PTR;
  cl_int code = CL_SUCCESS;
  *entry.slot =
      clCreateBuffer(device_->opencl(), flags, bytes, copy ? nullptr : entry.view.buf, &code);
  check_opencl(code, "clCreateBuffer");
  entry.copied = copy;
  if (!copy || entry.access == Access::kWrite) return;
  check_opencl(clEnqueueWriteBuffer(queue, *entry.slot, CL_FALSE, 0, bytes, entry.view.buf, 0,
                                    nullptr, nullptr),
               "clEnqueueWriteBuffer");
}

void HostOperands::collect(cl_command_queue queue) {
  for (Entry& entry : entries_) {
    if (*entry.slot == nullptr || entry.access == Access::kRead) continue;
    const auto bytes = static_cast<std::size_t>(entry.view.len);
    if (entry.copied) {
      check_opencl(clEnqueueReadBuffer(queue, *entry.slot, CL_FALSE, 0, bytes, entry.view.buf, 0,
                                       nullptr, nullptr),
                   "clEnqueueReadBuffer");
      continue;
    }
    // The host's memory has the result once it is mapped: two commands, 13 to 18 us on PoCL 3.1, which needs none.
    if (device_->needs_no_map()) continue;
    cl_int code = CL_SUCCESS;
    void* mapped = clEnqueueMapBuffer(queue, *entry.slot, CL_FALSE, CL_MAP_READ, 0, bytes, 0,
                                      nullptr, nullptr, &code);
    check_opencl(code, "clEnqueueMapBuffer");
    check_opencl(clEnqueueUnmapMemObject(queue, *entry.slot, mapped, 0, nullptr, nullptr),
                 "clEnqueueUnmapMemObject");
  }
  check_opencl(clFinish(queue), "clFinish");
}

void HostOperands::close() {
  for (Entry& entry : entries_) {
    if (*entry.slot != nullptr) clReleaseMemObject(*entry.slot);
    *entry.slot = nullptr;
  }
}

}  // namespace clconv_python
