// What happens to a process that leaves contexts to the end: each case is a process of its own, and passes if it
// ends well.
#include <cstdlib>

#include "support/application.hpp"

using namespace clconv::test;

namespace {

// A context and a plan whose product went through CLBlast.
struct Held {
  clconv_context context = nullptr;
  clconv_plan plan = nullptr;

  void fill() {
    REQUIRE(clconv_context_create_on(nullptr, nullptr, &context) == CLCONV_OK);
    clconv::Problem problem("n2c8h14w14k16kh3kw3p1");
    clconv::PlanOptions options;
    options.strategy = "im2col_gemm";
    REQUIRE(clconv_plan_create(context, &problem, &options, &plan) == CLCONV_OK);
  }
  void release() {
    clconv_plan_release(plan);
    clconv_context_release(context);
  }
};

}  // namespace

TEST_CASE("a static object of the application that releases its context when the process ends") {
  struct Static : Held {
    ~Static() { release(); }
  };
  static Static held;  // made before the library's own static objects: destroyed after them
  held.fill();
}

TEST_CASE("a context that is released by atexit()") {
  static Held* const held = new Held;
  REQUIRE(std::atexit([] { held->release(); }) == 0);
  held->fill();
}

TEST_CASE("a context that is never released, with work in flight") {
  static Held* const held = new Held;
  held->fill();
  cl_context cl = nullptr;
  cl_device_id device = nullptr;
  REQUIRE(clconv_context_get(held->context, &cl, &device) == CLCONV_OK);
  const cl::Context context(cl, true);
  const cl::CommandQueue queue(context, cl::Device(device, true));
  const auto make = [&](std::size_t bytes) {
    return cl::Buffer(context, CL_MEM_READ_WRITE, bytes);
  };
  clconv_operands raw;
  clconv_operands_init(&raw);
  const cl::Buffer x = make(12544), w = make(4608), y = make(25088);
  raw.x = x(), raw.w = w(), raw.y = y();
  for (int i = 0; i < 20; ++i)
    CHECK(clconv_plan_execute(held->plan, queue(), &raw, 0, nullptr, nullptr) == CLCONV_OK);
}
