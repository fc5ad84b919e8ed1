// The built `clconv` program, as a user runs it: results, and every kind of wrong input.
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "strategies/strategy.hpp"
#include "support/program.hpp"
#include "support/reference.hpp"
#include "support/temp.hpp"

using clconv::core::Direction;
using clconv::core::parse_problem;
using clconv::core::Problem;
using clconv::core::read_file;
using clconv::core::write_file_atomically;
using clconv::test::random_floats;
using clconv::test::TempFolder;
using clconv::test::Tensor;
using clconv::test::Tensors;
using Json = nlohmann::json;
using Result = clconv::test::ProgramResult;

namespace {

// Runs `clconv ARGUMENTS` in the folder.
Result run(const TempFolder& folder, const std::string& arguments,
           const std::string& environment = "") {
  return clconv::test::run_program(folder, CLCONV_PROGRAM, arguments, environment);
}

// The command must fail with `status` and exactly one line on standard error, this one.
void check_fails(const TempFolder& folder, const std::string& arguments, int status,
                 const std::string& line, const std::string& environment = "") {
  CAPTURE(arguments);
  const Result result = run(folder, arguments, environment);
  CHECK(result.status == status);
  CHECK(result.err == "clconv: " + line + "\n");
}
void check_fails_with(const TempFolder& folder, const std::string& arguments, int status,
                      const std::string& part, const std::string& environment = "") {
  CAPTURE(arguments);
  const Result result = run(folder, arguments, environment);
  CAPTURE(result.err);
  CHECK(result.status == status);
  CHECK(result.err.find("clconv: ") == 0);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK(result.err.find(part) != std::string::npos);
}

std::string npy(const std::string& shape, const std::vector<float>& values,
                const std::string& type = "<f4", const std::string& fortran = "False") {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string file = "\x93NUMPY";
  file += '\x01';
  file += '\0';
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  const auto bytes = clconv::core::to_storage(
      values, type == "<f2" ? clconv::core::DataType::kFloat16 : clconv::core::DataType::kFloat32);
  file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return file;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape)
    text += std::to_string(size) + ", ";
  return text + ")";
}

std::string strategy_names() {
  std::string names;
  for (const auto* strategy : clconv::core::strategies())
    names += (names.empty() ? "" : ", ") + std::string(strategy->name);
  return names;
}

std::vector<float> npy_values(const std::string& path) {
  std::string file;
  REQUIRE(read_file(path, file));
  const auto length = static_cast<std::size_t>(static_cast<unsigned char>(file[8]) +
                                               256 * static_cast<unsigned char>(file[9]));
  const auto data = file.begin() + static_cast<std::ptrdiff_t>(10 + length);
  return clconv::core::from_storage(std::vector<unsigned char>(data, file.end()),
                                    file.find("'<f2'") < length ? clconv::core::DataType::kFloat16
                                                                : clconv::core::DataType::kFloat32);
}

// A folder with x (2,6,9,8), w (4,3,3,3) for 2 groups, b (4).
struct Inputs {
  TempFolder folder;
  Problem problem = parse_problem("n2c6h9w8k4kh3kw3s2,1p1,0,2,1d1,2g2");
  std::vector<float> x = random_floats(problem.x_bytes() / 4, 1);
  std::vector<float> w = random_floats(problem.w_bytes() / 4, 2);
  std::vector<float> b = random_floats(4, 3);
  std::string geometry = " --stride 2,1 --pad 1,0,2,1 --dilation 1,2 --groups 2";

  Inputs() {
    put("x.npy", npy("(2, 6, 9, 8)", x));
    put("w.npy", npy("(4, 3, 3, 3)", w));
    put("b.npy", npy("(4,)", b));
  }
  void put(const std::string& name, const std::string& content) const {
    write_file_atomically(folder.path(name), content);
  }
};

const char* const kRun = "run --x x.npy --w w.npy --out y.npy";
const char* const kSmall = "n1c4h10w9k8kh3kw3p1";

}  // namespace

TEST_CASE("run: stride, asymmetric padding, dilation, groups, bias and ReLU, by every strategy") {
  const Inputs in;
  Problem p = in.problem;
  p.bias = true;
  p.activation = clconv::core::Activation::kRelu;
  clconv::test::Tensors tensors(p);
  tensors[clconv::test::Tensor::kX] = in.x;
  tensors[clconv::test::Tensor::kW] = in.w;
  tensors[clconv::test::Tensor::kB] = in.b;
  const auto expected = reference(p, tensors);
  for (const char* strategy :
       {"", " --strategy naive", " --strategy im2col_gemm", " --strategy implicit_gemm"}) {
    const Result result =
        run(in.folder, std::string(kRun) + " --b b.npy --relu" + in.geometry + strategy);
    CHECK(result.status == 0);
    CHECK(result.err.empty());
    CHECK(result.out.find("wrote     y.npy (2,4,") != std::string::npos);
    const auto y = npy_values(in.folder.path("y.npy"));
    REQUIRE(y.size() == expected.result.size());
    double worst = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      worst = std::max(worst, std::fabs(static_cast<double>(y[i]) - expected.result[i]));
    CHECK(worst < 1e-5);
  }
}

namespace {

// Runs the problem's direction on files with every strategy named, and compares with the reference.
// `options`: what the direction takes besides its operands.
void check_direction(const Problem& p, const std::string& options,
                     const std::vector<std::string>& strategies) {
  const std::string direction = clconv::core::to_string(p.direction);
  const bool transposed = p.direction == Direction::kTransposed;
  CAPTURE(direction);
  CAPTURE(p.mask);
  const TempFolder folder;
  const Tensors tensors(p);
  const auto tensor_shape = [&](std::int64_t c, std::int64_t h, std::int64_t w) {
    return p.layout == clconv::core::TensorLayout::kNhwc ? std::vector<std::int64_t>{p.n, h, w, c}
                                                         : std::vector<std::int64_t>{p.n, c, h, w};
  };
  const std::vector<std::int64_t> x = tensor_shape(p.c, p.h, p.w),
                                  y = tensor_shape(p.k, p.oh(), p.ow()),
                                  w = p.weights_layout == clconv::core::WeightsLayout::kKrsc
                                          ? std::vector<std::int64_t>{p.k, p.kh, p.kw, p.c / p.g}
                                          : std::vector<std::int64_t>{p.k, p.c / p.g, p.kh, p.kw},
                                  b = {transposed ? p.c : p.k};
  const std::vector<std::int64_t> shapes[] = {x, w, b, y, x, w, b, y, transposed ? x : y,
                                              b};  // by Tensor
  const bool half = p.data_type == clconv::core::DataType::kFloat16;
  std::string command = "run --out out.npy --direction " + direction + options;
  for (const Tensor tensor : inputs_of(p)) {
    const std::string name = name_of(p, tensor);
    const auto at = static_cast<std::size_t>(tensor);
    write_file_atomically(folder.path(name + ".npy"),
                          npy(shape_text(shapes[at]), tensors[tensor], half ? "<f2" : "<f4"));
    command += " --" + name + " " + name + ".npy";
  }
  const auto expected = reference(p, tensors);
  for (const std::string& strategy : strategies) {
    const Result result =
        run(folder, command + (strategy.empty() ? "" : " --strategy " + strategy));
    CAPTURE(strategy);
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    if (!strategy.empty()) CHECK(result.out.find("strategy  " + strategy) != std::string::npos);
    std::string file;
    REQUIRE(read_file(folder.path("out.npy"), file));
    const auto& shape = shapes[static_cast<std::size_t>(result_of(p))];
    CHECK(file.find("'shape': " + shape_text(shape)) != std::string::npos);
    const auto values = npy_values(folder.path("out.npy"));
    REQUIRE(values.size() == expected.result.size());
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double error = std::fabs(static_cast<double>(values[i]) - expected.result[i]);
      worst = std::max(worst, error / (1 + expected.magnitude[i]));
    }
    CHECK(worst < (half ? 1e-3 : 1e-5));
    CHECK(result.out.find(half ? " float16\n" : " float32\n") != std::string::npos);
  }
}

const std::vector<std::string> kGeneral = {"", "naive", "im2col_gemm", "implicit_gemm"};

}  // namespace

