// clconv.hpp: C++17 over clconv.h, header only. Owns handles, throws clconv::Error instead of
// returning statuses, takes and gives CLHPP objects. What a call does, its units, thread rules and
// errors are documented at the C function it wraps.
#ifndef CLCONV_CLCONV_HPP
#define CLCONV_CLCONV_HPP

// CL_HPP_TARGET_OPENCL_VERSION and CL_HPP_MINIMUM_OPENCL_VERSION are the application's. Where neither is
// set, CLHPP has all that the C headers have, and asks each platform for its version before it calls
// what OpenCL 1.2 lacks: that is what a minimum of 110 means. (With 120 beside a newer target,
// some releases of CLHPP do not compile.)
#if !defined(CL_HPP_TARGET_OPENCL_VERSION)
#if defined(CL_TARGET_OPENCL_VERSION)
#define CL_HPP_TARGET_OPENCL_VERSION CL_TARGET_OPENCL_VERSION
#elif !defined(CL_HPP_MINIMUM_OPENCL_VERSION)
#define CL_HPP_TARGET_OPENCL_VERSION 300
#endif
#if !defined(CL_HPP_MINIMUM_OPENCL_VERSION) && CL_HPP_TARGET_OPENCL_VERSION >= 200
#define CL_HPP_MINIMUM_OPENCL_VERSION 110
#endif
#endif
// CLHPP's own minimum is 200, which it refuses beside an older target.
#if !defined(CL_HPP_MINIMUM_OPENCL_VERSION) && CL_HPP_TARGET_OPENCL_VERSION < 200
#define CL_HPP_MINIMUM_OPENCL_VERSION CL_HPP_TARGET_OPENCL_VERSION
#endif
#include <CL/opencl.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "clconv/clconv.h"

namespace clconv {

// A status that is not CLCONV_OK, as an exception: what() is the line that clconv_last_error() has.
class Error : public std::runtime_error {
 public:
  explicit Error(clconv_status status)
      : std::runtime_error(clconv_last_error()),
        status_(status),
        detail_(clconv_last_error_detail()) {}
  Error(clconv_status status, const std::string& text)
      : std::runtime_error(text), status_(status) {}
  // Never CLCONV_OK.
  clconv_status status() const noexcept { return status_; }
  // What does not fit a line (a build log), or "".
  const std::string& detail() const noexcept { return detail_; }

