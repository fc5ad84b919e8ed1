// Problem: validation, sizes, text forms.
#include "problem.hpp"

#include <cmath>
#include <functional>

#include "doctest/doctest.h"
#include "error.hpp"
#include "support/errors.hpp"
#include "support/suites.hpp"

using namespace clconv::core;
using clconv::test::error_of;
using clconv::test::suite;

namespace {

std::string parse_error(const std::string& text) {
  return error_of(Code::kInvalidProblem, [&] { parse_problem(text); });
}

}  // namespace

TEST_CASE("output size, bytes and work of known layers") {
  const Problem alexnet = parse_problem("n1c3h227w227k96kh11kw11s4");
  CHECK(alexnet.oh() == 55);
  CHECK(alexnet.ow() == 55);
  CHECK(alexnet.flops() == 2.0 * 96 * 55 * 55 * 363);
  const Problem resnet = parse_problem("n32c64h56w56k64kh3kw3p1");
  CHECK(resnet.oh() == 56);
  CHECK(resnet.x_bytes() == 32 * 64 * 56 * 56 * 4);
  CHECK(resnet.w_bytes() == 64 * 64 * 9 * 4);
  CHECK(resnet.y_bytes() == 32 * 64 * 56 * 56 * 4);
  const Problem floor = parse_problem("n1c3h10w10k4kh3kw3s4");  // (10-3)/4 = 1.75
  CHECK(floor.oh() == 2);
  CHECK(floor.ow() == 2);
}

TEST_CASE("float16 halves the bytes, of every operand") {
  Problem p = parse_problem("n2c6h9w8k4kh3kw3p1");
  p.residual = true;
  for (int t = 0; t < kTensors; ++t) {
    const auto tensor = static_cast<Tensor>(t);
    p.data_type = DataType::kFloat32;
    CHECK(bytes_of(p, tensor) == 4 * elements_of(p, tensor));
    p.data_type = DataType::kFloat16;
    CHECK(bytes_of(p, tensor) == 2 * elements_of(p, tensor));
  }
  CHECK(bytes_of(p, Tensor::kR) == p.y_bytes());
  CHECK(inputs_of(p).back() == Tensor::kR);
  CHECK(std::string(name_of(p, Tensor::kR)) == "r");
}

TEST_CASE("epilogue and storage in words, and where they have no part") {
  Problem p = parse_problem("n2c6h9w8k4kh3kw3p1");
  CHECK(epilogue_words(p).empty());
  CHECK(storage_words(p).empty());
  CHECK(p.plain_storage());
  p.bias = p.residual = true;
  p.activation = Activation::kLeakyRelu;
  p.activation_slope = 0.2f;
  p.data_type = DataType::kFloat16;
  p.layout = TensorLayout::kNhwc;
  p.weights_layout = WeightsLayout::kKrsc;
  CHECK(epilogue_words(p) == "bias residual leaky-relu:0.2");
  CHECK(storage_words(p) == "f16 nhwc krsc");
  CHECK_FALSE(p.plain_storage());
  Problem other = p;
  other.activation_slope = 0.3f;
  CHECK(other != p);
  other.activation = p.activation = Activation::kRelu6;  // has no slope
  CHECK(other == p);
  p.validate();
  const auto refusal = [](const std::function<void(Problem&)>& change) {
    Problem q = parse_problem("n2c6h9w8k4kh3kw3p1");
    q.direction = Direction::kBackwardWeights;
    change(q);
    return error_of(Code::kInvalidProblem, [&] { q.validate(); });
  };
  const std::string where = " is part of forward and transposed, the direction is backward-weights";
  CHECK(refusal([](Problem& q) { q.residual = true; }) == "residual" + where);
  CHECK(refusal([](Problem& q) { q.activation = Activation::kRelu6; }) ==
        "relu6 is part of forward and transposed, and backward of mask, the direction is "
        "backward-weights");
  CHECK(refusal([](Problem& q) { q.layout = TensorLayout::kNhwc; }) ==
        "layout nhwc is part of forward, the direction is backward-weights");
  CHECK(refusal([](Problem& q) { q.weights_layout = WeightsLayout::kKrsc; }) ==
        "weights_layout krsc is part of forward, the direction is backward-weights");
  CHECK(refusal([](Problem& q) { q.activation_slope = NAN; }) ==
        "activation_slope is nan: must be in [-1, 1]");
  CHECK(refusal([](Problem& q) { q.activation_slope = -1.5f; }) ==
        "activation_slope is -1.5: must be in [-1, 1]");
}

