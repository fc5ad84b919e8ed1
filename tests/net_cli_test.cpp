// `clconv net`, as a user runs it: on networks that the test writes itself, with every kind of wrong input.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "clconv/net.hpp"
#include "cli/image.hpp"
#include "cli/npy.hpp"
#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/onnx_file.hpp"
#include "support/program.hpp"
#include "support/reference.hpp"
#include "support/temp.hpp"

using clconv::cli::Array;
using clconv::cli::Picture;
using clconv::cli::read_npy;
using clconv::core::read_file;
using clconv::core::write_file_atomically;
using clconv::test::OnnxFile;
using clconv::test::TempFolder;
using Json = nlohmann::json;
using Result = clconv::test::ProgramResult;

namespace {

constexpr std::size_t kChannels = 3, kFilters = 4;

Result run(const TempFolder& folder, const std::string& arguments,
           const std::string& environment = "") {
  return clconv::test::run_program(folder, CLCONV_PROGRAM, "net " + arguments, environment);
}

// Exit status 2 and one line that has this in it.
void check_refused(const TempFolder& folder, const std::string& arguments, const std::string& part,
                   int status = 2) {
  CAPTURE(arguments);
  const Result result = run(folder, arguments);
  CAPTURE(result.err);
  CHECK(result.status == status);
  CHECK(result.out.empty());
  CHECK(result.err.find("clconv: ") == 0);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK(result.err.find(part) != std::string::npos);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What the networks below hold: a 3x3 filter of 3 to 4 channels with bias.
struct Filters {
  std::vector<float> w = clconv::test::random_floats(kFilters * kChannels * 9, 5);
  std::vector<float> b = clconv::test::random_floats(kFilters, 6);
};

// A folder with net.onnx: x (?,3,?,?), Conv 3x3 with bias, Relu, y; and an output of the pixels' mean, (n,4,1,1).
struct Small {
  TempFolder folder;
  Filters filters;

  Small() {
    OnnxFile file;
    file.input("x", {-1, 3, -1, -1})
        .constant("w", {4, 3, 3, 3}, filters.w)
        .constant("b", {4}, filters.b)
        .node("Conv", "a/rather/long/name/of/the/first/convolution", {"x", "w", "b"}, {"c"},
              {{"pads", {1, 1, 1, 1}}})
        .node("Relu", "relu", {"c"}, {"y"})
        .node("GlobalAveragePool", "mean", {"y"}, {"m/1"})
        .output("y", {-1, 4, -1, -1})
        .output("m/1", {-1, 4, 1, 1});
    write_file_atomically(folder.path("net.onnx"), file.bytes());
  }

  std::vector<double> expected(const Array& x) const {
    const std::int64_t n = x.shape[0], h = x.shape[2], w = x.shape[3];
    std::vector<double> y;
    for (std::int64_t image = 0; image < n; ++image) {
      for (std::size_t k = 0; k < kFilters; ++k) {
        for (std::int64_t i = 0; i < h * w; ++i)
          y.push_back(std::max(0.0, pixel(x, image, k, i / w, i % w)));
      }
    }
    return y;
  }

 private:
  double pixel(const Array& x, std::int64_t image, std::size_t k, std::int64_t row,
               std::int64_t column) const {
    const std::int64_t h = x.shape[2], w = x.shape[3];
    double sum = static_cast<double>(filters.b[k]);
    for (std::int64_t tap = 0; tap < static_cast<std::int64_t>(kChannels) * 9; ++tap) {
      const std::int64_t c = tap / 9, i = row + tap % 9 / 3 - 1, j = column + tap % 3 - 1;
      if (i < 0 || j < 0 || i >= h || j >= w) continue;
      const auto at = static_cast<std::size_t>(((image * 3 + c) * h + i) * w + j);
      sum += static_cast<double>(x.values[at]) *
             static_cast<double>(filters.w[k * 27 + static_cast<std::size_t>(tap)]);
    }
    return sum;
  }
};

Array array_of(const std::vector<std::int64_t>& shape, std::uint32_t seed) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape)
    count *= size;
  return {shape, clconv::test::random_floats(count, seed), CLCONV_FLOAT32};
}

void check_values(const Array& array, const std::vector<double>& expected, double most) {
  REQUIRE(array.values.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(array.values[i]) - expected[i]));
  CHECK(worst <= most);
}

