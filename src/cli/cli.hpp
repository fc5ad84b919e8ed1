// The clconv program: what its verbs share. Uses the public headers of the library only.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "clconv/clconv.hpp"
#include "cli/errors.hpp"
#include "cli/words.hpp"

namespace clconv::cli {

// What the command line asked for: the verb's parse callback leaves its action here.
struct Session {
  std::string device;  // --device
  std::function<void()> action;

  // Both throw std::runtime_error where no device matches, with what named it in the text.
  cl::Device select() const;
  Context open(const ContextOptions& options = ContextOptions()) const;
};

// One per verb, each in the file of its name.
void add_devices(CLI::App& app, Session& session);
void add_plan(CLI::App& app, Session& session);
void add_run(CLI::App& app, Session& session);
void add_im2col(CLI::App& app, Session& session);
void add_col2im(CLI::App& app, Session& session);
void add_bench(CLI::App& app, Session& session);
void add_tune(CLI::App& app, Session& session);
void add_wisdom(CLI::App& app, Session& session);
void add_profile(CLI::App& app, Session& session);
void add_net(CLI::App& app, Session& session);

// ---- options that several verbs take ------------------------------------------------------------

// --stride, --pad, --dilation, --groups; the library judges their values.
struct GeometryOptions {
  std::string stride = "1", pad = "0", dilation = "1";
  std::int64_t groups = 1;
  void add_to(CLI::App& app, bool with_groups);
  // Of a problem whose h, w, kh and kw are set: `--pad same` follows from them.
  void apply(Problem& problem) const;
  // The same for a problem as the caller of a transposed convolution sees it. As ONNX's ConvTranspose, `--pad same`
  // gives input times stride; where the filter covers less, the rest is added to the output padding.
  void apply_transposed(Problem& seen, std::int64_t& output_pad_h,
                        std::int64_t& output_pad_w) const;
};

// --pad: numbers, valid (none), same or same-lower: ONNX's SAME_UPPER, SAME_LOWER, from all other fields of the
// problem. Throws BadInput.
void apply_padding(const std::string& pad, Problem& problem);

// --bias and the like: --relu, --activation.
struct ActivationOptions {
  std::string activation = "none";
  bool relu = false;
  void add_to(CLI::App& app);
  // Throws BadInput that names the option.
  void apply(Problem& problem) const;
};

// --dtype, --layout, --weights-layout.
struct StorageOptions {
  std::string dtype, layout = "nchw", weights_layout = "kcrs";
  void add_to(CLI::App& app);
  void apply(Problem& problem) const;
};
// "f32, f16 or bf16".
std::string data_type_words();
// f32 where the word is empty. Throws BadInput that names the option.
clconv_data_type parse_data_type(const std::string& word);
// "float32", "float16".
const char* type_word(clconv_data_type type);

// "2" or "2,1"; "KHxKW"; "N,C,H,W". Throw BadInput that names the option.
std::pair<std::int64_t, std::int64_t> parse_pair(const std::string& option,
                                                 const std::string& text);
std::pair<std::int64_t, std::int64_t> parse_kernel(const std::string& text);
std::vector<std::int64_t> parse_shape(const std::string& option, const std::string& text,
                                      std::size_t rank);

// What im2col and col2im share.
clconv_layout parse_layout(const std::string& word);
Problem patches_problem(const std::vector<std::int64_t>& shape, const std::string& kernel,
                        const GeometryOptions& geometry);
std::vector<std::int64_t> columns_shape(const Problem& problem, clconv_layout layout);

// --rigor, --time-limit, --workspace-limit, --deterministic, --strategy, --config, ...
struct PlanningOptions {
  std::string rigor, strategy, config, allow, deny, workspace_limit, math;
  double time_limit_s = 0;
  bool deterministic = false;
  std::int64_t expected_runs = 0;
  bool weights_change = false;
  void add_to(CLI::App& app);
  // Points into this object.
  PlanOptions options() const;
};
clconv_rigor parse_rigor(const std::string& word);
// --math; "" is float32.
clconv_math parse_math(const std::string& word);
void add_math(CLI::App& app, std::string& math);
clconv_direction parse_direction(const std::string& word);
const char* direction_word(clconv_direction direction);
// --direction: says what PROBLEM means in the other directions, too.
void add_direction(CLI::App& app, std::string& direction);
// "1000000", "64M", "2GiB"; throws BadInput that names the option.
std::int64_t parse_bytes(const std::string& option, const std::string& text);

struct NamedProblem {
  std::string name;
  Problem problem;
};
// A suite file: `name PROBLEM` a line, # comments. Throws FileFailure, or BadInput that names file
// and line.
std::vector<NamedProblem> read_suite(const std::string& path);
// Those of the suite, if one is given, then the PROBLEMs of the command line; at least one.
std::vector<NamedProblem> wanted_problems(const char* verb, const std::string& suite,
                                          const std::vector<std::string>& problems);

// Throws FileFailure with the system's reason.
std::string read_text_file(const std::string& path);

// Refuses, as BadInput, to write over what is read.
void check_out(const std::string& out, std::initializer_list<std::string> inputs);

// ---- text ---------------------------------------------------------------------------------------

// Aligned columns; the first row is the header. Numbers go right, words left.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  // Control characters are escaped: a name from a file must not reach the terminal as it is.
  void add(std::vector<std::string> row, const char* colour = "");
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::string> colours_;
};

// Escape sequences where standard output is a terminal and NO_COLOR is not set, else "".
extern const char* const kBold;
extern const char* const kGreen;
extern const char* const kDim;
extern const char* const kRed;
std::string coloured(const char* colour, const std::string& text);

// Where a verb that writes the file `out` says what it did: standard output, or standard error where `out` is standard
// output itself (/dev/stdout), so that the result can be piped.
std::FILE* report_stream(const std::string& out);

std::string format_us(double us);              // "12.3 us", "4.56 ms", "1.23 s"
std::string format_bytes(std::int64_t bytes);  // "0", "512 B", "1.5 MiB"
std::string format_gflops(double flops, double us);
std::string fixed(double value, int digits);
std::string counted(std::int64_t count, const std::string& what);  // "1 record", "2 records"

// A bar on standard error while something long runs; silent unless that is a terminal.
class Progress {
 public:
  Progress(std::string what, std::size_t total);
  ~Progress();
  void step(const std::string& label);
  // Clears the line, for what is printed next; so does the destructor.
  void end();

 private:
  std::string what_;
  std::size_t total_;
  std::size_t done_ = 0;
  bool visible_;
};

}  // namespace clconv::cli
