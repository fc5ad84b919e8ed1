// Options that several verbs take, and suite files.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <locale>
#include <sstream>
#include <tuple>

#include "activation.hpp"
#include "cli/cli.hpp"
#include "data_type.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

constexpr const char* kDirections[] = {"forward", "backward-data", "backward-weights",
                                       "backward-bias", "transposed"};  // by clconv_direction

// Comma-separated whole numbers, or BadInput that names the option.
std::vector<std::int64_t> parse_numbers(const std::string& option, const std::string& text,
                                        const std::string& expected) {
  std::vector<std::int64_t> numbers;
  std::istringstream in(text);
  std::string item;
  while (std::getline(in, item, ',')) {
    std::size_t used = 0;
    try {
      numbers.push_back(std::stoll(item, &used));
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != item.size()) numbers.clear();
    if (numbers.empty()) break;
  }
  if (numbers.empty() || text.back() == ',') {
    throw BadInput(option + " '" + text + "': expected " + expected);
  }
  return numbers;
}

bool is_same(const std::string& pad) {
  return pad == "same" || pad == "same-lower";
}

// Rows that a dilated filter covers; false where there are none, or they do not fit 64 bits.
bool covers(std::int64_t kernel, std::int64_t dilation, std::int64_t& rows) {
  return kernel >= 1 && dilation >= 1 && !__builtin_mul_overflow(kernel - 1, dilation, &rows) &&
         !__builtin_add_overflow(rows, std::int64_t{1}, &rows);
}

// The odd one behind the image, or in front of it.
void split(const std::string& pad, std::int64_t total, std::int64_t& before, std::int64_t& after) {
  before = pad == "same" ? total / 2 : total - total / 2;
  after = total - before;
}

}  // namespace

cl::Device Session::select() const {
  try {
    return select_device(device);
  } catch (const Error& error) {
    const char* variable = std::getenv("CLCONV_DEVICE");
    const bool named = device.empty() && variable != nullptr && *variable != '\0';
    if (error.status() != CLCONV_NO_DEVICE || !named) throw;
    throw std::runtime_error("CLCONV_DEVICE: " + std::string(error.what()));
  }
}

Context Session::open(const ContextOptions& options) const {
  select();
  return Context(device, options);
}

void GeometryOptions::add_to(CLI::App& app, bool with_groups) {
  app.add_option("--stride", stride, "stride: 2, or 2,1 (height, width)");
  app.add_option("--pad", pad,
                 "zero padding: 1, or 1,0 (height, width), or 1,0,1,2 (top, left, bottom, right); "
                 "valid (none), "
                 "same or same-lower: an output of ceil(input / stride), an odd row or column of "
                 "padding behind or "
                 "in front");
  app.add_option("--dilation", dilation, "distance between taps: 2, or 2,1 (height, width)");
  if (with_groups) app.add_option("--groups", groups, "groups")->check(whole_number(1));
}

std::pair<std::int64_t, std::int64_t> parse_pair(const std::string& option,
                                                 const std::string& text) {
  const std::string expected = "1 or 2 whole numbers";
  const auto numbers = parse_numbers(option, text, expected);
  if (numbers.size() > 2) throw BadInput(option + " '" + text + "': expected " + expected);
  return {numbers.front(), numbers.back()};
}

void GeometryOptions::apply(Problem& p) const {
  std::tie(p.sh, p.sw) = parse_pair("--stride", stride);
  std::tie(p.dh, p.dw) = parse_pair("--dilation", dilation);
  p.g = groups;
  apply_padding(pad, p);
}

void GeometryOptions::apply_transposed(Problem& p, std::int64_t& output_pad_h,
                                       std::int64_t& output_pad_w) const {
  if (!is_same(pad)) return apply(p);
  std::tie(p.sh, p.sw) = parse_pair("--stride", stride);
  std::tie(p.dh, p.dw) = parse_pair("--dilation", dilation);
  p.g = groups;
  const auto axis = [&](std::int64_t kernel, std::int64_t step, std::int64_t distance,
                        std::int64_t& output_pad, std::int64_t& before, std::int64_t& after) {
    std::int64_t total = 0;
    if (output_pad < 0 || step < 1 || !covers(kernel, distance, total) ||
        __builtin_add_overflow(total, output_pad, &total)) {
      return;  // for the library to judge
    }
    total -= step;
    if (total < 0) output_pad -= total;
    split(pad, std::max<std::int64_t>(0, total), before, after);
  };
  axis(p.kh, p.sh, p.dh, output_pad_h, p.pt, p.pb);
  axis(p.kw, p.sw, p.dw, output_pad_w, p.pl, p.pr);
}

