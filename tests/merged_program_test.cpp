// Programs as one text (src/runtime/merged_program.hpp): every body for CPUs can be part of it.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "doctest/doctest.h"
#include "planner/context.hpp"
#include "runtime/chain_program.hpp"
#include "runtime/merged_program.hpp"
#include "runtime/waking.hpp"
#include "support/candidates.hpp"
#include "support/queues.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// The programs of one variant of every body, of problems in a suite.
std::vector<ProgramTextPtr> programs_of_bodies(Device& on) {
  std::vector<ProgramTextPtr> programs;
  std::set<std::string> seen;
  std::size_t number = 0;
  for (const auto& item : suite("edge")) {
    if (number++ % 5 != 0) continue;
    for (const Direction direction : {Direction::kForward, Direction::kTransposed}) {
      const Problem p = in_direction(item.problem, direction, number % 2 == 0);
      for_each_candidate(
          on, p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
            const std::string body =
                strategy.name + (" " + candidate.config.body()) + to_string(direction);
            if (!seen.insert(body).second) return;
            const auto executable = strategy.build(p, candidate.config, on);
            for (std::size_t i = 0; i < executable->run.size(); ++i) {
              const KernelStep* launch = executable->run.step(i).as_launch();
              if (launch == nullptr || launch->range().local[0] != 1) continue;
              const ProgramTextPtr text = launch->kernel().text();
              if (std::find(programs.begin(), programs.end(), text) == programs.end())
                programs.push_back(text);
            }
          });
    }
  }
  return programs;
}

}  // namespace

TEST_CASE("names and macros of merged programs do not meet") {
  const ProgramText one{
      "#define TWICE(x) ((x) * FACTOR)\n"
      "typedef struct { int v; } boxed;\n"
      "inline int value(const boxed b) { return TWICE(b.v); }\n"
      "kernel void f(global int* out, int n) { const boxed b = {n}; out[get_group_id(0)] = "
      "value(b); }\n",
      "-DFACTOR=2"};
  ProgramText other = one;
  other.options = "-DFACTOR=3";
  const std::string text =
      merged_source(
          {std::make_shared<const ProgramText>(one), std::make_shared<const ProgramText>(other)},
          64) +
      "kernel void both(global int* out, local char* memory) {\n  " + merged_name("f", 0) +
      "(0, 2, memory, out, 5);\n  " + merged_name("f", 1) + "(1, 2, memory, out, 5);\n}\n";
  cl::Kernel kernel = device().generated_kernel(text, "both", "-w");
  const cl::Buffer out(device().context(), CL_MEM_READ_WRITE, 2 * sizeof(cl_int));
  kernel.setArg(0, out);
  kernel.setArg(1, cl::Local(64));
  const cl::CommandQueue queue = device().make_queue();
  queue.enqueueNDRangeKernel(kernel, cl::NullRange, cl::NDRange(1), cl::NDRange(1));
  cl_int got[2] = {};
  queue.enqueueReadBuffer(out, CL_TRUE, 0, sizeof(got), got);
  CHECK(got[0] == 10);
  CHECK(got[1] == 15);
}

TEST_CASE("every body for CPUs can be part of a merged program") {
  if (device().profile().family != Family::kCpu) {
    MESSAGE("skipped: the device is no CPU");
    return;
  }
  const std::vector<ProgramTextPtr> programs = programs_of_bodies(device());
  CHECK(programs.size() > 15);
  for (const ProgramTextPtr& program : programs) {
    CAPTURE(program->options);
    CHECK_FALSE(program->source.empty());
  }
  const auto bytes = static_cast<std::size_t>(device().profile().local_memory_bytes);
  CHECK_NOTHROW(device().generated_kernel(
      merged_source(programs, bytes) + "kernel void nothing(global int* out) { out[0] = 0; }\n",
      "nothing", "-w"));
}

