// Options that several verbs take, and suite files.
#include <fstream>
#include <sstream>

#include "cli/cli.hpp"

namespace clconv::cli {
namespace {

// Comma-separated whole numbers, or BadInput that names the option.
std::vector<std::int64_t> parse_numbers(const std::string& option, const std::string& text,
                                        const std::string& expected) {
  std::vector<std::int64_t> numbers;
  std::istringstream in(text);
  std::string item;
  while (std::getline(in, item, ',')) {
    std::size_t used = 0;
    try {
      numbers.push_back(std::stoll(item, &used));
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != item.size()) numbers.clear();
    if (numbers.empty()) break;
  }
  if (numbers.empty() || text.back() == ',') {
    throw BadInput(option + " '" + text + "': expected " + expected);
  }
  return numbers;
}

}  // namespace

void GeometryOptions::add_to(CLI::App& app, bool with_groups) {
  app.add_option("--stride", stride, "stride: 2, or 2,1 (height, width)");
  app.add_option("--pad", pad,
                 "zero padding: 1, or 1,0 (height, width), or 1,0,1,2 (top, left, bottom, right)");
  app.add_option("--dilation", dilation, "distance between taps: 2, or 2,1 (height, width)");
  if (with_groups) app.add_option("--groups", groups, "groups");
}

std::string GeometryOptions::text() const {
  parse_numbers("--stride", stride, "1 or 2 whole numbers");
  parse_numbers("--pad", pad, "1, 2 or 4 whole numbers");
  parse_numbers("--dilation", dilation, "1 or 2 whole numbers");
  return "s" + stride + "p" + pad + "d" + dilation + "g" + std::to_string(groups);
}

std::pair<std::int64_t, std::int64_t> parse_kernel(const std::string& text) {
  const std::size_t x = text.find('x');
  const std::string expected = "KHxKW, e.g. 3x3";
  if (x == std::string::npos) throw BadInput("--kernel '" + text + "': expected " + expected);
  const auto height = parse_numbers("--kernel", text.substr(0, x), expected);
  const auto width = parse_numbers("--kernel", text.substr(x + 1), expected);
  if (height.size() != 1 || width.size() != 1) {
    throw BadInput("--kernel '" + text + "': expected " + expected);
  }
  return {height[0], width[0]};
}

std::vector<std::int64_t> parse_shape(const std::string& option, const std::string& text,
                                      std::size_t rank) {
  const std::string expected = std::to_string(rank) + " whole numbers, comma-separated";
  const auto numbers = parse_numbers(option, text, expected);
  if (numbers.size() != rank) throw BadInput(option + " '" + text + "': expected " + expected);
  return numbers;
}

clconv_rigor parse_rigor(const std::string& word) {
  if (word.empty()) return CLCONV_RIGOR_DEFAULT;
  if (word == "wisdom_only" || word == "wisdom-only") return CLCONV_WISDOM_ONLY;
  if (word == "estimate") return CLCONV_ESTIMATE;
  if (word == "measure") return CLCONV_MEASURE;
  if (word == "exhaustive") return CLCONV_EXHAUSTIVE;
  throw BadInput("--rigor '" + word + "': expected wisdom-only, estimate, measure or exhaustive");
}

clconv_direction parse_direction(const std::string& word) {
  if (word == "forward") return CLCONV_FORWARD;
  throw BadInput("--direction '" + word + "': expected forward");
}

void PlanningOptions::add_to(CLI::App& app) {
  app.add_option("--rigor", rigor, "wisdom-only, estimate (default), measure or exhaustive");
  app.add_option("--time-limit", time_limit_s, "seconds to measure at most; the best so far wins")
      ->check(CLI::PositiveNumber);
  app.add_option("--workspace-limit", workspace_limit,
                 "bytes an execution may need besides its operands")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--deterministic", deterministic, "equal inputs must give equal bits");
  auto* forced = app.add_option("--strategy", strategy, "force this strategy");
  app.add_option("--config", config, "force this variant of it, as reported")->needs(forced);
  app.add_option("--allow", allow, "only these strategies, comma-separated");
  app.add_option("--deny", deny, "not these strategies, comma-separated");
  app.add_option("--expected-runs", expected_runs,
                 "weigh compiling and preparing, spread over so many executions")
      ->check(CLI::NonNegativeNumber);
}

PlanOptions PlanningOptions::options() const {
  PlanOptions o;
  const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
  o.rigor = parse_rigor(rigor);
  o.time_limit_s = time_limit_s;
  o.workspace_limit_bytes = workspace_limit;
  o.deterministic = deterministic ? 1 : 0;
  o.strategy = text(strategy);
  o.config = text(config);
  o.allow = text(allow);
  o.deny = text(deny);
  o.expected_runs = expected_runs;
  return o;
}

std::string read_text_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.bad()) throw BadInput("cannot read " + path);
  return text.str();
}

std::vector<NamedProblem> read_suite(const std::string& path) {
  std::istringstream in(read_text_file(path));
  std::vector<NamedProblem> problems;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name, text, more;
    if (!(words >> name)) continue;
    const std::string where = path + ":" + std::to_string(number) + ": ";
    if (!(words >> text) || words >> more) {
      throw BadInput(where + "expected `name PROBLEM`, got '" + line + "'");
    }
    try {
      problems.push_back({name, Problem(text)});
    } catch (const Error& error) {
      throw BadInput(where + error.what());
    }
  }
  if (problems.empty()) throw BadInput(path + ": no problems in it");
  return problems;
}

}  // namespace clconv::cli
