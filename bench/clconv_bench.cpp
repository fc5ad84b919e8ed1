// clconv-bench: clconv's plan and what people would use instead, problem by problem in the same process,
// checked against each other and timed in turns. Exit status as clconv's: 0 done; 1 the device, a build
// or a file failed; 2 the words or the input were wrong; 3 the constraint cannot be met.
//
// Who takes part stands in peers.hpp. Weights are prepared for all; activations are NCHW unless a peer's
// title says otherwise.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "charts.hpp"
#include "cli/cli.hpp"
#include "environment.hpp"
#include "peers.hpp"
#include "report.hpp"
#include "rounds.hpp"
#include "threads.hpp"

namespace {

using namespace clconv::bench;
namespace cli = clconv::cli;
using clconv::Problem;
using cli::BadInput;

// OpenMP's idle threads (libgomp: oneDNN) spin for about 5 ms before they sleep, OpenBLAS's as long as
// environment.cpp says, and hold a core that PoCL's then lack. Waiting passively instead
// (OMP_WAIT_POLICY=PASSIVE) halves oneDNN's speed (2-core Zen 5, 2026-11: 470 us become 920 us on
// resnet_3x3_56); a pause before each turn costs nobody anything.
constexpr double kPauseMs = 10;

struct Words {
  std::string suite, direction = "forward", rigor, peers = "all", json, charts, from;
  std::vector<std::string> problems;
  bool chain = false, pytorch = false;
  RoundOptions rounds{15, kPauseMs};
  cli::Session session;
};

// ---- who and what -------------------------------------------------------------------------------

std::vector<cli::NamedProblem> wanted_problems(const Words& words) {
  std::vector<cli::NamedProblem> list;
  if (!words.suite.empty()) list = cli::read_suite(words.suite);
  for (const std::string& text : words.problems)
    list.push_back({text, Problem(text)});
  if (list.empty()) throw BadInput("name a PROBLEM or --suite FILE");
  const clconv_direction direction = cli::parse_direction(words.direction);
  if (direction > CLCONV_BACKWARD_WEIGHTS) {
    throw BadInput("--direction '" + words.direction +
                   "': expected forward, backward-data or backward-weights");
  }
  for (cli::NamedProblem& item : list) {
    item.problem.direction = direction;
    const bool forward = direction == CLCONV_FORWARD;
    item.problem.bias = forward ? 1 : 0;
    item.problem.activation = forward ? CLCONV_RELU : CLCONV_NO_ACTIVATION;
  }
  return list;
}

std::string comma_separated(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : ",") + word;
  return text;
}

// The keys that --peers names.
std::vector<std::string> wanted_peers(const std::string& text) {
  const auto known = known_peers();
  if (text == "all") return known;
  if (text == "none") return {};
  std::vector<std::string> keys;
  std::istringstream in(text);
  for (std::string key; std::getline(in, key, ',');) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw BadInput("--peers '" + key + "': expected all, none, or some of " +
                     comma_separated(known));
    }
    keys.push_back(key);
  }
  return keys;
}

std::vector<Peer> present_peers(const Lab& lab, const Words& words) {
  std::vector<Peer> built = clblast_peers(lab);
  const auto add = [](std::vector<Peer>& to, std::vector<Peer> from) {
    to.insert(to.end(), from.begin(), from.end());
  };
#ifdef CLCONV_BENCH_ONEDNN
  add(built, onednn_peers());
#endif
#ifdef CLCONV_BENCH_OPENBLAS
  add(built, openblas_peers());
#endif
  std::vector<Peer> peers = {clconv_peer(lab, cli::parse_rigor(words.rigor))};
  for (const std::string& key : wanted_peers(words.peers)) {
    const auto found =
        std::find_if(built.begin(), built.end(), [&](const Peer& peer) { return peer.key == key; });
    if (found != built.end())
      peers.push_back(*found);
    else
      std::fprintf(stderr, "clconv-bench: %s was not there when this was built\n", key.c_str());
  }
  if (words.pytorch) {
    const auto python = pytorch_peers();
    if (python.empty()) std::fprintf(stderr, "clconv-bench: no Python here has PyTorch\n");
    add(peers, python);
  }
  return peers;
}

