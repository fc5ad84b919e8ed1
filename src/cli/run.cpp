// clconv run: one convolution on .npy files.
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/buffers.hpp"
#include "cli/cli.hpp"
#include "cli/report.hpp"

namespace clconv::cli {
namespace {

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

struct RunVerb {
  std::string direction = "forward", x, w, b, out;
  bool relu = false;
  GeometryOptions geometry;
  PlanningOptions planning;

  Problem problem(const Array& input, const Array& weights, const Array* bias) const;
  void run(const Session& session) const;
};

Problem RunVerb::problem(const Array& input, const Array& weights, const Array* bias) const {
  const auto& xs = input.shape;
  const auto& ws = weights.shape;
  if (geometry.groups < 1) {
    throw BadInput("--groups " + std::to_string(geometry.groups) + ": must be at least 1");
  }
  if (xs[1] != ws[1] * geometry.groups) {
    throw BadInput(w + ": has " + std::to_string(ws[1]) + " channels per filter, " + x + " has " +
                   std::to_string(xs[1]) + " channels and --groups is " +
                   std::to_string(geometry.groups));
  }
  if (bias != nullptr && bias->shape[0] != ws[0]) {
    throw BadInput(b + ": has " + std::to_string(bias->shape[0]) + " values, " + w + " has " +
                   std::to_string(ws[0]) + " filters");
  }
  std::string text;
  const auto put = [&](const char* name, std::int64_t value) {
    text += name + std::to_string(value);
  };
  put("n", xs[0]), put("c", xs[1]), put("h", xs[2]), put("w", xs[3]);
  put("k", ws[0]), put("kh", ws[2]), put("kw", ws[3]);
  Problem p(text + geometry.text());
  p.direction = parse_direction(direction);
  p.bias = bias != nullptr ? 1 : 0;
  p.relu = relu ? 1 : 0;
  return p;
}

void RunVerb::run(const Session& session) const {
  parse_direction(direction);
  const Array input = read_npy(x, "(n,c,h,w)");
  const Array weights = read_npy(w, "(k,c/g,kh,kw)");
  std::unique_ptr<Array> bias;
  if (!b.empty()) bias = std::make_unique<Array>(read_npy(b, "(k)"));
  const Problem p = problem(input, weights, bias.get());
  const auto info = p.info();

  const double start = now_us();
  const Workbench bench(session.open());
  const Plan plan = bench.context.plan(p, planning.options());
  const double planned = now_us();
  Array result{{p.n, p.k, info.oh, info.ow},
               std::vector<float>(static_cast<std::size_t>(info.y_bytes / 4))};
  Operands operands;
  operands.x = bench.upload(input);
  operands.w = bench.upload(weights);
  if (bias) operands.b = bench.upload(*bias);
  operands.y = bench.allocate(info.y_bytes);
  const auto plan_info = plan.info();
  if (plan_info.prepared_weights_bytes > 0) {
    operands.prepared = bench.allocate(plan_info.prepared_weights_bytes);
    plan.prepare(bench.queue, operands.w, operands.prepared);
  }
  plan.execute(bench.queue, operands);  // with first touch and the driver's last compilation
  bench.finish();
  const double first = now_us();
  plan.execute(bench.queue, operands);
  bench.finish();
  const double second = now_us();
  bench.download(operands.y, result);
  const auto steps = nlohmann::json::parse(plan.profile(operands));
  write_npy(out, result);

  std::printf("problem   %s\n", problem_line(p).c_str());
  const std::string config = plan_info.config;
  std::printf("strategy  %s%s\n", plan_info.strategy,
              config.empty() ? "" : (" (" + config + ")").c_str());
  const auto stats = nlohmann::json::parse(bench.context.stats()).at("programs");
  std::printf("planned   in %s, %d programs built in %s, %d read from the cache\n",
              format_us(planned - start).c_str(), stats.at("built").get<int>(),
              format_us(stats.at("build_us").get<double>()).c_str(),
              stats.at("from_disk").get<int>());
  std::printf("first     %s with upload and preparation\n", format_us(first - planned).c_str());
  std::printf("executed  in %s, %s GFLOP/s\n", format_us(second - first).c_str(),
              format_gflops(info.flops, second - first).c_str());
  for (const auto& step : steps) {
    std::printf("          %s %s\n", format_us(step.at("us").get<double>()).c_str(),
                step.at("step").get<std::string>().c_str());
  }
  std::printf("wrote     %s %s float32\n", out.c_str(), shape_text(result.shape).c_str());
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
  auto* verb =
      app.add_subcommand("run", "compute one convolution from .npy files (float32, C order)");
  auto v = std::make_shared<RunVerb>();
  verb->add_option("--direction", v->direction, "forward");
  verb->add_option("--x", v->x, "input (n,c,h,w)")->required();
  verb->add_option("--w", v->w, "weights (k,c/g,kh,kw)")->required();
  verb->add_option("--b", v->b, "bias (k)");
  verb->add_flag("--relu", v->relu, "apply ReLU");
  verb->add_option("--out", v->out, "file to write the result to")->required();
  v->geometry.add_to(*verb, true);
  v->planning.add_to(*verb);
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
