// One problem over several devices: every device that there is, and where there is one only, that one twice.
#include <dlfcn.h>

#include <atomic>
#include <thread>

#include "planner/batch.hpp"
#include "runtime/division.hpp"
#include "support/plans.hpp"
#include "support/temp.hpp"

using namespace clconv::test;
using clconv::core::DataType;
using clconv::core::divide;

namespace {

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

const std::vector<std::string>& device_specs() {
  static const std::vector<std::string> specs = [] {
    std::vector<std::string> found;
    for (const Json& device : Json::parse(clconv::devices()))
      found.push_back(device.at("index"));
    if (found.size() == 1) found.push_back(found.front());
    found.resize(2);  // of any two
    MESSAGE("devices " << found[0] << " and " << found[1]);
    return found;
  }();
  return specs;
}

std::vector<clconv::Context> on_devices(const std::string& wisdom) {
  clconv::ContextOptions options;
  options.wisdom_path = wisdom.c_str();
  std::vector<clconv::Context> made;
  for (const std::string& spec : device_specs())
    made.emplace_back(spec, options);
  return made;
}

// Never destroyed: a driver's own globals may be gone before ours.
const std::vector<clconv::Context>& two_devices() {
  static const auto& contexts = *new std::vector<clconv::Context>(on_devices("off"));
  return contexts;
}

std::vector<clconv::Context> one_device() {
  std::vector<clconv::Context> made;
  made.push_back(clconv::Context::shared(two_devices().front().get()));
  return made;
}

clconv::PlanOptions plan_options(const char* strategy) {
  clconv::PlanOptions options;
  options.strategy = strategy;
  if (*strategy == '\0') options.deny = "winograd";  // whose error bound is relative to other sums
  options.deterministic = 1;
  return options;
}

clconv::Batch make_batch(const std::vector<clconv::Context>& contexts, const clconv::Problem& p,
                         const char* strategy, const std::vector<std::int64_t>& images = {}) {
  const clconv::PlanOptions plan = plan_options(strategy);
  clconv::BatchOptions options;
  options.plan = &plan;
  if (!images.empty()) options.images = images.data();
  return clconv::Batch(contexts, p, options);
}

// The operands of `p` as bytes of the host, and the result as it was before: what is added to, or NaN.
struct HostCase {
  Problem problem;
  std::array<std::vector<unsigned char>, clconv::core::kTensors> memory;

  HostCase(const Problem& p, const Tensors& tensors) : problem(p) {
    for (int t = 0; t < clconv::core::kTensors; ++t)
      of(static_cast<Tensor>(t)) = to_storage(tensors[static_cast<Tensor>(t)], p.data_type);
    if (!p.accumulate) result().assign(result().size(), 0xFF);
  }
  std::vector<unsigned char>& of(Tensor tensor) { return memory[static_cast<std::size_t>(tensor)]; }
  std::vector<unsigned char>& result() { return of(result_of(problem)); }

  clconv::HostOperands operands() {
    clconv::HostOperands o;
    const bool transposed = problem.direction == Direction::kTransposed;
    o.x = of(transposed ? Tensor::kDy : Tensor::kX).data();
    o.w = of(Tensor::kW).data();
    o.b = of(Tensor::kB).data();
    o.y = of(transposed ? Tensor::kDx : Tensor::kY).data();
    o.dx = of(Tensor::kDx).data();
    o.dw = of(Tensor::kDw).data();
    o.db = of(Tensor::kDb).data();
    o.dy = of(Tensor::kDy).data();
    o.r = of(Tensor::kR).data();
    (problem.scale ? o.scale : o.slopes) = of(Tensor::kSlopes).data();
    return o;
  }
  std::vector<float> values() { return from_storage(result(), problem.data_type); }
};

std::vector<float> run(const clconv::Batch& batch, const Problem& p, const Tensors& tensors) {
  HostCase host(p, tensors);
  batch.run(host.operands());
  return host.values();
}

// The largest error bound of the parts, and what adding them up rounds.
double error_bound_of(const clconv::Batch& batch) {
  double bound = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    clconv_plan_info info{};
    info.struct_size = sizeof(info);
    const clconv_batch_part part = batch.part(i);
    if (part.plan == nullptr) continue;
    REQUIRE(clconv_plan_get_info(part.plan, &info) == CLCONV_OK);
    bound = std::max(bound, info.error_bound);
  }
  return bound + 2.0 / (1 << 24);
}