Json peers_json(const std::vector<Peer>& peers, clconv_direction direction) {
  Json list = Json::array();
  for (const Peer& peer : peers)
    list.push_back({{"key", peer.key}, {"title", peer.title}, {"about", peer.about}});
  for (const BestOf& best : best_of(direction)) {
    const auto takes_part = [&](const std::string& key) {
      return std::any_of(peers.begin(), peers.end(), [&](const Peer& p) { return p.key == key; });
    };
    if (!std::all_of(best.of.begin(), best.of.end(), takes_part)) continue;
    list.push_back(
        {{"key", best.key}, {"title", best.title}, {"about", best.about}, {"of", best.of}});
  }
  return list;
}

// ---- one comparison -----------------------------------------------------------------------------

// Of one problem, or of several in a chain. Whoever fails or computes something else is left out, with
// a word why.
Json compare(const std::string& name, const std::vector<Case>& cases,
             const std::vector<Peer>& peers, const RoundOptions& rounds) {
  Json result;
  result["name"] = name;
  result["problem"] =
      cases.size() == 1 ? cases.front().problem.text()
                        : cli::counted(static_cast<int>(cases.size()), "problem") + " back to back";
  double flops = 0, bytes = 0;
  for (const Case& item : cases) {
    flops += item.info.flops;
    bytes += static_cast<double>(item.info.x_bytes + item.info.w_bytes + item.info.y_bytes);
  }
  result["flops"] = flops;
  result["bytes"] = bytes;
  result["contenders"] = Json::array();
  result["errors"] = Json::array();

  std::vector<ContenderPtr> contenders;
  std::vector<std::string> keys;
  std::vector<float> expected;
  for (const Peer& peer : peers) {
    std::string complaint;
    try {
      ContenderPtr contender =
          cases.size() == 1 ? peer.prepare(cases.front()) : prepare_chain(peer, cases);
      if (!contender) continue;
      contender->enqueue();
      contender->finish();
      const std::vector<float> computed = contender->result();
      if (expected.empty()) expected = computed;  // clconv comes first
      complaint = mismatch(peer, cases.back(), computed, expected);
      if (complaint.empty()) {
        contenders.push_back(std::move(contender));
        keys.push_back(peer.key);
      }
    } catch (const std::exception& error) {
      if (contenders.empty()) throw;  // clconv itself
      complaint = error.what();
    }
    if (!complaint.empty()) result["errors"].push_back({{"key", peer.key}, {"text", complaint}});
  }
  std::vector<Contender*> all;
  for (const ContenderPtr& contender : contenders)
    all.push_back(contender.get());
  const std::vector<Times> times = timed(all, rounds);
  for (std::size_t i = 0; i < all.size(); ++i) {
    result["contenders"].push_back({{"key", keys[i]},
                                    {"how", all[i]->how()},
                                    {"median_us", times[i].median_us},
                                    {"min_us", times[i].min_us},
                                    {"rounds", times[i].rounds},
                                    {"calls", times[i].calls}});
  }
  return result;
}

// ---- the run ------------------------------------------------------------------------------------

// A busy neighbour makes a probe slow, never fast: of two the better.
void add_speeds(Json& document, const Lab& lab) {
  const auto profile = nlohmann::json::parse(lab.context.profile(true));
  const bool first = !document.contains("peak_gflops");
  for (const char* field : {"peak_gflops", "bandwidth_gbs"}) {
    const double value = profile.at(field).get<double>();
    document[field] = first ? value : std::max(value, document[field].get<double>());
  }
  const double launch = profile.at("launch_us").get<double>();
  document["launch_us"] = first ? launch : std::min(launch, document["launch_us"].get<double>());
}

