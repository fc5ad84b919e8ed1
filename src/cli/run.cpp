// clconv run: one convolution, or one of its gradients, on .npy files.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/buffers.hpp"
#include "cli/cli.hpp"
#include "cli/report.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

using Shape = std::vector<std::int64_t>;

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

// The options that not every direction takes; by clconv_direction.
struct Takes {
  const char* needed;
  const char* optional;
};
constexpr Takes kTakes[] = {
    {"--x --w", "--b --r --relu --activation --slopes --layout --weights-layout"},
    {"--dy --w --input-shape", "--y --activation"},
    {"--x --dy --kernel", "--y --activation"},
    {"--dy", "--y --activation"},
    {"--x --w", "--b --r --relu --activation --slopes --output-pad"}};

bool contains(const char* list, const std::string& option) {
  return (" " + std::string(list) + " ").find(" " + option + " ") != std::string::npos;
}

void expect_shape(const std::string& path, const Array& array, const Shape& expected,
                  const std::string& why) {
  if (array.shape == expected) return;
  throw BadInput(path + ": has shape " + shape_text(array.shape) + ", expected " +
                 shape_text(expected) + ": " + why);
}

struct RunVerb {
  std::string direction_name = "forward", x, w, b, r, slopes, y, dy;
  std::string input_shape, kernel, output_pad, out;
  ActivationOptions activation;
  StorageOptions storage;
  GeometryOptions geometry;
  PlanningOptions planning;

  void run(const Session& session);

 private:
  void check_options() const;
  // That --activation comes with the operands it needs, and they with it.
  void check_activation() const;
  void read_operands();
  // The type of all operands: --dtype, else that of the files.
  void settle_type();
  // From the operands' shapes and the options. Throw BadInput for shapes that do not fit each other.
  Problem gradient_or_forward() const;
  Problem transposed() const;

  clconv_direction direction_ = CLCONV_FORWARD;
  Problem storage_;  // what --dtype and the layouts say
  Array x_, w_, b_, r_, slopes_, y_, dy_;
};

void RunVerb::check_options() const {
  const Takes& takes = kTakes[direction_];
  const std::pair<const char*, bool> given[] = {
      {"--x", !x.empty()},
      {"--w", !w.empty()},
      {"--b", !b.empty()},
      {"--r", !r.empty()},
      {"--relu", activation.relu},
      {"--activation", activation.activation != "none"},
      {"--slopes", !slopes.empty()},
      {"--layout", storage_.layout != CLCONV_NCHW},
      {"--weights-layout", storage_.weights_layout != CLCONV_KCRS},
      {"--y", !y.empty()},
      {"--dy", !dy.empty()},
      {"--kernel", !kernel.empty()},
      {"--input-shape", !input_shape.empty()},
      {"--output-pad", !output_pad.empty()}};
  for (const auto& [option, present] : given) {
    const bool needed = contains(takes.needed, option);
    if (present ? needed || contains(takes.optional, option) : !needed) continue;
    throw BadInput(std::string(option) + (present ? " has no part in" : " is missing:") +
                   " --direction " + direction_name + (present ? ", which takes " : " takes ") +
                   takes.needed + " and, if wanted, " + takes.optional);
  }
  check_activation();
  check_out(out, {x, w, b, r, slopes, y, dy});
}

void RunVerb::check_activation() const {
  const std::string word = activation.relu ? "relu" : activation.activation;
  const bool gradient = direction_ != CLCONV_FORWARD && direction_ != CLCONV_TRANSPOSED;
  const bool has_slopes = word == clconv_activation_name(CLCONV_PRELU);
  if (gradient && word != "none" && y.empty()) {
    throw BadInput("--y is missing: --activation " + word + " in --direction " + direction_name +
                   " is the one whose result it is");
  }
  if (!gradient && has_slopes && slopes.empty()) {
    throw BadInput(
        "--slopes is missing: --activation prelu takes one for each channel of the result");
  }
  if (!has_slopes && !slopes.empty()) {
    throw BadInput("--slopes has no part in --activation " + word + ", expected prelu");
  }
}

