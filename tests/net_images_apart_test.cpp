// Ranges of channels of several images used where they lie: Concat and Split of a batch without copies. Each network
// gives for a batch what it gives for its images one by one, where everything lies in one piece.
#include "net_graph.hpp"

using namespace clconv::test;

namespace {

constexpr std::int64_t kImages = 3;

// Adds the network behind its input and names its outputs.
using Build = std::function<void(NetGraph&, ValueId)>;

ValueId conv(NetGraph& net, ValueId x, std::int64_t from, std::int64_t to, std::int64_t kernel,
             unsigned seed) {
  const Shape shape{to, from, kernel, kernel};
  const std::vector<std::int64_t> pads(4, kernel / 2);
  return net.add("Conv",
                 {x, net.constant(shape, random_numbers(shape, seed)),
                  net.constant({to}, random_numbers(to, seed + 1))},
                 {{"pads", pads}});
}

NetGraph network(const Build& build, Shape image, std::int64_t images, const Numbers& values) {
  NetGraph net;
  image.insert(image.begin(), images);
  build(net, net.input(image, values));
  return net;
}

// The outputs of the images one by one, one behind the other.
std::vector<Numbers> one_by_one(const Build& build, const Shape& image, const Numbers& values,
                                const RunOptions& options) {
  std::vector<Numbers> all;
  const std::int64_t size = elements(image);
  for (std::int64_t i = 0; i < kImages; ++i) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(i * size);
    const std::vector<Numbers> results =
        network(build, image, 1, {first, first + static_cast<std::ptrdiff_t>(size)}).run(options);
    all.resize(results.size());
    for (std::size_t k = 0; k < results.size(); ++k)
      all[k].insert(all[k].end(), results[k].begin(), results[k].end());
  }
  return all;
}

// The batch against its images, and the steps of the batch besides convolutions and conversions at the ends.
void check(const Build& build, const Shape& image, const std::vector<std::string>& others,
           const RunOptions& options = {}) {
  const Numbers values = random_numbers(kImages * elements(image), 5);
  const NetGraph batch = network(build, image, kImages, values);
  const std::vector<Numbers> results = batch.run(options);
  const std::vector<Numbers> wanted = one_by_one(build, image, values, options);
  const double bound = options.storage == core::DataType::kFloat32 ? 1e-4 : 2e-2;
  REQUIRE(results.size() == wanted.size());
  for (std::size_t k = 0; k < results.size(); ++k)
    CHECK(worst_error(results[k], {wanted[k].begin(), wanted[k].end()}) <= bound);
  std::vector<std::string> steps = batch.steps(options);
  const auto expected = [](const std::string& step) {
    return step == "convolution" || step == "to_storage" || step == "from_storage";
  };
  steps.erase(std::remove_if(steps.begin(), steps.end(), expected), steps.end());
  CHECK(steps == others);
}

// Of SqueezeNet: two convolutions joined.
void fire(NetGraph& net, ValueId x) {
  const ValueId squeezed = conv(net, x, 3, 8, 1, 10);
  const ValueId joined =
      net.add("Concat", {conv(net, squeezed, 8, 16, 1, 20), conv(net, squeezed, 8, 24, 3, 30)},
              {{"axis", std::int64_t{1}}});
  net.output(conv(net, joined, 40, 5, 1, 40));
}

// Halves that go different ways: one through a convolution, one through an element-wise kernel.
void halves(NetGraph& net, ValueId x) {
  const ValueId all = conv(net, x, 3, 32, 1, 10);
  const std::vector<ValueId> parts = net.add_node("Split", {all}, 2, {{"axis", std::int64_t{1}}});
  const ValueId left = net.add("Sigmoid", {net.add("Abs", {parts[0]})});
  const ValueId right = conv(net, parts[1], 16, 16, 3, 20);
  const ValueId joined = net.add("Concat", {left, right}, {{"axis", std::int64_t{1}}});
  net.output(conv(net, joined, 32, 4, 1, 30));
}

// A Concat that is a part of another one.
void nested(NetGraph& net, ValueId x) {
  const NetGraph::AttributeList channels{{"axis", std::int64_t{1}}};
  const ValueId inner =
      net.add("Concat", {conv(net, x, 3, 8, 1, 10), conv(net, x, 3, 8, 3, 20)}, channels);
  const ValueId outer = net.add("Concat", {conv(net, x, 3, 16, 1, 30), inner}, channels);
  net.output(conv(net, outer, 32, 4, 1, 40));
}

}  // namespace

TEST_CASE("images apart: Concat of convolutions takes no copy") {
  check(fire, {3, 8, 8}, {});
  check(fire, {3, 8, 8}, {}, {core::DataType::kFloat16, nullptr});
  check(fire, {3, 8, 8}, {}, {core::DataType::kFloat32, &as_gpu()});
}

TEST_CASE("images apart: parts of a Split are read, and element-wise kernels read and write") {
  check(halves, {3, 8, 8}, {"Abs", "Sigmoid"});
  check(halves, {3, 4, 16}, {"Abs", "Sigmoid"}, {core::DataType::kFloat32, &as_gpu()});
}

TEST_CASE("images apart: a Concat in a Concat") {
  check(nested, {3, 8, 8}, {});
}

TEST_CASE("images apart: copied where a part begins at no place of the device's") {
  // 3x5 pixels: 8 channels are no multiple of any alignment.
  const Build odd = [](NetGraph& net, ValueId x) {
    const ValueId joined = net.add("Concat", {conv(net, x, 3, 7, 1, 10), conv(net, x, 3, 9, 3, 20)},
                                   {{"axis", std::int64_t{1}}});
    net.output(conv(net, joined, 16, 4, 1, 40));
  };
  check(odd, {3, 3, 5}, {"copy"});
}

TEST_CASE(
    "images apart: copied where the caller, or an operator that takes no images apart, reads") {
  const Build output = [](NetGraph& net, ValueId x) {
    net.output(net.add("Concat", {conv(net, x, 3, 16, 1, 10), conv(net, x, 3, 16, 3, 20)},
                       {{"axis", std::int64_t{1}}}));
  };
  check(output, {3, 8, 8}, {"copy", "copy"});
  const Build pooled = [](NetGraph& net, ValueId x) {
    const std::vector<ValueId> parts =
        net.add_node("Split", {conv(net, x, 3, 32, 1, 10)}, 2, {{"axis", std::int64_t{1}}});
    for (const ValueId part : parts)
      net.output(net.add("GlobalAveragePool", {part}));
  };
  const Numbers values = random_numbers(kImages * 3 * 64, 5);
  CHECK(network(pooled, {3, 8, 8}, kImages, values).steps().size() == 5);
  // A convolution that adds a residual writes images that lie one behind the other.
  const Build residual = [](NetGraph& net, ValueId x) {
    const ValueId a = conv(net, x, 3, 16, 1, 10);
    const ValueId b = net.add("Conv", {a, net.constant({16, 16, 1, 1}, random_numbers(256, 20)),
                                       net.constant({16}, random_numbers(16, 21)), a});
    const ValueId joined =
        net.add("Concat", {b, conv(net, x, 3, 16, 3, 30)}, {{"axis", std::int64_t{1}}});
    net.output(conv(net, joined, 32, 4, 1, 40));
  };
  check(residual, {3, 8, 8}, {"copy"});
}
