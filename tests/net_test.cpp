// Networks as an application sees them: models built by hand, through net.h.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "clconv/clconv.hpp"
#include "clconv/net.h"
#include "doctest/doctest.h"
#include "support/temp.hpp"

namespace {

using clconv::check;
using Json = nlohmann::json;
using Numbers = std::vector<float>;
using Sizes = std::vector<std::int64_t>;

clconv::Context& context() {
  static clconv::Context instance;
  return instance;
}

Numbers random_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Numbers values(static_cast<std::size_t>(count));
  for (float& value : values)
    value = uniform(engine);
  return values;
}

std::int64_t count_of(const Sizes& sizes) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes)
    count *= size;
  return count;
}

// A model built by hand.
class Builder {
 public:
  explicit Builder(std::int64_t opset = 13) { check(clconv_net_model_create(opset, &model)); }
  ~Builder() { clconv_net_model_release(model); }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  void input(const char* name, const Sizes& sizes) {
    check(clconv_net_model_add_input(model, name, static_cast<std::int64_t>(sizes.size()),
                                     sizes.data()));
  }
  Numbers constant(const char* name, const Sizes& sizes, unsigned seed, float scale = 1) {
    Numbers values = random_numbers(count_of(sizes), seed);
    for (float& value : values)
      value *= scale;
    constant(name, sizes, values);
    return values;
  }
  void constant(const char* name, const Sizes& sizes, const Numbers& values) {
    check(clconv_net_model_add_constant(model, name, CLCONV_NET_FLOAT32,
                                        static_cast<std::int64_t>(sizes.size()), sizes.data(),
                                        values.data()));
  }
  void node(const char* op, const std::vector<const char*>& inputs, const char* output,
            const char* attributes = nullptr) {
    check(clconv_net_model_add_node(model, op, output, static_cast<std::int64_t>(inputs.size()),
                                    inputs.data(), 1, &output, attributes));
  }
  void output(const char* name) { check(clconv_net_model_add_output(model, name)); }

  clconv_net_model model = nullptr;
};

// A compiled network with the buffers of its edges.
class Net {
 public:
  explicit Net(const Builder& builder, const clconv_net_options* options = nullptr)
      : queue(context().opencl_context(), context().device()) {
    check(clconv_net_create(context().get(), builder.model, options, &net));
    std::int64_t num_inputs = 0, num_outputs = 0;
    check(clconv_net_counts(net, &num_inputs, &num_outputs));
    for (std::int64_t i = 0; i < num_inputs; ++i)
      inputs.push_back(edge(i, clconv_net_input));
    for (std::int64_t i = 0; i < num_outputs; ++i)
      outputs.push_back(edge(i, clconv_net_output));
  }
  ~Net() { clconv_net_release(net); }
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;

  void write(std::size_t i, const Numbers& values) {
    const std::size_t bytes = values.size() * sizeof(float);
    REQUIRE(static_cast<std::int64_t>(bytes) == inputs[i].info.bytes);
    queue.enqueueWriteBuffer(inputs[i].buffer, CL_TRUE, 0, bytes, values.data());
  }
  Numbers read(std::size_t i) {
    Numbers values(static_cast<std::size_t>(outputs[i].info.bytes) / sizeof(float));
    queue.enqueueReadBuffer(outputs[i].buffer, CL_TRUE, 0, values.size() * sizeof(float),
                            values.data());
    return values;
  }
  std::vector<cl_mem> in() const { return handles_of(inputs); }
  std::vector<cl_mem> out() const { return handles_of(outputs); }
  void run() {
    check(clconv_net_run(net, queue(), 0, nullptr, static_cast<std::int64_t>(inputs.size()),
                         in().data(), static_cast<std::int64_t>(outputs.size()), out().data(), 0,
                         nullptr, nullptr));
  }
  Json report() const {
    char* json = nullptr;
    check(clconv_net_report(net, &json));
    return Json::parse(clconv::take(json));
  }
  Json check_layers() const {
    char* json = nullptr;
    check(clconv_net_check(net, static_cast<std::int64_t>(inputs.size()), in().data(),
                           static_cast<std::int64_t>(outputs.size()), out().data(), &json));
    return Json::parse(clconv::take(json));
  }

