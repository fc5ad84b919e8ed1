// Numbers and words as text that no locale and no driver's encoding changes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace clconv::core {

// The shortest decimal that reads back as the same number, with a point.
std::string number_text(float value);
std::string number_text(double value);
// With so many digits behind the point.
std::string fixed_text(double value, int digits);

// ASCII letters, whatever the locale takes for letters: a Turkish one lowers I to another character.
bool ascii_letter(char c);
std::string lowered(std::string_view text);

// As one line of valid UTF-8: control characters and bytes that are none become \xNN. What is escaped stays as it is.
std::string one_line(std::string_view text);

// As one line of at most `most` bytes (8 or more), for text that may come from a hostile file: of what is longer, "..."
// stands for the middle.
std::string cut_line(std::string_view text, std::size_t most);
// A name in a message.
std::string cut_name(std::string_view name);
// A message with names or lists in it: long words are cut first, so that what is said about them stays.
std::string cut_message(std::string_view text);

}  // namespace clconv::core
