// The public API as an application uses it: only the installed headers and the shared library.
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "clconv/clconv.hpp"
#include "doctest/doctest.h"
#include "support/application.hpp"
#include "support/temp.hpp"

using namespace clconv::test;

namespace {

std::vector<float> noise(std::int64_t bytes, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(bytes / 4));
  for (float& v : values)
    v = uniform(engine);
  return values;
}

// A problem with buffers full of noise.
struct Case {
  clconv::Problem problem;
  clconv_problem_info info;
  clconv::Operands operands;

  explicit Case(const std::string& text, bool epilogue = false) : problem(text) {
    problem.bias = epilogue ? 1 : 0;
    problem.activation = epilogue ? CLCONV_RELU : CLCONV_NO_ACTIVATION;
    info = problem.info();
    operands.x = device_buffer(noise(info.x_bytes, 1));
    operands.w = device_buffer(noise(info.w_bytes, 2));
    if (epilogue) operands.b = device_buffer(noise(info.b_bytes, 3));
    operands.y = empty_buffer(info.y_bytes);
  }
  std::vector<float> run(const clconv::Plan& plan, const cl::CommandQueue& queue) {
    operands.y = empty_buffer(info.y_bytes);
    plan.execute(queue, operands);
    queue.finish();
    return read(operands.y);
  }
};

clconv::Plan plan_with(const Case& c, const char* strategy) {
  clconv::PlanOptions options;
  options.strategy = strategy;
  return context().plan(c.problem, options);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double error = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = error <= worst ? worst : error;
  }
  return worst;
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Environment() { ::unsetenv(name_); }

 private:
  const char* name_;
};

const char* const kDense = "n2c19h13w11k21kh3kw3p1";
// At a stride that only a padded copy of x serves, in the workspace; and packed weights.
const char* const kPadded = "n2c40h31w23k40kh3kw3s3p1";
const char* const kPointwise = "n3c8h6w7k12kh1kw1";

}  // namespace

TEST_CASE("the planned result is naive's, with and without epilogue") {
  for (const char* text : {kDense, kPointwise, "n2c6h11w13k18kh3kw3s2p1g6"}) {
    for (const bool epilogue : {false, true}) {
      CAPTURE(text);
      Case c(text, epilogue);
      const auto queue = make_queue();
      CHECK(largest_difference(c.run(context().plan(c.problem), queue),
                               c.run(plan_with(c, "naive"), queue)) < 1e-4);
    }
  }
}

TEST_CASE("prepared or not, own workspace or the library's, sub-buffers: the same bits") {
  for (const char* strategy : {"implicit_gemm", "im2col_gemm"}) {
    CAPTURE(std::string(strategy));
    Case c(kPadded, true);
    const clconv::Plan plan = plan_with(c, strategy);
    const auto queue = make_queue();
    const auto info = plan.info();
    CHECK(std::string(info.strategy) == strategy);
    if (info.workspace_bytes == 0 && info.strategy == std::string("implicit_gemm")) {
      MESSAGE("skipped: the device's body of implicit_gemm needs no workspace");
      continue;
    }
    REQUIRE(info.workspace_bytes > 0);
    REQUIRE(info.prepared_weights_bytes > 0);
    CHECK(info.workspace_unprepared_bytes >= info.workspace_bytes + info.prepared_weights_bytes);
    const auto unprepared = c.run(plan, queue);
    c.operands.workspace = empty_buffer(info.workspace_unprepared_bytes);
    CHECK(c.run(plan, queue) == unprepared);
    c.operands.prepared = empty_buffer(info.prepared_weights_bytes);
    plan.prepare(queue, c.operands.w, c.operands.prepared);
    const cl::Buffer weights = c.operands.w;
    c.operands.w = cl::Buffer();  // no longer needed
    CHECK(c.run(plan, queue) == unprepared);
    c.operands.workspace = cl::Buffer();
    CHECK(c.run(plan, queue) == unprepared);
    // A workspace that is itself a part of a larger buffer.
    const std::size_t align = clconv::select_device().getInfo<CL_DEVICE_MEM_BASE_ADDR_ALIGN>() / 8;
    cl::Buffer large =
        empty_buffer(static_cast<std::int64_t>(align) + info.workspace_unprepared_bytes);
    cl_buffer_region region{align, static_cast<std::size_t>(info.workspace_unprepared_bytes)};
    c.operands.workspace =
        large.createSubBuffer(CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region);
    c.operands.prepared = cl::Buffer();
    c.operands.w = weights;
    CHECK(c.run(plan, queue) == unprepared);
  }
}

TEST_CASE("wait lists and events, on in-order and out-of-order queues") {
  for (const cl_command_queue_properties properties : queue_kinds(clconv::select_device())) {
    for (const char* strategy : {"naive", "implicit_gemm", "im2col_gemm"}) {
      CAPTURE(std::string(strategy));
      Case c(kDense, true);
      const clconv::Plan plan = plan_with(c, strategy);
      const auto expected = c.run(plan, make_queue());
      const auto queue = own_queue(properties);
      c.operands.y = empty_buffer(c.info.y_bytes);
      cl::UserEvent gate(application_context());
      const clconv::Events wait = {gate};
      cl::Event done;
      plan.execute(queue, c.operands, &wait, &done);
      queue.flush();
      CHECK(done.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() != CL_COMPLETE);
      gate.setStatus(CL_COMPLETE);
      done.wait();
      CHECK(done.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() == CL_COMPLETE);
      CHECK(read(c.operands.y, queue) == expected);
    }
  }
}