void check_reference(const Problem& p, const Tensors& tensors, const Reference& expected,
                     const std::vector<std::int64_t>& images) {
  const clconv::Batch batch = make_batch(two_devices(), public_problem(p), "", images);
  for (std::size_t i = 0; i < images.size(); ++i) {
    CHECK(batch.part(i).images == images[i]);
    CHECK((batch.part(i).plan != nullptr) == (images[i] > 0));
  }
  const std::vector<float> found = run(batch, p, tensors);
  const double bound = error_bound_of(batch);
  std::size_t wrong = found.size() == expected.result.size() ? 0 : 1;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double error = std::fabs(static_cast<double>(found[i]) - expected.result[i]);
    if (!(error <= bound * expected.magnitude[i] + 1e-30)) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(same_bits(run(batch, p, tensors), found));
}

}  // namespace

TEST_CASE("images are divided so that the last device is done as early as possible") {
  using Counts = std::vector<std::int64_t>;
  CHECK(divide(10, {1, 1}) == Counts{5, 5});
  CHECK(divide(11, {1, 1}) == Counts{6, 5});
  CHECK(divide(9, {1, 2}) == Counts{6, 3});
  CHECK(divide(4, {1, 3}) == Counts{3, 1});
  CHECK(divide(1, {3, 1, 2}) == Counts{0, 1, 0});
  CHECK(divide(2, {1, 10}) == Counts{2, 0});
  CHECK(divide(0, {1, 1}) == Counts{0, 0});
  CHECK(divide(7, {5}) == Counts{7});
  // No other division of a few images ends earlier.
  for (std::int64_t n = 1; n < 30; ++n) {
    const std::vector<double> us = {1.7, 2.3, 4.1};
    const auto end = [&](const Counts& counts) {
      double last = 0;
      for (std::size_t i = 0; i < counts.size(); ++i)
        last = std::max(last, static_cast<double>(counts[i]) * us[i]);
      return last;
    };
    const Counts chosen = divide(n, us);
    CHECK(chosen[0] + chosen[1] + chosen[2] == n);
    for (std::int64_t a = 0; a <= n; ++a)
      for (std::int64_t b = 0; a + b <= n; ++b)
        CHECK(end(chosen) <= end({a, b, n - a - b}));
  }
}

TEST_CASE("each direction computes its definition, in parts of one, some, all and no images") {
  for (const Direction direction : kAll) {
    CAPTURE(std::string(to_string(direction)));
    Problem p = decorated(problem_of("n5c6h9w8k8kh3kw3s2p1"), direction);
    p.residual = p.bias;
    const Tensors tensors(p);
    const Reference expected = reference(p, tensors);
    for (const auto& images : {std::vector<std::int64_t>{}, {1, 4}, {0, 5}})
      check_reference(p, tensors, expected, images);
  }
}

TEST_CASE("two devices give one device's bits where images do not meet, also of images apart") {
  for (const bool transposed : {false, true}) {
    for (const bool apart : {false, true}) {
      Problem p = problem_of("n5c4h7w6k6kh3kw3p1 bias relu");
      if (transposed) p.direction = Direction::kTransposed;
      p.data_type = apart ? DataType::kFloat32 : DataType::kFloat16;
      if (!apart && !transposed) p.layout = clconv::core::TensorLayout::kNhwc;
      p.scale = apart;
      p.residual = true;
      const Tensors dense(p);
      clconv::Problem q = public_problem(p);
      q.data_type = static_cast<clconv_data_type>(p.data_type);
      q.layout = static_cast<clconv_tensor_layout>(p.layout);
      q.scale = p.scale;
      Tensors tensors = dense;
      if (apart) {
        p.in_image = q.x_image_stride = 400;
        p.out_image = q.y_image_stride = 501;
        for (const Tensor tensor : {inputs_of(p).front(), Tensor::kR, result_of(p)}) {
          const std::int64_t bytes = span_bytes_of(p, tensor);
          tensors[tensor] = random_floats(bytes / 4, 7);
        }
      }
      const std::vector<float> one = run(make_batch(one_device(), q, "naive"), p, tensors);
      CHECK(same_bits(run(make_batch(two_devices(), q, "naive", {2, 3}), p, tensors), one));
      CHECK(same_bits(run(make_batch(two_devices(), q, "naive", {4, 1}), p, tensors), one));
      const auto untouched = std::count_if(one.begin(), one.end(), [](float v) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, &v, sizeof(bits));
        return bits == 0xFFFFFFFF;
      });
      const std::int64_t image = transposed ? p.c * p.h * p.w : p.k * p.oh() * p.ow();
      CHECK(untouched == (apart ? 4 * (501 - image) : 0));
    }
  }
}

