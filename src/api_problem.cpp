// Problems of clconv.h: structs into values and back.
#include "api_support.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

namespace {

clconv_problem problem_defaults() {
  clconv_problem p{};
  for (int64_t* one :
       {&p.n, &p.c, &p.h, &p.w, &p.k, &p.kh, &p.kw, &p.sh, &p.sw, &p.dh, &p.dw, &p.g}) {
    *one = 1;
  }
  p.activation_slope = Problem().activation_slope;
  p.activation_offset = Problem().activation_offset;
  return p;
}

// A value of an enumeration that counts from 0.
template <class Enumeration>
Enumeration known(const char* name, int32_t value, int32_t last) {
  if (value < 0 || value > last) {
    bad(std::string(name) + " " + std::to_string(value) + " is unknown");
  }
  return static_cast<Enumeration>(value);
}

// Not validated yet.
Problem geometry_of(const clconv_problem* given, const char* name = "problem") {
  required(given, name);
  const clconv_problem c = versioned(given, problem_defaults(), "clconv_problem");
  Problem p;
  p.n = c.n, p.c = c.c, p.h = c.h, p.w = c.w, p.k = c.k, p.kh = c.kh, p.kw = c.kw;
  p.sh = c.sh, p.sw = c.sw, p.pt = c.pt, p.pl = c.pl, p.pb = c.pb, p.pr = c.pr;
  p.dh = c.dh, p.dw = c.dw, p.g = c.g;
  p.direction = known<Direction>("direction", c.direction, CLCONV_TRANSPOSED);
  p.bias = c.bias != 0;
  p.residual = c.residual != 0;
  p.scale = c.scale != 0;
  p.activation =
      known<Activation>("activation", c.activation, static_cast<int32_t>(kActivations) - 1);
  p.activation_slope = c.activation_slope;
  p.activation_offset = c.activation_offset;
  p.mask = c.mask != 0;
  if (p.mask && p.direction != Direction::kForward && p.direction != Direction::kTransposed) {
    // Before masks had an activation, they were ReLU's.
    p.masked = p.activation == Activation::kNone ? Activation::kRelu : p.activation;
    p.activation = Activation::kNone;
  }
  p.accumulate = c.accumulate != 0;
  p.data_type = known<DataType>("data_type", c.data_type, static_cast<int>(kDataTypes) - 1);
  p.layout = known<TensorLayout>("layout", c.layout, CLCONV_NHWC);
  p.weights_layout = known<WeightsLayout>("weights_layout", c.weights_layout, CLCONV_KRSC);
  p.in_image = c.x_image_stride;
  p.out_image = c.y_image_stride;
  return p;
}

void put(clconv_problem* out, const Problem& p) {
  clconv_problem c = problem_defaults();
  c.n = p.n, c.c = p.c, c.h = p.h, c.w = p.w, c.k = p.k, c.kh = p.kh, c.kw = p.kw;
  c.sh = p.sh, c.sw = p.sw, c.pt = p.pt, c.pl = p.pl, c.pb = p.pb, c.pr = p.pr;
  c.dh = p.dh, c.dw = p.dw, c.g = p.g;
  c.direction = static_cast<clconv_direction>(p.direction);
  c.bias = p.bias ? 1 : 0;
  c.residual = p.residual ? 1 : 0;
  c.scale = p.scale ? 1 : 0;
  c.activation = static_cast<clconv_activation>(p.mask ? p.masked : p.activation);
  c.activation_slope = p.activation_slope;
  c.activation_offset = p.activation_offset;
  c.data_type = static_cast<clconv_data_type>(p.data_type);
  c.layout = static_cast<clconv_tensor_layout>(p.layout);
  c.weights_layout = static_cast<clconv_weights_layout>(p.weights_layout);
  c.mask = p.mask ? 1 : 0;
  c.accumulate = p.accumulate ? 1 : 0;
  c.x_image_stride = p.in_image;
  c.y_image_stride = p.out_image;
  copy_out(out, c, known_size(required(out, "problem").struct_size, "clconv_problem"));
}

}  // namespace

Problem clconv::core::api::problem_of(const clconv_problem* given) {
  const Problem p = geometry_of(given);
  p.validate();
  return p;
}

void clconv_problem_defaults(clconv_problem* problem, size_t size) {
  write_defaults(problem, size, problem_defaults());
}

clconv_status clconv_problem_parse(const char* text, clconv_problem* problem) {
  return guarded([&] {
    const Problem p = parse_problem(&required(text, "text"));
    put(problem, p);
  });
}

clconv_status clconv_problem_transposed(const clconv_problem* as_seen, int64_t output_pad_h,
                                        int64_t output_pad_w, clconv_problem* problem) {
  return guarded([&] {
    required(problem, "problem");
    put(problem, transposed(geometry_of(as_seen, "as_seen"), output_pad_h, output_pad_w));
  });
}

clconv_status clconv_problem_format(const clconv_problem* problem, char** text) {
  return guarded([&] {
    TextOut out(text, "text");
    out.put(to_text(problem_of(problem)));
  });
}

clconv_status clconv_problem_query(const clconv_problem* problem, clconv_problem_info* info) {
  return guarded([&] {
    const Problem p = problem_of(problem);
    clconv_problem_info i{};
    i.oh = p.oh();
    i.ow = p.ow();
    i.x_bytes = p.x_bytes();
    i.w_bytes = p.w_bytes();
    i.b_bytes = p.b_bytes();
    i.y_bytes = p.y_bytes();
    i.flops = p.flops();
    copy_out(info, i, known_size(required(info, "info").struct_size, "clconv_problem_info"));
  });
}
