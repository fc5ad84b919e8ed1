// What only depthwise has: the bodies that read planes in place and mask what lies beside a row, with forced configs.
#include "doctest/doctest.h"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// Configs on the problem against the reference. The first must be served; tiles of the others may be too small for its
// padding.
void check_configs(const Problem& p, const std::vector<const char*>& configs,
                   Device& on = device()) {
  const Strategy& strategy = find_strategy("depthwise");
  const Tensors tensors(p);
  Expected expected(p, tensors);
  CAPTURE(to_text(p));
  CAPTURE(std::string(to_string(p.direction)));
  CAPTURE(epilogue_words(p));
  CAPTURE(storage_words(p));
  for (const char* config : configs) {
    CAPTURE(std::string(config));
    const auto fit = strategy.fit(p, on.profile(), Config::parse(config));
    if (config != configs.front() && std::holds_alternative<Rejection>(fit)) continue;
    REQUIRE(std::holds_alternative<Candidate>(fit));
    const Candidate& candidate = std::get<Candidate>(fit);
    CHECK(worst(run(on, strategy, p, candidate, tensors), expected(candidate),
                candidate.error_bound, result_error_floor(p) + candidate.error_floor) <= 1.0);
  }
}

Problem to_check(const char* text, Direction direction, bool decorated) {
  Problem p = in_direction(parse_problem(text), direction, decorated);
  if (direction == Direction::kBackwardData) p.accumulate = false;
  return p;
}

std::string refusal(const Problem& p, const char* config) {
  const auto fit = find_strategy("depthwise").fit(p, device().profile(), Config::parse(config));
  REQUIRE(std::holds_alternative<Rejection>(fit));
  return to_text(std::get<Rejection>(fit));
}

// The one that the planner prefers.
const Candidate& best_of(const std::vector<Candidate>& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(),
                           [](const Candidate& a, const Candidate& b) {
                             const bool tried = a.not_considered == nullptr;
                             if (tried != (b.not_considered == nullptr)) return tried;
                             return a.predicted_us < b.predicted_us;
                           });
}

}  // namespace

// Small planes are all read one by one at both ends of the input; planes between them in whole vectors.
TEST_CASE("checker: depthwise's planes with masked columns") {
  // Odd planes, one tile, dilation, padding on one side only, none, and more than the filter sees.
  for (const char* text :
       {"n2c5h9w13k5kh5kw5p2g5", "n1c6h11w17k6kh7kw7p3g6", "n3c4h4w8k4kh3kw3p1g4",
        "n2c3h15w14k3kh3kw3d2p2g3", "n2c3h9w12k3kh3kw5p1,0,0,3g3", "n2c4h11w13k4kh4kw3g4",
        "n3c2h12w19k2kh9kw2p4,1g2"}) {
    for (const Direction direction : kGeometric) {
      for (const bool decorated : {false, true}) {
        check_configs(to_check(text, direction, decorated),
                      {"body=masked,rb=4,vw=8", "body=masked,rb=5,vw=4"});
      }
    }
  }
  // Strides; several filters a channel; vectors of 16.
  for (const char* text :
       {"n3c4h13w19k4kh3kw3s2p1g4", "n2c5h17w21k5kh5kw5s2p2g5", "n1c4h19w29k4kh7kw7s2p3g4",
        "n2c3h13w18k9kh3kw3s2pt0pl1pb1pr2g3", "n1c3h17w23k3kh3kw5s2d1,2p1,3g3",
        "n2c3h11w21k6kh5kw3s1,2p2,1g3", "n2c3h21w11k3kh3kw3s3,1p1g3"}) {
    for (const bool decorated : {false, true}) {
      check_configs(to_check(text, Direction::kForward, decorated),
                    {"body=masked,rb=4,vw=8", "body=masked,rb=2,vw=4"});
    }
  }
  check_configs(to_check("n2c3h7w37k6kh5kw5p2g3", Direction::kForward, true),
                {"body=masked,rb=5,vw=16"});
  check_configs(to_check("n2c3h9w41k3kh3kw3s2p1g3", Direction::kForward, true),
                {"body=masked,rb=5,vw=16"});
}

