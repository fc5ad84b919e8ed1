#include "runtime/chain_program.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/files.hpp"
#include "runtime/processor.hpp"

namespace clconv::core {

LaunchPolicy launch_policy() {
  const std::string word = environment("CLCONV_LAUNCHES");
  if (word.empty()) return LaunchPolicy::kWhereItPays;
  if (word == "each") return LaunchPolicy::kEach;
  if (word == "chained") return LaunchPolicy::kChained;
  throw Error(Code::kInvalidArgument,
              "CLCONV_LAUNCHES is '" + word + "', expected each or chained");
}

bool may_be_task(const cl::Kernel& kernel, const Range& range, const cl::Device& device) {
  return range.local == std::array<std::size_t, 3>{1, 1, 1} && range.global[1] == 1 &&
         range.global[2] == 1 && range.global[0] <= static_cast<std::size_t>(INT32_MAX / 2) &&
         !text_of(kernel, device).source.empty();
}

std::size_t chain_workers(const DeviceProfile& profile) {
  const std::int64_t usable = usable_cpus();
  const std::int64_t units = std::max<std::int64_t>(profile.compute_units, 1);
  return static_cast<std::size_t>(usable > 0 ? std::min(units, usable) : units);
}

std::string ChainProgram::scalar(cl_long value) {
  scalars_.push_back(value);
  return "scalars[" + std::to_string(scalars_.size() - 1) + "]";
}

std::string ChainProgram::expression(cl_float value) {
  std::int32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return "as_float((int)" + scalar(bits) + ")";
}

std::string ChainProgram::expression(std::size_t index, std::int64_t offset) {
  return "(global void*)(b" + std::to_string(index) + " + " + scalar(offset) + ")";
}

void ChainProgram::add(const cl::Kernel& kernel, const Range& range,
                       const std::vector<std::string>& arguments) {
  // Some drivers count the terminating zero.
  const std::string name = kernel.getInfo<CL_KERNEL_FUNCTION_NAME>().c_str();
  const std::string items = expression(static_cast<cl_int>(range.global[0]));
  tasks_ += "  TASK(" + std::to_string(count_++) + ", " + items + ", " +
            merged_name(name, program_index(kernel)) + "(item, " + items + ", memory";
  for (const std::string& argument : arguments)
    tasks_ += ", " + argument;
  tasks_ += "))\n";
  memory_bytes_ = std::max(memory_bytes_, chain_memory_bytes(kernel, device_.cl()));
}

std::size_t ChainProgram::program_index(const cl::Kernel& kernel) {
  ProgramText text = text_of(kernel, device_.cl());
  const auto found = std::find(programs_.begin(), programs_.end(), text);
  if (found != programs_.end()) return static_cast<std::size_t>(found - programs_.begin());
  programs_.push_back(std::move(text));
  return programs_.size() - 1;
}

ChainKernel ChainProgram::build(std::size_t buffers) const {
  constexpr std::size_t kCounterBytes = 32 * sizeof(cl_int);  // chain.cl: COUNTER_INTS
  std::string parameters =
      "volatile global int* state, int workers, local char* memory, "
      "global const long* scalars";
  std::string arguments = "state, workers, memory, scalars";
  for (std::size_t i = 0; i < buffers; ++i) {
    parameters += ", global char* b" + std::to_string(i);
    arguments += ", b" + std::to_string(i);
  }
  // The tasks are in a function that is not inlined: kernels/parts/language.cl says why.
  const std::string text =
      "// parts: chain\n" + merged_source(programs_) +
      "#line 1 \"tasks\"\nstatic __attribute__((noinline)) void chain_item(int self, " +
      parameters + ") {\n" + tasks_ + "  LEAVE(" + std::to_string(count_) +
      ")\n}\nkernel __attribute__((reqd_work_group_size(1, 1, 1)))\nvoid chain(" + parameters +
      ") {\n  chain_item((int)get_group_id(0), " + arguments + ");\n}\n";
  const std::size_t workers = chain_workers(device_.profile());
  ChainKernel chain;
  // -w: no warning that a program defines a macro again that another has defined.
  chain.kernel = device_.generated_kernel(text, "chain", "-w");
  std::vector<cl_long> scalars = scalars_;
  chain.scalars =
      cl::Buffer(device_.context(), CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                 std::max<std::size_t>(scalars.size(), 1) * sizeof(cl_long), scalars.data());
  chain.state_bytes = static_cast<std::int64_t>((count_ * (workers + 1) + 1) * kCounterBytes);
  chain.kernel.setArg(1, static_cast<cl_int>(workers));
  check(clSetKernelArg(chain.kernel(), 2, memory_bytes_, nullptr), "clSetKernelArg");
  chain.kernel.setArg(3, chain.scalars);
  return chain;
}

}  // namespace clconv::core
