#include "planner/wisdom.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace clconv::core {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

// Keys begin with the kind, so that one table can hold all of them.
std::string machine_key(const WisdomScope& s) {
  return s.device + "\n" + s.driver + "\n" + s.machine;
}
std::string scope_key(const WisdomScope& s) {
  return machine_key(s) + "\n" + s.kernels;
}

// Without float16 the key is that of files before there was any.
std::string asked_key(const WisdomRecord& r) {
  return r.problem + "\n" + r.direction + "\n" + r.storage +
         (r.scope.math.empty() ? "" : "\nmath " + r.scope.math);
}
std::string hint_key(const WisdomRecord& r) {
  return asked_key(r) + "\n" + r.scope.device;
}

std::string key(const WisdomRecord& r) {
  return "plan\n" + asked_key(r) + "\n" + machine_key(r.scope);
}
std::string key(const TrustRecord& r) {
  return "trust\n" + r.strategy + "\n" + r.config + "\n" + r.problem_class + "\n" +
         scope_key(r.scope);
}
std::string key(const SpeedRecord& r) {
  return "speed\n" + scope_key(r.scope);
}

WisdomRecord asked(const Problem& problem, const WisdomScope& scope) {
  WisdomRecord r;
  r.problem = to_text(problem);
  r.direction = to_string(problem.direction);
  r.storage = storage_words(problem);
  r.scope = scope;
  return r;
}

