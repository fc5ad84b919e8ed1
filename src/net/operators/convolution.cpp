// Conv and ConvTranspose of one and two spatial dimensions.
#include "net/convolution.hpp"

#include <algorithm>

#include "net/operator.hpp"

namespace clconv::net {
namespace {

// Of input and weights; both have the same rank.
std::size_t spatial_rank(const NodeView& view) {
  view.expect_inputs(2, 6);
  view.expect_floating(0);
  view.expect_floating(1);
  const std::size_t rank = view.shape(0).size();
  if (rank == 5) view.unsupported("three spatial dimensions are not supported");
  view.expect_rank(0, 3, 4);
  view.expect_rank(1, rank, rank);
  return rank - 2;
}

Window window_of(const NodeView& view, std::size_t rank) {
  Window window;
  window.kernel = spatial_sizes(view.shape(1));
  if (view.attributes().has("kernel_shape") &&
      window_attribute(view, "kernel_shape", rank, 1) != window.kernel) {
    view.invalid("kernel_shape is not that of the weights, " + to_string(view.shape(1)));
  }
  window.stride = window_attribute(view, "strides", rank, 1);
  window.dilation = window_attribute(view, "dilations", rank, 1);
  set_pads(view, rank, window);
  return window;
}

std::int64_t groups_of(const NodeView& view, std::int64_t channels, std::int64_t per_group) {
  const std::int64_t groups = view.attributes().integer("group", 1);
  const bool fits = groups >= 1 && groups <= channels && channels % groups == 0;
  if (!fits || per_group * groups != channels) {
    view.invalid("input " + to_string(view.shape(0)) + ", weights " + to_string(view.shape(1)) +
                 " and group=" + std::to_string(groups) + " do not fit");
  }
  return groups;
}

void check_bias(const NodeView& view, std::int64_t channels) {
  if (!view.has_input(Epilogue::kBias)) return;
  view.expect_floating(Epilogue::kBias);
  if (view.shape(Epilogue::kBias) != Shape{channels}) {
    view.invalid("the bias is " + to_string(view.shape(Epilogue::kBias)) + ", expected " +
                 std::to_string(channels));
  }
}

void set_window(const Window& window, Problem& problem) {
  problem.kh = window.kernel[0], problem.kw = window.kernel[1];
  problem.sh = window.stride[0], problem.sw = window.stride[1];
  problem.dh = window.dilation[0], problem.dw = window.dilation[1];
  problem.pt = window.before[0], problem.pl = window.before[1];
  problem.pb = window.after[0], problem.pr = window.after[1];
}

// What the padding must be in all for ceil(size / stride) results: ONNX's SAME_UPPER and SAME_LOWER.
void set_same(const std::string& word, const std::array<std::int64_t, 2>& sizes, Window& window) {
  for (std::size_t d = 0; d < 2; ++d) {
    const std::int64_t results = core::ceil_div(sizes[d], window.stride[d]);
    const std::int64_t span = (window.kernel[d] - 1) * window.dilation[d] + 1;
    const std::int64_t all =
        std::max<std::int64_t>(0, (results - 1) * window.stride[d] + span - sizes[d]);
    const std::int64_t less = all / 2, more = all - less;
    window.before[d] = word == "SAME_UPPER" ? less : more;
    window.after[d] = all - window.before[d];
  }
}

Problem convolution_problem(const NodeView& view) {
  const std::size_t rank = spatial_rank(view);
  const Shape& x = view.shape(0);
  const Shape& w = view.shape(1);
  Window window = window_of(view, rank);
  const std::string word = auto_pad(view);
  if (word == "VALID") window.before = window.after = {0, 0};
  if (word == "SAME_UPPER" || word == "SAME_LOWER") set_same(word, spatial_sizes(x), window);
  Problem problem;
  problem.n = x[0], problem.c = x[1];
  problem.h = spatial_sizes(x)[0], problem.w = spatial_sizes(x)[1];
  problem.k = w[0];
  problem.g = groups_of(view, x[1], w[1]);
  set_window(window, problem);
  check_bias(view, w[0]);
  return problem;
}

// The shape of a result: without the height that a row only has for us.
Shape result_shape(std::size_t rank, std::int64_t n, std::int64_t k, std::int64_t h,
                   std::int64_t w) {
  return rank == 3 ? Shape{n, k, w} : Shape{n, k, h, w};
}

void infer_conv(Inference& inference) {
  const Problem problem = convolution_problem(inference);
  const clconv_problem_info info = problem.info();
  inference.output(0, inference.type(0),
                   result_shape(inference.shape(0).size(), problem.n, problem.k, info.oh, info.ow));
}

void lower_conv(Lowering& lowering) {
  add_convolution(lowering, convolution_problem(lowering), lowering.constant(1));
}

// Input and result. A residual lies as the result does, and is never made apart.
bool conv_images_apart(const NodeView& view, std::size_t input) {
  return input == 0 || (input == Operator::kOutput && !has_residual(view.node()));
}

// ---- ConvTranspose ------------------------------------------------------------------------------

// How much longer than (in - 1) * stride - padding + span the result is; below 0: padding that is added to the
// window's.
using Extra = std::array<std::int64_t, 2>;

// From output_shape, or the shape that auto_pad asks for, follow the padding or, where there is too little to cut, what
// is added behind.
void set_output_shape(const std::string& word, const std::array<std::int64_t, 2>& sizes,
                      const std::array<std::int64_t, 2>& wanted, Window& window, Extra& extra) {
  for (std::size_t d = 0; d < 2; ++d) {
    const std::int64_t span = (window.kernel[d] - 1) * window.dilation[d] + 1;
    const std::int64_t all = window.stride[d] * (sizes[d] - 1) + extra[d] + span - wanted[d];
    const std::int64_t padding = std::max<std::int64_t>(0, all);
    const std::int64_t less = padding / 2, more = padding - less;
    window.before[d] = word == "SAME_UPPER" ? less : more;
    window.after[d] = padding - window.before[d];
    if (all < 0) extra[d] -= all;
  }
}

// As the caller of the transposed convolution sees it: input channels c, output channels k, and what is added behind.
Problem seen_problem(const NodeView& view, Extra& extra) {
  const std::size_t rank = spatial_rank(view);
  const Shape& x = view.shape(0);
  const Shape& w = view.shape(1);
  const std::array<std::int64_t, 2> sizes = spatial_sizes(x);
  Window window = window_of(view, rank);
  extra = {0, 0};
  if (view.attributes().has("output_padding"))
    extra = window_attribute(view, "output_padding", rank, 0);
  if (rank == 1) extra[0] = 0;
  const std::string word = auto_pad(view);
  if (word == "VALID") window.before = window.after = {0, 0};
  if (view.attributes().has("output_shape")) {
    std::array<std::int64_t, 2> wanted = window_attribute(view, "output_shape", rank, 1);
    set_output_shape(word, sizes, wanted, window, extra);
  } else if (word == "SAME_UPPER" || word == "SAME_LOWER") {
    set_output_shape(word, sizes, {sizes[0] * window.stride[0], sizes[1] * window.stride[1]},
                     window, extra);
  }
  Problem seen;
  seen.n = x[0], seen.c = x[1];
  seen.h = sizes[0], seen.w = sizes[1];
  const std::int64_t groups = view.attributes().integer("group", 1);
  seen.g = groups_of(view, x[1], groups >= 1 ? w[0] / groups : 0);
  if (w[0] != x[1]) view.invalid("the weights are " + to_string(w) + " for " + to_string(x));
  seen.k = core::saturating_product(w[1], seen.g);
  set_window(window, seen);
  check_bias(view, seen.k);
  return seen;
}

Problem transposed_problem(const NodeView& view) {
  Extra extra;
  const Problem seen = seen_problem(view, extra);
  return seen.transposed(extra[0], extra[1]);
}

void infer_conv_transpose(Inference& inference) {
  const Problem problem = transposed_problem(inference);
  inference.output(
      0, inference.type(0),
      result_shape(inference.shape(0).size(), problem.n, problem.c, problem.h, problem.w));
}

void lower_conv_transpose(Lowering& lowering) {
  add_convolution(lowering, transposed_problem(lowering), lowering.constant(1));
}

// ---- FullyConnected -----------------------------------------------------------------------------

// x (..., inputs), weights (outputs, inputs), bias (outputs): what a pass makes of Gemm and MatMul.
Problem fully_connected_problem(const NodeView& view) {
  view.expect_inputs(2, 6);
  view.expect_rank(0, 1, 8);
  view.expect_rank(1, 2, 2);
  const Shape& x = view.shape(0);
  const Shape& w = view.shape(1);
  if (x.back() != w[1]) view.invalid("the weights are " + to_string(w) + " for " + to_string(x));
  check_bias(view, w[0]);
  return Problem::fully_connected(elements(x, 0, x.size() - 1), w[1], w[0]);
}

void infer_fully_connected(Inference& inference) {
  const Problem problem = fully_connected_problem(inference);
  Shape shape = inference.shape(0);
  shape.back() = problem.k;
  inference.output(0, inference.type(0), std::move(shape));
}

void lower_fully_connected(Lowering& lowering) {
  add_convolution(lowering, fully_connected_problem(lowering), lowering.constant(1));
}

}  // namespace

std::optional<Problem> convolution_of(const NodeView& view, core::DataType storage) {
  const Node& node = view.node();
  const bool onnx = node.domain.empty();
  if (onnx && node.op == "Conv") return with_epilogue(view, convolution_problem(view), storage);
  if (onnx && node.op == "ConvTranspose")
    return with_epilogue(view, transposed_problem(view), storage);
  if (!onnx && node.op == "FullyConnected")
    return with_epilogue(view, fully_connected_problem(view), storage);
  return std::nullopt;
}

Operators convolution_operators();
Operators convolution_operators() {
  return {{"Conv", "", 1, infer_conv, nullptr, lower_conv, conv_images_apart},
          {"ConvTranspose", "", 1, infer_conv_transpose, nullptr, lower_conv_transpose,
           conv_images_apart},
          {"FullyConnected", kOwnDomain, 1, infer_fully_connected, nullptr, lower_fully_connected}};
}

}  // namespace clconv::net
