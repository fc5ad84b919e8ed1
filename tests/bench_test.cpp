// clconv-bench as a user runs it: one tiny problem against peers that start quickly, and wrong words.
#include <fstream>
#include <nlohmann/json.hpp>

#include "doctest/doctest.h"
#include "support/program.hpp"

using namespace clconv::test;
using Json = nlohmann::json;

namespace {

const std::string kQuick = " --rounds 1 --pause 0 --json out.json --peers ";

// oneDNN and OpenBLAS where they were there at build time; CLBlast's first calls take seconds.
const std::string kPeers = "onednn_plain,onednn_reorder,openblas";

ProgramResult bench(const TempFolder& folder, const std::string& arguments) {
  return run_program(folder, CLCONV_BENCH_PROGRAM, arguments);
}

Json document_of(const TempFolder& folder) {
  std::ifstream in(folder.path("out.json"));
  return Json::parse(in, nullptr, false);
}

bool takes_part(const Json& document, const std::string& key) {
  for (const Json& peer : document.at("peers")) {
    if (peer.at("key") == key) return true;
  }
  return false;
}

void check_times(const Json& document) {
  REQUIRE(document.is_object());
  CHECK(document.at("peak_gflops").get<double>() > 0);
  CHECK(document.at("bandwidth_gbs").get<double>() > 0);
  for (const Json& result : document.at("results")) {
    CHECK(result.at("errors").empty());
    CHECK(result.at("contenders").front().at("key") == "clconv");
    for (const Json& one : result.at("contenders")) {
      CAPTURE(one.dump());
      CHECK(takes_part(document, one.at("key")));
      CHECK(one.at("median_us").get<double>() >= one.at("min_us").get<double>());
      CHECK(one.at("min_us").get<double>() > 0);
      CHECK(one.at("gflops").get<double>() > 0);
      if (one.at("key") != "clconv") CHECK(one.at("ratio").get<double>() > 0);
    }
  }
}

void check_one_line(const ProgramResult& result, int status, const std::string& part) {
  CAPTURE(result.err);
  CHECK(result.status == status);
  CHECK(result.out.empty());
  CHECK(result.err.rfind("clconv-bench: ", 0) == 0);
  CHECK(result.err.find('\n') == result.err.size() - 1);
  CHECK(result.err.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("a grouped, padded and strided problem in every direction agrees with all peers") {
  const TempFolder folder;
  for (const char* direction : {"forward", "backward-data", "backward-weights"}) {
    CAPTURE(std::string(direction));
    const auto result =
        bench(folder, "n2c4h9w8k6kh3kw2s2,1p1,0g2d1,2 n1c5h7w7k3kh1kw1 --direction " +
                          std::string(direction) + kQuick + kPeers);
    CHECK(result.status == 0);
    const Json document = document_of(folder);
    check_times(document);
    CHECK(document.at("direction") == direction);
    CHECK(document.at("results").size() == 2);
    CHECK(result.out.find("clconv") != std::string::npos);
    for (const Json& summary : document.at("summary")) {
      const Json& ratios = summary.at("by_median");
      CHECK(ratios.at("geomean").get<double>() >=
            ratios.at("least").at("ratio").get<double>() * 0.999);
    }
  }
}

TEST_CASE("a chain is one result with all the work, and charts are drawn from what was written") {
  const TempFolder folder;
  std::ofstream(folder.path("two.txt")) << "first n1c4h6w6k8kh3kw3p1\nsecond n1c8h6w6k4kh1kw1\n";
  CHECK(bench(folder, "--suite two.txt --chain" + kQuick + kPeers).status == 0);
  const Json document = document_of(folder);
  check_times(document);
  REQUIRE(document.at("results").size() == 1);
  CHECK(document.at("results")[0].at("name") == "two");
  CHECK(document.at("results")[0].at("flops") == 2 * 6 * 6 * (8 * 4 * 9 + 4 * 8));

  CHECK(bench(folder, "--suite two.txt" + kQuick + "none --charts now").status == 0);
  CHECK(bench(folder, "--from out.json --charts again").status == 0);
  for (const char* name : {"roofline.svg", "speedup.svg"}) {
    const auto read = [&](const std::string& path) {
      std::ifstream in(folder.path(path + name));
      return std::string{std::istreambuf_iterator<char>(in), {}};
    };
    CHECK(read("now/").rfind("<svg ", 0) == 0);
    CHECK(read("now/") == read("again/"));
    CHECK(read("now/").find("second") != std::string::npos);
  }
}

TEST_CASE("clconv-bench: wrong words and files are one line, and nothing is written") {
  const TempFolder folder;
  std::ofstream(folder.path("bad.txt")) << "name n1c4h6w6k8\n";
  std::ofstream(folder.path("not.json")) << "{}\n";
  const std::string problem = "n1c1h1w1k1kh1kw1 --json out.json ";
  check_one_line(bench(folder, "--json out.json"), 2, "--suite");
  check_one_line(bench(folder, "n1c1h1w1k1"), 2, "kh");
  check_one_line(bench(folder, problem + "--direction sideways"), 2, "sideways");
  check_one_line(bench(folder, problem + "--direction backward-bias"), 2, "backward-weights");
  check_one_line(bench(folder, problem + "--rigor much"), 2, "much");
  check_one_line(bench(folder, problem + "--peers cudnn"), 2, "cudnn");
  check_one_line(bench(folder, problem + "--rounds 0"), 2,
                 "--rounds: is '0', expected a whole number from 1 to 2147483647");
  check_one_line(bench(folder, problem + "--pause -1"), 2,
                 "--pause: is '-1', expected a number of at least 0");
  check_one_line(bench(folder, problem + "--frob"), 2, "--frob");
  check_one_line(bench(folder, problem + "--device nothing-like-it"), 1, "nothing-like-it");
  check_one_line(bench(folder, "--suite none.txt"), 1, "none.txt");
  check_one_line(bench(folder, "--suite bad.txt"), 2, "bad.txt:1");
  check_one_line(bench(folder, "--from none.json"), 1, "none.json");
  check_one_line(bench(folder, "--from not.json"), 2, "not.json");
  check_one_line(bench(folder, "n1c1h1w1k1kh1kw1 --from not.json"), 2, "not.json");
  check_one_line(bench(folder, "n1c1h1w1k1kh1kw1 --json none/out.json"), 1, "none/out.json");
  CHECK_FALSE(std::filesystem::exists(folder.path("out.json")));
}
