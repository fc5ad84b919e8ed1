// Operands that are a range of channels of a larger tensor: every strategy gives the bits that it gives for images that
// lie one behind the other, reads nothing between them into its results and writes nothing there.
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// One problem of each kind that some strategy serves, small and with tails; the last is copied in chunks of images.
const char* const kKinds[] = {
    "n3c5h9w11k19kh3kw3p1",      "n2c19h7w5k23kh1kw1", "n3c16h8w8k16kh1kw1",
    "n2c6h11w13k12kh3kw3s2p1g6", "n3c67h1w1k23kh1kw1", "n2c8h10w9k12kh3kw2s2g2",
    "n2c4h13w18k4kh3kw3p1g4",    "n2c3h6w40k5kh2kw3",  "n6c32h64w64k3kh3kw3p1"};

std::int64_t image_of(const Problem& p, bool input) {
  return input == p.wants_dx() ? p.k * p.oh() * p.ow() : p.c * p.h * p.w;
}

// `values` of images that lie `stride` elements apart; what lies between is NaN, of all bits.
std::vector<float> spread(const std::vector<float>& values, std::int64_t images,
                          std::int64_t stride) {
  const auto image = static_cast<std::int64_t>(values.size()) / images;
  float nothing = 0;
  std::memset(&nothing, 0xFF, sizeof(nothing));
  std::vector<float> result(static_cast<std::size_t>((images - 1) * stride + image), nothing);
  for (std::int64_t i = 0; i < images; ++i) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i * image), image,
                result.begin() + static_cast<std::ptrdiff_t>(i * stride));
  }
  return result;
}

struct Spread {
  Tensors tensors;
  explicit Spread(const Problem& p, const Tensors& dense) : tensors(dense) {
    const Tensor input = inputs_of(p).front();
    tensors[input] = spread(dense[input], p.n, p.input_image());
    if (p.residual) tensors[Tensor::kR] = spread(dense[Tensor::kR], p.n, p.result_image());
  }
};

// The whole result buffer, which was NaN of all bits before.
std::vector<float> run_spread(Device& on, const Strategy& strategy, const Problem& p,
                              const Candidate& candidate, const Tensors& tensors) {
  const auto executable = strategy.build(p, candidate.config, on);
  CHECK(executable->workspace_bytes == candidate.workspace_bytes);
  std::vector<GuardedBuffer> inputs;
  Bindings bindings;
  for (const Tensor tensor : inputs_of(p)) {
    inputs.emplace_back(tensors[tensor], p.data_type);
    bindings.bind(static_cast<int>(tensor), inputs.back().get());
  }
  GuardedBuffer result(span_bytes_of(p, result_of(p)));
  GuardedBuffer workspace(candidate.workspace_bytes), prepared(candidate.prepared_weights_bytes);
  bindings.bind(static_cast<int>(result_of(p)), result.get());
  bindings.bind(kWorkspaceSlot, workspace.get());
  bindings.bind(kPreparedSlot, prepared.get());
  executable->prepare.enqueue(queue()(), bindings, {});
  executable->run.enqueue(queue()(), bindings, {});
  queue().finish();
  CHECK((result.intact() && workspace.intact() && prepared.intact()));
  return result.read(p.data_type);
}

// With NaN of all bits for what float16 stores of it.
std::vector<float> expected_spread(const Problem& p, const std::vector<float>& dense) {
  std::vector<float> all = spread(dense, p.n, p.result_image());
  return from_storage(to_storage(all, p.data_type), p.data_type);
}

// Bit by bit, but that one NaN is as good as another.
bool equal_or_nan(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float one, float other) {
    return std::memcmp(&one, &other, sizeof(one)) == 0 || (std::isnan(one) && std::isnan(other));
  });
}

// The first candidate of every body, of the problem with images apart against the dense one.
std::set<std::string> check_apart(Device& on, const Problem& dense, Problem apart) {
  const Tensors tensors(dense);
  const Spread there(apart, tensors);
  std::set<std::string> seen;
  for_each_candidate(
      on, apart, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
        const std::string body = std::string(strategy.name) + " " + candidate.config.body();
        if (!seen.insert(body).second || !candidate.deterministic) return;
        // The same config; of its workspace, what unaligned images need is more.
        const std::vector<Candidate> all =
            candidates_of(strategy.offer(dense, on.profile(), kNoLimit));
        const auto same = std::find_if(all.begin(), all.end(), [&](const Candidate& one) {
          return one.config == candidate.config;
        });
        REQUIRE(same != all.end());
        const std::vector<float> expected = run(on, strategy, dense, *same, tensors);
        CHECK(equal_or_nan(run_spread(on, strategy, apart, candidate, there.tensors),
                           expected_spread(apart, expected)));
      });
  return seen;
}