// Rows are copied by vectors: images that end within one, with an odd column, a row behind the last step, padding on
// one side only, several passes over a row, several filters a channel, dilation that keeps even and odd columns apart.
TEST_CASE("checker: depthwise's planes staged row by row") {
  for (const char* text :
       {"n3c4h13w19k4kh3kw3s2p1g4", "n2c5h17w35k5kh5kw5s2p2g5", "n1c4h18w29k4kh7kw7s2p3g4",
        "n2c3h13w38k9kh3kw3s2pt0pl1pb1pr2g3", "n1c3h17w23k3kh3kw5s2d1,2p1,3g3",
        "n2c3h12w41k3kh4kw4s2p1,2,2,1g3", "n2c3h21w37k3kh3kw3s3,2p1g3",
        "n2c3h11w35k3kh3kw3s1,2p1g3", "n1c2h16w33k2kh5kw3s2d1,3p2,3g2", "n2c2h9w70k2kh2kw2s2g2",
        "n2c2h14w40k2kh6kw3s2p4,0,1,0g2"}) {
    for (const bool decorated : {false, true}) {
      check_configs(to_check(text, Direction::kForward, decorated),
                    {"body=staged_rolling,nv=1,vw=8", "body=staged_rolling,nv=2,vw=8",
                     "body=staged_rolling,nv=3,vw=8", "body=staged_rolling,nv=3,vw=4",
                     "body=staged_rolling,nv=1,vw=16"});
    }
  }
  for (const char* text : {"n2c5h9w13k5kh5kw5p2g5", "n1c6h11w17k6kh7kw7p3g6",
                           "n2c3h15w14k3kh3kw3d2p2g3", "n2c3h9w12k3kh3kw5p1,0,0,3g3"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      Problem p = to_check(text, direction, true);
      check_configs(p, {"body=staged_rolling,nv=1,vw=8", "body=staged_rolling,nv=2,vw=8"});
      p.data_type = direction == Direction::kForward ? DataType::kBfloat16 : DataType::kFloat16;
      check_configs(p, {"body=staged_rolling,nv=2,vw=4", "body=staged_rolling,nv=1,vw=8"});
    }
  }
}

TEST_CASE("depthwise's bands of planes staged row by row") {
  for (const char* text : {"n1c1h230w64k1kh5kw5s2p2g1", "n1c2h90w200k2kh3kw3s2p1g2"}) {
    Problem p = to_check(text, Direction::kForward, true);
    check_configs(p, {"body=staged_rolling,nv=4,vw=8", "body=staged_rolling,nv=2,vw=8"});
    p.data_type = DataType::kFloat16;
    check_configs(p, {"body=staged_rolling,nv=3,vw=8"});
    // The weight gradient stages some rows of tiles at a time.
    Problem weights = to_check(text, Direction::kBackwardWeights, true);
    const std::string taps = std::to_string(p.kh * p.kw);
    check_configs(weights, {("body=weights_masked,rows=7,taps=" + taps + ",vw=8").c_str(),
                            ("body=weights_masked,rows=2,taps=" + taps + ",vw=4").c_str()});
  }
}

TEST_CASE("checker: depthwise's weight gradient with masked columns") {
  for (const char* text :
       {"n2c5h9w13k5kh5kw5p2g5", "n1c6h11w17k6kh7kw7p3g6", "n3c4h4w8k4kh3kw3p1g4",
        "n2c3h15w14k3kh3kw3d2p2g3", "n2c3h9w12k6kh3kw5p1,0,0,3g3", "n2c4h11w13k4kh4kw3g4",
        "n3c2h12w19k2kh9kw2p4,1g2", "n3c4h13w19k4kh3kw3s2p1g4", "n2c5h17w21k5kh5kw5s2p2g5",
        "n1c4h19w29k4kh7kw7s2p3g4", "n2c3h13w18k9kh3kw3s2pt0pl1pb1pr2g3",
        "n1c3h17w23k3kh3kw5s2d1,2p1,3g3", "n2c3h11w21k6kh5kw3s1,2p2,1g3",
        "n2c3h21w11k3kh3kw3s3,1p1g3"}) {
    for (const bool decorated : {false, true}) {
      const Problem p = to_check(text, Direction::kBackwardWeights, decorated);
      const std::string taps = std::to_string(p.kh * p.kw);
      check_configs(p, {("body=weights_masked,rows=4,taps=" + taps + ",vw=8").c_str(),
                        ("body=weights_masked,rows=3,taps=" + taps + ",vw=4").c_str()});
    }
  }
  check_configs(to_check("n2c3h7w37k6kh5kw5p2g3", Direction::kBackwardWeights, true),
                {"body=weights_masked,rows=5,taps=25,vw=16"});
}

