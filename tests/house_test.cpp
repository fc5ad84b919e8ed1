// The house rules that a reader relies on and a compiler does not check.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "runtime/kernel_sources.hpp"
#include "strategies/strategy.hpp"

namespace fs = std::filesystem;
using clconv::core::read_file;

namespace {

const std::string kRoot = CLCONV_SOURCE;

std::string content(const std::string& path) {
  std::string text;
  REQUIRE_MESSAGE(read_file(kRoot + "/" + path, text), path);
  return text;
}

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot + "/" + folder)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), kRoot).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> includes_of(const std::string& path) {
  const std::string text = content(path);
  const std::regex pattern("#include [<\"]([^>\"]+)[>\"]");
  std::vector<std::string> result;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
    result.push_back((*it)[1]);
  return result;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Where a file of src/ stands in problem <- runtime <- machine <- ops <- layers, strategies <- planner <- api;
// -1 for a folder that has no place in it.
int level(const std::string& path) {
  if (path.rfind("api", 0) == 0) return 6;
  static const std::map<std::string, int> levels = {
      {"", 0},       {"runtime", 1},    {"machine", 2}, {"ops", 3},
      {"layers", 4}, {"strategies", 4}, {"planner", 5}};
  const auto found = levels.find(folder_of(path));
  return found == levels.end() ? -1 : found->second;
}

// Files of one folder may include each other, others only those of a lower level. Networks stand on the public API and
// share nothing with the library below it but the runtime.
bool may_include(const std::string& path, const std::string& included) {
  if (path.rfind("net/", 0) == 0) return included.rfind("net/", 0) == 0 || level(included) <= 1;
  if (included.rfind("net/", 0) == 0) return false;
  return level(included) < level(path) ||
         (level(included) == level(path) && folder_of(included) == folder_of(path));
}

// C++ without comments, preprocessor lines and the text of literals; every line stays where it is.
std::string bare(const std::string& text) {
  std::string result;
  bool line_begins = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool comment = text.compare(i, 2, "//") == 0;
    if (comment || (c == '#' && line_begins)) {
      while (i < text.size() && text[i] != '\n')
        i += !comment && text[i] == '\\' ? 2 : 1;  // a macro of several lines
      result += '\n';
      line_begins = true;
      continue;
    }
    // A quote behind a digit separates the next ones.
    if (c == '"' ||
        (c == '\'' && (i == 0 || std::isalnum(static_cast<unsigned char>(text[i - 1])) == 0))) {
      for (++i; i < text.size() && text[i] != c; ++i)
        i += text[i] == '\\' ? 1 : 0;
      result += "0";
      line_begins = false;
      continue;
    }
    result += c;
    line_begins = c == '\n' || (line_begins && c == ' ');
  }
  return result;
}

struct Function {
  std::string name;
  std::ptrdiff_t lines, statements;  // with its head and its last brace; semicolons
};

// Where a kernel's function begins whose head is in [begin, end): in kernels, macros that end without a semicolon may
// come before it.
std::size_t behind_macros(const std::string& text, std::size_t begin, std::size_t end) {
  for (const char* word : {"kernel ", "inline ", "ALWAYS_INLINE ", "NOT_INLINED "}) {
    const std::size_t at = text.rfind(std::string("\n") + word, end);
    if (at != std::string::npos && at >= begin) return at + 1;
  }
  return begin;
}

// The functions of a file, lambdas among them.
std::vector<Function> functions_of(const std::string& path) {
  struct Open {
    std::string head;
    std::size_t begin, brace;
    std::ptrdiff_t tables = 0;  // lines of tables inside, which are no code
  };
  const std::string text = bare(content(path));
  const auto count = [&](std::size_t begin, std::size_t end, char c) {
    return std::count(text.begin() + static_cast<std::ptrdiff_t>(begin),
                      text.begin() + static_cast<std::ptrdiff_t>(end), c);
  };
  static const std::regex type(
      "^(template <[^{]*> )?(inline )?(typedef )?(namespace|struct|class|enum|union|extern)\\b");
  static const std::regex name("([\\w:~]+)\\(");
  std::vector<Function> functions;
  std::vector<Open> open;
  std::size_t begin = 0;  // of a statement
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '{') {
      begin = behind_macros(text, text.find_first_not_of(" \n", begin), i);
      open.push_back({text.substr(begin, i - begin), begin, i});
    } else if (c == '}') {
      REQUIRE_MESSAGE(!open.empty(), path);
      const Open last = open.back();
      open.pop_back();
      const std::ptrdiff_t lines = count(last.begin, i, '\n') + 1;
      const std::size_t end = last.head.find_last_not_of(" \n");
      const bool table = end != std::string::npos && last.head[end] == '=';
      if (!open.empty()) open.back().tables += table ? lines : last.tables;
      std::smatch called;
      if (!table && !std::regex_search(last.head, type) &&
          std::regex_search(last.head, called, name))
        functions.push_back({called[1], lines - last.tables, count(last.brace, i, ';')});
    }
    if (c == '{' || c == '}' || c == ';') begin = i + 1;
  }
  CHECK_MESSAGE(open.empty(), path);
  return functions;
}

}  // namespace

