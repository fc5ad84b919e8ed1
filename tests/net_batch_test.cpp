// One network over several devices: every device that there is, and where there is one only, that one twice.
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "clconv/net.hpp"
#include "doctest/doctest.h"

namespace {

using Json = nlohmann::json;
using Numbers = std::vector<float>;
using Sizes = std::vector<std::int64_t>;

// While set, kernels on it are refused.
std::atomic<cl_device_id> broken_device{nullptr};

cl_device_id device_of(cl_command_queue queue) {
  cl_device_id device = nullptr;
  clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof(device), &device, nullptr);
  return device;
}

}  // namespace

// Between the library and OpenCL's.
extern "C" cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                         const size_t* offset, const size_t* global,
                                         const size_t* local, cl_uint events,
                                         const cl_event* wait_list, cl_event* event) {
  static const auto real = reinterpret_cast<decltype(&clEnqueueNDRangeKernel)>(
      ::dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel"));
  if (broken_device != nullptr && device_of(queue) == broken_device) return CL_DEVICE_NOT_AVAILABLE;
  return real(queue, kernel, dims, offset, global, local, events, wait_list, event);
}

namespace {

// Never destroyed: a driver's own globals may be gone before ours.
const std::vector<clconv::Context>& two_devices() {
  static const auto& contexts = *[] {
    std::vector<std::string> specs;
    for (const Json& device : Json::parse(clconv::devices()))
      specs.push_back(device.at("index"));
    if (specs.size() == 1) specs.push_back(specs.front());
    specs.resize(2);  // of any two
    MESSAGE("devices " << specs[0] << " and " << specs[1]);
    clconv::ContextOptions options;
    options.wisdom_path = "off";
    auto* made = new std::vector<clconv::Context>;
    for (const std::string& spec : specs)
      made->emplace_back(spec, options);
    return made;
  }();
  return contexts;
}

Numbers random_numbers(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Numbers values(count);
  for (float& value : values)
    value = uniform(engine);
  return values;
}

// Two inputs, two outputs: y = relu(conv(x) + z), and its average over each channel.
clconv::Model small_model() {
  clconv::Model model(13);
  model.add_input("x", {-1, 3, 9, 8});
  model.add_input("z", {-1, 5, 9, 8});
  model.add_constant("w", {5, 3, 3, 3}, random_numbers(135, 1));
  model.add_node("Conv", "conv", {"x", "w"}, {"c"}, R"({"pads": [1, 1, 1, 1]})");
  model.add_node("Add", "add", {"c", "z"}, {"s"});
  model.add_node("Relu", "relu", {"s"}, {"y"});
  model.add_node("GlobalAveragePool", "pool", {"y"}, {"mean"});
  model.add_output("y");
  model.add_output("mean");
  return model;
}

constexpr std::size_t kX = 3 * 9 * 8, kY = 5 * 9 * 8;  // of an image

struct Host {
  Numbers x, z, y, mean;
  explicit Host(std::size_t n)
      : x(random_numbers(n * kX, 2)),
        z(random_numbers(n * kY, 3)),
        y(n * kY, NAN),
        mean(n * 5, NAN) {}
  void run(const clconv::NetworkBatch& batch) {
    batch.run({x.data(), z.data()}, {y.data(), mean.data()});
  }
};

clconv::NetworkBatch make_batch(std::int64_t n, const Sizes& images = {}) {
  clconv::NetworkOptions options;
  options.batch = n;
  return clconv::NetworkBatch(two_devices(), small_model(), {}, options, images);
}

cl::Buffer buffer_of(const cl::CommandQueue& queue, const clconv::Context& context,
                     const Numbers& values, std::size_t first, std::size_t count) {
  cl::Buffer buffer(context.opencl_context(), CL_MEM_READ_WRITE, count * 4);
  queue.enqueueWriteBuffer(buffer, CL_TRUE, 0, count * 4, values.data() + first);
  return buffer;
}

// What the network `net` makes of `images` images from `first` on.
Host run_alone(const clconv::Context& context, clconv_net net, const Host& all, std::size_t first,
               std::size_t images) {
  Host part(images);
  const cl::CommandQueue queue(context.opencl_context(), context.device());
  const cl::Buffer x = buffer_of(queue, context, all.x, first * kX, images * kX),
                   z = buffer_of(queue, context, all.z, first * kY, images * kY),
                   y = buffer_of(queue, context, part.y, 0, images * kY),
                   mean = buffer_of(queue, context, part.mean, 0, images * 5);
  const cl_mem inputs[] = {x(), z()}, outputs[] = {y(), mean()};
  clconv::check(
      clconv_net_run(net, queue(), 0, nullptr, 2, inputs, 2, outputs, 0, nullptr, nullptr));
  queue.enqueueReadBuffer(y, CL_TRUE, 0, images * kY * 4, part.y.data());
  queue.enqueueReadBuffer(mean, CL_TRUE, 0, images * 20, part.mean.data());
  return part;
}

bool near(const Numbers& a, const Numbers& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float u, float v) { return std::fabs(u - v) <= 1e-5F; });
}

