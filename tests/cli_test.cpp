// The built `clconv` program, as a user runs it: results, and every kind of wrong input.
#include <sys/wait.h>

#include <atomic>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/reference.hpp"
#include "support/temp.hpp"

using clconv::core::parse_problem;
using clconv::core::Problem;
using clconv::core::read_file;
using clconv::core::write_file_atomically;
using clconv::test::random_floats;
using clconv::test::TempFolder;
using Json = nlohmann::json;

namespace {

struct Result {
  int status = -1;
  std::string out, err;
};

// Runs `clconv ARGUMENTS` in the folder, with `environment` ("A=b C=d") in front.
Result run(const TempFolder& folder, const std::string& arguments,
           const std::string& environment = "") {
  static std::atomic<int> counter{0};
  const std::string id = std::to_string(counter++);
  const std::string command = "cd " + folder.root() + " && " + environment +
                              " " CLCONV_PROGRAM " " + arguments + " >" + folder.path("out" + id) +
                              " 2>" + folder.path("err" + id);
  Result result;
  const int status = std::system(command.c_str());
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  read_file(folder.path("out" + id), result.out);
  read_file(folder.path("err" + id), result.err);
  std::filesystem::remove(folder.path("out" + id));
  std::filesystem::remove(folder.path("err" + id));
  return result;
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
  file.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return file;
}

std::vector<float> npy_values(const std::string& path) {
  std::string file;
  REQUIRE(read_file(path, file));
  const auto length = static_cast<std::size_t>(static_cast<unsigned char>(file[8]) +
                                               256 * static_cast<unsigned char>(file[9]));
  std::vector<float> values((file.size() - 10 - length) / 4);
  std::memcpy(values.data(), file.data() + 10 + length, values.size() * 4);
  return values;
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
  p.bias = p.relu = true;
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
  fails(good + "x", "holds 3457 bytes of data, its shape (2,6,9,8) needs 3456");
  fails(good.substr(0, 40), "truncated in its header");
  fails(good.substr(0, 3), "is not a .npy file");
  fails("", "is not a .npy file");
  fails(npy("(2, 6, 9, 8)", in.x, "<f8"), "dtype is '<f8', expected '<f4' (little-endian float32)");
  fails(npy("(2, 6, 9, 8)", in.x, ">f4"), "dtype is '>f4', expected '<f4' (little-endian float32)");
  fails(npy("(2, 6, 9, 8)", in.x, "<f4", "True"), "is in Fortran order, expected C order");
  fails(npy("(12, 9, 8)", in.x), "has rank 3 (12,9,8), expected 4 (n,c,h,w)");
  fails(npy("(4000000000, 4000000000, 9, 8)", {}),
        "shape (4000000000,4000000000,9,8): its byte size does not fit 64 bits");
  fails(npy("(99999999999999999999, 1, 9, 8)", {}),
        "shape (99999999999999999999, 1, 9, 8) does not fit 64 bits");
  fails(npy("(1000000, 1000, 900, 800)", {}),
        "holds 0 bytes of data, its shape (1000000,1000,900,800) needs 2880000000000000");
  check_fails(in.folder, "run --x none.npy --w w.npy --out y.npy", 2,
              "none.npy: cannot be read: No such file or directory");
  CHECK(in.folder.files() == std::vector<std::string>{"b.npy", "bad.npy", "w.npy", "x.npy"});
}

TEST_CASE("wrong geometry: one line with field and value, status 2, nothing written") {
  const Inputs in;
  const std::string base = kRun;
  check_fails(in.folder, base, 2,
              "w.npy: has 3 channels per filter, x.npy has 6 channels and --groups is 1");
  check_fails(in.folder, base + " --groups 3", 2,
              "w.npy: has 3 channels per filter, x.npy has 6 channels and --groups is 3");
  check_fails(in.folder, base + " --groups 0", 2, "--groups 0: must be at least 1");
  check_fails(in.folder, base + " --groups 2 --pad=-1", 2, "pt=-1: must be at least 0");
  check_fails(in.folder, base + " --groups 2 --stride 0", 2, "sh=0: must be at least 1");
  check_fails(in.folder, base + " --groups 2 --stride two", 2,
              "--stride 'two': expected 1 or 2 whole numbers");
  check_fails(in.folder, base + " --groups 2 --pad 1,2,3", 2,
              "problem field 'p1,2,3' has 3 values, expected 1, 2 (height, width) or 4 (top, left, "
              "bottom, right)");
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
  in.put("empty.npy", npy("(0, 6, 9, 8)", {}));
  check_fails(in.folder, "run --x empty.npy --w w.npy --out y.npy --groups 2", 2,
              "n=0: must be at least 1");
  std::filesystem::remove(in.folder.path("empty.npy"));
  in.put("b5.npy", npy("(5,)", random_floats(5, 1)));
  check_fails(in.folder, base + " --groups 2 --b b5.npy", 2,
              "b5.npy: has 5 values, w.npy has 4 filters");
  CHECK(in.folder.files() ==
        std::vector<std::string>{"b.npy", "b5.npy", "w.npy", "w5.npy", "x.npy"});
}

TEST_CASE("wrong words: status 2, a constraint that cannot be met: status 3") {
  const Inputs in;
  const auto& f = in.folder;
  check_fails_with(f, "", 2, "subcommand");
  check_fails(f, "--device 0:0 convolve", 2,
              "'convolve' is unknown, expected one of devices, plan, run, im2col, col2im, bench, "
              "tune, wisdom, profile");
  check_fails_with(f, "plan", 2, "PROBLEM");
  check_fails_with(f, "plan n1 --colour", 2, "--colour");
  check_fails(f, "plan n1c3h8w8k4kh3", 2, "problem 'n1c3h8w8k4kh3': field kw is missing");
  check_fails(f, "plan n4000000000c4000000000h8w8k4kh3kw3", 2,
              "x of 4000000000x4000000000x8x8 elements: its byte size does not fit 64 bits");
  check_fails(f, std::string("plan ") + kSmall + " --strategy winograf", 2,
              "strategy 'winograf' is unknown, expected one of naive, im2col_gemm, pointwise_gemm, "
              "implicit_gemm");
  check_fails(f, std::string("plan ") + kSmall + " --rigor lazy", 2,
              "--rigor 'lazy': expected wisdom-only, estimate, measure or exhaustive");
  check_fails(f, std::string("plan ") + kSmall + " --direction sideways", 2,
              "--direction 'sideways': expected forward");
  check_fails(f, std::string("plan ") + kSmall + " --why-not winograf", 2,
              "--why-not 'winograf': no such strategy");
  check_fails(f, std::string("plan ") + kSmall + " --strategy implicit_gemm --config kv", 2,
              "config 'kv': expected name=integer at 'kv'");
  check_fails(f, std::string("plan ") + kSmall + " --strategy pointwise_gemm", 3,
              std::string("nothing can run ") + kSmall +
                  " under these constraints: pointwise_gemm: kh is 3, applies only where it is 1");
  check_fails_with(f,
                   std::string("plan ") + kSmall + " --strategy im2col_gemm --workspace-limit 100",
                   3, "the limit is 100");
  check_fails_with(f, std::string("plan ") + kSmall + " --strategy implicit_gemm --config kv=9", 3,
                   "config kv=9 is not offered");
  check_fails_with(f, std::string("plan ") + kSmall + " --rigor wisdom-only", 3, "no wisdom");
  check_fails_with(f, std::string(kRun) + " --groups 2 --strategy pointwise_gemm", 3,
                   "pointwise_gemm (kh is 3");
  check_fails_with(f, std::string("plan ") + kSmall, 2, "CLCONV_RIGOR: rigor 'lazy' is unknown",
                   "CLCONV_RIGOR=lazy");
  check_fails(f, "bench", 2, "bench: name a PROBLEM or --suite FILE");
  check_fails(f, "bench --suite none.txt", 2, "cannot read none.txt");
  in.put("suite.txt", "# comment\n\ngood n1c1h5w5k1kh3kw3\nbad n1c1h5w5k1kh3\n");
  check_fails(f, "bench --suite suite.txt", 2,
              "suite.txt:4: problem 'n1c1h5w5k1kh3': field kw is missing");
  in.put("suite.txt", "onlyname\n");
  check_fails(f, "tune --suite suite.txt", 2,
              "suite.txt:1: expected `name PROBLEM`, got 'onlyname'", "CLCONV_WISDOM=w.jsonl");
  in.put("suite.txt", "a n1c1h5w5k1kh3kw3\n");
  check_fails(f, "tune --suite suite.txt", 2,
              "wisdom is off (CLCONV_WISDOM=off): tuning would be forgotten");
  check_fails(f, "tune --suite suite.txt --rigor estimate", 2,
              "--rigor 'estimate': tuning measures, expected measure or exhaustive");
}

TEST_CASE("a device that does not exist: status 1, with what there is") {
  const Inputs in;
  check_fails_with(in.folder, "--device 9:9 plan n1c1h5w5k1kh3kw3", 1,
                   "no device matches '9:9'; there is 0:0 (");
  check_fails_with(in.folder, std::string(kRun) + " --groups 2 --device nosuch", 1,
                   "no device matches 'nosuch'");
  check_fails_with(in.folder, "plan n1c1h5w5k1kh3kw3", 1, "no device matches 'nosuch'",
                   "CLCONV_DEVICE=nosuch");
  const Result none =
      run(in.folder, "devices", "OCL_ICD_VENDORS=/nonexistent OPENCL_VENDOR_PATH=/nonexistent");
  CHECK(none.status == 0);
  CHECK(none.out.find("no OpenCL device found") == 0);
  check_fails_with(in.folder, "plan n1c1h5w5k1kh3kw3", 1,
                   "no OpenCL device found: install a driver",
                   "OCL_ICD_VENDORS=/nonexistent OPENCL_VENDOR_PATH=/nonexistent");
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
    for (const char* field :
         {"strategy", "config", "status", "reason", "predicted_us", "measured", "workspace_bytes",
          "prepared_weights_bytes", "deterministic", "error_bound"}) {
      CHECK(c.contains(field));
    }
    if (c.at("status") != "chosen") continue;
    chosen = true;
    CHECK(c.at("strategy") == json.at("chosen").at("strategy"));
    for (const char* field : {"median_us", "min_us", "p90_us", "runs", "source"})
      CHECK(c.at("measured").contains(field));
  }
  CHECK(chosen);
  CHECK(run(folder, "plan mb1ic4ih10iw9oc8kh3ph1").out.find("problem  n1c4h10w9k8kh3kw3p1:") == 0);
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
  check_fails(folder, std::string("plan --profile none.json ") + kSmall, 2,
              "cannot read none.json");
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
  const Result text = run(folder, "bench n1c4h10w9k8kh3kw3p1");
  CHECK(text.out.find("chosen against the best measured: ") != std::string::npos);
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
  CHECK(run(folder, "wisdom list", env).out.find("2 problems in w.jsonl") != std::string::npos);
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
  CHECK(run(folder, std::string("wisdom forget ") + kSmall, env).out ==
        "forgot 1 records and 0 unreadable lines\n");
  CHECK(run(folder, "wisdom list", env).out.find("1 problems in") != std::string::npos);
  CHECK(run(folder, "wisdom import copy.jsonl", env).status == 0);
  CHECK(run(folder, "wisdom list", env).out.find("2 problems in") != std::string::npos);
  check_fails(folder, "wisdom forget", 2,
              "wisdom forget: name a PROBLEM, or --all, --on or --unreadable", env);
  check_fails(folder, "wisdom import none.jsonl", 1, "cannot read wisdom file none.jsonl", env);

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
  CHECK(run(folder, "wisdom list", env).out.find("0 problems in") != std::string::npos);
}

