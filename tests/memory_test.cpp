// What a context holds, and that it gives it back; and the handles that it refuses at the door.
#include <chrono>
#include <functional>
#include <thread>

#include "support/application.hpp"

using namespace clconv::test;
using clconv::Context;
using clconv::ContextOptions;
using clconv::Operands;
using clconv::Problem;

namespace {

constexpr const char* kText = "n2c8h14w14k16kh3kw3p1";

// Once they are `expected`, or after two seconds: PoCL's threads let go of what a command held after it has ended.
cl_uint references(cl_context context, cl_uint expected) {
  cl_uint count = 0;
  for (int i = 0; i < 200; ++i) {
    REQUIRE(clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof(count), &count, nullptr) ==
            CL_SUCCESS);
    if (count == expected) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return count;
}

struct Work {
  Problem problem{std::string(kText)};
  Operands operands;
  clconv_problem_info info = problem.info();

  explicit Work(const cl::Context& cl) {
    const auto make = [&](std::int64_t bytes) {
      return cl::Buffer(cl, CL_MEM_READ_WRITE, static_cast<std::size_t>(bytes));
    };
    operands.x = make(info.x_bytes);
    operands.w = make(info.w_bytes);
    operands.y = make(info.y_bytes);
  }
};

clconv::PlanOptions forced(const char* strategy, const char* config = nullptr) {
  clconv::PlanOptions options;
  options.strategy = strategy;
  options.config = config;
  return options;
}

}  // namespace

TEST_CASE("nothing keeps a cl_context alive when the last clconv context on it is gone") {
  const cl::Device device = clconv::select_device();
  for (const bool gemm : {false, true}) {
    for (const bool plan_last : {false, true}) {
      const cl::Context cl(device);
      const cl_uint before = references(cl(), 1);
      {
        clconv::Plan plan;
        {
          const Context context(cl, device);
          const Context other(cl, device);
          const cl::CommandQueue queue(cl, device);
          Work work(cl);
          plan = context.plan(work.problem,
                              forced("im2col_gemm", "body=clblast,images=2,rows=14,tuned=0"));
          plan.execute(queue, work.operands);
          if (gemm) {
            clconv::GemmParams params;
            params.m = params.n = params.k = params.lda = params.ldb = params.ldc = 8;
            context.gemm(queue, params, work.operands.x, work.operands.w, work.operands.y);
          }
          queue.finish();
          CHECK(context.memory().clblast_programs == 1);
          if (!plan_last) plan = clconv::Plan();
        }
      }
      CAPTURE(gemm);
      CAPTURE(plan_last);
      CHECK(references(cl(), before) == before);
    }
  }
}

TEST_CASE(
    "trim gives back scratch, programs, plans and the cache of CLBlast, what is held goes on") {
  const cl::Context cl(clconv::select_device());
  const Context context(cl, clconv::select_device());
  const cl::CommandQueue queue(cl, clconv::select_device());
  Work work(cl);
  const clconv::Plan plan =
      context.plan(work.problem, forced("im2col_gemm", "body=clblast,images=2,rows=14,tuned=0"));
  plan.execute(queue, work.operands);
  queue.finish();
  auto memory = context.memory();
  CHECK(memory.scratch_bytes >= plan.info().workspace_bytes);
  CHECK(memory.scratch_peak_bytes == memory.scratch_bytes);
  CHECK(memory.scratch_buffers == 1);
  CHECK(memory.scratch_limit_bytes > 0);
  CHECK(memory.programs > 0);
  CHECK(memory.plans == 1);
  CHECK(memory.clblast_programs == 1);
  plan.execute(queue, work.operands);  // in flight
  context.trim();
  memory = context.memory();
  CHECK(memory.scratch_bytes == 0);
  CHECK(memory.scratch_buffers == 0);
  CHECK(memory.programs == 0);
  CHECK(memory.plans == 0);
  CHECK(memory.clblast_programs == 0);
  CHECK(memory.scratch_peak_bytes > 0);
  plan.execute(queue, work.operands);
  queue.finish();
  CHECK(context.memory().scratch_bytes > 0);
  CHECK(context.plan(work.problem).info().steps > 0);
}