 private:
  clconv_status status_;
  std::string detail_;
};

// Throws Error where a call of the C ABI failed.
inline void check(clconv_status status) {
  if (status != CLCONV_OK) throw Error(status);
}

// Takes over a string that the C ABI returned.
inline std::string take(char* text) {
  const std::unique_ptr<char, void (*)(char*)> owner(text, clconv_free);
  return text;
}

inline std::string version() {
  return clconv_version();
}

inline bool pin_pocl_threads() {
  return clconv_pin_pocl_threads() != 0;
}

// clconv_problem with its defaults set. `Problem p("n1c3h227w227k96kh11kw11s4"); p.activation = CLCONV_RELU;`
struct Problem : clconv_problem {
  Problem() { clconv_problem_init(this); }
  explicit Problem(const std::string& text) {
    clconv_problem_init(this);
    check(clconv_problem_parse(text.c_str(), this));
  }
  // x (n,inputs) to y (n,outputs).
  static Problem fully_connected(int64_t n, int64_t inputs, int64_t outputs) {
    Problem result;
    check(clconv_problem_fully_connected(n, inputs, outputs, &result));
    return result;
  }
  std::string text() const {
    char* result = nullptr;
    check(clconv_problem_format(this, &result));
    return take(result);
  }
  clconv_problem_info info() const {
    clconv_problem_info result{};
    result.struct_size = sizeof(result);
    check(clconv_problem_query(this, &result));
    return result;
  }
  // What to plan for a transposed convolution whose caller sees these fields.
  Problem transposed(std::int64_t output_pad_h = 0, std::int64_t output_pad_w = 0) const {
    Problem result;
    check(clconv_problem_transposed(this, output_pad_h, output_pad_w, &result));
    return result;
  }
};

// clconv_plan_options with its defaults set.
struct PlanOptions : clconv_plan_options {
  PlanOptions() { clconv_plan_options_init(this); }
};

// clconv_gemm_params with its defaults set.
struct GemmParams : clconv_gemm_params {
  GemmParams() { clconv_gemm_params_init(this); }
};

// clconv_context_options with its defaults set.
struct ContextOptions : clconv_context_options {
  ContextOptions() { clconv_context_options_init(this); }
};

// All devices as JSON.
inline std::string devices() {
  char* json = nullptr;
  check(clconv_devices(&json));
  return take(json);
}

inline cl::Device select_device(const std::string& spec = "") {
  cl_device_id device = nullptr;
  check(clconv_select_device(spec.c_str(), &device));
  return cl::Device(device, true);
}

// The report for a device that is not here; `profile` is what Context::profile() returned there.
inline std::string explain_profile(const std::string& profile, const Problem& problem,
                                   const PlanOptions& options = PlanOptions()) {
  char* json = nullptr;
  check(clconv_explain_profile(profile.c_str(), &problem, &options, &json));
  return take(json);
}

// The buffers of an execution; what is left out is null.
struct Operands {
  cl::Buffer x, w, b, y, dx, dw, db, dy, prepared, workspace, r, slopes, scale;
};

// clconv_softmax_params with its defaults set.
struct SoftmaxParams : clconv_softmax_params {
  SoftmaxParams() { clconv_softmax_params_init(this); }
};
// clconv_sgd_params with its defaults set.
struct SgdParams : clconv_sgd_params {
  SgdParams() { clconv_sgd_params_init(this); }
};
// clconv_adam_params with its defaults set.
struct AdamParams : clconv_adam_params {
  AdamParams() { clconv_adam_params_init(this); }
};
// clconv_pooling with its defaults set.
struct Pooling : clconv_pooling {
  Pooling() { clconv_pooling_init(this); }
  clconv_pooling_info info() const {
    clconv_pooling_info result{};
    result.struct_size = sizeof(result);
    check(clconv_pooling_query(this, &result));
    return result;
  }
};

// What is left out of the results is not computed.
struct SoftmaxOperands {
  cl::Buffer logits, labels, loss, correct, probabilities, dlogits;
};

// A wait list in and an event out, both optional, as everywhere in CLHPP.
using Events = std::vector<cl::Event>;

namespace detail {
struct WaitList {
  std::vector<cl_event> handles;
  explicit WaitList(const Events* events) {
    if (events == nullptr) return;
    for (const cl::Event& event : *events)
      handles.push_back(event());
  }
  cl_uint size() const { return static_cast<cl_uint>(handles.size()); }
  const cl_event* data() const { return handles.empty() ? nullptr : handles.data(); }
};

// Hands a returned cl_event to the caller's cl::Event, if there is one.
class EventOut {
 public:
  explicit EventOut(cl::Event* target) : target_(target) {}
  cl_event* get() { return target_ != nullptr ? &event_ : nullptr; }
  void deliver() {
    if (target_ != nullptr) *target_ = cl::Event(event_);
  }