TEST_CASE("includes point one way: each folder sees those below it only") {
  const std::set<std::string> own = [] {
    std::set<std::string> paths;
    for (const std::string& file : files_below("src"))
      paths.insert(file.substr(4));
    return paths;
  }();
  for (const std::string& file : files_below("src")) {
    const std::string path = file.substr(4);
    if (path.rfind("cli/", 0) == 0 || fs::path(path).extension() == ".map") continue;
    for (const std::string& include : includes_of(file)) {
      if (own.count(include) == 0) continue;
      CAPTURE(path);
      CAPTURE(include);
      CHECK((level(include) >= 0 || include.rfind("net/", 0) == 0));
      CHECK(may_include(path, include));
    }
  }
}

TEST_CASE("program, examples and benchmarks use the public headers only") {
  for (const char* folder : {"src/cli", "examples", "bench"}) {
    for (const std::string& file : files_below(folder)) {
      for (const std::string& include : includes_of(file)) {
        CAPTURE(file);
        CAPTURE(include);
        // Those know nothing of the library and are compiled into the programs, too.
        const bool shared = include == "text.hpp" || include == "data_type.hpp" ||
                            include == "activation.hpp" || include == "runtime/storage.hpp" ||
                            include == "runtime/files.hpp";
        const bool internal =
            fs::exists(kRoot + "/src/" + include) && include.rfind("cli/", 0) != 0 && !shared;
        CHECK_FALSE(internal);
      }
    }
  }
}

TEST_CASE("OpenCL is no business of problem and planner, CLBlast only of ops/gemm.cpp") {
  for (const char* file : {"src/problem.hpp", "src/problem.cpp", "src/error.hpp",
                           "src/planner/planner.cpp", "src/planner/report.cpp"}) {
    const std::string text = content(file);
    CAPTURE(std::string(file));
    CHECK(text.find("cl::") == std::string::npos);
    CHECK(text.find("CL/") == std::string::npos);
  }
  for (const std::string& file : files_below("src")) {
    if (file == "src/ops/gemm.cpp") continue;
    CAPTURE(file);
    CHECK(content(file).find("clblast.h") == std::string::npos);
  }
  for (const std::string& file : files_below("include")) {
    CHECK(content(file).find("nlohmann") == std::string::npos);
  }
}

TEST_CASE("one strategy is one .cpp of its name, and one line in the registry") {
  const std::string registry = content("src/strategies/registry.cpp");
  for (const auto* strategy : clconv::core::strategies()) {
    CAPTURE(std::string(strategy->name));
    const std::string name = strategy->name, folder = kRoot + "/src/strategies/";
    CHECK((fs::exists(folder + name + ".cpp") || fs::exists(folder + name + "/" + name + ".cpp")));
    CHECK(registry.find("X(" + std::string(strategy->name) + ")") != std::string::npos);
  }
}

TEST_CASE("a file of a strategy or of the networks can be finished") {
  for (const char* folder : {"src/strategies", "src/net"}) {
    for (const std::string& file : files_below(folder)) {
      CAPTURE(file);
      const std::string text = content(file);
      CHECK(std::count(text.begin(), text.end(), '\n') <= 350);
    }
  }
}

TEST_CASE("a function can be read at once") {
  int functions = 0;
  for (const std::string& file : files_below("src")) {
    if (fs::path(file).extension() == ".map") continue;
    for (const Function& function : functions_of(file)) {
      CHECK_MESSAGE(function.lines <= 60, file, ": ", function.name);
      ++functions;
    }
  }
  CHECK(functions > 2000);
  functions = 0;
  for (const std::string& file : files_below("kernels")) {
    if (fs::path(file).extension() != ".cl") continue;
    for (const Function& function : functions_of(file)) {
      CHECK_MESSAGE(function.lines <= 60, file, ": ", function.name);
      ++functions;
    }
  }
  CHECK(functions > 300);
}

