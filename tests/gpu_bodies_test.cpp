// Bodies for GPUs with forced configs, on the device under test as if it were one: every way to read, compute and store
// that the planner's choice on small problems would leave out.
#include <set>

#include "doctest/doctest.h"
#include "planner/context.hpp"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// Each config on the problem against the reference; those that the body refuses are the test's mistake.
void check_configs(Device& on, const char* strategy_name, const Problem& p,
                   const std::vector<const char*>& configs) {
  const Strategy& strategy = find_strategy(strategy_name);
  const Tensors tensors(p);
  Expected expected(p, tensors);
  CAPTURE(to_text(p));
  CAPTURE(std::string(to_string(p.direction)));
  CAPTURE(epilogue_words(p));
  CAPTURE(storage_words(p));
  for (const char* config : configs) {
    CAPTURE(std::string(config));
    const auto fit = strategy.fit(p, on.profile(), Config::parse(config));
    REQUIRE(std::holds_alternative<Candidate>(fit));
    const Candidate& candidate = std::get<Candidate>(fit);
    CHECK(worst(run(on, strategy, p, candidate, tensors), expected(candidate),
                candidate.error_bound, result_error_floor(p) + candidate.error_floor) <= 1.0);
  }
}

Problem nhwc(Problem p) {
  p.layout = TensorLayout::kNhwc;
  return p;
}

Problem stored(Problem p, DataType type) {
  p.data_type = type;
  return p;
}

Rejection refusal(Device& on, const char* strategy, const Problem& p, const char* config) {
  const auto fit = find_strategy(strategy).fit(p, on.profile(), Config::parse(config));
  REQUIRE(std::holds_alternative<Rejection>(fit));
  return std::get<Rejection>(fit);
}

}  // namespace

TEST_CASE("checker: depthwise's fours, in both layouts") {
  Device on = pretended_gpu();
  // Rows that are no fours of results; several filters a channel; one column.
  const Problem odd = parse_problem("n2c3h6w7k6kh3kw3p1g3");
  check_configs(on, "depthwise", in_direction(odd, Direction::kForward, true), {"body=fours,ty=4"});
  const Problem last = nhwc(parse_problem("n2c8h5w6k8kh3kw3p1g8"));
  check_configs(on, "depthwise", in_direction(last, Direction::kForward, true),
                {"body=fours,ty=2"});
  const Problem data = parse_problem("n1c4h5w8k4kh3kw3p1g4");
  check_configs(on, "depthwise", in_direction(data, Direction::kBackwardData, true),
                {"body=fours,ty=2"});
}

TEST_CASE("depthwise's fours: strides, dilation, filters, storage") {
  Device on = pretended_gpu();
  for (const char* text : {"n1c3h9w16k3kh5kw5p2g3", "n2c4h11w13k8kh3kw2s2,1p1,2g4",
                           "n1c5h8w12k5kh3kw3d2p2g5", "n1c2h3w3k2kh5kw3p4g2"}) {
    const Problem p = in_direction(parse_problem(text), Direction::kForward, true);
    check_configs(on, "depthwise", p, {"body=fours,ty=1", "body=fours,ty=3"});
  }
  const Problem wide =
      in_direction(parse_problem("n1c4h9w10k4kh5kw3p2,0g4"), Direction::kForward, false);
  for (const DataType type : {DataType::kFloat16, DataType::kBfloat16}) {
    check_configs(on, "depthwise", stored(wide, type), {"body=fours,ty=2"});
    check_configs(on, "depthwise", stored(nhwc(wide), type), {"body=fours,ty=1"});
  }
  const Problem data =
      in_direction(parse_problem("n2c3h7w9k3kh3kw5d2,1p1,3g3"), Direction::kBackwardData, true);
  check_configs(on, "depthwise", data, {"body=fours,ty=4"});
}

TEST_CASE("depthwise's fours says what it does not serve") {
  Device on = pretended_gpu();
  const char* config = "body=fours,ty=2";
  Problem p = parse_problem("n1c6h9w9k6kh3kw3s2p1g6");
  CHECK(to_text(refusal(on, "depthwise", nhwc(p), config)) ==
        "c % 4 is 2, applies only where it is 0");
  p.direction = Direction::kBackwardData;
  CHECK(to_text(refusal(on, "depthwise", p, config)) == "sh*sw is 4, applies only where it is 1");
  CHECK(refusal(on, "depthwise", parse_problem("n1c2h9w9k2kh7kw7g2"), config).field == "kh*kw");
}

