// The Laboratory on a real device: builds candidates, times them on buffers of its own (the
// caller's data is never touched) and checks them against the host's results or naive's before they are trusted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "planner/planner.hpp"
#include "planner/stand_in.hpp"
#include "planner/wisdom_file.hpp"

namespace clconv::core {

// Enqueues the launches of an executable, which has nothing else, in a way of its own. False where it cannot: then they
// are launched one by one.
using RunLaunches =
    std::function<bool(const cl::CommandQueue& queue, const Sequence& run, Bindings& bindings)>;

class DeviceLaboratory : public Laboratory {
 public:
  DeviceLaboratory(Device& device, Wisdom& wisdom, const WisdomScope& scope, const Problem& problem,
                   Launches launches);
  ~DeviceLaboratory() override;

  double now_s() override;
  std::unique_ptr<Trial> build(const Strategy& strategy, const Candidate& candidate) override;
  std::optional<Rejection> verify(const Strategy& strategy, const Candidate& candidate) override;

  // From now on verify() only says what is known already.
  void check_later() { check_later_ = true; }
  // verify(), with the launches that it checks enqueued by `run`, which may be empty.
  std::optional<Rejection> check(const Strategy& strategy, const Candidate& candidate,
                                 const RunLaunches& run);

 private:
  struct Operands;
  class DeviceTrial;

  // The operands of the full problem and a workspace as large as it takes, which all trials share.
  Bindings bindings(const Executable& executable);
  double elapsed_us(const Sequence& sequence, Bindings& bindings, int runs);
  struct StandIn {
    Problem problem;
    std::unique_ptr<const Executable> executable;
  };
  // The smallest of stand_ins() that the variant takes, and the variant built for it.
  StandIn stand_in(const Strategy& strategy, const Candidate& candidate);
  // The result on a problem small enough to copy to and fro.
  std::vector<float> result_of_small(const Executable& executable, const Problem& small, Math math,
                                     const RunLaunches& run = {});
  // What it must be.
  std::vector<float> expected_of_small(const Problem& small, Math math);

  Device& device_;
  Wisdom& wisdom_;
  WisdomScope scope_;
  Problem problem_;
  Launches launches_;  // for checking a variant, as in the plan; what is timed is always joined
  bool check_later_ = false;
  cl::CommandQueue queue_;
  std::unique_ptr<Operands> operands_;  // of the full problem; allocated when first timed
};

}  // namespace clconv::core