TEST_CASE("the division goes by the time of an equal share, predicted or measured") {
  const TempFolder folder;
  const std::vector<clconv::Context> contexts = on_devices(folder.path("wisdom.sqlite"));
  clconv::Problem p("n8c8h14w14k16kh3kw3p1");
  for (const clconv_rigor rigor : {CLCONV_ESTIMATE, CLCONV_MEASURE}) {
    clconv::PlanOptions plan;
    plan.rigor = rigor;
    clconv::BatchOptions options;
    options.plan = &plan;
    const clconv::Batch batch(contexts, p, options);
    const clconv_batch_part first = batch.part(0), second = batch.part(1);
    MESSAGE(first.images << " and " << second.images << " images: " << first.image_us << " and "
                         << second.image_us << " us each");
    CHECK(first.image_us > 0);
    CHECK(second.image_us > 0);
    const auto counts = divide(8, {first.image_us, second.image_us});
    CHECK(first.images == counts[0]);
    CHECK(second.images == counts[1]);
    CHECK(first.first == 0);
    CHECK(second.first == counts[0]);
    p.n = 4;
    const Json report = Json::parse(contexts[1].explain(p, plan));
    double us = 0;
    for (const Json& item : report.at("candidates")) {
      if (item.at("status") != "chosen") continue;
      us = (rigor == CLCONV_MEASURE ? item.at("measured").at("median_us") : item.at("predicted_us"))
               .get<double>();
    }
    CHECK(second.image_us * 4 == doctest::Approx(us));
    p.n = 8;
  }
}

TEST_CASE("fewer images than devices, and none") {
  const clconv::Batch one = make_batch(two_devices(), clconv::Problem("n1c2h5w5k3kh3kw3"), "");
  CHECK(one.part(0).images + one.part(1).images == 1);
  const Problem p = problem_of("n1c2h5w5k3kh3kw3");
  const Tensors tensors(p);
  CHECK(same_bits(run(one, p, tensors),
                  run(make_batch(one_device(), public_problem(p), ""), p, tensors)));

  Problem none = problem_of("n0c2h5w5k3kh3kw3 backward-weights");
  const Tensors empty(none);
  const clconv::Batch nothing = make_batch(two_devices(), public_problem(none), "");
  for (const float value : run(nothing, none, empty))
    CHECK(value == 0);
  none.accumulate = true;
  const clconv::Batch added = make_batch(two_devices(), public_problem(none), "");
  CHECK(same_bits(run(added, none, empty), empty[Tensor::kDw]));
  none = problem_of("n0c2h5w5k3kh3kw3");
  const clconv::Batch forward = make_batch(two_devices(), public_problem(none), "");
  CHECK(run(forward, none, Tensors(none)).empty());
}

TEST_CASE("weights that the devices keep give the bits of weights given each time") {
  const Problem p = problem_of("n6c16h12w12k32kh3kw3p1");
  const Tensors tensors(p);
  HostCase host(p, tensors);
  const clconv::Batch batch = make_batch(two_devices(), public_problem(p), "", {2, 4});
  clconv::HostOperands operands = host.operands();
  operands.w = nullptr;
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { batch.run(operands); }) ==
        "w is NULL, and clconv_batch_prepare() was not called");
  {
    const std::vector<unsigned char> w = host.of(Tensor::kW);  // free after the call
    batch.prepare(w.data());
  }
  batch.run(operands);
  const std::vector<float> kept = host.values();
  CHECK(same_bits(run(batch, p, tensors), kept));
  batch.prepare(std::vector<unsigned char>(host.of(Tensor::kW).size(), 0).data());
  batch.run(operands);
  for (const float value : host.values())
    CHECK(value == 0);
}