  struct Edge {
    clconv_net_tensor_info info;
    cl::Buffer buffer;
  };
  clconv_net net = nullptr;
  cl::CommandQueue queue;
  std::vector<Edge> inputs, outputs;

 private:
  template <class Query>
  Edge edge(std::int64_t i, Query&& query) const {
    Edge one{};
    one.info.struct_size = sizeof(one.info);
    check(query(net, i, &one.info));
    one.buffer = cl::Buffer(context().opencl_context(), CL_MEM_READ_WRITE,
                            static_cast<std::size_t>(one.info.bytes));
    return one;
  }
  static std::vector<cl_mem> handles_of(const std::vector<Edge>& edges) {
    std::vector<cl_mem> handles;
    for (const Edge& one : edges)
      handles.push_back(one.buffer());
    return handles;
  }
};

double largest_difference(const Numbers& a, const Numbers& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= largest)) largest = std::fabs(a[i] - b[i]);
  }
  return largest;
}

// Two convolutions with batch normalization, a sum and activations, pooling left out: what residual networks are made
// of.
void add_residual_block(Builder& b) {
  b.input("x", {-1, 8, 13, 11});
  b.constant("w1", {16, 8, 3, 3}, 1, 0.2f);
  b.constant("gamma", {16}, 2);
  b.constant("beta", {16}, 3);
  b.constant("mean", {16}, 4);
  b.constant("variance", {16}, Numbers(16, 0.7f));
  b.constant("w2", {16, 8, 1, 1}, 5, 0.3f);
  b.constant("b2", {16}, 6);
  b.node("Conv", {"x", "w1"}, "c1", R"({"pads": [1, 1, 1, 1]})");
  b.node("BatchNormalization", {"c1", "gamma", "beta", "mean", "variance"}, "n1");
  b.node("Conv", {"x", "w2", "b2"}, "c2");
  b.node("Add", {"n1", "c2"}, "sum");
  b.node("Relu", {"sum"}, "y");
  b.output("y");
}

}  // namespace

namespace {

std::size_t steps_of(const Net& net) {
  const Json report = net.report();
  std::size_t steps = 0;
  for (const Json& layer : report["layers"])
    steps += layer["steps"].size();
  return steps;
}

}  // namespace

TEST_CASE("a residual block: passes change the launches, not the result") {
  Builder builder;
  add_residual_block(builder);
  clconv_net_options options;
  clconv_net_options_init(&options);
  options.batch = 2;
  Net fused(builder, &options);
  options.skip_passes = "scales,epilogues,elementwise";
  Net plain(builder, &options);
  CHECK(steps_of(fused) == 2);
  CHECK(steps_of(plain) == 5);
  const Numbers x = random_numbers(2 * 8 * 13 * 11, 7);
  fused.write(0, x), plain.write(0, x);
  fused.run(), plain.run();
  const Numbers y = fused.read(0);
  CHECK(largest_difference(y, plain.read(0)) < 1e-5);
  CHECK(*std::max_element(y.begin(), y.end()) > 0.5f);
  const Json checked = fused.check_layers();
  CHECK(checked["ok"] == true);
  CHECK(checked["run_as_steps"] == true);
  CHECK(checked["layers"][0]["steps"][0].contains("error_bound"));
}