std::set<std::string> check_kinds(Device& on, Direction direction, DataType type,
                                  std::size_t part = 0, std::size_t parts = 1) {
  std::set<std::string> all;
  for (std::size_t i = part; i < std::size(kKinds); i += parts) {
    Problem dense = in_direction(parse_problem(kKinds[i]), direction, i % 2 == 0);
    dense.data_type = type;
    dense.scale = i % 4 == 0;
    Problem apart = dense;
    // A number of planes further, and a distance that is no multiple of anything.
    apart.in_image = image_of(dense, true) + 3 * (i % 2 == 0 ? 16 : 7);
    apart.out_image = image_of(dense, false) + 5 * (i % 2 == 0 ? 16 : 7) + 1;
    apart.validate();
    const auto seen = check_apart(on, dense, apart);
    all.insert(seen.begin(), seen.end());
  }
  return all;
}

}  // namespace

TEST_CASE("images apart: forward, every body") {
  const std::set<std::string> seen = check_kinds(device(), Direction::kForward, DataType::kFloat32);
  for (const char* strategy : {"naive", "im2row_lean", "pointwise_gemm"})
    CHECK(seen.count(std::string(strategy) + " ") == 1);
  CHECK(seen.count("winograd f4x4") == 1);
  CHECK(seen.count("depthwise rows") == 1);
}

TEST_CASE("images apart: transposed, every body") {
  check_kinds(device(), Direction::kTransposed, DataType::kFloat32, 0, 5);
}

TEST_CASE("images apart: float16, and as a GPU") {
  check_kinds(device(), Direction::kForward, DataType::kFloat16, 3, 9);
  Device gpu = pretended_gpu();
  check_kinds(gpu, Direction::kForward, DataType::kFloat32, 3, 5);
  check_kinds(gpu, Direction::kTransposed, DataType::kFloat32, 3, 9);
}

TEST_CASE("images apart: a result that is zeroed as one piece takes no atomic body") {
  Problem p = in_direction(parse_problem("n2c4h5w5k4kh3kw3p1"), Direction::kTransposed, false);
  const auto atomic = [&] {
    bool any = false;
    for_each_candidate(device(), p, kNoLimit, [&](const Strategy&, const Candidate& candidate) {
      any = any || !candidate.deterministic;
    });
    return any;
  };
  const bool dense = atomic();
  p.out_image = 4 * 25 + 1;
  CHECK_FALSE(atomic());
  CHECK(dense);
}

TEST_CASE("images apart: what is refused, and what is the same") {
  const auto refusal = [](Problem p) {
    try {
      p.validate();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  Problem p = parse_problem("n2c3h4w5k7kh1kw1");
  p.in_image = 59;
  CHECK(refusal(p) == "x_image_stride=59: must be 0 or at least the elements of an image, 60");
  p.in_image = 60;
  CHECK(refusal(p).empty());
  CHECK((p == parse_problem("n2c3h4w5k7kh1kw1")));
  p.in_image = 61;
  CHECK((p != parse_problem("n2c3h4w5k7kh1kw1")));
  CHECK((with_dense_images(p) == parse_problem("n2c3h4w5k7kh1kw1")));
  CHECK(span_bytes_of(p, Tensor::kX) == 4 * 121);
  CHECK(span_bytes_of(p, Tensor::kY) == p.y_bytes());
  p.layout = TensorLayout::kNhwc;
  CHECK(refusal(p) == "x_image_stride is part of layout nchw, the layout is nhwc");
  p.layout = TensorLayout::kNchw;
  p.direction = Direction::kBackwardData;
  CHECK(refusal(p) ==
        "x_image_stride is part of forward and transposed, the direction is backward-data");
  p = parse_problem("n2c3h4w5k7kh1kw1");
  p.out_image = INT64_MAX / 4;
  CHECK(refusal(p).find("y_image_stride=") == 0);
  // With one image there is no distance.
  p = parse_problem("n1c3h4w5k7kh1kw1");
  p.out_image = 1000;
  CHECK((p == parse_problem("n1c3h4w5k7kh1kw1")));
  CHECK(span_bytes_of(p, Tensor::kY) == p.y_bytes());
}
