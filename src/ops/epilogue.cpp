#include "ops/epilogue.hpp"

#include <limits>
#include <optional>
#include <utility>

#include "ops/mask.hpp"
#include "runtime/spans.hpp"

namespace clconv::core {
namespace {

struct Bounds {
  float low, high;
};

// Of an activation that is no more than bounds, as kernels/parts/activation.cl has it.
std::optional<Bounds> bounds_of(const Problem& p) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (!p.bias || p.scale || p.accumulate || p.mask) return std::nullopt;
  if (p.activation == Activation::kNone) return Bounds{-kInfinity, kInfinity};
  if (p.activation == Activation::kRelu) return Bounds{0, kInfinity};
  if (p.activation == Activation::kRelu6) return Bounds{0, 6};
  return std::nullopt;
}

}  // namespace

std::string storage_define(DataType type) {
  return std::string("-D") + row_of(type).macro;
}

std::string epilogue_defines(const Problem& problem) {
  const auto flag = [](bool set) { return set ? "1" : "0"; };
  const ActivationRow& row = row_of(problem.activation);
  return std::string("-DBIAS=") + flag(problem.bias) + " -DRESIDUAL=" + flag(problem.residual) +
         " -DACTIVATION=" + row.macro + parameter_defines(problem, problem.activation) +
         " -DSLOPES=" + flag(row.slopes || problem.scale) + (problem.scale ? " -DSCALE=1" : "") +
         mask_of(problem).defines + " -DACCUMULATE=" + flag(problem.accumulate) + " " +
         storage_define(problem.data_type);
}

std::string shared_epilogue_defines(const Problem& problem) {
  if (!bounds_of(problem)) return epilogue_defines(problem);
  return "-DBIAS=1 -DRESIDUAL=2 -DBOUNDS=1 -DSLOPES=0 -DMASK=0 -DACCUMULATE=0 " +
         storage_define(problem.data_type);
}

std::vector<Argument> with_slopes(const Problem& problem, std::vector<Argument> arguments) {
  if (row_of(problem.activation).slopes || problem.scale) {
    arguments.push_back({"slopes", Region{static_cast<int>(Tensor::kSlopes)}});
  }
  return arguments;
}

std::vector<Argument> with_bounds(const Problem& problem, std::vector<Argument> arguments) {
  const std::optional<Bounds> bounds = bounds_of(problem);
  if (!bounds) return with_slopes(problem, std::move(arguments));
  arguments.push_back({"low", cl_float{bounds->low}});
  arguments.push_back({"high", cl_float{bounds->high}});
  return arguments;
}

std::unique_ptr<Step> fold_output(Device& device, const Problem& p, const FoldPart& part,
                                  const Region& product, const Region& b, const Region& r,
                                  const Region& result) {
  const Spans spans(device.profile(), part.pixels);
  return std::make_unique<KernelStep>(
      "fold", device.kernel("ops/epilogue", "fold_output", epilogue_defines(p)),
      with_slopes(p, {{"product", product},
                      {"b", b},
                      {"r", r},
                      {"y", result},
                      {"images", narrow(part.images)},
                      {"k", narrow(part.planes)},
                      {"k_per_group", narrow(part.planes_per_group)},
                      {"group_stride", cl_long{part.group_stride}},
                      {"ld", cl_long{part.ld}},
                      {"pixels", narrow(part.pixels)},
                      {"y_pixels", cl_long{part.plane_pixels}},
                      {"y_image", cl_long{part.image_elements}},
                      {"first_image", cl_long{part.first_image}},
                      {"first", cl_long{part.first}},
                      {"span", narrow(spans.span)}}),
      spans.range(part.images * part.planes));
}

std::unique_ptr<Step> finish_output(Device& device, const Problem& p, const Region& b,
                                    const Region& r, const Region& result) {
  const std::int64_t channels = p.wants_dx() ? p.c : p.k;
  const std::int64_t pixels = p.wants_dx() ? p.h * p.w : p.oh() * p.ow();
  if (p.layout == TensorLayout::kNhwc) {
    constexpr std::int64_t kPerItem = 4096;  // elements
    const Spans spans(device.profile(), channels);
    const std::int64_t lines =
        device.profile().family == Family::kCpu ? ceil_div(kPerItem, channels) : 1;
    return std::make_unique<KernelStep>(
        "epilogue", device.kernel("ops/epilogue", "finish_channels", epilogue_defines(p)),
        with_slopes(p, {{"b", b},
                        {"r", r},
                        {"y", result},
                        {"pixels", cl_long{p.n * pixels}},
                        {"k", narrow(channels)},
                        {"span", narrow(spans.span)},
                        {"lines", narrow(lines)}}),
        spans.range(ceil_div(p.n * pixels, lines)));
  }
  const Spans spans(device.profile(), pixels);
  return std::make_unique<KernelStep>(
      "epilogue", device.kernel("ops/epilogue", "finish_output", epilogue_defines(p)),
      with_slopes(p, {{"b", b},
                      {"r", r},
                      {"y", result},
                      {"planes", cl_long{p.n * channels}},
                      {"k", narrow(channels)},
                      {"pixels", narrow(pixels)},
                      {"y_image", cl_long{p.result_image()}},
                      {"span", narrow(spans.span)}}),
      spans.range(p.n * channels));
}

}  // namespace clconv::core