TEST_CASE("fully connected layers, and activations in epilogues") {
  Builder builder;
  builder.input("x", {3, 20});
  const Numbers w = builder.constant("w", {20, 7}, 1), bias = builder.constant("b", {7}, 2);
  builder.node("MatMul", {"x", "w"}, "product");
  builder.node("Add", {"product", "b"}, "sum");
  builder.node("Sigmoid", {"sum"}, "y");
  builder.output("y");
  Net net(builder);
  CHECK(net.report()["totals"]["launches"] == 1);
  const Numbers x = random_numbers(60, 3);
  net.write(0, x);
  net.run();
  Numbers expected(21);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 7; ++j) {
      double sum = bias[j];
      for (std::size_t k = 0; k < 20; ++k)
        sum += static_cast<double>(x[i * 20 + k]) * w[k * 7 + j];
      expected[i * 7 + j] = static_cast<float>(1 / (1 + std::exp(-sum)));
    }
  }
  CHECK(largest_difference(net.read(0), expected) < 1e-6);
}

TEST_CASE("sizes that change between runs are served from a bounded cache of plans") {
  Builder builder;
  builder.input("x", {1, 4, -1, -1});
  builder.constant("w", {4, 4, 3, 3}, 1, 0.2f);
  builder.node("Conv", {"x", "w"}, "y", R"({"pads": [1, 1, 1, 1]})");
  builder.output("y");
  clconv_net_shape shape;
  clconv_net_shape_init(&shape);
  shape.name = "x";
  shape.rank = 4;
  shape.sizes[0] = 1, shape.sizes[1] = 4, shape.sizes[2] = 5, shape.sizes[3] = 6;
  clconv_net_options options;
  clconv_net_options_init(&options);
  options.num_shapes = 1;
  options.shapes = &shape;
  options.plan_capacity = 2;
  Net net(builder, &options);
  for (std::int64_t height = 6; height < 10; ++height) {
    shape.sizes[2] = height;
    clconv_net_tensor_info info{};
    info.struct_size = sizeof(info);
    check(clconv_net_prepare(net.net, 1, &shape, 1, &info));
    CHECK(info.sizes[2] == height);
    const cl::Buffer x(context().opencl_context(), CL_MEM_READ_WRITE,
                       static_cast<std::size_t>(info.bytes)),
        y(context().opencl_context(), CL_MEM_READ_WRITE, static_cast<std::size_t>(info.bytes));
    const cl_mem in = x(), out = y();
    check(clconv_net_run(net.net, net.queue(), 1, &shape, 1, &in, 1, &out, 0, nullptr, nullptr));
  }
  net.queue.finish();
  clconv_net_memory_info memory{};
  memory.struct_size = sizeof(memory);
  check(clconv_net_memory(net.net, &memory));
  CHECK(memory.plans == 2);
  // By position, which counts from the shapes given here, not from those of the options.
  shape.name = nullptr;
  shape.sizes[2] = 11;
  clconv_net_tensor_info info{};
  info.struct_size = sizeof(info);
  check(clconv_net_prepare(net.net, 1, &shape, 1, &info));
  CHECK(info.sizes[2] == 11);
}

TEST_CASE("progress is told layer by layer while the network is made, not afterwards") {
  Builder builder;
  builder.input("x", {1, 4, -1, 6});
  builder.constant("w", {4, 4, 3, 3}, 1, 0.2f);
  builder.node("Conv", {"x", "w"}, "first", R"({"pads": [1, 1, 1, 1]})");
  builder.node("Softmax", {"first"}, "second");
  builder.output("second");
  clconv_net_shape shape;
  clconv_net_shape_init(&shape);
  shape.rank = 4;
  shape.sizes[0] = 1, shape.sizes[1] = 4, shape.sizes[2] = 5, shape.sizes[3] = 6;
  clconv_net_options options;
  clconv_net_options_init(&options);
  options.num_shapes = 1;
  options.shapes = &shape;
  std::string told;
  options.progress_user = &told;
  options.progress = [](void* user, std::int64_t done, std::int64_t total, const char* layer) {
    *static_cast<std::string*>(user) +=
        std::to_string(done) + "/" + std::to_string(total) + " " + layer + ";";
  };
  const Net net(builder, &options);
  CHECK(told == "0/2 first;1/2 second;");
  shape.sizes[2] = 7;
  check(clconv_net_prepare(net.net, 1, &shape, 0, nullptr));
  CHECK(told == "0/2 first;1/2 second;");
}