// As the next, forward: columns in front of the first pair, of the image or of padding; last vectors of one result.
TEST_CASE("checker: depthwise's even and odd columns apart, forward") {
  int number = 0;
  for (const char* text :
       {"n3c4h13w19k4kh3kw3s2p1g4", "n2c3h13w16k9kh3kw3s2pt0pl1pb1pr2g3", "n2c3h11w35k3kh3kw3s2g3",
        "n1c4h18w33k4kh3kw3s2p2g4", "n2c3h11w21k6kh3kw3s1,2p2,1g3", "n2c3h21w17k3kh3kw3s3,2p1g3",
        "n1c3h17w23k3kh2kw5s2d1,2p1,3g3", "n2c2h9w70k2kh2kw2s2g2", "n1c2h3w45k2kh3kw3s2d1,6p1,6g2",
        "n1c2h9w31k2kh1kw5s1,2p0,2g2", "n1c2h12w39k2kh1kw9s2p0,1g2", "n1c1h1w15k1kh1kw1s2g1",
        "n2c2h5w170k2kh3kw3s2p1g2", "n1c1h90w201k1kh3kw3s2p1g1", "n2c3h20w16k3kh9kw1s2p4,0g3",
        "n1c2h4w60k2kh3kw4s2d4,3p3,2g2", "n2c5h17w21k5kh5kw5s2p2g5",
        "n1c2h7w40k2kh3kw3s2pt1pl2pb0pr0g2", "n1c2h8w33k2kh3kw4s2pt0pl3pb1pr3g2"}) {
    for (const bool decorated : {false, true}) {
      Problem p = to_check(text, Direction::kForward, decorated);
      check_configs(p, {"body=deinterleaved,rb=1,vw=8", "body=deinterleaved,rb=1,vw=4"});
      if (p.oh() >= 3)
        check_configs(p, {"body=deinterleaved,rb=2,vw=8", "body=deinterleaved,rb=3,vw=4"});
      p.data_type = number++ % 2 == 0 ? DataType::kFloat16 : DataType::kBfloat16;
      check_configs(p, {"body=deinterleaved,rb=1,vw=8"});
      if (p.ow() >= 16) check_configs(p, {"body=deinterleaved,rb=1,vw=16"});
    }
  }
}

// Odd and even widths, down to two vectors and beyond nine, whose last vector overlaps or not; each kind of padding;
// strides along rows; dilation that keeps even and odd columns apart or reaches beyond rows; bands; several filters a
// channel.
TEST_CASE("checker: depthwise's weight gradient with even and odd columns apart") {
  int number = 0;
  for (const char* text :
       {"n3c4h13w19k4kh3kw3s2p1g4", "n2c3h13w16k9kh3kw3s2pt0pl1pb1pr2g3", "n2c3h11w32k3kh3kw3s2g3",
        "n1c4h18w33k4kh3kw3s2p2g4", "n2c3h11w21k6kh3kw3s1,2p2,1g3", "n2c3h21w17k3kh3kw3s3,2p1g3",
        "n1c3h17w23k3kh2kw5s2d1,2p1,3g3", "n2c2h9w70k2kh2kw2s2g2",
        "n1c2h3w45k2kh3kw3s2d1,12p1,12g2", "n1c2h9w31k2kh1kw5s1,2p0,2g2",
        "n1c2h12w39k2kh1kw9s2p0,1g2", "n1c1h1w15k1kh1kw1s2g1", "n2c2h5w170k2kh3kw3s2p1g2",
        "n1c2h90w201k2kh3kw3s2p1g2", "n2c3h20w16k3kh9kw1s2p4,0g3",
        "n1c2h4w60k2kh3kw4s2d4,7p3,9g2"}) {
    for (const bool decorated : {false, true}) {
      Problem p = to_check(text, Direction::kBackwardWeights, decorated);
      const std::string body = "body=weights_deinterleaved,taps=" + std::to_string(p.kh * p.kw);
      check_configs(p, {(body + ",vw=8").c_str(), (body + ",vw=4").c_str()});
      p.data_type = number++ % 2 == 0 ? DataType::kFloat16 : DataType::kBfloat16;
      check_configs(p, {(body + ",vw=8").c_str()});
      if (p.w >= 31) check_configs(p, {(body + ",vw=16").c_str()});
    }
  }
  const Problem p = to_check("n2c5h17w21k5kh5kw5s2p2g5", Direction::kBackwardWeights, false);
  if (device().profile().vector_registers == 16)
    CHECK(refusal(p, "body=weights_deinterleaved,taps=25,vw=8") ==
          "taps is 25, supported up to 12");
}