template <class Map>
auto find_in(const Map& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

void put_scope(Json& json, const WisdomScope& scope) {
  json["device"] = scope.device;
  json["driver"] = scope.driver;
  if (!scope.kernels.empty()) json["kernels"] = scope.kernels;
  if (!scope.machine.empty()) json["machine"] = scope.machine;
  if (!scope.math.empty()) json["math"] = scope.math;
}

WisdomScope get_scope(const Json& json) {
  return {json.at("device").get<std::string>(), json.at("driver").get<std::string>(),
          json.value("kernels", std::string()), json.value("machine", std::string()),
          json.value("math", std::string())};
}

Json head(const char* kind) {
  Json json;
  json["clconv_wisdom"] = kVersion;
  json["kind"] = kind;
  return json;
}

std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json to_json(const WisdomRecord& r) {
  Json json = head("plan");
  json["problem"] = r.problem;
  json["direction"] = r.direction;
  if (!r.storage.empty()) json["storage"] = r.storage;
  WisdomScope scope = r.scope;
  scope.kernels.clear();  // each candidate has its own
  put_scope(json, scope);
  json["rigor"] = to_string(r.rigor);
  json["candidates"] = Json::array();
  for (const WisdomCandidate& c : r.candidates) {
    Json item;
    item["strategy"] = c.strategy;
    item["config"] = c.config;
    item["kernels"] = c.kernels;
    item["status"] = to_string(c.status);
    if (c.measured) {
      item["median_us"] = c.measured->median_us;
      item["min_us"] = c.measured->min_us;
      item["p90_us"] = c.measured->p90_us;
      item["runs"] = c.measured->runs;
      item["setup_us"] = c.setup_us;
      item["predicted_us"] = c.predicted_us;
      item["bytes"] = c.bytes;
      item["deterministic"] = c.deterministic;
    } else {
      item["text"] = c.text;
    }
    json["candidates"].push_back(item);
  }
  return json;
}

std::string to_line(const WisdomRecord& r) {
  return line(to_json(r));
}

const WisdomCandidate* best_of(const WisdomRecord& r) {
  std::vector<const WisdomCandidate*> timed;
  std::vector<Standing> standings;
  for (const WisdomCandidate& c : r.candidates) {
    if (!c.measured) continue;
    timed.push_back(&c);
    standings.push_back({c.measured->median_us, c.predicted_us, c.bytes, c.deterministic});
  }
  const auto best = best_of(standings, kTie);
  return best ? timed[*best] : nullptr;
}

std::string to_line(const TrustRecord& r) {
  Json json = head("trust");
  json["strategy"] = r.strategy;
  json["config"] = r.config;
  json["class"] = r.problem_class;
  put_scope(json, r.scope);
  json["trusted"] = r.trusted;
  json["text"] = r.text;
  return line(json);
}

std::string to_line(const SpeedRecord& r) {
  Json json = head("speed");
  put_scope(json, r.scope);
  json["peak_gflops"] = r.peak_gflops;
  json["bandwidth_gbs"] = r.bandwidth_gbs;
  json["launch_us"] = r.launch_us;
  return line(json);
}

double positive(const Json& json, const char* name) {
  const double value = json.at(name).get<double>();
  if (!(value > 0)) throw Error(Code::kInvalidArgument, std::string(name) + " is not positive");
  return value;
}

Status parse_status(const std::string& word) {
  for (const Status status :
       {Status::kApplicable, Status::kFailedBuild, Status::kFailedRun, Status::kFailedVerify}) {
    if (word == to_string(status)) return status;
  }
  throw Error(Code::kInvalidArgument, "unknown status " + word);
}

WisdomRecord read_plan(const Json& json) {
  WisdomRecord r;
  // Through the parser, so that what is in the book is valid and canonical.
  r.problem = to_text(parse_problem(json.at("problem").get<std::string>()));
  r.direction = to_string(parse_direction(json.at("direction").get<std::string>()));
  r.storage = json.value("storage", std::string());
  r.scope = get_scope(json);
  r.rigor = parse_rigor(json.at("rigor").get<std::string>());
  for (const Json& item : json.at("candidates")) {
    WisdomCandidate c;
    c.strategy = item.at("strategy").get<std::string>();
    c.config = item.at("config").get<std::string>();
    c.kernels = item.value("kernels", r.scope.kernels);  // earlier versions: one for all candidates
    c.status = parse_status(item.at("status").get<std::string>());
    if (c.status == Status::kApplicable) {
      Measured m;
      m.median_us = positive(item, "median_us");
      m.min_us = positive(item, "min_us");
      m.p90_us = positive(item, "p90_us");
      m.runs = item.at("runs").get<int>();
      m.from_wisdom = true;
      c.measured = m;
      c.setup_us = item.at("setup_us").get<double>();
      c.predicted_us = item.value("predicted_us", 0.0);
      c.bytes = item.value("bytes", std::int64_t{0});
      c.deterministic = item.value("deterministic", true);
    } else {
      c.text = item.at("text").get<std::string>();
    }
    r.candidates.push_back(c);
  }
  r.scope.kernels.clear();
  return r;
}

TrustRecord read_trust(const Json& json) {
  return {json.at("strategy").get<std::string>(), json.at("config").get<std::string>(),
          json.at("class").get<std::string>(),    get_scope(json),
          json.at("trusted").get<bool>(),         json.at("text").get<std::string>()};
}

SpeedRecord read_speed(const Json& json) {
  return {get_scope(json), positive(json, "peak_gflops"), positive(json, "bandwidth_gbs"),
          positive(json, "launch_us")};
}

}  // namespace

std::vector<int> WisdomBook::read(const std::string& text) {
  std::vector<int> bad;
  std::size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string content = text.substr(begin, end - begin);
    begin = end + 1;
    if (content.empty()) continue;
    try {
      const Json json = Json::parse(content);
      if (json.at("clconv_wisdom").get<int>() != kVersion) {
        throw Error(Code::kInvalidArgument, "another version");
      }
      const std::string kind = json.at("kind").get<std::string>();
      if (kind == "plan") {
        put(read_plan(json));
      } else if (kind == "trust") {
        put(read_trust(json));
      } else if (kind == "speed") {
        put(read_speed(json));
      } else {
        throw Error(Code::kInvalidArgument, "another kind");
      }
    } catch (const std::exception&) {
      bad.push_back(number);
      unreadable_.push_back(content);
    }
  }
  return bad;
}

std::string WisdomBook::write() const {
  std::string text;
  for (const WisdomEntry& entry : entries())
    text += entry.line + "\n";
  return text;
}