 private:
  cl::Event* target_;
  cl_event event_ = nullptr;
};
}  // namespace detail

// Immutable and cheap to copy (a counted reference).
class Plan {
 public:
  Plan() = default;
  // Takes over a handle, and its reference.
  explicit Plan(clconv_plan owned) : handle_(owned) {}
  Plan(const Plan& other) : handle_(other.handle_) {
    if (handle_ != nullptr) check(clconv_plan_retain(handle_));
  }
  Plan(Plan&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Plan& operator=(Plan other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Plan() { clconv_plan_release(handle_); }

  // The handle, for calls of the C ABI.
  clconv_plan get() const { return handle_; }

  clconv_plan_info info() const {
    clconv_plan_info result{};
    result.struct_size = sizeof(result);
    check(clconv_plan_get_info(handle_, &result));
    return result;
  }

  // Every candidate and why this one, as JSON.
  std::string report() const {
    char* json = nullptr;
    check(clconv_plan_report(handle_, &json));
    return take(json);
  }

  void prepare(const cl::CommandQueue& queue, const cl::Buffer& w, const cl::Buffer& prepared,
               const Events* wait = nullptr, cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_plan_prepare(handle_, queue(), w(), prepared(), list.size(), list.data(),
                              out.get()));
    out.deliver();
  }

  // The same into a buffer of its own, to be given to executions as Operands::prepared. Null where the
  // strategy uses the weights as they are: give them `w` in any case.
  cl::Buffer prepare(const cl::CommandQueue& queue, const cl::Buffer& w,
                     const Events* wait = nullptr, cl::Event* event = nullptr) const {
    const auto bytes = static_cast<std::size_t>(info().prepared_weights_bytes);
    cl::Buffer prepared;
    if (bytes > 0) {
      // Not by cl::Buffer's constructor: whether that throws is up to CL_HPP_ENABLE_EXCEPTIONS.
      cl_int status = CL_SUCCESS;
      prepared = cl::Buffer(clCreateBuffer(queue.getInfo<CL_QUEUE_CONTEXT>()(), CL_MEM_READ_WRITE,
                                           bytes, nullptr, &status));
      if (status != CL_SUCCESS) {
        throw Error(CLCONV_OUT_OF_MEMORY, "clCreateBuffer of " + std::to_string(bytes) +
                                              " bytes for prepared weights failed: OpenCL status " +
                                              std::to_string(status));
      }
    }
    prepare(queue, w, prepared, wait, event);
    return prepared;
  }

  void execute(const cl::CommandQueue& queue, const Operands& operands,
               const Events* wait = nullptr, cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    const clconv_operands raw = raw_of(operands);
    check(clconv_plan_execute(handle_, queue(), &raw, list.size(), list.data(), out.get()));
    out.deliver();
  }

  // Executes once and waits: device time per step, as JSON.
  std::string profile(const Operands& operands) const {
    const clconv_operands raw = raw_of(operands);
    char* json = nullptr;
    check(clconv_plan_profile(handle_, &raw, &json));
    return take(json);
  }

 private:
  static clconv_operands raw_of(const Operands& o) {
    clconv_operands raw;
    clconv_operands_init(&raw);
    raw.x = o.x();
    raw.w = o.w();
    raw.b = o.b();
    raw.y = o.y();
    raw.dx = o.dx();
    raw.dw = o.dw();
    raw.db = o.db();
    raw.dy = o.dy();
    raw.prepared = o.prepared();
    raw.workspace = o.workspace();
    raw.r = o.r();
    raw.slopes = o.slopes();
    raw.scale = o.scale();
    return raw;
  }

  clconv_plan handle_ = nullptr;
};

// Move-only.
class Context {
 public:
  // On the caller's cl::Context and device.
  Context(const cl::Context& context, const cl::Device& device,
          const ContextOptions& options = ContextOptions()) {
    check(clconv_context_create(context(), device(), &options, &handle_));
  }
  // On a cl::Context of its own; `spec` "" is the default device.
  explicit Context(const std::string& spec = "", const ContextOptions& options = ContextOptions()) {
    check(clconv_context_create_on(spec.c_str(), &options, &handle_));
  }
  Context(Context&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Context& operator=(Context&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Context() { clconv_context_release(handle_); }
  // Shares a context of the C ABI.
  static Context shared(clconv_context handle) {
    check(clconv_context_retain(handle));
    return Context(handle);
  }

  // The handle, for calls of the C ABI.
  clconv_context get() const { return handle_; }

  cl::Context opencl_context() const {
    cl_context result = nullptr;
    check(clconv_context_get(handle_, &result, nullptr));
    return cl::Context(result, true);
  }
  cl::Device device() const {
    cl_device_id result = nullptr;
    check(clconv_context_get(handle_, nullptr, &result));
    return cl::Device(result, true);
  }

  Plan plan(const Problem& problem, const PlanOptions& options = PlanOptions()) const {
    clconv_plan result = nullptr;
    check(clconv_plan_create(handle_, &problem, &options, &result));
    return Plan(result);
  }

  // The report without a plan, also where nothing can run.
  std::string explain(const Problem& problem, const PlanOptions& options = PlanOptions()) const {
    char* json = nullptr;
    check(clconv_explain(handle_, &problem, &options, &json));
    return take(json);
  }

  clconv_memory_info memory() const {
    clconv_memory_info result{};
    result.struct_size = sizeof(result);
    check(clconv_context_memory(handle_, &result));
    return result;
  }
  void trim() const { check(clconv_context_trim(handle_)); }

  std::string profile(bool measure = false) const {
    char* json = nullptr;
    check(clconv_context_profile(handle_, measure ? 1 : 0, &json));
    return take(json);
  }

  std::string stats() const {
    char* json = nullptr;
    check(clconv_context_stats(handle_, &json));
    return take(json);
  }

  void im2col(const cl::CommandQueue& queue, const Problem& problem, clconv_layout layout,
              const cl::Buffer& x, const cl::Buffer& cols, const Events* wait = nullptr,
              cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_im2col(handle_, queue(), &problem, layout, x(), cols(), list.size(), list.data(),
                        out.get()));
    out.deliver();
  }

  void col2im(const cl::CommandQueue& queue, const Problem& problem, clconv_layout layout,
              clconv_col2im_variant variant, const cl::Buffer& cols, const cl::Buffer& dx,
              const Events* wait = nullptr, cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_col2im(handle_, queue(), &problem, layout, variant, cols(), dx(), list.size(),
                        list.data(), out.get()));
    out.deliver();
  }