void RunVerb::read_operands() {
  const auto read = [](const std::string& path, const char* axes) {
    if (path.empty()) return Array();
    Array array = read_npy(path, axes);
    // Only a batch may be empty; weights and a bias have none.
    const bool batch = std::strncmp(axes, "(n", 2) == 0;
    for (std::size_t i = batch ? 1 : 0; i < array.shape.size(); ++i) {
      if (array.shape[i] > 0) continue;
      throw BadInput(path + ": has shape " + shape_text(array.shape) +
                     ", expected at least 1 in every dimension" + (batch ? " but the first" : ""));
    }
    return array;
  };
  const bool last = storage_.layout == CLCONV_NHWC;
  x_ = read(x, last ? "(n,h,w,c)" : "(n,c,h,w)");
  w_ = read(w, storage_.weights_layout == CLCONV_KRSC ? "(k,kh,kw,c/g)"
               : direction_ == CLCONV_TRANSPOSED      ? "(c,k/g,kh,kw)"
                                                      : "(k,c/g,kh,kw)");
  b_ = read(b, "(k)");
  r_ = read(r, last ? "(n,oh,ow,k)" : "(n,k,oh,ow)");
  slopes_ = read(slopes, "(k)");
  dy_ = read(dy, "(n,k,oh,ow)");
  y_ = read(y, "(n,k,oh,ow)");
}

void RunVerb::settle_type() {
  const std::pair<const std::string*, Array*> operands[] = {
      {&x, &x_}, {&w, &w_}, {&b, &b_}, {&r, &r_}, {&slopes, &slopes_}, {&y, &y_}, {&dy, &dy_}};
  const std::pair<const std::string*, Array*>* first = nullptr;
  for (const auto& operand : operands) {
    if (operand.first->empty()) continue;
    if (!storage.dtype.empty()) {
      operand.second->type = storage_.data_type;  // rounded as it is copied to the device
      continue;
    }
    if (first == nullptr) first = &operand;
    if (operand.second->type != first->second->type) {
      throw BadInput(*operand.first + " is " + type_word(operand.second->type) + ", " +
                     *first->first + " is " + type_word(first->second->type) +
                     ": --dtype says which to use for all");
    }
  }
  if (first != nullptr) storage_.data_type = first->second->type;
}

// (a,b,c,d) to (a,c,d,b) and back.
Shape channels_last(const Shape& s, bool wanted) {
  return wanted ? Shape{s[0], s[2], s[3], s[1]} : s;
}
Shape channels_first(const Shape& s, bool is_last) {
  return is_last && s.size() == 4 ? Shape{s[0], s[3], s[1], s[2]} : s;
}

Problem RunVerb::gradient_or_forward() const {
  Problem p;
  const bool x_last = storage_.layout == CLCONV_NHWC;
  const bool w_last = storage_.weights_layout == CLCONV_KRSC;
  Shape image = channels_first(x_.shape, x_last), filters = channels_first(w_.shape, w_last);
  std::string images = x;
  switch (direction_) {
    case CLCONV_BACKWARD_DATA:
      image = parse_shape("--input-shape", input_shape, 4);
      images = "--input-shape";
      break;
    case CLCONV_BACKWARD_WEIGHTS: {
      const auto [kh, kw] = parse_kernel(kernel);
      filters = {dy_.shape[1], 0, kh, kw};
      break;
    }
    case CLCONV_BACKWARD_BIAS:  // any problem with this output will do: its values are only summed
      image = {dy_.shape[0], 1, dy_.shape[2], dy_.shape[3]};
      filters = {dy_.shape[1], 1, 1, 1};
      break;
    default: break;
  }
  p.n = image[0], p.c = image[1], p.h = image[2], p.w = image[3];
  p.k = filters[0], p.kh = filters[2], p.kw = filters[3];
  Problem geometric = p;
  geometry.apply(geometric);
  if (direction_ != CLCONV_BACKWARD_BIAS) p = geometric;  // whose sum knows no geometry
  p.direction = direction_;
  p.bias = b.empty() ? 0 : 1;
  p.residual = r.empty() ? 0 : 1;
  activation.apply(p);
  p.data_type = storage_.data_type;
  p.layout = storage_.layout;
  p.weights_layout = storage_.weights_layout;
  p.mask = y.empty() ? 0 : 1;
  if (!w.empty() && p.c % p.g == 0) {
    expect_shape(
        w, w_, channels_last({p.k, p.c / p.g, p.kh, p.kw}, w_last),
        images + " has " + counted(p.c, "channel") + ", --groups is " + std::to_string(p.g));
  }
  const auto info = p.info();
  if (!b.empty()) expect_shape(b, b_, {p.k}, "one value for each filter of " + w);
  if (!slopes.empty()) expect_shape(slopes, slopes_, {p.k}, "one value for each filter of " + w);
  const Shape output = {p.n, p.k, info.oh, info.ow};
  if (!dy.empty()) expect_shape(dy, dy_, output, "the output of " + p.text());
  if (!y.empty()) expect_shape(y, y_, output, "the output of " + p.text());
  if (!r.empty()) {
    expect_shape(r, r_, channels_last(output, x_last), "the output of " + p.text());
  }
  return p;
}

