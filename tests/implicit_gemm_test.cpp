// What only implicit_gemm has: slabs of patches and filters, and configs that a problem cannot honour.
#include "doctest/doctest.h"
#include "support/candidates.hpp"
#include "support/errors.hpp"

using namespace clconv::core;
using namespace clconv::test;

TEST_CASE("implicit_gemm gathers patches in slabs where a CPU has few registers, and only there") {
  DeviceProfile profile = device().profile();
  profile.family = Family::kCpu;
  profile.local_memory_bytes = 512 << 10;
  const auto offers_slabs = [&](const char* problem) {
    const Offer offer =
        find_strategy("implicit_gemm").offer(parse_problem(problem), profile, kNoLimit);
    for (const Candidate& c : candidates_of(offer)) {
      if (c.config.has("sums") && c.config.get("sums", 0, 256) > 0) return true;
    }
    return false;
  };
  const char* const deep = "n1c256h14w14k256kh3kw3p1";
  const char* const shallow = "n1c3h14w14k256kh3kw3p1";
  for (const int narrow : {4, 8}) {
    CAPTURE(narrow);
    profile.float_width = narrow;
    profile.vector_registers = 0;
    CHECK(offers_slabs(deep));
    CHECK_FALSE(offers_slabs(shallow));
  }
  profile.float_width = 16;
  profile.vector_registers = 0;
  CHECK_FALSE(offers_slabs(deep));
  // Less local memory takes smaller ones, down to none.
  profile.float_width = 8;
  profile.vector_registers = 0;
  profile.local_memory_bytes = 64 << 10;
  CHECK(offers_slabs(deep));
  profile.local_memory_bytes = 4 << 10;
  CHECK_FALSE(offers_slabs(deep));
  // One tap at stride 1 needs no patches: there the filters come in slabs.
  const auto offers_slabs_of_filters = [&] {
    const Offer offer = find_strategy("implicit_gemm")
                            .offer(parse_problem("n1c1024h14w14k256kh1kw1"), profile, kNoLimit);
    const auto& candidates = candidates_of(offer);
    return std::any_of(candidates.begin(), candidates.end(),
                       [](const Candidate& c) { return c.config.body() == "slabs"; });
  };
  CHECK(offers_slabs_of_filters());
  profile.float_width = 16;
  profile.vector_registers = 0;
  CHECK_FALSE(offers_slabs_of_filters());
}

// Checks given configs of implicit_gemm in one direction of a problem against the reference.
static void check_configs(Device& on, const Problem& p, const std::vector<const char*>& configs) {
  const Strategy& strategy = find_strategy("implicit_gemm");
  const Tensors tensors(p);
  const Reference expected = reference(p, tensors);
  CAPTURE(to_text(p));
  CAPTURE(std::string(to_string(p.direction)));
  CAPTURE(storage_words(p));
  for (const char* config : configs) {
    CAPTURE(std::string(config));
    const auto fit = strategy.fit(p, on.profile(), Config::parse(config));
    REQUIRE(std::holds_alternative<Candidate>(fit));
    const Candidate& candidate = std::get<Candidate>(fit);
    CHECK(worst(run(on, strategy, p, candidate, tensors), expected, candidate.error_bound,
                result_error_floor(p) + candidate.error_floor) <= 1.0);
  }
}

// Of small problems one slab is always preferred: here the config is given. All need two, in the
// direction that reduces the long axis.
TEST_CASE("checker: implicit_gemm's patches and filters in slabs, with all that can be added") {
  Device on = pretending([](DeviceProfile& p) {
    p.family = Family::kCpu;
    p.float_width = 4;
    p.vector_registers = 0;
  });
  for (const char* text : {"n1c260h2w3k5kh1kw1", "n2c60h4w5k14kh3kw3p1g2", "n1c530h3w3k6kh1kw1s2",
                           "n1c4h3w5k270kh2kw2s2", "n3c14h4w3k60kh3kw3p1,0,1,2g2",
                           "n1c70h17w17k20kh1kw1"}) {  // several supertiles and blocks of filters
    for (const Direction direction : kGeometric) {
      for (const bool decorated : {false, true}) {
        const Problem p = in_direction(parse_problem(text), direction, decorated);
        // The phases of a strided gradient may be a column wide.
        const char* const wide = p.sw == 1 ? "body=slabs,kv=1,sums=8,th=1,tw=2,vw=4"
                                           : "body=slabs,kv=1,sums=1,th=1,tw=1,vw=4";
        check_configs(on, p,
                      {"body=patches,mr=4,nv=2,patch=16,sums=4,vw=4",
                       "body=patches,mr=6,nv=2,patch=16,sums=8,vw=4", wide,
                       "body=slabs,kv=2,sums=1,th=1,tw=1,vw=4"});
      }
    }
  }
}

