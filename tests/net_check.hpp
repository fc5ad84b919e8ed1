// Checks one operator: on the device under test and as if that were a GPU, in float32 and in float16 storage, against
// what the test expects in double precision.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "net_graph.hpp"
#include "support/errors.hpp"

namespace clconv::test {

// Values as they lie in storage.
inline Numbers rounded(Numbers values, core::DataType storage) {
  return core::from_storage(core::to_storage(values, storage), storage);
}

// Adds the node whose output is checked to a graph with the given inputs.
using AddNode = std::function<ValueId(NetGraph&, const std::vector<ValueId>&)>;
// From the inputs' values to the output's.
using Expect = std::function<std::vector<double>(const std::vector<Numbers>&)>;

struct Tensor {
  Shape shape;
  Numbers values;
};

// `bound` is the largest error in float32, relative to 1 + the expected magnitude.
inline void check_operator(const std::vector<Tensor>& inputs, const AddNode& add,
                           const Expect& expect, double bound = 1e-5, std::int64_t opset = 17) {
  for (const core::DataType storage : {core::DataType::kFloat32, core::DataType::kFloat16}) {
    std::vector<Numbers> stored;
    NetGraph net(opset);
    std::vector<ValueId> ids;
    for (const Tensor& tensor : inputs) {
      stored.push_back(rounded(tensor.values, storage));
      ids.push_back(net.input(tensor.shape, stored.back()));
    }
    net.output(add(net, ids));
    std::vector<double> expected = expect(stored);
    for (double& value : expected) {
      const bool overflows = std::fabs(value) >= 65520;  // rounds to infinity in float16
      if (storage == core::DataType::kFloat16 && overflows) value = std::copysign(INFINITY, value);
    }
    for (core::Device* on : {&device(), &as_gpu()}) {
      const bool half = storage == core::DataType::kFloat16, gpu = on == &as_gpu();
      CAPTURE(half);
      CAPTURE(gpu);
      RunOptions options;
      options.storage = storage;
      options.on = on;
      CHECK(worst_error(net.run(options).at(0), expected) <= bound + (half ? 1e-3 : 0));
    }
  }
}

// The message of what inference throws; "" (and a failed check) if it throws nothing.
inline std::string refusal(NetGraph& net) {
  try {
    net.infer();
  } catch (const core::Error& error) {
    return error.what();
  }
  FAIL_CHECK("expected an error, none was thrown");
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace clconv::test
