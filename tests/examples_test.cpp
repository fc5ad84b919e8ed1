// The examples with networks, as a user runs them: on networks that the test writes itself, whose results are known,
// and on MTCNN's where CLCONV_MODELS names a folder that has them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "cli/image.hpp"
#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/onnx_file.hpp"
#include "support/program.hpp"
#include "support/temp.hpp"

using clconv::cli::Picture;
using clconv::cli::read_picture;
using clconv::core::write_file_atomically;
using clconv::test::colours_apart;
using clconv::test::OnnxFile;
using clconv::test::TempFolder;
using Floats = std::vector<float>;
using Result = clconv::test::ProgramResult;

namespace {

Picture noise(std::int64_t width, std::int64_t height) {
  Picture picture;
  picture.width = width, picture.height = height, picture.channels = 3;
  std::uint32_t state = 7;
  for (std::int64_t i = 0; i < 3 * width * height; ++i) {
    state = state * 1664525u + 1013904223u;
    picture.values.push_back(static_cast<float>(state >> 24) / 255.0f);
  }
  return picture;
}

// Every pixel becomes four; before that a 3x3 filter, with or without zeros around the picture.
std::string doubling(const Floats& filter, std::int64_t pad) {
  return OnnxFile()
      .input("x", {1, 3, -1, -1})
      .constant("w", {3, 3, 3, 3}, colours_apart(3, filter))
      .constant("ones", {3, 3, 2, 2}, colours_apart(2, Floats(4, 1.0f)))
      .node("Conv", "filter", {"x", "w"}, {"f"}, {{"pads", {pad, pad, pad, pad}}})
      .node("ConvTranspose", "double", {"f", "ones"}, {"y"}, {{"strides", {2, 2}}})
      .output("y", {1, 3, -1, -1})
      .bytes();
}

Result enlarge(const TempFolder& folder, const std::string& arguments) {
  return clconv::test::run_program(folder, CLCONV_ENLARGE, arguments);
}

Picture enlarged(const TempFolder& folder, const std::string& arguments, const std::string& said) {
  const Result result = enlarge(folder, arguments + " in.png out.png");
  CAPTURE(arguments);
  REQUIRE_MESSAGE(result.status == 0, result.err);
  CHECK_MESSAGE(result.out.find(said) != std::string::npos, result.out);
  return read_picture(folder.path("out.png"));
}

double largest_difference(const Picture& a, const Picture& b) {
  REQUIRE(a.values.size() == b.values.size());
  float most = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i)
    most = std::max(most, std::fabs(a.values[i] - b.values[i]));
  return static_cast<double>(most);
}

}  // namespace

TEST_CASE("enlarge: tiles of a network that crops, and of one that pads, are the whole picture") {
  const TempFolder folder;
  const Picture in = noise(75, 41);
  clconv::cli::write_png(folder.path("in.png"), in);
  const Floats middle = {0, 0, 0, 0, 1, 0, 0, 0, 0};
  write_file_atomically(folder.path("crop.onnx"), doubling(middle, 0));
  write_file_atomically(folder.path("mean.onnx"), doubling(Floats(9, 1.0f / 9), 1));
  // The crop's filter has a tap in the middle only: every pixel becomes four.
  Picture expected;
  for (std::int64_t i = 0; i < 3 * 150 * 82; ++i) {
    const std::int64_t c = i / 150 / 82, y = i / 150 % 82 / 2, x = i % 150 / 2;
    expected.values.push_back(in.values[static_cast<std::size_t>((c * 41 + y) * 75 + x)]);
  }
  const Picture whole = enlarged(folder, "crop.onnx", "from 75x41 to 150x82 pixels in 1 tiles");
  CHECK(whole.width == 150);
  CHECK(largest_difference(whole, expected) == 0);
  CHECK(largest_difference(enlarged(folder, "--tile 40 crop.onnx", "in 4 tiles"), expected) == 0);
  // A mean over 3x3 shows a border of zeros, wherever it were used. Rounding may go the other way.
  const Picture mean = enlarged(folder, "mean.onnx", "in 1 tiles");
  CHECK(largest_difference(enlarged(folder, "--tile 48 mean.onnx", "in 15 tiles"), mean) <=
        1.01 / 255);
  const Picture beside = enlarged(folder, "--beside crop.onnx", "to 150x82 pixels");
  CHECK(beside.width == 2 * 150 + 8);
}

TEST_CASE("network: one built by hand, one from a file, and a wrong one in one line") {
  const TempFolder folder;
  const auto run = [&](const std::string& arguments) {
    return clconv::test::run_program(folder, CLCONV_NETWORK, arguments);
  };
  const Result by_hand = run("");
  REQUIRE_MESSAGE(by_hand.status == 0, by_hand.err);
  // 27 products of 0.5 and 0.01, minus 0.1, but 0 at the border: 900 of 1024 times 0.035.
  CHECK(by_hand.out == "m: 1 8 1 1, 0.0307617 to 0.0307617\n");
  write_file_atomically(folder.path("net.onnx"), OnnxFile()
                                                     .input("in", {-1, 2, 3, 3})
                                                     .constant("w", {2, 2, 1, 1}, {1, 0, 2, 2})
                                                     .node("Conv", "conv", {"in", "w"}, {"out"})
                                                     .output("out", {-1, 2, 3, 3})
                                                     .bytes());
  const Result file = run("net.onnx");
  CHECK_MESSAGE(file.status == 0, file.err);
  CHECK(file.out == "out: 1 2 3 3, 0.5 to 2\n");
  const Result none = run("none.onnx");
  CHECK(none.status == 1);
  CHECK(none.err == "network: none.onnx: no such file\n");
}

