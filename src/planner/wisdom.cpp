#include "planner/wisdom.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/files.hpp"

namespace clconv::core {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

std::string scope_key(const WisdomScope& s) {
  return s.device + "\n" + s.driver + "\n" + s.kernels;
}

std::string key_of(const WisdomRecord& r) {
  return r.problem + "\n" + r.direction + "\n" + r.storage + "\n" + scope_key(r.scope);
}
std::string key_of(const TrustRecord& r) {
  return r.strategy + "\n" + r.config + "\n" + r.problem_class + "\n" + scope_key(r.scope);
}
std::string key_of(const SpeedRecord& r) {
  return scope_key(r.scope);
}

template <class Map>
auto find_in(const Map& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

void put_scope(Json& json, const WisdomScope& scope) {
  json["device"] = scope.device;
  json["driver"] = scope.driver;
  json["kernels"] = scope.kernels;
}

WisdomScope get_scope(const Json& json) {
  return {json.at("device").get<std::string>(), json.at("driver").get<std::string>(),
          json.at("kernels").get<std::string>()};
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
  put_scope(json, r.scope);
  json["rigor"] = to_string(r.rigor);
  json["candidates"] = Json::array();
  for (const WisdomCandidate& c : r.candidates) {
    Json item;
    item["strategy"] = c.strategy;
    item["config"] = c.config;
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
  for (const auto& [key, record] : records_)
    text += to_line(record);
  for (const auto& [key, record] : trust_)
    text += to_line(record);
  for (const auto& [key, record] : speeds_)
    text += to_line(record);
  for (const std::string& content : unreadable_)
    text += content + "\n";
  return text;
}

std::string WisdomBook::records_json() const {
  Json list = Json::array();
  for (const auto& [key, record] : records_) {
    Json json = to_json(record);
    const WisdomCandidate* best = best_of(record);
    json["best"] = nullptr;
    if (best != nullptr) json["best"] = {{"strategy", best->strategy}, {"config", best->config}};
    list.push_back(std::move(json));
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void WisdomBook::merge(const WisdomBook& newer) {
  for (const auto& [key, record] : newer.records_)
    put(record);
  for (const auto& [key, record] : newer.trust_)
    put(record);
  for (const auto& [key, record] : newer.speeds_)
    put(record);
}

void WisdomBook::put(const WisdomRecord& record) {
  const auto [place, fresh] = records_.emplace(key_of(record), record);
  if (fresh) return;
  WisdomRecord& known = place->second;
  known.rigor = std::max(known.rigor, record.rigor);
  for (const WisdomCandidate& c : record.candidates) {
    const auto same = std::find_if(
        known.candidates.begin(), known.candidates.end(),
        [&](const auto& k) { return k.strategy == c.strategy && k.config == c.config; });
    if (same == known.candidates.end()) {
      known.candidates.push_back(c);
    } else {
      *same = c;
    }
  }
}

void WisdomBook::put(const TrustRecord& record) {
  trust_[key_of(record)] = record;
}
void WisdomBook::put(const SpeedRecord& record) {
  speeds_[key_of(record)] = record;
}

const WisdomRecord* WisdomBook::find(const Problem& problem, const WisdomScope& scope) const {
  return find_in(records_, key_of(WisdomRecord{to_text(problem),
                                               to_string(problem.direction),
                                               storage_words(problem),
                                               scope,
                                               Rigor::kMeasure,
                                               {}}));
}

const WisdomRecord* WisdomBook::find_hint(const Problem& problem, const WisdomScope& scope) const {
  const std::string text = to_text(problem);
  for (const auto& [key, record] : records_) {
    if (record.problem == text && record.direction == to_string(problem.direction) &&
        record.storage == storage_words(problem) && record.scope.device == scope.device) {
      return &record;
    }
  }
  return nullptr;
}

const TrustRecord* WisdomBook::find_trust(const std::string& strategy, const std::string& config,
                                          const std::string& problem_class,
                                          const WisdomScope& scope) const {
  return find_in(trust_, key_of(TrustRecord{strategy, config, problem_class, scope, false, ""}));
}

const SpeedRecord* WisdomBook::find_speed(const WisdomScope& scope) const {
  return find_in(speeds_, scope_key(scope));
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

std::string wisdom_path(const std::string& path) {
  const std::string wanted = path.empty() ? environment("CLCONV_WISDOM") : path;
  if (wanted == "off") return "";
  if (!wanted.empty()) return wanted;
  const std::string directory = user_cache_directory();
  return directory.empty() ? "" : directory + "/wisdom.jsonl";
}

void update_wisdom_file(const std::string& path, const std::function<void(WisdomBook&)>& change) {
  const FileLock lock(path);
  WisdomBook book;
  std::string text;
  if (read_file(path, text)) book.read(text);
  change(book);
  write_file_atomically(path, book.write());
}

Wisdom::Wisdom(std::string path) : path_(std::move(path)) {
  std::string text;
  if (path_.empty() || !read_file(path_, text)) return;
  const std::vector<int> bad = book_.read(text);
  for (const int number : bad) {
    notes_.push_back("wisdom " + path_ + ": line " + std::to_string(number) +
                     " cannot be read and is ignored");
  }
}

void Wisdom::add(const WisdomBook& additions) {
  const std::lock_guard<std::mutex> lock(mutex_);
  book_.merge(additions);
  if (path_.empty()) return;
  try {
    update_wisdom_file(path_, [&](WisdomBook& book) { book.merge(additions); });
  } catch (const std::exception& error) {
    const std::string note = "wisdom is not kept: " + std::string(error.what());
    if (std::find(notes_.begin(), notes_.end(), note) == notes_.end()) notes_.push_back(note);
  }
}

std::vector<std::string> Wisdom::notes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return notes_;
}

}  // namespace clconv::core
