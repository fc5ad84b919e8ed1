// clconv wisdom: what was measured, to look at and to move between machines.
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/cli.hpp"
#include "cli/report.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

using Json = nlohmann::json;

std::string count_of(const Json& list, const std::string& what) {
  return counted(static_cast<std::int64_t>(list.size()), what);
}

// "forward", "forward f16 nhwc", "forward, math f16".
std::string kind_of(const Json& record) {
  std::string kind = record.at("direction").get<std::string>();
  if (record.contains("storage")) kind += " " + record.at("storage").get<std::string>();
  if (record.contains("math")) kind += ", math " + record.at("math").get<std::string>();
  return kind;
}

void list(const std::string& file, bool json) {
  const std::string text = wisdom_read(file);
  if (json) {
    std::printf("%s\n", text.c_str());
    return;
  }
  const Json wisdom = Json::parse(text);
  Table table(
      {"problem", "direction", "device", "driver", "rigor", "candidates", "best", "median"});
  for (const auto& r : wisdom.at("records")) {
    const Json* best = nullptr;
    for (const auto& c : r.at("candidates")) {
      const Json& wanted = r.at("best");
      if (wanted.is_object() && c.at("strategy") == wanted.at("strategy") &&
          c.at("config") == wanted.at("config")) {
        best = &c;
      }
    }
    table.add({r.at("problem").get<std::string>(), kind_of(r), r.at("device").get<std::string>(),
               r.at("driver").get<std::string>(), r.at("rigor").get<std::string>(),
               std::to_string(r.at("candidates").size()),
               best != nullptr ? variant_name(*best) : "-",
               best != nullptr ? format_us(best->at("median_us").get<double>()) : "-"});
  }
  if (!wisdom.at("records").empty()) std::printf("%s", table.text().c_str());
  const auto others = wisdom.at("other_records").get<std::int64_t>();
  std::printf("%s in %s%s\n", count_of(wisdom.at("records"), "record").c_str(),
              core::one_line(wisdom.at("path").get<std::string>()).c_str(),
              others == 0 ? ""
                          : (", beside " + std::to_string(others) +
                             " of the device's speeds and of checked variants")
                                .c_str());
  if (!wisdom.at("unreadable_lines").empty()) {
    std::printf("%s that cannot be read (`clconv wisdom forget --unreadable` removes them)\n",
                count_of(wisdom.at("unreadable_lines"), "line").c_str());
  }
}

void show(const std::string& file, const std::string& text) {
  const std::string wanted = Problem(text).text();
  const Json wisdom = Json::parse(wisdom_read(file));
  bool found = false;
  for (const auto& r : wisdom.at("records")) {
    if (r.at("problem") != wanted) continue;
    found = true;
    const std::string heading = kind_of(r) + " on " + r.at("device").get<std::string>() +
                                ", driver " + r.at("driver").get<std::string>();
    std::printf("%s %s\n", wanted.c_str(), core::one_line(heading).c_str());
    Table table({"strategy", "config", "median", "min", "p90", "runs", "setup", "status"});
    for (const auto& c : r.at("candidates")) {
      const bool timed = c.contains("median_us");
      const auto us = [&](const char* name) {
        return timed ? format_us(c.at(name).get<double>()) : std::string("-");
      };
      table.add({c.at("strategy").get<std::string>(), c.at("config").get<std::string>(),
                 us("median_us"), us("min_us"), us("p90_us"),
                 timed ? std::to_string(c.at("runs").get<int>()) : "-", us("setup_us"),
                 timed
                     ? "measured"
                     : c.at("status").get<std::string>() + ": " + c.at("text").get<std::string>()});
    }
    std::printf("%s", table.text().c_str());
  }
  if (!found)
    throw BadInput("no wisdom for " + wanted + " in " + wisdom.at("path").get<std::string>());
}

// What makes a record one of its own.
std::string key_of(const Json& record) {
  std::string key = record.at("problem").get<std::string>() + ", " + kind_of(record);
  for (const char* name : {"device", "driver", "machine"})
    key += ", " + record.value(name, std::string());
  return core::one_line(key);
}