TEST_CASE("a mask is the backward of an activation that can be computed from y") {
  Problem p = parse_problem("n2c6h9w8k4kh3kw3p1");
  p.direction = Direction::kBackwardWeights;
  p.mask = true;
  CHECK(epilogue_words(p) == "mask");
  Problem other = p;
  for (const ActivationRow& row : kActivationRows) {
    CAPTURE(std::string(row.word));
    other.masked = row.activation;
    const char* const reason = backward_of(row.activation).reason;
    CHECK((other == p) == (row.activation == Activation::kRelu));
    if (reason == nullptr) {
      CHECK_NOTHROW(other.validate());
    } else {
      CHECK(error_of(Code::kInvalidProblem, [&] { other.validate(); }) ==
            "mask has no backward of " + std::string(row.word) + ": " + reason);
    }
  }
  other.masked = Activation::kHardSigmoid;
  other.activation_slope = -0.2f;
  CHECK(epilogue_words(other) == "mask:hard-sigmoid:-0.2:0.5");
  CHECK_NOTHROW(other.validate());
  Problem moved = other;
  moved.activation_offset = 0.25f;
  CHECK(moved != other);
  other.masked = Activation::kLeakyRelu;
  CHECK(error_of(Code::kInvalidProblem, [&] { other.validate(); }) ==
        "mask has no backward of leaky-relu with activation_slope -0.2: expected at least 0");
  other.mask = false;  // then it does not matter
  p.mask = false;
  p.activation_slope = 0.5f;
  CHECK(other == p);
}

