// What the public operations of clconv.h have in common: each checks its arguments, binds its buffers, and enqueues
// steps that the context makes once and keeps.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "api_support.hpp"
#include "runtime/buffers.hpp"

namespace clconv::core::api {

// A buffer as an operation takes it.
struct Operand {
  cl_mem buffer;
  std::int64_t bytes;
  const char* name;
  Access access = Access::kRead;
  bool optional = false;
};

// One call of an operation.
class Call {
 public:
  // Throws Error{kInvalidArgument} for a context or a queue that it cannot work on.
  Call(clconv_context context, cl_command_queue queue, const Dependencies& dependencies)
      : context_(context_of(context)),
        queue_(queue),
        in_order_(check_queue(device(), queue)),
        dependencies_(dependencies) {}

  Device& device() const { return context_.device(); }
  Bindings& bindings() { return bindings_; }

  // Checks the buffers and binds them to the slots 0, 1, ... in their order. `in_place`: pairs of names that may be
  // one range.
  void bind(const char* who, std::initializer_list<Operand> operands,
            const std::vector<std::pair<const char*, const char*>>& in_place = {}) {
    std::vector<BufferUse> uses;
    int slot = 0;
    for (const Operand& operand : operands) {
      const bool absent = operand.buffer == nullptr && operand.optional;
      uses.push_back({operand.name, operand.buffer, absent ? 0 : operand.bytes, operand.access});
      bindings_.bind(slot++, operand.buffer);
    }
    check_buffers(device(), uses, who, in_place);
  }

  // Enqueues what `make()` gives, which the context keeps under `key`.
  template <class Make>
  void run(const std::string& key, Make&& make) {
    check_wait_list(device(), dependencies_.count, dependencies_.list);
    enqueue(*context_.operation(key, make), device(), queue_, in_order_, bindings_, {},
            dependencies_);
  }

 private:
  Context& context_;
  cl_command_queue queue_;
  bool in_order_;
  Dependencies dependencies_;
  Bindings bindings_;
};

// Runs `body` on a call; no exception gets past here.
template <class Body>
clconv_status operate(clconv_context context, cl_command_queue queue,
                      const Dependencies& dependencies, Body&& body) noexcept {
  return guarded([&] {
    Call call(context, queue, dependencies);
    body(call);
  });
}

// Throw Error{kInvalidArgument} that names the argument, its value and what was expected.
inline std::int64_t at_least_one(std::int64_t value, const char* name) {
  if (value < 1) bad(std::string(name) + "=" + std::to_string(value) + ": must be at least 1");
  return value;
}
// Of a batch, which may be empty.
inline std::int64_t at_least_none(std::int64_t value, const char* name) {
  if (value < 0) bad(std::string(name) + "=" + std::to_string(value) + ": must be at least 0");
  return value;
}

}  // namespace clconv::core::api
