// Kernels that are compiled when they are first launched: until then they are texts, of which another program may be
// made.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "runtime/opencl.hpp"

namespace clconv::core {

// The text of a program: its source, with or without the declarations that ProgramCache puts in front of it, and its
// build options.
struct ProgramText {
  std::string source;
  std::string options;
  bool operator==(const ProgramText& other) const {
    return source == other.source && options == other.options;
  }
};
using ProgramTextPtr = std::shared_ptr<const ProgramText>;

class Kernel {
 public:
  // Of a program that was built from source.
  Kernel(const cl::Kernel& compiled);
  Kernel(ProgramTextPtr text, std::string function, const cl::Kernel& compiled)
      : text_(std::move(text)), function_(std::move(function)), compiled_(compiled) {}
  // `make` compiles it.
  Kernel(ProgramTextPtr text, std::string function, std::function<cl::Kernel()> make)
      : text_(std::move(text)), function_(std::move(function)), make_(std::move(make)) {}

  const ProgramTextPtr& text() const { return text_; }
  const std::string& function() const { return function_; }
  // Null where it is not.
  const cl::Kernel& compiled() const { return compiled_; }
  // To be launched. Throws Error{kBuildFailed}.
  cl::Kernel ready() const { return make_ ? make_() : compiled_; }
  operator cl::Kernel() const { return ready(); }

 private:
  ProgramTextPtr text_;
  std::string function_;
  cl::Kernel compiled_;
  std::function<cl::Kernel()> make_;
};

}  // namespace clconv::core
