// The Laboratory on a real device: builds candidates, times them on buffers of its own (the
// caller's data is never touched) and checks them against naive before they are trusted.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "planner/planner.hpp"
#include "planner/wisdom_file.hpp"

namespace clconv::core {

// A problem of the same class, small enough for naive: same filter, stride, dilation, padding,
// epilogue and kind of grouping, no size larger than in `problem`, tails in every dimension that
// can have one.
Problem small_problem(const Problem& problem);

// What a variant must be trusted for: everything that selects code in its kernels.
std::string problem_class(const Problem& problem);

class DeviceLaboratory : public Laboratory {
 public:
  DeviceLaboratory(Device& device, Wisdom& wisdom, const WisdomScope& scope,
                   const Problem& problem);
  ~DeviceLaboratory() override;

  double now_s() override;
  std::unique_ptr<Trial> build(const Strategy& strategy, const Candidate& candidate) override;
  std::optional<Rejection> verify(const Strategy& strategy, const Candidate& candidate) override;

 private:
  struct Operands;
  class DeviceTrial;

  // The operands of the full problem and a workspace as large as it takes, which all trials share.
  Bindings bindings(const Executable& executable);
  double elapsed_us(const Sequence& sequence, Bindings& bindings, int runs);
  // The result of one variant on a problem small enough to copy to and fro.
  std::vector<float> result_of_small(const Strategy& strategy, const Config& config,
                                     const Problem& small);

  Device& device_;
  Wisdom& wisdom_;
  WisdomScope scope_;
  Problem problem_;
  cl::CommandQueue queue_;
  std::unique_ptr<Operands> operands_;  // of the full problem; allocated when first timed
};

}  // namespace clconv::core