TEST_CASE("a corrupt wisdom line and a wisdom file that cannot be written never fail a plan") {
  const TempFolder folder;
  write_file_atomically(folder.path("w.jsonl"), "this is not JSON\n");
  Result result =
      run(folder, std::string("plan --rigor measure ") + kSmall, "CLCONV_WISDOM=w.jsonl");
  CHECK(result.status == 0);
  CHECK(result.out.find("note     wisdom w.jsonl: line 1 cannot be read and is ignored") !=
        std::string::npos);
  std::string text;
  read_file(folder.path("w.jsonl"), text);
  CHECK(text.find("this is not JSON\n") != std::string::npos);
  CHECK(
      run(folder, "wisdom list", "CLCONV_WISDOM=w.jsonl").out.find("1 lines that cannot be read") !=
      std::string::npos);
  CHECK(run(folder, "wisdom forget --unreadable", "CLCONV_WISDOM=w.jsonl").out ==
        "forgot 0 records and 1 unreadable lines\n");
  result = run(folder, std::string("plan --rigor measure ") + kSmall,
               "CLCONV_WISDOM=/proc/nowhere/w.jsonl");
  CHECK(result.status == 0);
  CHECK(result.out.find("note     wisdom is not kept: ") != std::string::npos);
  write_file_atomically(folder.path("suite.txt"), "small n1c4h10w9k8kh3kw3p1\n");
  check_fails_with(folder, "tune --suite suite.txt", 1,
                   "wisdom is not kept: ", "CLCONV_WISDOM=/proc/nowhere/w.jsonl");
}

TEST_CASE(
    "a read-only cache folder costs nothing but the cache, a second process compiles nothing") {
  const Inputs in;
  const std::string command = std::string(kRun) + " --groups 2";
  CHECK(run(in.folder, command, "CLCONV_CACHE_DIR=/proc/nowhere").status == 0);
  CHECK(run(in.folder, command, "CLCONV_CACHE_DIR=off").status == 0);
  const std::string env = "CLCONV_CACHE_DIR=cache CLCONV_WISDOM=w.jsonl";
  CHECK(run(in.folder, command, env).out.find("0 read from the cache") != std::string::npos);
  const Result second = run(in.folder, command, env);
  CHECK(second.out.find(" 0 programs built in ") != std::string::npos);
  CHECK(second.out.find(" 0 read from the cache") == std::string::npos);
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
