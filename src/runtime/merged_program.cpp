#include "runtime/merged_program.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <regex>
#include <set>
#include <sstream>

namespace clconv::core {
namespace {

using Names = std::set<std::string>;

constexpr const char* kLine = "#line 1 \"";
// In front of every program for PoCL (ProgramCache); the merged program gets it of its own.
constexpr const char* kDeclarations = "kernels/declarations.cl";

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool begins(const std::string& text, const std::string& with, std::size_t at = 0) {
  return text.compare(at, with.size(), with) == 0;
}

// Without the declarations of built-in functions.
std::string without_declarations(const std::string& source) {
  std::string kept;
  for (std::size_t begin = 0; begin < source.size();) {
    std::size_t end = source.find(kLine, begin + 1);
    while (end != std::string::npos && source[end - 1] != '\n')
      end = source.find(kLine, end + 1);
    end = std::min(end, source.size());
    if (!begins(source, std::string(kLine) + kDeclarations, begin)) {
      kept += source.substr(begin, end - begin);
    }
    begin = end;
  }
  return kept;
}

// Comments become blanks.
std::string without_comments(std::string text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '/' || (text[i + 1] != '/' && text[i + 1] != '*')) continue;
    const bool line = text[i + 1] == '/';
    std::size_t end = text.find(line ? "\n" : "*/", i + 2);
    end = end == std::string::npos ? text.size() : end + (line ? 0 : 2);
    for (; i < end; ++i) {
      if (text[i] != '\n') text[i] = ' ';
    }
    --i;
  }
  return text;
}

// The lines of the preprocessor, continued ones joined, and the rest.
struct Parted {
  std::vector<std::string> directives;
  std::string code;
};

Parted parted(const std::string& text) {
  Parted result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] != '#') {
      result.code += line + "\n";
      continue;
    }
    for (std::string next; !line.empty() && line.back() == '\\' && std::getline(lines, next);) {
      line.back() = ' ';
      line += next;
    }
    result.directives.push_back(line);
  }
  return result;
}

// The word that begins at or behind `at`, "" where something else does. A regular expression takes ten times as long.
std::string word_from(const std::string& text, std::size_t at) {
  std::size_t begin = std::min(text.find_first_not_of(" \t\n", at), text.size()), end = begin;
  while (end < text.size() && is_word(text[end]))
    ++end;
  return text.substr(begin, end - begin);
}

Names macros_of(const std::vector<std::string>& directives) {
  Names names;
  for (const std::string& line : directives) {
    const std::size_t define = line.find("define", line.find('#'));
    if (define == std::string::npos || word_from(line, line.find('#') + 1) != "define") continue;
    names.insert(word_from(line, define + std::strlen("define")));
  }
  return names;
}

// The words in front of ##, and those that CLCONV_PASTE puts in front of something.
std::vector<std::string> pasted_words(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = text.find("##"); at != std::string::npos; at = text.find("##", at + 2)) {
    std::size_t end = at;
    while (end > 0 && std::isspace(static_cast<unsigned char>(text[end - 1])) != 0)
      --end;
    std::size_t begin = end;
    while (begin > 0 && is_word(text[begin - 1]))
      --begin;
    if (begin < end) words.push_back(text.substr(begin, end - begin));
  }
  const std::string call = "CLCONV_PASTE(";
  for (std::size_t at = text.find(call); at != std::string::npos; at = text.find(call, at + 1)) {
    const std::string word = word_from(text, at + call.size());
    const std::size_t behind = text.find(word, at + call.size()) + word.size();
    const std::size_t next = text.find_first_not_of(" \t\n", behind);
    if (!word.empty() && next != std::string::npos && text[next] == ',') words.push_back(word);
  }
  return words;
}

