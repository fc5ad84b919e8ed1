// Text that no locale, no encoding and no input changes.
#include "text.hpp"

#include <clocale>
#include <limits>
#include <locale>

#include "doctest/doctest.h"
#include "ops/epilogue.hpp"
#include "ops/gemm.hpp"
#include "planner/wisdom.hpp"
#include "strategies/strategy.hpp"

using namespace clconv::core;

TEST_CASE("one line: control characters and broken UTF-8 are escaped, everything else stays") {
  CHECK(one_line("a\nb\tc\x1b[31m\x7f") == "a\\x0ab\\x09c\\x1b[31m\\x7f");
  CHECK(one_line("gr\xc3\xb6\xc3\x9f e \xe2\x82\xac \xf0\x9f\x98\x80") ==
        "gr\xc3\xb6\xc3\x9f e \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK(one_line("\xe4 \xc3") == "\\xe4 \\xc3");  // Latin-1, cut off
  CHECK(one_line("\xc0\xaf \xed\xa0\x80") ==
        "\\xc0\\xaf \\xed\\xa0\\x80");          // overlong, a surrogate
  CHECK(one_line("\xc2\x85") == "\\xc2\\x85");  // NEL, a line break to some terminals
  CHECK(one_line(one_line("a\nb")) == one_line("a\nb"));
}

TEST_CASE("letters are ASCII's, whatever the locale") {
  CHECK(lowered("Intel PTHREAD-9 \xc3\x84") == "intel pthread-9 \xc3\x84");
  CHECK(ascii_letter('z'));
  CHECK_FALSE(ascii_letter('0'));
  for (const char* name : {"tr_TR.UTF-8", "tr_TR"}) {
    if (std::setlocale(LC_ALL, name) == nullptr) continue;
    CHECK(lowered("INTEL") == "intel");
    std::setlocale(LC_ALL, "C");
  }
}

TEST_CASE("numbers as text read back as they were") {
  CHECK(number_text(0.2f) == "0.2");
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(1e30) == "1e+30");
  CHECK(number_text(std::numeric_limits<float>::infinity()) == "inf");
  CHECK(fixed_text(2.25, 1) == "2.2");
  CHECK(fixed_text(-0.5, 3) == "-0.500");
}

namespace {

// German numbers: 1.234,5.
struct German : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

// Everything that is kept, compared or compiled.
std::string all_texts() {
  Problem p = parse_problem("n1c64h56w56k64kh3kw3p1");
  p.activation = Activation::kHardSigmoid;
  p.activation_slope = 0.2f;
  Gemm gemm;
  gemm.m = 12345, gemm.alpha = 1.5f;
  WisdomBook book;
  book.put(SpeedRecord{{"d", "1.0", "k", "m"}, 1234.5, 40.25, 1.5});
  WisdomBook again;
  again.read(book.write());
  return epilogue_words(p) + "\n" + epilogue_defines(p) + "\n" + to_text(gemm) + "\n" +
         to_text(Rejection{Reason::kSlower, "x", 2500, 1000, ""}) + "\n" + book.write() +
         number_text(again.find_speed({"d", "1.0", "k", "m"})->peak_gflops);
}

}  // namespace

TEST_CASE("an application's locale changes no text of ours") {
  const std::string plain = all_texts();
  CHECK(plain.find("hard-sigmoid:0.2:0.5") == 0);
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new German));
  CHECK(all_texts() == plain);
  std::locale::global(before);
  bool found = false;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"}) {
    found = found || std::setlocale(LC_ALL, name) != nullptr;
  }
  if (!found) MESSAGE("no locale with a decimal comma is installed: C's functions are not tried");
  CHECK(all_texts() == plain);
  std::setlocale(LC_ALL, "C");
}

TEST_CASE("text of any length becomes a line of a few words, without its middle") {
  CHECK(cut_line("short", 8) == "short");
  CHECK(cut_line("0123456789", 8) == "012...89");
  CHECK(cut_line("a\nb", 8) == "a\\x0ab");
  CHECK(cut_name(std::string(100, 'x')).size() == 64);
  // A character stays whole.
  for (std::size_t most = 8; most < 30; ++most) {
    std::string umlauts;
    for (int i = 0; i < 40; ++i)
      umlauts += "\xc3\xa4";
    const std::string cut = cut_line(umlauts, most);
    CHECK(cut.size() <= most);
    CHECK(cut == one_line(cut));
  }
  const std::string name(5000, 'n');
  const std::string message =
      cut_message("node '" + name + "' (Conv, opset 13): has no '" + name + "'");
  CHECK(message.size() < 300);
  CHECK(message.find("node 'nnn") == 0);
  CHECK(message.find("nn' (Conv, opset 13): has no 'nn") != std::string::npos);
  std::string list = "inputs:";
  for (int i = 0; i < 5000; ++i)
    list += " " + std::to_string(i);
  CHECK(cut_message(list + " are too many").size() <= 300);
  CHECK(cut_message(list + " are too many").find(" 4999 are too many") != std::string::npos);
}
