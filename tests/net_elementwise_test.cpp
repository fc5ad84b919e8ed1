// Element-wise operators against their definitions in double precision.
#include "doctest/doctest.h"
#include "net_graph.hpp"

using namespace clconv::test;

TEST_CASE("a graph built by hand runs: storage and back") {
  const Shape shape{2, 3, 7, 5};
  const Numbers values = random_numbers(shape, 1);
  for (const core::DataType storage : {core::DataType::kFloat32, core::DataType::kFloat16}) {
    NetGraph net;
    net.output(net.input(shape, values));
    RunOptions options;
    options.storage = storage;
    const Numbers result = net.run(options).at(0);
    REQUIRE(result.size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float rounded = storage == core::DataType::kFloat32
                                ? values[i]
                                : core::from_16_bits(core::to_16_bits(values[i], storage), storage);
      CHECK(result[i] == rounded);
    }
  }
}