// Names that macros make of a word and a number of elements: packed##N, CLCONV_PASTE(load_, N). What begins like a type
// or a function of OpenCL C is one.
// Parameters of macros are none.
void add_pasted(const std::string& text, Names& names) {
  if (text.find("##") == std::string::npos && text.find("CLCONV_PASTE(") == std::string::npos)
    return;
  static const std::regex kParameters(R"(^\s*#\s*define\s+\w+\(([^)]*)\))");
  static const std::regex kBuiltIn(
      R"((u?(char|short|int|long)|float|double|half|as_\w*|convert_\w*|vload\w*|vstore\w*))");
  std::smatch head;
  Names parameters;
  if (std::regex_search(text, head, kParameters)) {
    static const std::regex kWord(R"(\w+)");
    const std::string list = head[1];
    for (std::sregex_iterator i(list.begin(), list.end(), kWord), end; i != end; ++i)
      parameters.insert(i->str());
  }
  for (const std::string& word : pasted_words(text)) {
    if (parameters.count(word) != 0 || std::regex_match(word, kBuiltIn)) continue;
    for (const char* size : {"2", "4", "8", "16"})
      names.insert(word + size);
  }
}

// Of functions that are defined, types and constants of the program: what stands outside of all braces and
// parentheses. What is inside is indented.
class FileScope {
 public:
  explicit FileScope(const std::string& code) : code_(code) {}

  Names names() {
    while (at_ < code_.size())
      step();
    return names_;
  }

 private:
  void step() {
    const char c = code_[at_];
    if (is_word(c)) {
      // What begins a line stands outside: where a head stands twice, for two cases, braces do not match.
      if (at_ == 0 || code_[at_ - 1] == '\n') depth_ = 0;
      word();
      return;
    }
    ++at_;
    if (c == '{' || c == '(' || c == '[') {
      if (depth_ == 0 && c == '[' && !last_.empty()) names_.insert(last_);  // constant int name[]
      if (depth_ == 0 && c == '(') before_parenthesis_ = last_;
      if (depth_ == 0 && c == '{' && last_.empty() && !before_parenthesis_.empty()) {
        names_.insert(before_parenthesis_);
      }
      ++depth_;
    } else if (c == '}' || c == ')' || c == ']') {
      --depth_;
      if (depth_ == 0) last_.clear();
    } else if (depth_ == 0 && c == ';') {
      if (typedef_ && !typed_.empty()) names_.insert(typed_);
      typedef_ = false;
      before_parenthesis_.clear();
      last_.clear();
    }
    if (c == '}' && depth_ == 0 && !typedef_) before_parenthesis_.clear();
  }

  void word() {
    const std::size_t begin = at_;
    while (at_ < code_.size() && is_word(code_[at_]))
      ++at_;
    if (depth_ > 0) return;
    const std::string word = code_.substr(begin, at_ - begin);
    if (word == "__attribute__") {
      last_.clear();
      return;
    }
    if (last_ == "struct") names_.insert(word);
    if (word == "typedef") typedef_ = true;
    if (typedef_) typed_ = word;
    last_ = word;
  }

  const std::string& code_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool typedef_ = false;
  std::string last_;                // the word before, outside
  std::string before_parenthesis_;  // the word before the last pair of parentheses
  std::string typed_;
  Names names_;
};

// NAME and value of the macros among build options.
std::vector<std::pair<std::string, std::string>> defines_of(const std::string& options) {
  std::vector<std::pair<std::string, std::string>> defines;
  std::istringstream words(options);
  for (std::string word; words >> word;) {
    if (!begins(word, "-D") || begins(word, "-D_")) continue;
    const std::size_t equal = word.find('=');
    defines.emplace_back(word.substr(2, equal == std::string::npos ? equal : equal - 2),
                         equal == std::string::npos ? "1" : word.substr(equal + 1));
  }
  return defines;
}

// The head of a kernel as that of a function.
std::string as_function(const std::string& line) {
  static const std::regex kHead(
      R"(^(?:kernel\s+(?:__attribute__\s*\(\(reqd_work_group_size\([^)]*\)\)\)\s*)?)?void\s+(\w+)\s*\()");
  return std::regex_replace(line, kHead,
                            "static __attribute__((noinline)) void $1(const long chain_group, "
                            "const long chain_groups, local char* chain_memory, ");
}

