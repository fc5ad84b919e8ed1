// Resize and Upsample, against sums over all neighbours in double.
#include "net_graph.hpp"

#include <cmath>

#include "error.hpp"

using namespace clconv::test;
using Integers = std::vector<std::int64_t>;

namespace {

struct Case {
  Shape from;
  Numbers scales;  // or
  Integers sizes;
  std::string mode = "linear", coordinates = "half_pixel", nearest = "round_prefer_floor";
  Numbers roi;
  bool exclude_outside = false;
  float fill = 0;
};

Shape result_of(const Case& one) {
  if (!one.sizes.empty()) return one.sizes;
  Shape shape;
  for (std::size_t d = 0; d < one.from.size(); ++d)
    shape.push_back(
        static_cast<std::int64_t>(std::floor(static_cast<float>(one.from[d]) * one.scales[d])));
  return shape;
}

double position(const Case& one, std::size_t d, std::int64_t i) {
  const auto n = static_cast<double>(one.from[d]), m = static_cast<double>(result_of(one)[d]);
  const double scale = one.scales.empty() ? m / n : static_cast<double>(one.scales[d]);
  const auto x = static_cast<double>(i);
  if (scale == 1 && one.coordinates != "tf_crop_and_resize") return x;
  if (one.coordinates == "asymmetric") return x / scale;
  if (one.coordinates == "align_corners") {
    return scale * n <= 1 ? 0 : x * (n - 1) / (scale * n - 1);
  }
  if (one.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / scale;
  if (one.coordinates == "pytorch_half_pixel") return m > 1 ? (x + 0.5) / scale - 0.5 : 0;
  if (one.coordinates == "half_pixel_symmetric") {
    return n / 2 * (1 - m / (n * scale)) + (x + 0.5) / scale - 0.5;
  }
  if (one.coordinates == "tf_crop_and_resize") {
    const double start = static_cast<double>(one.roi[d]) * (n - 1),
                 end = static_cast<double>(one.roi[d + one.from.size()]) * (n - 1);
    return m > 1 ? start + x * (end - start) / (m - 1) : (start + end) / 2;
  }
  return (x + 0.5) / scale - 0.5;
}

// The weight of a neighbour at that distance.
double weight(const std::string& mode, double distance) {
  const double d = std::fabs(distance), a = -0.75;
  if (mode == "linear") return std::max(0.0, 1 - d);
  if (d <= 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0;
}

double nearest_to(const std::string& how, double at) {
  if (how == "floor") return std::floor(at);
  if (how == "ceil") return std::ceil(at);
  return how == "round_prefer_floor" ? std::ceil(at - 0.5) : std::floor(at + 0.5);
}

// The weight of each input index for each index of the result; none where it is outside.
std::vector<std::vector<double>> weights_of(const Case& one, std::size_t d) {
  const std::int64_t n = one.from[d];
  std::vector<std::vector<double>> rows;
  for (std::int64_t i = 0; i < result_of(one)[d]; ++i) {
    const double at = position(one, d, i);
    if (one.coordinates == "tf_crop_and_resize" && !(at >= 0 && at <= static_cast<double>(n - 1))) {
      rows.emplace_back();
      continue;
    }
    std::vector<double> row(static_cast<std::size_t>(n));
    if (one.mode == "nearest") {
      row[static_cast<std::size_t>(
          std::clamp(nearest_to(one.nearest, at), 0.0, static_cast<double>(n - 1)))] = 1;
      rows.push_back(row);
      continue;
    }
    double sum = 0;
    for (auto j = static_cast<std::int64_t>(std::floor(at)) - 3; static_cast<double>(j) < at + 4;
         ++j) {
      if (one.exclude_outside && (j < 0 || j >= n)) continue;
      const double w = weight(one.mode, static_cast<double>(j) - at);
      row[static_cast<std::size_t>(std::clamp<std::int64_t>(j, 0, n - 1))] += w;
      sum += w;
    }
    for (double& w : row)
      w /= sum;
    rows.push_back(row);
  }
  return rows;
}

// Along one dimension after another; NaN marks what is outside.
std::vector<double> expected_of(const Case& one, const Numbers& x) {
  std::vector<double> values(x.begin(), x.end());
  Shape shape = one.from;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const auto rows = weights_of(one, d);
    const auto before = static_cast<std::size_t>(elements(shape, 0, d)),
               after = static_cast<std::size_t>(elements(shape, d + 1, shape.size())),
               n = static_cast<std::size_t>(shape[d]);
    std::vector<double> next;
    for (std::size_t o = 0; o < before; ++o) {
      for (const std::vector<double>& row : rows) {
        for (std::size_t k = 0; k < after; ++k) {
          double sum = row.empty() ? std::nan("") : 0;
          for (std::size_t j = 0; j < row.size(); ++j)
            sum += row[j] == 0 ? 0 : row[j] * values[(o * n + j) * after + k];
          next.push_back(sum);
        }
      }
    }
    shape[d] = static_cast<std::int64_t>(rows.size());
    values = std::move(next);
  }
  for (double& value : values) {
    if (std::isnan(value)) value = static_cast<double>(one.fill);
  }
  return values;
}

ValueId add_resize(NetGraph& net, const Case& one, ValueId x) {
  const auto rank = static_cast<std::int64_t>(one.from.size());
  std::vector<ValueId> inputs{x, kNoValue, kNoValue};
  if (!one.roi.empty()) inputs[1] = net.constant({2 * rank}, one.roi);
  if (one.sizes.empty()) {
    inputs[2] = net.constant({rank}, one.scales);
  } else {
    inputs.push_back(net.constant({rank}, one.sizes));
  }
  return net.add("Resize", inputs,
                 {{"mode", one.mode},
                  {"coordinate_transformation_mode", one.coordinates},
                  {"nearest_mode", one.nearest},
                  {"exclude_outside", std::int64_t{one.exclude_outside}},
                  {"extrapolation_value", one.fill}});
}

void check_case(const Case& one) {
  CAPTURE(to_string(one.from));
  CAPTURE(one.mode);
  CAPTURE(one.coordinates);
  CAPTURE(one.nearest);
  CAPTURE(one.exclude_outside);
  const Numbers x = random_numbers(one.from, 5);
  const std::vector<double> expected = expected_of(one, x);
  NetGraph net(19), folded(19);
  const ValueId y = add_resize(net, one, net.input(one.from, x));
  net.output(y);
  CAPTURE(to_string(result_of(one)));
  for (core::Device* on : {static_cast<core::Device*>(nullptr), &as_gpu()}) {
    CAPTURE(on != nullptr);
    CHECK(worst_error(net.run({core::DataType::kFloat32, on})[0], expected) < 1e-5);
    CHECK(worst_error(net.run({core::DataType::kFloat16, on})[0], expected) < 2e-3);
  }
  const ValueId z = add_resize(folded, one, folded.constant(one.from, x));
  folded.infer();
  CHECK((folded.shape(z) == result_of(one)));
  REQUIRE((folded.graph().value(z).constant != nullptr));
  CHECK(worst_error(folded.graph().value(z).constant->floats, expected) < 1e-5);
}

const std::vector<std::string> kCoordinates = {"half_pixel",         "half_pixel_symmetric",
                                               "pytorch_half_pixel", "align_corners",
                                               "asymmetric",         "tf_half_pixel_for_nn"};

}  // namespace

TEST_CASE("Resize: nearest, all coordinates and roundings") {
  for (const std::string& coordinates : kCoordinates) {
    for (const std::string nearest : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) {
      Case one;
      one.mode = "nearest";
      one.coordinates = coordinates;
      one.nearest = nearest;
      one.from = {2, 3, 6, 9};
      for (const Numbers& scales :
           {Numbers{1, 1, 2, 2}, Numbers{1, 1, 1.5f, 3}, Numbers{1, 1, 0.5f, 0.75f}}) {
        one.scales = scales;
        check_case(one);
      }
      one.scales.clear();
      one.sizes = {2, 3, 1, 18};
      check_case(one);
    }
  }
}

TEST_CASE("Resize: linear along one to three dimensions, all coordinates") {
  for (const std::string& coordinates : kCoordinates) {
    Case one;
    one.coordinates = coordinates;
    one.from = {2, 3, 6, 19};
    for (const Numbers& scales :
         {Numbers{1, 1, 2, 2}, Numbers{1, 1, 1, 2.5f}, Numbers{1, 1, 0.5f, 0.75f}}) {
      one.scales = scales;
      check_case(one);
    }
    one.from = {2, 3, 4, 5, 6};
    one.scales = {1, 1, 2, 1.5f, 3};
    check_case(one);
    one.from = {3, 7};
    one.scales = {1, 2};
    check_case(one);
  }
}

TEST_CASE("Resize: channels last, and a dimension in between that stays") {
  for (const std::string mode : {"linear", "cubic", "nearest"}) {
    Case one;
    one.mode = mode;
    one.from = {2, 5, 4, 21};
    one.scales = {1, 2, 1.5f, 1};
    check_case(one);
    one.scales = {1, 2, 1, 3};
    check_case(one);
    one.scales = {2, 1, 2, 1};
    check_case(one);
  }
}

TEST_CASE("Resize: cubic") {
  for (const std::string& coordinates : kCoordinates) {
    for (const bool exclude : {false, true}) {
      Case one;
      one.mode = "cubic";
      one.coordinates = coordinates;
      one.exclude_outside = exclude;
      one.from = {1, 2, 7, 9};
      one.scales = {1, 1, 2, 2.5f};
      check_case(one);
      one.scales = {1, 1, 0.5f, 0.75f};
      check_case(one);
    }
  }
}

TEST_CASE("Resize: a part of the input, and beyond it") {
  for (const std::string mode : {"nearest", "linear", "cubic"}) {
    Case one;
    one.mode = mode;
    one.coordinates = "tf_crop_and_resize";
    one.from = {1, 2, 5, 18};
    one.sizes = {1, 2, 4, 21};
    one.fill = 7.5f;
    one.roi = {0, 0, 0.25f, -0.31f, 1, 1, 1.5f, 1.2f};
    check_case(one);
    one.roi = {0, 0, 0.75f, 0.9f, 1, 1, 0.2f, 0.1f};
    check_case(one);
    one.sizes = {1, 2, 1, 1};
    check_case(one);
    // Not finite: outside.
    one.sizes = {1, 2, 4, 21};
    one.roi = {0, 0, NAN, 0, 1, 1, 1, INFINITY};
    check_case(one);
  }
}

TEST_CASE("Resize: random sizes") {
  std::mt19937 random(11);
  const std::vector<std::string> modes = {"nearest", "linear", "cubic"};
  for (int i = 0; i < 20; ++i) {
    Case one;
    one.mode = modes[random() % 3];
    one.coordinates = one.mode == "nearest" ? "asymmetric" : kCoordinates[random() % 5];
    one.nearest = "floor";
    one.from = {1, 1 + static_cast<std::int64_t>(random() % 3)};
    one.sizes = one.from;
    for (int d = 0; d < 2; ++d) {
      const auto size = static_cast<std::int64_t>(2 + random() % 30);
      one.from.push_back(size);
      // Multiples for nearest, where a position must not lie between two by rounding.
      one.sizes.push_back(one.mode == "nearest" ? size * static_cast<std::int64_t>(1 + random() % 5)
                                                : 1 + static_cast<std::int64_t>(random() % 50));
    }
    check_case(one);
  }
}

TEST_CASE("Resize: by 2 and 4, where neighbours of one phase follow each other") {
  for (const std::string& coordinates : kCoordinates) {
    for (const std::int64_t width : {5, 6, 16, 37}) {
      for (const std::string mode : {"linear", "cubic"}) {
        Case one;
        one.mode = mode;
        one.coordinates = coordinates;
        one.from = {1, 2, 3, width};
        one.scales = {1, 1, 4, 2};
        check_case(one);
        one.scales = {1, 1, 1, 4};
        check_case(one);
      }
    }
  }
}

TEST_CASE("Resize: a row wider than what is blended in private memory") {
  Case one;
  one.from = {1, 1, 2, 5000};
  one.scales = {1, 1, 2, 1.5f};
  check_case(one);
}

TEST_CASE("Resize: sizes for some axes that keep the aspect ratio") {
  const auto shape_of = [](const char* policy) {
    NetGraph net(18);
    const Shape from{1, 1, 4, 6};
    const ValueId y =
        net.add("Resize",
                {net.input(from, random_numbers(from, 1)), kNoValue, kNoValue,
                 net.constant({2}, Integers{15, 12})},
                {{"axes", Integers{3, -2}}, {"keep_aspect_ratio_policy", std::string(policy)}});
    net.infer();
    return net.shape(y);
  };
  CHECK((shape_of("stretch") == Shape{1, 1, 12, 15}));
  CHECK((shape_of("not_larger") == Shape{1, 1, 10, 15}));
  CHECK((shape_of("not_smaller") == Shape{1, 1, 12, 18}));
}

TEST_CASE("Resize of opset 10 and Upsample") {
  const Shape from{1, 1, 2, 4};
  const Numbers x{1, 2, 3, 4, 5, 6, 7, 8};
  NetGraph shrink(10), old(7), later(9);
  shrink.output(shrink.add(
      "Resize", {shrink.input(from, x), shrink.constant({4}, Numbers{1, 1, 0.6f, 0.6f})}));
  CHECK((shrink.run()[0] == Numbers{1, 3}));
  old.output(old.add("Upsample", {old.input(from, x)},
                     {{"scales", Numbers{1, 1, 2, 1.5f}}, {"mode", std::string("nearest")}}));
  CHECK((old.run()[0] ==
         Numbers{1, 1, 2, 3, 3, 4, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 5, 5, 6, 7, 7, 8}));
  later.output(later.add("Upsample",
                         {later.input(from, x), later.constant({4}, Numbers{1, 1, 1, 2})},
                         {{"mode", std::string("linear")}}));
  CHECK((later.run()[0] ==
         Numbers{1, 1.5f, 2, 2.5f, 3, 3.5f, 4, 4, 5, 5.5f, 6, 6.5f, 7, 7.5f, 8, 8}));
}

TEST_CASE("Resize to the same size is no step, errors name what is wrong") {
  NetGraph same(13), antialias(18), scale(13), mode(13);
  const Shape from{1, 2, 3, 4};
  const Numbers x = random_numbers(from, 2);
  const auto resize = [&](NetGraph& net, const Numbers& scales,
                          const NetGraph::AttributeList& attributes) {
    return net.add("Resize",
                   {net.input(from, x), kNoValue,
                    net.constant({static_cast<std::int64_t>(scales.size())}, scales)},
                   attributes);
  };
  const auto error_of = [](NetGraph& net) -> std::string {
    try {
      net.infer();
    } catch (const core::Error& error) {
      return error.what();
    }
    return "";
  };
  const ValueId y = resize(same, {1, 1, 1, 1}, {{"mode", std::string("cubic")}});
  same.output(same.add("Transpose", {y}));
  CHECK(same.steps().size() == 1);
  resize(antialias, {1, 1, 0.5f, 1},
         {{"mode", std::string("linear")}, {"antialias", std::int64_t{1}}});
  CHECK(error_of(antialias) == "node 'Resize0' (Resize, opset 18): antialias=1");
  resize(scale, {1, 1, -1, 1}, {});
  CHECK(error_of(scale) == "node 'Resize0' (Resize, opset 13): scale -1.000000 of size 3");
  resize(mode, {1, 1, 2, 1}, {{"mode", std::string("lanczos")}});
  CHECK(error_of(mode) == "node 'Resize0' (Resize, opset 13): mode='lanczos'");
}