TEST_CASE("run: residual, activations, float16 files and channels last") {
  Problem p = parse_problem("n2c6h9w8k4kh3kw3s2,1p1,0,2,1d1,2g2");
  const std::string geometry = " --stride 2,1 --pad 1,0,2,1 --dilation 1,2 --groups 2";
  p.residual = p.bias = true;
  p.activation = clconv::core::Activation::kRelu6;
  p.data_type = clconv::core::DataType::kFloat16;
  check_direction(p, geometry + " --activation relu6", {"", "naive", "implicit_gemm"});
  p.layout = clconv::core::TensorLayout::kNhwc;
  p.weights_layout = clconv::core::WeightsLayout::kKrsc;
  p.activation = clconv::core::Activation::kLeakyRelu;
  p.activation_slope = 0.2f;
  const std::string last = geometry + " --layout nhwc --weights-layout krsc";
  check_direction(p, last + " --activation leaky-relu:0.2", {"", "naive", "implicit_gemm"});
  p.activation = clconv::core::Activation::kPrelu;
  check_direction(p, last + " --activation prelu", {"", "naive", "implicit_gemm"});
}

TEST_CASE("a number that is none, or out of range, is told with what is allowed") {
  const TempFolder folder;
  const std::string above = ", expected a number above 0 (see --help)";
  const std::string whole = ", expected a whole number of at least 0 (see --help)";
  const std::string plan = "plan n1c1h3w3k1kh1kw1 --";
  for (const char* value : {"-1", "0", "nan", "inf", "1e999", "3s", "''"}) {
    const std::string shown = std::string(value) == "''" ? "" : value;
    check_fails(folder, plan + "time-limit " + value, 2,
                "--time-limit: is '" + shown + "'" + above);
  }
  for (const char* verb : {"bench", "tune"}) {
    check_fails(folder, std::string(verb) + " n1c1h3w3k1kh1kw1 --time-limit -2", 2,
                "--time-limit: is '-2'" + above);
  }
  for (const char* value : {"-3", "1.5", "many"})
    check_fails(folder, plan + "expected-runs " + value, 2,
                "--expected-runs: is '" + std::string(value) + "'" + whole);
  check_fails(folder, plan + "expected-runs 9223372036854775808", 2,
              "--expected-runs: is '9223372036854775808', expected a whole number from 0 to "
              "9223372036854775807 (see --help)");
}

TEST_CASE("run: activations with parameters, and bfloat16 in memory") {
  const Inputs in;
  const std::string command = kRun + in.geometry;
  CHECK(run(in.folder, command).status == 0);
  const auto sums = npy_values(in.folder.path("y.npy"));
  CHECK(run(in.folder, command + " --activation hard-sigmoid:0.1:0.25").status == 0);
  const auto hard = npy_values(in.folder.path("y.npy"));
  REQUIRE(hard.size() == sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    CHECK(std::fabs(hard[i] - std::clamp(0.1f * sums[i] + 0.25f, 0.0f, 1.0f)) < 1e-5f);
  }
  CHECK(run(in.folder, command + " --dtype bf16").status == 0);
  const auto rounded = npy_values(in.folder.path("y.npy"));
  float worst = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, &rounded[i], sizeof(bits));
    CHECK((bits & 0xffff) == 0);
    worst = std::max(worst, std::fabs(rounded[i] - sums[i]));
  }
  CHECK(worst > 0);
  CHECK(worst < 0.2f);
}

TEST_CASE("run: float16 and float32 files together, and words that are wrong") {
  const Inputs in;
  in.put("h.npy", npy("(4,)", in.b, "<f2"));
  const std::string command = kRun + in.geometry;
  check_fails(in.folder, command + " --b h.npy", 2,
              "h.npy is float16, x.npy is float32: --dtype says which to use for all");
  CHECK(run(in.folder, command + " --b h.npy --dtype f16").status == 0);
  const auto half = npy_values(in.folder.path("y.npy"));
  CHECK(run(in.folder, command + " --b b.npy --dtype f32").status == 0);
  const auto full = npy_values(in.folder.path("y.npy"));
  REQUIRE(half.size() == full.size());
  double worst = 0;
  for (std::size_t i = 0; i < full.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(half[i] - full[i])));
  CHECK(worst > 0);
  CHECK(worst < 0.02);
  check_fails(in.folder, command + " --dtype f64", 2, "--dtype 'f64': expected f32, f16 or bf16");
  check_fails(in.folder, command + " --layout hwc", 2, "--layout 'hwc': expected nchw or nhwc");
  check_fails(
      in.folder, command + " --layout nhwc", 2,
      "w.npy: has shape (4,3,3,3), expected (4,4,3,3): x.npy has 8 channels, --groups is 2");
  for (const char* word :
       {"swish", "relu:2", "leaky-relu:x", "leaky-relu:", "leaky-relu:0.1:1", "hard-sigmoid:0.2"}) {
    check_fails(in.folder, command + " --activation " + word, 2,
                "--activation '" + std::string(word) +
                    "': expected none, relu, relu6, leaky-relu[:SLOPE (0.01)], silu, hard-swish, "
                    "hard-sigmoid[:SLOPE:OFFSET (0.2:0.5)], sigmoid, tanh, gelu, prelu");
  }
  check_fails(in.folder, command + " --r x.npy", 2,
              "x.npy: has shape (2,6,9,8), expected (2,4,5,5): the output of "
              "n2c6h9w8k4kh3kw3sh2sw1pt1pl0pb2pr1dh1dw2g2");
}

TEST_CASE("run: gradients, with and without the mask, by every strategy") {
  // Batch, asymmetric padding, dilation, groups, and a stride that leaves rows of x untouched.
  Problem p = parse_problem("n2c6h10w8k4kh3kw3s2p1,0,2,1d1,2g2");
  const std::string geometry = " --stride 2 --pad 1,0,2,1 --dilation 1,2 --groups 2";
  for (const bool mask : {false, true}) {
    p.mask = mask;
    p.direction = Direction::kBackwardData;
    check_direction(p, geometry + " --input-shape 2,6,10,8", kGeneral);
    p.direction = Direction::kBackwardWeights;
    check_direction(p, geometry + " --kernel 3x3", kGeneral);
    p.direction = Direction::kBackwardBias;
    check_direction(p, geometry, {"", "naive", "reduction"});
  }
  p.masked = clconv::core::Activation::kSigmoid;
  p.direction = Direction::kBackwardData;
  check_direction(p, geometry + " --input-shape 2,6,10,8 --activation sigmoid", {"", "naive"});
}

TEST_CASE("run: transposed, with bias, ReLU and output padding, by every strategy") {
  Problem seen;  // 6 channels of 5x4 to 4 channels, in 2 groups
  seen.n = 2, seen.c = 6, seen.h = 5, seen.w = 4, seen.k = 4, seen.kh = 3, seen.kw = 2;
  seen.sh = 2, seen.sw = 3, seen.pt = 1, seen.pb = 0, seen.pl = 0, seen.pr = 1, seen.dw = 2;
  seen.g = 2;
  const std::string geometry = " --stride 2,3 --pad 1,0,0,1 --dilation 1,2 --groups 2";
  check_direction(transposed(seen, 0, 0), geometry, {""});
  seen.bias = true;
  seen.activation = clconv::core::Activation::kRelu;
  check_direction(transposed(seen, 1, 2), geometry + " --relu --output-pad 1,2", kGeneral);
}

namespace {

// Operands of the gradients beside those of forward: dy as the problem of Inputs has it, and one that does not fit.
struct GradientInputs : Inputs {
  std::string data = "backward-data --dy dy.npy --w w.npy";
  std::string weights = "backward-weights --dy dy.npy --x x.npy";

  GradientInputs() {
    REQUIRE((problem.oh() == 5 && problem.ow() == 5));
    put("dy.npy", npy("(2, 4, 5, 5)", random_floats(2 * 4 * 5 * 5, 4)));
    put("t.npy", npy("(2, 4, 5, 4)", random_floats(160, 5)));
  }

  void fails(const std::string& arguments, const std::string& line) const {
    check_fails(folder, "run --out out.npy --direction " + arguments, 2, line);
  }
};

}  // namespace

