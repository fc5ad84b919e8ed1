#include "net/operators/elementwise_kernel.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "runtime/spans.hpp"

namespace clconv::net {
namespace {

std::string indexed(const char* name, std::size_t i) {
  return name + std::to_string(i);
}

// "a, b, c"
std::string list(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string operand_text(const Operand& operand) {
  switch (operand.kind) {
    case Operand::Kind::kInput: return indexed("v", operand.index);
    case Operand::Kind::kResult: return indexed("t", operand.index);
    case Operand::Kind::kNumber: break;
  }
  return "(floatv)(" + indexed("c", operand.index) + ")";
}

// A macro for each row that the program uses, such as "#define Elementwise_Add(a, b) ((a) + (b))".
std::string macros(const ElementwiseProgram& program) {
  std::string text;
  std::set<const ElementwiseRow*> done;
  for (const Statement& statement : program.statements) {
    const ElementwiseRow& row = *statement.row;
    if (!done.insert(&row).second) continue;
    const std::vector<std::string> inputs = {"a", "b", "c"}, parameters = {"p", "q"};
    std::vector<std::string> words(inputs.begin(), inputs.begin() + static_cast<long>(row.inputs));
    words.insert(words.end(), parameters.begin(),
                 parameters.begin() + static_cast<long>(row.parameter_count()));
    text += std::string("#define Elementwise_") + row.name + "(" + list(words) + ") " +
            row.expression + "\n";
  }
  return text;
}

// The program as a function of one vector of each input.
std::string function(const ElementwiseProgram& program, std::size_t inputs) {
  std::vector<std::string> parameters;
  for (std::size_t i = 0; i < inputs; ++i)
    parameters.push_back(indexed("const floatv v", i));
  for (std::size_t i = 0; i < program.numbers.size(); ++i)
    parameters.push_back(indexed("const float c", i));
  std::string text = "ALWAYS_INLINE floatv computed(" + list(parameters) + ") {\n";
  for (std::size_t i = 0; i < program.statements.size(); ++i) {
    std::vector<std::string> operands;
    for (const Operand& operand : program.statements[i].operands)
      operands.push_back(operand_text(operand));
    text += indexed("  const floatv t", i) + " = Elementwise_" + program.statements[i].row->name +
            "(" + list(operands) + ");\n";
  }
  return text + indexed("  return t", program.statements.size() - 1) + ";\n}\n";
}

// Writes the kernel around the function.
class KernelText {
 public:
  KernelText(const ElementwiseProgram& program, const Walk& walk, const std::vector<bool>& float32)
      : program_(program), walk_(walk), float32_(float32), last_(walk.sizes.size() - 1) {}

  std::string text() const {
    return signature() +
           "  const INDEX begin = (INDEX)get_global_id(0) * span;\n"
           "  const INDEX end = min(begin + span, count);\n" +
           fixed(&KernelText::is_number, "  ") + (last_ == 0 ? row() : lines()) + "}\n";
  }

 private:
  bool is_number(std::size_t input) const {
    for (std::size_t d = 0; d <= last_; ++d) {
      if (walk_.has(d, input)) return false;
    }
    return true;
  }
  bool is_whole(std::size_t input) const {
    if (walk_.apart(input)) return false;
    for (std::size_t d = 0; d <= last_; ++d) {
      if (!walk_.has(d, input)) return false;
    }
    return true;
  }
  bool is_of_line(std::size_t input) const { return !walk_.has(last_, input) && !is_number(input); }
  bool moves(std::size_t input) const { return walk_.has(last_, input) && !is_whole(input); }

  std::string signature() const {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < float32_.size(); ++i) {
      words.push_back(std::string("global const ") + (float32_[i] ? "float" : "element") +
                      indexed("* restrict x", i));
    }
    words.push_back("global element* restrict y");
    for (std::size_t i = 0; i < program_.numbers.size(); ++i)
      words.push_back(indexed("const float c", i));
    words.push_back("const INDEX count");
    words.push_back("const INDEX span");
    for (std::size_t d = 1; d <= last_; ++d)
      words.push_back(indexed("const INDEX n", d));
    for (std::size_t i = 0; i < float32_.size(); ++i) {
      if (walk_.apart(i)) words.push_back(indexed("const INDEX s", i));
    }
    if (walk_.apart(Walk::kOutput)) words.push_back("const INDEX sy");
    return "kernel void elementwise(" + list(words) + ") {\n";
  }

  // Where an input's line starts, by Horner's rule over the outer dimensions that it has, from dimension `first` on.
  std::string line_offset(std::size_t input, std::size_t first = 0) const {
    std::string text;
    for (std::size_t d = first; d < last_; ++d) {
      if (input != Walk::kOutput && !walk_.has(d, input)) continue;
      text = text.empty() ? indexed("d", d)
                          : "(" + text + ") * " + indexed("n", d) + " + " + indexed("d", d);
    }
    return text.empty() ? "0" : text;
  }

  // Inputs that are the same number for all that follows.
  std::string fixed(bool (KernelText::*holds)(std::size_t) const, const std::string& indent) const {
    std::string text;
    for (std::size_t i = 0; i < float32_.size(); ++i) {
      if (!(this->*holds)(i)) continue;
      text += indent + indexed("const floatv v", i) + " = ";
      const std::string at = line_offset(i);
      text += float32_[i] ? indexed("x", i) + "[" + at + "]"
                          : "GET(" + indexed("x", i) + ", " + at + ")";
      text += ";\n";
    }
    return text;
  }

  // The call for a vector at `at`; "" or the number of elements that are left.
  std::string call(const std::string& some) const {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < float32_.size(); ++i) {
      const bool line = is_whole(i) || moves(i);
      const std::string place =
          indexed("x", i) + " + " + (is_whole(i) ? "at" : "(" + indexed("o", i) + " + at)");
      const std::string whole = float32_[i] ? "LOAD_V(" : "GET_V(";
      const std::string part = float32_[i] ? "load_some(" : "get_some(";
      words.push_back(!line          ? indexed("v", i)
                      : some.empty() ? whole + place + ")"
                                     : part + place + ", " + some + ")");
    }
    for (std::size_t i = 0; i < program_.numbers.size(); ++i)
      words.push_back(indexed("c", i));
    return "computed(" + list(words) + ")";
  }