// At a stride the pixels of neighbouring taps are staged at once, with dilation each tap alone.
TEST_CASE("checker: implicit_gemm's patches at strides, with taps together and a rest of them") {
  for (const char* text :
       {"n2c2h9w45k7kh2kw7s4p1,3", "n1c2h21w83k5kh3kw3s4p0,1,2,5d2", "n3c3h8w8k9kh4kw4s4",
        "n1c2h5w41k4kh1kw2s1,4p0,1,0,0", "n1c2h9w39k5kh3kw5s2p2", "n1c2h9w39k5kh3kw3s2p2d1,2"}) {
    for (const bool decorated : {false, true}) {
      const Problem p = in_direction(parse_problem(text), Direction::kForward, decorated);
      check_configs(device(), p,
                    {"body=patches,mr=4,nv=2,patch=16,sums=0,vw=4",
                     "body=patches,mr=6,nv=2,patch=32,sums=0,vw=8",
                     "body=patches,mr=8,nv=2,patch=32,sums=0,vw=16"});
    }
  }
}

// Whole spans of a whole block are stored by code of their own; a block of too few filters, the end of an image and a
// span that begins before the end of the one before are not whole. Tiles of several images.
TEST_CASE("checker: implicit_gemm's patches in 16-bit storage, whole spans and others") {
  std::size_t number = 0;
  for (const char* text : {"n1c3h8w16k13kh1kw1", "n3c4h4w8k12kh3kw3p1", "n2c6h7w13k10kh3kw3s2p1g2",
                           "n2c3h9w21k6kh3kw3p0,1,1,0"}) {
    for (const Direction direction : kGeometric) {
      for (const bool decorated : {false, true}) {
        Problem p = in_direction(parse_problem(text), direction, decorated);
        p.data_type = number++ % 2 == 0 ? DataType::kFloat16 : DataType::kBfloat16;
        check_configs(device(), p,
                      {"body=patches,mr=4,nv=2,patch=16,sums=0,vw=4",
                       "body=patches,mr=6,nv=2,patch=32,sums=0,vw=8"});
      }
    }
  }
}

// Dilation, padding on each side, rows that no output meets, more rows in the stride than results.
TEST_CASE("checker: implicit_gemm's staged phases, with all that a row may meet at its sides") {
  std::size_t number = 0;
  for (const char* text :
       {"n2c3h9w11k5kh3kw3s2p1", "n1c5h17w15k6kh2kw2s2", "n3c4h10w12k6kh3kw3s2p1,0,2,3",
        "n1c3h19w37k7kh5kw4s3,4p2,1", "n2c6h13w14k9kh3kw3s4,2p1d2,3g3", "n1c4h8w7k3kh1kw1s2",
        "n2c2h21w45k3kh3kw7s4p1,3", "n1c3h10w11k4kh3kw3s4", "n1c2h2w9k3kh3kw3s3,2p1"}) {
    for (const Direction direction : {Direction::kBackwardData, Direction::kTransposed}) {
      const bool decorated = number % 4 == 1 || number % 4 == 2;  // each text in one direction
      Problem p = in_direction(parse_problem(text), direction, decorated);
      if (number++ % 3 == 0) p.data_type = DataType::kFloat16;
      check_configs(device(), p,
                    {"body=staged_phases,mr=1,nv=3,stage=8,vw=4",
                     "body=staged_phases,mr=3,nv=1,stage=16,vw=4",
                     "body=staged_phases,mr=2,nv=2,stage=8,vw=8"});
    }
  }
}

