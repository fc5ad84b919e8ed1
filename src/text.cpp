#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace clconv::core {
namespace {

template <class Number>
std::string shortest(Number value) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  return error == std::errc() ? std::string(text, end) : "?";
}

// Bytes of the printable character that starts `text`; 0 where none does (RFC 3629's well-formed sequences, without
// C0, DEL and C1).
std::size_t printable(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool beyond = first == 0xf4 && byte(1) >= 0x90;
  const bool control = first == 0xc2 && byte(1) < 0xa0;
  return overlong || surrogate || beyond || control ? 0 : length;
}

}  // namespace

std::string number_text(float value) {
  return shortest(value);
}
std::string number_text(double value) {
  return shortest(value);
}

std::string fixed_text(double value, int digits) {
  char text[400];
  const auto [end, error] =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, digits);
  return error == std::errc() ? std::string(text, end) : "?";
}

bool ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string one_line(std::string_view text) {
  static const char* const kDigits = "0123456789abcdef";
  std::string line;
  while (!text.empty()) {
    const std::size_t length = printable(text);
    if (length > 0) {
      line += text.substr(0, length);
    } else {
      const auto byte = static_cast<unsigned char>(text[0]);
      line += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
    text.remove_prefix(length > 0 ? length : 1);
  }
  return line;
}

std::string cut_line(std::string_view text, std::size_t most) {
  static const std::string_view kGap = "...";
  const std::string line = one_line(text);
  if (line.size() <= most) return line;
  const auto inside = [&](std::size_t at) {  // of a character
    return (static_cast<unsigned char>(line[at]) & 0xc0) == 0x80;
  };
  std::size_t head = (most - kGap.size()) * 2 / 3;
  std::size_t tail = line.size() - (most - kGap.size() - head);
  while (head > 0 && inside(head))
    --head;
  while (tail < line.size() && inside(tail))
    ++tail;
  return line.substr(0, head).append(kGap).append(line, tail);
}

std::string cut_name(std::string_view name) {
  return cut_line(name, 64);
}

std::string cut_message(std::string_view text) {
  std::string cut;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    cut += cut_line(text.substr(0, end), 80);
    if (end < text.size()) cut += ' ';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return cut_line(cut, 300);
}

}  // namespace clconv::core