TEST_CASE("many executions in flight on an out-of-order queue do not disturb each other") {
  if (skips_out_of_order(clconv::select_device())) return;
  Case c(kDense);
  for (const char* strategy : {"implicit_gemm", "im2col_gemm"}) {
    const clconv::Plan plan = plan_with(c, strategy);
    const auto expected = c.run(plan, make_queue());
    const auto queue = own_queue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    std::vector<clconv::Operands> operands(24, c.operands);
    for (auto& o : operands) {
      o.y = empty_buffer(c.info.y_bytes);
      plan.execute(queue, o);
    }
    queue.finish();
    for (const auto& o : operands)
      CHECK(read(o.y, queue) == expected);
  }
}

TEST_CASE(
    "an active wait policy changes no result, also behind a gate and on threads, and words are "
    "checked") {
  {
    const Environment policy("CLCONV_WAIT_POLICY", "idle");
    CHECK(error_of(CLCONV_INVALID_ARGUMENT, [] {
            clconv::Context(application_context(), clconv::select_device());
          }) == "CLCONV_WAIT_POLICY is 'idle', expected active or passive");
  }
  const Environment policy("CLCONV_WAIT_POLICY", "active");
  const auto kinds = queue_kinds(clconv::select_device());
  const clconv::Context active(application_context(), clconv::select_device());
  for (const char* strategy : {"implicit_gemm", "winograd"}) {
    CAPTURE(std::string(strategy));
    Case c(kDense, true);
    const auto expected = c.run(plan_with(c, strategy), make_queue());
    clconv::PlanOptions options;
    options.strategy = strategy;
    const clconv::Plan plan = active.plan(c.problem, options);
    std::vector<std::vector<float>> results(4);
    std::vector<std::thread> threads;
    for (auto& result : results) {
      threads.emplace_back([&, mine = &result - results.data()] {
        const auto queue = own_queue(kinds[static_cast<std::size_t>(mine) % kinds.size()]);
        clconv::Operands operands = c.operands;
        operands.y = empty_buffer(c.info.y_bytes);
        cl::UserEvent gate(application_context());
        const clconv::Events wait = {gate};
        cl::Event before;
        plan.execute(queue, operands, &wait, &before);
        for (int i = 0; i < 20; ++i) {
          const clconv::Events chain = {before};
          cl::Event done;
          plan.execute(queue, operands, &chain, &done);
          before = done;
        }
        queue.flush();
        gate.setStatus(CL_COMPLETE);
        queue.finish();
        result = read(operands.y, queue);
      });
    }
    for (auto& thread : threads)
      thread.join();
    for (const auto& result : results)
      CHECK(result == expected);
  }
}

TEST_CASE("one plan from many threads at once, one queue each or one for all") {
  Case c(kDense, true);
  for (const char* strategy : {"implicit_gemm", "im2col_gemm"}) {
    const clconv::Plan plan = plan_with(c, strategy);
    const auto expected = c.run(plan, make_queue());
    for (const bool shared_queue : {false, true}) {
      const auto shared = make_queue();
      std::vector<std::vector<float>> results(6);
      std::vector<std::thread> threads;
      for (auto& result : results) {
        threads.emplace_back([&, queue = shared_queue ? shared : own_queue()] {
          clconv::Operands operands = c.operands;
          operands.y = empty_buffer(c.info.y_bytes);
          for (int i = 0; i < 20; ++i)
            plan.execute(queue, operands);
          queue.finish();
          result = read(operands.y, queue);
        });
      }
      for (std::thread& thread : threads)
        thread.join();
      for (const auto& result : results)
        CHECK(result == expected);
    }
  }
}

TEST_CASE("planning from many threads at once gives one plan") {
  Case c("n1c4h10w9k8kh3kw3p1");
  std::vector<std::string> reports(6);
  std::vector<std::thread> threads;
  for (std::string& report : reports) {
    threads.emplace_back([&] { report = context().plan(c.problem).report(); });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (const std::string& report : reports)
    CHECK(report == reports.front());
}

TEST_CASE("a plan made under a time limit is not the answer without one") {
  Case c("n1c3h9w10k6kh3kw3p1");
  clconv::PlanOptions options;
  options.rigor = CLCONV_MEASURE;
  options.allow = "naive,implicit_gemm";
  options.time_limit_s = 1e-9;
  const std::string cut_short = "\"code\": \"time_limit\"";
  CHECK(context().plan(c.problem, options).report().find(cut_short) != std::string::npos);
  options.time_limit_s = 0;
  CHECK(context().plan(c.problem, options).report().find(cut_short) == std::string::npos);
}

TEST_CASE("no allocation in the steady state") {
  Case c(kDense);
  const clconv::Plan plan = plan_with(c, "im2col_gemm");
  const auto queue = make_queue();
  c.run(plan, queue);
  const std::string before = context().stats();
  for (int i = 0; i < 50; ++i)
    plan.execute(queue, c.operands);
  queue.finish();
  CHECK(context().stats() == before);  // neither scratch nor programs grew
}

TEST_CASE("nothing is left of contexts, plans, executions and failures but the caller's handles") {
  const cl::Context own(clconv::select_device());
  const auto references = [&] { return own.getInfo<CL_CONTEXT_REFERENCE_COUNT>(); };
  const cl::CommandQueue queue(own, clconv::select_device());
  const auto before = references();
  {
    const clconv::Context library(own, clconv::select_device());
    for (const char* strategy : {"naive", "implicit_gemm", "pointwise_gemm"}) {
      clconv::PlanOptions options;
      options.strategy = strategy;
      const clconv::Problem problem("n1c4h9w8k5kh3kw3p1");
      if (std::string(strategy) == "pointwise_gemm") {
        CHECK_THROWS(library.plan(problem, options));
        continue;
      }
      const clconv::Plan plan = library.plan(problem, options);
      const auto buffer = [&](std::int64_t bytes) {
        return cl::Buffer(own, CL_MEM_READ_WRITE, static_cast<std::size_t>(bytes));
      };
      clconv::Operands operands;
      operands.x = buffer(problem.info().x_bytes);
      operands.w = buffer(problem.info().w_bytes);
      CHECK_THROWS(plan.execute(queue, operands));
      operands.y = buffer(problem.info().y_bytes);
      cl::Event event;
      plan.execute(queue, operands, nullptr, &event);
      plan.execute(queue, operands);
      queue.finish();
    }
    CHECK(references() > before);
  }
  // Mesa's thread lets go of a finished event's objects a little later.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (references() != before && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(references() == before);
}

TEST_CASE("a plan outlives the handle of its context, and executions the handle of their plan") {
  Case c(kDense);
  const auto expected = c.run(context().plan(c.problem), make_queue());
  const auto queue = make_queue();
  clconv::Plan plan;
  {
    const clconv::Context short_lived(application_context(), clconv::select_device());
    plan = short_lived.plan(c.problem);
  }
  plan.execute(queue, c.operands);
  plan = clconv::Plan();
  queue.finish();
  CHECK(read(c.operands.y) == expected);
}

TEST_CASE(
    "options that select code are never confused: ReLU, bias, dilation, stride in one context") {
  const auto queue = make_queue();
  for (const char* strategy : {"naive", "implicit_gemm", "im2col_gemm"}) {
    CAPTURE(std::string(strategy));
    std::vector<std::vector<float>> results;
    for (const char* text :
         {"n1c3h11w11k5kh3kw3p2d2", "n1c3h11w11k5kh3kw3p1", "n1c3h11w11k5kh3kw3p1s2"}) {
      for (const int bias : {0, 1}) {
        for (const int relu : {0, 1}) {
          Case c(text, true);
          c.problem.bias = bias;
          c.problem.activation = relu;
          results.push_back(c.run(plan_with(c, strategy), queue));
        }
      }
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j)
        CHECK(results[i] != results[j]);
    }
  }
}

