#include "ops/epilogue.hpp"

#include "ops/spans.hpp"

namespace clconv::core {
std::string epilogue_defines(const Problem& problem) {
  return std::string("-DBIAS=") + (problem.bias ? "1" : "0") +
         " -DRELU=" + (problem.relu ? "1" : "0");
}

std::unique_ptr<Step> fold_output(Device& device, const Problem& p, const FoldPart& part,
                                  const Region& product, const Region& b, const Region& y) {
  const Spans spans(device.profile(), part.pixels);
  return std::make_unique<KernelStep>(
      "fold", device.kernel("epilogue", "fold_output", epilogue_defines(p)),
      std::vector<Argument>{product, b, y, narrow(part.images), narrow(p.k),
                            narrow(p.k_per_group()), cl_long{part.group_stride}, cl_long{part.ld},
                            narrow(part.pixels), cl_long{p.oh() * p.ow()},
                            cl_long{part.first_image}, cl_long{part.first}, narrow(spans.span)},
      spans.range(part.images * p.k));
}

std::unique_ptr<Step> finish_output(Device& device, const Problem& p, const Region& b,
                                    const Region& y) {
  const std::int64_t pixels = p.oh() * p.ow();
  const Spans spans(device.profile(), pixels);
  return std::make_unique<KernelStep>(
      "epilogue", device.kernel("epilogue", "finish_output", epilogue_defines(p)),
      std::vector<Argument>{b, y, cl_long{p.n * p.k}, narrow(p.k), narrow(pixels),
                            narrow(spans.span)},
      spans.range(p.n * p.k));
}

}  // namespace clconv::core