TEST_CASE("network: the guide shows the program as it is") {
  std::string program, guide;
  REQUIRE(clconv::core::read_file(CLCONV_SOURCE "/examples/network.cpp", program));
  REQUIRE(clconv::core::read_file(CLCONV_SOURCE "/docs/networks.md", guide));
  const std::size_t begin = program.find("// Nodes have"), end = program.find("\n}  // namespace");
  REQUIRE(begin < end);
  CHECK(guide.find("```cpp\n" + program.substr(begin, end - begin) + "```") != std::string::npos);
}

TEST_CASE("enlarge: what does not enlarge a picture is refused in one line") {
  const TempFolder folder;
  clconv::cli::write_png(folder.path("in.png"), noise(48, 48));
  write_file_atomically(
      folder.path("half.onnx"),
      OnnxFile()
          .input("x", {1, 3, -1, -1})
          .node("MaxPool", "half", {"x"}, {"y"}, {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}})
          .output("y", {1, 3, -1, -1})
          .bytes());
  const auto refused = [&](const std::string& arguments, const std::string& part) {
    const Result result = enlarge(folder, arguments);
    CAPTURE(arguments);
    CHECK(result.status == 1);
    CHECK_MESSAGE(result.err.find(part) != std::string::npos, result.err);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  };
  refused("half.onnx in.png out.png", "the network makes 40 pixels of 80");
  refused("none.onnx in.png out.png", "none.onnx");
  refused("half.onnx none.png out.png", "none.png");
  CHECK(enlarge(folder, "half.onnx in.png").status == 2);
  CHECK(enlarge(folder, "--tile 32 half.onnx in.png out.png").status == 2);
}

namespace {

// A network that finds light squares on dark ground, with MTCNN's inputs and outputs. The score is that of a filter of
// side x side pixels: bright in the middle two thirds, dark around.
struct Finder {
  std::int64_t side, stride;
  bool batches;  // r-net, o-net: flat outputs
  Floats marks;

  OnnxFile file() const {
    OnnxFile net;
    const std::int64_t open = batches ? side : -1;
    net.input("x", {-1, open, open, 3});
    net.node("Transpose", "first", {"x"}, {"planes"}, {{"perm", {0, 3, 1, 2}}});
    const auto pixels = static_cast<std::size_t>(side * side);
    Floats weights(2 * 3 * pixels);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i % pixels);
      const auto inside = [&](std::int64_t place) {
        return place >= side / 6 && place < side * 5 / 6;
      };
      const bool middle = inside(at / side) && inside(at % side);
      // 4/9 of the pixels are in the middle: both parts weigh the same.
      const float weight = (middle ? 1 / 4.0f : -1 / 5.0f) * 9 / static_cast<float>(pixels);
      weights[i] = i < weights.size() / 2 ? -weight : weight;
    }
    add(net, "scores", 2, weights, {4.5f, -4.5f}, "logits");  // 6 and -6 where it fits
    net.node("Softmax", "softmax", {"logits"}, {"probabilities"});
    add(net, "offsets", 4, Floats(4 * 3 * pixels, 0.0f), Floats(4, 0.0f), "moved");
    if (!marks.empty()) add(net, "marks", 10, Floats(10 * 3 * pixels, 0.0f), marks, "marked");
    const auto sizes = [&](std::int64_t count) {
      return batches ? OnnxFile::Sizes{-1, count} : OnnxFile::Sizes{-1, -1, -1, count};
    };
    net.output("moved", sizes(4));
    if (!marks.empty()) net.output("marked", sizes(10));
    net.output("probabilities", sizes(2));
    return net;
  }

 private:
  void add(OnnxFile& net, const std::string& name, std::int64_t count, const Floats& weights,
           const Floats& bias, const std::string& to) const {
    net.constant(name + "_w", {count, 3, side, side}, weights);
    net.constant(name + "_b", {count}, bias);
    net.node("Conv", name, {"planes", name + "_w", name + "_b"}, {name + "_planes"},
             {{"strides", {stride, stride}}});
    if (batches) {
      net.node("Flatten", name + "_flat", {name + "_planes"}, {to});
    } else {
      net.node("Transpose", name + "_last", {name + "_planes"}, {to}, {{"perm", {0, 2, 3, 1}}});
    }
  }
};

Result faces(const TempFolder& folder, const std::string& arguments) {
  return clconv::test::run_program(folder, CLCONV_FACES, arguments);
}

struct Found {
  double score = 0;
  int left = 0, top = 0, right = 0, bottom = 0, eye_x = 0, eye_y = 0, mouth_x = 0, mouth_y = 0;
};

