#include "net/trust.hpp"

#include <algorithm>
#include <cstring>

namespace clconv::net {
namespace {

using Chains = std::vector<std::unique_ptr<Chain>>;

// Buffers of a check, each once.
class Buffers {
 public:
  explicit Buffers(const clconv_operands& operands) : operands_(operands) {}

  BufferId operator()(std::size_t operand) {
    cl_mem buffer = nullptr;
    std::memcpy(&buffer, reinterpret_cast<const char*>(&operands_) + operand, sizeof(buffer));
    if (buffer == nullptr) return kNoBuffer;
    const auto found = std::find(all_.begin(), all_.end(), buffer);
    const auto at = static_cast<BufferId>(found - all_.begin());
    if (found == all_.end()) all_.push_back(buffer);
    return at;
  }
  const std::vector<cl_mem>& all() const { return all_; }

 private:
  const clconv_operands& operands_;
  std::vector<cl_mem> all_;
};

clconv_status run_in_chains(void* user, cl_command_queue queue, std::int64_t num_launches,
                            const clconv_launch* launches, const clconv_operands* operands) {
  try {
    Buffers buffers(*operands);
    std::vector<Launch> all;
    for (std::int64_t i = 0; i < num_launches; ++i)
      all.push_back(launch_of(launches[i], buffers));
    const cl::CommandQueue owned(queue, true);
    for (const auto& chain : *static_cast<const Chains*>(user)) {
      if (chain->run(owned, all, buffers.all())) return CLCONV_OK;
    }
    return CLCONV_CONSTRAINT;
  } catch (...) {
    return CLCONV_OPENCL;
  }
}

}  // namespace

bool all_right(const std::vector<std::unique_ptr<Step>>& steps, const Chains& chains) {
  for (const auto& step : steps) {
    const auto* convolution = dynamic_cast<const ConvolutionStep*>(step.get());
    if (convolution == nullptr) continue;
    const clconv_plan plan = convolution->plan().get();
    if (clconv_plan_check(plan, run_in_chains, const_cast<Chains*>(&chains)) != CLCONV_OK)
      return false;
  }
  return true;
}

}  // namespace clconv::net