  // What is added to `at` for a line of an input, or of the output, that does not lie as the output's elements count.
  std::string moved(std::size_t input, const char* stride) const {
    const std::string inner = indexed("n", last_);
    if (!walk_.apart(input)) return "(" + line_offset(input) + " - line) * " + inner;
    return std::string("d0 * ") + stride + " + (" + line_offset(input, 1) + " - line) * " + inner;
  }
  std::string result() const { return walk_.apart(Walk::kOutput) ? "y + (oy + at)" : "y + at"; }

  // From `at` to `stop`.
  std::string loop(const std::string& indent, const char* stop) const {
    return indent + "for (; at + VW <= " + stop + "; at += VW)\n" +     //
           indent + "  PUT_V(" + call("") + ", " + result() + ");\n" +  //
           indent + "if (at < " + stop + ") {\n" +                      //
           indent + "  const int rest = (int)(" + stop + " - at);\n" + indent + "  put_some(" +
           call("rest") + ", " + result() + ", rest);\n" + indent + "}\n";
  }

  std::string row() const { return "  INDEX at = begin;\n" + loop("  ", "end"); }

  // Line by line: the elements of the innermost dimension.
  std::string lines() const {
    const std::string inner = indexed("n", last_);
    std::string text =
        "  for (INDEX first = begin; first < end;) {\n"
        "    const INDEX line = first / " +
        inner + ";\n" + "    const INDEX stop = min((line + 1) * " + inner + ", end);\n";
    std::string rest = "line";
    for (std::size_t d = last_ - 1; d > 0; --d) {
      text += "    const INDEX " + indexed("d", d) + " = " + rest + " % " + indexed("n", d) + ", " +
              indexed("r", d) + " = " + rest + " / " + indexed("n", d) + ";\n";
      rest = indexed("r", d);
    }
    text += "    const INDEX d0 = " + rest + ";\n" + fixed(&KernelText::is_of_line, "    ");
    for (std::size_t i = 0; i < float32_.size(); ++i) {
      if (!moves(i)) continue;
      text +=
          "    const INDEX " + indexed("o", i) + " = " + moved(i, indexed("s", i).c_str()) + ";\n";
    }
    if (walk_.apart(Walk::kOutput))
      text += "    const INDEX oy = " + moved(Walk::kOutput, "sy") + ";\n";
    return text + "    INDEX at = first;\n" + loop("    ", "stop") + "    first = stop;\n  }\n";
  }