TEST_CASE("run: operands that a direction does not take: status 2") {
  const GradientInputs in;
  in.fails("sideways --x x.npy",
           "--direction 'sideways': expected forward, backward-data, backward-weights, "
           "backward-bias or transposed");
  in.fails("forward --x x.npy",
           "--w is missing: --direction forward takes --x --w and, if wanted, --b --r --relu "
           "--activation --slopes "
           "--layout --weights-layout");
  in.fails("forward --x x.npy --w w.npy --dy dy.npy",
           "--dy has no part in --direction forward, which takes --x --w and, if wanted, --b --r "
           "--relu --activation --slopes "
           "--layout --weights-layout");
  in.fails(in.data,
           "--input-shape is missing: --direction backward-data takes --dy --w --input-shape "
           "and, if wanted, --y --activation");
  in.fails(
      in.data + " --input-shape 2,6,9,8 --relu",
      "--relu has no part in --direction backward-data, which takes --dy --w --input-shape and, "
      "if wanted, --y --activation");
  in.fails(in.weights,
           "--kernel is missing: --direction backward-weights takes --x --dy --kernel and, "
           "if wanted, --y --activation");
  in.fails(
      "backward-bias --dy dy.npy --kernel 3x3",
      "--kernel has no part in --direction backward-bias, which takes --dy and, if wanted, --y "
      "--activation");
  in.fails("transposed --x t.npy --w w.npy --y dy.npy",
           "--y has no part in --direction transposed, which takes --x --w and, if wanted, --b --r "
           "--relu "
           "--activation --slopes --output-pad");
  in.fails(in.data + " --input-shape 2,6,9,8 --activation tanh",
           "--y is missing: --activation tanh in --direction backward-data is the one whose result "
           "it is");
  in.fails(in.data +
               " --input-shape 2,6,9,8 --y dy.npy --activation gelu --groups 2 --stride 2,1 "
               "--pad 1,0,2,1 --dilation 1,2",
           "mask has no backward of gelu: y does not tell the derivative");
  in.fails("forward --x x.npy --w w.npy --activation prelu",
           "--slopes is missing: --activation prelu takes one for each channel of the result");
  in.fails("forward --x x.npy --w w.npy --slopes b.npy --relu",
           "--slopes has no part in --activation relu, expected prelu");
}

TEST_CASE("run: operands that do not fit a direction: status 2") {
  const GradientInputs in;
  const std::string output = ": the output of n2c6h9w8k4kh3kw3sh2sw1pt1pl0pb2pr1dh1dw2g2";
  in.fails(in.data + " --input-shape 2,6,9 " + in.geometry,
           "--input-shape '2,6,9': expected 4 whole numbers, comma-separated");
  in.fails(in.data + " --input-shape 2,6,9,9" + in.geometry,
           "dy.npy: has shape (2,4,5,5), expected (2,4,5,6): the output of "
           "n2c6h9w9k4kh3kw3sh2sw1pt1pl0pb2pr1dh1dw2g2");
  in.fails(
      in.data + " --input-shape 2,8,9,8" + in.geometry,
      "w.npy: has shape (4,3,3,3), expected (4,4,3,3): --input-shape has 8 channels, --groups is "
      "2");
  in.fails(in.data + " --input-shape 2,6,9,8 --y t.npy" + in.geometry,
           "t.npy: has shape (2,4,5,4), expected (2,4,5,5)" + output);
  in.fails(in.weights + " --kernel 3x3 --y t.npy" + in.geometry,
           "t.npy: has shape (2,4,5,4), expected (2,4,5,5)" + output);
  in.fails(in.weights + " --kernel 3x4" + in.geometry,
           "dy.npy: has shape (2,4,5,5), expected (2,4,5,3): the output of "
           "n2c6h9w8k4kh3kw4sh2sw1pt1pl0pb2pr1dh1dw2g2");
  in.fails("backward-bias --dy dy.npy --y t.npy",
           "t.npy: has shape (2,4,5,4), expected (2,4,5,5): the output of n2c1h5w5k4kh1kw1");
  in.fails("transposed --x x.npy --w w.npy",
           "w.npy: has shape (4,3,3,3), expected (6,3,3,3): x.npy has 6 channels");
  in.fails("transposed --x t.npy --w w.npy --groups 3",
           "--groups 3: t.npy has 4 channels, expected a multiple");
  in.fails("transposed --x t.npy --w w.npy --groups 2 --b b.npy",
           "b.npy: has shape (4), expected (6): one value for each channel of the result");
  in.fails("transposed --x t.npy --w w.npy --stride 2 --output-pad 2",
           "output_pad_h=2: must be at least 0 and less than the larger of stride and dilation, 2");
  in.fails("transposed --x t.npy --w w.npy --output-pad 1,2,3",
           "--output-pad '1,2,3': expected 1 or 2 whole numbers");
  for (const char* name : {"x.npy", "./w.npy"}) {
    check_fails(in.folder, std::string("run --x x.npy --w w.npy --groups 2 --out ") + name, 2,
                std::string(name) + ": would replace the input " +
                    (*name == '.' ? "w.npy" : "x.npy") + ", expected another file");
  }
  CHECK(npy_values(in.folder.path("x.npy")) == in.x);
  CHECK(in.folder.files() ==
        std::vector<std::string>{"b.npy", "dy.npy", "t.npy", "w.npy", "x.npy"});
}

TEST_CASE("plan, bench and tune in every direction") {
  const TempFolder folder;
  write_file_atomically(folder.path("suite.txt"), std::string("small ") + kSmall + "\n");
  for (const char* word :
       {"forward", "backward-data", "backward-weights", "backward-bias", "transposed"}) {
    CAPTURE(std::string(word));
    const std::string direction = std::string(" --direction ") + word;
    const bool epilogue = std::string("forward transposed").find(word) != std::string::npos;
    const std::string plan = std::string("plan ") + kSmall + direction;
    const Result good = run(folder, plan + (epilogue ? " --bias --relu" : " --mask --accumulate"));
    CHECK(good.status == 0);
    const std::string shown = std::string(kSmall).substr(0, 21) +
                              (*word != 'f' ? std::string(", ") + word : "") +
                              (epilogue ? " + bias + relu: " : " + mask + accumulate: ");
    CHECK(good.out.find(shown) != std::string::npos);
    const Json json = Json::parse(run(folder, plan + " --json").out);
    CHECK(json.at("direction") == word);
    CHECK(json.at("chosen").is_object());
    check_fails_with(folder, plan + (epilogue ? " --mask" : " --bias"), 2,
                     std::string("the direction is ") + word);
    const Json bench =
        Json::parse(run(folder, std::string("bench --json ") + kSmall + direction).out);
    CHECK(bench.at("direction") == word);
    CHECK(bench.at("results")[0].at("chosen_us").get<double>() > 0);
    CHECK(run(folder, "tune --suite suite.txt" + direction, "CLCONV_WISDOM=w.jsonl").status == 0);
    CHECK(run(folder, "wisdom list", "CLCONV_WISDOM=w.jsonl")
              .out.find(std::string("  ") + word + "  ") != std::string::npos);
    CHECK(run(folder, std::string("wisdom show ") + kSmall, "CLCONV_WISDOM=w.jsonl")
              .out.find(std::string(" ") + word + " on ") != std::string::npos);
  }
  for (const char* verb :
       {"plan n1c1h5w5k1kh3kw3", "bench n1c1h5w5k1kh3kw3", "tune --suite suite.txt"}) {
    check_fails_with(folder, std::string(verb) + " --direction backwards", 2,
                     "--direction 'backwards': expected forward, backward-data, ",
                     "CLCONV_WISDOM=w.jsonl");
  }
  CHECK(run(folder, "plan --help").out.find("geometry of the forward") != std::string::npos);
}

