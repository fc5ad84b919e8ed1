#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {

void SplitLayout::describe(Candidate& candidate) const {
  const Problem& p = case_.problem;
  WorkspaceLayout layout(case_.profile);
  reserve(layout);
  const PartialSums result(p, split_.parts, layout);
  candidate.workspace_bytes = layout.bytes();
  candidate.predicted_us = us();
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.not_considered = not_considered();
  candidate.coverage.filters = tile_filters();
  candidate.coverage.elements = tile_elements();
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
}

void SplitLayout::add_to(Executable& executable, Device& device) const {
  const Problem& p = case_.problem;
  WorkspaceLayout layout(case_.profile);
  const Operands operands = copy(executable, device, layout);
  const PartialSums result(p, split_.parts, layout);
  executable.run.add(multiply(device, operands, result));
  executable.share_launch = true;
  result.finish(executable, device, p);
  executable.workspace_bytes = layout.bytes();
}

void PaddedInputLayout::reserve(WorkspaceLayout& layout) const {
  if (view_.copied) layout.add(view_.planes.bytes());
  if (gradient_bytes() > 0) layout.add(gradient_bytes());
}

SplitLayout::Operands PaddedInputLayout::copy(Executable& executable, Device& device,
                                              WorkspaceLayout& layout) const {
  Operands operands{view_.add_to(executable, device, layout), Region{kDySlot}};
  if (gradient_bytes() > 0) {
    operands.dy = layout.add(gradient_bytes());
    executable.run.add(copy_gradient(device, operands.dy));
  }
  return operands;
}

std::vector<Argument> PaddedInputLayout::first_arguments(const Operands& operands, const char* dy,
                                                         const PartialSums& result) const {
  const Problem& p = case_.problem;
  return {{"x", operands.x},
          {dy, operands.dy},
          {"result", result.region},
          {"images", narrow(p.n)},
          {"channels", narrow(p.c_per_group())},
          {"kh", narrow(p.kh)},
          {"kw", narrow(p.kw)},
          {"pitch", narrow(view_.pitch)},
          {"plane", cl_long{view_.plane}},
          {"oh", narrow(p.oh())},
          {"ow", narrow(p.ow())}};
}

void PlainGradientLayout::reserve(WorkspaceLayout& layout) const {
  if (gradient_.copied) layout.add(gradient_.planes.bytes());
}

SplitLayout::Operands PlainGradientLayout::copy(Executable& executable, Device& device,
                                                WorkspaceLayout& layout) const {
  return {Region{kXSlot}, gradient_.add_to(executable, device, layout)};
}

}  // namespace clconv::core::implicit_gemm
