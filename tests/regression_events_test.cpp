// Faults that other convolution libraries had: an event that is never completed, or that does not wait for what it was
// given.
#include <chrono>
#include <functional>
#include <thread>

#include "doctest/doctest.h"
#include "support/plans.hpp"

using namespace clconv::test;

namespace {

using Enqueue = std::function<void(const clconv::Events*, cl::Event*)>;

// Looked at instead of waited for: an event that nobody completes would hang the test.
bool completes(const cl::Event& event) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < give_up) {
    if (event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() == CL_COMPLETE) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return false;
}

void check_event(const char* name, const cl::CommandQueue& queue, const Enqueue& enqueue) {
  CAPTURE(std::string(name));
  cl::Event done;
  enqueue(nullptr, &done);
  queue.flush();
  REQUIRE(done() != nullptr);
  REQUIRE(completes(done));
  cl::UserEvent gate(application_context());
  const clconv::Events wait = {gate, done};
  cl::Event later;
  enqueue(&wait, &later);
  queue.flush();
  REQUIRE(later() != nullptr);
  CHECK(later.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() != CL_COMPLETE);
  gate.setStatus(CL_COMPLETE);
  REQUIRE(completes(later));
}

struct Buffers {
  cl::Buffer a = device_buffer(random_floats(4096, 1)), b = device_buffer(random_floats(4096, 2));
  cl::Buffer c = device_buffer(random_floats(4096, 3)), d = device_buffer(random_floats(4096, 4));
  cl::Buffer labels = device_buffer(std::vector<float>(4096, 0.0f));
  cl::Buffer correct = device_buffer(std::vector<float>(4096, 0.0f));
};

using E = const clconv::Events*;

// Each enqueues operations in all their ways under check_event.
void check_matrices(const cl::CommandQueue& q, const Buffers& m) {
  clconv::Context& on = context();
  const cl::Buffer &a = m.a, &b = m.b, &c = m.c;
  const clconv::Problem patches("n2c3h8w7k1kh3kw3p1");
  for (const clconv_layout layout : {CLCONV_ROWS, CLCONV_COLUMNS}) {
    check_event("im2col", q, [&](E w, cl::Event* e) { on.im2col(q, patches, layout, a, b, w, e); });
    for (const auto variant : {CLCONV_COL2IM_GATHER, CLCONV_COL2IM_ATOMIC}) {
      check_event("col2im", q,
                  [&](E w, cl::Event* e) { on.col2im(q, patches, layout, variant, a, b, w, e); });
    }
  }
  clconv::GemmParams gemm;
  // Tile by tile and with odd edges: CLBlast goes other ways.
  for (const std::int64_t size : {1, 7, 64}) {
    gemm.m = gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = size;
    for (const float beta : {0.0f, 1.0f}) {
      gemm.beta = beta;
      check_event("gemm", q, [&](E w, cl::Event* e) { on.gemm(q, gemm, a, b, c, w, e); });
    }
  }
}

void check_elementwise(const cl::CommandQueue& q, const Buffers& m) {
  clconv::Context& on = context();
  const cl::Buffer &a = m.a, &b = m.b, &c = m.c, &d = m.d;
  for (const std::int64_t count : {1, 4096}) {
    check_event("relu", q, [&](E w, cl::Event* e) { on.relu(q, count, a, b, w, e); });
    check_event("relu_backward", q,
                [&](E w, cl::Event* e) { on.relu_backward(q, count, a, b, c, w, e); });
    clconv::SgdParams sgd;
    sgd.count = count;
    check_event("sgd", q, [&](E w, cl::Event* e) { on.sgd(q, sgd, a, b, cl::Buffer(), w, e); });
    sgd.momentum = 0.5f;
    check_event("sgd with momentum", q, [&](E w, cl::Event* e) { on.sgd(q, sgd, a, b, c, w, e); });
    clconv::AdamParams adam;
    adam.count = count;
    check_event("adam", q, [&](E w, cl::Event* e) { on.adam(q, adam, a, b, c, d, w, e); });
  }
}

void check_softmax(const cl::CommandQueue& q, const Buffers& m) {
  clconv::Context& on = context();
  const cl::Buffer &a = m.a, &b = m.b, &c = m.c, &d = m.d, &labels = m.labels, &correct = m.correct;
  // One work-group, and several with totals behind them.
  for (const std::int64_t rows : {2, 400}) {
    clconv::SoftmaxParams softmax;
    softmax.n = rows, softmax.m = 10;
    for (int wanted = 1; wanted < 16; ++wanted) {
      clconv::SoftmaxOperands o;
      o.logits = a, o.labels = labels;
      if ((wanted & 1) != 0) o.loss = b;
      if ((wanted & 2) != 0) o.correct = correct;
      if ((wanted & 4) != 0) o.probabilities = c;
      if ((wanted & 8) != 0) o.dlogits = d;
      check_event("softmax", q,
                  [&](E w, cl::Event* e) { on.softmax_cross_entropy(q, softmax, o, w, e); });
    }
  }
}

void check_pooling(const cl::CommandQueue& q, const Buffers& m) {
  clconv::Context& on = context();
  const cl::Buffer &a = m.a, &b = m.b, &c = m.c;
  clconv::Pooling pooling;
  pooling.c = 3, pooling.h = pooling.w = 9, pooling.kh = pooling.kw = 3, pooling.sh = 2;
  for (const auto mode : {CLCONV_POOLING_MAX, CLCONV_POOLING_AVERAGE}) {
    pooling.mode = mode;
    check_event("pooling_forward", q,
                [&](E w, cl::Event* e) { on.pooling_forward(q, pooling, a, b, w, e); });
    check_event("pooling_backward", q,
                [&](E w, cl::Event* e) { on.pooling_backward(q, pooling, a, b, c, w, e); });
  }
}

}  // namespace

TEST_CASE("every plan completes the caller's event, after the events it waits for") {
  for (const cl_command_queue_properties properties : queue_kinds(clconv::select_device())) {
    const auto queue = own_queue(properties);
    for (const char* text :
         {"n2c4h9w9k6kh3kw3p1", "n2c4h9w9k6kh3kw3p1g2", "n2c4h9w9k6kh1kw1", "n2c16h1w1k6kh1kw1"}) {
      for (const Direction direction : kAll) {
        for (const bool plain : {true, false}) {
          Problem p = decorated(problem_of(text), direction);
          if (plain) p.bias = p.mask = p.accumulate = false;
          if (plain) p.activation = clconv::core::Activation::kNone;
          for_each_strategy(p, [&](Case& c, const clconv::Plan& plan) {
            check_event("execute", queue, [&](const clconv::Events* wait, cl::Event* event) {
              plan.execute(queue, c.operands, wait, event);
            });
            if (c.operands.w() == nullptr) return;
            cl::Buffer prepared;
            check_event("prepare", queue, [&](const clconv::Events* wait, cl::Event* event) {
              prepared = plan.prepare(queue, c.operands.w, wait, event);
            });
            c.operands.prepared = prepared;
            check_event("execute prepared", queue,
                        [&](const clconv::Events* wait, cl::Event* event) {
                          plan.execute(queue, c.operands, wait, event);
                        });
            c.operands.prepared = cl::Buffer();
          });
        }
      }
    }
  }
}

TEST_CASE("every operation completes the caller's event, after the events it waits for") {
  const Buffers buffers;
  for (const cl_command_queue_properties properties : queue_kinds(clconv::select_device())) {
    const auto queue = own_queue(properties);
    for (const auto check : {check_matrices, check_elementwise, check_softmax, check_pooling})
      check(queue, buffers);
    queue.finish();
  }
}
