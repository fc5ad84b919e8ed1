// clconv tune: measures problems and keeps the results in the wisdom file.
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/cli.hpp"
#include "cli/report.hpp"

namespace clconv::cli {
namespace {

struct TuneVerb {
  std::vector<std::string> texts;
  std::string suite, rigor = "measure", direction = "forward", math;
  double time_limit_s = 0;
  StorageOptions storage;

  void run(const Session& session) const {
    PlanOptions options;
    options.rigor = parse_rigor(rigor);
    if (options.rigor != CLCONV_MEASURE && options.rigor != CLCONV_EXHAUSTIVE) {
      throw BadInput("--rigor '" + rigor + "': tuning measures, expected measure or exhaustive");
    }
    options.math = parse_math(math);
    const auto problems = wanted_problems("tune", suite, texts);
    const clconv_direction wanted = parse_direction(direction);
    const std::string file = wisdom_path();
    wisdom_check();  // before minutes of measuring
    const Context context = session.open();
    context.profile(true);
    const auto start = std::chrono::steady_clock::now();
    std::size_t done = 0;
    std::string notes, environment;
    Table table({"name", "problem", "strategy", "config", "median", "GFLOP/s"});
    {
      Progress progress("tuning", problems.size());
      for (const NamedProblem& item : problems) {
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        if (time_limit_s > 0 && spent.count() >= time_limit_s) break;
        if (time_limit_s > 0) options.time_limit_s = time_limit_s - spent.count();
        progress.step(item.name);
        Problem p = item.problem;
        p.direction = wanted;
        storage.apply(p);
        if (p.n == 0) {
          p.info();  // validates
          table.add({item.name, p.text(), "-", "-", "-", "a batch of 0: nothing to measure"}, kDim);
          ++done;
          continue;
        }
        const auto report = nlohmann::json::parse(context.explain(p, options));
        environment = environment_text(report);
        for (const auto& note : report.at("notes"))
          notes = note.get<std::string>();
        for (const auto& c : report.at("candidates")) {
          if (c.at("status") != "chosen") continue;
          table.add({item.name, p.text(), c.at("strategy").get<std::string>(),
                     c.at("config").get<std::string>(), format_us(ranking_us(c)),
                     format_gflops(p.info().flops, ranking_us(c))});
        }
        ++done;
      }
    }
    if (!environment.empty()) std::printf("environment: %s\n", environment.c_str());
    std::printf("%s", table.text().c_str());
    if (done < problems.size()) {
      std::printf("%zu of %s: the time limit ended it\n", done,
                  counted(static_cast<std::int64_t>(problems.size()), "problem").c_str());
    }
    if (!notes.empty()) throw FileFailure(notes);
    std::printf("wisdom: %s\n", file.c_str());
  }
};

}  // namespace

void add_tune(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand("tune", "measure problems into the wisdom file");
  auto v = std::make_shared<TuneVerb>();
  verb->add_option("PROBLEM", v->texts, "problems, e.g. n1c64h56w56k64kh3kw3p1");
  verb->add_option("--suite", v->suite, "file of `name PROBLEM` lines");
  add_direction(*verb, v->direction);
  v->storage.add_to(*verb);
  verb->add_option("--rigor", v->rigor, "measure (default) or exhaustive");
  add_math(*verb, v->math);
  verb->add_option("--time-limit", v->time_limit_s, "seconds for all of it")
      ->check(real_number(Sign::kPositive));
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