// Of the only face.
Found found_in(const std::string& out) {
  const std::size_t at = out.find("face: ");
  REQUIRE_MESSAGE(at != std::string::npos, out);
  CHECK(out.find("face: ", at + 1) == std::string::npos);
  Found found;
  int unused = 0;
  REQUIRE(std::sscanf(out.c_str() + at,
                      "face: score %lf, from %d,%d to %d,%d, eyes %d,%d and %d,%d, nose %d,%d, "
                      "mouth %d,%d to %d,%d",
                      &found.score, &found.left, &found.top, &found.right, &found.bottom,
                      &found.eye_x, &found.eye_y, &unused, &unused, &unused, &unused, &unused,
                      &unused, &found.mouth_x, &found.mouth_y) == 15);
  return found;
}

}  // namespace

TEST_CASE("faces: three networks find a light square, where it is, and mark it") {
  const TempFolder folder;
  // Where a cell of p-net has the filter's middle, in the second size of the picture.
  Picture in;
  in.width = 200, in.height = 120, in.channels = 3;
  in.values.assign(3 * 200 * 120, 0.0f);
  for (std::int64_t i = 0; i < 3 * 200 * 120; ++i) {
    const std::int64_t x = i % 200, y = i / 200 % 120;
    if (x >= 122 && x < 160 && y >= 38 && y < 75) in.values[static_cast<std::size_t>(i)] = 1;
  }
  clconv::cli::write_png(folder.path("in.png"), in);
  const Floats marks = {0.25f, 0.75f, 0.5f, 0.25f, 0.75f, 0.375f, 0.375f, 0.5f, 0.875f, 0.875f};
  write_file_atomically(folder.path("pnet.onnx"), Finder{12, 2, false, {}}.file().bytes());
  write_file_atomically(folder.path("rnet.onnx"), Finder{24, 1, true, {}}.file().bytes());
  write_file_atomically(folder.path("onet.onnx"), Finder{48, 1, true, marks}.file().bytes());
  const Result result = faces(folder, ". in.png out.png");
  REQUIRE_MESSAGE(result.status == 0, result.err);
  const Found found = found_in(result.out);
  // The next cell is 9 pixels further.
  CHECK(std::abs((found.left + found.right) / 2 - 141) <= 2);
  CHECK(std::abs((found.top + found.bottom) / 2 - 56) <= 2);
  CHECK(std::abs(found.right - found.left - 56) <= 2);
  CHECK(found.score > 0.9);
  const int side = found.right - found.left;
  CHECK(std::abs(found.eye_x - found.left - side / 4) <= 1);
  CHECK(std::abs(found.eye_y - found.top - side * 3 / 8) <= 1);
  CHECK(std::abs(found.mouth_x - found.left - side * 3 / 4) <= 1);
  CHECK(std::abs(found.mouth_y - found.top - side * 7 / 8) <= 1);
  // The box is drawn, and what lies outside stays.
  const Picture out = read_picture(folder.path("out.png"));
  REQUIRE(out.values.size() == in.values.size());
  const auto red = [&](int x, int y) { return out.values[static_cast<std::size_t>(y * 200 + x)]; };
  CHECK(red(found.left, found.top + side / 2) == 1.0f);
  CHECK(red(found.left + side / 2, found.top) == 1.0f);
  CHECK(red(found.left - 3, found.top + side / 2) == 0.0f);

  clconv::cli::write_png(folder.path("dark.png"), Picture{200, 120, 1, Floats(200 * 120, 0.1f), 1});
  const Result none = faces(folder, "--beside . dark.png out.png");
  CHECK(none.status == 0);
  CHECK(none.out.find("no face found") != std::string::npos);
  CHECK(read_picture(folder.path("out.png")).width == 408);
  CHECK(faces(folder, ". in.png").status == 2);
  CHECK(faces(folder, "none in.png out.png").status == 1);
}

TEST_CASE("faces: MTCNN finds the face of the photograph") {
  std::string models = clconv::core::environment("CLCONV_MODELS");
  if (models.empty()) {
    MESSAGE("skipped: CLCONV_MODELS names no folder with pnet.onnx, rnet.onnx, onet.onnx");
    return;
  }
  const TempFolder folder;
  const Result result =
      faces(folder, std::filesystem::absolute(models).string() +
                        " " CLCONV_SOURCE "/examples/images/grace_hopper.jpg out.png");
  REQUIRE_MESSAGE(result.status == 0, result.err);
  // The same steps with onnxruntime give 0.9997, 179,98 to 363,335; rounding may prefer a box beside it.
  const Found found = found_in(result.out);
  CHECK(found.score > 0.98);
  CHECK(std::abs(found.left - 179) <= 20);
  CHECK(std::abs(found.top - 98) <= 20);
  CHECK(std::abs(found.right - 363) <= 30);
  CHECK(std::abs(found.bottom - 335) <= 20);
  CHECK(std::abs(found.eye_x - 224) <= 10);
  CHECK(std::abs(found.eye_y - 195) <= 10);
}