TEST_CASE("arrays in local memory that there is no room for do not compile in a merged program") {
  const auto program = std::make_shared<const ProgramText>(
      ProgramText{"kernel void f(global int* out) {\n"
                  "  local int a[COUNT];\n"
                  "  local float b[2 * 8];\n"
                  "  a[1] = 3, b[2] = 4;\n  out[0] = a[1] + (int)b[2];\n}\n",
                  "-DCOUNT=17"});
  const auto build = [&](std::size_t bytes) {  // 128 and 64 are needed
    return device().generated_kernel(
        merged_source({program}, bytes) +
            "kernel void g(global int* out, local char* memory) {\n  " + merged_name("f", 0) +
            "(0, 1, memory, out);\n}\n",
        "g", "-w");
  };
  cl::Kernel kernel = build(192);
  const cl::Buffer out(device().context(), CL_MEM_READ_WRITE, sizeof(cl_int));
  kernel.setArg(0, out);
  kernel.setArg(1, cl::Local(192));
  const cl::CommandQueue queue = device().make_queue();
  queue.enqueueNDRangeKernel(kernel, cl::NullRange, cl::NDRange(1), cl::NDRange(1));
  cl_int got = 0;
  queue.enqueueReadBuffer(out, CL_TRUE, 0, sizeof(got), &got);
  CHECK(got == 7);
  CHECK_THROWS_AS(build(191), Error);
}

namespace {

// A kernel of a program of its own: out[i] = factor * (in[i] + number), of 0 where there is no `in`.
Kernel scaling_kernel(const std::string& factor) {
  return device().generated_kernel(
      "NOT_INLINED void scale_item(long i, global int* out, global const int* in, int number) {\n"
      "  out[i] = FACTOR * ((in ? in[i] : 0) + number);\n}\n"
      "kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
      "void scale(global int* out, global const int* in, int number) {\n"
      "  scale_item(get_group_id(0), out, in, number);\n}\n",
      "scale", "-DFACTOR=" + factor + " -DNOT_INLINED=static");
}

// What a chain leaves in its two buffers of 100 numbers, of which the second begins with 100, 101, ...
std::vector<cl_int> run_chain(const ChainProgram& program, const ChainTable& table) {
  std::vector<cl_int> values(200, -1);
  for (int i = 0; i < 100; ++i)
    values[static_cast<std::size_t>(100 + i)] = 100 + i;
  std::vector<cl::Buffer> buffers;
  for (std::size_t i = 0; i < 2; ++i)
    buffers.emplace_back(device().context(), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                         100 * sizeof(cl_int), values.data() + 100 * i);
  std::vector<char> zeroes(static_cast<std::size_t>(table.state_bytes), 0), after = zeroes;
  const cl::Buffer state(device().context(), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                         zeroes.size(), zeroes.data());
  cl::Kernel kernel = program.kernel();
  kernel.setArg(ChainProgram::kState, state);
  kernel.setArg(ChainProgram::kTable, table.numbers);
  for (cl_uint i = 0; i < 2; ++i)
    kernel.setArg(ChainProgram::kFirstBuffer + i, buffers[i]);
  const cl::CommandQueue queue = device().make_queue();
  queue.enqueueNDRangeKernel(kernel, cl::NullRange, cl::NDRange(chain_workers(device().profile())),
                             cl::NDRange(1));
  for (std::size_t i = 0; i < 2; ++i)
    queue.enqueueReadBuffer(buffers[i], CL_TRUE, 0, 100 * sizeof(cl_int), values.data() + 100 * i);
  queue.enqueueReadBuffer(state, CL_TRUE, 0, after.size(), after.data());
  CHECK(after == zeroes);
  return values;
}

}  // namespace

TEST_CASE("the program of a chain runs whatever tasks of its kernels a table names") {
  if (!has_slow_launches(device().profile())) {
    MESSAGE("skipped: the device launches every step");
    return;
  }
  const auto task = [](const char* factor, std::size_t count,
                       std::vector<ChainArgument> arguments) {
    return ChainTask{scaling_kernel(factor).text(), "scale", count, std::move(arguments)};
  };
  const auto part = [](std::size_t index, std::int64_t first) {
    return ChainBuffer{index, first * static_cast<std::int64_t>(sizeof(cl_int))};
  };
  const ChainProgram program(device(),
                             {task("2", 1, {part(0, 0), part(0, 0), cl_int{0}}),
                              task("3", 1, {part(0, 0), part(0, 0), cl_int{0}})},
                             2);
  // out[0..39] = 3 * (in[50..89] + 1), then out[20..29] = 2 * (out[0..9] - 2), then in[99] = 2 * 5.
  const auto table = program.table_of({task("3", 40, {part(0, 0), part(1, 50), cl_int{1}}),
                                       task("2", 10, {part(0, 20), part(0, 0), cl_int{-2}}),
                                       task("2", 1, {part(1, 99), ChainBuffer{}, cl_int{5}})});
  REQUIRE(table);
  const std::vector<cl_int> values = run_chain(program, *table);
  for (int i = 0; i < 200; ++i) {
    CAPTURE(i);
    const int wanted = i >= 20 && i < 30 ? 2 * (3 * (150 + i - 20 + 1) - 2)
                       : i < 40          ? 3 * (150 + i + 1)
                       : i < 100         ? -1
                       : i == 199        ? 10
                                         : i;
    CHECK(values[static_cast<std::size_t>(i)] == wanted);
  }
  const auto nothing = program.table_of({});
  REQUIRE(nothing);
  CHECK(run_chain(program, *nothing)[150] == 150);
  CHECK_FALSE(program.table_of({task("4", 1, {})}));
}