TEST_CASE("values that are none of an enumeration's names are refused, with the field") {
  const std::pair<const char*, int32_t clconv_problem::*> fields[] = {
      {"direction", &clconv_problem::direction},
      {"activation", &clconv_problem::activation},
      {"data_type", &clconv_problem::data_type},
      {"layout", &clconv_problem::layout},
      {"weights_layout", &clconv_problem::weights_layout}};
  for (const auto& [name, field] : fields) {
    for (const int32_t value : {-1, 99}) {
      Case c(kDense);
      c.problem.*field = value;
      CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { c.problem.info(); }) ==
            std::string(name) + " " + std::to_string(value) + " is unknown");
    }
  }
}

TEST_CASE("float16 and TF32 products: the option is checked, and a shorter struct means float32") {
  const clconv::Problem problem(kDense);
  clconv::PlanOptions options;
  for (const int32_t value : {-1, 3}) {
    options.math = value;
    CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { context().explain(problem, options); }) ==
          "math " + std::to_string(value) + " is unknown");
  }
  const auto allows = [&](const char* math) {
    return context().explain(problem, options).find(std::string("\"math\": \"") + math + '"') !=
           std::string::npos;
  };
  options.math = CLCONV_MATH_TF32;
  CHECK(allows("tf32"));
  options.math = CLCONV_MATH_FLOAT16;
  CHECK(allows("f16"));
  options.struct_size = offsetof(clconv_plan_options, math);
  CHECK_FALSE(allows("f16"));
}

TEST_CASE("a residual that is missing, and a float16 buffer of half the size") {
  Case c(kDense);
  c.problem.residual = 1;
  const auto queue = make_queue();
  const clconv::Plan plan = plan_with(c, "naive");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          plan.execute(queue, c.operands);
        }).find("buffer r is missing, the plan for ") == 0);
  const auto whole = c.problem.info();
  c.problem.data_type = CLCONV_FLOAT16;
  const auto half = c.problem.info();
  CHECK(2 * half.x_bytes == whole.x_bytes);
  CHECK(2 * half.w_bytes == whole.w_bytes);
  CHECK(2 * half.y_bytes == whole.y_bytes);
  c.problem.residual = 0;
  const clconv::Plan halves = plan_with(c, "naive");
  CHECK(halves.info().error_bound > 0x1p-11);
  CHECK(halves.info().error_floor == 0x1p-25);
  c.problem.data_type = CLCONV_BFLOAT16;
  CHECK(c.problem.info().x_bytes == half.x_bytes);
  CHECK(plan_with(c, "naive").info().error_bound > 0x1p-8);
  CHECK(std::string(clconv_data_type_name(CLCONV_BFLOAT16)) == "bf16");
  CHECK(std::string(clconv_data_type_name(3)) == "?");
  CHECK(std::string(clconv_activation_name(CLCONV_GELU)) == "gelu");
  CHECK(std::string(clconv_activation_name(CLCONV_PRELU)) == "prelu");
  CHECK(std::string(clconv_activation_name(11)) == "?");
  CHECK(std::string(clconv_activation_name(-1)) == "?");
  CHECK(plan.report().find("\"storage\": \"\"") != std::string::npos);
  CHECK(halves.report().find("\"storage\": \"f16\"") != std::string::npos);
}

