// Times contenders against each other, interleaved round by round.
#pragma once

#include "contender.hpp"

namespace clconv::bench {

struct RoundOptions {
  int rounds = 15;
  double pause_ms;  // before each contender's turn: other people's threads go to sleep meanwhile
};

// Of single calls, in microseconds.
struct Times {
  double median_us = 0, min_us = 0;
  int rounds = 0;  // that it took part in
  int calls = 0;   // in a row, per round
};

// In the order of `contenders`. Each has run before, so that nothing is left to compile.
std::vector<Times> timed(const std::vector<Contender*>& contenders, const RoundOptions& options);

}  // namespace clconv::bench