TEST_CASE("several threads run one network at once, each with its own result") {
  Builder builder;
  add_residual_block(builder);
  Net net(builder);
  constexpr std::size_t kThreads = 6, kRuns = 20;
  const std::int64_t count = 8 * 13 * 11;
  std::vector<Numbers> expected;
  for (unsigned t = 0; t < kThreads; ++t) {
    net.write(0, random_numbers(count, 100 + t));
    net.run();
    expected.push_back(net.read(0));
  }
  std::vector<std::thread> threads;
  std::vector<int> wrong(kThreads, 0);
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const cl::CommandQueue queue(context().opencl_context(), context().device());
      const Numbers x = random_numbers(count, 100 + t);
      const cl::Buffer in(context().opencl_context(), CL_MEM_READ_WRITE, x.size() * 4),
          out(context().opencl_context(), CL_MEM_READ_WRITE, expected[t].size() * 4);
      queue.enqueueWriteBuffer(in, CL_TRUE, 0, x.size() * 4, x.data());
      for (std::size_t run = 0; run < kRuns; ++run) {
        const cl_mem from = in(), to = out();
        if (clconv_net_run(net.net, queue(), 0, nullptr, 1, &from, 1, &to, 0, nullptr, nullptr) !=
            CLCONV_OK) {
          ++wrong[t];
          continue;
        }
        Numbers y(expected[t].size());
        queue.enqueueReadBuffer(out, CL_TRUE, 0, y.size() * 4, y.data());
        if (y != expected[t]) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == std::vector<int>(kThreads, 0));
}

TEST_CASE("wait lists and events, also on an out-of-order queue") {
  Builder builder;
  add_residual_block(builder);
  Net net(builder);
  const Numbers x = random_numbers(8 * 13 * 11, 9);
  net.write(0, x);
  net.run();
  const Numbers expected = net.read(0);
  cl_int status = CL_SUCCESS;
  const cl::CommandQueue queue(context().opencl_context(), context().device(),
                               CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &status);
  if (status != CL_SUCCESS) {
    MESSAGE("skipped: the device has no out-of-order queues");
    return;
  }
  const cl::UserEvent start(context().opencl_context());
  const cl_event wait = start();
  cl_event done = nullptr;
  check(clconv_net_run(net.net, queue(), 0, nullptr, 1, net.in().data(), 1, net.out().data(), 1,
                       &wait, &done));
  const cl::Event event(done);
  CHECK(event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() > CL_COMPLETE);
  const_cast<cl::UserEvent&>(start).setStatus(CL_COMPLETE);
  event.wait();
  CHECK(net.read(0) == expected);
}

TEST_CASE("float16 storage stays near float32") {
  Builder builder;
  add_residual_block(builder);
  clconv_net_options options;
  clconv_net_options_init(&options);
  Net exact(builder, &options);
  options.data_type = CLCONV_FLOAT16;
  Net half(builder, &options);
  const Numbers x = random_numbers(8 * 13 * 11, 11);
  exact.write(0, x), half.write(0, x);
  exact.run(), half.run();
  const double difference = largest_difference(half.read(0), exact.read(0));
  CHECK(difference < 0.02);
  CHECK(difference > 0);
  CHECK(half.check_layers()["ok"] == true);
}

