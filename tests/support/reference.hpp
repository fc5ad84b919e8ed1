// The reference every strategy is held to: the definition of the convolution, in double precision,
// on the host, as short as it can be.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "problem.hpp"

namespace clconv::test {

using core::Problem;

struct Reference {
  std::vector<double> y;
  std::vector<double> magnitude;  // |b| + sum |x*w|: what an error is relative to
};

inline Reference forward(const Problem& p, const std::vector<float>& x, const std::vector<float>& w,
                         const std::vector<float>& b) {
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const std::int64_t cg = p.c / p.g, kg = p.k / p.g;
  Reference r;
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t k = 0; k < p.k; ++k)
      for (std::int64_t i = 0; i < p.oh(); ++i)
        for (std::int64_t j = 0; j < p.ow(); ++j) {
          double sum = p.bias ? static_cast<double>(b[at(k)]) : 0.0;
          double magnitude = std::fabs(sum);
          for (std::int64_t c = 0; c < cg; ++c)
            for (std::int64_t kh = 0; kh < p.kh; ++kh)
              for (std::int64_t kw = 0; kw < p.kw; ++kw) {
                const std::int64_t row = i * p.sh - p.pt + kh * p.dh;
                const std::int64_t col = j * p.sw - p.pl + kw * p.dw;
                if (row < 0 || row >= p.h || col < 0 || col >= p.w) continue;
                const double product =
                    static_cast<double>(
                        x[at(((n * p.c + k / kg * cg + c) * p.h + row) * p.w + col)]) *
                    static_cast<double>(w[at(((k * cg + c) * p.kh + kh) * p.kw + kw)]);
                sum += product;
                magnitude += std::fabs(product);
              }
          r.y.push_back(p.relu && sum < 0 ? 0.0 : sum);
          r.magnitude.push_back(magnitude);
        }
  return r;
}

inline std::vector<float> random_floats(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values)
    v = uniform(engine);
  return values;
}

}  // namespace clconv::test
