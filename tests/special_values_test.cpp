// Infinity and NaN among the operands: what clconv.h promises about them, for every candidate of every strategy.
#include <cmath>
#include <limits>
#include <map>

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

bool special(const std::vector<float>& values, std::size_t at) {
  return !std::isfinite(values[at]);
}

// The results that may turn into NaN though none of their own products does, as clconv.h lists them.
std::vector<bool> may_spill(const Problem& p, const Tensors& t, int reach) {
  std::vector<bool> may(static_cast<std::size_t>(elements_of(p, result_of(p))), false);
  const std::int64_t cg = p.c / p.g, kg = p.k / p.g;
  const std::vector<float>&x = t[Tensor::kX], &w = t[Tensor::kW], &dy = t[Tensor::kDy];
  const auto inside = [](std::int64_t at, std::int64_t size) { return at >= 0 && at < size; };
  const std::int64_t more_h = p.h + p.kh * p.dh + p.pt, more_w = p.w + p.kw * p.dw + p.pl;
  const auto taps = [&](std::int64_t n, std::int64_t k, std::int64_t c, std::int64_t i,
                        std::int64_t j) {
    const std::int64_t channel = k / kg * cg + c;
    const bool there = inside(i, p.oh()) && inside(j, p.ow());
    for (std::int64_t kh = 0; kh < p.kh; ++kh)
      for (std::int64_t kw = 0; kw < p.kw; ++kw) {
        const std::int64_t row = i * p.sh - p.pt + kh * p.dh, column = j * p.sw - p.pl + kw * p.dw;
        const bool image = inside(row, p.h) && inside(column, p.w);
        const std::size_t at_w = at_weights(p, k, c, kh, kw);
        const auto at_x = [&](std::int64_t r, std::int64_t q) {
          return at_tensor(p, n, channel, r, q, p.c, p.h, p.w);
        };
        const auto at_y = [&](std::int64_t r, std::int64_t q) {
          return at_tensor(p, n, k, r, q, p.k, p.oh(), p.ow());
        };
        if (p.direction == Direction::kForward) {
          if (there && (!image || reach > 0) && special(w, at_w)) may[at_y(i, j)] = true;
          for (std::int64_t u = -reach; there && u <= reach; ++u)
            for (std::int64_t v = -reach; v <= reach; ++v) {
              if (inside(row + u, p.h) && inside(column + v, p.w) &&
                  special(x, at_x(row + u, column + v)))
                may[at_y(i, j)] = true;
            }
        } else if (p.wants_dx()) {
          if (image && (!there || reach > 0) && special(w, at_w)) may[at_x(row, column)] = true;
          for (std::int64_t u = -reach; image && u <= reach; ++u)
            for (std::int64_t v = -reach; v <= reach; ++v) {
              if (inside(i + u, p.oh()) && inside(j + v, p.ow()) && special(dy, at_y(i + u, j + v)))
                may[at_x(row, column)] = true;
            }
        } else if (p.direction == Direction::kBackwardWeights) {
          if (there && !image && special(dy, at_y(i, j))) may[at_w] = true;
        }
      }
  };
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t k = 0; k < p.k; ++k)
      for (std::int64_t c = 0; c < cg; ++c)
        for (std::int64_t i = -more_h; i < p.oh() + more_h; ++i)
          for (std::int64_t j = -more_w; j < p.ow() + more_w; ++j)
            taps(n, k, c, i, j);
  if (p.direction != Direction::kBackwardWeights) return may;
  // All taps of the channel of a special x.
  for (std::size_t at = 0; at < x.size(); ++at) {
    if (!special(x, at)) continue;
    const auto channel = static_cast<std::int64_t>(at) / (p.h * p.w) % p.c;
    for (std::int64_t k = channel / cg * kg; k < (channel / cg + 1) * kg; ++k)
      for (std::int64_t tap = 0; tap < p.kh * p.kw; ++tap)
        may[at_weights(p, k, channel % cg, tap / p.kw, tap % p.kw)] = true;
  }
  return may;
}