TEST_CASE("checker: implicit_gemm's items") {
  Device on = pretended_gpu();
  const Problem p = parse_problem("n2c3h5w7k5kh3kw3p1");
  check_configs(on, "implicit_gemm", in_direction(p, Direction::kForward, true),
                {"body=items,mr=4,np=4"});
}

TEST_CASE("implicit_gemm's items: groups, strides, dilation, storage, layouts, data gradient") {
  Device on = pretending([](DeviceProfile& p) { p.float_width = 1; });
  const std::vector<const char*> all = {"body=items,mr=4,np=4", "body=items,mr=8,np=2",
                                        "body=items,mr=12,np=3"};
  const Problem groups = parse_problem("n3c8h7w12k20kh3kw3p0,1,2,1g2");
  check_configs(on, "implicit_gemm", in_direction(groups, Direction::kForward, true), all);
  check_configs(on, "implicit_gemm", in_direction(groups, Direction::kBackwardData, true), all);
  const Problem strided = parse_problem("n2c5h11w9k7kh3kw2s2,3p1d2,1");
  check_configs(on, "implicit_gemm", in_direction(strided, Direction::kForward, true), all);
  check_configs(on, "implicit_gemm", in_direction(strided, Direction::kBackwardData, true), all);
  check_configs(on, "implicit_gemm", in_direction(strided, Direction::kTransposed, true), all);
  const Problem last =
      in_direction(nhwc(parse_problem("n2c6h5w6k9kh3kw3p1")), Direction::kForward, true);
  check_configs(on, "implicit_gemm", last, all);
  check_configs(on, "implicit_gemm", stored(last, DataType::kFloat16), {all[0]});
  check_configs(on, "implicit_gemm", stored(strided, DataType::kBfloat16), {all[1]});
}

TEST_CASE("checker: depthwise's weight gradient of four pixels") {
  Device on = pretended_gpu();
  // Fours in part, parts of the tiles; then vectors, several filters a channel.
  check_configs(
      on, "depthwise",
      in_direction(parse_problem("n2c3h6w7k3kh3kw3p1g3"), Direction::kBackwardWeights, true),
      {"body=weights_fours,aligned=0,items=8,split=2,ty=2"});
  check_configs(
      on, "depthwise",
      in_direction(parse_problem("n2c2h4w8k4kh3kw3p1g2"), Direction::kBackwardWeights, true),
      {"body=weights_fours,aligned=1,items=4,split=1,ty=2"});
}

TEST_CASE("depthwise's weight gradient of four pixels: strides, dilation, filters, storage") {
  Device on = pretended_gpu();
  for (const char* text : {"n1c3h9w13k3kh5kw5p2g3", "n2c4h11w13k8kh3kw2s2,1p1,2g4",
                           "n3c2h8w12k2kh3kw3d2p2g2", "n1c2h3w3k2kh5kw3p4g2"}) {
    check_configs(on, "depthwise",
                  in_direction(parse_problem(text), Direction::kBackwardWeights, true),
                  {"body=weights_fours,aligned=0,items=16,split=3,ty=3"});
  }
  check_configs(
      on, "depthwise",
      in_direction(parse_problem("n1c2h9w9k2kh7kw7p3g2"), Direction::kBackwardWeights, true),
      {"body=weights_fours,aligned=0,items=1,split=1,ty=1"});
  // Vectors of x that begin 0 to 3 columns inside, and beyond it.
  int number = 0;
  for (const char* text :
       {"n2c3h5w8k3kh3kw3p1g3", "n1c2h6w16k2kh3kw3s2p1g2", "n1c2h5w8k2kh5kw5p2g2",
        "n1c2h5w8k2kh3kw7p1,3g2", "n1c2h4w12k2kh1kw9p0,4g2", "n1c3h4w4k3kh1kw1g3"}) {
    constexpr DataType kTypes[] = {DataType::kFloat32, DataType::kFloat16, DataType::kBfloat16};
    check_configs(on, "depthwise",
                  stored(in_direction(parse_problem(text), Direction::kBackwardWeights, true),
                         kTypes[number++ % 3]),
                  {"body=weights_fours,aligned=1,items=4,split=2,ty=2"});
  }
}