TEST_CASE("the slopes of PReLU are an operand, checked as the bias is") {
  Case c(kDense);
  c.problem.activation = CLCONV_PRELU;
  const auto queue = make_queue();
  const clconv::Plan plan = plan_with(c, "naive");
  const auto refused = [&] {
    return error_of(CLCONV_INVALID_ARGUMENT, [&] { plan.execute(queue, c.operands); });
  };
  CHECK(refused() ==
        "buffer slopes is missing, the plan for n2c19h13w11k21kh3kw3p1 needs 84 bytes");
  c.operands.slopes = empty_buffer(80);
  CHECK(refused().find("buffer slopes has 80 bytes") == 0);
  c.operands.slopes = c.operands.y;
  CHECK(refused() == "buffers slopes and y overlap, and one of them is written");
  c.operands.slopes = device_buffer(std::vector<float>(21, 0.0f));
  const auto rectified = c.run(plan, queue);
  c.operands.slopes = device_buffer(std::vector<float>(21, 1.0f));
  const auto sums = c.run(plan, queue);
  c.problem.activation = CLCONV_NO_ACTIVATION;
  CHECK(c.run(plan_with(c, "naive"), queue) == sums);
  c.problem.activation = CLCONV_RELU;
  CHECK(c.run(plan_with(c, "naive"), queue) == rectified);  // -0 is 0
  CHECK(rectified != sums);
  // A caller that does not know the operand.
  clconv_operands raw;
  clconv_operands_init(&raw);
  raw.struct_size = offsetof(clconv_operands, slopes);
  raw.x = c.operands.x(), raw.w = c.operands.w(), raw.y = c.operands.y();
  CHECK(clconv_plan_execute(plan.get(), queue(), &raw, 0, nullptr, nullptr) ==
        CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()).find("buffer slopes is missing") == 0);
  CHECK(clconv_plan_execute(plan_with(c, "naive").get(), queue(), &raw, 0, nullptr, nullptr) ==
        CLCONV_OK);
  queue.finish();
  CHECK(read(c.operands.y) == rectified);
}

TEST_CASE("a result and an input that are channels of a larger tensor, and a scale") {
  Case c("n2c4h8w8k16kh3kw3p1");
  const auto queue = make_queue();
  const clconv::Plan dense = plan_with(c, "naive");
  const std::vector<float> expected = c.run(dense, queue);
  // Channels 16 to 31 of 40.
  constexpr std::int64_t kPlane = 64, kWhole = 40 * kPlane, kImage = 16 * kPlane;
  c.problem.y_image_stride = kWhole;
  const clconv::Plan plan = plan_with(c, "naive");
  const cl::Buffer whole = device_buffer(std::vector<float>(2 * kWhole, 7.0f));
  const auto part = [&](std::int64_t elements) {
    const cl_buffer_region region{16 * kPlane * 4, static_cast<std::size_t>(4 * elements)};
    cl_int status = CL_SUCCESS;
    cl::Buffer made(clCreateSubBuffer(whole(), CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION,
                                      &region, &status));
    REQUIRE(status == CL_SUCCESS);
    return made;
  };
  c.operands.y = part(kWhole + kImage - 1);
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          plan.execute(queue, c.operands);
        }).find("buffer y has 14332 bytes") == 0);
  c.operands.y = part(kWhole + kImage);
  plan.execute(queue, c.operands);
  queue.finish();
  const std::vector<float> all = read(whole);
  for (std::int64_t i = 0; i < 2 * kWhole; ++i) {
    const std::int64_t at = i % kWhole - 16 * kPlane;
    const bool own = at >= 0 && at < kImage;
    const auto index = static_cast<std::size_t>(i / kWhole * kImage + at);
    if (all[static_cast<std::size_t>(i)] != (own ? expected[index] : 7.0f)) {
      FAIL("element " << i);
    }
  }
  // The same numbers are the input of a convolution, and one twice as large with a scale of 2.
  Case next("n2c16h8w8k3kh1kw1");
  next.operands.x = device_buffer(expected);
  const std::vector<float> wanted = next.run(plan_with(next, "implicit_gemm"), queue);
  next.problem.x_image_stride = kWhole;
  next.problem.scale = 1;
  next.operands.x = c.operands.y;
  const clconv::Plan scaled = plan_with(next, "implicit_gemm");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { scaled.execute(queue, next.operands); }) ==
        "buffer scale is missing, the plan for n2c16h8w8k3kh1kw1 needs 24 bytes");
  next.operands.scale = device_buffer(std::vector<float>(6, 2.0f));
  std::vector<float> twice = wanted;
  for (float& value : twice)
    value *= 2;
  CHECK(next.run(scaled, queue) == twice);
  c.problem.y_image_stride = kImage - 1;
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [&] { plan_with(c, "naive"); }) ==
        "y_image_stride=1023: must be 0 or at least the elements of an image, 1024");
}

TEST_CASE("a mask without an activation is ReLU's, with one the backward of that") {
  Case c(kDense);
  const auto queue = make_queue();
  c.problem.direction = CLCONV_BACKWARD_BIAS;
  c.problem.mask = 1;
  c.operands.dy = device_buffer(noise(c.info.y_bytes, 5));
  c.operands.y = device_buffer(noise(c.info.y_bytes, 6));
  const auto bias_gradient = [&](clconv_activation activation) {
    c.problem.activation = activation;
    const clconv::Plan plan = context().plan(c.problem);
    CHECK(plan.report().find(std::string("\"activation\": \"") +
                             clconv_activation_name(
                                 activation == CLCONV_NO_ACTIVATION ? CLCONV_RELU : activation) +
                             "\"") != std::string::npos);
    c.operands.db = empty_buffer(c.info.b_bytes);
    plan.execute(queue, c.operands);
    queue.finish();
    return read(c.operands.db);
  };
  const auto relu = bias_gradient(CLCONV_NO_ACTIVATION);
  CHECK(bias_gradient(CLCONV_RELU) == relu);
  CHECK(bias_gradient(CLCONV_SIGMOID) != relu);
  c.problem.activation = CLCONV_SILU;
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [&] { c.problem.info(); }) ==
        "mask has no backward of silu: y does not tell the derivative");
  c.problem.mask = 0;
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [&] { c.problem.info(); }) ==
        "silu is part of forward and transposed, and backward of mask, the direction is "
        "backward-bias");
  c.problem.direction = CLCONV_FORWARD;
  c.problem.mask = 1;
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [&] { c.problem.info(); }) ==
        "mask is part of the backward directions, the direction is forward");
}