TEST_CASE("scratch beyond its limit is not kept, and no execution is refused for it") {
  const cl::Context cl(clconv::select_device());
  ContextOptions options;
  options.scratch_limit_bytes = 1;
  const Context context(cl, clconv::select_device(), options);
  const cl::CommandQueue queue(cl, clconv::select_device());
  Work work(cl);
  const clconv::Plan plan = context.plan(work.problem, forced("im2col_gemm"));
  REQUIRE(plan.info().workspace_unprepared_bytes > 1);
  for (int i = 0; i < 3; ++i)
    plan.execute(queue, work.operands);
  queue.finish();
  CHECK(context.memory().scratch_bytes == 0);
  CHECK(context.memory().scratch_peak_bytes >= plan.info().workspace_bytes);
  CHECK(context.memory().scratch_limit_bytes == 1);
  options.scratch_limit_bytes = -1;
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          const Context bad(cl, clconv::select_device(), options);
        }) == "scratch_limit_bytes is -1");
  ::setenv("CLCONV_SCRATCH_LIMIT", "many", 1);
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          const Context bad(cl, clconv::select_device());
        }) == "environment variable CLCONV_SCRATCH_LIMIT: 'many' is not a number of bytes");
  ::setenv("CLCONV_SCRATCH_LIMIT", "12345", 1);
  CHECK(Context(cl, clconv::select_device()).memory().scratch_limit_bytes == 12345);
  ::unsetenv("CLCONV_SCRATCH_LIMIT");
}

TEST_CASE("many sizes do not make scratch grow beyond its limit") {
  const cl::Context cl(clconv::select_device());
  ContextOptions options;
  options.scratch_limit_bytes = 1 << 20;
  const Context context(cl, clconv::select_device(), options);
  cl::Buffer big(cl, CL_MEM_READ_WRITE, 1 << 22), result(cl, CL_MEM_READ_WRITE, 1 << 22);
  std::vector<cl::CommandQueue> queues;
  for (int i = 0; i < 6; ++i)
    queues.emplace_back(cl, clconv::select_device());
  for (int size = 8; size < 40; size += 4) {
    const Problem p("n1c8h" + std::to_string(size) + "w" + std::to_string(size) + "k8kh3kw3p1");
    const clconv::Plan plan = context.plan(p, forced("im2col_gemm"));
    Operands operands;
    operands.x = operands.w = big;
    operands.y = result;
    for (const cl::CommandQueue& queue : queues)
      plan.execute(queue, operands);
  }
  for (const cl::CommandQueue& queue : queues)
    queue.finish();
  CHECK(context.memory().scratch_bytes <= 1 << 20);
}

// PoCL has two devices with POCL_DEVICES="pthread basic", as this test is run once.
TEST_CASE("a device that the cl_context does not have is refused when the context is made") {
  const cl::Device device = clconv::select_device();
  std::vector<cl::Device> devices;
  cl::Platform(device.getInfo<CL_DEVICE_PLATFORM>()).getDevices(CL_DEVICE_TYPE_ALL, &devices);
  if (devices.size() < 2) {
    MESSAGE("skipped: the platform has one device");
    return;
  }
  const cl::Context one(devices[0]);
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          const Context bad(one, devices[1]);
        }).find("is none of the cl_context's devices") != std::string::npos);
  const Context good(one, devices[0]);
  CHECK(good.memory().plans == 0);
}

