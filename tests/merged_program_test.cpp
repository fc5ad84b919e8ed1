// Programs as one text (src/runtime/merged_program.hpp): every body for CPUs can be part of it.
#include <set>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "runtime/merged_program.hpp"
#include "runtime/waking.hpp"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// The programs of one variant of every body, of problems in a suite.
std::vector<ProgramText> programs_of_bodies(Device& on) {
  std::vector<ProgramText> programs;
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
              ProgramText text = text_of(launch->kernel(), on.cl());
              if (std::find(programs.begin(), programs.end(), text) == programs.end())
                programs.push_back(std::move(text));
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
  const std::string text = merged_source({one, other}) +
                           "kernel void both(global int* out, local char* memory) {\n  " +
                           merged_name("f", 0) + "(0, 2, memory, out, 5);\n  " +
                           merged_name("f", 1) + "(1, 2, memory, out, 5);\n}\n";
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
  const std::vector<ProgramText> programs = programs_of_bodies(device());
  CHECK(programs.size() > 15);
  for (const ProgramText& program : programs) {
    CAPTURE(program.options);
    CHECK_FALSE(program.source.empty());
  }
  CHECK_NOTHROW(device().generated_kernel(
      merged_source(programs) + "kernel void nothing(global int* out) { out[0] = 0; }\n", "nothing",
      "-w"));
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
