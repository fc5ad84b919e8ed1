// clconv net: runs a whole network, an ONNX file, and says layer by layer how and how fast.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "clconv/net.hpp"
#include "cli/buffers.hpp"
#include "cli/cli.hpp"
#include "cli/net_html.hpp"
#include "cli/net_inputs.hpp"
#include "cli/net_outputs.hpp"
#include "cli/net_report.hpp"
#include "runtime/files.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

using Json = nlohmann::json;

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

struct NetVerb {
  std::string model, rigor, workspace_limit, dtype, math, out, html;
  std::vector<std::string> inputs, skip;
  std::int64_t batch = 0, expected_runs = 0, runs = 10;
  double time_limit_s = 0;
  bool deterministic = false, check = false, json = false, passes = false, supported = false;
  PictureOptions pictures;

  void run(const Session& session);

 private:
  void check_options() const;
  NetworkOptions options();
  std::vector<std::string> files_read(const std::vector<NetInput>& sources) const;
  void compute(const Session& session, const Model& loaded, const Json& description);
  void print(const Json& report, const std::vector<std::string>& wrote) const;
  void write_html(const Workbench& bench, const Json& report) const;

  double start_ = 0, import_us_ = 0;
  std::string skipped_;  // what NetworkOptions points to
};

void print_supported(bool json) {
  const std::string text = net_supported();
  if (json) {
    std::printf("%s\n", text.c_str());
    return;
  }
  const Json list = Json::parse(text);
  std::printf("ONNX files: %s\n\noperators, and the opset since which they are known\n",
              list.at("importer").get<bool>() ? "can be read" : "this build has no importer");
  std::string line;
  for (const Json& op : list.at("operators")) {
    const std::string domain = op.at("domain").get<std::string>();
    const std::string word = (domain.empty() || domain == "ai.onnx" ? "" : domain + ".") +
                             op.at("operator").get<std::string>() + " " +
                             std::to_string(op.at("since").get<std::int64_t>());
    if (line.size() + word.size() > 110) {
      std::printf("  %s,\n", line.c_str());
      line.clear();
    }
    line += (line.empty() ? "" : ", ") + word;
  }
  std::printf("  %s\n\npasses, in their order\n", line.c_str());
  for (const Json& pass : list.at("passes")) {
    std::printf("  %s: %s\n", pass.at("pass").get<std::string>().c_str(),
                pass.at("about").get<std::string>().c_str());
  }
}

// What the planner makes of each convolution alone, without its epilogue: the best few.
Json candidates_of(const Context& context, const Json& report) {
  constexpr std::size_t kBest = 6;
  Json all = Json::object();
  PlanOptions options;
  options.rigor = CLCONV_ESTIMATE;
  for (const Json& layer : report.at("layers")) {
    for (const Json& step : layer.at("steps")) {
      if (step.at("kind") != "convolution") continue;
      const auto direction = step.at("direction").get<std::string>();
      const auto key = direction + " " + step.at("problem").get<std::string>();
      if (all.contains(key)) continue;
      Json explained;
      try {
        Problem problem(step.at("problem").get<std::string>());
        problem.direction = parse_direction(direction);
        problem.data_type = parse_data_type(report.at("storage").get<std::string>());
        explained = Json::parse(context.explain(problem, options));
      } catch (const Error&) {
        continue;  // the report is of use without this list, too
      }
      std::vector<Json> best;
      for (const Json& c : explained.at("candidates")) {
        if (!c.at("predicted_us").is_number()) continue;
        const Json& measured = c.at("measured");
        best.push_back({{"strategy", c.at("strategy")},
                        {"config", c.at("config")},
                        {"predicted_us", c.at("predicted_us")},
                        {"measured_us", measured.is_object() ? measured.at("median_us") : Json()}});
      }
      std::stable_sort(best.begin(), best.end(), [](const Json& a, const Json& b) {
        return a.at("predicted_us").get<double>() < b.at("predicted_us").get<double>();
      });
      best.resize(std::min(best.size(), kBest));
      all[key] = best;
    }
  }
  return all;
}

// Layers that are planned and built: without kernels in the driver's cache, most of the time of a first run.
struct Building {
  std::string model;
  std::optional<Progress> bar;
};

