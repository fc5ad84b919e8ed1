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

// Begins each file of a program's source.
constexpr const char* kLine = "#line 1 \"";
// The file that ProgramCache puts in front of every program for PoCL. It does so for the merged program, too, so that
// the programs' copies are dropped.
constexpr const char* kDeclarations = "kernels/declarations.cl";

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool begins(const std::string& text, const std::string& with, std::size_t at = 0) {
  return text.compare(at, with.size(), with) == 0;
}

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

// A text divided into the lines of the preprocessor, continued ones joined, and all others.
struct SplitText {
  std::vector<std::string> directives;
  std::string code;
};

SplitText split_text(const std::string& text) {
  SplitText result;
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

// Adds the names that macros make by appending a number of elements to a word: packed##N, CLCONV_PASTE(load_, N).
// FileScope does not see them, since no definition spells them out. Two kinds of words are left out: types and
// functions of OpenCL C (float##N is a built-in type), and the macro's own parameters, which stand for other words.
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

// Finds the names that a program defines at file scope: functions, types and constant arrays. It counts braces and
// parentheses, and relies on our kernels being indented: what begins a line in its first column is at file scope.
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
      // File scope, whatever was counted: braces do not match where both branches of an #if have a function's head.
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
  std::string last_;                // the last word at file scope; empty behind a closing bracket
  std::string before_parenthesis_;  // a function's name, if a body follows
  std::string typed_;               // the last word of a typedef: the name that it defines
  Names names_;
};

// Name and value of each macro among the build options.
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

// A line that has a kernel's name becomes the head of a function.
std::string as_function(const std::string& line) {
  static const std::regex kHead(
      R"(^(?:kernel\s+(?:__attribute__\s*\(\(reqd_work_group_size\([^)]*\)\)\)\s*)?)?void\s+(\w+)\s*\()");
  return std::regex_replace(line, kHead,
                            "static __attribute__((noinline)) void $1(const long chain_work_group, "
                            "const long chain_work_groups, local char* chain_memory, ");
}

// An array in local memory, which only a kernel may declare, becomes a pointer to the next bytes of chain_memory. It is
// the kernel's array `number`. Where chain_memory has no room for it the size of chain_fits_... is negative, which does
// not compile.
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

// Kernels become functions. Blank lines are dropped, since the driver reads the whole text whenever it builds the
// program, also when it has the binary in its cache.
std::string as_functions(const std::string& source) {
  std::string text;
  std::istringstream lines(source);
  bool head = false;  // the line before has `kernel` and attributes: this one has the name
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

// What the work-item functions return with one dimension and work-groups of one work-item.
constexpr std::pair<const char*, const char*> kWorkItem[] = {
    {"get_group_id", "((d) == 0 ? chain_work_group : 0)"},
    {"get_global_id", "((d) == 0 ? chain_work_group : 0)"},
    {"get_num_groups", "((d) == 0 ? chain_work_groups : 1)"},
    {"get_global_size", "((d) == 0 ? chain_work_groups : 1)"},
    {"get_local_id", "0"},
    {"get_local_size", "1"}};

std::string merged(const ProgramText& program, std::size_t index) {
  const std::string source = without_comments(without_declarations(program.source));
  const SplitText split = split_text(source);
  Names macros = macros_of(split.directives), pasted;
  for (const std::string& line : split.directives)
    add_pasted(line, pasted);
  add_pasted(split.code, pasted);
  for (const std::string& macro : macros)
    pasted.erase(macro);
  const auto defines = defines_of(program.options);
  // A name that is a function in one branch of an #if and a macro in the other is renamed, too. Where it is a macro,
  // the program's own #define replaces the one that is made here.
  Names renamed = FileScope(split.code).names();
  renamed.insert(pasted.begin(), pasted.end());
  for (const auto& [name, value] : defines) {
    macros.insert(name);
    renamed.erase(name);
  }

  std::string before, after;
  const auto keep_outer = [&](const std::string& name) {
    before += "#pragma push_macro(\"" + name + "\")\n";
    after += "#pragma pop_macro(\"" + name + "\")\n";
  };
  const auto define = [&](const std::string& name, const std::string& head,
                          const std::string& value) {
    before += "#undef " + name + "\n#define " + head + " " + value + "\n";
  };
  for (const std::string& name : macros)
    keep_outer(name);
  for (const auto& [name, value] : defines)
    define(name, name, value);
  for (const std::string& name : renamed)
    define(name, name, merged_name(name, index));
  for (const auto& [name, value] : kWorkItem) {
    keep_outer(name);
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
