// clconv profile: this device as JSON, for `clconv plan --profile` elsewhere.
#include <cstdio>

#include "cli/cli.hpp"

namespace clconv::cli {

void add_profile(CLI::App& app, Session& session) {
  auto* verb =
      app.add_subcommand("profile", "print the device profile as JSON, for `plan --profile`");
  auto measure = std::make_shared<bool>(false);
  verb->add_flag("--measure", *measure,
                 "measure peak, bandwidth and launch time first; kept in the wisdom");
  verb->callback([&session, measure] {
    session.action = [&session, measure] {
      std::printf("%s\n", session.open().profile(*measure).c_str());
    };
  });
}

}  // namespace clconv::cli
