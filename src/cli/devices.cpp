// clconv devices: what there is, and which one would be taken.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/cli.hpp"

namespace clconv::cli {
namespace {

// "default" is the device that the other verbs would take now, by --device or CLCONV_DEVICE. Where
// there is none, says so in a line: the list is what its user needs.
std::string mark_default(nlohmann::ordered_json& list, const Session& session) {
  cl::Device chosen;
  std::string nothing;
  try {
    chosen = session.select();
  } catch (const std::exception& error) {
    nothing = std::string(error.what()) + "\n";
  }
  for (auto& d : list) {
    const auto index = d.at("index").get<std::string>();
    d["default"] = chosen() != nullptr && select_device(index)() == chosen();
  }
  return nothing;
}

}  // namespace

void add_devices(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand("devices", "list the OpenCL devices");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "one JSON document");
  verb->callback([&session, json] {
    session.action = [&session, json] {
      auto list = nlohmann::ordered_json::parse(clconv::devices());
      const std::string nothing = mark_default(list, session);
      if (*json) {
        std::printf("%s\n", list.dump(2).c_str());
        return;
      }
      Table table(
          {"", "index", "type", "units", "floats", "memory", "device", "platform", "driver"});
      for (const auto& d : list) {
        table.add({d.at("default").get<bool>() ? "*" : "", d.at("index").get<std::string>(),
                   d.at("type").get<std::string>(),
                   std::to_string(d.at("compute_units").get<int>()),
                   std::to_string(d.at("float_width").get<int>()),
                   format_bytes(d.at("global_memory_bytes").get<std::int64_t>()),
                   d.at("name").get<std::string>(), d.at("platform").get<std::string>(),
                   d.at("driver").get<std::string>()});
      }
      if (list.empty()) {
        std::printf("%s", nothing.c_str());
      } else {
        std::printf("%s%s", table.text().c_str(), nothing.c_str());
      }
    };
  });
}

}  // namespace clconv::cli