// Each stride, rows that end in the middle of a vector or before one, sections of a part of a row, filters too wide to
// be unrolled; in a gradient at stride 1 also a mask and what is there already.
TEST_CASE("checker: implicit_gemm's staged pixels, at any stride") {
  std::size_t number = 0;
  for (const char* text :
       {"n2c3h13w45k7kh3kw3s2p1", "n1c2h21w83k5kh3kw3s4p0,1,2,5d2", "n3c3h8w8k9kh4kw4s4",
        "n2c4h11w35k6kh5kw4s2,3p2,1g2", "n1c2h9w39k5kh3kw15p1,7", "n2c6h14w10k8kh2kw3p0,1,1,2g2",
        "n1c3h10w21k3kh3kw3d2,3", "n1c2h3w70k4kh1kw2s1,5p0,1", "n1c1h2w3k2kh2kw2",
        "n1c5h6w9k1kh1kw1", "n1c2h12w67k3kh3kw3s1,4p1d1,2", "n1c7h4w331k5kh3kw3s2p1"}) {
    for (const Direction direction : kGeometric) {
      const bool decorated = number % 4 == 1 || number % 4 == 2;  // each text in one direction
      Problem p = in_direction(parse_problem(text), direction, decorated);
      if (number % 3 == 1) p.data_type = DataType::kFloat16;
      if (number % 3 == 2) p.data_type = DataType::kBfloat16;
      ++number;
      if (direction != Direction::kForward && p.sh * p.sw > 1) continue;  // not served
      check_configs(device(), p,
                    {"body=staged_pixels,mr=4,nv=3,stage=8,vw=4",
                     "body=staged_pixels,mr=6,nv=2,stage=16,vw=8",
                     "body=staged_pixels,mr=2,nv=1,stage=32,vw=16"});
    }
  }
}

// Of a row and of several rows; the last work-item has fewer.
TEST_CASE("checker: implicit_gemm's pixels, several tiles for each work-item") {
  Device on = pretending([](DeviceProfile& p) {
    p.family = Family::kCpu;
    p.float_width = 4;
    p.vector_registers = 0;
  });
  std::size_t number = 0;
  for (const char* text : {"n1c5h41w39k7kh1kw1", "n2c6h29w26k8kh1kw1g2", "n1c3h35w23k5kh3kw2p1",
                           "n1c4h43w37k6kh2kw3s1,2"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      const bool decorated = number % 4 == 1 || number % 4 == 2;  // each text in one direction
      Problem p = in_direction(parse_problem(text), direction, decorated);
      if (number++ % 3 == 0) p.data_type = DataType::kFloat16;
      check_configs(on, p,
                    {"body=pixels,mr=1,nv=2,stage=0,vw=4", "body=pixels,mr=6,nv=1,stage=0,vw=8"});
      if (p.kw == 1) check_configs(on, p, {"body=pixels,mr=2,nv=2,stage=16,vw=4"});
    }
  }
}

// Whole blocks of whole tiles are stored by code of their own; in bfloat16 with an even number of vectors a tile's
// pixels are in pairs, in the order of rows again where a tile or a block is not whole. With stride and without,
// staged.
TEST_CASE("checker: implicit_gemm's pixels in 16-bit storage, whole tiles and others") {
  std::size_t number = 0;
  for (const char* text : {"n1c3h8w16k12kh1kw1", "n2c6h7w13k10kh1kw1g2", "n1c4h9w37k13kh1kw1",
                           "n2c3h9w21k7kh3kw3p0,1,1,0", "n1c4h9w35k6kh1kw1s2"}) {
    for (const Direction direction : kGeometric) {
      for (const bool decorated : {false, true}) {
        Problem p = in_direction(parse_problem(text), direction, decorated);
        p.data_type = number++ % 5 == 0 ? DataType::kFloat16 : DataType::kBfloat16;
        if (p.kw == 1 && p.sh == 1)
          check_configs(
              device(), p,
              {"body=pixels,mr=6,nv=2,stage=0,vw=8", "body=pixels,mr=3,nv=4,stage=16,vw=4",
               "body=pixels,mr=2,nv=2,stage=16,vw=8"});
        check_configs(device(), p,
                      {"body=pixels,mr=4,nv=2,stage=0,vw=4", "body=pixels,mr=5,nv=1,stage=0,vw=8",
                       "body=pixels,mr=2,nv=3,stage=0,vw=4"});
      }
    }
  }
}

