// clconv: plan, run, measure and explain 2-D convolutions. Exit status: 0 done; 1 the device, a
// build or a file failed; 2 the words or the input were wrong; 3 the constraint cannot be met.
#include "cli/cli.hpp"

namespace {

// CLI11 says only that a subcommand is required; people want to hear which word was none. `verb` is the
// last one understood.
std::string explain_missing_verb(const CLI::App& verb, int argc, char** argv) {
  std::string expected;
  for (const CLI::App* sub : verb.get_subcommands([](const CLI::App*) { return true; })) {
    expected += (expected.empty() ? "" : ", ") + sub->get_name();
  }
  bool behind = verb.get_parent() == nullptr;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--device" || word == "--file") {
      ++i;  // and its value
    } else if (!behind) {
      behind = word == verb.get_name();
    } else if (word[0] != '-') {
      return "'" + word + "' is unknown, expected one of " + expected;
    }
  }
  return "a subcommand is missing, expected one of " + expected;
}

// The verb that `app` got as far as, of those that need another word; null if it has one.
const CLI::App* incomplete(const CLI::App& app) {
  if (app.get_require_subcommand_min() == 0) return nullptr;
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? &app : incomplete(*parsed.front());
}

}  // namespace

int main(int argc, char** argv) {
  using namespace clconv::cli;
  // After a pause the scheduler often puts two of PoCL's threads on one core: calls then take twice as long, now and
  // then, for a second (2-core Zen 5, Linux 6, 2026-11: 465 us or 910 us at random; with pinned threads always 465).
  clconv::pin_pocl_threads();
  CLI::App app{"2-D convolution on any OpenCL device: plan, run, measure, explain", "clconv"};
  Session session;
  app.set_version_flag("--version", std::string("clconv ") + clconv_version());
  app.add_option("--device", session.device,
                 "device: index P:D, or part of its name (default: CLCONV_DEVICE, GPU before CPU)");
  app.fallthrough();  // --device is understood behind the verb too
  app.require_subcommand(1);
  for (const auto add : {add_devices, add_plan, add_run, add_im2col, add_col2im, add_bench,
                         add_tune, add_wisdom, add_profile, add_net}) {
    add(app, session);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const CLI::App* verb = incomplete(app);
    return report("clconv",
                  verb != nullptr ? explain_missing_verb(*verb, argc, argv)
                                  : std::string(error.what()) + " (see --help)",
                  2);
  }
  return exit_status_of("clconv", session.action);
}
