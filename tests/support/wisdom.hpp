// Records as the tests of wisdom use them.
#pragma once

#include <string>

#include "planner/wisdom.hpp"

namespace clconv::test {

inline const core::WisdomScope kScope = {"platform / device", "1.0", "abc", "2 units"};
constexpr const char* kA = "n1c8h8w8k8kh3kw3p1";
constexpr const char* kB = "n2c8h8w8k8kh3kw3p1";

// One strategy, measured once.
inline core::WisdomRecord record(const std::string& problem, double us,
                                 const std::string& strategy = "alpha") {
  core::WisdomRecord r;
  r.problem = problem;
  r.direction = "forward";
  r.scope = kScope;
  r.scope.kernels.clear();
  core::WisdomCandidate c;
  c.strategy = strategy;
  c.config = "v=1";
  c.kernels = "abc";
  c.measured = core::Measured{us, us, us, 7, true};
  r.candidates.push_back(c);
  return r;
}

inline core::WisdomBook book_of(const core::WisdomRecord& r) {
  core::WisdomBook book;
  book.put(r);
  return book;
}

}  // namespace clconv::test