TEST_CASE("errors name what is wrong") {
  Builder builder;
  builder.input("image", {1, 3, -1, 8});
  builder.constant("w", {4, 2, 3, 3}, 1);
  builder.node("Conv", {"image", "w"}, "y");
  builder.output("y");
  clconv_net net = nullptr;
  const auto error = [] { return std::string(clconv_last_error()); };
  CHECK(clconv_net_create(context().get(), builder.model, nullptr, &net) ==
        CLCONV_INVALID_ARGUMENT);
  CHECK(error().find("input 'image' is 1x3x?x8: the model leaves sizes open, give its shape in "
                     "clconv_net_options.shapes") != std::string::npos);
  clconv_net_shape shape;
  clconv_net_shape_init(&shape);
  shape.name = "picture";
  shape.rank = 4;
  clconv_net_options options;
  clconv_net_options_init(&options);
  options.num_shapes = 1;
  options.shapes = &shape;
  CHECK(clconv_net_create(context().get(), builder.model, &options, &net) ==
        CLCONV_INVALID_ARGUMENT);
  CHECK(error() == "the model has no input 'picture'; inputs: image");
  clconv_net_shape twice[2] = {shape, shape};
  twice[0].name = twice[1].name = "image";
  options.num_shapes = 2;
  options.shapes = twice;
  CHECK(clconv_net_create(context().get(), builder.model, &options, &net) ==
        CLCONV_INVALID_ARGUMENT);
  CHECK(error() == "input 'image' has two shapes");
  options.num_shapes = 1;
  options.shapes = &shape;
  shape.name = nullptr;
  shape.sizes[0] = 1, shape.sizes[1] = 3, shape.sizes[2] = 8, shape.sizes[3] = 8;
  CHECK(clconv_net_create(context().get(), builder.model, &options, &net) == CLCONV_INVALID_MODEL);
  CHECK(error().find("node 'y' (Conv, opset 13)") != std::string::npos);
  CHECK(error().find("group=1 do not fit") != std::string::npos);
  options.skip_passes = "fusion";
  CHECK(clconv_net_create(context().get(), builder.model, &options, &net) != CLCONV_OK);
  CHECK(net == nullptr);
}

TEST_CASE("an operator that is not supported is named with its node and version") {
  Builder builder;
  builder.input("x", {1, 3});
  builder.node("Frobnicate", {"x"}, "y");
  builder.output("y");
  clconv_net net = nullptr;
  CHECK(clconv_net_create(context().get(), builder.model, nullptr, &net) == CLCONV_UNSUPPORTED);
  CHECK(std::string(clconv_last_error()) ==
        "node 'y' (Frobnicate, opset 13): this operator is not supported");
}

TEST_CASE("a model is a regular file, and whole numbers are numbers, too") {
  clconv_net_model model = nullptr;
  CHECK(clconv_net_model_load("/dev/zero", &model) == CLCONV_IO);
  CHECK(std::string(clconv_last_error()) == "/dev/zero: is no regular file");
  CHECK(clconv_net_model_load("/no/such/model.onnx", &model) == CLCONV_IO);
  CHECK(model == nullptr);
  Builder builder;
  builder.input("x", {2});
  builder.node("LeakyRelu", {"x"}, "y", R"({"alpha": 1})");
  builder.output("y");
  Net net(builder);
  const Numbers x = {-2, 3};
  net.write(0, x);
  net.run();
  CHECK(net.read(0) == x);
}

TEST_CASE("buffers are checked before anything is enqueued") {
  Builder builder;
  add_residual_block(builder);
  Net net(builder);
  const cl::Buffer small(context().opencl_context(), CL_MEM_READ_WRITE, 64);
  const cl_mem in = small();
  CHECK(clconv_net_run(net.net, net.queue(), 0, nullptr, 1, &in, 1, net.out().data(), 0, nullptr,
                       nullptr) == CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()).find("x") != std::string::npos);
  CHECK(clconv_net_run(net.net, net.queue(), 0, nullptr, 1, net.in().data(), 1, net.in().data(), 0,
                       nullptr, nullptr) == CLCONV_INVALID_ARGUMENT);
  CHECK(clconv_net_run(net.net, net.queue(), 0, nullptr, 0, nullptr, 1, net.out().data(), 0,
                       nullptr, nullptr) == CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()) == "0 inputs given, the network has 1");
}