// Array `number` in local memory of a kernel as a part of chain_memory, which must have room for it.
std::string as_part(const std::string& line, int number) {
  static const std::regex kLocal(
      R"(^  local (\w+) (\w+)\[([^\]]*)\](?: __attribute__\(\(aligned\(64\)\)\))?;)");
  std::smatch match;
  if (!std::regex_match(line, match, kLocal)) return line;
  const std::string type = match[1], name = match[2], used = "chain_used_" + std::to_string(number);
  const std::string before = number == 0 ? "0" : "(int)chain_used_" + std::to_string(number - 1);
  const std::string bytes =
      "(int)((sizeof(" + type + ") * (" + match[3].str() + ") + 63) / 64 * 64)";
  return "  enum { " + used + " = " + before + " + " + bytes + " }; typedef char chain_fits_" +
         std::to_string(number) + "[(int)" + used + " <= CHAIN_MEMORY ? 1 : -1]; local " + type +
         "* " + name + " = (local " + type + "*)chain_memory; chain_memory += " + bytes + ";";
}

// Kernels become functions. Without blank lines: the driver reads all of it each time.
std::string as_functions(const std::string& source) {
  std::string text;
  std::istringstream lines(source);
  bool head = false;  // the line before began a kernel whose name is in this one
  int arrays = 0;     // in local memory, of this kernel
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t") == std::string::npos || begins(line, kLine)) continue;
    const bool kernel = begins(line, "kernel ");
    if (kernel && line.find("void ") == std::string::npos) {
      head = true;
      continue;
    }
    if (kernel || head) {
      text += as_function(line) + "\n";
      arrays = 0;
    } else {
      text += (begins(line, "  local ") ? as_part(line, arrays++) : line) + "\n";
    }
    head = false;
  }
  return text;
}

// What work-item functions return where a group has one item, and there is one dimension.
constexpr std::pair<const char*, const char*> kWorkItem[] = {
    {"get_group_id", "((d) == 0 ? chain_group : 0)"},
    {"get_global_id", "((d) == 0 ? chain_group : 0)"},
    {"get_num_groups", "((d) == 0 ? chain_groups : 1)"},
    {"get_global_size", "((d) == 0 ? chain_groups : 1)"},
    {"get_local_id", "0"},
    {"get_local_size", "1"}};

std::string merged(const ProgramText& program, std::size_t index) {
  const std::string source = without_comments(without_declarations(program.source));
  const Parted parts = parted(source);
  Names macros = macros_of(parts.directives), pasted;
  for (const std::string& line : parts.directives)
    add_pasted(line, pasted);
  add_pasted(parts.code, pasted);
  for (const std::string& macro : macros)
    pasted.erase(macro);
  const auto defines = defines_of(program.options);
  // A function in one case of the program may be a macro in another, which then takes the place of the new name.
  Names renamed = FileScope(parts.code).names();
  renamed.insert(pasted.begin(), pasted.end());
  for (const auto& [name, value] : defines) {
    macros.insert(name);
    renamed.erase(name);
  }

  std::string before, after;
  const auto own = [&](const std::string& name) {
    before += "#pragma push_macro(\"" + name + "\")\n";
    after += "#pragma pop_macro(\"" + name + "\")\n";
  };
  const auto define = [&](const std::string& name, const std::string& head,
                          const std::string& value) {
    before += "#undef " + name + "\n#define " + head + " " + value + "\n";
  };
  for (const std::string& name : macros)
    own(name);
  for (const auto& [name, value] : defines)
    define(name, name, value);
  for (const std::string& name : renamed)
    define(name, name, merged_name(name, index));
  for (const auto& [name, value] : kWorkItem) {
    own(name);
    define(name, std::string(name) + "(d)", value);
  }
  return before + as_functions(source) + after;
}

}  // namespace

std::string merged_name(const std::string& kernel, std::size_t program) {
  return kernel + "_of_" + std::to_string(program);
}

std::string merged_source(const std::vector<ProgramTextPtr>& programs, std::size_t memory_bytes) {
  std::string text = "#define CHAIN_MEMORY " + std::to_string(memory_bytes) + "\n";
  for (std::size_t i = 0; i < programs.size(); ++i)
    text += merged(*programs[i], i);
  return text;
}

}  // namespace clconv::core
