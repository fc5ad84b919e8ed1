#include "ops/epilogue.hpp"

#include "ops/mask.hpp"
#include "runtime/spans.hpp"

namespace clconv::core {

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

std::vector<Argument> with_slopes(const Problem& problem, std::vector<Argument> arguments) {
  if (row_of(problem.activation).slopes || problem.scale) {
    arguments.push_back({"slopes", Region{static_cast<int>(Tensor::kSlopes)}});
  }
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
