// Pooling against its definition, window by window in double precision.
#include <algorithm>
#include <limits>
#include <optional>
#include <random>

#include "net_check.hpp"

using namespace clconv::test;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr float kNanf = std::numeric_limits<float>::quiet_NaN();

struct Case {
  std::int64_t n = 1, c = 1, h = 1, w = 1;
  std::int64_t kh = 1, kw = 1, sh = 1, sw = 1, dh = 1, dw = 1;
  std::int64_t pt = 0, pl = 0, pb = 0, pr = 0;
  bool average = false, include_pad = false, ceil = false;

  std::string text() const {
    std::string all = average ? "average" : "max";
    for (const std::int64_t value : {n, c, h, w, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr})
      all += " " + std::to_string(value);
    return all + (include_pad ? " include_pad" : "") + (ceil ? " ceil" : "");
  }
  Shape shape() const { return {n, c, h, w}; }
};

// Counts windows one by one: they lie in the padded image, with ceil the last may stick out if it starts in the image
// or in front of it.
std::int64_t count_of(std::int64_t size, std::int64_t extent, std::int64_t stride,
                      std::int64_t before, std::int64_t after, bool ceil) {
  std::int64_t count = 0;
  for (std::int64_t at = 0;; at += stride, ++count) {
    const bool fits = at + extent <= size + before + after;
    const bool previous_fitted = at == 0 || at - stride + extent < size + before + after;
    if (!fits && !(ceil && previous_fitted && at < size + before)) return count;
  }
}

double window_of(const Case& p, const float* plane, std::int64_t i, std::int64_t j) {
  double best = p.average ? 0 : -INFINITY;
  std::int64_t count = 0;
  for (std::int64_t a = 0; a < p.kh; ++a) {
    for (std::int64_t b = 0; b < p.kw; ++b) {
      const std::int64_t y = i * p.sh - p.pt + a * p.dh, x = j * p.sw - p.pl + b * p.dw;
      const bool inside = y >= 0 && y < p.h && x >= 0 && x < p.w;
      const bool padded = y < p.h + p.pb && x < p.w + p.pr;
      if (inside || (p.include_pad && padded)) ++count;
      if (!inside) continue;
      const double value = plane[y * p.w + x];
      if (p.average) {
        best += value;
      } else {
        best = std::isnan(value) || std::isnan(best) ? kNan : std::max(best, value);
      }
    }
  }
  return p.average ? best / static_cast<double>(std::max<std::int64_t>(count, 1)) : best;
}

std::vector<double> expected_of(const Case& p, const Numbers& x) {
  const std::int64_t oh = count_of(p.h, (p.kh - 1) * p.dh + 1, p.sh, p.pt, p.pb, p.ceil);
  const std::int64_t ow = count_of(p.w, (p.kw - 1) * p.dw + 1, p.sw, p.pl, p.pr, p.ceil);
  std::vector<double> result;
  for (std::int64_t plane = 0; plane < p.n * p.c; ++plane) {
    for (std::int64_t i = 0; i < oh; ++i) {
      for (std::int64_t j = 0; j < ow; ++j)
        result.push_back(window_of(p, x.data() + plane * p.h * p.w, i, j));
    }
  }
  return result;
}

using Integers = std::vector<std::int64_t>;

NetGraph::AttributeList attributes_of(const Case& p) {
  NetGraph::AttributeList all = {{"kernel_shape", Integers{p.kh, p.kw}},
                                 {"strides", Integers{p.sh, p.sw}},
                                 {"dilations", Integers{p.dh, p.dw}},
                                 {"pads", Integers{p.pt, p.pl, p.pb, p.pr}},
                                 {"ceil_mode", std::int64_t{p.ceil}}};
  if (p.average) all.emplace_back("count_include_pad", std::int64_t{p.include_pad});
  return all;
}