// They are read from copies as floats: rows that end within a vector, stride 2, padding on one side only, none, filters
// below a vector, several filters per group, dilation.
TEST_CASE("checker: depthwise's masked planes in 16-bit storage") {
  int number = 0;
  for (const char* text :
       {"n2c5h9w13k5kh5kw5p2g5", "n3c4h13w19k4kh3kw3s2p1g4", "n2c3h14w14k3kh5kw5p2g3",
        "n2c2h23w37k2kh5kw5s2p2,0,1,2g2", "n2c3h16w21k3kh3kw3p0,2,1,0g3",
        "n2c3h12w16k6kh1kw3p0,1g3", "n1c2h15w24k4kh7kw7p3g2", "n2c2h19w20k2kh3kw3p2d2g2"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      Problem p = to_check(text, direction, true);
      if (direction == Direction::kBackwardData && (p.sh != 1 || p.k != p.c)) continue;
      p.data_type = number++ % 2 == 0 ? DataType::kFloat16 : DataType::kBfloat16;
      check_configs(p,
                    {"body=masked,rb=4,vw=8", "body=masked,rb=3,vw=4", "body=masked,rb=2,vw=16"});
    }
  }
}

TEST_CASE("depthwise's masked planes in 16-bit storage: bands, and weight gradients") {
  for (const DataType type : {DataType::kFloat16, DataType::kBfloat16}) {
    // Many bands of few planes, and planes of which local memory holds a part.
    for (const char* text : {"n1c1h230w64k1kh5kw5p2g1", "n1c2h90w200k2kh3kw3s2p1g2"}) {
      Problem p = to_check(text, Direction::kForward, true);
      p.data_type = type;
      check_configs(p, {"body=masked,rb=4,vw=8", "body=masked,rb=7,vw=8"});
    }
    for (const char* text : {"n2c5h9w13k5kh5kw5p2g5", "n3c4h13w19k4kh3kw3s2p1g4"}) {
      Problem last = to_check(text, Direction::kForward, true);
      last.data_type = type;
      last.layout = TensorLayout::kNhwc;
      check_configs(last, {"body=staged_channels,th=2,tw=3,vw=4"});
      Problem p = to_check(text, Direction::kBackwardWeights, true);
      p.data_type = type;
      check_configs(p, {p.kh == 5 ? "body=weights_masked,rows=4,taps=25,vw=8"
                                  : "body=weights_masked,rows=4,taps=9,vw=8"});
    }
  }
}