Json measured(const Words& words) {
  const auto list = wanted_problems(words);
  cli::parse_rigor(words.rigor);
  wanted_peers(words.peers);
  words.session.select();
  const Lab lab(words.session.device);
  const auto peers = present_peers(lab, words);
  const auto profile = nlohmann::json::parse(lab.context.profile());
  Json document;
  document["device"] =
      profile.at("platform").get<std::string>() + " / " + profile.at("name").get<std::string>();
  document["driver"] = profile.at("driver");
  document["direction"] = words.direction;
  document["rigor"] = words.rigor.empty() ? "estimate" : words.rigor;
  document["threads"] = thread_count();
  document["chain"] = words.chain;
  document["environment"] =
      nlohmann::json::parse(lab.context.explain(list.front().problem)).at("environment");
  add_speeds(document, lab);
  document["peers"] = peers_json(peers, list.front().problem.direction);
  document["results"] = Json::array();
  if (words.chain) {
    std::vector<Case> cases;
    for (const cli::NamedProblem& item : list)
      cases.emplace_back(item.name, item.problem);
    const std::string name =
        words.suite.empty() ? "chain" : std::filesystem::path(words.suite).stem().string();
    document["results"].push_back(compare(name, cases, peers, words.rounds));
  } else {
    cli::Progress progress("timing", list.size());
    for (const cli::NamedProblem& item : list) {
      progress.step(item.name);
      document["results"].push_back(
          compare(item.name, {Case(item.name, item.problem)}, peers, words.rounds));
    }
  }
  add_speeds(document, lab);
  complete(document);
  return document;
}

Json read_document(const Words& words) {
  if (!words.suite.empty() || !words.problems.empty()) {
    throw BadInput("--from " + words.from + ": reads results, expected no problems beside it");
  }
  Json document = Json::parse(cli::read_text_file(words.from), nullptr, false);
  if (!document.is_object() || !document.contains("summary")) {
    throw BadInput("--from " + words.from + ": expected what --json wrote");
  }
  return document;
}

void run(const Words& words) {
  if (!words.json.empty()) check_writable(words.json);
  if (!words.charts.empty()) std::filesystem::create_directories(words.charts);
  const Json document = words.from.empty() ? measured(words) : read_document(words);
  print_report(document);
  if (!words.json.empty()) write_file(words.json, document.dump(1) + "\n");
  if (!words.charts.empty()) {
    write_file(words.charts + "/roofline.svg", roofline_svg(document));
    write_file(words.charts + "/speedup.svg", speedup_svg(document));
  }
}

}  // namespace

int main(int argc, char** argv) {
  settle_environment(argv);
  pin_threads();  // OpenBLAS's, which start with the process
  CLI::App app{"clconv and its peers on the same problems, timed in turns", "clconv-bench"};
  Words words;
  app.add_option("PROBLEM", words.problems, "problems, e.g. n1c64h56w56k64kh3kw3p1");
  app.add_option("--suite", words.suite, "file of `name PROBLEM` lines");
  app.add_option("--direction", words.direction, "forward, backward-data or backward-weights");
  app.add_option("--rigor", words.rigor, "of clconv's plans: estimate (default), measure, ...");
  app.add_option("--peers", words.peers, "all, none, or some of " + comma_separated(known_peers()));
  app.add_flag("--pytorch", words.pytorch, "PyTorch, too, if a Python here has it");
  app.add_flag("--chain", words.chain, "time all problems in one call, one behind the other");
  app.add_option("--rounds", words.rounds.rounds, "rounds (15)")
      ->check(clconv::cli::whole_number(1, std::numeric_limits<int>::max()));
  app.add_option("--pause", words.rounds.pause_ms, "milliseconds before each turn (10)")
      ->check(clconv::cli::real_number(clconv::cli::Sign::kNotNegative));
  app.add_option("--json", words.json, "write everything there");
  app.add_option("--charts", words.charts, "write roofline.svg and speedup.svg into this folder");
  app.add_option("--from", words.from, "measure nothing, read what --json wrote");
  app.add_option("--device", words.session.device, "device: index P:D, or part of its name");
  if (const auto status = clconv::cli::parse_words(app, argc, argv)) return *status;
  return clconv::cli::exit_status_of("clconv-bench", [&] { run(words); });
}
