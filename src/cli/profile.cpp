// clconv profile: this device as JSON, for `clconv plan --profile` elsewhere.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/cli.hpp"

namespace clconv::cli {

void add_profile(CLI::App& app, Session& session) {
  auto* verb =
      app.add_subcommand("profile", "print the device profile as JSON, for `plan --profile`");
  auto measure = std::make_shared<bool>(false);
  verb->add_flag("--measure", *measure,
                 "measure peak, bandwidth and launch time first; kept in the wisdom (exit status 1 "
                 "where that fails)");
  verb->callback([&session, measure] {
    session.action = [&session, measure] {
      const Context context = session.open();
      std::printf("%s\n", context.profile(*measure).c_str());
      const auto stats = nlohmann::json::parse(context.stats());
      for (const auto& note : stats.at("wisdom").at("notes")) {
        if (*measure) throw FileFailure(note.get<std::string>());
      }
    };
  });
}

}  // namespace clconv::cli
