#include "cli/buffers.hpp"

namespace clconv::cli {
namespace {

void check_cl(cl_int status, const std::string& what) {
  if (status != CL_SUCCESS) {
    throw std::runtime_error(what + " failed: OpenCL status " + std::to_string(status));
  }
}

}  // namespace

cl::Buffer Workbench::allocate(std::int64_t bytes) const {
  if (bytes == 0) return cl::Buffer();  // OpenCL has none of 0 bytes
  cl_int status = CL_SUCCESS;
  cl::Buffer buffer(cl, CL_MEM_READ_WRITE, static_cast<std::size_t>(bytes), nullptr, &status);
  check_cl(status, "device allocation of " + std::to_string(bytes) + " bytes");
  return buffer;
}

cl::Buffer Workbench::upload(const Array& array) const {
  const std::vector<unsigned char> bytes = array.bytes();
  cl::Buffer buffer = allocate(static_cast<std::int64_t>(bytes.size()));
  if (bytes.empty()) return buffer;
  check_cl(queue.enqueueWriteBuffer(buffer, CL_TRUE, 0, bytes.size(), bytes.data()),
           "copying " + std::to_string(bytes.size()) + " bytes to the device");
  return buffer;
}

void Workbench::download(const cl::Buffer& buffer, Array& array) const {
  std::vector<unsigned char> bytes = array.bytes();
  if (bytes.empty()) return;
  check_cl(queue.enqueueReadBuffer(buffer, CL_TRUE, 0, bytes.size(), bytes.data()),
           "reading the result of " + std::to_string(bytes.size()) + " bytes from the device");
  array.set(bytes);
}

void Workbench::finish() const {
  check_cl(queue.finish(), "execution");
}

}  // namespace clconv::cli
