// The words of a command line: checks of numbers, and one line where a word is wrong. CLI11's own checks print a range
// with 309 digits, and of what is no number they do not say what is expected. Needs CLI11 alone, so that examples and
// benchmarks can use it, too.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <system_error>

namespace clconv::cli {

// What all of `text` says; what is no number, or does not fit, is an error.
template <class Number>
std::errc parse_number(const std::string& text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest != end ? std::errc::invalid_argument : error;
}

// "--runs: is '-1', expected a whole number of at least 0". `most`: no more than the option's type holds.
constexpr std::int64_t kMostWhole = std::numeric_limits<std::int64_t>::max();
inline CLI::Validator whole_number(std::int64_t least, std::int64_t most = kMostWhole) {
  return CLI::Validator(
      [=](const std::string& text) {
        std::int64_t number = 0;
        const std::errc error = parse_number(text, number);
        if (error == std::errc() && number >= least && number <= most) return std::string();
        const bool open = most == kMostWhole && error != std::errc::result_out_of_range;
        return "is '" + text + "', expected a whole number " +
               (open ? "of at least " + std::to_string(least)
                     : "from " + std::to_string(least) + " to " + std::to_string(most));
      },
      "");
}

// "--time-limit: is 'nan', expected a number above 0". What is not finite is none.
enum class Sign { kAny, kNotNegative, kPositive };
inline CLI::Validator real_number(Sign sign) {
  return CLI::Validator(
      [=](const std::string& text) {
        double number = 0;
        const bool valid =
            parse_number(text, number) == std::errc() && std::isfinite(number) &&
            (sign == Sign::kAny || number > 0 || (sign == Sign::kNotNegative && number >= 0));
        return valid ? ""
                     : "is '" + text + "', expected a number" +
                           (sign == Sign::kPositive      ? " above 0"
                            : sign == Sign::kNotNegative ? " of at least 0"
                                                         : "");
      },
      "");
}

// Reads the words of a program without verbs. The exit status where it ends here: after --help, or with one line that
// says which word is wrong.
inline std::optional<int> parse_words(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "%s: %s (see --help)\n", app.get_name().c_str(), error.what());
    return 2;
  }
}

}  // namespace clconv::cli