TEST_CASE("an output that is an input or a constant is a copy") {
  Builder builder;
  builder.input("x", {2, 3});
  const Numbers c = builder.constant("c", {5}, 1);
  builder.node("Relu", {"x"}, "r");
  builder.output("x");
  builder.output("c");
  builder.output("r");
  Net net(builder);
  const Numbers x = random_numbers(6, 2);
  net.write(0, x);
  net.run();
  CHECK(net.read(0) == x);
  CHECK(net.read(1) == c);
  for (std::size_t i = 0; i < x.size(); ++i)
    CHECK(net.read(2)[i] == std::max(x[i], 0.0f));
}

namespace {

clconv_net_options running(std::int64_t runs) {
  clconv_net_options options;
  clconv_net_options_init(&options);
  options.expected_runs = runs;
  return options;
}

}  // namespace

TEST_CASE("more inputs and outputs than any convolution has") {
  Builder builder;
  std::vector<std::string> names;
  for (int i = 0; i < 130; ++i)  // and than a kernel has parameters
    names.push_back("x" + std::to_string(i));
  for (const std::string& name : names) {
    builder.input(name.c_str(), {3});
    builder.node("Relu", {name.c_str()}, ("y" + name).c_str());
    builder.output(("y" + name).c_str());
  }
  const clconv_net_options often = running(100000000);
  Net net(builder, &often);
  CHECK(net.report()["totals"]["launches"] > 1);
  for (std::size_t i = 0; i < names.size(); ++i)
    net.write(i, random_numbers(3, static_cast<unsigned>(i)));
  net.run();
  for (std::size_t i = 0; i < names.size(); ++i) {
    Numbers expected = random_numbers(3, static_cast<unsigned>(i));
    for (float& value : expected)
      value = std::max(value, 0.0f);
    CHECK(net.read(i) == expected);
  }
}

// ---- steps as one launch (src/net/chain.hpp) ----------------------------------------------------

namespace {

// What CPUs have bodies for, at odd sizes: first layer, 3x3, grouped, depthwise of both strides, 1x1 with a residual,
// transposed; element-wise operators, pooling, a mean, fully connected, softmax.
void add_many_layers(Builder& b) {
  b.input("x", {2, 3, 37, 41});
  const auto conv = [&](const char* x, const char* y, const Sizes& w, const char* attributes,
                        const char* op = "Conv") {
    const std::string name = std::string("w_") + y;
    const float scale = 1 / std::sqrt(static_cast<float>(w[1] * w[2] * w[3]));
    b.constant(name.c_str(), w, static_cast<unsigned>(w[0] + w[2]), scale);
    b.node(op, {x, name.c_str()}, y, attributes);
  };
  conv("x", "c1", {24, 3, 3, 3}, R"({"pads": [1, 1, 1, 1], "strides": [2, 2]})");
  b.node("Relu", {"c1"}, "r1");
  conv("r1", "c2", {24, 24, 3, 3}, R"({"pads": [1, 1, 1, 1]})");
  b.node("Add", {"c2", "r1"}, "sum");
  conv("sum", "c3", {24, 1, 3, 3}, R"({"pads": [1, 1, 1, 1], "group": 24})");
  b.node("HardSwish", {"c3"}, "h3");
  conv("h3", "c4", {24, 1, 5, 5}, R"({"pads": [2, 2, 2, 2], "strides": [2, 2], "group": 24})");
  conv("c4", "c5", {48, 8, 3, 3}, R"({"pads": [1, 1, 1, 1], "group": 3})");
  b.node("Sin", {"c5"}, "s5");
  b.node("MaxPool", {"s5"}, "p5", R"({"kernel_shape": [3, 3], "strides": [2, 2]})");
  conv("p5", "c6", {48, 20, 2, 2}, R"({"strides": [2, 2]})", "ConvTranspose");
  conv("c6", "c7", {33, 20, 1, 1}, "{}");
  b.node("GlobalAveragePool", {"c7"}, "g");
  b.node("Flatten", {"g"}, "f");
  b.constant("w8", {33, 10}, 8, 0.2f);
  b.constant("b8", {10}, 9);
  b.node("Gemm", {"f", "w8", "b8"}, "c8");
  b.node("Softmax", {"c8"}, "y");
  b.output("c7");
  b.output("y");
}

// A step that is no launch of one kernel, as CLBlast's product, parts the others.
bool chains(const Net& net) {
  const cl::Platform platform(context().device().getInfo<CL_DEVICE_PLATFORM>());
  const bool pocl = platform.getInfo<CL_PLATFORM_NAME>().rfind("Portable", 0) == 0;
  const bool cpu = context().device().getInfo<CL_DEVICE_TYPE>() == CL_DEVICE_TYPE_CPU;
  if (!pocl || !cpu) {
    MESSAGE("skipped: the device launches every step");
    return false;
  }
  const Json report = net.report();
  CHECK(report["totals"]["launches"] <= 3);
  return true;
}

std::vector<Numbers> outputs_of(Net& net) {
  for (auto& output : net.outputs) {  // poisoned with NaN
    const std::vector<unsigned char> poison(static_cast<std::size_t>(output.info.bytes), 0xff);
    net.queue.enqueueWriteBuffer(output.buffer, CL_TRUE, 0, poison.size(), poison.data());
  }
  net.run();
  return {net.read(0), net.read(1)};
}

}  // namespace