void check_contract(const Problem& p, const Tensors& t) {
  const Reference r = reference(p, t);
  std::map<int, std::vector<bool>> may;
  for_each_candidate(device(), p, kNoLimit, [&](const Strategy& s, const Candidate& c) {
    if (may.count(c.error_reach) == 0) may[c.error_reach] = may_spill(p, t, c.error_reach);
    const std::vector<bool>& spill = may[c.error_reach];
    const auto result = run(device(), s, p, c, t);
    for (std::size_t i = 0; i < result.size(); ++i) {
      const Kind wanted = kind_of(r.result[i]), got = kind_of(result[i]);
      const bool nan = got == Kind::kNone &&
                       (wanted != Kind::kFinite ? spill[i] || c.error_reach > 0 : spill[i]);
      if (wanted == got || nan) continue;
      CAPTURE(i);
      CAPTURE(r.result[i]);
      CAPTURE(result[i]);
      FAIL_CHECK("not what clconv.h says");
      break;
    }
  });
}

// Puts special values at the first, a middle and the last element of every operand, one at a time.
void check_operands(const Problem& p, const std::vector<float>& values) {
  for (const Tensor tensor : inputs_of(p)) {
    for (const float value : values) {
      for (const double where : {0.0, 0.5, 1.0}) {
        Tensors t(p);
        t[tensor][static_cast<std::size_t>(where * static_cast<double>(t[tensor].size() - 1))] =
            value;
        CAPTURE(std::string(name_of(p, tensor)));
        CAPTURE(value);
        CAPTURE(where);
        check_contract(p, t);
      }
    }
  }
}

constexpr const char* kTexts[] = {"n2c5h9w11k7kh3kw3p1",    "n1c4h8w9k6kh3kw3s2p1",
                                  "n2c6h7w7k6kh3kw3p1g6",   "n1c20h6w6k18kh1kw1",
                                  "n3c8h1w1k9kh1kw1",       "n1c4h9w21k5kh3kw3d2p2",
                                  "n1c3h12w18k5kh5kw4s2,1", "n2c33h8w8k20kh3kw3p1"};

}  // namespace

TEST_CASE("infinity and NaN go the ways that clconv.h names, in every candidate") {
  for (const char* text : kTexts) {
    Problem p = parse_problem(text);
    for (const Direction direction : kAll) {
      p.direction = direction;
      check_operands(p, {kNan, kInfinity});
    }
  }
}

TEST_CASE("masked out is masked out, whatever it is, and what is accumulated onto keeps NaN") {
  for (const char* text : {kTexts[0], kTexts[2], kTexts[3], kTexts[4]}) {
    for (const Direction direction :
         {Direction::kBackwardData, Direction::kBackwardWeights, Direction::kBackwardBias}) {
      Problem p = parse_problem(text);
      p.direction = direction;
      p.mask = p.accumulate = true;
      Tensors t(p);
      for (std::size_t i = 0; i < t[Tensor::kY].size(); ++i) {
        if (i % 5 == 0) t[Tensor::kY][i] = i % 2 == 0 ? kNan : -kInfinity;
        if (!(t[Tensor::kY][i] > 0)) t[Tensor::kDy][i] = i % 3 == 0 ? kNan : kInfinity;
      }
      t[result_of(p)][1] = kNan;
      t[result_of(p)][0] = kInfinity;
      Tensors counted = t;  // for what may spill: nothing of dy is special any more
      std::fill(counted[Tensor::kDy].begin(), counted[Tensor::kDy].end(), 1.0f);
      const Reference r = reference(p, t);
      for_each_candidate(device(), p, kNoLimit, [&](const Strategy& s, const Candidate& c) {
        const auto result = run(device(), s, p, c, t);
        int different = 0;
        for (std::size_t i = 0; i < result.size(); ++i)
          different += kind_of(result[i]) != kind_of(r.result[i]) ? 1 : 0;
        CHECK(different == 0);
      });
    }
  }
}

TEST_CASE("activations of infinity and NaN are those of the sum") {
  std::size_t number = 0;
  for (const char* text : {kTexts[0], kTexts[2], kTexts[3], kTexts[4]}) {
    for (const Direction direction : {Direction::kForward, Direction::kTransposed}) {
      for (const Activation activation :
           {Activation::kRelu, Activation::kRelu6, Activation::kLeakyRelu}) {
        if (number++ % thinned(1) != 0) continue;
        Problem p = parse_problem(text);
        p.direction = direction;
        p.bias = p.residual = true;
        p.activation = activation;
        p.activation_slope = activation == Activation::kLeakyRelu ? 0.0f : p.activation_slope;
        Tensors t(p);
        t[Tensor::kB][0] = -kInfinity;
        t[Tensor::kB].back() = kInfinity;
        t[Tensor::kR][3] = kNan;
        check_contract(p, t);
      }
    }
  }
}

