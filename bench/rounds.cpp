#include "rounds.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace clconv::bench {
namespace {

// Long enough for the clock and for one launch's jitter.
constexpr double kBatchSeconds = 5e-3;
constexpr int kMostCalls = 1000, kCallsToJudge = 5;
// What is a hundred times slower than the rest need not be known as exactly.
constexpr double kPatienceSeconds = 2;
constexpr int kLeastRounds = 5;

struct Turn {
  int calls = 1;
  double spent_s = 0;
  std::vector<double> us;
};

// Comes back from the pause and from whatever ran meanwhile: threads wake up, caches fill, CLBlast
// compiles anew where another parameter set was in force.
double warm_up(Contender& contender, int calls, double pause_ms) {
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(pause_ms));
  return contender.seconds(std::max(1, calls / 4));
}

}  // namespace

std::vector<Times> timed(const std::vector<Contender*>& contenders, const RoundOptions& options) {
  std::vector<Turn> turns(contenders.size());
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    warm_up(*contenders[i], 1, options.pause_ms);
    // The fastest of a few: one that something else disturbed would leave that contender with short turns.
    double once = kBatchSeconds, spent = 0;
    for (int call = 0; call < kCallsToJudge && spent < kPatienceSeconds / 10; ++call) {
      const double s = std::max(contenders[i]->seconds(1), 1e-9);
      once = std::min(once, s);
      spent += s;
    }
    turns[i].calls = static_cast<int>(std::clamp(kBatchSeconds / once, 1.0, double{kMostCalls}));
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t position = 0; position < contenders.size(); ++position) {
      // Everybody comes behind somebody else every time.
      const std::size_t i = (position + static_cast<std::size_t>(round)) % contenders.size();
      Turn& turn = turns[i];
      if (round >= kLeastRounds && turn.spent_s > kPatienceSeconds) continue;
      turn.spent_s += warm_up(*contenders[i], turn.calls, options.pause_ms);
      const double s = contenders[i]->seconds(turn.calls);
      turn.spent_s += s;
      turn.us.push_back(s * 1e6 / turn.calls);
    }
  }
  std::vector<Times> times;
  for (Turn& turn : turns) {
    std::sort(turn.us.begin(), turn.us.end());
    const std::size_t n = turn.us.size();
    times.push_back({(turn.us[(n - 1) / 2] + turn.us[n / 2]) / 2, turn.us.front(),
                     static_cast<int>(n), turn.calls});
  }
  return times;
}

}  // namespace clconv::bench