// Pictures: 3 channels in, the same 3 out (a 1x1 filter that is the identity).
std::string picture_model(const std::vector<std::int64_t>& sizes) {
  OnnxFile file;
  file.input("in", sizes)
      .constant("w", {3, 3, 1, 1}, {1, 0, 0, 0, 1, 0, 0, 0, 1})
      .node("Conv", "copy", {"in", "w"}, {"out"})
      .output("out", {-1, 3, -1, -1});
  return file.bytes();
}

Picture colours(std::int64_t width, std::int64_t height) {
  Picture picture;
  picture.width = width, picture.height = height, picture.channels = 3;
  for (std::int64_t i = 0; i < width * height * 3; ++i)
    picture.values.push_back(static_cast<float>(i * 41 % 256) / 255.0f);
  return picture;
}

}  // namespace

TEST_CASE("net: a table that fits 120 columns, totals, and random inputs that are named so") {
  const Small small;
  const Result result = run(small.folder, "net.onnx --input x=1,3,16,12 --runs 2");
  CAPTURE(result.err);
  CAPTURE(result.out);
  REQUIRE(result.status == 0);
  CHECK(result.err.empty());
  for (const char* part : {"input     x 1x3x16x12 float32: random numbers in [0,1), seed 1", "Conv",
                           "GlobalAv", "measured", "share", "total     ", "memory    ",
                           "made      ", "1x4x16x12", "m/1 1x4x1x1"}) {
    CAPTURE(std::string(part));
    CHECK(has(result.out, part));
  }
  std::size_t from = 0;
  for (std::size_t end; (end = result.out.find('\n', from)) != std::string::npos; from = end + 1) {
    const std::string line = result.out.substr(from, end - from);
    const bool prose = line.find("  ") == std::string::npos || line.find("time ") == 0;
    CAPTURE(line);
    CHECK((prose || line.size() <= 120));
  }
  const Result again = run(small.folder, "net.onnx --input x=1,3,16,12 --runs 0");
  CHECK(again.status == 0);
  CHECK_FALSE(has(again.out, " measured"));
  // The same numbers as before: their range is printed.
  const auto range = [](const std::string& text) {
    const std::size_t at = text.find("output    y");
    return text.substr(at, text.find('\n', at) - at);
  };
  CHECK(range(again.out) == range(result.out));
}

TEST_CASE("net: every output as .npy, from an input of .npy, and by the batch's size") {
  const Small small;
  const Array x = array_of({2, 3, 9, 7}, 3);
  clconv::cli::write_npy(small.folder.path("x.npy"), x);
  const Result result =
      run(small.folder, "net.onnx --input x=x.npy --batch 2 --runs 1 --out results");
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  CHECK(has(result.out, "wrote     results/y.npy (2,4,9,7) float32"));
  CHECK(has(result.out, "wrote     results/m_1.npy (2,4,1,1) float32"));
  CHECK(has(result.out, "input     x 2x3x9x7 float32: x.npy"));
  const auto expected = small.expected(x);
  check_values(read_npy(small.folder.path("results/y.npy"), "(n,c,h,w)"), expected, 2e-5);
  std::vector<double> means;
  for (std::size_t i = 0; i < expected.size(); i += 63) {
    double sum = 0;
    for (std::size_t j = 0; j < 63; ++j)
      sum += expected[i + j];
    means.push_back(sum / 63);
  }
  check_values(read_npy(small.folder.path("results/m_1.npy"), "(n,c,h,w)"), means, 2e-5);
  const Result half =
      run(small.folder, "net.onnx --input x=x.npy --dtype f16 --runs 1 --out results");
  CAPTURE(half.err);
  REQUIRE(half.status == 0);
  CHECK(has(half.out, "storage f16"));
  check_values(read_npy(small.folder.path("results/y.npy"), "(n,c,h,w)"), expected, 2e-2);
  const Result brain =
      run(small.folder, "net.onnx --input x=x.npy --dtype bf16 --runs 1 --out results");
  CAPTURE(brain.err);
  REQUIRE(brain.status == 0);
  CHECK(has(brain.out, "storage bf16"));
  check_values(read_npy(small.folder.path("results/y.npy"), "(n,c,h,w)"), expected, 1e-1);
}