TEST_CASE("im2col and col2im on files") {
  const TempFolder folder;
  write_file_atomically(folder.path("x.npy"), npy("(1, 1, 3, 3)", {1, 2, 3, 4, 5, 6, 7, 8, 9}));
  Result result = run(folder, "im2col --x x.npy --kernel 2x2 --out cols.npy");
  CHECK(result.status == 0);
  CHECK(result.out == "wrote cols.npy (4,4) float32, 64 B\n");
  CHECK(npy_values(folder.path("cols.npy")) ==
        std::vector<float>{1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9});
  for (const char* variant : {"atomic", "gather"}) {
    result = run(
        folder,
        std::string(
            "col2im --cols cols.npy --input-shape 1,1,3,3 --kernel 2x2 --out dx.npy --variant ") +
            variant);
    CHECK(result.status == 0);
    CHECK(npy_values(folder.path("dx.npy")) == std::vector<float>{1, 4, 3, 8, 20, 12, 7, 16, 9});
  }
  run(folder, "im2col --x x.npy --kernel 2x1 --layout columns --out cols.npy");
  CHECK(npy_values(folder.path("cols.npy")) ==
        std::vector<float>{1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9});
  check_fails(folder, "col2im --cols cols.npy --input-shape 1,1,3,3 --kernel 2x2 --out dx2.npy", 2,
              "cols.npy: has rank 3 (1,2,6), expected 2 (n*oh*ow,c*kh*kw)");
  check_fails(
      folder,
      "col2im --cols cols.npy --input-shape 1,1,3,3 --kernel 2x2 --layout columns --out dx2.npy", 2,
      "cols.npy: has shape (1,2,6), expected (1,4,4) for n1c1h3w3k1kh2kw2");
  check_fails(folder, "im2col --x x.npy --kernel 2 --out c2.npy", 2,
              "--kernel '2': expected KHxKW, e.g. 3x3");
  check_fails(folder, "im2col --x x.npy --kernel 2x2 --layout diagonal --out c2.npy", 2,
              "--layout 'diagonal': expected rows or columns");
  check_fails(folder, "col2im --cols cols.npy --input-shape 1,3,3 --kernel 2x2 --out dx2.npy", 2,
              "--input-shape '1,3,3': expected 4 whole numbers, comma-separated");
  check_fails(
      folder,
      "col2im --cols cols.npy --input-shape 1,1,3,3 --kernel 2x2 --variant magic --out dx2.npy", 2,
      "--variant 'magic': expected atomic or gather");
  check_fails(folder, "im2col --x x.npy --kernel 2x2 --out x.npy", 2,
              "x.npy: would replace the input x.npy, expected another file");
  check_fails(folder, "col2im --cols cols.npy --input-shape 1,1,3,3 --kernel 2x2 --out cols.npy", 2,
              "cols.npy: would replace the input cols.npy, expected another file");
  CHECK(folder.files() == std::vector<std::string>{"cols.npy", "dx.npy", "x.npy"});
}

TEST_CASE("wrong .npy files: one line, status 2, nothing written") {
  const Inputs in;
  const auto fails = [&](const std::string& content, const std::string& line) {
    in.put("bad.npy", content);
    check_fails(in.folder, "run --x bad.npy --w w.npy --out y.npy", 2, "bad.npy: " + line);
  };
  const std::string good = npy("(2, 6, 9, 8)", in.x);
  fails(good.substr(0, good.size() - 100),
        "holds 3356 bytes of data, its shape (2,6,9,8) needs 3456");
  fails(good + "x", "holds more than 3456 bytes of data, its shape (2,6,9,8) needs 3456");
  fails(good.substr(0, 40), "truncated in its header");
  fails(good.substr(0, 3), "is not a .npy file");
  fails("", "is not a .npy file");
  fails(npy("(2, 6, 9, 8)", in.x, "<f8"),
        "dtype is '<f8', expected '<f4' or '<f2' (little-endian float32, float16)");
  fails(npy("(2, 6, 9, 8)", in.x, ">f4"),
        "dtype is '>f4', expected '<f4' or '<f2' (little-endian float32, float16)");
  fails(npy("(2, 6, 9, 8)", in.x, "<f4", "True"), "is in Fortran order, expected C order");
  fails(npy("(12, 9, 8)", in.x), "has rank 3 (12,9,8), expected 4 (n,c,h,w)");
  fails(npy("(4000000000, 4000000000, 9, 8)", {}),
        "shape (4000000000,4000000000,9,8): its byte size does not fit 64 bits");
  fails(npy("(99999999999999999999, 1, 9, 8)", {}),
        "shape (99999999999999999999, 1, 9, 8) does not fit 64 bits");
  fails(npy("(1000000, 1000, 900, 800)", {}),
        "holds 0 bytes of data, its shape (1000000,1000,900,800) needs 2880000000000000");
  fails(npy("(2, 6, 0, 8)", {}),
        "has shape (2,6,0,8), expected at least 1 in every dimension but the first");
  CHECK(in.folder.files() == std::vector<std::string>{"b.npy", "bad.npy", "w.npy", "x.npy"});
}

TEST_CASE("wrong geometry: one line with field and value, status 2, nothing written") {
  const Inputs in;
  const std::string base = kRun;
  check_fails(
      in.folder, base, 2,
      "w.npy: has shape (4,3,3,3), expected (4,6,3,3): x.npy has 6 channels, --groups is 1");
  check_fails(
      in.folder, base + " --groups 3", 2,
      "w.npy: has shape (4,3,3,3), expected (4,2,3,3): x.npy has 6 channels, --groups is 3");
  check_fails(in.folder, base + " --groups 4", 2, "c=6 is not a multiple of g=4");
  check_fails(in.folder, base + " --groups 0", 2,
              "--groups: is '0', expected a whole number of at least 1 (see --help)");
  check_fails(in.folder, base + " --groups 2 --pad=-1", 2, "pt=-1: must be at least 0");
  check_fails(in.folder, base + " --groups 2 --stride 0", 2, "sh=0: must be at least 1");
  check_fails(in.folder, base + " --groups 2 --stride two", 2,
              "--stride 'two': expected 1 or 2 whole numbers");
  check_fails(in.folder, base + " --groups 2 --stride 1,2,3", 2,
              "--stride '1,2,3': expected 1 or 2 whole numbers");
  check_fails(in.folder, base + " --groups 2 --pad 1,2,3", 2,
              "--pad '1,2,3': expected 1, 2 or 4 whole numbers, valid, same or same-lower");
  check_fails(
      in.folder, base + " --groups 2 --dilation 9", 2,
      "oh would be below 1: the filter covers 19 (kh=3, dh=9) but the padded input only 9 (h=9)");
  check_fails(in.folder, base + " --groups 2 --pad 9223372036854775807", 2,
              "h=9 plus its padding does not fit 64 bits");
  in.put("w5.npy", npy("(5, 3, 3, 3)", random_floats(135, 1)));
  check_fails(in.folder, "run --x x.npy --w w5.npy --out y.npy --groups 2", 2,
              "k=5 is not a multiple of g=2");
  check_fails(in.folder, base + " --groups 2 --b w.npy", 2,
              "w.npy: has rank 4 (4,3,3,3), expected 1 (k)");
  in.put("b5.npy", npy("(5,)", random_floats(5, 1)));
  check_fails(in.folder, base + " --groups 2 --b b5.npy", 2,
              "b5.npy: has shape (5), expected (4): one value for each filter of w.npy");
  CHECK(in.folder.files() ==
        std::vector<std::string>{"b.npy", "b5.npy", "w.npy", "w5.npy", "x.npy"});
}