TEST_CASE("a kernel that is wanted for its text is compiled when it is first launched") {
  const auto make = [] {
    return device().generated_kernel(
        "kernel void fill(global int* out) { out[get_global_id(0)] = NUMBER; }\n", "fill",
        "-DNUMBER=7");
  };
  std::unique_ptr<KernelStep> step;
  // From source, or where an earlier run has left the binary, from that.
  const auto programs = [] {
    const ProgramCache::Stats stats = device().programs().stats();
    return stats.built + stats.from_disk;
  };
  const std::int64_t before = programs();
  {
    const Device::TextOnly text_only;
    step = std::make_unique<KernelStep>("fill", make(), std::vector<Argument>{{"out", Region{0}}},
                                        items(5, 1));
  }
  CHECK(step->kernel().compiled()() == nullptr);
  CHECK(programs() == before);
  const cl::Buffer out(device().context(), CL_MEM_READ_WRITE, 5 * sizeof(cl_int));
  Bindings bindings;
  bindings.bind(0, out());
  const cl::CommandQueue queue = device().make_queue();
  step->enqueue(queue(), bindings, {});
  std::vector<cl_int> values(5);
  queue.enqueueReadBuffer(out, CL_TRUE, 0, 5 * sizeof(cl_int), values.data());
  CHECK(values == std::vector<cl_int>(5, 7));
  CHECK(programs() == before + 1);
  const Kernel kernel = make();
  CHECK(kernel.compiled()() != nullptr);
  CHECK(kernel.text() == step->kernel().text());
  CHECK(kernel.function() == "fill");
}

TEST_CASE("the launches of a plan as one give the bits of the launches") {
  if (!has_slow_launches(device().profile())) {
    MESSAGE("skipped: the device launches every step");
    return;
  }
  std::set<std::string> seen, joined;
  std::size_t number = 0;
  for (const auto& item : suite("edge")) {
    if (number++ % 11 != 0) continue;
    for (const Direction direction : kAll) {
      const Problem p = in_direction(item.problem, direction, number % 2 == 0);
      const Tensors tensors(p);
      for_each_candidate(
          device(), p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
            const std::string body =
                strategy.name + (" " + candidate.config.body()) + to_string(direction);
            if (!candidate.deterministic || !seen.insert(body).second) return;
            if (executable_of(strategy, p, candidate.config, device(), Launches::kJoined)
                    ->joined.empty()) {
              seen.erase(body);  // of another problem there may be several launches
              return;
            }
            joined.insert(body);
            CHECK(same_bits(run(device(), strategy, p, candidate, tensors, Launches::kJoined),
                            run(device(), strategy, p, candidate, tensors)));
          });
    }
  }
  CHECK(joined.size() > 8);
}

TEST_CASE("packing the weights and the launches of a plan as one give the bits of the launches") {
  if (!has_slow_launches(device().profile())) {
    MESSAGE("skipped: the device launches every step");
    return;
  }
  std::set<std::string> seen, joined;
  std::size_t number = 0;
  for (const auto& item : suite("edge")) {
    if (number++ % 16 != 0) continue;
    const Problem p = in_direction(item.problem, Direction::kForward, true);
    const Tensors tensors(p);
    for_each_candidate(
        device(), p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
          const std::string body = strategy.name + (" " + candidate.config.body());
          if (!candidate.deterministic || candidate.prepared_weights_bytes == 0) return;
          if (!seen.insert(body).second) return;
          const auto plan =
              executable_of(strategy, p, candidate.config, device(), Launches::kJoinedWithWeights);
          if (plan->joined_with_weights.empty()) return;  // CLBlast's product is no task
          joined.insert(body);
          CHECK(same_bits(
              run(device(), strategy, p, candidate, tensors, Launches::kJoinedWithWeights),
              run(device(), strategy, p, candidate, tensors)));
        });
  }
  CHECK(joined.size() > 5);
}

