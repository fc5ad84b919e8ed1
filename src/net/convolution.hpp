// What convolutions of a network have in common: windows as ONNX describes them, the epilogue that passes fuse into a
// node, and the step through a plan of libclconv.
#pragma once

#include <array>
#include <optional>

#include "net/lowering.hpp"
#include "problem.hpp"

namespace clconv::net {

// Of one or two spatial dimensions; one dimension is a row: height 1.
struct Window {
  std::array<std::int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<std::int64_t, 2> before{0, 0}, after{0, 0};  // padding
};

// The spatial sizes of a tensor (n, c, [h,] w) as {h, w}.
std::array<std::int64_t, 2> spatial_sizes(const Shape& shape);
// An attribute of one number per spatial dimension (`rank` of them), or of `rank` ones. Every number must be at least
// `least`. Throws Error through the view.
std::array<std::int64_t, 2> window_attribute(const NodeView& view, const char* name,
                                             std::size_t rank, std::int64_t least);
// The attribute pads: before all dimensions, then behind all.
void set_pads(const NodeView& view, std::size_t rank, Window& window);
// "NOTSET", "SAME_UPPER", "SAME_LOWER" or "VALID"; anything else throws.
std::string auto_pad(const NodeView& view);

// The epilogue of a node, which passes have put into its attributes and inputs: activation(sum + bias + residual) *
// scale. Attributes kActivation (a word of clconv_activation_name()), kSlope and kOffset; inputs kResidual, kSlopes and
// kScale, if there.
struct Epilogue {
  static constexpr std::size_t kBias = 2, kResidual = 3, kSlopes = 4, kScale = 5;
  static constexpr const char* kActivation = "clconv_activation";
  static constexpr const char* kSlope = "clconv_slope";
  static constexpr const char* kOffset = "clconv_offset";
};
// Does the node have an activation, a residual or a scale in its epilogue?
bool has_activation(const Node& node);
bool has_residual(const Node& node);
bool has_scale(const Node& node);

// The convolution that a Conv, ConvTranspose or FullyConnected is, with its epilogue; none for other operators.
std::optional<Problem> convolution_of(const NodeView& view, core::DataType storage);

// Plans `geometry`, a problem without epilogue, with the node's epilogue and the network's storage, prepares the
// weights where they are constant, and adds the step. `weights` is input 1 where that is constant, else null: then its
// buffer is taken as it is.
void add_convolution(Lowering& lowering, const Problem& geometry, const ConstantPtr& weights);
Problem with_epilogue(const NodeView& view, Problem geometry, core::DataType storage);

}  // namespace clconv::net