TEST_CASE("wrong words: status 2") {
  const Inputs in;
  const auto& f = in.folder;
  check_fails_with(f, "", 2, "subcommand");
  check_fails(f, "--device 0:0 convolve", 2,
              "'convolve' is unknown, expected one of devices, plan, run, im2col, col2im, bench, "
              "tune, wisdom, profile, net");
  check_fails_with(f, "plan", 2, "PROBLEM");
  check_fails_with(f, "plan n1 --colour", 2, "--colour");
  check_fails(f, "plan n1c3h8w8k4kh3", 2, "problem 'n1c3h8w8k4kh3': field kw is missing");
  check_fails(f, "plan n4000000000c4000000000h8w8k4kh3kw3", 2,
              "x of 4000000000x4000000000x8x8 elements: its byte size does not fit 64 bits");
  check_fails(f, std::string("plan ") + kSmall + " --strategy winograf", 2,
              "strategy 'winograf' is unknown, expected one of " + strategy_names());
  check_fails(f, std::string("plan ") + kSmall + " --rigor lazy", 2,
              "--rigor 'lazy': expected wisdom-only, estimate, measure or exhaustive");
  check_fails(f, std::string("plan ") + kSmall + " --math f64", 2,
              "--math 'f64': expected f32, tf32 or f16");
  check_fails(f, std::string("plan ") + kSmall + " --direction sideways", 2,
              "--direction 'sideways': expected forward, backward-data, backward-weights, "
              "backward-bias or transposed");
  // Before the search: there is no table on standard output.
  const Result why_not = run(f, std::string("plan ") + kSmall + " --why-not winograf");
  CHECK(why_not.status == 2);
  CHECK(why_not.out.empty());
  CHECK(why_not.err == "clconv: --why-not: strategy 'winograf' is unknown, expected one of " +
                           strategy_names() + "\n");
  check_fails(f, "wisdom foo", 2,
              "'foo' is unknown, expected one of list, show, export, import, diff, forget");
  check_fails(f, "--device 0:0 wisdom --file w.jsonl foo", 2,
              "'foo' is unknown, expected one of list, show, export, import, diff, forget");
  check_fails(f, "wisdom", 2,
              "a subcommand is missing, expected one of list, show, export, import, diff, forget");
  for (const char* wrong : {"1X", "64MB", "-1", "M", "1.5G", "9000000000G"}) {
    check_fails(f, std::string("plan ") + kSmall + " --workspace-limit='" + wrong + "'", 2,
                std::string("--workspace-limit '") + wrong +
                    "': expected bytes, e.g. 1000000, 64M or 2GiB (K, M, G: powers of 1024)");
  }
  check_fails(f, std::string("plan ") + kSmall + " --strategy implicit_gemm --config kv", 2,
              "config 'kv': expected name=integer at 'kv'");
  check_fails_with(f, std::string("plan ") + kSmall, 2, "CLCONV_RIGOR: rigor 'lazy' is unknown",
                   "CLCONV_RIGOR=lazy");
  check_fails(f, "bench", 2, "bench: name a PROBLEM or --suite FILE");
  in.put("suite.txt", "# comment\n\ngood n1c1h5w5k1kh3kw3\nbad n1c1h5w5k1kh3\n");
  check_fails(f, "bench --suite suite.txt", 2,
              "suite.txt:4: problem 'n1c1h5w5k1kh3': field kw is missing");
  in.put("suite.txt", "onlyname\n");
  check_fails(f, "tune --suite suite.txt", 2,
              "suite.txt:1: expected `name PROBLEM`, got 'onlyname'", "CLCONV_WISDOM=w.jsonl");
  in.put("suite.txt", "a n1c1h5w5k1kh3kw3\n");
  check_fails(f, "tune --suite suite.txt", 2, "wisdom is off, there is no file");
  check_fails(f, "tune --suite suite.txt --rigor estimate", 2,
              "--rigor 'estimate': tuning measures, expected measure or exhaustive");
}

TEST_CASE("a constraint that cannot be met: status 3") {
  const Inputs in;
  const auto& f = in.folder;
  check_fails(f, std::string("plan ") + kSmall + " --strategy pointwise_gemm", 3,
              std::string("no strategy can run ") + kSmall +
                  ": pointwise_gemm (kh is 3, applies only where it is 1)");
  check_fails_with(f,
                   std::string("plan ") + kSmall + " --strategy im2col_gemm --workspace-limit 100",
                   3, "the limit is 100");
  for (const auto& [text, bytes] :
       {std::pair{"1K", "1024"}, std::pair{"1kib", "1024"}, std::pair{"0", "0"}}) {
    check_fails_with(
        f, std::string("plan ") + kSmall + " --strategy im2col_gemm --workspace-limit " + text, 3,
        std::string("the limit is ") + bytes);
  }
  CHECK(run(f, std::string("plan ") + kSmall + " --workspace-limit 2GiB").status == 0);
  check_fails_with(f, std::string("plan ") + kSmall + " --strategy implicit_gemm --config kv=9", 2,
                   "config 'kv=9' names no body, expected body= one of those for this direction: "
                   "filters, slabs, pixels");
  check_fails_with(
      f, std::string("plan ") + kSmall + " --strategy implicit_gemm --config body=pixel,mr=1", 2,
      "config 'body=pixel,mr=1': body 'pixel' is none of those for this direction: filters, slabs, "
      "pixels");
  check_fails_with(f, std::string("plan ") + kSmall + " --rigor wisdom-only", 3, "no wisdom");
  check_fails_with(f, std::string(kRun) + " --groups 2 --strategy pointwise_gemm", 3,
                   "pointwise_gemm (kh is 3");
}

TEST_CASE("a device that does not exist: status 1, with what there is") {
  const Inputs in;
  check_fails_with(in.folder, "--device 9:9 plan n1c1h5w5k1kh3kw3", 1,
                   "no device matches '9:9'; there is 0:0 (");
  check_fails_with(in.folder, std::string(kRun) + " --groups 2 --device nosuch", 1,
                   "no device matches 'nosuch'");
  for (const char* verb : {"plan", "bench"}) {
    check_fails_with(in.folder, std::string(verb) + " n1c1h5w5k1kh3kw3", 1,
                     "clconv: CLCONV_DEVICE: no device matches 'nosuch'; there is 0:0 (",
                     "CLCONV_DEVICE=nosuch");
  }
  // The list is what somebody with a wrong name needs.
  const Result lost = run(in.folder, "devices", "CLCONV_DEVICE=nosuch");
  CHECK(lost.status == 0);
  CHECK(lost.out.find("\n*") == std::string::npos);
  CHECK(lost.out.find("\nCLCONV_DEVICE: no device matches 'nosuch'") != std::string::npos);
  const Json all = Json::parse(run(in.folder, "devices --json").out);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto index = all[i].at("index").get<std::string>();
    for (const auto& [arguments, environment] :
         {std::pair{std::string("devices --json"), "CLCONV_DEVICE=" + index},
          std::pair{"devices --json --device " + index, std::string("CLCONV_DEVICE=nosuch")}}) {
      const Json list = Json::parse(run(in.folder, arguments, environment).out);
      for (std::size_t k = 0; k < list.size(); ++k)
        CHECK(list[k].at("default") == (k == i));
    }
  }
  const Result none =
      run(in.folder, "devices", "OCL_ICD_VENDORS=/nonexistent OPENCL_VENDOR_PATH=/nonexistent");
  CHECK(none.status == 0);
  CHECK(none.out.find("no OpenCL device found") == 0);
  check_fails_with(in.folder, "plan n1c1h5w5k1kh3kw3", 1,
                   "no OpenCL device found: OCL_ICD_VENDORS is '/nonexistent'",
                   "OCL_ICD_VENDORS=/nonexistent OPENCL_VENDOR_PATH=/nonexistent");
}

TEST_CASE("an input file that cannot be read: status 1 with the system's reason, in every verb") {
  const Inputs in;
  std::filesystem::create_directory(in.folder.path("folder"));
  const std::string env = "CLCONV_WISDOM=none.jsonl";
  for (const auto& [name, reason] : {std::pair{"nofile", ": No such file or directory"},
                                     std::pair{"folder", ": Is a directory"}}) {
    const std::string file = name;
    for (const std::string& command :
         {"run --x " + file + " --w w.npy --out y.npy",
          "run --x x.npy --w " + file + " --out y.npy",
          "im2col --x " + file + " --kernel 2x2 --out y.npy",
          "col2im --cols " + file + " --kernel 2x2 --input-shape 1,1,3,3 --out y.npy",
          "bench --suite " + file, "tune --suite " + file, "wisdom import " + file,
          "wisdom --file " + file + " export copy.jsonl",
          "plan --profile " + file + " " + kSmall}) {
      check_fails(in.folder, command, 1, "cannot read " + file + reason, env);
    }
  }
  CHECK(in.folder.files() == std::vector<std::string>{"b.npy", "folder", "w.npy", "x.npy"});
}