// Records that only one of two files has, or that have other candidates or times. Each with what tells it from others.
void diff(const std::string& file, const std::string& other, bool as_json) {
  const auto by_key = [](const std::string& path) {
    const Json wisdom = Json::parse(wisdom_read(path));
    std::map<std::string, Json> records;
    for (const Json& record : wisdom.at("records"))
      records[key_of(record)] = record;
    return records;
  };
  const std::map<std::string, Json> here = by_key(file), there = by_key(other);
  Json only_here = Json::array(), only_there = Json::array(), differ = Json::array();
  for (const auto& [key, record] : here) {
    const auto found = there.find(key);
    if (found == there.end()) {
      only_here.push_back(record);
    } else if (found->second.at("candidates") != record.at("candidates")) {
      differ.push_back({{"here", record}, {"there", found->second}});
    }
  }
  for (const auto& [key, record] : there) {
    if (here.count(key) == 0) only_there.push_back(record);
  }
  if (as_json) {
    std::printf("%s\n",
                Json{{"only_here", only_here}, {"only_there", only_there}, {"differ", differ}}
                    .dump(2)
                    .c_str());
    return;
  }
  for (const Json& record : only_here)
    std::printf("- %s\n", key_of(record).c_str());
  for (const Json& record : only_there)
    std::printf("+ %s\n", key_of(record).c_str());
  for (const Json& pair : differ)
    std::printf("~ %s\n", key_of(pair.at("here")).c_str());
  std::printf("%s only here (-), %zu only in %s (+), %zu differ (~)\n",
              count_of(only_here, "record").c_str(), only_there.size(), other.c_str(),
              differ.size());
}

struct WisdomVerb {
  std::string file, problem, target, on_device;
  bool json = false, all = false, unreadable = false;

  void forget() const {
    if (problem.empty() && on_device.empty() && !all && !unreadable) {
      throw BadInput("wisdom forget: name a PROBLEM, or --all, --on or --unreadable");
    }
    std::int64_t records = 0;
    std::int64_t lines = 0;
    if (!problem.empty() || !on_device.empty() || all) {
      records = wisdom_forget(file, problem, on_device);
    }
    if (unreadable) lines = wisdom_forget_unreadable(file);
    std::printf("forgot %s and %s\n", counted(records, "record").c_str(),
                counted(lines, "unreadable line").c_str());
  }
};

}  // namespace

void add_wisdom(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand("wisdom", "look at, move or forget what was measured");
  auto v = std::make_shared<WisdomVerb>();
  verb->require_subcommand(1);
  verb->add_option("--file", v->file,
                   "wisdom file (default: CLCONV_WISDOM, else the user's cache folder)");
  const auto add = [&](const char* name, const char* what, std::function<void()> action) {
    auto* sub = verb->add_subcommand(name, what);
    sub->fallthrough();
    sub->callback([&session, action] { session.action = action; });
    return sub;
  };
  auto* list_verb = add("list", "one line per problem", [v] { list(v->file, v->json); });
  list_verb->add_flag("--json", v->json, "one JSON document");
  auto* show_verb = add("show", "all candidates of a problem", [v] { show(v->file, v->problem); });
  show_verb->add_option("PROBLEM", v->problem, "e.g. n1c64h56w56k64kh3kw3p1")->required();
  auto* export_verb = add("export", "write all of it to a file", [v] {
    const std::string from = v->file.empty() ? wisdom_path() : v->file;
    check_out(v->target, {from});
    std::FILE* const report = report_stream(v->target);
    wisdom_export(v->file, v->target);
    std::fprintf(report, "wrote %s\n", core::one_line(v->target).c_str());
  });
  export_verb->add_option("FILE", v->target, "file to write")->required();
  auto* import_verb = add("import", "merge a file, all or nothing", [v] {
    const std::int64_t count = wisdom_import(v->file, v->target);
    std::printf("imported %s\n", counted(count, "record").c_str());
  });
  import_verb->add_option("FILE", v->target, "file to read")->required();
  auto* diff_verb = add("diff", "which records another file has more, less or otherwise",
                        [v] { diff(v->file, v->target, v->json); });
  diff_verb->add_option("FILE", v->target, "wisdom file or export to compare with")
      ->required()
      ->check(CLI::ExistingFile);
  diff_verb->add_flag("--json", v->json, "one JSON document");
  auto* forget_verb = add("forget", "remove records", [v] { v->forget(); });
  forget_verb->add_option("PROBLEM", v->problem, "of this problem");
  forget_verb->add_flag("--all", v->all, "everything");
  forget_verb->add_option("--on", v->on_device, "only of devices whose name contains this");
  forget_verb->add_flag("--unreadable", v->unreadable, "lines that cannot be read");
}

}  // namespace clconv::cli
