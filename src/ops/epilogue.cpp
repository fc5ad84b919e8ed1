#include "ops/epilogue.hpp"

#include "ops/spans.hpp"

namespace clconv::core {
std::string epilogue_defines(const Problem& problem) {
  const auto flag = [](bool set) { return set ? "1" : "0"; };
  return std::string("-DBIAS=") + flag(problem.bias) + " -DRELU=" + flag(problem.relu) +
         " -DMASK=" + flag(problem.mask) + " -DACCUMULATE=" + flag(problem.accumulate);
}

std::unique_ptr<Step> fold_output(Device& device, const Problem& p, const FoldPart& part,
                                  const Region& product, const Region& b, const Region& result) {
  const Spans spans(device.profile(), part.pixels);
  return std::make_unique<KernelStep>(
      "fold", device.kernel("epilogue", "fold_output", epilogue_defines(p)),
      std::vector<Argument>{product, b, result, narrow(part.images), narrow(part.planes),
                            narrow(part.planes_per_group), cl_long{part.group_stride},
                            cl_long{part.ld}, narrow(part.pixels), cl_long{part.plane_pixels},
                            cl_long{part.first_image}, cl_long{part.first}, narrow(spans.span)},
      spans.range(part.images * part.planes));
}

std::unique_ptr<Step> finish_output(Device& device, const Problem& p, const Region& b,
                                    const Region& result) {
  const std::int64_t channels = p.wants_dx() ? p.c : p.k;
  const std::int64_t pixels = p.wants_dx() ? p.h * p.w : p.oh() * p.ow();
  const Spans spans(device.profile(), pixels);
  return std::make_unique<KernelStep>(
      "epilogue", device.kernel("epilogue", "finish_output", epilogue_defines(p)),
      std::vector<Argument>{b, result, cl_long{p.n * channels}, narrow(channels), narrow(pixels),
                            narrow(spans.span)},
      spans.range(p.n * channels));
}

}  // namespace clconv::core
