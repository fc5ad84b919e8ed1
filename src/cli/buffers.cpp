#include "cli/buffers.hpp"

namespace clconv::cli {
namespace {

void check_cl(cl_int status, const std::string& what) {
  if (status != CL_SUCCESS) {
    throw std::runtime_error(what + " failed: OpenCL status " + std::to_string(status));
  }
}

std::size_t byte_size(const Array& array) {
  return array.values.size() * sizeof(float);
}

}  // namespace

cl::Buffer Workbench::allocate(std::int64_t bytes) const {
  cl_int status = CL_SUCCESS;
  cl::Buffer buffer(cl, CL_MEM_READ_WRITE, static_cast<std::size_t>(bytes), nullptr, &status);
  check_cl(status, "device allocation of " + std::to_string(bytes) + " bytes");
  return buffer;
}

cl::Buffer Workbench::upload(const Array& array) const {
  cl::Buffer buffer = allocate(static_cast<std::int64_t>(byte_size(array)));
  check_cl(queue.enqueueWriteBuffer(buffer, CL_TRUE, 0, byte_size(array), array.values.data()),
           "copying " + std::to_string(byte_size(array)) + " bytes to the device");
  return buffer;
}

void Workbench::download(const cl::Buffer& buffer, Array& array) const {
  check_cl(queue.enqueueReadBuffer(buffer, CL_TRUE, 0, byte_size(array), array.values.data()),
           "reading the result of " + std::to_string(byte_size(array)) + " bytes from the device");
}

void Workbench::finish() const {
  check_cl(queue.finish(), "execution");
}

}  // namespace clconv::cli
