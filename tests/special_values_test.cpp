// Infinity and NaN among the operands: what clconv.h promises about them, for every candidate of every strategy.
#include <cmath>
#include <limits>

#include "doctest/doctest.h"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

enum class Kind { kFinite, kPositive, kNegative, kNone };

Kind kind_of(double v) {
  if (std::isnan(v)) return Kind::kNone;
  if (!std::isinf(v)) return Kind::kFinite;
  return v > 0 ? Kind::kPositive : Kind::kNegative;
}

const char* name_of_kind(Kind kind) {
  constexpr const char* kNames[] = {"finite", "inf", "-inf", "nan"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace

TEST_CASE("experiment") {
  const char* texts[] = {"n2c5h9w11k7kh3kw3p1", "n1c4h8w9k6kh3kw3s2p1", "n2c6h7w7k6kh3kw3p1g6",
                         "n1c20h6w6k18kh1kw1",   "n3c8h1w1k9kh1kw1",     "n1c4h9w21k5kh3kw3d2p2",
                         "n1c3h12w18k5kh5kw4s2,1", "n2c33h8w8k40kh3kw3p1"};
  for (const char* text : texts) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData, Direction::kTransposed,
                                      Direction::kBackwardWeights, Direction::kBackwardBias}) {
      Problem p = parse_problem(text);
      p.direction = direction;
      for (const Tensor special : inputs_of(p)) {
        for (const float value : {kNan, kInfinity}) {
          for (int where = 0; where < 3; ++where) {
            Tensors t(p);
            std::vector<float>& values = t[special];
            const std::size_t at = where == 0 ? 0 : where == 1 ? values.size() / 2 : values.size() - 1;
            values[at] = value;
            const Reference r = reference(p, t);
            for_each_candidate(device(), p, kNoLimit, [&](const Strategy& s, const Candidate& c) {
              const auto result = run(device(), s, p, c, t);
              int missed = 0, spilled = 0, other = 0;
              for (std::size_t i = 0; i < result.size(); ++i) {
                const Kind wanted = kind_of(r.result[i]), got = kind_of(result[i]);
                if (wanted == got) continue;
                if (got == Kind::kFinite) ++missed;
                else if (wanted == Kind::kFinite) ++spilled;
                else ++other;
              }
              if (missed + spilled + other > 0)
                std::printf("%s %s %s=%s at %d: %s %s missed %d spilled %d other %d of %zu\n", text, to_string(direction),
                            name_of(p, special), name_of_kind(kind_of(value)), where, s.name, c.config.text().c_str(),
                            missed, spilled, other, result.size());
            });
          }
        }
      }
    }
  }
}