// Whole columns of tiles, last columns that overlap or are taken in two halves of the rows, planes narrower than a
// tile; no padding, on one side only, and more rows of it than of the image; dilation, several filters per group.
TEST_CASE("checker: depthwise's pairs of vectors in 16-bit storage") {
  for (const char* text : {"n2c3h9w16k3kh3kw3p1g3",        "n1c4h11w31k4kh5kw5p2g4",
                           "n2c3h8w56k3kh3kw3p1g3",        "n2c3h9w37k6kh3kw3p1g3",
                           "n1c2h1w40k2kh5kw5p2g2",        "n2c2h15w37k2kh3kw3d2p2g2",
                           "n2c3h7w40k3kh1kw5p0,2g3",      "n2c3h9w33k3kh3kw3p0,2,1,0g3",
                           "n2c3h9w22k3kh3kw3g3",          "n3c5h14w14k5kh5kw5p2g5",
                           "n3c4h2w9k4kh3kw3p1g4",         "n2c3h9w15k6kh3kw5p1,2g3",
                           "n1c3h10w12k3kh5kw5p1,2,3,1g3", "n2c2h12w20k2kh4kw5p2g2",
                           "n2c3h19w37k3kh3kw3s2p1g3",     "n1c4h12w56k4kh5kw5s2p2g4",
                           "n2c2h17w71k4kh5kw3s2p2,1g2",   "n2c3h23w35k3kh3kw3s2,1p1g3",
                           "n1c2h9w46k2kh4kw5s1,2p1,2g2",  "n2c2h16w42k2kh3kw3s2p0,0,1,1g2"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      for (const bool decorated : {false, true}) {
        Problem p = to_check(text, direction, decorated);
        if (direction == Direction::kBackwardData && (p.k != p.c || p.sh * p.sw != 1)) continue;
        p.data_type = DataType::kBfloat16;
        check_configs(p, {"body=pairs,vw=8", "body=pairs,vw=4"});
        if (p.ow() >= 16 || p.sh * p.sw != 1) continue;
        p.data_type = DataType::kFloat16;
        check_configs(p, {"body=pairs,vw=8", "body=pairs,vw=4"});
      }
    }
  }
}

// bfloat16 at stride 2 takes columns apart in pairs, where none of them is padding.
TEST_CASE("checker: depthwise's planes in 16-bit storage") {
  int number = 0;
  for (const char* text : {"n2c3h19w37k3kh3kw3s2p1g3", "n2c3h21w29k3kh3kw3p1g3",
                           "n2c2h17w42k2kh3kw5s2p1,2g2", "n2c3h23w35k3kh3kw3s1,2p1g3",
                           "n1c2h24w39k4kh5kw5s2p2,1,0,1g2", "n2c2h16w42k2kh3kw3s2p0,0,1,1g2"}) {
    Problem p = to_check(text, Direction::kForward, true);
    p.data_type = number++ == 1 ? DataType::kFloat16 : DataType::kBfloat16;
    check_configs(p, {"body=planes,rb=4,vw=8", "body=planes,rb=7,vw=8", "body=planes,rb=2,vw=16"});
  }
}

TEST_CASE("depthwise's masked planes say what they do not serve") {
  const char* const config = "body=masked,rb=4,vw=8";
  Problem p = parse_problem("n1c4h12w12k4kh3kw3s2p1g4");
  p.direction = Direction::kBackwardData;
  CHECK(refusal(p, config) == "sh*sw is 4, applies only where it is 1");
  p = parse_problem("n1c4h12w12k4kh3kw3p1g4");
  p.layout = TensorLayout::kNhwc;
  CHECK(refusal(p, config).find("channels last") != std::string::npos);
  p = parse_problem("n1c4h12w12k4kh3kw3p1g4");
  p.direction = Direction::kBackwardData;
  p.accumulate = true;
  CHECK(refusal(p, config).find("adding to the result") != std::string::npos);
  CHECK(refusal(parse_problem("n1c4h14w12k4kh10kw3g4"), config) == "kh is 10, supported up to 9");
  p = parse_problem("n1c4h12w12k4kh3kw3p1g4");
  p.direction = Direction::kBackwardWeights;
  CHECK(refusal(p, "body=weights_masked,rows=4,taps=8,vw=8") ==
        "taps is 8, applies only where it is 9");
}

