#include "report.hpp"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>

#include "cli/cli.hpp"
#include "runtime/files.hpp"

namespace clconv::bench {
namespace {

using cli::fixed;

std::string word(const Json& json, const char* field) {
  return json.at(field).get<std::string>();
}

double number(const Json& json, const char* field) {
  return json.at(field).get<double>();
}

void add_best(Json& result, const Json& peer) {
  const Json* best = nullptr;
  double min_us = std::numeric_limits<double>::infinity();
  for (const Json& key : peer.at("of")) {
    const Json* one = find_contender(result, key.get<std::string>());
    if (one == nullptr) continue;
    min_us = std::min(min_us, number(*one, "min_us"));
    if (best == nullptr || number(*one, "median_us") < number(*best, "median_us")) best = one;
  }
  if (best == nullptr) return;
  Json copy = *best;
  copy["how"] = word(*best, "key") + (word(*best, "how").empty() ? "" : ": ") + word(*best, "how");
  copy["key"] = peer.at("key");
  copy["min_us"] = min_us;
  result["contenders"].push_back(copy);
}

// Geometric mean and least value with where it was, of one kind of ratio.
Json summed_up(const Json& results, const std::string& key, const char* field) {
  double logs = 0;
  int count = 0;
  Json least = nullptr;
  for (const Json& result : results) {
    const Json* one = find_contender(result, key);
    if (one == nullptr) continue;
    const double ratio = number(*one, field);
    logs += std::log(ratio);
    ++count;
    if (least.is_null() || ratio < number(least, "ratio")) {
      least = {{"ratio", ratio}, {"name", result.at("name")}};
    }
  }
  if (count == 0) return nullptr;
  return {{"problems", count}, {"geomean", std::exp(logs / count)}, {"least", least}};
}

std::string times(double ratio) {
  return fixed(ratio, ratio < 9.995 ? 2 : 1) + "x";
}

std::string percent(double share) {
  return fixed(100 * share, 0) + " %";
}

void print_problems(const Json& document) {
  cli::Table table(
      {"name", "GFLOP", "who", "how", "median", "min", "GFLOP/s", "of peak", "ratio", "by minima"});
  for (const Json& result : document.at("results")) {
    std::string name = word(result, "name"),
                gflop = fixed(number(result, "flops") * 1e-9, 3);  // in the first row
    for (const Json& peer : document.at("peers")) {
      std::vector<std::string> row = {name, gflop, word(peer, "title")};
      name = gflop = "";
      const Json* one = find_contender(result, word(peer, "key"));
      if (one == nullptr) {
        row.insert(row.end(), 7, "-");
        table.add(row, cli::kDim);
        continue;
      }
      const bool ours = word(peer, "key") == "clconv";
      for (const std::string& cell :
           {word(*one, "how"), cli::format_us(number(*one, "median_us")),
            cli::format_us(number(*one, "min_us")),
            cli::format_gflops(number(result, "flops"), number(*one, "median_us")),
            percent(number(*one, "of_peak")), ours ? "" : times(number(*one, "ratio")),
            ours ? "" : times(number(*one, "ratio_min"))}) {
        row.push_back(cell);
      }
      table.add(row, ours ? cli::kGreen : "");
    }
    table.add(std::vector<std::string>(10));
  }
  std::printf("%s", table.text().c_str());
}

void print_summary(const Json& document) {
  if (document.at("results").size() < 2) return;
  cli::Table table({"clconv's speed over", "problems", "geometric mean", "least", "at", "by minima",
                    "least", "at"});
  for (const Json& peer : document.at("peers")) {
    const Json& by = document.at("summary");
    const std::string key = word(peer, "key");
    if (!by.contains(key)) continue;
    const Json &median = by.at(key).at("by_median"), &min = by.at(key).at("by_min");
    table.add({word(peer, "title"), std::to_string(median.at("problems").get<int>()),
               times(number(median, "geomean")), times(number(median.at("least"), "ratio")),
               word(median.at("least"), "name"), times(number(min, "geomean")),
               times(number(min.at("least"), "ratio")), word(min.at("least"), "name")});
  }
  std::printf("%s", table.text().c_str());
}

}  // namespace

const Json* find_contender(const Json& result, const std::string& key) {
  for (const Json& one : result.at("contenders")) {
    if (one.at("key") == key) return &one;
  }
  return nullptr;
}

void complete(Json& document) {
  const double peak = number(document, "peak_gflops");
  Json summary = Json::object();
  for (Json& result : document["results"]) {
    for (const Json& peer : document.at("peers")) {
      if (peer.contains("of")) add_best(result, peer);
    }
    const Json ours = *find_contender(result, "clconv");
    for (Json& one : result["contenders"]) {
      const double us = number(one, "median_us");
      one["gflops"] = number(result, "flops") / us * 1e-3;
      one["of_peak"] = number(one, "gflops") / peak;
      if (one.at("key") == "clconv") continue;
      one["ratio"] = us / number(ours, "median_us");
      one["ratio_min"] = number(one, "min_us") / number(ours, "min_us");
    }
  }
  for (const Json& peer : document.at("peers")) {
    const std::string key = word(peer, "key");
    if (key == "clconv") continue;
    const Json by_median = summed_up(document.at("results"), key, "ratio");
    if (by_median.is_null()) continue;
    summary[key] = {{"by_median", by_median},
                    {"by_min", summed_up(document.at("results"), key, "ratio_min")}};
  }
  document["summary"] = summary;
}

void print_report(const Json& document) {
  std::printf("device  %s, driver %s\n", word(document, "device").c_str(),
              word(document, "driver").c_str());
  for (const auto& [name, value] : document.at("environment").items())
    std::printf("with    %s=%s\n", name.c_str(), value.get<std::string>().c_str());
  std::printf("peak    %s GFLOP/s, copy %s GB/s, launch %s us (measured in this run)\n",
              fixed(number(document, "peak_gflops"), 0).c_str(),
              fixed(number(document, "bandwidth_gbs"), 1).c_str(),
              fixed(number(document, "launch_us"), 1).c_str());
  const bool forward = document.at("direction") == "forward";
  std::printf("%s%s, %d threads; a ratio is the peer's time over clconv's\n\n",
              word(document, "direction").c_str(),
              forward ? " with bias and ReLU where nothing else is said" : "",
              document.at("threads").get<int>());
  cli::Table key({"who", "what"});
  for (const Json& peer : document.at("peers"))
    key.add({word(peer, "title"), word(peer, "about")});
  std::printf("%s\n", key.text().c_str());
  print_problems(document);
  print_summary(document);
  for (const Json& result : document.at("results")) {
    for (const Json& error : result.at("errors")) {
      std::printf("error: %s, %s: %s\n", word(result, "name").c_str(), word(error, "key").c_str(),
                  word(error, "text").c_str());
    }
  }
}

void check_writable(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) {
    throw cli::FileFailure("cannot write " + path + ": " + std::strerror(errno));
  }
}

void write_file(const std::string& path, const std::string& text) {
  core::write_file_atomically(path, text);
}

}  // namespace clconv::bench