// Of a row and of several; the last work-item has fewer. Filters of a group that end in the middle of a block, pixels
// and whole taps in padding, rows of taps that are joined and that are not, more channels than a block has filters.
TEST_CASE("checker: implicit_gemm's filters with channels last, several tiles for each work-item") {
  std::size_t number = 0;
  for (const char* text :
       {"n1c3h61w43k19kh3kw3s2p1", "n2c10h47w39k36kh1kw1g2", "n1c27h33w35k18kh3kw3p5d5",
        "n2c12h21w37k22kh3kw3p2,0,1,2g2", "n1c2h43w45k5kh4kw2s3,2p1", "n1c21h2w99k9kh2kw7p1,3",
        "n2c70h9w11k26kh1kw1s2", "n1c7h19w23k34kh1kw1", "n2c24h13w17k12kh1kw1"}) {
    for (const bool decorated : {false, true}) {
      Problem p = in_direction(parse_problem(text), Direction::kForward, decorated);
      p.layout = TensorLayout::kNhwc;
      if (decorated && number % 2 == 0) p.activation = Activation::kPrelu;
      if (number % 3 == 1) p.data_type = DataType::kFloat16;
      if (number % 5 == 3) p.data_type = DataType::kBfloat16;
      ++number;
      check_configs(device(), p,
                    {"body=filters,kv=1,th=1,tw=5,vw=4", "body=filters,kv=3,th=1,tw=4,vw=8",
                     "body=filters,kv=4,th=1,tw=2,vw=8"});
      if (p.kh > 1)  // one tap alone: images of one row
        check_configs(device(), p,
                      {"body=filters,kv=2,th=2,tw=3,vw=4", "body=filters,kv=1,th=2,tw=1,vw=16"});
    }
  }
}

TEST_CASE("a config that a problem cannot honour is refused, not replaced") {
  const Problem p = parse_problem("n1c2h4w4k2kh3kw3p1");
  for (const char* config :
       {"body=filters,kv=1,th=1,tw=14,vw=16", "body=filters,kv=0,th=1,tw=1,vw=16",
        "body=patches,mr=8,nv=2,patch=1,sums=0,vw=16",
        "body=patches,mr=32,nv=2,patch=128,sums=1,vw=8",
        "body=tile,ahead=0,bm=64,bn=64,bk=16,split=1,tm=5,tn=4,wide=0",
        "body=filters,kv=1,th=1,tw=1,vw=5", "body=filters,foo=3,kv=1,th=1,tw=1,vw=16",
        "kv=1,th=1,tw=1,vw=16", "body=filtres,kv=1,th=1,tw=1,vw=16"}) {
    CAPTURE(config);
    error_of(Code::kInvalidArgument,
             [&] { find_strategy("implicit_gemm").build(p, Config::parse(config), device()); });
  }
}

TEST_CASE("more runs or parts than there is work are as good as fewer") {
  const Problem p =
      in_direction(parse_problem("n2c7h13w17k11kh3kw3s2p1"), Direction::kBackwardWeights, true);
  check_configs(device(), p,
                {"body=weights_patches,kv=1,runs=2147483647,split=1,tf=5,vw=8",
                 "body=weights_planes,mr=1,ne=5,runs=2147483647,split=2147483647,vw=8",
                 "body=weights_sections,kv=1,runs=2147483647,split=2147483647,tc=2,tp=2,tq=2,vw=8",
                 "body=weights_taps,mr=2,runs=2147483647,split=2147483647,tp=2,vw=8"});
}