// Sections of several rows and columns of tiles; channels that are no whole vectors or cache lines.
TEST_CASE("checker: depthwise's pixels, channels last, staged in local memory") {
  for (const char* text :
       {"n2c20h9w13k20kh5kw5p2g20", "n1c8h17w11k8kh7kw7p3g8", "n3c13h6w7k13kh3kw3p1g13",
        "n2c16h19w23k16kh5kw5s2p2g16", "n1c36h15w14k36kh3kw3d2p2g36",
        "n2c12h9w12k12kh3kw5p1,0,0,3g12", "n1c9h13w18k9kh3kw3s2pt0pl1pb1pr2g9",
        "n1c24h17w23k24kh3kw5s2d1,2p1,3g24", "n2c17h11w21k17kh5kw3s1,2p2,1g17",
        "n1c10h21w11k10kh3kw3s3,1p1g10", "n1c8h12w19k8kh2kw9p4,1g8",
        "n1c11h12w9k11kh1kw1s2p1g11"}) {
    for (const bool decorated : {false, true}) {
      Problem p = to_check(text, Direction::kForward, decorated);
      p.layout = TensorLayout::kNhwc;
      check_configs(
          p, {"body=staged_channels,th=2,tw=3,vw=8", "body=staged_channels,th=1,tw=5,vw=4",
              "body=staged_channels,th=3,tw=2,vw=4", "body=staged_channels,th=2,tw=7,vw=16"});
    }
  }
}

// Rows of the filter one after the other; with 16 registers only. Padding on one side only, more of it than of the
// image, tiles that see both ends of a row or overlap.
TEST_CASE("checker: depthwise's pixels, channels last, row by row of the filter") {
  for (const char* text :
       {"n2c20h9w13k20kh5kw5p2g20", "n1c8h17w11k8kh7kw7p3g8", "n2c16h19w23k16kh5kw5s2p2g16",
        "n1c36h15w14k36kh4kw3d2p2g36", "n2c12h9w12k12kh3kw5p1,0,0,3g12",
        "n1c11h8w16k11kh5kw3p0,1g11", "n1c9h13w38k9kh3kw5s2pt0pl1pb1pr2g9",
        "n1c24h17w23k24kh3kw5s2d1,2p1,3g24", "n2c17h11w41k17kh5kw3s1,3p2,1g17",
        "n1c8h1w8k8kh5kw5p2g8", "n1c16h3w9k16kh4kw4p3,5,2,4g16"}) {
    for (const bool decorated : {false, true}) {
      Problem p = to_check(text, Direction::kForward, decorated);
      p.layout = TensorLayout::kNhwc;
      check_configs(p, {"body=channels,th=1,tw=7,vw=8", "body=channels,th=1,tw=4,vw=4"});
      if (p.oh() >= 4)
        check_configs(p, {"body=channels,th=4,tw=7,vw=8", "body=channels,th=2,tw=5,vw=4"});
      p.data_type = DataType::kFloat16;
      check_configs(p, {"body=channels,th=1,tw=6,vw=8"});
    }
  }
}

TEST_CASE("depthwise's sections of pixels, channels last") {
  // Several sections along both axes; a large filter; many images; an activation with slopes and a residual.
  for (const char* text : {"n1c19h67w301k19kh5kw5p2g19", "n1c16h40w90k16kh19kw21p9,10g16",
                           "n2c12h101w290k12kh3kw3s2d3p3g12", "n40c8h9w9k8kh5kw5p2g8"}) {
    Problem p = to_check(text, Direction::kForward, true);
    p.layout = TensorLayout::kNhwc;
    check_configs(p, {"body=staged_channels,th=2,tw=7,vw=8"});
    p.activation = Activation::kPrelu;
    check_configs(p, {"body=staged_channels,th=2,tw=5,vw=4"});
  }
}

// A CPU with 16 registers whose cache holds nothing.
Device without_cache() {
  return pretending([](DeviceProfile& p) {
    p = as_cpu(p, 8, 16);
    p.cache_bytes = 1;
  });
}

TEST_CASE("checker: depthwise's channels last in place, from memory") {
  Device on = without_cache();
  // Whole cache lines of channels are streamed, 20 and 9 channels are not.
  for (const char* text : {"n2c20h9w13k20kh3kw3p1g20", "n1c9h13w18k9kh3kw3s2p1g9",
                           "n2c16h9w13k16kh3kw3p1g16", "n1c48h13w18k48kh5kw3s2p2,1g48"}) {
    for (const bool decorated : {false, true}) {
      Problem p = to_check(text, Direction::kForward, decorated);
      p.layout = TensorLayout::kNhwc;
      p.data_type = DataType::kFloat32;
      check_configs(p,
                    {"body=channels,th=4,tw=2,vw=8", "body=channels,th=2,tw=3,vw=8",
                     "body=channels,th=2,tw=3,vw=4", "body=channels,th=2,tw=3,vw=16"},
                    on);
      p.data_type = DataType::kFloat16;
      check_configs(p, {"body=channels,th=2,tw=3,vw=8"}, on);
    }
  }
}