TEST_CASE("memory of the host needs no alignment, and several threads may run one batch") {
  const Problem p = problem_of("n4c3h9w9k5kh3kw3p1 bias");
  const Tensors tensors(p);
  const clconv::Batch batch = make_batch(two_devices(), public_problem(p), "", {1, 3});
  const std::vector<float> expected = run(batch, p, tensors);
  std::array<int, 3> equal{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < equal.size(); ++t) {
    threads.emplace_back([&, t] {
      HostCase host(p, tensors);
      host.of(Tensor::kX).insert(host.of(Tensor::kX).begin(), t, 0);
      host.result().resize(host.result().size() + t);
      clconv::HostOperands operands = host.operands();
      operands.x = host.of(Tensor::kX).data() + t;
      operands.y = host.result().data() + t;
      for (int i = 0; i < 5; ++i) {
        batch.run(operands);
        std::vector<float> found(expected.size());
        std::memcpy(found.data(), static_cast<unsigned char*>(operands.y), found.size() * 4);
        equal[t] += same_bits(found, expected) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (const int count : equal)
    CHECK(count == 5);
}

TEST_CASE("a device that fails is named, the others end, and the batch can run again") {
  const Problem p = problem_of("n4c3h9w9k5kh3kw3p1");
  const Tensors tensors(p);
  const clconv::Batch batch = make_batch(two_devices(), public_problem(p), "naive", {2, 2});
  const std::vector<float> expected = run(batch, p, tensors);
  const bool same = device_specs()[0] == device_specs()[1];
  const std::string name = two_devices()[1].device().getInfo<CL_DEVICE_NAME>();
  broken_device = two_devices()[1].device()();
  const std::string text = error_of(CLCONV_OPENCL, [&] { run(batch, p, tensors); });
  broken_device = nullptr;
  CAPTURE(text);
  CHECK(text.rfind(std::string("device ") + (same ? "0" : "1") + " of the batch (", 0) == 0);
  CHECK(text.find(name.substr(0, name.find('\0'))) != std::string::npos);
  CHECK(text.find("CL_DEVICE_NOT_AVAILABLE") != std::string::npos);
  CHECK(same_bits(run(batch, p, tensors), expected));
}

TEST_CASE("what a batch cannot take is refused in one line") {
  const clconv::Problem p("n4c3h9w9k5kh3kw3p1");
  const auto refused = [&](const std::vector<std::int64_t>& images) {
    return error_of(CLCONV_INVALID_ARGUMENT, [&] { make_batch(two_devices(), p, "", images); });
  };
  CHECK(refused({1, 2}) == "images sum up to 3, the problem has 4");
  CHECK(refused({1, 4}) == "images[1] is 4, expected 0 to 3: the problem has 4");
  CHECK(refused({-1, 5}) == "images[0] is -1, expected 0 to 4: the problem has 4");
  clconv_batch handle = nullptr;
  CHECK(clconv_batch_create(nullptr, 0, &p, nullptr, &handle) == CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()) == "count is 0, expected at least one context");
  const clconv_context contexts[] = {two_devices()[0].get(), nullptr};
  CHECK(clconv_batch_create(contexts, 2, &p, nullptr, &handle) == CLCONV_INVALID_ARGUMENT);
  CHECK(std::string(clconv_last_error()) == "contexts[1] is NULL");
  CHECK(handle == nullptr);
  const std::string none = error_of(CLCONV_CONSTRAINT, [&] {
    make_batch(two_devices(), p, "depthwise", {2, 2});
  });
  CHECK(none.rfind("device 0 of the batch (", 0) == 0);

  const clconv::Batch batch = make_batch(two_devices(), p, "", {2, 2});
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { batch.part(2); }) == "index is 2, expected 0 to 1");
  HostCase host(problem_of("n4c3h9w9k5kh3kw3p1"), Tensors(problem_of("n4c3h9w9k5kh3kw3p1")));
  clconv::HostOperands operands = host.operands();
  operands.x = nullptr;
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { batch.run(operands); }) == "x is NULL");
  operands = host.operands();
  operands.y = host.of(Tensor::kX).data() + 4;
  CHECK(error_of(CLCONV_INVALID_ARGUMENT, [&] { batch.run(operands); }) ==
        "x and y overlap in memory");
}