// Cost functions are named by what they return. In the files of bodies and strategies; what several share may be
// longer.
TEST_CASE("a body says in ten statements what it costs") {
  const std::regex cost("(^|_|::)(us|cycles|pass|pass_of|us_of)$");
  int functions = 0;
  for (const std::string& file : files_below("src/strategies")) {
    const std::string text = content(file);
    if (text.find("extern const Body") == std::string::npos &&
        text.find("extern const Strategy") == std::string::npos)
      continue;
    for (const Function& function : functions_of(file)) {
      if (!std::regex_search(function.name, cost)) continue;
      CHECK_MESSAGE(function.statements <= 10, file, ": ", function.name);
      ++functions;
    }
  }
  CHECK(functions > 30);
}

TEST_CASE("there is one yardstick") {
  const auto& all = clconv::core::strategies();
  CHECK(std::count_if(all.begin(), all.end(), [](const auto* s) { return s->yardstick; }) == 1);
}

TEST_CASE(
    "every .cl file is embedded and can be finished, a program names its parts, every part is "
    "used") {
  std::set<std::string> embedded, parts, used;
  for (std::size_t i = 0; i < clconv::core::kKernelSourceCount; ++i)
    embedded.insert(clconv::core::kKernelSources[i].name);
  for (const std::string& file : files_below("kernels")) {
    if (fs::path(file).extension() != ".cl") continue;
    CAPTURE(file);
    const std::string text = content(file);
    const fs::path name = fs::path(file).lexically_relative("kernels").replace_extension();
    CHECK(embedded.count(name.string()) == 1);
    CHECK(std::count(text.begin(), text.end(), '\n') <= 350);
    const bool part = name.parent_path() == "parts";
    CHECK(text.rfind(part ? "// " : "// parts:", 0) == 0);
    if (part) parts.insert(name.filename().string());
    if (text.rfind("// parts:", 0) != 0) continue;
    std::istringstream words(text.substr(9, text.find('\n') - 9));
    for (std::string word; words >> word;)
      used.insert(word);
  }
  for (const std::string& file : files_below("src")) {  // what generated programs use
    const std::string text = content(file);
    const std::regex line("\"// parts:([ a-z_]+)\\\\n\"");
    for (std::sregex_iterator it(text.begin(), text.end(), line), end; it != end; ++it) {
      std::istringstream words((*it)[1]);
      for (std::string word; words >> word;)
        used.insert(word);
    }
  }
  CHECK(parts.size() > 10);
  CHECK(parts == used);
}

#ifdef CLCONV_LIBRARY  // a shared one
// Each with the version that the map gives it, which programs ask for (src/clconv.map).
TEST_CASE("libclconv exports clconv_* functions, all that the header declares, and nothing else") {
  FILE* pipe = ::popen("nm -D --defined-only " CLCONV_LIBRARY, "r");
  REQUIRE(pipe != nullptr);
  std::string symbols;
  char buffer[4096];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr)
    symbols += buffer;
  REQUIRE(::pclose(pipe) == 0);
  std::set<std::string> exported;
  const std::regex symbol("[0-9a-f]+ (\\w) ([^@\\s]+)(@@(\\S+))?");
  for (std::sregex_iterator it(symbols.begin(), symbols.end(), symbol), end; it != end; ++it) {
    CAPTURE((*it)[2].str());
    if ((*it)[2] == "CLCONV_0.1") continue;  // the version itself
    CHECK((*it)[2].str().rfind("clconv_", 0) == 0);
    CHECK((*it)[1] == "T");
    CHECK((*it)[4] == "CLCONV_0.1");
    exported.insert((*it)[2]);
  }
  const std::string header = content("include/clconv/clconv.h");
  const std::regex declaration("CLCONV_API [^(;]*?\\b(clconv_\\w+)\\(");
  std::set<std::string> declared;
  for (std::sregex_iterator it(header.begin(), header.end(), declaration), end; it != end; ++it)
    declared.insert((*it)[1]);
  CHECK(declared.size() > 20);
  CHECK(exported == declared);
}

