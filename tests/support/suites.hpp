// The suites of problems that come with the tests.
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "problem.hpp"

namespace clconv::test {

struct NamedProblem {
  std::string name;
  core::Problem problem;
};

// Those of tests/suites/<name>.txt that take at most `max_flops`.
inline std::vector<NamedProblem> suite(const std::string& name, double max_flops = 1e300) {
  std::ifstream in(std::string(CLCONV_TEST_SUITES) + "/" + name + ".txt");
  if (!in) throw std::runtime_error("suite " + name + " is not there");
  std::vector<NamedProblem> problems;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string label, text;
    if (!(words >> label >> text)) continue;
    const core::Problem problem = core::parse_problem(text);
    if (problem.flops() <= max_flops) problems.push_back({label, problem});
  }
  return problems;
}

}  // namespace clconv::test
