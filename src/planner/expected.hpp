// The right result of a forward problem, computed on the host: what trust is checked against. It needs no program,
// which is a good part of what a first run costs, and does not depend on the driver. Refuses to know of OpenCL.
#pragma once

#include <map>
#include <vector>

#include "problem.hpp"

namespace clconv::core {

// Can expected_result() compute this problem? Only forward problems that are done sooner than a program is compiled.
bool has_expected_result(const Problem& problem);

// Sums in double precision. `operands` are the values of inputs_of(problem), in the problem's orders.
std::vector<float> expected_result(const Problem& problem,
                                   const std::map<Tensor, std::vector<float>>& operands);

}  // namespace clconv::core