template <class Body>
std::string error_of(clconv_status status, Body&& body) {
  try {
    body();
  } catch (const clconv::Error& error) {
    CHECK(error.status() == status);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the images of two devices are those of one, in parts of one, some, all and no images") {
  const clconv::Context& context = two_devices()[0];
  clconv::NetworkOptions options;
  options.batch = 5;
  const clconv::Network one(context, small_model(), {}, options);
  Host host(5);
  const Host expected = run_alone(context, one.get(), host, 0, 5);
  for (const Sizes& images : {Sizes{}, Sizes{1, 4}, Sizes{0, 5}, Sizes{3, 2}}) {
    const clconv::NetworkBatch batch = make_batch(5, images);
    CHECK(batch.inputs()[1].sizes == Sizes{5, 5, 9, 8});
    CHECK(batch.outputs()[1].sizes == Sizes{5, 5, 1, 1});
    CHECK(batch.outputs()[1].bytes == 100);
    std::fill(host.y.begin(), host.y.end(), NAN);
    std::fill(host.mean.begin(), host.mean.end(), NAN);
    host.run(batch);
    CHECK(near(host.y, expected.y));
    CHECK(near(host.mean, expected.mean));
    std::int64_t first = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      const clconv_net_batch_part part = batch.part(i);
      if (!images.empty()) CHECK(part.images == images[i]);
      CHECK((part.image_us > 0) == images.empty());
      CHECK(part.first == first);
      CHECK((part.net != nullptr) == (part.images > 0));
      CHECK(batch.report(i).empty() == (part.images == 0));
      first += part.images;
      if (part.net == nullptr) continue;
      // The bits of the device's own network.
      const auto from = static_cast<std::size_t>(part.first),
                 count = static_cast<std::size_t>(part.images);
      const Host alone = run_alone(two_devices()[i], part.net, host, from, count);
      CHECK(std::equal(alone.y.begin(), alone.y.end(), host.y.begin() + part.first * int(kY)));
      CHECK(std::equal(alone.mean.begin(), alone.mean.end(), host.mean.begin() + part.first * 5));
    }
    CHECK(first == 5);
  }
}

TEST_CASE("the division goes by the time of an equal share, predicted or measured") {
  for (const clconv_rigor rigor : {CLCONV_ESTIMATE, CLCONV_MEASURE}) {
    clconv::NetworkOptions options;
    options.rigor = rigor;
    options.batch = 4;
    double predicted = 0;
    const std::string report =
        clconv::Network(two_devices()[1], small_model(), {}, options).report();
    predicted = Json::parse(report).at("totals").at("predicted_us");
    options.batch = 8;
    const clconv::NetworkBatch batch(two_devices(), small_model(), {}, options);
    const clconv_net_batch_part a = batch.part(0), b = batch.part(1);
    MESSAGE(a.images << " and " << b.images << " images: " << a.image_us << " and " << b.image_us
                     << " us each");
    CHECK(a.image_us > 0);
    CHECK(b.image_us > 0);
    if (rigor == CLCONV_ESTIMATE) CHECK(b.image_us * 4 == doctest::Approx(predicted));
    const auto end = [&](std::int64_t of_first) {
      return std::max(static_cast<double>(of_first) * a.image_us,
                      static_cast<double>(8 - of_first) * b.image_us);
    };
    for (std::int64_t images = 0; images <= 8; ++images)
      CHECK(end(a.images) <= end(images) * (1 + 1e-9));
  }
}

