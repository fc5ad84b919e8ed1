// Faults that other convolution libraries had: what was asked for is what runs, or an error says why not.
#include <cstdlib>
#include <set>

#include "doctest/doctest.h"
#include "support/plans.hpp"

using namespace clconv::test;

TEST_CASE("a forced strategy or config is the one that runs, or an error that names it") {
  for (const char* text : {"n2c6h9w10k4kh3kw3p1", "n2c6h9w10k4kh1kw1", "n2c16h1w1k5kh1kw1"}) {
    for (const Direction direction : kAll) {
      const auto queue = make_queue();
      Problem p = problem_of(text);
      p.direction = direction;
      for_each_candidate(
          p, [&](Case& c, const clconv::Plan& plan) { CHECK(c.worst(plan, queue) <= 1.0); });
      const clconv::Problem q = public_problem(p);
      std::set<std::string> able;
      for (const Choice& choice : candidates(q)) {
        able.insert(choice.strategy);
        for (const bool with_config : {false, true}) {
          const clconv::Plan plan = context().plan(
              q, Choice{choice.strategy, with_config ? choice.config : ""}.options());
          const Json report = Json::parse(plan.report());
          CHECK(std::string(plan.info().strategy) == choice.strategy);
          CHECK(report.at("chosen").at("strategy") == choice.strategy);
          CHECK(report.at("chosen").at("config") == std::string(plan.info().config));
          if (with_config) CHECK(std::string(plan.info().config) == choice.config);
          CHECK(Json::parse(plan.profile(Case(p).operands)).size() >= 1);
        }
      }
      for (const char* name : {"naive", "im2col_gemm", "pointwise_gemm", "implicit_gemm",
                               "fully_connected", "reduction"}) {
        if (able.count(name) != 0) continue;
        CAPTURE(std::string(name));
        CHECK(error_of(CLCONV_CONSTRAINT, [&] {
                context().plan(q, Choice{name, ""}.options());
              }).find(std::string(name) + " (") != std::string::npos);
      }
    }
  }
}

TEST_CASE("a forced config that exceeds the workspace limit is refused, not replaced") {
  const clconv::Problem p("n2c6h9w10k4kh3kw3p1");
  int refused = 0;
  for (const Choice& choice : candidates(p)) {
    CAPTURE(choice.config);
    const std::int64_t needed =
        context().plan(p, choice.options()).info().workspace_unprepared_bytes;
    if (needed == 0) continue;
    CHECK_FALSE(error_of(CLCONV_CONSTRAINT, [&] { context().plan(p, choice.options(0)); }).empty());
    ++refused;
  }
  CHECK(refused >= 5);
}

TEST_CASE("names that are not known are refused wherever they are given") {
  const clconv::Problem p("n1c4h8w8k4kh3kw3p1");
  const auto refused = [&](auto&& change) {
    clconv::PlanOptions options;
    change(options);
    return error_of(CLCONV_INVALID_ARGUMENT, [&] { context().plan(p, options); });
  };
  using Options = clconv::PlanOptions;
  CHECK(refused([](Options& o) { o.strategy = "im2col-gemm"; }).find("'im2col-gemm'") !=
        std::string::npos);
  CHECK(refused([](Options& o) { o.strategy = "Naive"; }).find("'Naive'") != std::string::npos);
  CHECK(refused([](Options& o) { o.strategy = "naive "; }).find("'naive '") != std::string::npos);
  CHECK(refused([](Options& o) { o.allow = "naive,implict_gemm"; }).find("'implict_gemm'") !=
        std::string::npos);
  CHECK(refused([](Options& o) { o.deny = "naive,,"; }).find("''") != std::string::npos);
  CHECK(refused([](Options& o) { o.deny = "nave"; }).find("'nave'") != std::string::npos);
  CHECK(refused([](Options& o) { o.config = "vw=16"; }) == "config needs strategy");
  CHECK(refused([](Options& o) { o.strategy = "naive", o.config = "vw:16"; }).find("vw:16") !=
        std::string::npos);
  // Well-formed, but no variant's: the answer is a reason, not another variant.
  const auto no_variant = [&](const char* config, clconv_status status) {
    clconv::PlanOptions options;
    options.strategy = "implicit_gemm";
    options.config = config;
    return error_of(status, [&] { context().plan(p, options); });
  };
  const auto says = [](const std::string& text, const char* words) {
    CAPTURE(text);
    CHECK(text.find(words) != std::string::npos);
  };
  says(no_variant("body=filters,kv=1,th=1,tw=10,vv=16", CLCONV_INVALID_ARGUMENT),
       "value vw is missing");
  says(no_variant("body=filters,kv=1,th=1,tw=10,vw=17", CLCONV_INVALID_ARGUMENT),
       "vw=17 is not in [4, 16]");
  says(no_variant("body=filtres,kv=1,th=1,tw=10,vw=16", CLCONV_INVALID_ARGUMENT),
       "body 'filtres' is none of");
  says(no_variant("body=filters,kv=1,th=1,tw=64,vw=16", CLCONV_CONSTRAINT),
       "implicit_gemm (tw is 64, supported up to ");
  ::setenv("CLCONV_STRATEGY", "implicitgemm", 1);
  CHECK(refused([](Options&) {}).find("CLCONV_STRATEGY: strategy 'implicitgemm' is unknown") !=
        std::string::npos);
  ::unsetenv("CLCONV_STRATEGY");
  ::setenv("CLCONV_RIGOR", "meassure", 1);
  CHECK(refused([](Options&) {}).find("CLCONV_RIGOR: rigor 'meassure' is unknown") !=
        std::string::npos);
  ::unsetenv("CLCONV_RIGOR");
  for (const char* text : {"n1c4h8w8k4kh3kw3q1", "n1c4h8w8k4kh3kw3pad1", "n1c4h8w8k4kh3kw3p1p2",
                           "n1c4h8w8k4kh3kw3 p1", "n1c4h8w8k4kh3kw3p1,", "N1c4h8w8k4kh3kw3"}) {
    CAPTURE(text);
    CHECK_FALSE(error_of(CLCONV_INVALID_PROBLEM, [&] { clconv::Problem{text}; }).empty());
  }
  CHECK_FALSE(error_of(CLCONV_NO_DEVICE, [] { clconv::select_device("no such device"); }).empty());
}
