// Arrays to the device and back.
#pragma once

#include "clconv/clconv.hpp"
#include "cli/npy.hpp"

namespace clconv::cli {

// A context with a queue on its device, for verbs that compute.
struct Workbench {
  Context context;
  cl::Context cl;
  cl::CommandQueue queue;

  explicit Workbench(Context opened)
      : context(std::move(opened)), cl(context.opencl_context()), queue(cl, context.device()) {}

  // These throw std::runtime_error that names the size.
  cl::Buffer allocate(std::int64_t bytes) const;
  cl::Buffer upload(const Array& array) const;
  void download(const cl::Buffer& buffer, Array& array) const;
  void finish() const;
};

}  // namespace clconv::cli
