// A batch of 0 through the public API: valid, nothing is computed, gradients over the batch are 0. And what the
// operations beside the plans make of infinity and NaN.
#include <limits>

#include "doctest/doctest.h"
#include "support/application.hpp"

using namespace clconv;
using namespace clconv::test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Problem problem_of(clconv_direction direction) {
  Problem p("n0c3h9w8k5kh3kw3p1");
  p.direction = direction;
  return p;
}

// Once the plan's commands have ended, behind a wait list.
void execute(const Plan& plan, const Operands& operands, cl_command_queue_properties order) {
  const cl::CommandQueue queue = own_queue(order);
  cl::UserEvent gate(application_context());
  const Events wait = {gate};
  cl::Event done;
  plan.execute(queue, operands, &wait, &done);
  queue.flush();
  CHECK(done.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() > CL_COMPLETE);
  gate.setStatus(CL_COMPLETE);
  done.wait();
}

std::vector<float> product(std::int64_t size, float alpha, float beta, float a, float c) {
  GemmParams params;
  params.m = params.n = params.k = params.lda = params.ldb = params.ldc = size;
  params.alpha = alpha, params.beta = beta;
  const auto square = static_cast<std::size_t>(size * size);
  std::vector<float> left(square, 1.0f), right(square, 1.0f), result(square, 2.0f);
  left[0] = a;
  result[0] = c;
  const cl::Buffer on_device = device_buffer(result);
  const cl::CommandQueue queue = make_queue();
  context().gemm(queue, params, device_buffer(left), device_buffer(right), on_device);
  queue.finish();
  return read(on_device);
}

}  // namespace

TEST_CASE("an empty batch: sizes, text and reports") {
  const Problem p = problem_of(CLCONV_FORWARD);
  CHECK(p.text() == "n0c3h9w8k5kh3kw3p1");
  CHECK(p.info().x_bytes == 0);
  CHECK(p.info().y_bytes == 0);
  CHECK(p.info().w_bytes == 5 * 3 * 9 * 4);
  CHECK(p.info().flops == 0);
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [] { Problem("n-1c3h9w8k5kh3kw3"); }) ==
        "n=-1: must be at least 0");
  CHECK(error_of(CLCONV_INVALID_PROBLEM, [] { Problem("n0c0h9w8k5kh3kw3"); }) ==
        "c=0: must be at least 1");
  // The other sizes must be ones that an image could have.
  CHECK_THROWS_AS(Problem("n0c4000000000h4000000000w4000000000k1kh1kw1"), Error);
  for (const clconv_rigor rigor : {CLCONV_WISDOM_ONLY, CLCONV_ESTIMATE, CLCONV_EXHAUSTIVE}) {
    PlanOptions options;
    options.rigor = rigor;
    options.workspace_limit_bytes = 0;
    const Plan plan = context().plan(p, options);
    CHECK(plan.info().workspace_unprepared_bytes == 0);
    CHECK(plan.info().prepared_weights_bytes == 0);
    CHECK(plan.info().predicted_us == 0);
    CHECK(plan.info().measured_us < 0);
  }
  PlanOptions forced;
  forced.strategy = "winograd";
  CHECK(context().plan(p, forced).info().strategy == std::string("winograd"));
  forced.strategy = "pointwise_gemm";
  CHECK_THROWS_AS(context().plan(p, forced), Error);
}