  void gemm(const cl::CommandQueue& queue, const clconv_gemm_params& params, const cl::Buffer& a,
            const cl::Buffer& b, const cl::Buffer& c, const Events* wait = nullptr,
            cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(
        clconv_gemm(handle_, queue(), &params, a(), b(), c(), list.size(), list.data(), out.get()));
    out.deliver();
  }

  // ---- network operations

  void relu(const cl::CommandQueue& queue, int64_t count, const cl::Buffer& x, const cl::Buffer& y,
            const Events* wait = nullptr, cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_relu(handle_, queue(), count, x(), y(), list.size(), list.data(), out.get()));
    out.deliver();
  }

  void relu_backward(const cl::CommandQueue& queue, int64_t count, const cl::Buffer& y,
                     const cl::Buffer& dy, const cl::Buffer& dx, const Events* wait = nullptr,
                     cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_relu_backward(handle_, queue(), count, y(), dy(), dx(), list.size(), list.data(),
                               out.get()));
    out.deliver();
  }

  void softmax_cross_entropy(const cl::CommandQueue& queue, const SoftmaxParams& params,
                             const SoftmaxOperands& operands, const Events* wait = nullptr,
                             cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    clconv_softmax_operands raw;
    clconv_softmax_operands_init(&raw);
    raw.logits = operands.logits();
    raw.labels = operands.labels();
    raw.loss = operands.loss();
    raw.correct = operands.correct();
    raw.probabilities = operands.probabilities();
    raw.dlogits = operands.dlogits();
    check(clconv_softmax_cross_entropy(handle_, queue(), &params, &raw, list.size(), list.data(),
                                       out.get()));
    out.deliver();
  }