TEST_CASE("net: --json is one document with layers, totals, memory and times") {
  const Small small;
  const Result result =
      run(small.folder, "net.onnx --input x=1,3,16,12 --json --runs 2 --check --deterministic");
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  const Json report = Json::parse(result.out);
  CHECK(report.at("model") == "net.onnx");
  CHECK(report.at("ok") == true);
  CHECK(report.at("totals").at("measured_us").get<double>() > 0);
  CHECK(report.at("totals").at("predicted_us").get<double>() > 0);
  CHECK(report.at("totals").at("flops").get<double>() >= 2.0 * 4 * 16 * 12 * 27);
  CHECK(report.at("memory").at("arena_bytes").get<std::int64_t>() >=
        report.at("memory").at("alive_bytes").get<std::int64_t>());
  CHECK(report.at("first_output_us").get<double>() > 0);
  bool convolution = false;
  for (const Json& layer : report.at("layers")) {
    for (const Json& step : layer.at("steps")) {
      if (step.at("kind") != "convolution") continue;
      convolution = true;
      CHECK(step.at("problem") == "n1c3h16w12k4kh3kw3p1");
      CHECK(step.at("error").get<double>() <= step.at("error_bound").get<double>());
    }
  }
  CHECK(convolution);
  const Json& input = report.at("inputs").at(0);
  CHECK(input.at("source") == "random numbers in [0,1), seed 1");
}

TEST_CASE("net: --check and --passes say what they found") {
  const Small small;
  const Result result = run(small.folder, "net.onnx --input x=1,3,16,12 --runs 1 --check --passes");
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  CHECK(has(result.out, "check     1 convolution beside strategy naive: all within their bounds"));
  const Json passes = Json::parse(clconv::net_supported()).at("passes");
  for (const Json& pass : passes)
    CHECK(has(result.out, "\n" + pass.at("pass").get<std::string>() + ": "));
  if (!passes.empty()) {
    const auto name = passes.front().at("pass").get<std::string>();
    const Result skipped =
        run(small.folder, "net.onnx --input x=1,3,16,12 --runs 0 --passes --skip-pass " + name);
    CAPTURE(skipped.err);
    CHECK(skipped.status == 0);
    CHECK_FALSE(has(skipped.out, "\n" + name + ": "));
  }
  check_refused(small.folder, "net.onnx --input x=1,3,16,12 --skip-pass nosuch", "nosuch");
}

TEST_CASE("net: progress while it compiles, on a terminal and nowhere else") {
  const Small small;
  const std::string arguments = " net net.onnx --input x=1,3,16,12 --runs 0";
  // script(1) gives the program a terminal.
  const Result seen = clconv::test::run_program(
      small.folder, "script", "-qec '" CLCONV_PROGRAM + arguments + "' log", "TERM=xterm");
  CAPTURE(seen.out);
  REQUIRE(seen.status == 0);
  CHECK(has(seen.out, "] 0/2 planning, building a/rather/long/"));
  CHECK(has(seen.out, "] 1/2 planning, building mean"));
  CHECK(has(seen.out, "first run"));
  const Result quiet = run(small.folder, "net.onnx --input x=1,3,16,12 --runs 0");
  CHECK(quiet.status == 0);
  CHECK(quiet.err.empty());
  CHECK_FALSE(has(quiet.out, "0/2 planning"));
}

TEST_CASE("net: a compiler that fails gives exit status 1, and its log where it is asked for") {
  const Small small;
  const auto devices = clconv::test::run_program(small.folder, CLCONV_PROGRAM, "devices");
  if (!has(devices.out, "Portable Computing Language")) return;
  const std::string broken = "CLCONV_WISDOM=off POCL_EXTRA_BUILD_FLAGS=-Dkernel=nosuch";
  const Result result = run(small.folder, "net.onnx --input x=1,3,9,9 --runs 0", broken);
  CAPTURE(result.err);
  CHECK(result.status == 1);
  CHECK(has(result.err, "clconv: no strategy can run n1c3h9w9k4kh3kw3p1: "));
  CHECK(has(result.err, "building kernels/"));
  const Result verbose =
      run(small.folder, "net.onnx --input x=1,3,9,9 --runs 0", broken + " CLCONV_VERBOSE=1");
  CHECK(has(verbose.err, "unknown type name 'nosuch'"));
}