TEST_CASE("depthwise's weight gradient of four pixels says what it does not serve") {
  Device on = pretended_gpu();
  const char* config = "body=weights_fours,aligned=1,items=8,split=1,ty=2";
  const auto weights = [](const char* text) {
    return in_direction(parse_problem(text), Direction::kBackwardWeights, false);
  };
  CHECK(to_text(refusal(on, "depthwise", weights("n1c2h9w9k2kh3kw3p1g2"), config)) ==
        "w % 4 + ow % 4 is 2, applies only where it is 0");
  CHECK(refusal(on, "depthwise", weights("n1c2h9w8k2kh9kw9p4g2"), config).field == "kh*kw");
  CHECK(refusal(on, "depthwise", weights("n1c2h9w16k2kh3kw3s5p0,1g2"), config).field ==
        "3*sw + (kw-1)*dw + 1");
  const Rejection items = refusal(on, "depthwise", weights("n1c2h9w8k2kh3kw3p1g2"),
                                  "body=weights_fours,aligned=1,items=1024,split=1,ty=2");
  CHECK(items.code == Reason::kWorkGroupSize);
}

TEST_CASE("checker: winograd in one kernel") {
  Device on = pretended_gpu();
  const Problem p = parse_problem("n2c5h5w6k9kh3kw3p1");
  check_configs(on, "winograd", in_direction(p, Direction::kForward, true),
                {"body=f2x2_fused,bk=4,bm=16,bn=16"});
}

TEST_CASE("checker: winograd by products of tiles, in chunks that begin within a row of an image") {
  Device on = pretended_gpu();
  const Problem p = parse_problem("n3c6h10w18k10kh3kw3p1g2");
  check_configs(on, "winograd", in_direction(p, Direction::kForward, true),
                {"body=f4x4_tile,bk=4,bm=16,bn=16,strips=1,tm=4,tn=4"});
  check_configs(on, "winograd", in_direction(p, Direction::kBackwardData, true),
                {"body=f2x2_tile,bk=4,bm=16,bn=16,strips=2,tm=4,tn=4"});
}

TEST_CASE("winograd in one kernel: groups, padding, storage, data gradient, every tile") {
  Device on = pretending([](DeviceProfile& p) { p.family = Family::kGpu; });
  const char* const small = "body=f2x2_fused,bk=4,bm=16,bn=16";
  const char* const usual = "body=f2x2_fused,bk=8,bm=32,bn=32";
  const Problem groups = parse_problem("n3c8h7w12k70kh3kw3p0,1,2,1g2");
  check_configs(
      on, "winograd", in_direction(groups, Direction::kForward, true),
      {small, usual, "body=f2x2_fused,bk=4,bm=32,bn=32", "body=f2x2_fused,bk=8,bm=32,bn=16"});
  check_configs(on, "winograd", in_direction(groups, Direction::kBackwardData, true), {usual});
  Problem slopes = in_direction(parse_problem("n1c12h9w5k20kh3kw3"), Direction::kForward, true);
  slopes.activation = Activation::kPrelu;
  check_configs(on, "winograd", stored(slopes, DataType::kFloat16), {usual});
  check_configs(on, "winograd", stored(slopes, DataType::kBfloat16), {small});
}

TEST_CASE("winograd in one kernel: what the device cannot run, and configs that do not divide") {
  Device on = pretended_gpu();
  const Problem p = parse_problem("n1c8h9w9k8kh3kw3p1");
  const Rejection items = refusal(on, "winograd", p, "body=f2x2_fused,bk=8,bm=32,bn=32");
  CHECK(items.code == Reason::kWorkGroupSize);
  CHECK(items.actual == 256);
  for (const char* config : {"body=f2x2_fused,bk=8,bm=16,bn=16", "body=f2x2_fused,bk=4,bm=64,bn=32",
                             "body=f2x2_fused,bk=4,bm=20,bn=16"}) {
    CAPTURE(config);
    CHECK_THROWS_AS(find_strategy("winograd").fit(p, on.profile(), Config::parse(config)), Error);
  }
}