TEST_CASE("the name that programs link to has major and minor version: 0.x may break the ABI") {
  FILE* pipe = ::popen("readelf -d " CLCONV_LIBRARY, "r");
  REQUIRE(pipe != nullptr);
  std::string entries;
  char buffer[4096];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr)
    entries += buffer;
  REQUIRE(::pclose(pipe) == 0);
  CHECK(std::regex_search(entries, std::regex("soname: \\[libclconv\\.so\\.[0-9]+\\.[0-9]+\\]")));
}
#endif

TEST_CASE("the README's example is the one that is built") {
  CHECK(content("README.md").find("```cpp\n" + content("examples/convolve.cpp") + "```") !=
        std::string::npos);
}

TEST_CASE("the README names every strategy, every verb and every top-level entry") {
  const std::string readme = content("README.md");
  for (const auto* strategy : clconv::core::strategies()) {
    CHECK_MESSAGE(readme.find("`" + std::string(strategy->name) + "`") != std::string::npos,
                  strategy->name);
  }
  for (const char* word : {"clconv devices", "clconv plan", "clconv run", "clconv im2col",
                           "clconv col2im", "clconv bench", "clconv tune", "clconv wisdom",
                           "clconv profile", "clconv net", "./dev demo", "./dev test", "include/",
                           "src/", "kernels/", "tests/", "bench/", "examples/", "docs/"}) {
    CHECK_MESSAGE(readme.find(word) != std::string::npos, word);
  }
}

TEST_CASE(
    "no test name has a semicolon: CMake would split it into names that match nothing and pass") {
  const std::regex name("TEST_CASE\\(\\s*\"([^\"]*)\"");
  for (const std::string& file : files_below("tests")) {
    const std::string text = content(file);
    for (std::sregex_iterator it(text.begin(), text.end(), name), end; it != end; ++it) {
      CHECK((*it)[1].str().find(';') == std::string::npos);
    }
  }
}

TEST_CASE(
    "every test of a device is named in tests/portability.sh: it runs there, or is left out on "
    "purpose") {
  const std::string units = content("tests/CMakeLists.txt"),
                    script = content("tests/portability.sh");
  int count = 0;
  for (const std::string& file : files_below("tests")) {
    const fs::path path(file);
    const std::string name = path.stem().string();
    if (path.extension() != ".cpp" || name.size() < 5 || name.substr(name.size() - 5) != "_test")
      continue;
    if (units.find("clconv_test(" + name + " unit") != std::string::npos) continue;
    ++count;
    CHECK_MESSAGE(std::regex_search(script, std::regex("\\b" + name + "\\b")), name);
  }
  CHECK(count > 20);
}

// Comments and documents, but for tables, pictures and blocks of code.
TEST_CASE("lines of prose have at most 120 columns") {
  std::vector<std::string> files = {"README.md", "CONTRIBUTING.md"};
  for (const char* folder :
       {"src", "include", "kernels", "tests", "bench", "examples", "docs", "python"}) {
    const std::vector<std::string> below = files_below(folder);
    files.insert(files.end(), below.begin(), below.end());
  }
  const std::set<std::string> kinds = {".cpp", ".hpp", ".h", ".cl", ".md"};
  const std::regex comment("^ *(//|/?\\*+) {0,2}[^ ]"), apart("^ *\\||^    ");
  int long_lines = 0;
  for (const std::string& file : files) {
    const std::string kind = fs::path(file).extension().string();
    if (kinds.count(kind) == 0) continue;
    std::istringstream text(content(file));
    bool code = false;
    for (std::string line; std::getline(text, line);) {
      if (kind == ".md" && line.rfind("```", 0) == 0) code = !code;
      if (line.size() <= 120) continue;
      const bool prose = kind == ".md" ? !code && !std::regex_search(line, apart)
                                       : std::regex_search(line, comment);
      CHECK_MESSAGE(!prose, file, ": ", line);
      ++long_lines;
    }
  }
  CHECK(long_lines > 20);
}

TEST_CASE("no path of anybody's machine, and nothing of the workshop, in any file") {
  const std::regex home("/(home|root|Users)/[a-z]");
  for (const char* folder :
       {"src", "include", "kernels", "tests", "bench", "examples", "docs", "cmake"}) {
    for (const std::string& file : files_below(folder)) {
      const fs::path kind = fs::path(file).extension();
      if (file == "tests/house_test.cpp" || kind == ".png" || kind == ".jpg") continue;
      CAPTURE(file);
      CHECK_FALSE(std::regex_search(content(file), home));
    }
  }
}
