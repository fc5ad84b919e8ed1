// Problem: what is to be computed. A plain value with its validation, its one output-size formula,
// its sizes and its text form. Refuses to know of OpenCL, of strategies and of how it is computed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "activation.hpp"
#include "data_type.hpp"

namespace clconv::core {

// Which result is wanted. The geometry of a Problem is always that of the forward convolution; a
// transposed convolution is its data gradient with the roles renamed: its input is dy, its result dx.
enum class Direction {
  kForward = 0,          // y  from x, w
  kBackwardData = 1,     // dx from dy, w
  kBackwardWeights = 2,  // dw from x, dy
  kBackwardBias = 3,     // db from dy
  kTransposed = 4,       // dx from dy, w, with an epilogue
};

const char* to_string(Direction direction);
// Throws Error{kInvalidArgument} that lists the known words.
Direction parse_direction(std::string_view word);

// Order of x, y and r: (n,c,h,w), or channels last (n,h,w,c).
enum class TensorLayout { kNchw = 0, kNhwc = 1 };
// Order of the weights: (k,c/g,kh,kw) or (k,kh,kw,c/g).
enum class WeightsLayout { kKcrs = 0, kKrsc = 1 };

// Letters as everywhere in this project (docs/guide.md, "The letters"): input x (n,c,h,w), weights
// (k, c/g, kh, kw), output y (n,k,oh,ow). Aggregate: fill it, then validate().
struct Problem {
  std::int64_t n = 1, c = 1, h = 1, w = 1;  // images (0: empty()), input channels, height, width
  std::int64_t k = 1, kh = 1, kw = 1;       // filters, filter height, width
  std::int64_t sh = 1, sw = 1;              // stride
  // Zero padding: top, left, bottom, right. Of transposed convolutions, pb and pr may be negative: the last
  // rows and columns of the result that no tap reaches (output_padding from the stride on).
  std::int64_t pt = 0, pl = 0, pb = 0, pr = 0;
  std::int64_t dh = 1, dw = 1;  // dilation: distance between taps, 1 = dense
  std::int64_t g = 1;           // groups
  Direction direction = Direction::kForward;
  // Epilogue, forward and transposed: activation(sum + bias + residual) * scale. Bias and PReLU's slopes have one value
  // per channel of the result, the scale has one per image and channel, the residual r is of the result's shape.
  bool bias = false;
  bool residual = false;
  bool scale = false;
  Activation activation = Activation::kNone;
  float activation_slope =
      0.01f;  // of the leaky ReLU below 0 and of the hard sigmoid; of `masked`, too
  float activation_offset = 0.5f;  // of the hard sigmoid
  // Backward: dy counts times the derivative of the activation `masked`, computed from the forward result y. Of ReLU:
  // it counts where y is above 0.
  bool mask = false;
  Activation masked = Activation::kRelu;
  // Backward: the gradient is added to what the result holds, instead of replacing it.
  bool accumulate = false;
  DataType data_type = DataType::kFloat32;
  // Forward only: other orders in memory.
  TensorLayout layout = TensorLayout::kNchw;
  WeightsLayout weights_layout = WeightsLayout::kKcrs;
  // Elements from one image to the next, of the input (x, of transposed dy) and of the result and the residual: more
  // than an image has where they are a range of channels of a larger tensor. 0: images lie one behind the other.
  // Forward and transposed, in layout (n,c,h,w).
  std::int64_t in_image = 0, out_image = 0;

  // Output height and width (SPEC formula; the only place it is written down).
  std::int64_t oh() const { return output_size(h, kh, sh, pt, pb, dh); }
  std::int64_t ow() const { return output_size(w, kw, sw, pl, pr, dw); }

  // A batch of 0: valid, and nothing is computed.
  bool empty() const { return n == 0; }
  std::int64_t c_per_group() const { return c / g; }
  std::int64_t k_per_group() const { return k / g; }
  bool padded() const { return (pt | pl | pb | pr) != 0; }
  // dx is wanted: backward data or transposed.
  bool wants_dx() const {
    return direction == Direction::kBackwardData || direction == Direction::kTransposed;
  }
  // Products (of the bias gradient: values) summed into one element of the result, at most.
  std::int64_t reduction() const;

  // Elements of the operands of a valid problem; gradients have those of their tensor.
  std::int64_t x_elements() const { return n * c * h * w; }
  std::int64_t w_elements() const { return k * c_per_group() * kh * kw; }
  std::int64_t b_elements() const { return wants_dx() ? c : k; }
  std::int64_t y_elements() const { return n * k * oh() * ow(); }
  // From one image to the next, wherever they lie.
  std::int64_t input_image() const {
    return n > 1 && in_image > 0 ? in_image : wants_dx() ? k * oh() * ow() : c * h * w;
  }
  std::int64_t result_image() const {
    return n > 1 && out_image > 0 ? out_image : wants_dx() ? c * h * w : k * oh() * ow();
  }
  std::int64_t x_bytes() const { return x_elements() * element_bytes(data_type); }
  std::int64_t w_bytes() const { return w_elements() * element_bytes(data_type); }
  std::int64_t b_bytes() const { return b_elements() * element_bytes(data_type); }
  std::int64_t y_bytes() const { return y_elements() * element_bytes(data_type); }
  // float32 in the orders (n,c,h,w) and (k,c/g,kh,kw).
  bool plain_storage() const {
    return data_type == DataType::kFloat32 && layout == TensorLayout::kNchw &&
           weights_layout == WeightsLayout::kKcrs;
  }
  bool finishes() const { return bias || residual || scale || activation != Activation::kNone; }