TEST_CASE("measuring leaves the caller's buffers alone and gives times") {
  Case c("n1c8h12w12k16kh3kw3p1");
  const auto x = read(c.operands.x);
  clconv::PlanOptions options;
  options.rigor = CLCONV_MEASURE;
  const clconv::Plan plan = context().plan(c.problem, options);
  CHECK(plan.info().measured_us > 0);
  CHECK(read(c.operands.x) == x);
  CHECK(plan.report().find("\"source\": \"now\"") != std::string::npos);
}

TEST_CASE("a forced strategy is reported as the one used, if it cannot run, the error says why") {
  Case c(kDense);
  for (const char* strategy : {"naive", "im2col_gemm", "implicit_gemm"}) {
    CHECK(std::string(plan_with(c, strategy).info().strategy) == strategy);
  }
  CHECK(error_of(CLCONV_CONSTRAINT, [&] { plan_with(c, "pointwise_gemm"); }) ==
        "no strategy can run " + std::string(kDense) +
            ": pointwise_gemm (kh is 3, applies only where it is 1)");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          plan_with(c, "winograf");
        }).find("strategy 'winograf' is unknown, expected one of naive") == 0);
}

TEST_CASE("a workspace limit holds, down to nothing") {
  Case c(kDense);
  clconv::PlanOptions options;
  options.workspace_limit_bytes = 0;
  const auto none = context().plan(c.problem, options).info();
  CHECK(none.workspace_unprepared_bytes == 0);
  const auto queue = make_queue();
  for (const char* strategy : {"im2col_gemm", "im2row_lean", ""}) {  // "": the planner's choice
    CAPTURE(std::string(strategy));
    options.strategy = strategy;
    options.workspace_limit_bytes = 0;
    if (*strategy != '\0') {
      const std::string refusal =
          error_of(CLCONV_CONSTRAINT, [&] { context().plan(c.problem, options); });
      CHECK(refusal.find("the limit is 0") != std::string::npos);
      // What it says it needs is enough. How much that is depends on the device.
      const std::string needs = "needs at least ";
      const auto at = refusal.find(needs);
      REQUIRE(at != std::string::npos);
      options.workspace_limit_bytes = std::stoll(refusal.substr(at + needs.size()));
      CHECK(options.workspace_limit_bytes < 400000);
    }
    const clconv::Plan limited = context().plan(c.problem, options);
    CHECK(limited.info().workspace_unprepared_bytes <= options.workspace_limit_bytes);
    CHECK(largest_difference(c.run(limited, queue), c.run(plan_with(c, "naive"), queue)) < 1e-4);
  }
}

TEST_CASE(
    "the environment decides what the options leave open, and only that, the report says so") {
  Case c(kDense);
  {
    const Environment strategy("CLCONV_STRATEGY", "naive");
    CHECK(std::string(context().plan(c.problem).info().strategy) == "naive");
    CHECK(context().plan(c.problem).report().find("\"CLCONV_STRATEGY\": \"naive\"") !=
          std::string::npos);
    CHECK(std::string(plan_with(c, "im2col_gemm").info().strategy) == "im2col_gemm");
    CHECK(std::string(plan_with(c, "").info().strategy) != "naive");  // free, whatever is set
  }
  CHECK(std::string(context().plan(c.problem).info().strategy) != "naive");
  for (const char* word : {"wisdom_only", "wisdom-only"}) {
    const Environment rigor("CLCONV_RIGOR", word);
    CHECK(error_of(CLCONV_CONSTRAINT, [&] { context().plan(c.problem); }).find("no wisdom") !=
          std::string::npos);
    CHECK(context().explain(c.problem).find("\"CLCONV_RIGOR\": \"wisdom_only\"") !=
          std::string::npos);
    clconv::PlanOptions options;
    options.rigor = CLCONV_ESTIMATE;
    CHECK_NOTHROW(context().plan(c.problem, options));
  }
  const Environment limit("CLCONV_WORKSPACE_LIMIT", "lots");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { context().plan(c.problem); }) ==
        "environment variable CLCONV_WORKSPACE_LIMIT: 'lots' is not a number of bytes");
}

TEST_CASE("planning for a device that is not here: the body follows from the profile") {
  const clconv::Problem problem("n8c64h56w56k64kh3kw3p1");
  const clconv::PlanOptions options;
  const auto choice = [&](std::string profile) {
    const std::string report = clconv::explain_profile(profile, problem, options);
    const auto at = report.find("\"config\": \"", report.find("\"chosen\"")) + 11;
    return report.substr(at, report.find('"', at) - at);
  };
  const auto replaced = [](std::string text, const std::string& name, const std::string& value) {
    const auto at = text.find("\"" + name + "\": ") + name.size() + 4;
    return text.replace(at, text.find_first_of(",\n", at) - at, value);
  };
  std::string cpu = context().profile();
  // All speeds: those of the device may be measured ones, of any size.
  cpu = replaced(replaced(replaced(cpu, "family", "\"cpu\""), "float_width", "8"), "peak_gflops",
                 "500.0");
  cpu = replaced(replaced(cpu, "bandwidth_gbs", "30.0"), "launch_us", "5.0");
  CHECK(choice(cpu).find("vw=8") != std::string::npos);
  std::string gpu = replaced(replaced(cpu, "family", "\"gpu\""), "float_width", "1");
  gpu = replaced(replaced(gpu, "peak_gflops", "20000.0"), "bandwidth_gbs", "900.0");
  gpu = replaced(replaced(gpu, "compute_units", "80"), "max_work_group_size", "1024");
  gpu = replaced(replaced(gpu, "local_memory_bytes", "49152"), "local_memory_dedicated", "true");
  CHECK(choice(gpu).find("bm=") != std::string::npos);
  char* json = nullptr;
  CHECK(clconv_explain_profile("{}", &problem, &options, &json) == CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()) == "device profile: field 'name' is missing");
  CHECK(json == nullptr);
}