TEST_CASE("a result that cannot be written: status 1, and no half of it") {
  const Inputs in;
  const std::string base = "run --x x.npy --w w.npy --groups 2 --out ";
  check_fails(in.folder, base + "nowhere/y.npy", 1,
              "cannot write nowhere/y.npy: No such file or directory");
  check_fails(in.folder, base + "/dev/full", 1, "cannot write /dev/full: No space left on device");
  std::filesystem::create_directory(in.folder.path("folder"));
  check_fails(in.folder, base + "folder", 1, "cannot write folder: Is a directory");
  CHECK(in.folder.files() == std::vector<std::string>{"b.npy", "folder", "w.npy", "x.npy"});
}

TEST_CASE("plan: text, reasons, JSON") {
  const TempFolder folder;
  Result result = run(folder, std::string("plan ") + kSmall + " --why-not pointwise_gemm");
  CHECK(result.status == 0);
  CHECK(result.out.find("4x10x9 -> 8x10x9") != std::string::npos);
  CHECK(result.out.find("pointwise_gemm: rejected: kh is 3, applies only where it is 1") !=
        std::string::npos);
  CHECK(result.out.find("\033[") == std::string::npos);  // no colour in a pipe
  result = run(folder, std::string("plan ") + kSmall + " --json --rigor measure --bias");
  const Json json = Json::parse(result.out);
  for (const char* field : {"problem", "direction", "device", "driver", "rigor", "chosen",
                            "environment", "candidates"}) {
    CHECK(json.contains(field));
  }
  CHECK(json.at("rigor") == "measure");
  bool chosen = false;
  for (const auto& c : json.at("candidates")) {
    for (const char* field : {"strategy", "config", "status", "reason", "predicted_us",
                              "packing_us", "measured", "workspace_bytes", "prepared_weights_bytes",
                              "deterministic", "error_bound", "error_reach"}) {
      CHECK(c.contains(field));
    }
    if (c.at("status") != "chosen") continue;
    chosen = true;
    CHECK(c.at("strategy") == json.at("chosen").at("strategy"));
    for (const char* field : {"median_us", "min_us", "p90_us", "runs", "source"})
      CHECK(c.at("measured").contains(field));
  }
  CHECK(chosen);
  CHECK(
      run(folder, "plan mb1ic4ih10iw9oc8kh3kw3ph1pw1").out.find("problem  n1c4h10w9k8kh3kw3p1:") ==
      0);
}

TEST_CASE("profile: of this device, and planning by it elsewhere") {
  const TempFolder folder;
  const Result profile = run(folder, "profile");
  CHECK(profile.status == 0);
  CHECK(Json::parse(profile.out).contains("compute_units"));
  write_file_atomically(folder.path("p.json"), profile.out);
  const Result here = run(folder, std::string("plan --json ") + kSmall);
  const Result there = run(folder, std::string("plan --json --profile p.json ") + kSmall,
                           "OCL_ICD_VENDORS=/nonexistent OPENCL_VENDOR_PATH=/nonexistent");
  CHECK(there.status == 0);
  CHECK(Json::parse(there.out).at("chosen") == Json::parse(here.out).at("chosen"));
  write_file_atomically(folder.path("bad.json"), "{\"name\": 3}");
  check_fails(folder, std::string("plan --profile bad.json ") + kSmall, 2,
              "bad.json: device profile: field 'name' is not a string");
  check_fails_with(folder, std::string("plan --profile p.json --rigor measure ") + kSmall, 2,
                   "needs the device");
}

TEST_CASE("bench: the choice, its regret, every strategy with --all") {
  const TempFolder folder;
  write_file_atomically(folder.path("suite.txt"),
                        "small n1c4h10w9k8kh3kw3p1 # comment\npoint n2c8h6w6k8kh1kw1\n");
  const Result result = run(folder, "bench --suite suite.txt --all --json");
  CHECK(result.status == 0);
  CHECK(result.err.empty());  // no progress bar in a pipe
  const Json json = Json::parse(result.out);
  REQUIRE(json.at("results").size() == 2);
  for (const auto& r : json.at("results")) {
    std::set<std::string> strategies;
    for (const auto& s : r.at("strategies")) {
      strategies.insert(s.at("strategy").get<std::string>());
      CHECK(s.at("median_us").get<double>() > 0);
      CHECK(s.at("min_us").get<double>() <= s.at("median_us").get<double>());
    }
    CHECK(strategies.count("naive") == 1);
    CHECK(strategies.count("implicit_gemm") == 1);
    CHECK(r.at("best_us").get<double>() <= r.at("chosen_us").get<double>());
    CHECK(r.at("regret").get<double>() ==
          doctest::Approx(r.at("chosen_us").get<double>() / r.at("best_us").get<double>() - 1));
    CHECK(r.at("failures").empty());
  }
  CHECK(json.at("results")[1].at("name") == "point");
  const Json denied = Json::parse(
      run(folder, "bench n1c4h10w9k8kh3kw3p1 --all --json --deny naive,im2col_gemm").out);
  for (const auto& s : denied.at("results")[0].at("strategies")) {
    CHECK(s.at("strategy") != "naive");
    CHECK(s.at("strategy") != "im2col_gemm");
  }
  CHECK(denied.at("results")[0].at("left_out").empty());
  const std::string hurried = "bench n1c4h10w9k8kh3kw3p1 --all --time-limit 1e-6";
  const Json limited = Json::parse(run(folder, hurried + " --json").out).at("results")[0];
  CHECK(limited.at("strategies").size() == 1);
  REQUIRE(limited.at("left_out").size() > 3);
  CHECK(limited.at("left_out")[0].at("predicted_us").get<double>() > 0);
  CHECK(run(folder, hurried).out.find("no time left for it") != std::string::npos);
  const Result text = run(folder, "bench n1c4h10w9k8kh3kw3p1");
  CHECK(text.out.find("chosen against the best measured: ") != std::string::npos);
  CHECK(text.out.find("(geometric mean over 1 problem)") != std::string::npos);
  CHECK(text.out.find("with    ") == std::string::npos);
}

TEST_CASE("overrides by the environment are named where they hold") {
  const TempFolder folder;
  write_file_atomically(folder.path("suite.txt"), std::string("small ") + kSmall + "\n");
  const std::string env = "CLCONV_WISDOM=w.jsonl CLCONV_STRATEGY=naive";
  CHECK(run(folder, std::string("plan ") + kSmall, env)
            .out.find("rigor    estimate, CLCONV_STRATEGY=naive") != std::string::npos);
  CHECK(run(folder, std::string("bench ") + kSmall, env)
            .out.find("with    CLCONV_STRATEGY=naive\n") != std::string::npos);
  CHECK(Json::parse(run(folder, std::string("bench --json ") + kSmall, env).out)
            .at("environment")
            .at("CLCONV_STRATEGY") == "naive");
  CHECK(
      run(folder, "tune --suite suite.txt", env).out.find("environment: CLCONV_STRATEGY=naive\n") ==
      0);
}