void check(const Case& p, std::optional<Numbers> values = {}) {
  CAPTURE(p.text());
  const Numbers x = values ? *values : random_numbers(p.shape(), 7);
  check_operator(
      {{p.shape(), x}},
      [&](NetGraph& net, const std::vector<ValueId>& ids) {
        return net.add(p.average ? "AveragePool" : "MaxPool", ids, attributes_of(p));
      },
      [&](const std::vector<Numbers>& stored) { return expected_of(p, stored[0]); });
}

Case random_case(std::mt19937& engine) {
  const auto any = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(engine);
  };
  for (;;) {
    Case p;
    p.n = any(1, 2), p.c = any(1, 5), p.h = any(1, 40), p.w = any(1, 70);
    p.kh = any(1, 5), p.kw = any(1, 5);
    p.sh = any(1, 4), p.sw = any(1, 4), p.dh = any(1, 3), p.dw = any(1, 3);
    const std::int64_t eh = (p.kh - 1) * p.dh + 1, ew = (p.kw - 1) * p.dw + 1;
    p.pt = any(0, eh - 1), p.pb = any(0, eh - 1), p.pl = any(0, ew - 1), p.pr = any(0, ew - 1);
    p.average = any(0, 1) == 1, p.include_pad = any(0, 1) == 1, p.ceil = any(0, 1) == 1;
    p.include_pad = p.include_pad && p.average;
    if (eh <= p.h + p.pt + p.pb && ew <= p.w + p.pl + p.pr) return p;
  }
}

}  // namespace