namespace {

// The device under test as a GPU whose float16 is float32, rounded after every operation, and whose matrix units are
// float32 arithmetic: what is checked is all but the instructions.
constexpr const char* kNvidia = "NVIDIA Corporation";
constexpr const char* kAmd = "Advanced Micro Devices, Inc.";
Device half_gpu(const char* units = "", const char* vendor = kNvidia) {
  return pretending([&](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.vendor = vendor;
    p.float_width = 1;
    p.vector_registers = 0;
    p.max_work_group_size = 256;
    p.local_memory_bytes = 48 << 10;
    p.float16 = "rounded";
    p.matrix_units = units;
  });
}

constexpr const char* kHalf = "body=tile_half,ahead=1,bk=16,bm=16,bn=32,split=1,tm=4,tn=4,wide=0";
constexpr const char* kHalfParts =
    "body=tile_half,ahead=0,bk=8,bm=16,bn=32,split=2,tm=4,tn=4,wide=0";
constexpr const char* kMatrix =
    "body=tile_matrix,ahead=0,bk=16,bm=16,bn=64,split=1,tm=4,tn=4,wide=0";
constexpr const char* kMatrixParts =
    "body=tile_matrix,ahead=0,bk=32,bm=16,bn=64,split=2,tm=4,tn=4,wide=0";
constexpr const char* kTf32 = "body=tile_tf32,ahead=0,bk=16,bm=16,bn=64,split=1,tm=4,tn=4,wide=0";
constexpr const char* kTf32Parts =
    "body=tile_tf32,ahead=0,bk=16,bm=32,bn=64,split=2,tm=8,tn=4,wide=0";
constexpr const char* kXmx = "body=tile_matrix,ahead=0,bk=16,bm=32,bn=64,split=1,tm=8,tn=4,wide=0";

// One element, four pixels and four channels at a time are kept in local memory by code of their own.
void check_float16(Device& on, const char* text, const char* config,
                   TensorLayout layout = TensorLayout::kNchw) {
  Problem p = in_direction(parse_problem(text), Direction::kForward, true);
  p.layout = layout;
  check_configs(on, "implicit_gemm", p, {config});
}
constexpr const char* kElements = "n2c30h9w11k37kh3kw3s2,1p1";
constexpr const char* kPixels = "n1c40h6w8k21kh1kw1";
constexpr const char* kChannels = "n2c36h5w7k12kh3kw3p1";

}  // namespace

TEST_CASE("products in float16 keep the bound that their variant promises") {
  Device on = half_gpu();
  check_float16(on, kElements, kHalf);
  check_float16(on, kPixels, kHalfParts);
  check_float16(on, kChannels, kHalf, TensorLayout::kNhwc);
  const Problem data = parse_problem("n1c40h7w6k18kh3kw3p1g2");
  check_configs(on, "implicit_gemm",
                stored(in_direction(data, Direction::kBackwardData, true), DataType::kFloat16),
                {kHalf});
}

// A step's tap is counted for NVIDIA and divided from the step's number for others: from the first step on, and from
// the first of a part.
TEST_CASE("checker: tiles find the tap of each step, counted and divided") {
  const Problem p = parse_problem("n1c20h9w7k20kh3kw2s2,1p1d1,2");
  const char* const parts = "body=tile,ahead=0,bk=8,bm=16,bn=32,split=3,tm=4,tn=4,wide=0";
  for (const char* vendor : {kNvidia, kAmd}) {
    CAPTURE(std::string(vendor));
    Device on = half_gpu("", vendor);
    check_configs(on, "implicit_gemm", in_direction(p, Direction::kForward, true),
                  {"body=tile,ahead=1,bk=16,bm=16,bn=32,split=1,tm=4,tn=4,wide=0", parts});
    Problem data = in_direction(p, Direction::kBackwardData, true);
    data.mask = true;
    data.masked = Activation::kRelu;
    check_configs(on, "implicit_gemm", data, {parts});
    check_configs(on, "implicit_gemm", nhwc(in_direction(p, Direction::kForward, true)), {parts});
  }
}

TEST_CASE("checker: products in float16 and by matrix units, and the weight gradient's tile") {
  const Problem p = in_direction(parse_problem("n1c17h3w5k9kh2kw2p1"), Direction::kForward, true);
  Device half = half_gpu();
  check_configs(half, "implicit_gemm", p, {kHalf, kHalfParts});
  for (const char* units : {"mma rounded", "mfma rounded", "wmma rounded"}) {
    CAPTURE(units);
    Device on = half_gpu(units);
    check_configs(on, "implicit_gemm", p, {kMatrix});
  }
  Device nvidia = half_gpu("mma rounded"), intel = half_gpu("xmx rounded");
  check_configs(nvidia, "implicit_gemm", p, {kTf32});
  check_configs(intel, "implicit_gemm", p, {kXmx});
  const Problem weights =
      in_direction(parse_problem("n1c5h4w8k6kh3kw3p1"), Direction::kBackwardWeights, true);
  check_configs(half, "implicit_gemm", weights,
                {"body=weights_tile,ahead=1,bk=16,bm=32,bn=64,span=4,split=2,tm=4,tn=4,wide=0",
                 "body=weights_tile,ahead=0,bk=16,bm=32,bn=64,span=1,split=1,tm=4,tn=4,wide=0"});
}

TEST_CASE("products in TF32 keep the bound that their variant promises") {
  Device on = half_gpu("mma rounded");
  check_float16(on, kElements, kTf32);
  check_float16(on, kElements, kTf32Parts);
  check_float16(on, kPixels, kTf32Parts);
  check_float16(on, kChannels, kTf32, TensorLayout::kNhwc);
  const Problem data = parse_problem("n1c40h7w6k18kh3kw3p1g2");
  check_configs(on, "implicit_gemm",
                stored(in_direction(data, Direction::kBackwardData, true), DataType::kBfloat16),
                {kTf32});
}