TEST_CASE("checker: depthwise's planes in place, from memory") {
  Device on = without_cache();
  // Rows of whole vectors are streamed, others not.
  for (const char* text :
       {"n2c3h9w24k3kh3kw3p1g3", "n1c3h11w16k3kh5kw3p2,1g3", "n2c3h9w21k3kh3kw3p1g3"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      check_configs(to_check(text, direction, true),
                    {"body=planes,rb=4,vw=8", "body=planes,rb=3,vw=4"}, on);
    }
  }
  check_configs(to_check("n2c3h18w48k3kh3kw3s2p1g3", Direction::kForward, true),
                {"body=planes,rb=4,vw=8"}, on);
}

TEST_CASE("depthwise considers masked planes with few vector registers only") {
  for (const Direction direction : {Direction::kForward, Direction::kBackwardWeights}) {
    const Problem p = in_direction(parse_problem("n1c64h28w28k64kh5kw5p2g64"), direction, false);
    for (const int registers : {16, 32}) {
      CAPTURE(registers);
      const Offer offer =
          find_strategy("depthwise")
              .offer(p, as_cpu(device().profile(), registers / 2, registers), kNoLimit);
      const std::vector<Candidate> candidates = candidates_of(offer);
      const bool offered = std::any_of(
          candidates.begin(), candidates.end(),
          [](const Candidate& c) { return c.config.body().find("masked") != std::string::npos; });
      CHECK(offered == (registers == 16));
    }
  }
}

TEST_CASE("depthwise's choice with planes staged row by row") {
  // On 16 registers as measured; its speed is not known with 32.
  for (const int registers : {16, 32}) {
    for (const char* text : {"n1c144h56w56k144kh5kw5s2p2g144", "n1c192h28w28k192kh7kw7s2p3g192",
                             "n1c128h56w56k128kh3kw3s2p1g128", "n1c672h14w14k672kh5kw5p2g672"}) {
      CAPTURE(std::string(text));
      CAPTURE(registers);
      const std::vector<Candidate> candidates =
          candidates_of(find_strategy("depthwise")
                            .offer(parse_problem(text),
                                   as_cpu(device().profile(), registers / 2, registers), kNoLimit));
      const std::string few = parse_problem(text).kh == 3 ? "deinterleaved" : "staged_rolling";
      CHECK((best_of(candidates).config.body() == few) == (registers == 16));
    }
  }
}

TEST_CASE("depthwise's choice with channels last") {
  // The fastest body by taps: on 16 registers as measured, on 32 staged pixels for large filters only.
  for (const int registers : {16, 32}) {
    for (const char* text : {"n1c144h56w56k144kh3kw3p1g144", "n1c96h112w112k96kh3kw3s2p1g96",
                             "n1c96h56w56k96kh7kw7p3g96", "n1c128h56w56k128kh31kw31p15g128"}) {
      CAPTURE(std::string(text));
      CAPTURE(registers);
      Problem p = parse_problem(text);
      p.layout = TensorLayout::kNhwc;
      const std::vector<Candidate> candidates = candidates_of(
          find_strategy("depthwise")
              .offer(p, as_cpu(device().profile(), registers / 2, registers), kNoLimit));
      CHECK(best_of(candidates).config.body() == (p.kh > 3 ? "staged_channels" : "channels"));
    }
  }
  // Row by row of the filter.
  Problem p = parse_problem("n1c144h56w56k144kh5kw5s2p2g144");
  p.layout = TensorLayout::kNhwc;
  const std::vector<Candidate> candidates = candidates_of(
      find_strategy("depthwise").offer(p, as_cpu(device().profile(), 8, 16), kNoLimit));
  CHECK(best_of(candidates).config.body() == "channels");
}