TEST_CASE("--pad same and same-lower: hand-computed padding, in run, plan, im2col and col2im") {
  const TempFolder f;
  // Height 4 at stride 3, filter 3: 2 outputs need 6 rows, 2 of padding. Width 5 at stride 2, filter 2: 3 outputs
  // need 6 columns, 1 of padding.
  const std::vector<float> x = random_floats(4 * 5, 1);
  write_file_atomically(f.path("x.npy"), npy("(1, 1, 4, 5)", x));
  write_file_atomically(f.path("w.npy"), npy("(1, 1, 3, 2)", random_floats(6, 2)));
  const auto first_line = [&](const std::string& command) {
    const Result result = run(f, command);
    CAPTURE(result.err);
    CHECK(result.status == 0);
    const std::string line = result.out.substr(0, result.out.find('\n'));
    return line.substr(0, line.find(':'));
  };
  const std::string geometry = " --stride 3,2 --out y.npy";
  CHECK(first_line("run --x x.npy --w w.npy --pad same" + geometry) ==
        "problem   n1c1h4w5k1kh3kw2sh3sw2pt1pl0pb1pr1");
  CHECK(first_line("run --x x.npy --w w.npy --pad same-lower" + geometry) ==
        "problem   n1c1h4w5k1kh3kw2sh3sw2pt1pl1pb1pr0");
  CHECK(first_line("run --x x.npy --w w.npy --pad valid" + geometry) ==
        "problem   n1c1h4w5k1kh3kw2sh3sw2");
  CHECK(first_line("plan n1c1h4w5k1kh3kw2s3,2 --pad same-lower") ==
        "problem  n1c1h4w5k1kh3kw2sh3sw2pt1pl1pb1pr0");
  CHECK(first_line("plan n1c1h7w7k1kh4kw4d2 --pad same") == "problem  n1c1h7w7k1kh4kw4p3d2");
  CHECK(first_line("im2col --x x.npy --kernel 3x2 --pad same --stride 3,2 --out cols.npy") ==
        "wrote cols.npy (6,6) float32, 144 B");
  CHECK(first_line(
            "col2im --cols cols.npy --input-shape 1,1,4,5 --kernel 3x2 --pad same --stride 3,2 "
            "--out dx.npy") == "wrote dx.npy (1,1,4,5) float32");
  // ONNX's ConvTranspose: input times stride, 4*3 x 5*2; the filter covers no more than the stride, so none is cut.
  CHECK(first_line("run --direction transposed --x x.npy --w w.npy --pad same" + geometry) ==
        "problem   n1c1h12w10k1kh3kw2sh3sw2, transposed");
  // Stride 1: 6 x 6 without padding; 2 rows and the last column, or with same-lower the first, are cut.
  CHECK(first_line("run --direction transposed --x x.npy --w w.npy --pad same --out y.npy") ==
        "problem   n1c1h4w5k1kh3kw2pt1pl0pb1pr1, transposed");
  CHECK(first_line("run --direction transposed --x x.npy --w w.npy --pad same-lower --out y.npy") ==
        "problem   n1c1h4w5k1kh3kw2pt1pl1pb1pr0, transposed");
  // Stride 4: the filter leaves a row and two columns of each to the output padding.
  CHECK(first_line(
            "run --direction transposed --x x.npy --w w.npy --pad same --stride 4 --out y.npy") ==
        "problem   n1c1h16w20k1kh3kw2s4, transposed");
  check_fails(
      f, "plan n1c1h4w5k1kh3kw2p0 --pad same", 2,
      "--pad 'same': PROBLEM n1c1h4w5k1kh3kw2p0 gives padding as well, expected one of the two");
  check_fails(
      f, "plan mb1ic1ih4oc1oh4kh3 --pad same", 2,
      "--pad 'same': PROBLEM mb1ic1ih4oc1oh4kh3 gives padding as well, expected one of the two");
  check_fails(f, "plan n1c1h4w5k1kh3kw2 --pad upper", 2,
              "--pad 'upper': expected 1, 2 or 4 whole numbers, valid, same or same-lower");
}

TEST_CASE("a batch of 0: files are written, nothing is measured, weights may not be empty") {
  const TempFolder f;
  write_file_atomically(f.path("x.npy"), npy("(0, 2, 5, 5)", {}));
  write_file_atomically(f.path("dy.npy"), npy("(0, 3, 3, 3)", {}));
  write_file_atomically(f.path("w.npy"), npy("(3, 2, 3, 3)", random_floats(54, 1)));
  write_file_atomically(f.path("none.npy"), npy("(0, 2, 3, 3)", {}));
  const auto bytes = [&](const std::string& command, const std::string& shape,
                         const std::vector<float>& values) {
    CAPTURE(command);
    const Result result = run(f, command + " --out out.npy");
    CAPTURE(result.err);
    CHECK(result.status == 0);
    std::string file;
    CHECK(read_file(f.path("out.npy"), file));
    CHECK(file.find("'shape': " + shape) != std::string::npos);
    CHECK(file.size() == 128 + 4 * values.size());
    if (!values.empty())
      CHECK(std::memcmp(file.data() + 128, values.data(), 4 * values.size()) == 0);
  };
  bytes("run --x x.npy --w w.npy", "(0, 3, 3, 3, )", {});
  bytes("run --direction backward-data --dy dy.npy --w w.npy --input-shape 0,2,5,5",
        "(0, 2, 5, 5, )", {});
  bytes("run --direction backward-weights --x x.npy --dy dy.npy --kernel 3x3", "(3, 2, 3, 3, )",
        std::vector<float>(54, 0.0f));
  bytes("run --direction backward-bias --dy dy.npy", "(3, )", {0, 0, 0});
  bytes("im2col --x x.npy --kernel 3x3", "(0, 18, )", {});
  check_fails_with(f, "run --x x.npy --w none.npy --out y.npy", 2,
                   "none.npy: has shape (0,2,3,3), expected at least 1 in every dimension");
  const std::string env = "CLCONV_WISDOM=w.db";
  const Result tuned = run(f, "tune n0c2h5w5k3kh3kw3", env);
  CHECK(tuned.status == 0);
  CHECK(tuned.out.find("a batch of 0: nothing to measure") != std::string::npos);
  CHECK(run(f, "wisdom list", env).out.find("0 records") != std::string::npos);
  CHECK(run(f, "bench n0c2h5w5k3kh3kw3").out.find("a batch of 0 computes nothing") !=
        std::string::npos);
}

TEST_CASE("tune takes PROBLEMs, a suite, or both, and a suite may start with a byte order mark") {
  const TempFolder f;
  write_file_atomically(f.path("suite.txt"), "\xef\xbb\xbfpoint\tn2c8h6w6k8kh1kw1\r\n# no\r\n");
  const std::string env = "CLCONV_WISDOM=w.db";
  const Result both = run(f, "tune n1c2h4w4k2kh1kw1 --suite suite.txt", env);
  CHECK(both.status == 0);
  CHECK(both.out.find("\npoint ") != std::string::npos);
  CHECK(both.out.find("\nn1c2h4w4k2kh1kw1 ") != std::string::npos);
  CHECK(run(f, "wisdom list", env).out.find("2 records") != std::string::npos);
  check_fails(f, "tune", 2, "tune: name a PROBLEM or --suite FILE");
  check_fails(f, "tune n1c2h4", 2, "problem 'n1c2h4': field w is missing");
}

TEST_CASE("what other programs write into a .npy header") {
  const TempFolder f;
  write_file_atomically(f.path("w.npy"), npy("(1, 1, 1, 1)", {2.0f}));
  const auto written = [&](const std::string& dictionary) {
    std::string header = dictionary;
    header.append(63 - (10 + header.size()) % 64, ' ');
    header += '\n';
    std::string file("\x93NUMPY\x01", 7);
    file += '\0';
    file += static_cast<char>(header.size());
    file += '\0';
    const std::vector<float> values = {1, 2};
    write_file_atomically(
        f.path("x.npy"),
        file + header + std::string(reinterpret_cast<const char*>(values.data()), 8));
    return run(f, "run --x x.npy --w w.npy --out y.npy");
  };
  // Another order, double quotes, no or more blanks, Python 2's long integers.
  for (const char* good :
       {"{'shape': (1, 1, 1, 2), 'fortran_order': False, 'descr': '<f4'}",
        "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(1,1,1,2)}",
        "{'descr' : '<f4' , 'fortran_order' : False , 'shape' : (1L, 1L, 1L, 2L) , }"}) {
    const Result result = written(good);
    CAPTURE(std::string(good));
    CAPTURE(result.err);
    CHECK(result.status == 0);
  }
  for (const char* bad : {"(1, 1, 1, -2)", "(1, 1, 1, 2.0)", "(1, 1, 1, 2", "[1, 1, 1, 2]", "()"}) {
    CAPTURE(std::string(bad));
    const Result result =
        written(std::string("{'descr': '<f4', 'fortran_order': False, 'shape': ") + bad + "}");
    CHECK(result.status == 2);
    CHECK(result.err.find("clconv: x.npy: ") == 0);
  }
}

