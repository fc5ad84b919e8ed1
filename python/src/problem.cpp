#include "problem.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>
#include <vector>

namespace clconv_python {
namespace {

struct Word {
  const char* word;
  std::int32_t value;
};

constexpr Word kDirections[] = {{"forward", CLCONV_FORWARD},
                                {"backward-data", CLCONV_BACKWARD_DATA},
                                {"backward-weights", CLCONV_BACKWARD_WEIGHTS},
                                {"backward-bias", CLCONV_BACKWARD_BIAS},
                                {"transposed", CLCONV_TRANSPOSED}};
constexpr Word kDataTypes[] = {
    {"float32", CLCONV_FLOAT32}, {"float16", CLCONV_FLOAT16}, {"bfloat16", CLCONV_BFLOAT16}};
constexpr Word kLayouts[] = {{"nchw", CLCONV_NCHW}, {"nhwc", CLCONV_NHWC}};
constexpr Word kWeightsLayouts[] = {{"kcrs", CLCONV_KCRS}, {"krsc", CLCONV_KRSC}};
constexpr Word kRigors[] = {{"default", CLCONV_RIGOR_DEFAULT},
                            {"wisdom-only", CLCONV_WISDOM_ONLY},
                            {"estimate", CLCONV_ESTIMATE},
                            {"measure", CLCONV_MEASURE},
                            {"exhaustive", CLCONV_EXHAUSTIVE}};

constexpr Word kMaths[] = {
    {"float32", CLCONV_MATH_FLOAT32}, {"tf32", CLCONV_MATH_TF32}, {"float16", CLCONV_MATH_FLOAT16}};

// The library's own.
std::vector<Word> activation_words() {
  std::vector<Word> words;
  for (clconv_activation i = 0; std::strcmp(clconv_activation_name(i), "?") != 0; ++i)
    words.push_back({clconv_activation_name(i), i});
  return words;
}

// Words are written with - or with _.
template <class Words>
std::int32_t value_of(const Words& words, const char* name, std::string word) {
  std::replace(word.begin(), word.end(), '_', '-');
  std::string all;
  for (const Word& known : words) {
    if (word == known.word) return known.value;
    all += (all.empty() ? "" : ", ") + std::string(known.word);
  }
  refuse(std::string(name) + " is '" + word + "', expected one of " + all);
}

template <std::size_t N>
const char* word_of(const Word (&words)[N], std::int32_t value) {
  for (const Word& known : words)
    if (value == known.value) return known.word;
  return "?";
}

struct SizeField {
  const char* name;
  std::int64_t clconv_problem::*member;
};
constexpr SizeField kSizes[] = {
    {"n", &clconv_problem::n},   {"c", &clconv_problem::c},   {"h", &clconv_problem::h},
    {"w", &clconv_problem::w},   {"k", &clconv_problem::k},   {"kh", &clconv_problem::kh},
    {"kw", &clconv_problem::kw}, {"sh", &clconv_problem::sh}, {"sw", &clconv_problem::sw},
    {"pt", &clconv_problem::pt}, {"pl", &clconv_problem::pl}, {"pb", &clconv_problem::pb},
    {"pr", &clconv_problem::pr}, {"dh", &clconv_problem::dh}, {"dw", &clconv_problem::dw},
    {"g", &clconv_problem::g}};
struct FlagField {
  const char* name;
  int clconv_problem::*member;
};
constexpr FlagField kFlags[] = {{"bias", &clconv_problem::bias},
                                {"mask", &clconv_problem::mask},
                                {"accumulate", &clconv_problem::accumulate},
                                {"residual", &clconv_problem::residual}};

clconv_problem defaults() {
  clconv_problem problem{};
  clconv_problem_init(&problem);
  return problem;
}

void parse(clconv_problem& problem, const std::optional<std::string>& text) {
  if (text) check(clconv_problem_parse(text->c_str(), &problem));
}

std::string format(const clconv_problem& problem) {
  char* text = nullptr;
  check(clconv_problem_format(&problem, &text));
  return take(text);
}

clconv_problem_info info_of(const clconv_problem& problem) {
  clconv_problem_info info{};
  info.struct_size = sizeof(info);
  check(clconv_problem_query(&problem, &info));
  return info;
}

nb::dict info_dict(const clconv_problem& problem) {
  const clconv_problem_info info = info_of(problem);
  nb::dict result;
  result["oh"] = info.oh;
  result["ow"] = info.ow;
  result["x_bytes"] = info.x_bytes;
  result["w_bytes"] = info.w_bytes;
  result["b_bytes"] = info.b_bytes;
  result["y_bytes"] = info.y_bytes;
  result["flops"] = info.flops;
  return result;
}

nb::tuple image_shape(const clconv_problem& p, std::int64_t c, std::int64_t h, std::int64_t w) {
  return p.layout == CLCONV_NHWC ? nb::make_tuple(p.n, h, w, c) : nb::make_tuple(p.n, c, h, w);
}

nb::tuple x_shape(const clconv_problem& p) {
  info_of(p);  // refuses what is no problem
  return image_shape(p, p.c, p.h, p.w);
}

nb::tuple y_shape(const clconv_problem& p) {
  const clconv_problem_info info = info_of(p);
  return image_shape(p, p.k, info.oh, info.ow);
}

nb::tuple w_shape(const clconv_problem& p) {
  info_of(p);
  const std::int64_t channels = p.c / p.g;
  return p.weights_layout == CLCONV_KRSC ? nb::make_tuple(p.k, p.kh, p.kw, channels)
                                         : nb::make_tuple(p.k, channels, p.kh, p.kw);
}

bool equal(const clconv_problem& a, const clconv_problem& b) {
  return std::all_of(std::begin(kSizes), std::end(kSizes),
                     [&](const SizeField& f) { return a.*f.member == b.*f.member; }) &&
         std::all_of(
             std::begin(kFlags), std::end(kFlags),
             [&](const FlagField& f) { return (a.*f.member != 0) == (b.*f.member != 0); }) &&
         a.direction == b.direction && a.activation == b.activation &&
         std::equal(&a.activation_slope, &a.activation_slope + 1, &b.activation_slope) &&
         a.data_type == b.data_type && a.layout == b.layout &&
         a.weights_layout == b.weights_layout &&
         std::equal(&a.activation_offset, &a.activation_offset + 1, &b.activation_offset);
}

clconv_problem transposed(const clconv_problem& as_seen, std::int64_t output_pad_h,
                          std::int64_t output_pad_w) {
  clconv_problem problem = defaults();
  check(clconv_problem_transposed(&as_seen, output_pad_h, output_pad_w, &problem));
  return problem;
}

clconv_problem fully_connected(std::int64_t n, std::int64_t inputs, std::int64_t outputs) {
  clconv_problem problem = defaults();
  check(clconv_problem_fully_connected(n, inputs, outputs, &problem));
  return problem;
}

// A property whose values are words of `words`.
template <std::size_t N>
void bind_word(nb::class_<clconv_problem>& c, const char* name,
               std::int32_t clconv_problem::*member, const Word (&words)[N]) {
  const Word* first = words;
  c.def_prop_rw(
      name,
      [first, member](const clconv_problem& p) {
        return word_of(*reinterpret_cast<const Word(*)[N]>(first), p.*member);
      },
      [first, member, name](clconv_problem& p, const std::string& word) {
        p.*member = value_of(*reinterpret_cast<const Word(*)[N]>(first), name, word);
      });
}

void bind_fields(nb::class_<clconv_problem>& c) {
  for (const SizeField& field : kSizes) {
    const auto member = field.member;
    c.def_prop_rw(
        field.name, [member](const clconv_problem& p) { return p.*member; },
        [member](clconv_problem& p, std::int64_t value) { p.*member = value; });
  }
  for (const FlagField& field : kFlags) {
    const auto member = field.member;
    c.def_prop_rw(
        field.name, [member](const clconv_problem& p) { return p.*member != 0; },
        [member](clconv_problem& p, bool value) { p.*member = value ? 1 : 0; });
  }
  bind_word(c, "direction", &clconv_problem::direction, kDirections);
  c.def_prop_rw(
      "activation", [](const clconv_problem& p) { return clconv_activation_name(p.activation); },
      [](clconv_problem& p, const std::string& word) {
        p.activation = value_of(activation_words(), "activation", word);
      });
  bind_word(c, "data_type", &clconv_problem::data_type, kDataTypes);
  bind_word(c, "layout", &clconv_problem::layout, kLayouts);
  bind_word(c, "weights_layout", &clconv_problem::weights_layout, kWeightsLayouts);
  c.def_rw("activation_slope", &clconv_problem::activation_slope);
  c.def_rw("activation_offset", &clconv_problem::activation_offset);
}

std::optional<std::string> names_of(nb::handle given) {
  if (given.is_none()) return std::nullopt;
  if (nb::isinstance<nb::str>(given)) return nb::cast<std::string>(given);
  std::string names;
  for (const nb::handle name : nb::iter(given))
    names += (names.empty() ? "" : ",") + nb::cast<std::string>(name);
  return names;
}

}  // namespace

clconv_rigor rigor_of(const std::string& word) {
  return value_of(kRigors, "rigor", word);
}

clconv_math math_of(const std::string& word) {
  return value_of(kMaths, "math", word);
}

clconv_data_type data_type_of(const std::string& word) {
  return value_of(kDataTypes, "dtype", word);
}

PlanOptions::PlanOptions(const nb::dict& given) {
  clconv_plan_options_init(&options_);
  for (const auto [key, value] : given) {
    const std::string name = nb::cast<std::string>(key);
    if (name == "rigor") {
      options_.rigor = rigor_of(nb::cast<std::string>(value));
    } else if (name == "time_limit_s") {
      options_.time_limit_s = nb::cast<double>(value);
    } else if (name == "workspace_limit_bytes") {
      options_.workspace_limit_bytes = nb::cast<std::int64_t>(value);
    } else if (name == "deterministic") {
      options_.deterministic = nb::cast<bool>(value) ? 1 : 0;
    } else if (name == "strategy") {
      strategy_ = names_of(value);
    } else if (name == "config") {
      config_ = names_of(value);
    } else if (name == "allow") {
      allow_ = names_of(value);
    } else if (name == "deny") {
      deny_ = names_of(value);
    } else if (name == "expected_runs") {
      options_.expected_runs = nb::cast<std::int64_t>(value);
    } else if (name == "weights_change") {
      options_.weights_change = nb::cast<bool>(value) ? 1 : 0;
    } else if (name == "math") {
      options_.math = math_of(nb::cast<std::string>(value));
    } else {
      throw nb::type_error(("plan() has no option '" + name + "'").c_str());
    }
  }
  const auto text = [](const std::optional<std::string>& s) { return s ? s->c_str() : nullptr; };
  options_.strategy = text(strategy_);
  options_.config = text(config_);
  options_.allow = text(allow_);
  options_.deny = text(deny_);
}

void bind_problem(nb::module_& m) {
  nb::class_<clconv_problem> c(m, "Problem");
  c.def(
      "__init__",
      [](clconv_problem* self, const std::optional<std::string>& text) {
        new (self) clconv_problem(defaults());
        parse(*self, text);
      },
      nb::arg("text").none() = nb::none());
  c.def("_copy", [](const clconv_problem& self) { return clconv_problem(self); });
  c.def_prop_ro("text", format);
  c.def("info", info_dict);
  c.def_prop_ro("x_shape", x_shape);
  c.def_prop_ro("w_shape", w_shape);
  c.def_prop_ro("y_shape", y_shape);
  c.def("__eq__", [](const clconv_problem& a, nb::handle b) {
    return nb::isinstance<clconv_problem>(b) && equal(a, nb::cast<const clconv_problem&>(b));
  });
  bind_fields(c);
  m.def("transposed", transposed, nb::arg("as_seen"), nb::arg("output_pad_h"),
        nb::arg("output_pad_w"));
  m.def("fully_connected", fully_connected, nb::arg("n"), nb::arg("inputs"), nb::arg("outputs"));
  nb::list activations, fields;
  for (const Word& word : activation_words())
    activations.append(word.word);
  for (const SizeField& field : kSizes)
    fields.append(field.name);
  m.attr("ACTIVATIONS") = nb::tuple(activations);
  m.attr("SIZES") = nb::tuple(fields);
}

}  // namespace clconv_python