TEST_CASE("net: names of any length, and very many, give one short line") {
  const TempFolder folder;
  const std::string word(20000, 'n');
  std::string words;
  for (int i = 0; i < 3000; ++i)
    words += "name ";
  for (const std::string& name : {word, words, std::string(9000, '\n')}) {
    const auto refused = [&](const OnnxFile& file, const std::string& arguments,
                             const std::string& part) {
      write_file_atomically(folder.path("long.onnx"), file.bytes());
      const Result result = run(folder, "long.onnx " + arguments);
      CAPTURE(result.err);
      CHECK(result.status == 2);
      CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
      CHECK(result.err.size() < 340);  // "clconv: long.onnx: " and 300
      CHECK(has(result.err, part));
    };
    const std::vector<std::int64_t> sizes = {1, 3, 4, 4};
    OnnxFile op, missing, attribute, open, many, shape;
    op.input("x", sizes).node(name, name, {"x"}, {"y"}).output("y", sizes);
    refused(op, "", "opset 13): this operator is not supported");
    missing.input("x", sizes).node("Relu", name, {name}, {"y"}).output("y", sizes);
    refused(missing, "", "which is no input, no initializer and no output of a node");
    attribute.input("x", sizes).node("Relu", name, {"x"}, {"y"}, {{name, {1}}}).output("y", sizes);
    refused(attribute, "", "(Relu, opset 13): attribute '");
    open.input(name, {-1, 3, -1, 4}).node("Relu", "r", {name}, {"y"}).output("y", sizes);
    refused(open, "", "=1,3,H,4");
    shape.input(name, {1, 3})
        .input("b", {1, 4})
        .node("Add", name, {name, "b"}, {"y"})
        .output("y", {1, 3});
    refused(shape, "", "do not broadcast");
    for (int i = 0; i < 300; ++i)
      many.input(name + std::to_string(i), sizes);
    many.node("Relu", "r", {name + "7"}, {"y"}).output("y", sizes);
    refused(many, "--input nosuch=1,3,4,4", " and 297 more");
  }
}

TEST_CASE("net: --html writes the report as a page") {
  const Small small;
  const Result result = run(small.folder, "net.onnx --input x=1,3,16,12 --runs 1 --html page.html");
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  CHECK(has(result.out, "wrote     page.html\n"));
  std::string html;
  REQUIRE(read_file(small.folder.path("page.html"), html));
  const std::size_t at = html.find("id=\"data\">");
  REQUIRE(at != std::string::npos);
  const Json data = Json::parse(html.substr(at + 10, html.find("</script>", at) - at - 10));
  CHECK(data.at("title") == "net.onnx");
  CHECK(data.at("report").at("layers").size() >= 2);
  CHECK(data.at("profile").contains("peak_gflops"));
  CHECK(data.at("candidates").at("forward n1c3h16w12k4kh3kw3p1").size() > 1);
}

#ifdef CLCONV_HAS_PNG
TEST_CASE("net: a picture in, a picture out, and its size is that of the input") {
  const TempFolder folder;
  write_file_atomically(folder.path("net.onnx"), picture_model({1, 3, -1, -1}));
  const Picture picture = colours(13, 9);
  clconv::cli::write_png(folder.path("a.png"), picture);
  for (const char* how : {"--image a.png", "--input in=a.png"}) {
    const Result result = run(folder, std::string("net.onnx --runs 0 --out b.png ") + how);
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    CHECK(has(result.out, "in 1x3x9x13 float32: a.png"));
    CHECK(has(result.out, "wrote     b.png (1,3,9,13), output out, 0..1 as 0..255"));
    CHECK(clconv::cli::read_picture(folder.path("b.png")).values == picture.values);
  }
  const Result scaled = run(
      folder, "net.onnx --runs 0 --image a.png --mean 0.5,0.25,0 --std 0.5,1,2 --scale 4 --out o");
  CAPTURE(scaled.err);
  REQUIRE(scaled.status == 0);
  std::vector<double> expected;
  const double mean[] = {0.5, 0.25, 0}, deviation[] = {0.5, 1, 2};
  for (std::size_t i = 0; i < picture.values.size(); ++i) {
    const double value = static_cast<double>(picture.values[i]);
    expected.push_back((value - mean[i / 117]) / deviation[i / 117] * 4);
  }
  check_values(read_npy(folder.path("o/out.npy"), "(n,c,h,w)"), expected, 1e-5);
}