void apply_padding(const std::string& pad, Problem& p) {
  if (pad == "valid") {
    p.pt = p.pl = p.pb = p.pr = 0;
    return;
  }
  if (is_same(pad)) {
    const auto axis = [&](std::int64_t size, std::int64_t kernel, std::int64_t step,
                          std::int64_t distance, std::int64_t& before, std::int64_t& after) {
      std::int64_t total = 0;
      if (size < 1 || step < 1 || !covers(kernel, distance, total))
        return;  // the library refuses it
      total -= size -
               (size - 1) / step * step;  // what of the image is behind the last output's first tap
      split(pad, std::max<std::int64_t>(0, total), before, after);
    };
    axis(p.h, p.kh, p.sh, p.dh, p.pt, p.pb);
    axis(p.w, p.kw, p.sw, p.dw, p.pl, p.pr);
    return;
  }
  const std::string expected = "1, 2 or 4 whole numbers, valid, same or same-lower";
  const auto pads = parse_numbers("--pad", pad, expected);
  if (pads.size() == 3 || pads.size() > 4) {
    throw BadInput("--pad '" + pad + "': expected " + expected);
  }
  const bool four = pads.size() == 4;
  p.pt = pads.front(), p.pl = four ? pads[1] : pads.back();
  p.pb = four ? pads[2] : pads.front(), p.pr = pads.back();
}

namespace {
const core::ActivationRow& row_of(clconv_activation activation) {
  return core::row_of(static_cast<core::Activation>(activation));
}

std::string activation_words() {
  std::string words;
  for (clconv_activation i = 0; std::strcmp(clconv_activation_name(i), "?") != 0; ++i) {
    const core::ActivationRow& row = row_of(i);
    words += (i > 0 ? ", " : "") + std::string(row.word);
    if (row.parameters == 1) words += "[:SLOPE (" + core::number_text(row.slope) + ")]";
    if (row.parameters == 2)
      words += "[:SLOPE:OFFSET (" + core::number_text(row.slope) + ":" +
               core::number_text(row.offset) + ")]";
  }
  return words;
}
}  // namespace

void ActivationOptions::add_to(CLI::App& app) {
  auto* word = app.add_option("--activation", activation, activation_words());
  app.add_flag("--relu", relu, "the same as --activation relu")->excludes(word);
}

void ActivationOptions::apply(Problem& p) const {
  const std::string word = relu ? "relu" : activation;
  const std::string name = word.substr(0, word.find(':'));
  const auto bad = [&] {
    return BadInput("--activation '" + word + "': expected " + activation_words());
  };
  for (p.activation = 0; name != clconv_activation_name(p.activation); ++p.activation) {
    if (std::strcmp(clconv_activation_name(p.activation), "?") == 0) throw bad();
  }
  std::vector<float> given;
  std::istringstream numbers(word.substr(std::min(word.size(), name.size())));
  numbers.imbue(std::locale::classic());
  for (char colon = 0; numbers >> colon;) {
    float value = 0;
    if (colon != ':' || !(numbers >> value)) throw bad();
    given.push_back(value);
  }
  const core::ActivationRow& row = row_of(p.activation);
  if (!given.empty() && static_cast<int>(given.size()) != row.parameters) throw bad();
  if (row.parameters > 0) p.activation_slope = given.empty() ? row.slope : given[0];
  if (row.parameters > 1) p.activation_offset = given.empty() ? row.offset : given[1];
}

void StorageOptions::add_to(CLI::App& app) {
  app.add_option("--dtype", dtype, data_type_words() + " (f32): how all operands lie in memory");
  app.add_option("--layout", layout, "nchw (default) or nhwc: of x, y and r; forward");
  app.add_option("--weights-layout", weights_layout,
                 "kcrs (default) or krsc: (k,c/g,kh,kw) or (k,kh,kw,c/g); forward");
}

