// Validation and text forms of Problem.
#include "problem.hpp"

#include <cctype>
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
    {"n", &Problem::n, 1},   {"c", &Problem::c, 1},   {"h", &Problem::h, 1},
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

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

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
    while (i < text.size() && is_letter(text[i]))
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

// oneDNN's benchdnn: mb ic ih iw oc oh ow kh kw sh sw ph pw dh dw g. A missing width copies the
// height and the other way round, dilation counts the holes (0 = dense), and the padding after the
// image follows from the output size where that is given.
Problem parse_benchdnn(std::string_view text) {
  static const char* const kKnown[] = {"g",  "mb", "ic", "ih", "iw", "oc", "oh", "ow",
                                       "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw"};
  Assignments fields(text);
  for (const Token& t : tokenize(text, true)) {
    bool known = false;
    for (const char* name : kKnown)
      known = known || t.name == name;
    if (!known)
      invalid("problem '" + std::string(text) + "': unknown benchdnn field '" + t.name + "'");
    if (t.values.size() != 1) bad_count(t, "1");
    fields.set(t.name, t.values[0]);
  }
  const auto axis = [&](const char* name, const char* other, std::int64_t fallback) {
    return fields.has(name) ? fields.get(name) : fields.get_or(other, fallback);
  };
  const auto required_axis = [&](const char* name, const char* other) {
    return fields.has(name) || !fields.has(other) ? fields.get(name) : fields.get(other);
  };
  Problem p;
  p.n = fields.get_or("mb", 2);  // benchdnn's own default
  p.g = fields.get_or("g", 1);
  p.c = fields.get("ic");
  p.k = fields.get("oc");
  p.h = required_axis("ih", "iw");
  p.w = required_axis("iw", "ih");
  p.kh = required_axis("kh", "kw");
  p.kw = required_axis("kw", "kh");
  p.sh = axis("sh", "sw", 1);
  p.sw = axis("sw", "sh", 1);
  p.pt = p.pb = axis("ph", "pw", 0);
  p.pl = p.pr = axis("pw", "ph", 0);
  p.dh = axis("dh", "dw", 0);
  p.dw = axis("dw", "dh", 0);
  // Only plausible sizes go through the arithmetic below; validate() names the others.
  constexpr std::int64_t kPlausible = std::int64_t{1} << 31;
  for (const Field& f : kFields) {
    if (p.*f.member < 0 || p.*f.member > kPlausible) {
      invalid(field(f.name, p.*f.member) + " is out of range for a benchdnn problem");
    }
  }
  ++p.dh;
  ++p.dw;
  const auto after = [&](std::int64_t out, std::int64_t size, std::int64_t kernel,
                         std::int64_t stride, std::int64_t before, std::int64_t dilation) {
    return (out - 1) * stride + dilation * (kernel - 1) + 1 - size - before;
  };
  // A floor in the output size leaves unused rows: then `after` is below the padding meant, or
  // negative; the symmetric padding already gives the stated size.
  const std::int64_t oh = axis("oh", "ow", 0);
  if (oh != 0 && p.oh() != oh) p.pb = after(oh, p.h, p.kh, p.sh, p.pt, p.dh);
  const std::int64_t ow = axis("ow", "oh", 0);
  if (ow != 0 && p.ow() != ow) p.pr = after(ow, p.w, p.kw, p.sw, p.pl, p.dw);
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
    if (pad < 0 || pad >= stride) {
      invalid(field(pad_name, pad) + ": must be at least 0 and less than the stride, " +
              std::to_string(stride));
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
    case Tensor::kY:
    case Tensor::kDy: return problem.y_elements();
    case Tensor::kR: return problem.wants_dx() ? problem.x_elements() : problem.y_elements();
  }
  return 0;
}

std::int64_t bytes_of(const Problem& problem, Tensor tensor) {
  return elements_of(problem, tensor) * element_bytes(problem.data_type);
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
  static const char* const kNames[kTensors] = {"x", "w", "b", "y", "dx", "dw", "db", "dy", "r"};
  if (problem.direction == Direction::kTransposed) {
    if (tensor == Tensor::kDy) return "x";
    if (tensor == Tensor::kDx) return "y";
  }
  return kNames[static_cast<std::size_t>(tensor)];
}

void Problem::validate() const {
  for (const Field& f : kFields) {
    if (this->*f.member < f.minimum) {
      invalid(field(f.name, this->*f.member) + ": must be at least " + std::to_string(f.minimum));
    }
  }
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
  if (activation != Activation::kNone && !epilogue)
    refuse(to_string(activation), "forward and transposed");
  // Beyond 1 it would multiply the errors that every bound is about. NaN is none of these either.
  if (!(std::fabs(activation_slope) <= 1.0f)) {
    invalid("activation_slope is " + number_text(activation_slope) + ": must be in [-1, 1]");
  }
  if (!std::isfinite(activation_offset)) {
    invalid("activation_offset is " + number_text(activation_offset) + ": must be finite");
  }
  if (mask && epilogue) refuse("mask", "the backward directions");
  if (accumulate && epilogue) refuse("accumulate", "the backward directions");
  if (layout != TensorLayout::kNchw && direction != Direction::kForward)
    refuse("layout nhwc", "forward");
  if (weights_layout != WeightsLayout::kKcrs && direction != Direction::kForward) {
    refuse("weights_layout krsc", "forward");
  }
  validate_bytes("x", n, c, h, w);
  validate_bytes("w", k, c_per_group(), kh, kw);
  validate_bytes("y", n, k, oh(), ow());
}

bool operator==(const Problem& a, const Problem& b) {
  for (const Field& f : kFields) {
    if (a.*f.member != b.*f.member) return false;
  }
  const auto rest = [](const Problem& p) {
    const int parameters = row_of(p.activation).parameters;
    return std::make_tuple(p.direction, p.bias, p.residual, p.activation,
                           parameters > 0 ? p.activation_slope : 0.0f,
                           parameters > 1 ? p.activation_offset : 0.0f, p.mask, p.accumulate,
                           p.data_type, p.layout, p.weights_layout);
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
  const int parameters = row_of(p.activation).parameters;
  std::string activation = to_string(p.activation);
  const float values[] = {p.activation_slope, p.activation_offset};
  for (int i = 0; i < parameters; ++i) {
    activation += ":" + number_text(values[i]);
  }
  add(p.activation != Activation::kNone, activation);
  add(p.mask, "mask");
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
  problem.validate();
  return problem;
}

std::optional<NamedSize> beyond_32_bits(const Problem& p) {
  const std::int64_t padded_h = p.h + p.pt + p.pb;
  const std::int64_t padded_w = p.w + p.pl + p.pr;
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