  // `velocity` may be null where momentum is 0.
  void sgd(const cl::CommandQueue& queue, const SgdParams& params, const cl::Buffer& w,
           const cl::Buffer& dw, const cl::Buffer& velocity, const Events* wait = nullptr,
           cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_sgd(handle_, queue(), &params, w(), dw(), velocity(), list.size(), list.data(),
                     out.get()));
    out.deliver();
  }

  void adam(const cl::CommandQueue& queue, const AdamParams& params, const cl::Buffer& w,
            const cl::Buffer& dw, const cl::Buffer& moment1, const cl::Buffer& moment2,
            const Events* wait = nullptr, cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_adam(handle_, queue(), &params, w(), dw(), moment1(), moment2(), list.size(),
                      list.data(), out.get()));
    out.deliver();
  }

  void pooling_forward(const cl::CommandQueue& queue, const Pooling& pooling, const cl::Buffer& x,
                       const cl::Buffer& y, const Events* wait = nullptr,
                       cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_pooling_forward(handle_, queue(), &pooling, x(), y(), list.size(), list.data(),
                                 out.get()));
    out.deliver();
  }

  // `x` may be null for averages.
  void pooling_backward(const cl::CommandQueue& queue, const Pooling& pooling, const cl::Buffer& x,
                        const cl::Buffer& dy, const cl::Buffer& dx, const Events* wait = nullptr,
                        cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut out(event);
    check(clconv_pooling_backward(handle_, queue(), &pooling, x(), dy(), dx(), list.size(),
                                  list.data(), out.get()));
    out.deliver();
  }

 private:
  explicit Context(clconv_context handle) : handle_(handle) {}

  clconv_context handle_ = nullptr;
};

// clconv_batch_options with its defaults set.
struct BatchOptions : clconv_batch_options {
  BatchOptions() { clconv_batch_options_init(this); }
};

// The host's memory for a run of a batch; what is left out is null.
struct HostOperands : clconv_host_operands {
  HostOperands() { clconv_host_operands_init(this); }
};

// One problem over several devices. Keeps the contexts alive. Move-only.
class Batch {
 public:
  Batch(const std::vector<Context>& contexts, const Problem& problem,
        const BatchOptions& options = BatchOptions()) {
    std::vector<clconv_context> handles;
    for (const Context& context : contexts)
      handles.push_back(context.get());
    check(clconv_batch_create(handles.data(), handles.size(), &problem, &options, &handle_));
  }
  Batch(Batch&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Batch& operator=(Batch&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Batch() { clconv_batch_release(handle_); }

  // The handle, for calls of the C ABI.
  clconv_batch get() const { return handle_; }

  // What one device does.
  clconv_batch_part part(std::size_t index) const {
    clconv_batch_part result{};
    result.struct_size = sizeof(result);
    check(clconv_batch_get_part(handle_, index, &result));
    return result;
  }

  // Packs the weights on all devices, for runs to come whose w is null.
  void prepare(const void* w) const { check(clconv_batch_prepare(handle_, w)); }
  // Computes on all devices, and waits.
  void run(const HostOperands& operands) const { check(clconv_batch_run(handle_, &operands)); }

 private:
  clconv_batch handle_ = nullptr;
};

// Wisdom files; `path` "" is the user's own.
inline std::string wisdom_path() {
  char* path = nullptr;
  check(clconv_wisdom_path(&path));
  return take(path);
}

// All records as JSON.
inline std::string wisdom_read(const std::string& path = "") {
  char* json = nullptr;
  check(clconv_wisdom_read(path.c_str(), &json));
  return take(json);
}

// Throws where records could not be kept in it now.
inline void wisdom_check(const std::string& path = "") {
  check(clconv_wisdom_check(path.c_str()));
}

inline void wisdom_export(const std::string& path, const std::string& to) {
  check(clconv_wisdom_export(path.c_str(), to.c_str()));
}

// These return the number of records (of lines) merged or removed.
inline std::int64_t wisdom_import(const std::string& path, const std::string& from) {
  std::int64_t count = 0;
  check(clconv_wisdom_import(path.c_str(), from.c_str(), &count));
  return count;
}

inline std::int64_t wisdom_forget(const std::string& path, const std::string& problem = "",
                                  const std::string& device = "") {
  std::int64_t count = 0;
  check(clconv_wisdom_forget(path.c_str(), problem.c_str(), device.c_str(), &count));
  return count;
}

inline std::int64_t wisdom_forget_unreadable(const std::string& path = "") {
  std::int64_t count = 0;
  check(clconv_wisdom_forget_unreadable(path.c_str(), &count));
  return count;
}

}  // namespace clconv

#endif  // CLCONV_CLCONV_HPP
