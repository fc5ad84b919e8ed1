#include "runtime/chain_program.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/files.hpp"
#include "runtime/processor.hpp"

namespace clconv::core {

LaunchPolicy launch_policy() {
  const std::string word = environment("CLCONV_LAUNCHES");
  if (word.empty() || word == "chained") return LaunchPolicy::kChained;
  if (word == "each") return LaunchPolicy::kEach;
  throw Error(Code::kInvalidArgument,
              "CLCONV_LAUNCHES is '" + word + "', expected each or chained");
}

bool may_be_task(const ProgramText& program, const Range& range) {
  return range.local == std::array<std::size_t, 3>{1, 1, 1} && range.global[1] == 1 &&
         range.global[2] == 1 && range.global[0] <= static_cast<std::size_t>(INT32_MAX / 2) &&
         !program.source.empty();
}

std::size_t chain_workers(const DeviceProfile& profile) {
  const std::int64_t usable = usable_cpus();
  const std::int64_t units = std::max<std::int64_t>(profile.compute_units, 1);
  return static_cast<std::size_t>(usable > 0 ? std::min(units, usable) : units);
}

namespace {

// Numbers of a task in front of its arguments: the kernel's, and how many items.
constexpr std::size_t kHead = 2;

// How the kernel reads the argument that begins at number `at` of its task, and how many numbers that takes.
struct Read {
  std::size_t at;
  std::string number(std::size_t i) const { return "at[" + std::to_string(i) + "]"; }
  std::pair<std::string, std::size_t> operator()(const ChainBuffer&) const {
    return {"(global void*)(buffers[" + number(at) + "] + " + number(at + 1) + ")", 2};
  }
  std::pair<std::string, std::size_t> operator()(cl_int) const { return {"(int)" + number(at), 1}; }
  std::pair<std::string, std::size_t> operator()(cl_long) const { return {number(at), 1}; }
  std::pair<std::string, std::size_t> operator()(cl_float) const {
    return {"as_float((int)" + number(at) + ")", 1};
  }
};

struct Write {
  std::vector<cl_long>& numbers;
  void operator()(const ChainBuffer& buffer) const {
    const bool null = buffer.index == ChainBuffer::kNull;  // the kernel's buffer 0
    numbers.push_back(null ? 0 : static_cast<cl_long>(buffer.index + 1));
    numbers.push_back(null ? 0 : buffer.offset);
  }
  void operator()(cl_int value) const { numbers.push_back(value); }
  void operator()(cl_long value) const { numbers.push_back(value); }
  void operator()(cl_float value) const {
    std::int32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    numbers.push_back(bits);
  }
};

}  // namespace

// Where in programs_; behind them where it is none of them.
std::size_t ChainProgram::program_of(const ChainTask& task) const {
  const auto same = [&](const ProgramTextPtr& one) { return one == task.program; };
  auto found = std::find_if(programs_.begin(), programs_.end(), same);
  const auto equal = [&](const ProgramTextPtr& one) { return *one == *task.program; };
  if (found == programs_.end()) found = std::find_if(programs_.begin(), programs_.end(), equal);
  return static_cast<std::size_t>(found - programs_.begin());
}

std::optional<std::size_t> ChainProgram::number_of(const ChainTask& task) const {
  const Entry entry{program_of(task), task.kernel};
  const auto found = std::find(kernels_.begin(), kernels_.end(), entry);
  if (found == kernels_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - kernels_.begin());
}

void ChainProgram::add(const ChainTask& task) {
  if (number_of(task)) return;
  const std::size_t program = program_of(task);
  if (program == programs_.size()) programs_.push_back(task.program);
  const std::string number = std::to_string(kernels_.size());
  kernels_.push_back({program, task.kernel});
  std::string call = merged_name(kernels_.back().kernel, program) + "(item, items, memory";
  std::size_t at = kHead;
  for (const ChainArgument& argument : task.arguments) {
    const auto [read, numbers] = std::visit(Read{at}, argument);
    call += ", " + read;
    at += numbers;
  }
  tasks_ += "TASK(chain_task_" + number + ", " + call + "))\n";
  cases_ += " case " + number + ": done = chain_task_" + number +
            "(self, workers, taken, memory, at, buffers); break;";
}

std::string ChainProgram::text(std::size_t buffers) const {
  std::string parameters =
      "volatile global int* state, int workers, local char* memory, global const long* table";
  std::string arguments = "state, workers, memory, table", all = "0";
  for (std::size_t i = 0; i < buffers; ++i) {
    parameters += ", global char* b" + std::to_string(i);
    arguments += ", b" + std::to_string(i);
    all += ", b" + std::to_string(i);
  }
  // The tasks are in a function that is not inlined: kernels/parts/language.cl says why.
  return "// parts: chain\n" + merged_source(programs_, memory_bytes_) + "#line 1 \"tasks\"\n" +
         tasks_ + "static __attribute__((noinline)) void chain_item(int self, " + parameters +
         ") {\n  global char* const buffers[] = {" + all + "};\n  ALL_TASKS(" + cases_ +
         ")\n}\nkernel __attribute__((reqd_work_group_size(1, 1, 1)))\nvoid chain(" + parameters +
         ") {\n  chain_item((int)get_group_id(0), " + arguments + ");\n}\n";
}

ChainProgram::ChainProgram(Device& device, const std::vector<ChainTask>& tasks, std::size_t buffers)
    : device_(device),
      memory_bytes_(static_cast<std::size_t>(
          std::max<std::int64_t>(device.profile().local_memory_bytes, 1))) {
  for (const ChainTask& task : tasks)
    add(task);
  // -w: no warning that a program defines a macro again that another has defined.
  kernel_ = device_.generated_kernel(text(buffers), "chain", "-w");
  kernel_.setArg(1, static_cast<cl_int>(chain_workers(device_.profile())));
  check(clSetKernelArg(kernel_(), 2, memory_bytes_, nullptr), "clSetKernelArg");
}

std::optional<ChainTable> ChainProgram::table_of(const std::vector<ChainTask>& tasks) const {
  constexpr std::size_t kCounterBytes = 32 * sizeof(cl_int);  // chain.cl: COUNTER_INTS
  std::vector<cl_long> numbers(1 + tasks.size(), static_cast<cl_long>(tasks.size()));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const auto kernel = number_of(tasks[i]);
    if (!kernel) return std::nullopt;
    numbers[1 + i] = static_cast<cl_long>(numbers.size());
    numbers.push_back(static_cast<cl_long>(*kernel));
    numbers.push_back(static_cast<cl_long>(tasks[i].items));
    for (const ChainArgument& argument : tasks[i].arguments)
      std::visit(Write{numbers}, argument);
  }
  const std::size_t workers = chain_workers(device_.profile());
  ChainTable table;
  table.numbers = cl::Buffer(device_.context(), CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                             numbers.size() * sizeof(cl_long), numbers.data());
  table.state_bytes = static_cast<std::int64_t>((tasks.size() * (workers + 1) + 1) * kCounterBytes);
  return table;
}

}  // namespace clconv::core
