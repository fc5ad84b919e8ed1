// Validation and text forms of Problem.
#include "problem.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <tuple>
#include <vector>

#include "error.hpp"
#include "text.hpp"

namespace clconv::core {
namespace {

[[noreturn]] void invalid(const std::string& text) {
  throw Error(Code::kInvalidProblem, text);
}

std::string field(const char* name, std::int64_t value) {
  return std::string(name) + "=" + std::to_string(value);
}

// The fields in canonical order; everything that walks over all of them uses this table.
struct Field {
  const char* name;
  std::int64_t Problem::*member;
  std::int64_t minimum;
};
constexpr Field kFields[] = {
    {"n", &Problem::n, 0},   {"c", &Problem::c, 1},   {"h", &Problem::h, 1},
    {"w", &Problem::w, 1},   {"k", &Problem::k, 1},   {"kh", &Problem::kh, 1},
    {"kw", &Problem::kw, 1}, {"sh", &Problem::sh, 1}, {"sw", &Problem::sw, 1},
    {"pt", &Problem::pt, 0}, {"pl", &Problem::pl, 0}, {"pb", &Problem::pb, 0},
    {"pr", &Problem::pr, 0}, {"dh", &Problem::dh, 1}, {"dw", &Problem::dw, 1},
    {"g", &Problem::g, 1},
};

// One axis: the padded size and the dilated filter must fit 64 bits, and the output be non-empty.
void validate_axis(const char* out, const char* size_name, std::int64_t size, std::int64_t before,
                   std::int64_t after, const char* kernel_name, std::int64_t kernel,
                   const char* dilation_name, std::int64_t dilation) {
  std::int64_t padded = 0;
  if (__builtin_add_overflow(size, before, &padded) ||
      __builtin_add_overflow(padded, after, &padded)) {
    invalid(field(size_name, size) + " plus its padding does not fit 64 bits");
  }
  std::int64_t extent = 0;
  if (__builtin_mul_overflow(dilation, kernel - 1, &extent) ||
      __builtin_add_overflow(extent, std::int64_t{1}, &extent)) {
    invalid(field(kernel_name, kernel) + " dilated by " + field(dilation_name, dilation) +
            " does not fit 64 bits");
  }
  if (extent > padded) {
    invalid(std::string(out) + " would be below 1: the filter covers " + std::to_string(extent) +
            " (" + field(kernel_name, kernel) + ", " + field(dilation_name, dilation) +
            ") but the padded input only " + std::to_string(padded) + " (" +
            field(size_name, size) + ")");
  }
}

void validate_bytes(const char* operand, std::int64_t a, std::int64_t b, std::int64_t c,
                    std::int64_t d) {
  if (saturating_product(a, b, c, d, Problem::kFloatBytes) == INT64_MAX) {
    invalid(std::string(operand) + " of " + std::to_string(a) + "x" + std::to_string(b) + "x" +
            std::to_string(c) + "x" + std::to_string(d) +
            " elements: its byte size does not fit 64 bits");
  }
}

constexpr const char* kDirections[] = {"forward", "backward-data", "backward-weights",
                                       "backward-bias", "transposed"};

// ---- text ---------------------------------------------------------------------------------------

struct Token {
  std::string name;
  std::vector<std::int64_t> values;
  std::string text;  // as written, for messages
};

// Splits `n1c64s2,1` into names with their numbers. benchdnn allows `_` between fields and a
// free-text name `n"..."` at the end.
std::vector<Token> tokenize(std::string_view text, bool benchdnn) {
  std::vector<Token> tokens;
  std::size_t i = 0;
  const auto rest = [&] { return std::string(text.substr(i)); };
  while (i < text.size()) {
    if (benchdnn && text[i] == '_') {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < text.size() && ascii_letter(text[i]))
      ++i;
    Token token;
    token.name = text.substr(begin, i - begin);
    if (benchdnn && !token.name.empty() && token.name[0] == 'n') break;  // the name ends it
    if (token.name.empty())
      invalid("problem '" + std::string(text) + "': expected a field name at '" + rest() + "'");
    do {
      std::int64_t value = 0;
      const char* first = text.data() + i;
      const char* last = text.data() + text.size();
      const auto [end, error] = std::from_chars(first, last, value);
      if (error == std::errc::result_out_of_range) {
        invalid("problem field " + token.name + "=" + rest() + " does not fit 64 bits");
      }
      if (error != std::errc()) {
        invalid("problem '" + std::string(text) + "': field '" + token.name +
                "' needs a number, got '" + rest() + "'");
      }
      token.values.push_back(value);
      i += static_cast<std::size_t>(end - first);
    } while (i < text.size() && text[i] == ',' && ++i);
    token.text = text.substr(begin, i - begin);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Collects field -> value, refusing doubles.
class Assignments {
 public:
  explicit Assignments(std::string_view text) : text_(text) {}

  void set(const std::string& name, std::int64_t value) {
    if (!values_.emplace(name, value).second) {
      invalid("problem '" + text_ + "': field " + name + " is given twice");
    }
  }
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  std::int64_t get(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) invalid("problem '" + text_ + "': field " + name + " is missing");
    return found->second;
  }
  std::int64_t get_or(const std::string& name, std::int64_t fallback) const {
    return has(name) ? get(name) : fallback;
  }

 private:
  std::string text_;
  std::map<std::string, std::int64_t> values_;
};

[[noreturn]] void bad_count(const Token& token, const char* allowed) {
  invalid("problem field '" + token.text + "' has " + std::to_string(token.values.size()) +
          " values, expected " + allowed);
}

Problem parse_own(std::string_view text) {
  Assignments fields(text);
  for (const Token& t : tokenize(text, false)) {
    const auto& v = t.values;
    if (t.name == "s" || t.name == "d") {
      if (v.size() > 2) bad_count(t, "1 or 2 (height, width)");
      fields.set(t.name + "h", v[0]);
      fields.set(t.name + "w", v.back());
    } else if (t.name == "p") {
      if (v.size() == 3 || v.size() > 4) {
        bad_count(t, "1, 2 (height, width) or 4 (top, left, bottom, right)");
      }
      const bool four = v.size() == 4;
      fields.set("pt", v[0]);
      fields.set("pl", four ? v[1] : v.back());
      fields.set("pb", four ? v[2] : v[0]);
      fields.set("pr", four ? v[3] : v.back());
    } else if (t.name == "ph" || t.name == "pw") {
      if (v.size() != 1) bad_count(t, "1");
      fields.set(t.name == "ph" ? "pt" : "pl", v[0]);
      fields.set(t.name == "ph" ? "pb" : "pr", v[0]);
    } else {
      if (v.size() != 1) bad_count(t, "1");
      bool known = false;
      for (const Field& f : kFields)
        known = known || t.name == f.name;
      if (!known) {
        invalid("problem '" + std::string(text) + "': unknown field '" + t.name +
                "'; the fields are n c h w k kh kw, s|sh sw, p|ph pw|pt pl pb pr, d|dh dw, g");
      }
      fields.set(t.name, v[0]);
    }
  }
  Problem problem;
  for (const Field& f : kFields) {
    const bool required = &f - kFields < 7;  // n c h w k kh kw
    problem.*f.member = required ? fields.get(f.name) : fields.get_or(f.name, problem.*f.member);
  }
  return problem;
}

// One spatial dimension of a benchdnn descriptor.
struct BenchdnnAxis {
  bool given = false;  // any of its fields
  std::int64_t in = 1, kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;
};

// `letter` is h or w. As benchdnn's str2desc: input and kernel are required; without an output the padding is 0
// unless named; with one a missing padding is half of what the output needs, and the padding behind is the rest.
BenchdnnAxis benchdnn_axis(const Assignments& fields, const std::string& letter) {
  BenchdnnAxis axis;
  for (const char* what : {"i", "o", "k", "s", "p", "d"}) {
    const std::string name = what + letter;
    axis.given = axis.given || fields.has(name);
    // Only plausible sizes go through the arithmetic below.
    constexpr std::int64_t kPlausible = std::int64_t{1} << 31;
    const std::int64_t value = fields.get_or(name, 0);
    if (value < 0 || value > kPlausible) {
      invalid(field(name.c_str(), value) + " is out of range for a benchdnn problem");
    }
  }
  if (!axis.given) return axis;
  axis.in = fields.get("i" + letter);
  axis.kernel = fields.get("k" + letter);
  axis.stride = fields.get_or("s" + letter, 1);
  axis.dilation = fields.get_or("d" + letter, 0) + 1;  // benchdnn counts the holes: 0 = dense
  if (axis.kernel < 1 || axis.stride < 1) {
    const char* bad = axis.kernel < 1 ? "k" : "s";
    invalid(field((bad + letter).c_str(), axis.kernel < 1 ? axis.kernel : axis.stride) +
            ": must be at least 1");
  }
  const std::int64_t out = fields.get_or("o" + letter, 0);
  const std::string pad = "p" + letter;
  if (out == 0) {
    axis.before = axis.after = fields.get_or(pad, 0);
    return axis;
  }
  const std::int64_t needed =
      (out - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1 - axis.in;
  axis.before = fields.has(pad) ? fields.get(pad) : needed / 2;
  if (axis.before < 0) {
    invalid("benchdnn deduces " + field(pad.c_str(), axis.before) + " from " +
            field(("o" + letter).c_str(), out) + ": name " + pad + ", expected at least 0");
  }
  // A floor in the output size leaves rows unused: the symmetric padding then gives the stated size already.
  const std::int64_t slack = 2 * axis.before - needed;
  axis.after = slack >= 0 && slack < axis.stride ? axis.before : needed - axis.before;
  return axis;
}

// oneDNN's benchdnn (tests/benchdnn/conv/conv_aux.cpp, str2desc): g mb ic ih iw oc oh ow kh kw sh sw ph pw dh dw.
// With no field of the width, all of the height's hold for it too; with none of the height, it is one-dimensional.
Problem parse_benchdnn(std::string_view text) {
  static const char* const kKnown[] = {"g",  "mb", "ic", "ih", "iw", "oc", "oh", "ow",
                                       "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw"};
  static const char* const kDepth[] = {"id", "od", "kd", "sd", "pd", "dd"};
  const auto is_one_of = [](const auto& list, const std::string& name) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
  };
  Assignments fields(text);
  for (const Token& t : tokenize(text, true)) {
    if (is_one_of(kDepth, t.name)) {
      invalid("problem '" + std::string(text) + "': field " + t.name +
              " is of a 3-D convolution, supported are 1-D and 2-D");
    }
    if (!is_one_of(kKnown, t.name))
      invalid("problem '" + std::string(text) + "': unknown benchdnn field '" + t.name + "'");
    if (t.values.size() != 1) bad_count(t, "1");
    fields.set(t.name, t.values[0]);
  }
  Problem p;
  p.n = fields.get_or("mb", 2);  // benchdnn's own default
  p.g = fields.get_or("g", 1);
  p.c = fields.get("ic");
  p.k = fields.get("oc");
  const BenchdnnAxis rows = benchdnn_axis(fields, "h");
  const BenchdnnAxis width = benchdnn_axis(fields, "w");
  if (!rows.given && !width.given) fields.get("ih");  // throws: it is missing
  const BenchdnnAxis& columns = width.given ? width : rows;
  p.h = rows.in, p.kh = rows.kernel, p.sh = rows.stride, p.dh = rows.dilation;
  p.pt = rows.before, p.pb = rows.after;
  p.w = columns.in, p.kw = columns.kernel, p.sw = columns.stride, p.dw = columns.dilation;
  p.pl = columns.before, p.pr = columns.after;
  return p;
}

}  // namespace

const char* to_string(Direction direction) {
  return kDirections[static_cast<std::size_t>(direction)];
}

Direction parse_direction(std::string_view word) {
  std::string known;
  for (std::size_t i = 0; i < std::size(kDirections); ++i) {
    if (word == kDirections[i]) return static_cast<Direction>(i);
    known += (i == 0 ? "" : ", ") + std::string(kDirections[i]);
  }
  throw Error(Code::kInvalidArgument,
              "direction '" + std::string(word) + "' is unknown, expected one of " + known);
}

std::int64_t Problem::reduction() const {
  switch (direction) {
    case Direction::kForward: return c_per_group() * kh * kw;
    case Direction::kBackwardData:
    case Direction::kTransposed: return k_per_group() * kh * kw;
    case Direction::kBackwardWeights:
    case Direction::kBackwardBias: return n * oh() * ow();
  }
  return 0;
}

double Problem::flops() const {
  const double results = static_cast<double>(n) * static_cast<double>(k) *
                         static_cast<double>(oh()) * static_cast<double>(ow());
  if (direction == Direction::kBackwardBias) return results;
  return 2.0 * results * static_cast<double>(c_per_group()) * static_cast<double>(kh) *
         static_cast<double>(kw);
}

Problem transposed(const Problem& as_seen, std::int64_t output_pad_h, std::int64_t output_pad_w) {
  const auto output = [](const char* pad_name, std::int64_t size, std::int64_t kernel,
                         std::int64_t stride, std::int64_t dilation, std::int64_t before,
                         std::int64_t after, std::int64_t pad) {
    const std::int64_t limit = std::max(stride, dilation);
    if (pad < 0 || pad >= limit) {
      invalid(field(pad_name, pad) +
              ": must be at least 0 and less than the larger of stride and dilation, " +
              std::to_string(limit));
    }
    std::int64_t out = 0, reach = 0;
    if (__builtin_mul_overflow(size - 1, stride, &out) ||
        __builtin_mul_overflow(dilation, kernel - 1, &reach) ||
        __builtin_add_overflow(out, reach, &out) || __builtin_add_overflow(out, 1 + pad, &out) ||
        __builtin_sub_overflow(out, before, &out) || __builtin_sub_overflow(out, after, &out)) {
      invalid("the size of the result does not fit 64 bits");
    }
    return out;
  };
  Problem p = as_seen;
  p.direction = Direction::kTransposed;
  p.c = as_seen.k;
  p.k = as_seen.c;
  p.h = output("output_pad_h", as_seen.h, p.kh, p.sh, p.dh, p.pt, p.pb, output_pad_h);
  p.w = output("output_pad_w", as_seen.w, p.kw, p.sw, p.dw, p.pl, p.pr, output_pad_w);
  if (p.pb < 0 || p.pr < 0) {
    invalid(field(p.pb < 0 ? "pb" : "pr", p.pb < 0 ? p.pb : p.pr) + ": must be at least 0");
  }
  if (p.sh > 0 && p.sw > 0) {
    p.pb -= output_pad_h / p.sh * p.sh;
    p.pr -= output_pad_w / p.sw * p.sw;
  }
  p.validate();
  return p;
}

std::int64_t elements_of(const Problem& problem, Tensor tensor) {
  switch (tensor) {
    case Tensor::kX:
    case Tensor::kDx: return problem.x_elements();
    case Tensor::kW:
    case Tensor::kDw: return problem.w_elements();
    case Tensor::kB:
    case Tensor::kDb: return problem.b_elements();
    case Tensor::kSlopes: return problem.b_elements() * (problem.scale ? problem.n : 1);
    case Tensor::kY:
    case Tensor::kDy: return problem.y_elements();
    case Tensor::kR: return problem.wants_dx() ? problem.x_elements() : problem.y_elements();
  }
  return 0;
}

std::int64_t bytes_of(const Problem& problem, Tensor tensor) {
  return elements_of(problem, tensor) * element_bytes(problem.data_type);
}

std::int64_t span_bytes_of(const Problem& p, Tensor tensor) {
  const std::int64_t bytes = bytes_of(p, tensor);
  const bool input = tensor == (p.wants_dx() ? Tensor::kDy : Tensor::kX);
  if (p.n < 2 || !(input || tensor == result_of(p) || tensor == Tensor::kR)) return bytes;
  if (p.direction == Direction::kBackwardWeights || p.direction == Direction::kBackwardBias)
    return bytes;
  const std::int64_t image = input ? p.input_image() : p.result_image();
  return bytes / p.n + (p.n - 1) * image * element_bytes(p.data_type);
}

Problem with_dense_images(Problem problem) {
  problem.in_image = problem.out_image = 0;
  return problem;
}

std::vector<Tensor> inputs_of(const Problem& p) {
  std::vector<Tensor> inputs;
  switch (p.direction) {
    case Direction::kForward: inputs = {Tensor::kX, Tensor::kW}; break;
    case Direction::kBackwardData:
    case Direction::kTransposed: inputs = {Tensor::kDy, Tensor::kW}; break;
    case Direction::kBackwardWeights: inputs = {Tensor::kX, Tensor::kDy}; break;
    case Direction::kBackwardBias: inputs = {Tensor::kDy}; break;
  }
  if (p.bias) inputs.push_back(Tensor::kB);
  if (p.mask) inputs.push_back(Tensor::kY);
  if (p.residual) inputs.push_back(Tensor::kR);
  if (row_of(p.activation).slopes || p.scale) inputs.push_back(Tensor::kSlopes);
  return inputs;
}

Tensor result_of(const Problem& p) {
  switch (p.direction) {
    case Direction::kForward: return Tensor::kY;
    case Direction::kBackwardData:
    case Direction::kTransposed: return Tensor::kDx;
    case Direction::kBackwardWeights: return Tensor::kDw;
    case Direction::kBackwardBias: return Tensor::kDb;
  }
  return Tensor::kY;
}

const char* name_of(const Problem& problem, Tensor tensor) {
  static const char* const kNames[kTensors] = {"x",  "w",  "b",  "y", "dx",
                                               "dw", "db", "dy", "r", "slopes"};
  if (tensor == Tensor::kSlopes && problem.scale) return "scale";
  if (problem.direction == Direction::kTransposed) {
    if (tensor == Tensor::kDy) return "x";
    if (tensor == Tensor::kDx) return "y";
  }
  return kNames[static_cast<std::size_t>(tensor)];
}

namespace {
void validate_mask(const Problem& p) {
  const char* const reason = backward_of(p.masked).reason;
  if (reason != nullptr) {
    invalid("mask has no backward of " + std::string(to_string(p.masked)) + ": " + reason);
  }
  // v below 0 gives y above 0 then, as v above 0 does.
  if (p.masked == Activation::kLeakyRelu && p.activation_slope < 0) {
    invalid("mask has no backward of leaky-relu with activation_slope " +
            number_text(p.activation_slope) + ": expected at least 0");
  }
}

// The distance between images of the input or the result, of `image` elements each.
void validate_stride(const Problem& p, const char* name, std::int64_t stride, std::int64_t image) {
  if (stride == 0) return;
  if (p.direction != Direction::kForward && p.direction != Direction::kTransposed) {
    invalid(std::string(name) + " is part of forward and transposed, the direction is " +
            to_string(p.direction));
  }
  if (p.layout != TensorLayout::kNchw) {
    invalid(std::string(name) + " is part of layout nchw, the layout is nhwc");
  }
  if (stride < image) {
    invalid(field(name, stride) + ": must be 0 or at least the elements of an image, " +
            std::to_string(image));
  }
  if (saturating_product(std::max<std::int64_t>(1, p.n), stride, Problem::kFloatBytes) == INT64_MAX)
    invalid(field(name, stride) + " times " + field("n", p.n) + " does not fit 64 bits of bytes");
}

void validate_scale(const Problem& p) {
  if (p.layout != TensorLayout::kNchw) invalid("scale is part of layout nchw, the layout is nhwc");
  if (row_of(p.activation).slopes) {
    invalid("scale goes with no " + std::string(to_string(p.activation)) +
            ": its slopes are in its place");
  }
}
}  // namespace

void Problem::validate() const {
  for (const Field& f : kFields) {
    const bool behind = f.member == &Problem::pb || f.member == &Problem::pr;
    if (behind && direction == Direction::kTransposed) continue;
    if (this->*f.member < f.minimum) {
      invalid(field(f.name, this->*f.member) + ": must be at least " + std::to_string(f.minimum));
    }
  }
  // What transposed() makes of an output padding.
  const auto check_behind = [](const char* name, std::int64_t value, std::int64_t limit) {
    if (value <= -limit) {
      invalid(field(name, value) + ": must be above minus the larger of stride and dilation, -" +
              std::to_string(limit));
    }
  };
  check_behind("pb", pb, std::max(sh, dh));
  check_behind("pr", pr, std::max(sw, dw));
  if (c % g != 0) invalid(field("c", c) + " is not a multiple of " + field("g", g));
  if (k % g != 0) invalid(field("k", k) + " is not a multiple of " + field("g", g));
  validate_axis("oh", "h", h, pt, pb, "kh", kh, "dh", dh);
  validate_axis("ow", "w", w, pl, pr, "kw", kw, "dw", dw);
  const bool epilogue = direction == Direction::kForward || direction == Direction::kTransposed;
  const auto refuse = [&](const char* what, const char* where) {
    invalid(std::string(what) + " is part of " + where + ", the direction is " +
            to_string(direction));
  };
  if (bias && !epilogue) refuse("bias", "forward and transposed");
  if (residual && !epilogue) refuse("residual", "forward and transposed");
  if (scale && !epilogue) refuse("scale", "forward and transposed");
  if (scale) validate_scale(*this);
  if (activation != Activation::kNone && !epilogue)
    refuse(to_string(activation), "forward and transposed, and backward of mask");
  // Beyond 1 it would multiply the errors that every bound is about. NaN is none of these either.
  if (!(std::fabs(activation_slope) <= 1.0f)) {
    invalid("activation_slope is " + number_text(activation_slope) + ": must be in [-1, 1]");
  }
  if (!std::isfinite(activation_offset)) {
    invalid("activation_offset is " + number_text(activation_offset) + ": must be finite");
  }
  if (mask && epilogue) refuse("mask", "the backward directions");
  if (mask) validate_mask(*this);
  if (accumulate && epilogue) refuse("accumulate", "the backward directions");
  if (layout != TensorLayout::kNchw && direction != Direction::kForward)
    refuse("layout nhwc", "forward");
  if (weights_layout != WeightsLayout::kKcrs && direction != Direction::kForward) {
    refuse("weights_layout krsc", "forward");
  }
  // Of one image even where there is none: products of the other sizes must fit everywhere.
  const std::int64_t images = std::max<std::int64_t>(1, n);
  validate_bytes("x", images, c, h, w);
  validate_bytes("w", k, c_per_group(), kh, kw);
  validate_bytes("y", images, k, oh(), ow());
  const std::int64_t of_x = c * h * w, of_y = k * oh() * ow();
  validate_stride(*this, "x_image_stride", in_image, wants_dx() ? of_y : of_x);
  validate_stride(*this, "y_image_stride", out_image, wants_dx() ? of_x : of_y);
}

bool operator==(const Problem& a, const Problem& b) {
  for (const Field& f : kFields) {
    if (a.*f.member != b.*f.member) return false;
  }
  const auto rest = [](const Problem& p) {
    const Activation masked = p.mask ? p.masked : Activation::kNone;
    const int parameters = std::max(row_of(p.activation).parameters, row_of(masked).parameters);
    return std::make_tuple(p.direction, p.bias, p.residual, p.scale, p.activation,
                           parameters > 0 ? p.activation_slope : 0.0f,
                           parameters > 1 ? p.activation_offset : 0.0f, p.mask, masked,
                           p.accumulate, p.data_type, p.layout, p.weights_layout, p.input_image(),
                           p.result_image());
  };
  return rest(a) == rest(b);
}

std::string to_text(const Problem& p) {
  std::string text;
  const auto put = [&](const char* name, std::int64_t value) {
    text += name + std::to_string(value);
  };
  for (const Field& f : kFields) {
    if (&f - kFields < 7) put(f.name, p.*f.member);
  }
  const auto put_pair = [&](const std::string& name, std::int64_t height, std::int64_t width,
                            std::int64_t fallback) {
    if (height == width && height == fallback) return;
    if (height == width) {
      put(name.c_str(), height);
    } else {
      put((name + "h").c_str(), height);
      put((name + "w").c_str(), width);
    }
  };
  put_pair("s", p.sh, p.sw, 1);
  if (p.pt == p.pb && p.pl == p.pr) {
    put_pair("p", p.pt, p.pl, 0);
  } else {
    put("pt", p.pt);
    put("pl", p.pl);
    put("pb", p.pb);
    put("pr", p.pr);
  }
  put_pair("d", p.dh, p.dw, 1);
  if (p.g != 1) put("g", p.g);
  return text;
}

std::string epilogue_words(const Problem& p) {
  std::string words;
  const auto add = [&](bool there, const std::string& word) {
    if (there) words += (words.empty() ? "" : " ") + word;
  };
  add(p.bias, "bias");
  add(p.residual, "residual");
  const auto with_parameters = [&](Activation activation) {
    std::string word = to_string(activation);
    const float values[] = {p.activation_slope, p.activation_offset};
    for (int i = 0; i < row_of(activation).parameters; ++i)
      word += ":" + number_text(values[i]);
    return word;
  };
  add(p.activation != Activation::kNone, with_parameters(p.activation));
  add(p.mask, p.masked == Activation::kRelu ? "mask" : "mask:" + with_parameters(p.masked));
  add(p.scale, "scale");
  add(p.accumulate, "accumulate");
  return words;
}

std::string storage_words(const Problem& p) {
  std::string words;
  const auto add = [&](bool there, const char* word) {
    if (there) words += (words.empty() ? "" : " ") + std::string(word);
  };
  add(p.data_type != DataType::kFloat32, to_string(p.data_type));
  add(p.layout == TensorLayout::kNhwc, "nhwc");
  add(p.weights_layout == WeightsLayout::kKrsc, "krsc");
  return words;
}

Problem parse_problem(std::string_view text) {
  if (text.empty()) invalid("problem text is empty, expected e.g. n1c64h56w56k64kh3kw3p1");
  const bool benchdnn = text.find("ic") != std::string_view::npos;
  Problem problem = benchdnn ? parse_benchdnn(text) : parse_own(text);
  if (!benchdnn && (problem.pb < 0 || problem.pr < 0)) problem.direction = Direction::kTransposed;
  problem.validate();
  return problem;
}

std::optional<NamedSize> beyond_32_bits(const Problem& p) {
  const std::int64_t padded_h = p.h + p.pt + std::max<std::int64_t>(0, p.pb);
  const std::int64_t padded_w = p.w + p.pl + std::max<std::int64_t>(0, p.pr);
  const NamedSize sizes[] = {
      {"n", p.n},
      {"c", p.c},
      {"k", p.k},
      {"h with padding", padded_h},
      {"w with padding", padded_w},
      {"sh", p.sh},
      {"sw", p.sw},
      {"dh", p.dh},
      {"dw", p.dw},
      {"h*w with padding", saturating_product(padded_h, padded_w)},
      {"oh*ow", saturating_product(p.oh(), p.ow())},
      {"c/g*kh*kw", saturating_product(p.c_per_group(), p.kh, p.kw)},
      {"k/g*kh*kw", saturating_product(p.k_per_group(), p.kh, p.kw)},
  };
  for (const NamedSize& size : sizes) {
    if (size.value > kIndexLimit) return size;
  }
  return std::nullopt;
}

}  // namespace clconv::core