namespace {

// Stores 5 vectors one by one and together, and the first two as pairs.
constexpr const char* kStores = R"(// parts: put_together
#define COUNT 5
#define PLACE_OF(t) (together + (t) * VW)
kernel void stores(global const float* values, global element* apart, global element* together, global element* pairs) {
  floatv kept[COUNT];
#pragma unroll
  for (int t = 0; t < COUNT; ++t) {
    const floatv v = LOAD_V(values + t * VW);
    PUT_V(v, apart + t * VW);
    KEEP(kept[t], v, PLACE_OF(t));
  }
  PUT_KEPT(kept, COUNT, PLACE_OF)
#if PUTS_TOGETHER
  floatv both[2] = {LOAD_V(values), LOAD_V(values + VW)};
  MAKE_ROUNDABLE(both, 2)
  PUT_PAIRS(joined(both[0], both[1]), pairs);
#endif
}
)";

// Rounded to nearest, ties to even; NaN keeps its upper half, and is quiet.
std::uint16_t stored_bits(std::uint32_t bits) {
  const std::uint32_t up = bits >> 16;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<std::uint16_t>(nan ? up | 0x40u : (bits + 0x7fffu + (up & 1u)) >> 16);
}

template <class T>
cl::Buffer buffer_of(std::vector<T>& values) {
  return {device().context(), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, values.size() * sizeof(T),
          values.data()};
}

}  // namespace

TEST_CASE(
    "bfloat16 rounds alike in vectors one by one, together and in pairs, NaN of all bits too") {
  constexpr std::size_t kVectors = 5;
  const cl::CommandQueue queue = device().make_queue();
  for (const std::size_t vw : {std::size_t{4}, std::size_t{8}, std::size_t{16}}) {
    cl::Kernel kernel = device().generated_kernel(kStores, "stores",
                                                  "-DSTORAGE_BFLOAT16 -DVW=" + std::to_string(vw));
    for (const std::uint32_t value :
         {0x7fffffffu, 0xffffffffu, 0x7f800001u, 0xffc08000u, 0x7f800000u, 0xff800000u, 0x3f808000u,
          0x3f818000u, 0x3f808001u, 0xbf817fffu, 0x7f7fffffu, 0x00008000u, 0x00018000u, 0x80000001u,
          0x80000000u}) {
      for (std::size_t lane = 0; lane < vw; ++lane) {
        std::vector<std::uint32_t> values(kVectors * vw, 0x3f7fc123u);
        for (std::size_t t = 0; t < kVectors; ++t)
          values[t * vw + (lane + t) % vw] = value;
        std::vector<std::uint16_t> apart(values.size()), together(values.size()), pairs(2 * vw);
        const cl::Buffer in = buffer_of(values), out_apart = buffer_of(apart),
                         out_together = buffer_of(together), out_pairs = buffer_of(pairs);
        cl_uint index = 0;
        for (const cl::Buffer* buffer : {&in, &out_apart, &out_together, &out_pairs})
          kernel.setArg(index++, *buffer);
        queue.enqueueNDRangeKernel(kernel, cl::NullRange, cl::NDRange(1), cl::NDRange(1));
        cl::copy(queue, out_apart, apart.begin(), apart.end());
        cl::copy(queue, out_together, together.begin(), together.end());
        cl::copy(queue, out_pairs, pairs.begin(), pairs.end());
        CAPTURE(value);
        CAPTURE(lane);
        for (std::size_t i = 0; i < values.size(); ++i) {
          CHECK(apart[i] == stored_bits(values[i]));
          CHECK(together[i] == stored_bits(values[i]));
          if (vw <= 8 && i < 2 * vw) CHECK(pairs[i % vw * 2 + i / vw] == stored_bits(values[i]));
        }
      }
    }
  }
}