TEST_CASE("a scale is an operand, one value per image and channel of the result") {
  const auto refusal = [](const Problem& p) {
    try {
      p.validate();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  Problem p = parse_problem("n2c3h5w5k7kh3kw3");
  p.scale = true;
  CHECK(elements_of(p, Tensor::kSlopes) == 14);
  CHECK(std::string(name_of(p, Tensor::kSlopes)) == "scale");
  CHECK(inputs_of(p).back() == Tensor::kSlopes);
  CHECK(epilogue_words(p) == "scale");
  CHECK(p.finishes());
  CHECK((p != parse_problem("n2c3h5w5k7kh3kw3")));
  CHECK(refusal(p).empty());
  p.activation = Activation::kPrelu;
  CHECK(refusal(p) == "scale goes with no prelu: its slopes are in its place");
  p.activation = Activation::kNone;
  p.layout = TensorLayout::kNhwc;
  CHECK(refusal(p) == "scale is part of layout nchw, the layout is nhwc");
  p.layout = TensorLayout::kNchw;
  p.direction = Direction::kTransposed;
  CHECK(elements_of(p, Tensor::kSlopes) == 6);
  p.direction = Direction::kBackwardData;
  CHECK(refusal(p) == "scale is part of forward and transposed, the direction is backward-data");
}

TEST_CASE("prelu has an operand of slopes, one per channel of the result") {
  Problem p = parse_problem("n2c6h9w8k4kh3kw3p1");
  p.activation = Activation::kPrelu;
  CHECK(inputs_of(p).back() == Tensor::kSlopes);
  CHECK(elements_of(p, Tensor::kSlopes) == 4);
  CHECK(std::string(name_of(p, Tensor::kSlopes)) == "slopes");
  CHECK(epilogue_words(p) == "prelu");
  p.direction = Direction::kTransposed;
  CHECK(elements_of(p, Tensor::kSlopes) == 6);
}

TEST_CASE("the canonical text reads back to the same problem, for every suite") {
  for (const char* name : {"edge", "core"}) {
    for (const auto& item : suite(name)) {
      CAPTURE(item.name);
      CHECK(parse_problem(to_text(item.problem)) == item.problem);
    }
  }
}

TEST_CASE("all spellings of stride, padding and dilation") {
  const std::string base = "n1c2h9w9k4kh3kw3";
  const auto same = [&](const char* a, const char* b) {
    CAPTURE(a);
    CHECK(to_text(parse_problem(base + a)) == to_text(parse_problem(base + b)));
  };
  same("s2", "sh2sw2");
  same("s2,1", "sh2sw1");
  same("p1", "pt1pl1pb1pr1");
  same("p1,0", "ph1pw0");
  same("p1,0,1,2", "pt1pl0pb1pr2");
  same("d2", "d2,2");
  same("g1", "");
  CHECK(to_text(parse_problem("kw3kh3g2k4w9h9c2n1p1,0,1,2s2,1")) ==
        "n1c2h9w9k4kh3kw3sh2sw1pt1pl0pb1pr2g2");
}

TEST_CASE("benchdnn's form") {
  CHECK(to_text(parse_problem("mb1ic64ih56oc64oh56kh3ph1")) == "n1c64h56w56k64kh3kw3p1");
  CHECK(to_text(parse_problem("g2mb3ic4ih10iw8oc6kh3kw1sh2sw1ph1pw0dh1dw0n\"name:x\"")) ==
        "n3c4h10w8k6kh3kw1sh2sw1ph1pw0dh2dw1g2");
  // 112 rows out of 224 at stride 2 need one row of padding less after the image than before it.
  CHECK(to_text(parse_problem("mb1ic3ih224oc64oh112kh7sh2ph3")) == "n1c3h224w224k64kh7kw7s2p3");
  CHECK(to_text(parse_problem("mb1ic64ih56oc64oh56kh3")) == "n1c64h56w56k64kh3kw3p1");
  // Without an output no padding is deduced; an odd one goes behind the image.
  CHECK(to_text(parse_problem("mb1ic64ih56oc64kh3")) == "n1c64h56w56k64kh3kw3");
  CHECK(to_text(parse_problem("mb1ic3ih224oc64oh112kh7sh2")) ==
        "n1c3h224w224k64kh7kw7s2pt2pl2pb3pr3");
  CHECK(to_text(parse_problem("mb1ic3ih5oc1oh5kh2")) == "n1c3h5w5k1kh2kw2pt0pl0pb1pr1");
  CHECK(to_text(parse_problem("ic16ih10oc32oh10kh3dh1n\"a:b_c\"")) == "n2c16h10w10k32kh3kw3p2d2");
  // From oneDNN's lists: ResNet-50's first layer and strided 1x1, AlexNet, MobileNet, SSD's dilated fc6, WaveNet.
  CHECK(to_text(parse_problem("ic3ih224oc64oh112kh7sh2ph3n\"resnet_50:conv1\"")) ==
        "n2c3h224w224k64kh7kw7s2p3");
  CHECK(to_text(parse_problem("ic256ih56oc512oh28kh1sh2ph0n\"resnet_50:res3a_branch1\"")) ==
        "n2c256h56w56k512kh1kw1s2");
  CHECK(to_text(parse_problem("mb256ic3ih227oc96oh55kh11sh4ph0n\"alexnet:conv1\"")) ==
        "n256c3h227w227k96kh11kw11s4");
  CHECK(to_text(parse_problem("g32ic32ih112oc32oh112kh3ph1n\"mobilenet:conv2_1/dw\"")) ==
        "n2c32h112w112k32kh3kw3p1g32");
  CHECK(to_text(parse_problem("ic512ih19oc1024oh19kh3ph6dh5n\"ssd_300:fc6\"")) ==
        "n2c512h19w19k1024kh3kw3p6d6");
  CHECK(to_text(parse_problem("mb1_ic1024oc512_ih16oh16kh1sh1dh0ph0_iw16ow16kw1sw1dw0pw0")) ==
        "n1c1024h16w16k512kh1kw1");
  // Without fields of the height it is 1-D; with some of both, each stands for itself.
  CHECK(to_text(parse_problem("mb1ic64iw56oc64ow56kw3sw1pw1")) == "n1c64h1w56k64kh1kw3ph0pw1");
  CHECK(to_text(parse_problem("mb1ic4ih9iw9oc4kh3kw3sh2")) == "n1c4h9w9k4kh3kw3sh2sw1");
  CHECK(parse_error("mb1ic4ih9iw9oc4kh3") == "problem 'mb1ic4ih9iw9oc4kh3': field kw is missing");
  CHECK(parse_error("mb1ic4oc4") == "problem 'mb1ic4oc4': field ih is missing");
  CHECK(
      parse_error("ic4id8ih8oc4kd3kh3") ==
      "problem 'ic4id8ih8oc4kd3kh3': field id is of a 3-D convolution, supported are 1-D and 2-D");
  CHECK(parse_error("mb1ic4ih9oc4oh2kh1sh4") ==
        "benchdnn deduces ph=-2 from oh=2: name ph, expected at least 0");
  CHECK(to_text(parse_problem("mb1ic4ih9oc4oh2kh1sh5ph0")) == "n1c4h9w9k4kh1kw1s5");
  CHECK(to_text(parse_problem("mb1ic3_ih5_oc1_oh5_kh2_ph1")) == "n1c3h5w5k1kh2kw2pt1pl1pb0pr0");
  CHECK(parse_error("ic3ih5oc1") == "problem 'ic3ih5oc1': field kh is missing");
  CHECK(parse_error("mb1ic3ih5oc1kh2zz3") ==
        "problem 'mb1ic3ih5oc1kh2zz3': unknown benchdnn field 'zz'");
}

TEST_CASE("a negative padding behind is a transposed convolution's, and goes through the text") {
  const Problem p = parse_problem("n1c2h9w9k3kh3kw3d3pt0pl0pb-2pr0");
  CHECK(p.direction == Direction::kTransposed);
  CHECK(p.oh() == 1);
  CHECK(to_text(p) == "n1c2h9w9k3kh3kw3pt0pl0pb-2pr0d3");
  CHECK(parse_problem(to_text(p)) == p);
  Problem forward = p;
  forward.direction = Direction::kForward;
  CHECK(error_of(Code::kInvalidProblem, [&] { forward.validate(); }) ==
        "pb=-2: must be at least 0");
  CHECK(parse_error("n1c2h9w9k3kh3kw3d3pt0pl0pb-3pr0") ==
        "pb=-3: must be above minus the larger of stride and dilation, -3");
  Problem seen;
  seen.dh = 3;
  CHECK(transposed(seen, 2, 0).pb == -2);
  seen.pb = 1;
  CHECK(error_of(Code::kInvalidProblem, [&] { transposed(seen, 3, 0); }) ==
        "output_pad_h=3: must be at least 0 and less than the larger of stride and dilation, 3");
  seen.pb = -1;
  CHECK(error_of(Code::kInvalidProblem, [&] { transposed(seen, 0, 0); }) ==
        "pb=-1: must be at least 0");
}

TEST_CASE("bad text is refused with the part that is wrong") {
  CHECK(parse_error("") == "problem text is empty, expected e.g. n1c64h56w56k64kh3kw3p1");
  CHECK(parse_error("n1c1h5w5k1kh3") == "problem 'n1c1h5w5k1kh3': field kw is missing");
  CHECK(parse_error("n1n2c1h5w5k1kh3kw3") ==
        "problem 'n1n2c1h5w5k1kh3kw3': field n is given twice");
  CHECK(parse_error("n1c1h5w5k1kh3kw3p1pt2") ==
        "problem 'n1c1h5w5k1kh3kw3p1pt2': field pt is given twice");
  CHECK(parse_error("n1c1h5w5k1kh3kw3x7").find("unknown field 'x'") != std::string::npos);
  CHECK(parse_error("n1c1h5w5k1kh3kwp1").find("field 'kwp' ") == std::string::npos);
  CHECK(parse_error("n1c1h5w5k1kh3kw").find("field 'kw' needs a number") != std::string::npos);
  CHECK(parse_error("n1c1h5w5k1kh3kw3p1,2,3") ==
        "problem field 'p1,2,3' has 3 values, expected 1, 2 (height, width) or 4 (top, left, "
        "bottom, right)");
  CHECK(parse_error("n99999999999999999999c1h5w5k1kh3kw3").find("does not fit 64 bits") !=
        std::string::npos);
  CHECK(parse_error("7n1").find("expected a field name at '7n1'") != std::string::npos);
}

TEST_CASE("invalid problems are refused with the field and its value") {
  CHECK(parse_error("n-1c1h5w5k1kh3kw3") == "n=-1: must be at least 0");
  CHECK(parse_error("n1c1h5w5k1kh3kw3s0") == "sh=0: must be at least 1");
  CHECK(parse_error("n1c1h5w5k1kh3kw3d0") == "dh=0: must be at least 1");
  CHECK(parse_error("n1c1h5w5k1kh3kw3g0") == "g=0: must be at least 1");
  CHECK(parse_error("n1c1h5w5k1kh3kw3p-1") == "pt=-1: must be at least 0");
  CHECK(parse_error("n1c4h5w5k6kh3kw3g3") == "c=4 is not a multiple of g=3");
  CHECK(parse_error("n1c3h5w5k4kh3kw3g3") == "k=4 is not a multiple of g=3");
  CHECK(parse_error("n1c1h5w9k1kh7kw3") ==
        "oh would be below 1: the filter covers 7 (kh=7, dh=1) but the padded input only 5 (h=5)");
  CHECK(parse_error("n1c1h9w5k1kh3kw3d1,3") ==
        "ow would be below 1: the filter covers 7 (kw=3, dw=3) but the padded input only 5 (w=5)");
}

TEST_CASE("sizes beyond 64 bits are refused, not wrapped") {
  CHECK(parse_error("n4000000000c4000000000h1w1k1kh1kw1").find("x of") == 0);
  CHECK(parse_error("n1c4000000000h1w1k4000000000kh1kw1").find("w of") == 0);
  CHECK(parse_error("n4000000000c1h1w1k4000000000kh1kw1").find("y of") == 0);
  CHECK(parse_error("n1c1h9223372036854775807w1k1kh1kw1p1,0")
            .find("h=9223372036854775807 plus its padding") == 0);
  CHECK(parse_error("n1c1h5w5k1kh4000000000kw1d4000000000").find("kh=4000000000 dilated by") == 0);
  CHECK(saturating_product(std::int64_t{1} << 40, std::int64_t{1} << 40) == INT64_MAX);
  CHECK(saturating_product(0, INT64_MAX) == 0);
}

TEST_CASE("what 32-bit kernel indices cannot hold is named") {
  CHECK_FALSE(beyond_32_bits(parse_problem("n1c64h56w56k64kh3kw3p1")).has_value());
  const auto wide = beyond_32_bits(parse_problem("n1c1h1w2000000000k1kh1kw1"));
  REQUIRE(wide.has_value());
  CHECK(wide->name == "w with padding");
  CHECK(wide->value == 2000000000);
  const auto plane = beyond_32_bits(parse_problem("n1c1h50000w50000k1kh1kw1"));
  REQUIRE(plane.has_value());
  CHECK(plane->name == "h*w with padding");
}