TEST_CASE("buffers that are missing or too small are named with what is needed") {
  Case c(kDense, true);
  const clconv::Plan plan = plan_with(c, "implicit_gemm");
  const auto queue = make_queue();
  const auto expect = [&](clconv::Operands operands, const std::string& start) {
    CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { plan.execute(queue, operands); }).find(start) ==
          0);
  };
  clconv::Operands o = c.operands;
  o.x = cl::Buffer();
  expect(o, "buffer x is missing, the plan for n2c19h13w11k21kh3kw3p1 needs 21736 bytes");
  o = c.operands;
  o.b = cl::Buffer();
  expect(o, "buffer b is missing");
  o = c.operands;
  o.y = empty_buffer(c.info.y_bytes - 4);
  expect(o, "buffer y has 24020 bytes, the plan for n2c19h13w11k21kh3kw3p1 needs 24024");
  o = c.operands;
  o.workspace = empty_buffer(64);
  expect(o, "buffer workspace has 64 bytes");
  o = c.operands;
  o.prepared = empty_buffer(64);
  expect(o, "buffer prepared has 64 bytes");
  o = c.operands;
  o.w = cl::Buffer();
  expect(o, "buffer w is missing");
}

TEST_CASE("buffers and queues of another cl_context are named, by every call that takes them") {
  const cl::Context other(clconv::select_device());
  const cl::CommandQueue other_queue(other, clconv::select_device());
  const auto foreign = [&](std::int64_t bytes) {
    return cl::Buffer(other, CL_MEM_READ_WRITE, static_cast<std::size_t>(bytes));
  };
  const auto expect = [&](const std::string& who, auto&& call) {
    CHECK(error_of(CLCONV_INVALID_ARGUMENT, call) == who + " belongs to another cl_context");
  };
  Case c(kDense, true);
  const clconv::Plan plan = plan_with(c, "implicit_gemm");
  const auto info = plan.info();
  const auto queue = make_queue();
  expect("queue", [&] { plan.execute(other_queue, c.operands); });
  clconv::Operands o = c.operands;
  o.x = foreign(c.info.x_bytes);
  expect("buffer x", [&] { plan.execute(queue, o); });
  o = c.operands;
  o.y = foreign(c.info.y_bytes);
  expect("buffer y", [&] { plan.execute(queue, o); });
  expect("buffer y", [&] { plan.profile(o); });
  o = c.operands;
  o.workspace = foreign(info.workspace_unprepared_bytes);
  expect("buffer workspace", [&] { plan.execute(queue, o); });
  const cl::Buffer prepared = foreign(info.prepared_weights_bytes);
  expect("buffer prepared", [&] { plan.prepare(queue, c.operands.w, prepared); });
  expect("queue", [&] { plan.prepare(other_queue, c.operands.w, prepared); });
  const clconv::Problem p("n1c1h3w3k1kh2kw2");
  const cl::Buffer x = empty_buffer(36), cols = empty_buffer(64), matrix = empty_buffer(36);
  expect("buffer x", [&] { context().im2col(queue, p, CLCONV_ROWS, foreign(36), cols); });
  expect("queue", [&] { context().im2col(other_queue, p, CLCONV_ROWS, x, cols); });
  expect("buffer dx",
         [&] { context().col2im(queue, p, CLCONV_ROWS, CLCONV_COL2IM_GATHER, cols, foreign(36)); });
  clconv_gemm_params gemm;
  clconv_gemm_params_init(&gemm);
  gemm.m = gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = 3;
  expect("buffer b", [&] { context().gemm(queue, gemm, matrix, foreign(36), matrix); });
}

TEST_CASE("structs of older callers are read and written as far as both know them") {
  // What an older header's struct ends before; the bytes behind it belong to the caller.
  constexpr std::size_t kOld = offsetof(clconv_plan_options, deterministic);
  const clconv_plan_options untouched = [] {
    clconv_plan_options o;
    std::memset(&o, 0x5A, sizeof(o));
    return o;
  }();
  clconv_plan_options older = untouched;
  clconv_plan_options_defaults(&older, kOld);
  CHECK(older.struct_size == kOld);
  CHECK(older.rigor == CLCONV_RIGOR_DEFAULT);
  CHECK(older.workspace_limit_bytes == -1);
  CHECK(older.deterministic == untouched.deterministic);
  CHECK(older.strategy == untouched.strategy);
  clconv_plan_options unsized = untouched;
  clconv_plan_options_defaults(&unsized, sizeof(std::size_t) - 1);
  CHECK(std::memcmp(&unsized, &untouched, sizeof(unsized)) == 0);

  // Read: what lies beyond the older struct is not looked at.
  Case c(kDense);
  clconv_plan plan = nullptr;
  REQUIRE(clconv_plan_create(context().get(), &c.problem, &older, &plan) == CLCONV_OK);
  clconv_plan_info info;
  std::memset(&info, 0x5A, sizeof(info));
  const clconv_plan_info poisoned = info;
  info.struct_size = offsetof(clconv_plan_info, prepared_weights_bytes);
  CHECK(clconv_plan_get_info(plan, &info) == CLCONV_OK);
  CHECK(info.struct_size == offsetof(clconv_plan_info, prepared_weights_bytes));
  CHECK(info.workspace_bytes >= 0);
  CHECK(info.prepared_weights_bytes == poisoned.prepared_weights_bytes);
  CHECK(info.steps == poisoned.steps);
  clconv_plan_release(plan);
}

