// What the C ABI is given and must not take: handles of others, memory that is used twice, numbers that are none. As an
// application sees it.
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <thread>
#include <vector>

#include "support/application.hpp"
#include "support/temp.hpp"

using namespace clconv::test;
using clconv::Events;
using clconv::Operands;
using clconv::Problem;

namespace {

// A small problem with a plan that needs nothing but its operands, and one that has a workspace.
struct Small {
  Problem problem{"n1c4h8w8k4kh3kw3p1"};
  Operands operands;
  cl::CommandQueue queue = make_queue();

  Small() {
    operands.x = empty_buffer(problem.info().x_bytes);
    operands.w = empty_buffer(problem.info().w_bytes);
    operands.y = empty_buffer(problem.info().y_bytes);
  }
  clconv::Plan plan(const char* strategy) const {
    clconv::PlanOptions options;
    options.strategy = strategy;
    return context().plan(problem, options);
  }
};

cl::Buffer over(float* memory, std::size_t bytes) {
  return cl::Buffer(application_context(), CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, memory);
}

std::string refused(const std::function<void()>& call) {
  return error_of(CLCONV_INVALID_ARGUMENT, call);
}

// The operations of a network, im2col and a product, with results that are known. True if all of them are right.
bool operations_are_right(const clconv::Context& on, const cl::CommandQueue& queue) {
  const std::vector<float> values = {-1, 2, -3, 4, 5, -6, 7, -8, 9, 10, -11, 12, -13, 14, 15, -16};
  const cl::Buffer x = device_buffer(values), y = empty_buffer(64), dx = empty_buffer(64);
  on.relu(queue, 16, x, y);
  on.relu_backward(queue, 16, y, x, dx);
  bool right = read(y, queue) == read(dx, queue) && read(y, queue)[9] == 10;
  clconv::Pooling pooling;
  pooling.h = pooling.w = 4, pooling.kh = pooling.kw = pooling.sh = pooling.sw = 2;
  const cl::Buffer largest = empty_buffer(16);
  on.pooling_forward(queue, pooling, x, largest);
  on.pooling_backward(queue, pooling, x, largest, dx);
  right = right && read(largest, queue) == std::vector<float>{5, 7, 14, 15} &&
          read(dx, queue)[14] == 15;
  clconv::SgdParams sgd;
  sgd.count = 16, sgd.learning_rate = 1;
  on.sgd(queue, sgd, y, x, cl::Buffer());
  right = right && read(y, queue)[5] == 6 && read(y, queue)[9] == 0;
  clconv::SoftmaxParams softmax;
  softmax.n = 4, softmax.m = 4;
  clconv::SoftmaxOperands operands;
  operands.logits = device_buffer(std::vector<float>(16, 3));
  operands.probabilities = empty_buffer(64);
  on.softmax_cross_entropy(queue, softmax, operands);
  right = right && read(operands.probabilities, queue) == std::vector<float>(16, 0.25f);
  const cl::Buffer cols = empty_buffer(64), product = empty_buffer(64);
  on.im2col(queue, Problem("n1c1h5w5k1kh2kw2"), CLCONV_ROWS,
            device_buffer(std::vector<float>(25, 2)), empty_buffer(256));
  on.im2col(queue, Problem("n1c4h2w2k1kh1kw1"), CLCONV_COLUMNS, x, cols);
  on.col2im(queue, Problem("n1c4h2w2k1kh1kw1"), CLCONV_COLUMNS, CLCONV_COL2IM_GATHER, cols, dx);
  clconv::GemmParams gemm;
  gemm.m = gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = 4;
  on.gemm(queue, gemm, device_buffer({1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}), x, product);
  return right && read(dx, queue) == values && read(product, queue) == values;
}

// Plans by measuring, prepares, executes and profiles: true if what it finds is what it was told to expect.
bool measures_right(const clconv::Context& on, const cl::CommandQueue& queue, std::int64_t height) {
  Problem problem("n1c2h3w9k3kh1kw1");
  problem.h = height;
  clconv::PlanOptions options;
  options.rigor = CLCONV_MEASURE;
  options.allow = "naive,implicit_gemm";
  options.time_limit_s = 0.01;
  on.explain(problem, options);
  const clconv::Plan plan = on.plan(problem, options);
  Operands operands;
  operands.x = device_buffer(std::vector<float>(static_cast<std::size_t>(18 * height), 3));
  operands.w = device_buffer(std::vector<float>(6, 0.5f));
  operands.y = empty_buffer(problem.info().y_bytes);
  operands.prepared = plan.prepare(queue, operands.w);
  plan.execute(queue, operands);
  const std::vector<float> expected(static_cast<std::size_t>(27 * height), 3);
  const bool right = read(operands.y, queue) == expected;
  return right && !plan.profile(operands).empty() && !plan.report().empty();
}

std::string last_error_of(clconv_status status) {
  CHECK(status == CLCONV_INVALID_ARGUMENT);
  return clconv_last_error();
}

}  // namespace