TEST_CASE("pooling: the shapes of networks") {
  Case p;
  p.c = 3, p.h = 112, p.w = 112, p.kh = p.kw = 3, p.sh = p.sw = 2, p.pt = p.pl = p.pb = p.pr = 1;
  check(p);
  p = {1, 4, 55, 55, 3, 3, 2, 2};
  check(p);
  p.ceil = true;
  check(p);
  p = {2, 3, 14, 14, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  check(p);
  p.average = true;
  check(p);
  p.include_pad = true;
  check(p);
  p = {1, 5, 7, 7, 7, 7};  // the whole image
  check(p);
  p.average = true;
  check(p);
}

TEST_CASE("pooling: random windows, strides, dilations and padding") {
  std::mt19937 engine(3);
  for (int i = 0; i < 12; ++i)
    check(random_case(engine));
}

TEST_CASE("pooling: large planes, wide windows, sizes of 1") {
  Case p = {1, 2, 200, 300, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1};
  check(p);
  p = {1, 3, 38, 318, 2, 2, 2, 2};  // rows of results of two chunks, the second with a tail
  check(p);
  p = {1, 1, 3, 2500, 2, 5, 1, 1, 1, 1, 0, 2, 0, 2};
  check(p);
  p.sw = 2;
  p.average = true;
  check(p);
  p = {1, 2, 2, 2100, 2, 1100, 1, 7};  // wider than the line of a work-item
  p.average = true;
  check(p);
  p = {3, 1, 1, 1, 1, 1};
  check(p);
  p = {1, 1, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  check(p);
}

TEST_CASE("max pooling: NaN is larger than every number, infinities and windows of padding alone") {
  Case p = {1, 2, 9, 37, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1};
  Numbers x = random_numbers(p.shape(), 5);
  x[0] = x[40] = x[200] = x[400] = kNanf;
  x[100] = x[101] = x[137] = x[138] = -INFINITY;
  x[300] = INFINITY;
  check(p, x);
  // Taps at columns -2 and 1 of an image of one column.
  p = {1, 1, 1, 1, 1, 2, 1, 1, 1, 3, 0, 2, 0, 2};
  check(p);
  p.average = true;
  check(p);
}

TEST_CASE("pooling: 1-D images and auto_pad") {
  struct {
    const char* auto_pad;
    std::int64_t size, window, stride, results, before;
  } const rows[] = {{"SAME_UPPER", 10, 4, 3, 4, 1}, {"SAME_LOWER", 10, 4, 3, 4, 2},
                    {"VALID", 10, 4, 3, 3, 0},      {"SAME_UPPER", 7, 2, 1, 7, 0},
                    {"SAME_LOWER", 7, 2, 1, 7, 1},  {"NOTSET", 10, 4, 3, 3, 0}};
  for (const auto& row : rows) {
    CAPTURE(std::string(row.auto_pad));
    for (const char* op : {"MaxPool", "AveragePool"}) {
      const bool average = op == std::string("AveragePool");
      Case p = {2, 3, 1, row.size, 1, row.window, 1, row.stride};
      p.pl = row.before;
      p.average = average;
      // As much padding behind as the last window needs.
      p.pr = std::max<std::int64_t>(
          (row.results - 1) * row.stride + row.window - row.size - row.before, 0);
      check_operator(
          {{{2, 3, row.size}, random_numbers(6 * row.size, 9)}},
          [&](NetGraph& net, const std::vector<ValueId>& ids) {
            return net.add(op, ids,
                           {{"kernel_shape", Integers{row.window}},
                            {"strides", Integers{row.stride}},
                            {"auto_pad", std::string(row.auto_pad)}});
          },
          [&](const std::vector<Numbers>& stored) {
            const auto expected = expected_of(p, stored[0]);
            CHECK(static_cast<std::int64_t>(expected.size()) == 6 * row.results);
            return expected;
          });
    }
  }
}

TEST_CASE("global pooling takes any rank from 3 on") {
  for (const Shape& shape : {Shape{2, 5, 7, 7}, Shape{1, 3, 50}, Shape{2, 2, 3, 4, 5}}) {
    const std::int64_t plane = elements(shape, 2, shape.size());
    for (const char* op : {"GlobalAveragePool", "GlobalMaxPool"}) {
      check_operator(
          {{shape, random_numbers(shape, 4)}},
          [&](NetGraph& net, const std::vector<ValueId>& ids) { return net.add(op, ids); },
          [&](const std::vector<Numbers>& stored) {
            Case p = {shape[0], shape[1], 1, plane, 1, plane};
            p.average = op == std::string("GlobalAveragePool");
            return expected_of(p, stored[0]);
          });
    }
  }
}

TEST_CASE("pooling: an empty batch has an empty result") {
  Case p = {0, 3, 8, 8, 2, 2, 2, 2};
  check(p);
}

TEST_CASE("pooling: what is refused is named") {
  const auto message = [](const char* op, const Shape& shape,
                          const NetGraph::AttributeList& attributes, std::size_t outputs = 1) {
    NetGraph net;
    const ValueId x = net.input(shape, random_numbers(shape, 1));
    for (const ValueId id : net.add_node(op, {x}, outputs, attributes))
      net.output(id);
    return refusal(net);
  };
  const Shape image{1, 1, 4, 4};
  CHECK(contains(message("MaxPool", {1, 1, 4, 4, 4}, {{"kernel_shape", Integers{2, 2, 2}}}),
                 "only 1-D and 2-D images"));
  CHECK(contains(message("MaxPool", {4, 4}, {{"kernel_shape", Integers{2}}}),
                 "expected rank 3 to 4"));
  CHECK(contains(message("MaxPool", image, {}), "kernel_shape is missing"));
  CHECK(
      contains(message("MaxPool", image, {{"kernel_shape", Integers{2, 2}}}, 2), "second output"));
  CHECK(contains(message("MaxPool", image, {{"kernel_shape", Integers{2}}}),
                 "has 1 numbers, expected 2"));
  CHECK(contains(message("MaxPool", image, {{"kernel_shape", Integers{5, 2}}}), "does not fit"));
  CHECK(contains(message("MaxPool", image, {{"kernel_shape", Integers{2, 0}}}),
                 "kernel_shape has 0"));
  CHECK(contains(message("AveragePool", image,
                         {{"kernel_shape", Integers{2, 2}}, {"pads", Integers{2, 0, 0, 0}}}),
                 "padding 2 is not less than the window of 2"));
  CHECK(contains(message("AveragePool", image,
                         {{"kernel_shape", Integers{2, 2}}, {"auto_pad", std::string("FULL")}}),
                 "auto_pad is 'FULL'"));
}