namespace {

Device as_gpu() {
  return pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.float_width = 1;
    p.vector_registers = 0;
  });
}

}  // namespace

// What the planner does not take by itself here: factors loaded ahead, distances of 64 bits, parts that begin in the
// middle of a filter. Each way to read the input: a tap a step, four pixels, four channels, a tap for each element.
TEST_CASE("implicit_gemm's tiles for GPUs, with all their options") {
  Device on = as_gpu();
  const char* const ahead = "body=tile,ahead=1,bk=8,bm=64,bn=64,split=3,tm=8,tn=4,wide=0";
  const char* const wide = "body=tile,ahead=0,bk=16,bm=32,bn=64,split=1,tm=8,tn=4,wide=1";
  std::size_t number = 0;
  for (const char* text : {"n2c18h9w7k37kh3kw3p1", "n1c3h12w11k20kh5kw3s2p2", "n2c21h6w8k36kh1kw1",
                           "n3c32h8w6k72kh3kw2p1d2g2"}) {
    Problem p = in_direction(parse_problem(text), Direction::kForward, true);
    check_configs(on, p, {ahead, wide, "body=direct,bk=16,bm=32,mr=8"});
    p.layout = TensorLayout::kNhwc;
    if (number % 2 == 0) p.weights_layout = WeightsLayout::kKrsc;
    if (number >= 2) p.data_type = DataType::kFloat16;
    check_configs(on, p, {number % 2 == 0 ? wide : ahead, "body=direct,bk=4,bm=16,mr=4"});
    check_configs(on, in_direction(parse_problem(text), Direction::kBackwardData, true),
                  {number % 2 == 0 ? ahead : wide, "body=direct,bk=12,bm=8,mr=8"});
    ++number;
  }
}

TEST_CASE("the weight gradient's tiles for GPUs, with all their options") {
  Device on = as_gpu();
  const char *const
      alone = "body=weights_tile,ahead=1,bk=8,bm=64,bn=64,span=1,split=1,tm=8,tn=4,wide=0",
      *const pairs = "body=weights_tile,ahead=1,bk=16,bm=64,bn=64,span=2,split=1,tm=8,tn=4,wide=0",
      *const fours = "body=weights_tile,ahead=1,bk=8,bm=64,bn=64,span=4,split=2,tm=8,tn=4,wide=0",
      *const wide = "body=weights_tile,ahead=0,bk=16,bm=32,bn=64,span=1,split=3,tm=4,tn=4,wide=1",
      *const wide_fours =
          "body=weights_tile,ahead=0,bk=16,bm=32,bn=64,span=4,split=3,tm=4,tn=4,wide=1";
  const auto check = [&](const char* text, DataType type, const std::vector<const char*>& configs) {
    Problem p = in_direction(parse_problem(text), Direction::kBackwardWeights, true);
    p.data_type = type;
    check_configs(on, p, configs);
  };
  check("n2c5h9w7k37kh3kw3p1", DataType::kFloat32, {alone, wide});
  check("n3c6h3w2k20kh1kw1", DataType::kFloat32, {alone, pairs, wide});
  check("n2c8h13w10k6kh3kw2s2d2g2", DataType::kFloat32, {alone, fours, wide_fours});
  // Steps that are all whole, padding; then pixels of x in vectors.
  check("n2c5h4w8k64kh3kw3p1", DataType::kBfloat16, {fours});
  check("n2c5h4w4k12kh1kw1", DataType::kFloat16, {fours});
  check("n1c5h4w4k12kh1kw1", DataType::kFloat32, {wide_fours});
  const auto odd = find_strategy("implicit_gemm")
                       .fit(in_direction(parse_problem("n1c5h4w7k2kh3kw3p1"),
                                         Direction::kBackwardWeights, false),
                            on.profile(), Config::parse(fours));
  REQUIRE(std::holds_alternative<Rejection>(odd));
  CHECK(to_text(std::get<Rejection>(odd)) == "ow % span is 3, applies only where it is 0");
}