TEST_CASE("an event of another cl_context is named by every call that takes a wait list") {
  const Small s;
  const cl::Context elsewhere(clconv::select_device());
  cl::UserEvent done(elsewhere);
  done.setStatus(CL_COMPLETE);
  cl::UserEvent ours(application_context());
  ours.setStatus(CL_COMPLETE);
  const Events wait = {ours, done};
  const clconv::Plan plan = s.plan("implicit_gemm");
  const cl::Buffer prepared = empty_buffer(plan.info().prepared_weights_bytes);
  const cl::Buffer other = empty_buffer(4096);
  clconv::GemmParams gemm;
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { plan.execute(s.queue, s.operands, &wait); },
           [&] { plan.prepare(s.queue, s.operands.w, prepared, &wait); },
           [&] { context().relu(s.queue, 1, s.operands.x, s.operands.x, &wait); },
           [&] { context().gemm(s.queue, gemm, s.operands.x, s.operands.w, s.operands.y, &wait); },
           [&] {
             context().im2col(s.queue, Problem("n1c1h2w2k1kh1kw1"), CLCONV_ROWS, s.operands.x,
                              other, &wait);
           }}) {
    CHECK(refused(call) == "event 1 of the wait list belongs to another cl_context");
  }
}

TEST_CASE("a workspace that is the result is refused, whether or not the strategy needs one") {
  const Small s;
  Operands operands = s.operands;
  operands.workspace = operands.y = empty_buffer(1 << 20);
  for (const char* strategy : {"naive", "implicit_gemm", "im2col_gemm"}) {
    CAPTURE(std::string(strategy));
    CHECK(refused([&] { s.plan(strategy).execute(s.queue, operands); }) ==
          "buffers y and workspace overlap, and one of them is written");
  }
}

TEST_CASE("buffers over the same host memory overlap, those beside each other do not") {
  const Small s;
  static float memory[1 << 14] __attribute__((aligned(4096)));
  const auto bytes = static_cast<std::size_t>(s.problem.info().y_bytes);
  Operands operands = s.operands;
  operands.x = over(memory, bytes);
  operands.y = over(memory + bytes / 8, bytes);
  const clconv::Plan plan = s.plan("naive");
  CHECK(refused([&] { plan.execute(s.queue, operands); }) ==
        "buffers x and y overlap, and one of them is written");
  operands.y = over(memory + bytes / 4, bytes);
  plan.execute(s.queue, operands);
  s.queue.finish();
  // In place is allowed where it is for one buffer.
  context().relu(s.queue, 16, operands.x, over(memory, 64));
  CHECK(refused([&] { context().relu(s.queue, 16, operands.x, over(memory + 4, 64)); }) ==
        "buffers x and y overlap, and one of them is written");
  s.queue.finish();
}

TEST_CASE("host memory that CLBlast would crash on is refused by products") {
  static float memory[1 << 17] __attribute__((aligned(4096)));
  const cl::CommandQueue queue = make_queue();
  clconv::GemmParams params;
  params.m = params.n = params.k = params.lda = params.ldb = params.ldc = 256;
  const cl::Buffer b = empty_buffer(256 * 256 * 4), c = empty_buffer(256 * 256 * 4);
  const cl::Buffer crooked = over(memory + 1, 256 * 256 * 4);
  CHECK(refused([&] {
          context().gemm(queue, params, crooked, b, c);
        }).find("a buffer of a matrix product has CL_MEM_USE_HOST_PTR at an address") == 0);
  context().gemm(queue, params, over(memory, 256 * 256 * 4), b, c);
  queue.finish();
}

TEST_CASE("numbers that are none are refused") {
  const Small s;
  clconv::PlanOptions options;
  options.time_limit_s = std::nan("");
  CHECK(refused([&] { context().plan(s.problem, options); }) ==
        "time_limit_s is nan, expected seconds");
  options.time_limit_s = INFINITY;
  context().plan(s.problem, options);
  clconv::GemmParams gemm;
  gemm.alpha = std::nanf("");
  const auto product = [&] {
    context().gemm(s.queue, gemm, s.operands.x, s.operands.w, s.operands.y);
  };
  CHECK(refused(product) == "alpha=nan: must be finite");
  gemm.alpha = 1;
  gemm.beta = -INFINITY;
  CHECK(refused(product) == "beta=-inf: must be finite");
}