Problem RunVerb::transposed() const {
  Problem seen;
  auto [pad_h, pad_w] = parse_pair("--output-pad", output_pad.empty() ? "0" : output_pad);
  const Shape& image = x_.shape;
  seen.n = image[0], seen.c = image[1], seen.h = image[2], seen.w = image[3];
  seen.kh = w_.shape[2], seen.kw = w_.shape[3];
  geometry.apply_transposed(seen, pad_h, pad_w);
  expect_shape(w, w_, {seen.c, w_.shape[1], seen.kh, seen.kw},
               x + " has " + counted(seen.c, "channel"));
  if (seen.c % seen.g != 0) {
    throw BadInput("--groups " + std::to_string(seen.g) + ": " + x + " has " +
                   counted(seen.c, "channel") + ", expected a multiple");
  }
  seen.k = w_.shape[1] * seen.g;  // fits: g divides c, and w has at least c times its second size
  seen.bias = b.empty() ? 0 : 1;
  seen.residual = r.empty() ? 0 : 1;
  activation.apply(seen);
  seen.data_type = storage_.data_type;
  if (!b.empty()) expect_shape(b, b_, {seen.k}, "one value for each channel of the result");
  if (!slopes.empty())
    expect_shape(slopes, slopes_, {seen.k}, "one value for each channel of the result");
  const Problem p = seen.transposed(pad_h, pad_w);
  if (!r.empty()) expect_shape(r, r_, {p.n, p.c, p.h, p.w}, "the result");
  return p;
}

Shape result_shape(const Problem& p) {
  const auto info = p.info();
  switch (p.direction) {
    case CLCONV_FORWARD:
      return channels_last({p.n, p.k, info.oh, info.ow}, p.layout == CLCONV_NHWC);
    case CLCONV_BACKWARD_WEIGHTS: return {p.k, p.c / p.g, p.kh, p.kw};
    case CLCONV_BACKWARD_BIAS: return {p.k};
    default: return {p.n, p.c, p.h, p.w};
  }
}

cl::Buffer& result_of(Operands& operands, clconv_direction direction) {
  switch (direction) {
    case CLCONV_BACKWARD_DATA: return operands.dx;
    case CLCONV_BACKWARD_WEIGHTS: return operands.dw;
    case CLCONV_BACKWARD_BIAS: return operands.db;
    default: return operands.y;
  }
}

std::string programs_text(const Context& context) {
  const auto stats = nlohmann::json::parse(context.stats()).at("programs");
  const auto profile = nlohmann::json::parse(context.profile());
  const bool driver_caches = profile.at("driver_cache").get<bool>();
  const auto from_disk = stats.at("from_disk").get<std::int64_t>();
  std::string text = counted(stats.at("built").get<std::int64_t>(), "program") + " built" +
                     (driver_caches ? " or found in the driver's cache" : "") + " in " +
                     format_us(stats.at("build_us").get<double>());
  // Where the driver has a cache, ours is used on request only.
  if (driver_caches && from_disk == 0) return text;
  return text + ", " + std::to_string(from_disk) + " read from clconv's cache";
}

// A strided data gradient is a product for each of the strides' phases: one line for all of them.
void print_steps(std::FILE* report, const nlohmann::json& steps) {
  for (std::size_t i = 0, next = 0; i < steps.size(); i = next) {
    double us = 0;
    for (; next < steps.size() && steps[next].at("step") == steps[i].at("step"); ++next)
      us += steps[next].at("us").get<double>();
    std::fprintf(report, "          %s %s%s\n", format_us(us).c_str(),
                 steps[i].at("step").get<std::string>().c_str(),
                 next - i > 1 ? (", " + std::to_string(next - i) + " times").c_str() : "");
  }
}