TEST_CASE("structs of newer callers are read and written as far as both know them") {
  // Longer than ours: defaults and results fill the tail with zeroes.
  struct Newer {
    clconv_plan_options known;
    std::int64_t unknown[2];
  } newer;
  std::memset(&newer, 0x5A, sizeof(newer));
  clconv_plan_options_defaults(&newer.known, sizeof(newer));
  CHECK(newer.known.struct_size == sizeof(newer));
  CHECK(newer.known.workspace_limit_bytes == -1);
  CHECK(newer.unknown[0] == 0);
  CHECK(newer.unknown[1] == 0);
  // Read: accepted while it asks for nothing that is unknown here.
  Case c(kDense);
  clconv_plan plan = nullptr;
  REQUIRE(clconv_plan_create(context().get(), &c.problem, &newer.known, &plan) == CLCONV_OK);
  struct NewerInfo {
    clconv_plan_info known;
    std::int64_t unknown;
  } newer_info;
  std::memset(&newer_info, 0x5A, sizeof(newer_info));
  newer_info.known.struct_size = sizeof(newer_info);
  CHECK(clconv_plan_get_info(plan, &newer_info.known) == CLCONV_OK);
  CHECK(newer_info.known.steps > 0);
  CHECK(newer_info.unknown == 0);
  clconv_plan_release(plan);
  plan = nullptr;
  newer.unknown[1] = 1;
  CHECK(clconv_plan_create(context().get(), &c.problem, &newer.known, &plan) ==
        CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()).find("clconv_plan_options has fields that this version") ==
        0);
  CHECK(plan == nullptr);
}

TEST_CASE("a problem of a caller who knows no direction and no epilogue, both ways") {
  clconv_problem problem;
  std::memset(&problem, 0x5A, sizeof(problem));
  clconv_problem_defaults(&problem, offsetof(clconv_problem, direction));
  const clconv_direction behind = problem.direction;
  CHECK(clconv_problem_parse(kDense, &problem) == CLCONV_OK);
  CHECK(problem.direction == behind);
  char* text = nullptr;
  CHECK(clconv_problem_format(&problem, &text) == CLCONV_OK);
  CHECK(clconv::take(text) == kDense);
}

TEST_CASE("nulls, unknown values and structs of another size are refused") {
  clconv_plan plan = nullptr;
  clconv::Problem problem(kDense);
  clconv::PlanOptions options;
  CHECK(clconv_plan_create(nullptr, &problem, &options, &plan) == CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()) == "context is NULL");
  CHECK(clconv_plan_create(context().get(), nullptr, &options, &plan) == CLCONV_INVALID_ARGUMENT);
  CHECK(clconv_plan_create(context().get(), &problem, &options, nullptr) ==
        CLCONV_INVALID_ARGUMENT);
  options.struct_size = 100000;
  CHECK(clconv_plan_create(context().get(), &problem, &options, &plan) == CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()).find("clconv_plan_options.struct_size is 100000") == 0);
  options.struct_size = offsetof(clconv_plan_options, strategy);  // an older caller
  CHECK(clconv_plan_create(context().get(), &problem, &options, &plan) == CLCONV_OK);
  clconv_plan_release(plan);
  plan = nullptr;
  options = clconv::PlanOptions();
  options.rigor = 17;
  CHECK(clconv_plan_create(context().get(), &problem, &options, &plan) == CLCONV_INVALID_ARGUMENT);
  problem.g = 5;
  CHECK(clconv_plan_create(context().get(), &problem, nullptr, &plan) == CLCONV_INVALID_PROBLEM);
  CHECK(std::string(clconv_last_error()) == "c=19 is not a multiple of g=5");
  CHECK(plan == nullptr);
  CHECK(clconv_plan_execute(nullptr, nullptr, nullptr, 0, nullptr, nullptr) ==
        CLCONV_INVALID_ARGUMENT);
  clconv_plan_release(nullptr);
  clconv_context_release(nullptr);
  clconv_free(nullptr);
  CHECK(std::string(clconv_status_name(CLCONV_IO)) == "CLCONV_IO");
  CHECK(std::string(clconv_status_name(99)) == "?");
}

TEST_CASE("a wait list with an event that is none is refused, not shortened") {
  Case c(kDense);
  const clconv::Plan plan = context().plan(c.problem);
  const cl::CommandQueue queue = make_queue();
  const clconv::Events none = {cl::Event()};
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { plan.execute(queue, c.operands, &none); },
           [&] { context().relu(queue, 1, c.operands.x, c.operands.x, &none); }}) {
    CHECK(error_of(CLCONV_INVALID_ARGUMENT, call) == "event 0 of the wait list is NULL");
  }
}

TEST_CASE("the last error belongs to its thread") {
  clconv::Problem problem;
  CHECK(clconv_problem_parse("n0", &problem) == CLCONV_INVALID_PROBLEM);
  const std::string here = clconv_last_error();
  std::thread([] { CHECK(std::string(clconv_last_error()).empty()); }).join();
  CHECK(clconv_last_error() == here);
}

TEST_CASE("problems to text and back, and their sizes") {
  const clconv::Problem problem("k64n1c3h224w224kh7kw7p3s2");
  CHECK(problem.text() == "n1c3h224w224k64kh7kw7s2p3");
  CHECK(problem.info().oh == 112);
  CHECK(problem.info().y_bytes == 64 * 112 * 112 * 4);
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [] {
          clconv::Problem("n1c1");
        }).find("field h is missing") != std::string::npos);
}

TEST_CASE("a transposed convolution is planned as its caller sees it") {
  clconv::Problem seen;
  seen.n = 2, seen.c = 6, seen.h = 5, seen.w = 4, seen.k = 4, seen.kh = seen.kw = 3;
  seen.sh = seen.sw = 2, seen.pt = seen.pl = seen.pb = seen.pr = 1, seen.activation = CLCONV_RELU;
  const clconv::Problem problem = seen.transposed(1, 0);
  CHECK(problem.text() == "n2c4h10w7k6kh3kw3s2p1");
  CHECK(problem.direction == CLCONV_TRANSPOSED);
  CHECK(problem.activation == CLCONV_RELU);
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [&] { seen.transposed(2); }) ==
        "output_pad_h=2: must be at least 0 and less than the larger of stride and dilation, 2");
  // x = 1 and w = 1: every pixel counts the taps that reach it.
  clconv::Problem one;
  one.h = one.w = one.kh = one.kw = 2;
  const auto queue = make_queue();
  clconv::Operands operands;
  operands.x = operands.w = device_buffer({1, 1, 1, 1});
  operands.y = empty_buffer(9 * 4);
  const clconv::Plan plan = context().plan(one.transposed());
  operands.prepared = plan.prepare(queue, operands.w);
  plan.execute(queue, operands);
  queue.finish();
  CHECK(read(operands.y) == std::vector<float>{1, 2, 1, 2, 4, 2, 1, 2, 1});
}