TEST_CASE("net: a picture is resized where the sizes are fixed, by the model or by --input") {
  const TempFolder folder;
  write_file_atomically(folder.path("net.onnx"), picture_model({1, 3, 8, 4}));
  write_file_atomically(folder.path("open.onnx"), picture_model({-1, 3, -1, -1}));
  const Picture picture = colours(13, 9);
  clconv::cli::write_png(folder.path("a.png"), picture);
  const Picture expected = clconv::cli::resized(picture, 4, 8);
  for (const char* how : {"net.onnx", "open.onnx --input in=1,3,8,4"}) {
    const Result result = run(folder, std::string(how) + " --image a.png --runs 0 --out y.npy");
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    CHECK(has(result.out, "note      a.png: resized from 13x9 to 4x8 pixels (bilinear)"));
    check_values(read_npy(folder.path("y.npy"), "(n,c,h,w)"),
                 {expected.values.begin(), expected.values.end()}, 1e-6);
  }
  const Result batch = run(folder, "open.onnx --batch 2 --image a.png --runs 0 --out y.npy");
  CAPTURE(batch.err);
  REQUIRE(batch.status == 0);
  CHECK(has(batch.out, "note      a.png: fills all 2 images of the batch"));
  std::vector<double> twice(picture.values.begin(), picture.values.end());
  twice.insert(twice.end(), picture.values.begin(), picture.values.end());
  check_values(read_npy(folder.path("y.npy"), "(n,c,h,w)"), twice, 1e-6);
}

TEST_CASE("net: channels last, and what takes no picture") {
  const TempFolder folder;
  OnnxFile last;
  last.input("in", {1, -1, -1, 3})
      .node("Transpose", "to", {"in"}, {"t"}, {{"perm", {0, 3, 1, 2}}})
      .constant("w", {3, 3, 1, 1}, {1, 0, 0, 0, 1, 0, 0, 0, 1})
      .node("Conv", "copy", {"t", "w"}, {"c"})
      .node("Transpose", "back", {"c"}, {"out"}, {{"perm", {0, 2, 3, 1}}})
      .output("out", {1, -1, -1, 3});
  write_file_atomically(folder.path("last.onnx"), last.bytes());
  const Picture picture = colours(6, 5);
  clconv::cli::write_png(folder.path("a.png"), picture);
  const Result result = run(folder, "last.onnx --image a.png --runs 0 --out b.png");
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  CHECK(has(result.out, "in 1x5x6x3 float32: a.png"));
  CHECK(clconv::cli::read_picture(folder.path("b.png")).values == picture.values);

  OnnxFile none;
  none.input("in", {1, 12, 4, 4})
      .node("Relu", "relu", {"in"}, {"out"})
      .output("out", {1, 12, 4, 4});
  write_file_atomically(folder.path("none.onnx"), none.bytes());
  check_refused(folder, "none.onnx --image a.png", "--image: no input takes a picture");
  check_refused(folder, "none.onnx --input in=a.png", "takes no picture");
  check_refused(folder, "none.onnx --out b.png", "no output is a picture");
  check_refused(folder, "last.onnx --image a.png --mean 1,2",
                "--mean '1,2': expected 1 or 3 numbers");
  check_refused(folder, "last.onnx --image a.png --std 0", "--std '0'");
  check_refused(folder, "last.onnx --image a.png --mean x", "--mean 'x'");
  check_refused(folder, "last.onnx --input 1,8,8,3 --nhwc", "--nhwc have no part in it");
  check_refused(folder, "last.onnx --image a.gif", "a.gif: expected a .png, .jpg or .jpeg file");
  check_refused(folder, "last.onnx --image nosuch.png", "cannot read nosuch.png", 1);
  check_refused(folder, "last.onnx --image a.png --out a.png", "would replace the input a.png");
  write_file_atomically(folder.path("bad.png"), "no picture");
  check_refused(folder, "last.onnx --image bad.png", "bad.png: is neither a PNG nor a JPEG");
}
#endif

TEST_CASE("net: --supported lists operators and passes without a model") {
  const TempFolder folder;
  const Result result = run(folder, "--supported");
  CHECK(result.status == 0);
  CHECK(has(result.out, "Conv 7"));
  CHECK(has(result.out, "passes, in their order"));
  const Json list = Json::parse(run(folder, "--supported --json").out);
  CHECK(list.at("importer") == true);
  CHECK(list.at("operators").size() > 40);
}