TEST_CASE("tune fills the wisdom, wisdom lists, shows, moves and forgets it, plans use it") {
  const TempFolder folder;
  const std::string env = "CLCONV_WISDOM=w.jsonl";
  write_file_atomically(folder.path("suite.txt"),
                        "small n1c4h10w9k8kh3kw3p1\npoint n2c8h6w6k8kh1kw1\n");
  Result result = run(folder, "tune --suite suite.txt", env);
  CHECK(result.status == 0);
  CHECK(result.err.empty());
  CHECK(result.out.find("wisdom: w.jsonl\n") != std::string::npos);
  const std::string listed = run(folder, "wisdom list", env).out;
  CHECK(listed.find("2 records in w.jsonl, beside ") != std::string::npos);
  const Json all = Json::parse(run(folder, "wisdom list --json", env).out);
  CHECK(all.at("other_records").get<int>() > 0);
  CHECK(Json::parse(run(folder, "wisdom list --json", env).out).at("records").size() == 2);
  CHECK(run(folder, std::string("wisdom show ") + kSmall, env).out.find("measured") !=
        std::string::npos);
  check_fails(folder, "wisdom show n9c1h5w5k1kh3kw3", 2,
              "no wisdom for n9c1h5w5k1kh3kw3 in w.jsonl", env);

  const Json plan =
      Json::parse(run(folder, std::string("plan --json --rigor wisdom-only ") + kSmall, env).out);
  CHECK(plan.at("chosen").is_object());
  for (const auto& c : plan.at("candidates")) {
    if (c.at("measured").is_object()) CHECK(c.at("measured").at("source") == "wisdom");
  }
  CHECK(run(folder, "wisdom export copy.jsonl", env).status == 0);
  check_fails(folder, "wisdom export ./w.jsonl", 2,
              "./w.jsonl: would replace the input w.jsonl, expected another file", env);
  CHECK(run(folder, std::string("wisdom forget ") + kSmall, env).out ==
        "forgot 1 record and 0 unreadable lines\n");
  CHECK(run(folder, "wisdom list", env).out.find("1 record in") != std::string::npos);
  CHECK(run(folder, "wisdom import copy.jsonl", env).status == 0);
  CHECK(run(folder, "wisdom list", env).out.find("2 records in") != std::string::npos);
  check_fails(folder, "wisdom forget", 2,
              "wisdom forget: name a PROBLEM, or --all, --on or --unreadable", env);

  std::string copy;
  read_file(folder.path("copy.jsonl"), copy);
  write_file_atomically(folder.path("half.jsonl"),
                        copy + "{\"clconv_wisdom\":1,\"kind\":\"plan\"\n");
  const auto lines = std::count(copy.begin(), copy.end(), '\n');
  run(folder, "wisdom forget --all", env);
  check_fails(folder, "wisdom import half.jsonl", 2,
              "wisdom file half.jsonl: line " + std::to_string(lines + 1) +
                  " cannot be read, nothing was imported",
              env);
  CHECK(run(folder, "wisdom list", env).out.find("0 records in") != std::string::npos);
}

TEST_CASE("lines of earlier versions, what is no wisdom file, and what cannot be written") {
  const TempFolder folder;
  const std::string plan = std::string("plan --rigor measure ") + kSmall;
  const std::string env = "CLCONV_WISDOM=w.jsonl";
  write_file_atomically(folder.path("w.jsonl"), "{\"clconv_wisdom\":1, broken\n");
  CHECK(run(folder, plan, env).status == 0);
  CHECK(run(folder, "wisdom list", env).out.find("1 line that cannot be read") !=
        std::string::npos);
  CHECK(run(folder, "wisdom forget --unreadable", env).out ==
        "forgot 0 records and 1 unreadable line\n");
  const std::string diff = run(folder, "wisdom diff w.jsonl.old", env).out;
  CHECK(diff.find("- n1c4h10w9k8kh3kw3p1, forward, ") == 0);
  CHECK(diff.find("\n1 record only here (-), 0 only in w.jsonl.old (+), 0 differ (~)\n") !=
        std::string::npos);
  write_file_atomically(folder.path("suite.txt"), "small n1c4h10w9k8kh3kw3p1\n");
  CHECK(run(folder, "wisdom export good.jsonl", env).status == 0);
  write_file_atomically(folder.path("foreign"), "this is not JSON\n");
  const std::string foreign = "foreign is no wisdom file: neither SQLite nor clconv's JSON lines";
  Result result = run(folder, plan, "CLCONV_WISDOM=foreign");
  CHECK(result.status == 0);
  CHECK(result.out.find("note     wisdom is not read: " + foreign) != std::string::npos);
  CHECK(result.out.find("note     wisdom is not kept: " + foreign) != std::string::npos);
  for (const char* verb : {"wisdom list", "wisdom export e.jsonl", "wisdom import good.jsonl",
                           "wisdom forget --all", "tune --suite suite.txt"}) {
    CAPTURE(std::string(verb));
    check_fails(folder, verb, 1, foreign, "CLCONV_WISDOM=foreign");
  }
  std::string text;
  CHECK(read_file(folder.path("foreign"), text));
  CHECK(text == "this is not JSON\n");
  result = run(folder, plan, "CLCONV_WISDOM=/proc/nowhere/w.jsonl");
  CHECK(result.status == 0);
  CHECK(result.out.find("note     wisdom is not kept: ") != std::string::npos);
  check_fails_with(folder, "tune --suite suite.txt", 1, "/proc/nowhere",
                   "CLCONV_WISDOM=/proc/nowhere/w.jsonl");
  result = run(folder, "profile --measure", "CLCONV_WISDOM=/proc/nowhere/w.jsonl");
  CHECK(result.status == 1);
  CHECK(result.err.find("clconv: wisdom is not kept: ") == 0);
  CHECK(Json::parse(result.out).at("measured") == true);
}

TEST_CASE(
    "a read-only cache folder costs nothing but the cache, a second process compiles nothing") {
  const Inputs in;
  const std::string command = std::string(kRun) + " --groups 2";
  CHECK(run(in.folder, command, "CLCONV_CACHE_DIR=/proc/nowhere").status == 0);
  CHECK(run(in.folder, command, "CLCONV_CACHE_DIR=off").status == 0);
  const std::string env = "CLCONV_CACHE_DIR=cache CLCONV_WISDOM=w.jsonl";
  const Result first = run(in.folder, command, env);
  CHECK(first.out.find(" 0 programs built ") == std::string::npos);
  const Result second = run(in.folder, command, env);
  CHECK(second.out.find(" 0 programs built ") != std::string::npos);
  CHECK(second.out.find(" read from clconv's cache\n") != std::string::npos);
}

TEST_CASE("processes that write wisdom and cache at once lose nothing and break nothing") {
  const Inputs in;
  constexpr int kProcesses = 4;
  std::vector<std::thread> threads;
  std::vector<Result> results(kProcesses);
  for (int i = 0; i < kProcesses; ++i) {
    threads.emplace_back([&, i] {
      results[static_cast<std::size_t>(i)] =
          run(in.folder, "plan --rigor measure n1c" + std::to_string(i + 1) + "h9w9k4kh3kw3",
              "CLCONV_CACHE_DIR=cache CLCONV_WISDOM=w.jsonl");
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (const Result& result : results) {
    CHECK(result.status == 0);
    CHECK(result.out.find("note") == std::string::npos);
  }
  const Json wisdom =
      Json::parse(run(in.folder, "wisdom list --json", "CLCONV_WISDOM=w.jsonl").out);
  CHECK(wisdom.at("records").size() == kProcesses);
  CHECK(wisdom.at("unreadable_lines").empty());
  for (const auto& file : std::filesystem::directory_iterator(in.folder.path("cache"))) {
    CHECK(file.path().extension() == ".clbin");
  }
  CHECK(run(in.folder, std::string(kRun) + " --groups 2", "CLCONV_CACHE_DIR=cache").status == 0);
}

TEST_CASE("help and version") {
  const TempFolder folder;
  const Result help = run(folder, "--help");
  CHECK(help.status == 0);
  for (const char* verb :
       {"devices", "plan", "run", "im2col", "col2im", "bench", "tune", "wisdom", "profile"}) {
    CHECK(help.out.find(verb) != std::string::npos);
  }
  CHECK(run(folder, "plan --help").out.find("--why-not") != std::string::npos);
  CHECK(run(folder, "--version").out.find("clconv ") == 0);
  CHECK(run(folder, "devices").out.find("platform") != std::string::npos);
  CHECK(Json::parse(run(folder, "devices --json").out).is_array());
}