TEST_CASE("steps as one launch give the bits of steps that are launched one by one") {
  Builder builder;
  add_many_layers(builder);
  // What estimates choose, also in float16; and a strategy whose workspace has several parts, and where it is small
  // launches for each image.
  const std::pair<clconv_data_type, const char*> cases[] = {
      {CLCONV_FLOAT32, ""}, {CLCONV_FLOAT16, ""}, {CLCONV_FLOAT32, "im2col_gemm"}};
  for (const auto& chosen : cases) {
    // Clang 14 lets no lambda, which CAPTURE is, see the names of a structured binding.
    const clconv_data_type type = chosen.first;
    const char* const strategy = chosen.second;
    CAPTURE(type);
    CAPTURE(strategy);
    // The same variants for both: only what a run costs between launches is different.
    clconv_net_options often = running(100000000), seldom = running(0);
    often.data_type = seldom.data_type = type;
    if (*strategy != '\0') often.workspace_limit_bytes = seldom.workspace_limit_bytes = 600000;
    setenv("CLCONV_STRATEGY", strategy, 1);
    setenv("CLCONV_LAUNCHES", "each", 1);
    Net apart(builder, &seldom);
    unsetenv("CLCONV_LAUNCHES");
    Net together(builder, &often);
    unsetenv("CLCONV_STRATEGY");
    const Json totals = apart.report()["totals"];
    CHECK(totals["launches"] > 10);
    if (!chains(together)) return;
    CHECK(together.report()["totals"]["predicted_us"] < totals["predicted_us"]);
    const Numbers x = random_numbers(2 * 3 * 37 * 41, 7);
    apart.write(0, x);
    together.write(0, x);
    const auto wanted = outputs_of(apart);
    for (int round = 0; round < 20; ++round) {
      const auto got = outputs_of(together);
      REQUIRE(got == wanted);
    }
  }
}

