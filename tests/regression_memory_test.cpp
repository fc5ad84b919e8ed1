// Faults that other convolution libraries had: what memory held before shows in the result, or the result changes from
// one execution to the next.
#include <algorithm>

#include "doctest/doctest.h"
#include "support/plans.hpp"

using namespace clconv::test;

namespace {

struct Planned {
  Case* c;
  clconv::Plan plan;
};

std::vector<Case> decorated_cases() {
  std::vector<Problem> problems;
  for (const char* text : {"n2c5h9w31k7kh3kw3p1", "n1c3h14w9k17kh3kw3s2p1,0,2,1",
                           "n2c6h8w8k4kh3kw3p2d2g2", "n3c19h5w7k5kh1kw1", "n2c33h1w1k6kh1kw1"}) {
    for (const Direction direction : kAll)
      problems.push_back(decorated(problem_of(text), direction));
  }
  return {problems.begin(), problems.end()};
}

// Each case by every strategy.
std::vector<Planned> plans_of(std::vector<Case>& cases) {
  std::vector<Planned> plans;
  for (Case& c : cases) {
    for (const Choice& choice : strategies(public_problem(c.problem)))
      plans.push_back({&c, context().plan(public_problem(c.problem), choice.options())});
  }
  return plans;
}

void check(Planned& planned) {
  CAPTURE(to_text(planned.c->problem));
  CAPTURE(std::string(to_string(planned.c->problem.direction)));
  CAPTURE(std::string(planned.plan.info().strategy));
  CAPTURE(std::string(planned.plan.info().config));
  CHECK(planned.c->worst(planned.plan, make_queue()) <= 1.0);
}

}  // namespace

TEST_CASE("what a workspace or prepared weights held before does not matter") {
  std::vector<Case> cases = decorated_cases();
  std::vector<Planned> plans = plans_of(cases);
  std::size_t workspace_bytes = 4, prepared_bytes = 4;
  for (const Planned& planned : plans) {
    const auto info = planned.plan.info();
    workspace_bytes =
        std::max(workspace_bytes, static_cast<std::size_t>(info.workspace_unprepared_bytes));
    prepared_bytes =
        std::max(prepared_bytes, static_cast<std::size_t>(info.prepared_weights_bytes));
  }
  const auto queue = make_queue();
  const cl::Buffer workspace(application_context(), CL_MEM_READ_WRITE, workspace_bytes);
  const cl::Buffer prepared(application_context(), CL_MEM_READ_WRITE, prepared_bytes);
  for (const float poison : {kNan, 1e30f}) {
    CAPTURE(poison);
    for (Planned& planned : plans) {
      queue.enqueueFillBuffer(workspace, poison, 0, workspace_bytes);
      queue.enqueueFillBuffer(prepared, poison, 0, prepared_bytes);
      planned.c->operands.workspace = workspace;
      check(planned);
      queue.enqueueFillBuffer(workspace, poison, 0, workspace_bytes);
      if (planned.plan.info().prepared_weights_bytes > 0) {
        planned.plan.prepare(queue, planned.c->operands.w, prepared);
        planned.c->operands.prepared = prepared;
        check(planned);
      }
      planned.c->operands.prepared = planned.c->operands.workspace = cl::Buffer();
    }
  }
  // One after the other through the caller's workspace as the last one left it, then the library's.
  for (const bool own : {true, false}) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{11}}) {
      for (std::size_t i = 0; i < plans.size(); ++i) {
        Planned& planned = plans[i * step % plans.size()];
        if (own) planned.c->operands.workspace = workspace;
        check(planned);
        planned.c->operands.workspace = cl::Buffer();
      }
    }
  }
}

TEST_CASE("what is marked deterministic gives the same bits twenty times") {
  for (const char* words :
       {"n2c7h13w11k9kh3kw3p1 backward-data", "n2c7h13w11k9kh3kw3p1 backward-data accumulate",
        "n2c7h13w11k9kh3kw3p1 backward-weights", "n2c7h13w11k9kh3kw3p1 backward-bias",
        "n5c40h1w1k9kh1kw1 backward-data", "n5c40h1w1k9kh1kw1 backward-weights"}) {
    const auto queue = make_queue();
    int repeatable = 0;
    for_each_candidate(problem_of(words), [&](Case& c, const clconv::Plan& plan) {
      if (plan.info().deterministic == 0) return;
      ++repeatable;
      const auto first = c.run(plan, queue);
      CHECK(c.worst(plan, first) <= 1.0);
      for (int i = 1; i < 20; ++i)
        CHECK(same_bits(c.run(plan, queue), first));
    });
    CHECK(repeatable >= 2);
  }
}