void RunVerb::run(const Session& session) {
  direction_ = parse_direction(direction_name);
  storage.apply(storage_);
  check_options();
  read_operands();
  settle_type();
  const Problem p = direction_ == CLCONV_TRANSPOSED ? transposed() : gradient_or_forward();

  const double start = now_us();
  const Workbench bench(session.open());
  const Plan plan = bench.context.plan(p, planning.options());
  const double planned = now_us();
  Operands operands;
  for (const auto& [buffer, array] :
       {std::pair{&operands.x, &x_}, std::pair{&operands.w, &w_}, std::pair{&operands.b, &b_},
        std::pair{&operands.r, &r_}, std::pair{&operands.slopes, &slopes_},
        std::pair{&operands.y, &y_}, std::pair{&operands.dy, &dy_}}) {
    if (!array->values.empty()) *buffer = bench.upload(*array);
  }
  Array result{result_shape(p), {}, p.data_type};
  std::int64_t count = 1;
  for (const std::int64_t size : result.shape)
    count *= size;
  result.values.resize(static_cast<std::size_t>(count));
  cl::Buffer& output = result_of(operands, direction_);
  output = bench.allocate(static_cast<std::int64_t>(result.bytes().size()));
  if (!w.empty()) operands.prepared = plan.prepare(bench.queue, operands.w);
  plan.execute(bench.queue, operands);  // with first touch and the driver's last compilation
  bench.finish();
  const double first = now_us();
  plan.execute(bench.queue, operands);
  bench.finish();
  const double second = now_us();
  bench.download(output, result);
  if (result.type != CLCONV_FLOAT16) result.type = CLCONV_FLOAT32;  // .npy has no others
  const auto steps = nlohmann::json::parse(plan.profile(operands));
  std::FILE* const report = report_stream(out);
  write_npy(out, result);

  const auto info = plan.info();
  const std::string config = info.config;
  std::fprintf(report, "problem   %s\n", problem_line(p).c_str());
  std::fprintf(report, "strategy  %s%s\n", info.strategy,
               config.empty() ? "" : (" (" + config + ")").c_str());
  std::fprintf(report, "planned   in %s, %s\n", format_us(planned - start).c_str(),
               programs_text(bench.context).c_str());
  std::fprintf(report, "first     %s with upload and preparation\n",
               format_us(first - planned).c_str());
  std::fprintf(report, "executed  in %s, %s GFLOP/s\n", format_us(second - first).c_str(),
               format_gflops(p.info().flops, second - first).c_str());
  print_steps(report, steps);
  std::fprintf(report, "wrote     %s %s %s\n", core::one_line(out).c_str(),
               shape_text(result.shape).c_str(), type_word(result.type));
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand(
      "run",
      "compute one convolution, or a gradient, from .npy files (float32 or float16, C order)");
  auto v = std::make_shared<RunVerb>();
  verb->add_option("--direction", v->direction_name,
                   "forward (default): --x --w [--b] [--r] [--activation]; backward-data: --dy --w "
                   "--input-shape [--y [--activation]]; backward-weights: --x --dy --kernel [--y "
                   "[--activation]]; backward-bias: --dy [--y [--activation]]; transposed: --x --w "
                   "[--b] [--r] [--activation] [--output-pad]");
  verb->add_option("--x", v->x, "input (n,c,h,w)");
  verb->add_option("--w", v->w, "weights (k,c/g,kh,kw); transposed: (c,k/g,kh,kw)");
  verb->add_option("--b", v->b, "bias (k)");
  verb->add_option("--r", v->r, "residual, added before the activation (shape of the result)");
  v->activation.add_to(*verb);
  verb->add_option("--slopes", v->slopes, "slopes of --activation prelu (k)");
  verb->add_option("--dy", v->dy, "gradient of the output (n,k,oh,ow)");
  verb->add_option(
      "--y", v->y,
      "output: dy counts times the derivative of --activation, computed from it; none given: "
      "only where it is above 0 (ReLU's backward)");
  verb->add_option("--input-shape", v->input_shape, "shape of dx: N,C,H,W");
  verb->add_option("--kernel", v->kernel, "filter size of dw: KHxKW");
  verb->add_option(
      "--output-pad", v->output_pad,
      "rows and columns added to the result: 1, or 1,0; below the larger of stride and dilation");
  verb->add_option("--out", v->out, "file to write the result to")->required();
  v->storage.add_to(*verb);
  v->geometry.add_to(*verb, true);
  v->planning.add_to(*verb);
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