void StorageOptions::apply(Problem& p) const {
  const auto choose = [](const char* option, const std::string& word, const char* first,
                         const char* second) {
    if (word.empty() || word == first) return 0;
    if (word == second) return 1;
    throw BadInput(std::string(option) + " '" + word + "': expected " + first + " or " + second);
  };
  p.data_type = parse_data_type(dtype);
  p.layout = choose("--layout", layout, "nchw", "nhwc");
  p.weights_layout = choose("--weights-layout", weights_layout, "kcrs", "krsc");
}

std::string data_type_words() {
  std::string words;
  for (std::size_t i = 0; i < core::kDataTypes; ++i) {
    words += (i == 0                      ? ""
              : i + 1 == core::kDataTypes ? " or "
                                          : ", ") +
             std::string(core::kDataTypeRows[i].word);
  }
  return words;
}

clconv_data_type parse_data_type(const std::string& word) {
  if (word.empty()) return CLCONV_FLOAT32;
  for (const core::DataTypeRow& row : core::kDataTypeRows) {
    if (word == row.word) return static_cast<clconv_data_type>(row.type);
  }
  throw BadInput("--dtype '" + word + "': expected " + data_type_words());
}

const char* type_word(clconv_data_type type) {
  return core::row_of(static_cast<core::DataType>(type)).name;
}

std::pair<std::int64_t, std::int64_t> parse_kernel(const std::string& text) {
  const std::size_t x = text.find('x');
  const std::string expected = "KHxKW, e.g. 3x3";
  if (x == std::string::npos) throw BadInput("--kernel '" + text + "': expected " + expected);
  const auto height = parse_numbers("--kernel", text.substr(0, x), expected);
  const auto width = parse_numbers("--kernel", text.substr(x + 1), expected);
  if (height.size() != 1 || width.size() != 1) {
    throw BadInput("--kernel '" + text + "': expected " + expected);
  }
  return {height[0], width[0]};
}

std::vector<std::int64_t> parse_shape(const std::string& option, const std::string& text,
                                      std::size_t rank) {
  const std::string expected = std::to_string(rank) + " whole numbers, comma-separated";
  const auto numbers = parse_numbers(option, text, expected);
  if (numbers.size() != rank) throw BadInput(option + " '" + text + "': expected " + expected);
  return numbers;
}

clconv_rigor parse_rigor(const std::string& word) {
  if (word.empty()) return CLCONV_RIGOR_DEFAULT;
  if (word == "wisdom_only" || word == "wisdom-only") return CLCONV_WISDOM_ONLY;
  if (word == "estimate") return CLCONV_ESTIMATE;
  if (word == "measure") return CLCONV_MEASURE;
  if (word == "exhaustive") return CLCONV_EXHAUSTIVE;
  throw BadInput("--rigor '" + word + "': expected wisdom-only, estimate, measure or exhaustive");
}

clconv_math parse_math(const std::string& word) {
  if (word.empty() || word == "f32") return CLCONV_MATH_FLOAT32;
  if (word == "tf32") return CLCONV_MATH_TF32;
  if (word == "f16") return CLCONV_MATH_FLOAT16;
  throw BadInput("--math '" + word + "': expected f32, tf32 or f16");
}

void add_math(CLI::App& app, std::string& math) {
  app.add_option("--math", math,
                 "f32 (default), tf32 or f16: variants may multiply in TF32, or in float16, where "
                 "the device has it; less precise");
}

clconv_direction parse_direction(const std::string& word) {
  for (std::size_t i = 0; i < std::size(kDirections); ++i) {
    if (word == kDirections[i]) return static_cast<clconv_direction>(i);
  }
  throw BadInput("--direction '" + word +
                 "': expected forward, backward-data, backward-weights, backward-bias or "
                 "transposed");
}

const char* direction_word(clconv_direction direction) {
  return kDirections[direction];
}

void add_direction(CLI::App& app, std::string& direction) {
  app.add_option("--direction", direction,
                 "forward (default), backward-data, backward-weights, backward-bias or transposed; "
                 "PROBLEM always has the geometry of the forward convolution: transposed computes "
                 "(n,c,h,w) from (n,k,oh,ow)");
}