TEST_CASE("net: wrong words, files and shapes are one line each") {
  const Small small;
  const TempFolder& folder = small.folder;
  clconv::cli::write_npy(folder.path("x.npy"), array_of({2, 3, 9, 7}, 3));
  clconv::cli::write_npy(folder.path("flat.npy"), array_of({6}, 3));
  write_file_atomically(folder.path("text.onnx"), "this is no model\n");
  write_file_atomically(folder.path("empty.onnx"), "");
  std::string whole;
  REQUIRE(read_file(folder.path("net.onnx"), whole));
  write_file_atomically(folder.path("half.onnx"), whole.substr(0, whole.size() / 2));
  OnnxFile odd;
  odd.input("x", {1, 3}).node("NoSuchOperator", "odd", {"x"}, {"y"}).output("y", {1, 3});
  write_file_atomically(folder.path("odd.onnx"), odd.bytes());

  CHECK(run(folder, "--input 1,3,8,8 net.onnx --runs 0").status == 0);
  check_refused(folder, "", "name a MODEL.onnx, or --supported");
  check_refused(folder, "nosuch.onnx", "nosuch.onnx", 1);
  for (const char* file : {"text.onnx", "empty.onnx", "half.onnx"})
    check_refused(folder, file, file);
  check_refused(folder, "odd.onnx", "NoSuchOperator");
  check_refused(
      folder, "net.onnx",
      "input 'x' is ?x3x?x?: the model leaves sizes open, give them by --input x=1,3,H,W");
  check_refused(folder, "net.onnx --batch 4", "by --input x=4,3,H,W");
  const std::string net = "net.onnx --input ";
  check_refused(folder, net + "y=1,3,8,8", "--input 'y=1,3,8,8': expected NAME=SHAPE or NAME=FILE");
  check_refused(folder, net + "x=1,3,8", "has 3 sizes (1x3x8), input 'x' takes 4 (?x3x?x?)");
  check_refused(folder, net + "x=1,3,-8,8", "sizes must not be negative");
  check_refused(folder, net + "x=1,,8,8", "--input '1,,8,8'");
  check_refused(folder, net + "x=1,5,8,8", "Conv");
  check_refused(folder, net + "x=nosuch.npy", "cannot read nosuch.npy", 1);
  check_refused(folder, net + "x=text.onnx", "text.onnx: is not a .npy file");
  check_refused(folder, net + "x=flat.npy", "flat.npy has 1 size (6), input 'x' takes 4");
  check_refused(folder, net + "x=x.npy --batch 3", "x.npy: has shape (2,3,9,7), --batch is 3");
  check_refused(folder, net + "x=x.npy --input x=1,3,9,7",
                "x.npy: has shape (2,3,9,7), --input says");
  check_refused(folder, net + "x=x.npy --input x=x.npy", "given twice");
  check_refused(folder, net + "1,3,8,8 --batch -1", "--batch: is '-1'");
  check_refused(folder, net + "1,3,8,8 --batch 0",
                "--batch: is '0', expected a whole number of at least 1");
  check_refused(folder, net + "1,3,8,8 --runs -1",
                "--runs: is '-1', expected a whole number of at least 0");
  check_refused(folder, net + "1,3,8,8 --scale inf", "--scale: is 'inf', expected a number (");
  check_refused(folder, net + "1,3,8,8 --time-limit 0",
                "--time-limit: is '0', expected a number above 0 (");
  check_refused(folder, net + "1,3,8,8 --dtype f64", "--dtype 'f64': expected f32, f16 or bf16");
  check_refused(folder, net + "1,3,8,8 --rigor slow", "--rigor 'slow'");
  check_refused(folder, net + "1,3,8,8 --workspace-limit 5T", "--workspace-limit '5T'");
  check_refused(folder, net + "1,3,8,8 --out y.npy", "there are 2 outputs, expected a folder");
  check_refused(folder, net + "x=x.npy --out y.png", "no output is a picture");
  check_refused(folder, net + "x=x.npy --html x.npy", "would replace the input x.npy");
  check_refused(folder, net + "1,3,8,8 --html net.onnx", "would replace the input net.onnx");
  check_refused(folder, net + "1,3,8,8 --html nosuch/page.html --runs 0", "nosuch", 1);
  check_refused(folder, net + "1,3,8,8 --device nosuch", "nosuch", 1);
  check_refused(folder, net + "1,3,8,8 --rigor wisdom-only", "", 3);
}