TEST_CASE(
    "an empty batch: every direction executes, without buffers where they would hold nothing") {
  std::vector<cl_command_queue_properties> orders = {0};
  if ((clconv::select_device().getInfo<CL_DEVICE_QUEUE_PROPERTIES>() &
       CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0) {
    orders.push_back(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  }
  for (const cl_command_queue_properties order : orders) {
    Operands operands;
    operands.w = device_buffer(std::vector<float>(135, 1.0f));
    for (const clconv_direction direction :
         {CLCONV_FORWARD, CLCONV_BACKWARD_DATA, CLCONV_TRANSPOSED}) {
      CAPTURE(direction);
      const Plan plan = context().plan(problem_of(direction));
      const cl::CommandQueue queue = own_queue(order);
      CHECK(plan.prepare(queue, operands.w)() == nullptr);
      execute(plan, operands, order);
      CHECK(plan.profile(operands) == "[]");
    }
    for (const bool accumulate : {false, true}) {
      for (const clconv_data_type type : {CLCONV_FLOAT32, CLCONV_FLOAT16}) {
        CAPTURE(accumulate);
        Problem p = problem_of(CLCONV_BACKWARD_WEIGHTS);
        p.accumulate = accumulate ? 1 : 0;
        p.data_type = type;
        operands.dw = device_buffer(std::vector<float>(135, 7.0f));
        execute(context().plan(p), operands, order);
        const auto dw = read(operands.dw);
        CHECK(dw[0] == (accumulate ? 7.0f : 0.0f));
        // 135 halves end in the middle of a float.
        CHECK(dw[66] == (accumulate ? 7.0f : 0.0f));
        CHECK(dw[134] == (accumulate || type == CLCONV_FLOAT16 ? 7.0f : 0.0f));
        p.direction = CLCONV_BACKWARD_BIAS;
        p.data_type = CLCONV_FLOAT32;
        operands.db = device_buffer(std::vector<float>(5, 7.0f));
        execute(context().plan(p), operands, order);
        CHECK(read(operands.db) == std::vector<float>(5, accumulate ? 7.0f : 0.0f));
      }
    }
  }
}

TEST_CASE("an empty batch: the operations") {
  const cl::CommandQueue queue = make_queue();
  const Problem p = problem_of(CLCONV_FORWARD);
  const cl::Buffer none;
  cl::Event done;
  CHECK_NOTHROW(context().im2col(queue, p, CLCONV_ROWS, none, none, nullptr, &done));
  done.wait();
  CHECK_NOTHROW(context().col2im(queue, p, CLCONV_COLUMNS, CLCONV_COL2IM_ATOMIC, none, none));
  CHECK_NOTHROW(context().relu(queue, 0, none, none));
  CHECK_NOTHROW(context().relu_backward(queue, 0, none, none, none));
  CHECK_THROWS_AS(context().relu(queue, -1, none, none), Error);
  Pooling pooling;
  pooling.n = 0, pooling.c = 3, pooling.h = pooling.w = 8, pooling.kh = pooling.kw = 2;
  CHECK(pooling.info().y_bytes == 0);
  CHECK_NOTHROW(context().pooling_forward(queue, pooling, none, none));
  CHECK_NOTHROW(context().pooling_backward(queue, pooling, none, none, none));
  pooling.mode = CLCONV_POOLING_AVERAGE;
  CHECK_NOTHROW(context().pooling_backward(queue, pooling, none, none, none));
  CHECK(Problem::fully_connected(0, 4, 5).n == 0);
  for (const int accumulate : {0, 1}) {
    SoftmaxParams params;
    params.n = 0, params.m = 10, params.accumulate = accumulate;
    SoftmaxOperands operands;
    operands.loss = device_buffer({3.0f});
    operands.correct = device_buffer({3.0f});
    context().softmax_cross_entropy(queue, params, operands);
    queue.finish();
    CHECK(read(operands.loss)[0] == (accumulate != 0 ? 3.0f : 0.0f));
    CHECK(read(operands.correct)[0] == (accumulate != 0 ? 3.0f : 0.0f));
  }
}

TEST_CASE("clconv_gemm: beta 0 does not read C, alpha 0 as documented") {
  for (const std::int64_t size : {3, 40, 200}) {
    CAPTURE(size);
    const auto overwritten = product(size, 1, 0, 1, kNaN);
    CHECK(overwritten[0] == static_cast<float>(size));
    const auto nothing = product(size, 0, 1, kNaN, 2);
    CHECK(std::isnan(nothing[0]));
    CHECK(nothing[static_cast<std::size_t>(size)] == 2.0f);
    CHECK(std::isnan(product(size, 0, 1, kInf, 2)[0]));
    CHECK(product(size, 0, 0, 1, kNaN)[0] == 0.0f);
  }
}

TEST_CASE("softmax and pooling of infinity and NaN") {
  const cl::CommandQueue queue = make_queue();
  const std::vector<std::vector<float>> rows = {
      {1, 2, -kInf}, {-kInf, -kInf, -kInf}, {kInf, 1, 2}, {kNaN, 1, 2}};
  for (const auto& row : rows) {
    SoftmaxParams params;
    params.m = 3;
    SoftmaxOperands operands;
    operands.logits = device_buffer(row);
    operands.probabilities = device_buffer(row);
    context().softmax_cross_entropy(queue, params, operands);
    queue.finish();
    const auto p = read(operands.probabilities);
    CHECK(std::isnan(p[0]) == (row[0] != 1));
    CHECK(std::isnan(p[2]) == (row[0] != 1));
    if (row[0] == 1) CHECK(p[2] == 0.0f);
  }
  Pooling pooling;
  pooling.h = 2, pooling.w = 4, pooling.kh = pooling.kw = 2, pooling.sh = pooling.sw = 2;
  const cl::Buffer x = device_buffer({-kInf, -kInf, 1, kNaN, -kInf, -kInf, kInf, 2});
  const cl::Buffer y = empty_buffer(8), dx = empty_buffer(32);
  context().pooling_forward(queue, pooling, x, y);
  context().pooling_backward(queue, pooling, x, device_buffer({5, 6}), dx);
  queue.finish();
  const auto top = read(y);
  CHECK(top[0] == -kInf);
  CHECK(std::isnan(top[1]));
  CHECK(read(dx) == std::vector<float>{5, 0, 0, 6, 0, 0, 0, 0});
}