std::int64_t parse_bytes(const std::string& option, const std::string& text) {
  const auto bad = [&]() -> BadInput {
    return BadInput(option + " '" + text +
                    "': expected bytes, e.g. 1000000, 64M or 2GiB (K, M, G: powers of 1024)");
  };
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string unit = core::lowered(text.substr(digits));
  if (unit.size() == 3 && unit.substr(1) == "ib") unit.resize(1);
  const std::size_t power = std::string(" kmg").find(unit.empty() ? " " : unit);
  std::int64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, bytes);
  if (error != std::errc() || unit.size() > 1 || power == std::string::npos || unit == " " ||
      __builtin_mul_overflow(bytes, std::int64_t{1} << (10 * power), &bytes)) {
    throw bad();
  }
  return bytes;
}

void PlanningOptions::add_to(CLI::App& app) {
  app.add_option("--rigor", rigor, "wisdom-only, estimate (default), measure or exhaustive");
  app.add_option("--time-limit", time_limit_s, "seconds to measure at most; the best so far wins")
      ->check(real_number(Sign::kPositive));
  app.add_option("--workspace-limit", workspace_limit,
                 "bytes an execution may need besides its operands, e.g. 1000000, 64M or 2GiB");
  app.add_flag("--deterministic", deterministic, "equal inputs must give equal bits");
  add_math(app, math);
  auto* forced = app.add_option("--strategy", strategy, "force this strategy");
  app.add_option("--config", config, "force this variant of it, as reported")->needs(forced);
  app.add_option("--allow", allow, "only these strategies, comma-separated");
  app.add_option("--deny", deny, "not these strategies, comma-separated");
  app.add_flag("--weights-change", weights_change,
               "as in training: the weights are packed in every execution, which counts");
  app.add_option("--expected-runs", expected_runs,
                 "weigh compiling and preparing, spread over so many executions")
      ->check(whole_number(0));
}

PlanOptions PlanningOptions::options() const {
  PlanOptions o;
  const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
  o.rigor = parse_rigor(rigor);
  o.time_limit_s = time_limit_s;
  if (!workspace_limit.empty()) {
    o.workspace_limit_bytes = parse_bytes("--workspace-limit", workspace_limit);
  }
  o.deterministic = deterministic ? 1 : 0;
  o.strategy = text(strategy);
  o.config = text(config);
  o.allow = text(allow);
  o.deny = text(deny);
  o.expected_runs = expected_runs;
  o.weights_change = weights_change ? 1 : 0;
  o.math = parse_math(math);
  return o;
}

std::string read_text_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  std::string text;
  char buffer[4096];
  std::size_t count = 0;
  while (file && (count = std::fread(buffer, 1, sizeof(buffer), file.get())) > 0)
    text.append(buffer, count);
  // A folder opens, and fails when it is read.
  if (!file || std::ferror(file.get()) != 0) {
    throw FileFailure("cannot read " + path + ": " + std::strerror(errno));
  }
  return text;
}

void check_out(const std::string& out, std::initializer_list<std::string> inputs) {
  for (const std::string& input : inputs) {
    std::error_code none;
    // A terminal or /dev/null is not replaced.
    if (!input.empty() && std::filesystem::is_regular_file(out, none) &&
        std::filesystem::equivalent(out, input, none)) {
      throw BadInput(out + ": would replace the input " + input + ", expected another file");
    }
  }
}

std::vector<NamedProblem> read_suite(const std::string& path) {
  std::string content = read_text_file(path);
  if (content.rfind("\xef\xbb\xbf", 0) == 0) content.erase(0, 3);  // UTF-8's byte order mark
  std::istringstream in(content);
  std::vector<NamedProblem> problems;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name, text, more;
    if (!(words >> name)) continue;
    const std::string where = path + ":" + std::to_string(number) + ": ";
    if (!(words >> text) || words >> more) {
      throw BadInput(where + "expected `name PROBLEM`, got '" + line + "'");
    }
    try {
      problems.push_back({core::one_line(name), Problem(text)});
    } catch (const Error& error) {
      throw BadInput(where + error.what());
    }
  }
  if (problems.empty()) throw BadInput(path + ": no problems in it");
  return problems;
}

std::vector<NamedProblem> wanted_problems(const char* verb, const std::string& suite,
                                          const std::vector<std::string>& problems) {
  std::vector<NamedProblem> list;
  if (!suite.empty()) list = read_suite(suite);
  for (const std::string& text : problems)
    list.push_back({text, Problem(text)});
  if (list.empty()) throw BadInput(std::string(verb) + ": name a PROBLEM or --suite FILE");
  return list;
}

}  // namespace clconv::cli