  // Floating-point operations of the direct algorithm, a multiply and an add counted as two; the
  // epilogue is not counted. A double, since the count of a valid problem can exceed 64 bits.
  double flops() const;

  // Throws Error{kInvalidProblem} whose text names the first bad field, its value and the rule.
  // Everything else in the library takes validated problems.
  void validate() const;

  // Of what kernels keep for themselves: matrices, packed weights, padded planes.
  static constexpr std::int64_t kFloatBytes = 4;

 private:
  static std::int64_t output_size(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                                  std::int64_t before, std::int64_t after, std::int64_t dilation) {
    const std::int64_t slack = size + before + after - dilation * (kernel - 1) - 1;
    return slack < 0 ? 0 : slack / stride + 1;  // C++ division truncates, SPEC's floors
  }
};

// The problem with direction kTransposed that takes x (n,c,h,w) with weights (c, k/g, kh, kw) to
// (n,k,H,W), H = (h-1)*sh - pt - pb + dh*(kh-1) + 1 + output_pad_h: c, h, w, k of `as_seen` are those of
// the caller of the transposed convolution; 0 <= output_pad < max(stride, dilation). The padding behind becomes less
// by the whole strides in output_pad, so that oh and ow of the result are h and w of `as_seen`. Throws
// Error{kInvalidProblem}.
Problem transposed(const Problem& as_seen, std::int64_t output_pad_h, std::int64_t output_pad_w);

// The tensors that an execution reads and writes. kSlopes: of PReLU, or the scale, of which there is one at most.
enum class Tensor { kX, kW, kB, kY, kDx, kDw, kDb, kDy, kR, kSlopes };
constexpr int kTensors = 10;
std::int64_t elements_of(const Problem& problem, Tensor tensor);
std::int64_t bytes_of(const Problem& problem, Tensor tensor);
// Bytes from the first element of an operand to its last, with what lies between its images.
std::int64_t span_bytes_of(const Problem& problem, Tensor tensor);
std::vector<Tensor> inputs_of(const Problem& problem);
Tensor result_of(const Problem& problem);
// As the caller of the problem's direction knows it: "x" for a transposed convolution's dy.
const char* name_of(const Problem& problem, Tensor tensor);

bool operator==(const Problem& a, const Problem& b);
inline bool operator!=(const Problem& a, const Problem& b) {
  return !(a == b);
}

// The same problem with images that lie one behind the other.
Problem with_dense_images(Problem problem);

// The canonical text of the geometry: `n1c64h56w56k64kh3kw3p1`, defaults left out. Direction, epilogue
// and storage are separate words and not part of it.
std::string to_text(const Problem& problem);
// "bias residual leaky-relu:0.01", "mask:sigmoid accumulate" (of ReLU "mask"), ""; and "f16 nhwc krsc", "" for plain
// storage.
std::string epilogue_words(const Problem& problem);
std::string storage_words(const Problem& problem);

// Reads the text form: fields n c h w k kh kw (required) and s|sh,sw p|ph,pw|pt,pl,pb,pr d|dh,dw g
// in any order, e.g. `n1c64h56w56k64kh3kw3s2p1` or `...s2,1p1,0,1,2`; oneDNN's benchdnn form
// (`mb1ic64ih56oc64oh56kh3ph1`) is recognised by its `ic` and read by benchdnn's rules. The result is validated; a
// negative pb or pr makes its direction transposed, which alone may have one. Throws Error{kInvalidProblem} that
// quotes the part it could not read.
Problem parse_problem(std::string_view text);

// Kernels that index a row, a plane or a reduction with 32 bits (offsets between planes are 64-bit
// everywhere) take problems whose sizes stay within this: a sum of two still fits.
constexpr std::int64_t kIndexLimit = INT32_MAX / 2;
struct NamedSize {
  std::string name;
  std::int64_t value;
};
// The first size of a valid problem beyond kIndexLimit, if any.
std::optional<NamedSize> beyond_32_bits(const Problem& problem);

// a*b*... for non-negative factors; INT64_MAX where the product does not fit, so that a comparison
// with any real limit still comes out right.
constexpr std::int64_t saturating_product(std::int64_t a, std::int64_t b) {
  return a == 0 || b <= INT64_MAX / a ? a * b : INT64_MAX;
}
template <class... Rest>
constexpr std::int64_t saturating_product(std::int64_t a, std::int64_t b, Rest... rest) {
  return saturating_product(saturating_product(a, b), rest...);
}

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}
constexpr std::int64_t round_up(std::int64_t a, std::int64_t to) {
  return ceil_div(a, to) * to;
}

}  // namespace clconv::core