TEST_CASE("an output that is NULL is named, before anything is done") {
  const Small s;
  clconv_context c = context().get();
  const clconv::Plan plan = s.plan("naive");
  const auto before = std::chrono::steady_clock::now();
  CHECK(last_error_of(clconv_context_profile(c, 1, nullptr)) == "json is NULL");
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::milliseconds(100));
  CHECK(last_error_of(clconv_explain(c, &s.problem, nullptr, nullptr)) == "json is NULL");
  CHECK(last_error_of(clconv_context_stats(c, nullptr)) == "json is NULL");
  CHECK(last_error_of(clconv_context_memory(c, nullptr)) == "info is NULL");
  CHECK(last_error_of(clconv_plan_report(plan.get(), nullptr)) == "json is NULL");
  CHECK(last_error_of(clconv_problem_format(&s.problem, nullptr)) == "text is NULL");
  CHECK(last_error_of(clconv_devices(nullptr)) == "json is NULL");
  CHECK(last_error_of(clconv_wisdom_path(nullptr)) == "path is NULL");
  Problem problem;
  CHECK(last_error_of(clconv_problem_transposed(nullptr, 0, 0, &problem)) == "as_seen is NULL");
  CHECK(last_error_of(clconv_context_trim(nullptr)) == "context is NULL");
  CHECK(last_error_of(clconv_plan_execute(plan.get(), nullptr, nullptr, 0, nullptr, nullptr)) ==
        "operands is NULL");
}

TEST_CASE("what a context holds is told and given back while another thread searches") {
  const clconv::Context own(application_context(), clconv::select_device());
  std::atomic<bool> searching{false};
  std::thread search([&] {
    clconv::PlanOptions options;
    options.rigor = CLCONV_EXHAUSTIVE;
    options.time_limit_s = 3;
    searching = true;
    own.plan(Problem("n4c64h56w56k64kh3kw3p1"), options);
  });
  while (!searching)
    std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(own.memory().plans == 0);  // it goes on
  own.trim();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
  search.join();
  CHECK(own.memory().plans == 1);
}

// What ThreadSanitizer looks at (cmake --preset thread).
TEST_CASE("planning, executing, measuring, telling and giving back at once, from many threads") {
  const clconv::Context own(application_context(), clconv::select_device());
  Small s;
  s.operands.x = device_buffer(std::vector<float>(256, 1.0f));
  s.operands.w = device_buffer(std::vector<float>(144, 0.5f));  // all sums are exact
  const clconv::Plan plan = own.plan(s.problem);
  plan.execute(s.queue, s.operands);
  const auto expected = read(s.operands.y);
  CHECK(expected[9] == 18.0f);  // 4 channels of 9 taps
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (const char* strategy : {"implicit_gemm", "im2col_gemm", "winograd"}) {
    threads.emplace_back([&, strategy] {
      const cl::CommandQueue queue = own_queue();
      Operands operands = s.operands;
      clconv::PlanOptions options;
      options.strategy = strategy;
      for (int i = 0; i < 10; ++i) {
        operands.y = empty_buffer(s.problem.info().y_bytes);
        own.plan(s.problem, options).execute(queue, operands);
        const auto result = read(operands.y, queue);
        for (std::size_t k = 0; k < result.size(); ++k)
          if (!(std::fabs(result[k] - expected[k]) < 1e-3f)) ++wrong;
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 10; ++i) {
      own.trim();
      if (own.memory().scratch_bytes < 0 || own.stats().empty()) ++wrong;
    }
  });
  std::atomic<bool> measured{false};
  threads.emplace_back([&] {
    for (int i = 0; i < 4; ++i)
      if (own.profile(true).empty()) ++wrong;
    measured = true;
  });
  threads.emplace_back([&] {
    while (!measured)
      if (own.profile().empty()) ++wrong;
  });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == 0);
  plan.execute(s.queue, s.operands);
  CHECK(read(s.operands.y) == expected);
}

TEST_CASE("operations, searches and wisdom from many threads, while other contexts come and go") {
  const TempFolder folder;
  const std::string path = folder.path("wisdom"), copy = folder.path("copy");
  clconv::wisdom_check(path);  // makes the file: the first export may come before the first record
  clconv::ContextOptions options;
  options.wisdom_path = path.c_str();
  const clconv::Context shared(application_context(), clconv::select_device(), options);
  std::atomic<int> wrong{0};
  const auto repeat = [&](const std::function<bool(int)>& part) {
    return std::thread([&wrong, part] {
      try {
        for (int i = 0; i < 6; ++i)
          if (!part(i)) ++wrong;
      } catch (const clconv::Error& error) {
        ++wrong;
        MESSAGE(std::string(error.what()));
      }
    });
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.push_back(
        repeat([&, queue = own_queue()](int) { return operations_are_right(shared, queue); }));
  threads.push_back(
      repeat([&, queue = own_queue()](int i) { return measures_right(shared, queue, 4 + i); }));
  threads.push_back(repeat([&, queue = own_queue()](int i) {
    const clconv::Context own(application_context(), clconv::select_device(), options);
    return measures_right(own, queue, 6 + i) && operations_are_right(own, queue);
  }));
  threads.push_back(repeat([&](int) {
    clconv::wisdom_export(path, copy);
    clconv::wisdom_forget(path, "n1c2h5w9k3kh1kw1");
    clconv::wisdom_import(path, copy);
    shared.trim();
    return !clconv::wisdom_read(path).empty() && shared.memory().scratch_bytes >= 0;
  }));
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == 0);
}