  const ElementwiseProgram& program_;
  const Walk& walk_;
  const std::vector<bool>& float32_;
  std::size_t last_;  // the innermost dimension
};

// What a launch moves at least; where a CPU computes longer, what it could move in that time: predictions go by bytes.
std::int64_t predicted_bytes(const core::DeviceProfile& profile, const ElementwiseProgram& program,
                             std::int64_t count, std::int64_t moved) {
  if (profile.family != core::Family::kCpu) return moved;
  const double seconds =
      static_cast<double>(count) * flops_of(program) / (profile.peak_gflops * 1e9);
  return std::max(moved, static_cast<std::int64_t>(seconds * profile.bandwidth_gbs * 1e9));
}

// A size as the kernel's type INDEX.
std::variant<In, Out, cl_int, cl_long, cl_float> size_argument(bool wide, std::int64_t value) {
  if (wide) return cl_long{value};
  return static_cast<cl_int>(value);
}

}  // namespace

Walk::Walk(const Shape& output, const std::vector<Shape>& inputs, unsigned apart)
    : images_apart(apart) {
  for (std::size_t d = 0; d < output.size(); ++d) {
    if (output[d] == 1) continue;
    unsigned pattern = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::size_t missing = output.size() - inputs[i].size();  // ones, in front
      if (d >= missing && inputs[i][d - missing] != 1) pattern |= 1u << i;
    }
    const bool image = images_apart != 0 && sizes.size() == 1;  // all that is not dimension 0
    if (!sizes.empty() && patterns.back() == pattern && !image) {
      sizes.back() *= output[d];
    } else {
      sizes.push_back(output[d]);
      patterns.push_back(pattern);
    }
  }
  if (sizes.empty()) {
    sizes.push_back(1);
    patterns.push_back(~0u);
  }
}

std::string elementwise_text(const ElementwiseProgram& program, const Walk& walk,
                             const std::vector<bool>& float32) {
  return "// parts: elementwise\n" + macros(program) + function(program, float32.size()) +
         KernelText(program, walk, float32).text();
}

void launch_elementwise(Lowering& lowering, const std::string& name,
                        const ElementwiseProgram& program,
                        const std::vector<ElementwiseSource>& sources, const Images& output,
                        const Shape& shape) {
  const std::int64_t count = elements(shape);
  if (count == 0) return;
  std::vector<Shape> shapes;
  std::vector<bool> float32;
  std::int64_t bytes = lowering.bytes_of(shape);
  unsigned apart = output.stride > 0 ? 1u << Walk::kOutput : 0;
  std::int64_t reach = output.stride;  // the largest distance between images
  for (const ElementwiseSource& source : sources) {
    if (source.image_stride > 0) apart |= 1u << shapes.size();
    reach = std::max(reach, source.image_stride);
    shapes.push_back(source.shape);
    float32.push_back(source.float32);
    bytes += lowering.bytes_of(source.shape);
  }
  const Walk walk(shape, shapes, apart);
  const core::Runs runs(lowering.profile(), count);
  // Offsets of the last work-item may exceed the count by a span.
  const std::int64_t most = std::max(count, reach > 0 ? reach * shape.front() : 0);
  const bool wide = most + 2 * runs.span > std::numeric_limits<cl_int>::max();

  std::vector<std::string> names;
  for (std::size_t i = 0; i < sources.size(); ++i)
    names.push_back(indexed("x", i));
  for (std::size_t i = 0; i < program.numbers.size(); ++i)
    names.push_back(indexed("c", i));
  for (std::size_t d = 0; d < walk.sizes.size(); ++d)
    names.push_back(indexed("n", d));
  for (std::size_t i = 0; i < sources.size(); ++i)
    names.push_back(indexed("s", i));
  std::vector<Argument> arguments;
  std::size_t next = 0;
  for (const ElementwiseSource& source : sources)
    arguments.push_back({names[next++].c_str(), In{source.buffer}});
  arguments.push_back({"y", Out{output.buffer}});
  for (const float number : program.numbers)
    arguments.push_back({names[next++].c_str(), cl_float{number}});
  arguments.push_back({"count", size_argument(wide, count)});
  arguments.push_back({"span", size_argument(wide, runs.span)});
  for (std::size_t d = 1; d < walk.sizes.size(); ++d)
    arguments.push_back({names[next + d].c_str(), size_argument(wide, walk.sizes[d])});
  next += walk.sizes.size();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::int64_t stride = sources[i].image_stride;
    if (stride > 0) arguments.push_back({names[next + i].c_str(), size_argument(wide, stride)});
  }
  if (output.stride > 0) arguments.push_back({"sy", size_argument(wide, output.stride)});

  lowering.launch_generated(
      name, elementwise_text(program, walk, float32), "elementwise",
      lowering.storage_define() + " " + runs.define() + (wide ? " -DINDEX=long" : " -DINDEX=int"),
      arguments, runs.range, predicted_bytes(lowering.profile(), program, count, bytes));
}

}  // namespace clconv::net