TEST_CASE("what surrounds the matrix units of NVIDIA, AMD and Intel is right") {
  Device nvidia = half_gpu("mma rounded"), amd = half_gpu("mfma rounded", kAmd),
         rdna = half_gpu("wmma rounded", kAmd),
         intel = half_gpu("xmx rounded", "Intel(R) Corporation");
  check_float16(rdna, kElements, kMatrix);
  check_float16(rdna, kPixels, kMatrixParts);
  check_float16(rdna, kChannels, kMatrix, TensorLayout::kNhwc);
  check_float16(nvidia, kElements, kMatrix);
  check_float16(nvidia, kPixels, kMatrixParts);
  check_float16(nvidia, kChannels, kMatrix, TensorLayout::kNhwc);
  check_float16(amd, kElements, kMatrix);
  check_float16(amd, kChannels, kMatrix, TensorLayout::kNhwc);
  check_float16(intel, kPixels, kXmx);
}

TEST_CASE(
    "float16 and TF32 are offered where the device has it, and else refused with the reason") {
  const Problem p = parse_problem("n1c64h56w56k64kh3kw3p1");
  Device without = pretended_gpu();
  const Rejection arithmetic = refusal(without, "implicit_gemm", p, kHalf);
  CHECK(arithmetic.code == Reason::kFamily);
  CHECK(to_text(arithmetic).find("cl_khr_fp16") != std::string::npos);
  CHECK(to_text(refusal(without, "implicit_gemm", p, kMatrix)).find("matrix units") !=
        std::string::npos);
  for (const char* units : {"", "mfma", "wmma", "xmx"}) {
    Device other = half_gpu(units);
    const Rejection tf32 = refusal(other, "implicit_gemm", p, kTf32);
    CHECK(tf32.code == Reason::kFamily);
    CHECK(to_text(tf32).find("for TF32") != std::string::npos);
  }
  const auto bodies = [&](const Device& on) {
    std::set<std::string> names;
    for (const Candidate& c :
         candidates_of(find_strategy("implicit_gemm").offer(p, on.profile(), kNoLimit))) {
      names.insert(c.config.body());
      CHECK((c.math == Math::kFloat16) ==
            (c.config.body() == "tile_half" || c.config.body() == "tile_matrix"));
      CHECK((c.math == Math::kTf32) == (c.config.body() == "tile_tf32"));
      CHECK((c.error_bound > 1e-4) == (c.math != Math::kFloat32));
    }
    return names;
  };
  CHECK(bodies(without).count("tile_half") + bodies(without).count("tile_matrix") == 0);
  CHECK(bodies(half_gpu()).count("tile_half") == 1);
  CHECK(bodies(half_gpu("mma")).count("tile_matrix") == 1);
  CHECK(bodies(half_gpu("mma")).count("tile_tf32") == 1);
  CHECK(bodies(half_gpu("wmma")).count("tile_tf32") == 0);
  Device on = half_gpu("mfma");
  for (const char* config :
       {"body=tile_matrix,ahead=0,bk=8,bm=64,bn=64,split=1,tm=8,tn=4,wide=0",
        "body=tile_matrix,ahead=0,bk=16,bm=64,bn=32,split=1,tm=4,tn=4,wide=0"}) {
    CAPTURE(config);
    CHECK_THROWS_AS(find_strategy("implicit_gemm").fit(p, on.profile(), Config::parse(config)),
                    Error);
  }
}

TEST_CASE("a plan multiplies in float16 or TF32 where that is allowed and predicted to be faster") {
  const Problem p = parse_problem("n1c32h20w20k32kh3kw3p1");
  DeviceProfile profile = half_gpu("mma rounded").profile();
  profile.measured = true;
  ContextOptions files;
  files.wisdom_path = "off";
  Context context(device().context(), device().cl(), files, profile);
  PlannerOptions options;
  options.allow = {"implicit_gemm"};
  CHECK(context.plan(p, options)->candidate().math == Math::kFloat32);
  options.math = Math::kTf32;
  const auto between = context.plan(p, options);
  CHECK(between->candidate().config.body() == "tile_tf32");
  CHECK(between->candidate().math == Math::kTf32);
  CHECK(between->report().math == Math::kTf32);
  options.math = Math::kFloat16;
  const auto plan = context.plan(p, options);
  CHECK(plan->candidate().config.body() == "tile_matrix");
  CHECK(plan->candidate().math == Math::kFloat16);
}