std::string WisdomBook::records_json() const {
  Json list = Json::array();
  for (const auto& [name, record] : records_) {
    Json json = to_json(record);
    const WisdomCandidate* best = best_of(record);
    json["best"] = nullptr;
    if (best != nullptr) json["best"] = {{"strategy", best->strategy}, {"config", best->config}};
    list.push_back(std::move(json));
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void WisdomBook::merge(const WisdomBook& newer) {
  for (const auto& [name, record] : newer.records_)
    put(record);
  for (const auto& [name, record] : newer.trust_)
    put(record);
  for (const auto& [name, record] : newer.speeds_)
    put(record);
}

void WisdomBook::put(const WisdomRecord& record) {
  const auto [place, fresh] = records_.emplace(key(record), record);
  if (fresh) return;
  WisdomRecord& known = place->second;
  known.rigor = std::max(known.rigor, record.rigor);
  for (const WisdomCandidate& c : record.candidates) {
    const auto same =
        std::find_if(known.candidates.begin(), known.candidates.end(), [&](const auto& k) {
          return k.strategy == c.strategy && k.config == c.config && k.kernels == c.kernels;
        });
    if (same == known.candidates.end()) {
      known.candidates.push_back(c);
    } else {
      *same = c;
    }
  }
}

void WisdomBook::put(const TrustRecord& record) {
  trust_[key(record)] = record;
}
void WisdomBook::put(const SpeedRecord& record) {
  speeds_[key(record)] = record;
}

const WisdomRecord* WisdomBook::find(const Problem& problem, const WisdomScope& scope) const {
  return find_in(records_, key_of(problem, scope));
}

const WisdomRecord* WisdomBook::find_hint(const Problem& problem, const WisdomScope& scope) const {
  const std::string wanted = hint_of(problem, scope);
  for (const auto& [name, record] : records_) {
    if (hint_key(record) == wanted) return &record;
  }
  return nullptr;
}

const TrustRecord* WisdomBook::find_trust(const std::string& strategy, const std::string& config,
                                          const std::string& problem_class,
                                          const WisdomScope& scope) const {
  return find_in(trust_, key_of_trust(strategy, config, problem_class, scope));
}

const SpeedRecord* WisdomBook::find_speed(const WisdomScope& scope) const {
  return find_in(speeds_, key_of_speed(scope));
}

std::string WisdomBook::key_of(const Problem& problem, const WisdomScope& scope) {
  return key(asked(problem, scope));
}
std::string WisdomBook::hint_of(const Problem& problem, const WisdomScope& scope) {
  return hint_key(asked(problem, scope));
}
std::string WisdomBook::key_of_trust(const std::string& strategy, const std::string& config,
                                     const std::string& problem_class, const WisdomScope& scope) {
  return key(TrustRecord{strategy, config, problem_class, scope, false, ""});
}
std::string WisdomBook::key_of_speed(const WisdomScope& scope) {
  return key(SpeedRecord{scope, 0, 0, 0});
}

std::vector<WisdomEntry> WisdomBook::entries() const {
  std::vector<WisdomEntry> list;
  const auto add = [&](const char* kind, const std::string& name, const auto& record) {
    std::string text = to_line(record);
    text.pop_back();
    list.push_back({kind, name, "", "", record.scope.device, std::move(text)});
  };
  for (const auto& [name, record] : records_) {
    add("plan", name, record);
    list.back().hint = hint_key(record);
    list.back().problem = record.problem;
  }
  for (const auto& [name, record] : trust_)
    add("trust", name, record);
  for (const auto& [name, record] : speeds_)
    add("speed", name, record);
  for (const std::string& text : unreadable_)
    list.push_back({"unreadable", "unreadable\n" + text, "", "", "", text});
  return list;
}

std::size_t WisdomBook::forget(const std::string& problem, const std::string& device) {
  std::size_t count = 0;
  const auto forget_in = [&](auto& map, const auto& matches) {
    for (auto it = map.begin(); it != map.end();) {
      const bool gone =
          it->second.scope.device.find(device) != std::string::npos && matches(it->second);
      it = gone ? (++count, map.erase(it)) : std::next(it);
    }
  };
  const bool everything = problem.empty();
  forget_in(records_, [&](const auto& record) { return everything || record.problem == problem; });
  forget_in(trust_, [&](const auto&) { return everything; });
  forget_in(speeds_, [&](const auto&) { return everything; });
  return count;
}

std::size_t WisdomBook::forget_unreadable() {
  const std::size_t count = unreadable_.size();
  unreadable_.clear();
  return count;
}

}  // namespace clconv::core