TEST_CASE("prepare gives a buffer of its own, or none where the weights stay as they are") {
  Case c(kDense);
  for (const auto* strategy : {"im2col_gemm", "naive"}) {
    CAPTURE(std::string(strategy));
    const clconv::Plan plan = plan_with(c, strategy);
    const auto bytes = static_cast<std::size_t>(plan.info().prepared_weights_bytes);
    const auto queue = make_queue();
    const auto without = c.run(plan, queue);
    cl::Event event;
    c.operands.prepared = plan.prepare(queue, c.operands.w, nullptr, &event);
    CHECK(event() != nullptr);
    CHECK((c.operands.prepared() != nullptr) == (bytes > 0));
    if (bytes > 0) CHECK(c.operands.prepared.getInfo<CL_MEM_SIZE>() == bytes);
    CHECK(c.run(plan, queue) == without);
    c.operands.prepared = cl::Buffer();
  }
}

TEST_CASE("wisdom files and the version from C++") {
  CHECK(clconv::version() == clconv_version());
  CHECK(clconv::wisdom_path().empty());  // off in the tests
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [] { clconv::wisdom_read(); }) ==
        "wisdom is off, there is no file");
  const clconv::test::TempFolder folder;
  const std::string path = folder.path("w.jsonl"), copy = folder.path("copy.jsonl");
  CHECK(clconv::wisdom_read(path).find("\"records\": []") != std::string::npos);
  CHECK(error_of(CLCONV_IO, [&] { clconv::wisdom_export(path, copy); }).find(path) !=
        std::string::npos);
  clconv::ContextOptions options;
  options.wisdom_path = path.c_str();
  const clconv::Context learning(application_context(), clconv::select_device(), options);
  clconv::PlanOptions measure;
  measure.rigor = CLCONV_MEASURE;
  const clconv::Problem problem(kPointwise);
  learning.plan(problem, measure);
  CHECK(clconv::wisdom_read(path).find(problem.text()) != std::string::npos);
  clconv::wisdom_export(path, copy);
  CHECK(clconv::wisdom_forget(path, problem.text(), "no such device") == 0);
  CHECK(clconv::wisdom_forget(path, problem.text()) == 1);
  CHECK(clconv::wisdom_read(path).find(problem.text()) == std::string::npos);
  CHECK(clconv::wisdom_import(path, copy) >= 1);
  CHECK(clconv::wisdom_read(path).find(problem.text()) != std::string::npos);
  CHECK(clconv::wisdom_forget_unreadable(path) == 0);
}

TEST_CASE("im2col, col2im and gemm, with events") {
  const auto queue = own_queue(queue_kinds(clconv::select_device()).back());
  const clconv::Problem p("n1c1h3w3k1kh2kw2");
  const cl::Buffer x = device_buffer({1, 2, 3, 4, 5, 6, 7, 8, 9});
  const cl::Buffer cols = empty_buffer(64), back = empty_buffer(36);
  const cl::Buffer product = empty_buffer(16);
  cl::Event gathered, scattered, multiplied;
  context().im2col(queue, p, CLCONV_ROWS, x, cols, nullptr, &gathered);
  const clconv::Events after = {gathered};
  context().col2im(queue, p, CLCONV_ROWS, CLCONV_COL2IM_ATOMIC, cols, back, &after, &scattered);
  const cl::Buffer w = device_buffer({10, 11, 12, 13});
  clconv_gemm_params gemm;
  clconv_gemm_params_init(&gemm);
  gemm.m = 4, gemm.n = 1, gemm.k = 4;
  gemm.lda = 4, gemm.ldb = 1, gemm.ldc = 1;
  context().gemm(queue, gemm, cols, w, product, &after, &multiplied);
  scattered.wait();
  multiplied.wait();
  CHECK(read(cols, queue) == std::vector<float>{1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9});
  CHECK(read(back, queue) == std::vector<float>{1, 4, 3, 8, 20, 12, 7, 16, 9});
  CHECK(read(product, queue) == std::vector<float>{145, 191, 283, 329});
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { context().im2col(queue, p, CLCONV_ROWS, x, w); }) ==
        "buffer cols has 16 bytes, im2col needs 64");
  gemm.lda = 3;
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { context().gemm(queue, gemm, cols, w, product); }) ==
        "lda=3 is less than the width of the matrix, 4");
}

TEST_CASE("eight threads make the process's first products together") {
  const clconv::Context fresh(application_context(), clconv::select_device());
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      clconv_gemm_params gemm;
      clconv_gemm_params_init(&gemm);
      gemm.m = gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = 3;
      const cl::Buffer a = device_buffer({1, 0, 0, 0, 2, 0, 0, 0, 3});
      const cl::Buffer b = device_buffer({1, 2, 3, 4, 5, 6, 7, 8, 9});
      const cl::Buffer c = empty_buffer(36);
      const auto queue = make_queue();
      fresh.gemm(queue, gemm, a, b, c);
      queue.finish();
      CHECK(read(c) == std::vector<float>{1, 2, 3, 8, 10, 12, 21, 24, 27});
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

TEST_CASE("the profile of an execution names its steps") {
  Case c(kDense);
  const std::string steps = plan_with(c, "im2col_gemm").profile(c.operands);
  for (const char* step : {"pack_filters", "im2col", "gemm", "fold"})
    CHECK(steps.find(step) != std::string::npos);
}