TEST_CASE("one image, memory that is not aligned, and several threads at once") {
  const clconv::NetworkBatch one = make_batch(1);
  CHECK(one.part(0).images + one.part(1).images == 1);
  Host single(1);
  single.run(one);
  CHECK(std::none_of(single.y.begin(), single.y.end(), [](float v) { return std::isnan(v); }));

  const clconv::NetworkBatch batch = make_batch(5, {2, 3});
  Host host(5);
  host.run(batch);
  std::array<int, 3> equal{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < equal.size(); ++t) {
    threads.emplace_back([&, t] {
      Numbers x(t), y(host.y.size() + t), mean(host.mean.size());
      x.insert(x.end(), host.x.begin(), host.x.end());
      for (int i = 0; i < 5; ++i) {
        batch.run({x.data() + t, host.z.data()}, {y.data() + t, mean.data()});
        equal[t] +=
            std::equal(host.y.begin(), host.y.end(), y.begin() + int(t)) && mean == host.mean;
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (const int count : equal)
    CHECK(count == 5);
}

TEST_CASE("a device that fails is named, the others end, and the batch can run again") {
  const clconv::NetworkBatch batch = make_batch(4, {2, 2});
  Host host(4);
  host.run(batch);
  const Host expected = host;
  const cl_device_id first = two_devices()[0].device()(), second = two_devices()[1].device()();
  const std::string name = two_devices()[1].device().getInfo<CL_DEVICE_NAME>();
  broken_device = second;
  const std::string text = error_of(CLCONV_OPENCL, [&] { host.run(batch); });
  broken_device = nullptr;
  CAPTURE(text);
  CHECK(text.rfind(std::string("device ") + (first == second ? "0" : "1") + " of the batch (", 0) ==
        0);
  CHECK(text.find(name.substr(0, name.find('\0'))) != std::string::npos);
  CHECK(text.find("CL_DEVICE_NOT_AVAILABLE") != std::string::npos);
  host.run(batch);
  CHECK(host.y == expected.y);
}

TEST_CASE("what a batch of a network cannot take is refused in one line") {
  const auto refused = [&](const Sizes& images) {
    return error_of(CLCONV_INVALID_ARGUMENT, [&] { make_batch(4, images); });
  };
  CHECK(refused({1, 2}) == "images sum up to 3, the inputs have 4");
  CHECK(refused({1, 4}) == "images[1] is 4, expected 0 to 3: the inputs have 4");
  CHECK(refused({-1, 5}) == "images[0] is -1, expected 0 to 4: the inputs have 4");
  CHECK(refused({4}) == "images has 1 numbers, expected one for each of 2 devices");
  clconv_net_batch handle = nullptr;
  const clconv::Model model = small_model();
  CHECK(clconv_net_batch_create(nullptr, 0, model.get(), nullptr, &handle) ==
        CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()) == "count is 0, expected at least one context");
  const clconv_context contexts[] = {two_devices()[0].get(), nullptr};
  CHECK(clconv_net_batch_create(contexts, 2, model.get(), nullptr, &handle) ==
        CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()) == "contexts[1] is NULL");
  CHECK(handle == nullptr);
  CHECK(
      error_of(CLCONV_INVALID_ARGUMENT, [&] {
        clconv::NetworkBatch(two_devices(), model, {{"x", {4, 3, 9, 8}}, {"z", {2, 5, 9, 8}}});
      }) == "input 'z' is 2x5x9x8, expected the images as its first size, 4: input 'x' is 4x3x9x8");

  const clconv::NetworkBatch batch = make_batch(4, {2, 2});
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { batch.part(2); }) == "index is 2, expected 0 to 1");
  Host host(4);
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          batch.run({host.x.data()}, {host.y.data(), host.mean.data()});
        }) == "1 inputs given, the network has 2");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          batch.run({host.x.data(), nullptr}, {host.y.data(), host.mean.data()});
        }) == "'z' is NULL");
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] {
          batch.run({host.x.data(), host.z.data()}, {host.z.data() + 1, host.mean.data()});
        }) == "'z' and 'y' overlap in memory");
}

TEST_CASE("a network whose images are not computed one by one is refused, the node named") {
  struct Row {
    const char* op;
    std::vector<std::string> inputs;
    const char *attributes, *expected;
  };
  const std::string along = "computes along the images, which a batch divides among devices";
  const Row rows[] = {
      {"Softmax", {"x"}, R"({"axis": 0})", along.c_str()},
      {"LayerNormalization", {"x", "ones"}, R"({"axis": -2})", along.c_str()},
      {"Concat", {"x", "x"}, R"({"axis": 0})", along.c_str()},
      {"Tile", {"x", "twice"}, "", along.c_str()},
      {"Slice", {"x", "last", "before", "zero", "back"}, "", along.c_str()},
      {"MeanVarianceNormalization", {"x"}, R"({"axes": [0, 1]})", along.c_str()},
      {"Gather", {"x", "zero"}, "", along.c_str()},
      {"Transpose", {"x"}, "", "its result is 6x4 of 4 images and 6x2 of 2"},
      {"Reshape", {"x", "fixed"}, "", "its result is 4x6 of 4 images and 4x3 of 2"},
      {"ReduceMean", {"x"}, R"({"axes": [0]})", "its result is 1x6 of 4 images and 1x6 of 2"},
      {"Flatten", {"x"}, R"({"axis": 0})", "its result is 1x24 of 4 images and 1x12 of 2"},
      // These do compute them one by one.
      {"Softmax", {"x"}, R"({"axis": 1})", "no error"},
      {"Reshape", {"x", "rows"}, "", "output 'y' is 8x3, expected the images as its first size, 4"},
      {"Reshape", {"x", "kept"}, "", "no error"},
      {"Slice", {"x", "last", "before", "one", "back"}, "", "no error"},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.op));
    clconv::Model model(17);
    model.add_input("x", {4, 6});
    const auto integers = [&](const char* name, const Sizes& values) {
      model.add_constant(name, {static_cast<std::int64_t>(values.size())}, values);
    };
    integers("twice", {2, 1}), integers("last", {-1}), integers("before", {-100});
    integers("zero", {0}), integers("one", {1}), integers("back", {-1}), integers("fixed", {4, -1});
    integers("rows", {-1, 3}), integers("kept", {-1, 2, 3});
    model.add_constant("ones", {4, 6}, Numbers(24, 1.0F));
    model.add_node(row.op, "n", row.inputs, {"y"}, row.attributes);
    model.add_output("y");
    std::string text = "no error";
    try {
      clconv::NetworkBatch(two_devices(), model, {}, clconv::NetworkOptions(), {2, 2});
    } catch (const clconv::Error& error) {
      text = error.what();
    }
    CAPTURE(text);
    CHECK(text.find(row.expected) != std::string::npos);
  }
}
