// The HTML report: self-contained, safe whatever the names are, and drawn without an error.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>

#include "cli/net_html.hpp"
#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/program.hpp"
#include "support/temp.hpp"

using clconv::cli::html_of;
using clconv::cli::NetPage;
using clconv::test::run_program;
using clconv::test::TempFolder;
using Json = nlohmann::json;

namespace {

const char* const kHostile = "a</script><script>document.title='broken'</script><!--\"'&";

Json step(const char* kind, double us) {
  return {{"step", "add"}, {"kind", kind}, {"predicted_us", us * 0.9}, {"measured_us", us}};
}

Json layer(const std::string& name, Json steps, double us, double flops) {
  return {{"name", name},
          {"op", "Conv"},
          {"output_shape", {1, 8, 4, 4}},
          {"steps", std::move(steps)},
          {"flops", flops},
          {"predicted_us", us * 0.9},
          {"measured_us", us},
          {"bytes", 4096}};
}

// Four layers: a convolution with all that a step may have, a kernel with a hostile name, one of no work, and a copy.
NetPage sample() {
  Json convolution = step("convolution", 30);
  convolution.update({{"problem", "n1c3h4w4k8kh3kw3p1"},
                      {"direction", "forward"},
                      {"epilogue", "bias, relu"},
                      {"strategy", "implicit_gemm"},
                      {"config", "body=slabs,kv=2"},
                      {"workspace_bytes", 100},
                      {"prepared_weights_bytes", 2048},
                      {"flops", 7e4},
                      {"error", 1e-7},
                      {"error_bound", 1e-5},
                      {"ok", true}});
  NetPage page;
  page.title = "net & <co>.onnx";
  page.report = {
      {"device", "a device"},
      {"storage", "f32"},
      {"inputs", {{{"name", "x"}, {"type", "float32"}, {"shape", {1, 3, 4, 4}}, {"bytes", 192}}}},
      {"outputs", {{{"name", "y"}, {"type", "float32"}, {"shape", {1, 8, 4, 4}}, {"bytes", 512}}}},
      {"layers",
       {layer("first", Json::array({convolution}), 30, 7e4),
        layer(kHostile, Json::array({step("kernel", 5)}), 5, 0), layer("idle", Json::array(), 0, 0),
        layer("last", Json::array({step("copy", 2)}), 2, 0)}},
      {"passes",
       {{{"pass", "fold"}, {"changes", {kHostile, "two"}}},
        {{"pass", "none"}, {"changes", Json::array()}}}},
      {"totals",
       {{"predicted_us", 33},
        {"measured_us", 36},
        {"measured_layers_us", 37},
        {"flops", 7e4},
        {"launches", 3}}},
      {"memory",
       {{"weights_bytes", 2048},
        {"arena_bytes", 1024},
        {"alive_bytes", 1024},
        {"workspace_bytes", 100},
        {"lifetimes",
         {{{"name", "t"}, {"bytes", 512}, {"offset", 0}, {"first_layer", 0}, {"last_layer", 1}},
          {{"name", kHostile},
           {"bytes", 512},
           {"offset", 512},
           {"first_layer", 1},
           {"last_layer", 3}}}}}},
      {"times", {{"import_us", 10}, {"passes_us", 20}, {"plan_us", 30}, {"prepare_us", 40}}},
      {"ok", true}};
  page.profile = {{"peak_gflops", 100.0}, {"bandwidth_gbs", 20.0}, {"measured", true}};
  page.candidates = {{"forward n1c3h4w4k8kh3kw3p1",
                      {{{"strategy", "naive"},
                        {"config", ""},
                        {"predicted_us", 90.0},
                        {"measured_us", nullptr}}}}};
  return page;
}

Json data_in(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = html.find(open);
  REQUIRE(from != std::string::npos);
  const std::size_t begin = from + open.size();
  return Json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

bool has_chromium() {
  return std::system("command -v chromium >/dev/null 2>&1") == 0;
}

const char* const kBrowser =
    "120 chromium --headless --no-sandbox --disable-gpu --enable-logging=stderr "
    "--virtual-time-budget=3000 "
    "--user-data-dir=profile ";

}  // namespace

TEST_CASE("the page holds the whole report, and names in it end no script") {
  const NetPage page = sample();
  const std::string html = html_of(page);
  const Json data = data_in(html);
  CHECK(data.at("title") == page.title);
  CHECK(data.at("report") == page.report);
  CHECK(data.at("profile") == page.profile);
  CHECK(data.at("candidates") == page.candidates);
  CHECK(html.find("<title>net &amp; &lt;co&gt;.onnx</title>") != std::string::npos);
  CHECK(html.find("document.title='broken'</script>") == std::string::npos);
  CHECK(html.find("@TITLE@") == std::string::npos);
  CHECK(html.find("@DATA@") == std::string::npos);
}

TEST_CASE("the page needs nothing beside itself") {
  const std::string html = html_of(sample());
  // The namespace of SVG is a name, nothing is fetched from there.
  CHECK(std::regex_replace(html, std::regex("http://www\\.w3\\.org/2000/svg"), "").find("http") ==
        std::string::npos);
  CHECK_FALSE(std::regex_search(html, std::regex("(src|href)=\"(?!data:)")));
  CHECK(html.find("@import") == std::string::npos);
  CHECK(html.find("fetch(") == std::string::npos);
}

TEST_CASE("names that are no UTF-8 become valid text") {
  NetPage page = sample();
  page.title = "bad\xff.onnx";
  page.report["layers"][0]["name"] = "la\xfeyer";
  const Json data = data_in(html_of(page));
  CHECK(data.at("title") == "bad\\xff.onnx");
  CHECK(data.at("report").at("layers").at(0).at("name") == "la\xef\xbf\xbdyer");
}

TEST_CASE("a browser draws every layer and writes nothing to its console") {
  if (!has_chromium()) {
    MESSAGE("skipped: chromium is not installed");
    return;
  }
  NetPage pages[] = {sample(), sample(), sample()};
  pages[1].report["layers"] = Json::array();  // a network that only hands its input on
  pages[1].report["memory"]["lifetimes"] = Json::array();
  for (Json& l : pages[2].report["layers"]) {  // not measured, not checked
    l.erase("measured_us");
    for (Json& s : l["steps"]) {
      for (const char* name : {"measured_us", "error", "error_bound", "ok"})
        s.erase(name);
    }
  }
  for (const char* name : {"measured_us", "measured_layers_us"})
    pages[2].report["totals"].erase(name);
  pages[2].report.erase("ok");
  for (const NetPage& page : pages) {
    const TempFolder folder;
    clconv::core::write_file_atomically(folder.path("page.html"), html_of(page));
    const auto drawn = run_program(
        folder, "timeout", kBrowser + std::string("--dump-dom page.html"), "HOME=" + folder.root());
    CAPTURE(drawn.err);
    REQUIRE(drawn.status == 0);
    CHECK(drawn.err.find("CONSOLE") == std::string::npos);
    const std::size_t layers = page.report.at("layers").size();
    for (std::size_t i = 0; i < layers; ++i)
      CHECK(drawn.out.find("id=\"layer" + std::to_string(i) + "\"") != std::string::npos);
    CHECK(drawn.out.find("<title>net &amp; &lt;co&gt;.onnx</title>") != std::string::npos);
    CHECK((drawn.out.find("class=\"life") != std::string::npos) == (layers > 0));
    CHECK((drawn.out.find("class=\"roof\"") != std::string::npos) == (layers > 0));
  }
}

TEST_CASE("a browser's picture of the page is not empty") {
  if (!has_chromium()) {
    MESSAGE("skipped: chromium is not installed");
    return;
  }
  const TempFolder folder;
  clconv::core::write_file_atomically(folder.path("page.html"), html_of(sample()));
  const auto shot =
      run_program(folder, "timeout",
                  kBrowser + std::string("--window-size=1200,1400 --screenshot=page.png page.html"),
                  "HOME=" + folder.root());
  CAPTURE(shot.err);
  REQUIRE(shot.status == 0);
  std::string png;
  REQUIRE(clconv::core::read_file(folder.path("page.png"), png));
  CHECK(png.size() > 20000);
}