TEST_CASE("runs of one launch on several queues at once do not mix") {
  Builder builder;
  add_many_layers(builder);
  const clconv_net_options often = running(100000000);
  Net net(builder, &often);
  if (!chains(net)) return;
  const Numbers x = random_numbers(2 * 3 * 37 * 41, 7);
  net.write(0, x);
  const auto wanted = outputs_of(net);
  std::vector<std::thread> threads;
  std::vector<int> wrong(3, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      const cl::CommandQueue queue(context().opencl_context(), context().device());
      const auto bytes = static_cast<std::size_t>(net.outputs[0].info.bytes);
      const cl::Buffer c7(context().opencl_context(), CL_MEM_READ_WRITE, bytes);
      const cl::Buffer y(context().opencl_context(), CL_MEM_READ_WRITE,
                         static_cast<std::size_t>(net.outputs[1].info.bytes));
      const cl_mem in[] = {net.inputs[0].buffer()}, out[] = {c7(), y()};
      Numbers values(bytes / sizeof(float));
      for (int round = 0; round < 20; ++round) {
        check(clconv_net_run(net.net, queue(), 0, nullptr, 1, in, 2, out, 0, nullptr, nullptr));
        queue.enqueueReadBuffer(c7, CL_TRUE, 0, bytes, values.data());
        if (values != wanted[0]) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == std::vector<int>(3, 0));
}

namespace {

struct Spoiler {
  std::string wisdom, lines;  // files
};

// When all layers but the last are planned, the wisdom learns that a variant is wrong.
void spoil(void* user, std::int64_t done, std::int64_t total, const char*) {
  const auto& spoiler = *static_cast<const Spoiler*>(user);
  if (done + 1 == total) clconv::wisdom_import(spoiler.wisdom, spoiler.lines);
}

// Strategy and config of the first layer, a convolution.
std::string first_variant(const Json& report) {
  const Json& step = report.at("layers").at(0).at("steps").at(0);
  return step.at("strategy").get<std::string>() + " " + step.at("config").get<std::string>();
}

Json compiled(const std::string& wisdom, const Builder& builder,
              const clconv_net_options& options) {
  clconv::ContextOptions with_wisdom;
  with_wisdom.wisdom_path = wisdom.c_str();
  const clconv::Context learning(context().opencl_context(), context().device(), with_wisdom);
  clconv_net net = nullptr;
  check(clconv_net_create(learning.get(), builder.model, &options, &net));
  char* json = nullptr;
  check(clconv_net_report(net, &json));
  Json report = Json::parse(json);
  clconv_free(json);
  clconv_net_release(net);
  return report;
}

}  // namespace

TEST_CASE("variants are checked once the network is put together, and a wrong one is replaced") {
  const clconv::test::TempFolder folder;
  const std::string first = folder.path("first.sqlite"), second = folder.path("second.sqlite");
  const std::string exported = folder.path("exported.jsonl"), lines = folder.path("wrong.jsonl");
  Builder builder;
  builder.input("x", {1, 24, 20, 20});
  builder.constant("w1", {40, 24, 3, 3}, 1, 0.1f);
  builder.node("Conv", {"x", "w1"}, "c1", R"({"pads": [1, 1, 1, 1]})");
  builder.constant("w2", {24, 40, 1, 1}, 2, 0.1f);
  builder.node("Conv", {"c1", "w2"}, "c2");
  builder.node("MaxPool", {"c2"}, "y", R"({"kernel_shape": [2, 2], "strides": [2, 2]})");
  builder.output("y");
  clconv_net_options options = running(100000000);
  const Json right = compiled(first, builder, options);
  if (right.at("totals").at("launches") > 1) {
    MESSAGE("skipped: the device launches every step");
    return;
  }
  const std::string variant = first_variant(right);
  clconv::wisdom_export(first, exported);

  // The same wisdom, but for the verdict on that variant.
  std::ifstream in(exported);
  std::ofstream out(lines);
  int verdicts = 0;
  for (std::string line; std::getline(in, line);) {
    Json record = Json::parse(line, nullptr, false);
    if (!record.is_object() || !record.contains("trusted")) continue;
    CHECK(record.at("trusted") == true);
    if (record.at("strategy").get<std::string>() + " " + record.at("config").get<std::string>() !=
        variant)
      continue;
    ++verdicts;
    record["trusted"] = false;
    record["text"] = "wrong, this test says";
    out << record.dump() << "\n";
  }
  out.close();
  REQUIRE(verdicts > 0);

  Spoiler spoiler{second, lines};
  options.progress = spoil;
  options.progress_user = &spoiler;
  const Json other = compiled(second, builder, options);
  CHECK(first_variant(other) != variant);
  CHECK(other.at("totals").at("launches") == right.at("totals").at("launches"));
}