TEST_CASE("buffers of the wrong kind, and those that overlap, are refused by name") {
  const cl::Context cl(clconv::select_device());
  const Context context(cl, clconv::select_device());
  const cl::CommandQueue queue(cl, clconv::select_device());
  Work work(cl);
  const clconv::Plan plan = context.plan(work.problem, forced("implicit_gemm"));
  REQUIRE(plan.info().prepared_weights_bytes > 0);
  const auto refused = [&](const std::function<void(Operands&)>& change) {
    Operands operands = work.operands;
    change(operands);
    return error_of(CLCONV_INVALID_ARGUMENT, [&] { plan.execute(queue, operands); });
  };
  const auto made = [&](cl_mem_flags flags, std::int64_t bytes) {
    return cl::Buffer(cl, flags, static_cast<std::size_t>(bytes));
  };
  const auto& info = work.info;
  CHECK(refused([&](Operands& o) { o.y = made(CL_MEM_READ_ONLY, info.y_bytes); }) ==
        "buffer y is written, but was made with CL_MEM_READ_ONLY");
  CHECK(refused([&](Operands& o) { o.x = made(CL_MEM_WRITE_ONLY, info.x_bytes); }) ==
        "buffer x is read, but was made with CL_MEM_WRITE_ONLY");
  CHECK(refused([&](Operands& o) {
          o.y = made(CL_MEM_READ_WRITE, info.y_bytes - 4);
        }).find("buffer y has ") == 0);
  CHECK(refused([&](Operands& o) { o.y = o.x = made(CL_MEM_READ_WRITE, info.y_bytes); }) ==
        "buffers x and y overlap, and one of them is written");
  CHECK(refused([&](Operands& o) { o.workspace = o.y = made(CL_MEM_READ_WRITE, 1 << 22); }) ==
        "buffers y and workspace overlap, and one of them is written");
  CHECK(refused([&](Operands& o) { o.prepared = o.y = made(CL_MEM_READ_WRITE, 1 << 22); }) ==
        "buffers y and prepared overlap, and one of them is written");
  CHECK(refused([&](Operands& o) { o.prepared = o.w = made(CL_MEM_READ_WRITE, 1 << 22); }) ==
        "buffers prepared and w are one: prepared is what clconv_plan_prepare() has written");
  const cl::Buffer both = made(CL_MEM_READ_WRITE, 1 << 22);
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { plan.prepare(queue, both, both); }) ==
        "buffers w and prepared overlap, and one of them is written");
  // Parts of one buffer may meet, but not overlap; inputs may be one buffer.
  const auto part = [&](std::int64_t offset, std::int64_t bytes) {
    cl_buffer_region region{static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes)};
    cl::Buffer whole = both;
    return whole.createSubBuffer(CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region);
  };
  CHECK(refused([&](Operands& o) {
          o.x = part(0, 65536);
          o.y = part(4096, 65536);
        }) == "buffers x and y overlap, and one of them is written");
  Operands apart = work.operands;
  apart.x = part(0, 65536);
  apart.w = apart.x;
  apart.y = part(65536, 65536);
  plan.execute(queue, apart);
  queue.finish();
}

TEST_CASE("an image is refused as a buffer, by name") {
  const cl::Device device = clconv::select_device();
  if (device.getInfo<CL_DEVICE_IMAGE_SUPPORT>() == CL_FALSE) {
    MESSAGE("the device has no images");
    return;
  }
  const cl::Context cl(device);
  const Context context(cl, device);
  const cl::CommandQueue queue(cl, device);
  Work work(cl);
  const clconv::Plan plan = context.plan(work.problem, forced("implicit_gemm"));
  cl_image_format format{CL_RGBA, CL_FLOAT};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = desc.image_height = 256;
  cl_int status = CL_SUCCESS;
  const cl_mem image = clCreateImage(cl(), CL_MEM_READ_WRITE, &format, &desc, nullptr, &status);
  REQUIRE(status == CL_SUCCESS);
  work.operands.x = cl::Buffer(image, true);
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { plan.execute(queue, work.operands); }) ==
        "buffer x is an image or a pipe, expected a buffer");
  clReleaseMemObject(image);
}

TEST_CASE("operations check their buffers too, and ReLU may run in place") {
  const cl::Context cl(clconv::select_device());
  const Context context(cl, clconv::select_device());
  const cl::CommandQueue queue(cl, clconv::select_device());
  const cl::Buffer a(cl, CL_MEM_READ_WRITE, 4096), b(cl, CL_MEM_READ_WRITE, 4096);
  const Problem p("n1c1h8w8k1kh1kw1");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { context.im2col(queue, p, CLCONV_ROWS, a, a); }) ==
        "buffers x and cols overlap, and one of them is written");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          context.col2im(queue, p, CLCONV_ROWS, CLCONV_COL2IM_GATHER, b, b);
        }) == "buffers cols and dx overlap, and one of them is written");
  clconv::GemmParams params;
  params.m = params.n = params.k = params.lda = params.ldb = params.ldc = 4;
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { context.gemm(queue, params, a, b, b); }) ==
        "buffers b and c overlap, and one of them is written");
  context.relu(queue, 64, a, a);
  queue.finish();
}