void told(void* user, std::int64_t done, std::int64_t total, const char* layer) {
  auto& building = *static_cast<Building*>(user);
  if (done == 0) building.bar.emplace(building.model, static_cast<std::size_t>(total));
  building.bar->step("planning, building " + core::cut_line(layer, 40));
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

// The range of an output's values and, where it is one row of scores, which is the largest.
std::string values_text(const Array& array) {
  if (array.values.empty()) return "no values";
  const auto finite = [](float v) { return std::isfinite(v); };
  if (!std::all_of(array.values.begin(), array.values.end(), finite)) {
    return "NOT FINITE: has infinities or NaN";
  }
  const auto [least, most] = std::minmax_element(array.values.begin(), array.values.end());
  std::string text =
      number_text(static_cast<double>(*least)) + " to " + number_text(static_cast<double>(*most));
  const auto row = static_cast<std::size_t>(array.shape.empty() ? 1 : array.shape.back());
  if (array.shape.size() == 2 && row == array.values.size() && row > 1) {
    text += ", largest at " + std::to_string(most - array.values.begin());
  }
  return text;
}

void NetVerb::check_options() const {
  if (model.empty()) throw BadInput("net: name a MODEL.onnx, or --supported");
  if (!html.empty()) check_out(html, {model});
}

NetworkOptions NetVerb::options() {
  NetworkOptions o;
  o.batch = batch;
  o.rigor = parse_rigor(rigor);
  o.time_limit_s = time_limit_s;
  if (!workspace_limit.empty()) {
    o.workspace_limit_bytes = parse_bytes("--workspace-limit", workspace_limit);
  }
  o.deterministic = deterministic ? 1 : 0;
  o.expected_runs = expected_runs;
  o.math = parse_math(math);
  o.data_type = parse_data_type(dtype);
  for (const std::string& pass : skip)
    skipped_ += (skipped_.empty() ? "" : ",") + pass;
  if (!skipped_.empty()) o.skip_passes = skipped_.c_str();
  return o;
}

std::vector<std::string> NetVerb::files_read(const std::vector<NetInput>& sources) const {
  std::vector<std::string> files = {model};
  for (const NetInput& source : sources)
    files.push_back(source.file);
  return files;
}

void NetVerb::write_html(const Workbench& bench, const Json& report) const {
  NetPage page;
  page.title = std::filesystem::path(model).filename().string();
  page.report = report;
  page.profile = Json::parse(bench.context.profile());
  page.candidates = candidates_of(bench.context, report);
  core::write_file_atomically(html, html_of(page));
}

void NetVerb::print(const Json& report, const std::vector<std::string>& wrote) const {
  if (json) {
    std::printf("%s\n", report.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  const auto line = [](const char* what, const std::string& text) {
    std::printf("%-9s %s\n", what, core::one_line(text).c_str());
  };
  line("model", report.at("model").get<std::string>());
  line("device", report.at("device").get<std::string>() + ", storage " +
                     report.at("storage").get<std::string>());
  for (const Json& input : report.at("inputs")) {
    line("input", input.at("name").get<std::string>() + " " + tensor_text(input) + ": " +
                      input.at("source").get<std::string>());
  }
  for (const Json& output : report.at("outputs")) {
    line("output", output.at("name").get<std::string>() + " " + tensor_text(output) + ": " +
                       output.at("values").get<std::string>());
  }
  for (const Json& note : report.at("notes"))
    line("note", note.get<std::string>());
  std::printf("\n%s\n%s", layers_table(report).c_str(), totals_text(report).c_str());
  line("first", "output " + format_us(report.at("first_output_us").get<double>()) +
                    " after the start, with reading, planning, building and upload");
  for (const std::string& text : wrote)
    line("wrote", text);
  if (passes) std::printf("\n%s", passes_text(report).c_str());
}

// Where the inputs come from, and what there is to say about them.
void add_sources(Json& report, const std::vector<NetInput>& sources) {
  report["notes"] = Json::array();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    report.at("inputs").at(i)["source"] = sources[i].source;
    for (const std::string& note : sources[i].notes)
      report["notes"].push_back(note);
  }
}

void NetVerb::compute(const Session& session, const Model& loaded, const Json& description) {
  std::vector<NetInput> sources = net_inputs(description, inputs, pictures, batch);
  if (!html.empty()) {
    for (const NetInput& source : sources)
      check_out(html, {source.file});
  }
  NetworkOptions network_options = options();
  const std::string name = std::filesystem::path(model).filename().string();
  Progress progress(name, check ? 4 : 3);
  progress.step("planning, building, preparing weights");
  Building building{name, {}};
  network_options.progress = told;
  network_options.progress_user = &building;
  const Workbench bench(session.open());
  const Network network(bench.context, loaded, input_shapes(sources), network_options);
  const auto infos = network.inputs(), results = network.outputs();
  const NetOutputs writer(out, results, files_read(sources));

  progress.step("first run");
  std::vector<cl::Buffer> in, to;
  for (std::size_t i = 0; i < infos.size(); ++i)
    in.push_back(bench.upload(input_values(sources[i], infos[i], pictures, i)));
  std::vector<Array> values;
  for (const TensorInfo& info : results) {
    to.push_back(bench.allocate(info.bytes));
    values.push_back({info.sizes, {}, CLCONV_FLOAT32});
    values.back().values.resize(static_cast<std::size_t>(info.bytes) / sizeof(float));
  }
  network.run(bench.queue, in, to);
  bench.finish();
  for (std::size_t i = 0; i < values.size(); ++i)
    bench.download(to[i], values[i]);
  const double first = now_us() - start_;

  progress.step("measuring");
  Json report = Json::parse(runs > 0 ? network.profile(in, to, runs) : network.report());
  if (check) {
    progress.step("comparing with strategy naive");
    add_check(report, Json::parse(network.check_layers(in, to)));
  }
  progress.step("");
  report["model"] = model;
  if (!report.at("times").contains("import_us")) report["times"]["import_us"] = import_us_;
  report["first_output_us"] = first;
  add_sources(report, sources);
  for (std::size_t i = 0; i < values.size(); ++i)
    report.at("outputs").at(i)["values"] = values_text(values[i]);
  std::vector<std::string> wrote = writer.write(values);
  if (!html.empty()) {
    write_html(bench, report);
    wrote.push_back(html);
  }
  progress.end();
  print(report, wrote);
  const std::string failure = check_failure(report);
  if (!failure.empty()) throw std::runtime_error(failure);
}

void NetVerb::run(const Session& session) {
  start_ = now_us();
  if (supported) return print_supported(json);
  check_options();
  const Model loaded = Model::load(model);
  import_us_ = now_us() - start_;
  compute(session, loaded, Json::parse(loaded.describe()));
}

void add_picture_options(CLI::App& verb, PictureOptions& pictures) {
  verb.add_option("--image", pictures.image,
                  "a PNG or JPEG for the input that takes a picture; its size is that of the input "
                  "where the model leaves it open, else it is resized");
  verb.add_option("--mean", pictures.mean,
                  "subtracted from the picture's values, which are 0..1: a number, or one a "
                  "channel: 0.485,0.456,0.406");
  verb.add_option("--std", pictures.std, "and divided by this (1)");
  verb.add_option("--scale", pictures.scale, "and multiplied by this (1); 255 for models of 0..255")
      ->check(real_number(Sign::kAny));
  verb.add_flag("--nhwc", pictures.nhwc,
                "the picture's channels are the input's last size; needed only where its sizes do "
                "not show it");
}

}  // namespace

void add_net(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand(
      "net", "run a network, an ONNX file: time, strategy and memory of every layer");
  auto v = std::make_shared<NetVerb>();
  verb->add_option("MODEL", v->model, "an ONNX file");
  verb->add_option("--input", v->inputs,
                   "NAME=N,C,H,W (a shape) or NAME=FILE (.npy, .png, .jpg), once for each input; "
                   "those without a file get random numbers in [0,1)")
      ->allow_extra_args(false);  // one value each: MODEL may stand behind
  verb->add_option("--batch", v->batch, "the first size of every input")->check(whole_number(1));
  add_picture_options(*verb, v->pictures);
  verb->add_option("--rigor", v->rigor, "wisdom-only, estimate (default), measure or exhaustive");
  verb->add_option("--time-limit", v->time_limit_s,
                   "seconds to measure a layer at most; compiling is not counted")
      ->check(real_number(Sign::kPositive));
  verb->add_option("--workspace-limit", v->workspace_limit,
                   "bytes of workspace a layer may need, e.g. 1000000, 64M or 2GiB");
  verb->add_flag("--deterministic", v->deterministic, "equal inputs must give equal bits");
  verb->add_option("--expected-runs", v->expected_runs,
                   "weigh compiling and preparing, spread over so many runs")
      ->check(whole_number(0));
  add_math(*verb, v->math);
  verb->add_option("--dtype", v->dtype,
                   data_type_words() + " (f32): weights and activations in memory");
  verb->add_option("--runs", v->runs, "runs to measure (10); 0: predicted times only")
      ->check(whole_number(0));
  verb->add_flag("--check", v->check,
                 "compare every convolution with strategy naive; exit status 1 where one is wrong");
  verb->add_option("--out", v->out,
                   "a folder for all outputs as .npy, FILE.npy for the only one, or FILE.png for a "
                   "picture");
  verb->add_option("--html", v->html, "write the report as a page to look at");
  verb->add_flag("--json", v->json, "one JSON document");
  verb->add_flag("--passes", v->passes, "what each pass changed");
  verb->add_option("--skip-pass", v->skip, "leave a pass out; may be repeated")
      ->allow_extra_args(false);
  verb->add_flag("--supported", v->supported, "list operators and passes, and end");
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
