// An application that has set a locale with decimal commas and grouped digits: the same programs, results and reports.
#include <clocale>
#include <locale>
#include <nlohmann/json.hpp>

#include "support/application.hpp"

using namespace clconv::test;
using Json = nlohmann::json;

namespace {

// German numbers: 1.234,5.
struct German : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

struct Result {
  std::string profile, devices, problem;
  std::vector<std::string> configs;
  std::vector<std::vector<float>> values;
};

// Every strategy's variants for a problem large enough for numbers of four digits, and CLBlast's product.
Result compute() {
  Result result;
  // Of its own: nothing is compiled yet.
  const clconv::Context own(application_context(), clconv::select_device());
  result.profile = own.profile();
  result.devices = clconv::devices();
  clconv::Problem p("n1c32h40w40k32kh3kw3p1");
  p.activation = CLCONV_LEAKY_RELU;
  p.activation_slope = 0.125f;
  result.problem = p.text();
  const auto info = p.info();
  clconv::Operands operands;
  std::vector<float> x(static_cast<std::size_t>(info.x_bytes) / 4);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i % 7) - 3;
  operands.x = device_buffer(x);
  operands.w = device_buffer(std::vector<float>(static_cast<std::size_t>(info.w_bytes) / 4, 0.25f));
  const Json report = Json::parse(own.explain(p));
  for (const auto& candidate : report.at("candidates")) {
    if (!candidate.at("config").is_string() || candidate.at("status") == "rejected") continue;
    const auto strategy = candidate.at("strategy").get<std::string>();
    const auto config = candidate.at("config").get<std::string>();
    clconv::PlanOptions options;
    options.strategy = strategy.c_str();
    options.config = config.c_str();
    result.configs.push_back(strategy + " " + config);
    operands.y = empty_buffer(info.y_bytes);
    own.plan(p, options).execute(make_queue(), operands);
    result.values.push_back(read(operands.y));
  }
  return result;
}

void check_equal(const Result& a, const Result& b) {
  CHECK(a.profile == b.profile);
  CHECK(a.devices == b.devices);
  CHECK(a.problem == b.problem);
  CHECK(a.configs == b.configs);
  CHECK(a.values == b.values);
}

}  // namespace

TEST_CASE("an application's locale changes neither programs nor results nor reports") {
  // The locale first: what a process keeps for its life is made under it.
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new German));
  const Result german = compute();
  std::locale::global(before);
  const Result classic = compute();
  CHECK(classic.configs.size() > 5);
  check_equal(classic, german);
  bool found = false;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"}) {
    found = found || std::setlocale(LC_ALL, name) != nullptr;
  }
  if (!found) {
    MESSAGE("no locale with a decimal comma is installed: C's functions are not tried");
    return;
  }
  const Result installed = compute();
  std::setlocale(LC_ALL, "C");
  check_equal(classic, installed);
}