TEST_CASE(
    "hundreds of launches stay as they are: compiling them as one takes longer than it saves") {
  const Problem p = parse_problem("n100c2h5w5k3kh3kw3");
  const Config each_image = Config::parse("body=panels,images=1,rows=3");
  const auto executable =
      executable_of(find_strategy("im2col_gemm"), p, each_image, device(), Launches::kJoined);
  CHECK(executable->run.size() >= 200);
  CHECK(executable->joined.empty());
}

namespace {

// A plan of three launches.
Problem several() {
  return parse_problem("n1c19h13w11k21kh3kw3p1");
}
constexpr const char* kSeveralStrategy = "im2col_gemm";
constexpr const char* kSeveralConfig = "body=panels,images=1,rows=13";

std::unique_ptr<Executable> several_launches(Device& on) {
  return executable_of(find_strategy(kSeveralStrategy), several(), Config::parse(kSeveralConfig),
                       on, Launches::kJoined);
}

// Buffers for all that it needs.
struct Buffers {
  std::vector<cl::Buffer> all;
  Bindings bindings;

  Buffers(const Executable& executable, const Problem& p) {
    std::vector<Tensor> tensors = inputs_of(p);
    tensors.push_back(result_of(p));
    for (const Tensor tensor : tensors)
      bind(static_cast<int>(tensor), bytes_of(p, tensor));
    bind(kWorkspaceSlot, executable.workspace_bytes);
    bind(kPreparedSlot, executable.prepared_weights_bytes);
  }
  void bind(int slot, std::int64_t bytes) {
    all.push_back(allocate(device().context(), bytes, bytes, "a test"));
    bindings.bind(slot, all.back()());
  }
};

cl_int status_of(const cl::Event& event) {
  return event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>();
}

}  // namespace

TEST_CASE(
    "launches that stay apart are another plan and record, and trim() gives back the rest's") {
  if (!has_slow_launches(device().profile())) {
    MESSAGE("skipped: the device launches every step");
    return;
  }
  ContextOptions options;
  options.wisdom_path = "off";
  Context context(device().context(), device().cl(), options);
  const Buffers buffers(*several_launches(device()), several());
  Operands operands;
  operands.tensors[static_cast<std::size_t>(Tensor::kX)] = buffers.all[0]();
  operands.tensors[static_cast<std::size_t>(Tensor::kW)] = buffers.all[1]();
  operands.tensors[static_cast<std::size_t>(Tensor::kY)] = buffers.all[2]();
  // What joined launches count in.
  const auto state_bytes = [&] { return context.device().states().use().bytes; };
  PlannerOptions wanted;
  wanted.strategy = kSeveralStrategy;
  wanted.config = kSeveralConfig;
  wanted.launches_apart = true;
  const auto apart = context.plan(several(), wanted);
  wanted.launches_apart = false;
  const auto joined = context.plan(several(), wanted);
  context.trim();
  CHECK(state_bytes() == 0);
  apart->execute(queue()(), operands, {});
  queue().finish();
  CHECK(state_bytes() == 0);
  joined->execute(queue()(), operands, {});
  queue().finish();
  CHECK(state_bytes() > 0);
  context.trim();
  CHECK(state_bytes() == 0);

  const std::string together = machine_of(device());
  ::setenv("CLCONV_LAUNCHES", "each", 1);
  CHECK(machine_of(device()) != together);
  CHECK(several_launches(device())->joined.empty());
  ::unsetenv("CLCONV_LAUNCHES");
}

TEST_CASE("joined launches wait for who still counts in the same memory") {
  if (skips_out_of_order(device().cl())) return;
  const auto executable = several_launches(device());
  if (executable->joined.empty()) {
    MESSAGE("skipped: the device launches every step");
    return;
  }
  Buffers buffers(*executable, several());
  const cl::CommandQueue out_of_order = device().make_queue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  cl::UserEvent gate(device().context());
  const cl_event begin = gate();
  std::vector<cl::Event> ends;
  for (int i = 0; i < 5; ++i) {  // there is memory for four on one queue
    cl_event end = nullptr;
    const bool waits = i < 4;
    executable->joined.enqueue(out_of_order(), buffers.bindings,
                               {waits ? 1U : 0U, waits ? &begin : nullptr, &end, nullptr});
    ends.emplace_back(end);
  }
  out_of_order.flush();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(status_of(ends.back()) > CL_COMPLETE);
  gate.setStatus(CL_COMPLETE);
  out_of_order.finish();
  CHECK(status_of(ends.back()) == CL_COMPLETE);
}
