// clconv devices: what there is, and which one would be taken.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/cli.hpp"

namespace clconv::cli {

void add_devices(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand("devices", "list the OpenCL devices");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "one JSON document");
  verb->callback([&session, json] {
    session.action = [json] {
      const std::string text = clconv::devices();
      if (*json) {
        std::printf("%s\n", text.c_str());
        return;
      }
      Table table(
          {"", "index", "type", "units", "floats", "memory", "device", "platform", "driver"});
      const auto list = nlohmann::json::parse(text);
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
        std::printf(
            "no OpenCL device found: install a driver (any CPU: the package pocl-opencl-icd)\n");
      } else {
        std::printf("%s", table.text().c_str());
      }
    };
  });
}

}  // namespace clconv::cli
