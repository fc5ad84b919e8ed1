// What a variant is checked on before it is trusted: small problems that run the same code as the problem at hand. Of
// strategies it knows what a candidate's Coverage says, and nothing else.
#pragma once

#include <string>
#include <vector>

#include "problem.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {

// A problem of the same class, small enough for naive: same filter, stride, dilation, padding,
// epilogue and kind of grouping, no size larger than in `problem`, tails in every dimension that
// can have one. It has what the candidate's `coverage` names as far as the problem has it: a whole tile and a rest.
Problem small_problem(const Problem& problem, const Coverage& coverage = {});

// Problems of the same class to check a variant on, each within `problem` in every size: from small_problem()
// on, grown in one size or in all, by operations; the last is `problem` itself. The first that the variant
// can be built for is taken: only the variant knows its own domain.
std::vector<Problem> stand_ins(const Problem& problem, const Coverage& coverage = {});

// The class of a problem: everything that selects code in a kernel. Trust is kept per class.
std::string problem_class(const Problem& problem, const Coverage& coverage = {});

}  // namespace clconv::core
