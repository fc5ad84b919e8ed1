// ONNX's own tests of its operators, through the public API: each is a small model with inputs and the outputs that it
// must give. Every test of a listed operator passes, or stands in the table below with the reason why it does not
// apply.
#include <CL/cl_half.h>
#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "bfloat16.hpp"
#include "clconv/net.h"
#include "doctest/doctest.h"
#include "onnx_format.pb.h"
#include "support/application.hpp"

namespace fs = std::filesystem;
namespace format = clconv::net::onnx_format;
using format::ModelProto;
using format::NodeProto;
using format::TensorProto;

namespace {

// What the importer's operators are tested with: the models all of whose nodes are among these.
const std::set<std::string> kOperators = {"Conv",
                                          "ConvTranspose",
                                          "Gemm",
                                          "MatMul",
                                          "BatchNormalization",
                                          "InstanceNormalization",
                                          "LayerNormalization",
                                          "LRN",
                                          "Relu",
                                          "LeakyRelu",
                                          "PRelu",
                                          "Clip",
                                          "Sigmoid",
                                          "HardSigmoid",
                                          "HardSwish",
                                          "Tanh",
                                          "Elu",
                                          "Gelu",
                                          "Erf",
                                          "Exp",
                                          "Log",
                                          "Sqrt",
                                          "Pow",
                                          "Abs",
                                          "Neg",
                                          "Reciprocal",
                                          "Add",
                                          "Sub",
                                          "Mul",
                                          "Div",
                                          "Min",
                                          "Max",
                                          "Sum",
                                          "Mean",
                                          "MaxPool",
                                          "AveragePool",
                                          "GlobalAveragePool",
                                          "GlobalMaxPool",
                                          "ReduceMean",
                                          "ReduceSum",
                                          "ReduceMax",
                                          "Softmax",
                                          "LogSoftmax",
                                          "Concat",
                                          "Split",
                                          "Slice",
                                          "Pad",
                                          "Transpose",
                                          "Reshape",
                                          "Flatten",
                                          "Squeeze",
                                          "Unsqueeze",
                                          "Expand",
                                          "Tile",
                                          "Cast",
                                          "Constant",
                                          "ConstantOfShape",
                                          "Shape",
                                          "Gather",
                                          "Identity",
                                          "Dropout",
                                          "DepthToSpace",
                                          "SpaceToDepth",
                                          "Resize",
                                          "Upsample"};

// Tests that do not apply: a pattern of names, and why. Each must be refused by the library, in one line, not give a
// wrong result; one that passes does not belong here.
struct Exception {
  const char* pattern;
  const char* reason;
};
const char* const kPlanes = "convolution and pooling have at most two dimensions";
const Exception kExceptions[] = {
    {"node/test_cast_*STRING*", "texts are no data of a network"},
    {"node/test_castlike_*STRING*", "texts are no data of a network"},
    {"node/test_identity_opt", "optionals are no tensors"},
    {"node/test_identity_sequence", "sequences are no tensors"},
    {"node/test_batchnorm_*_training_mode", "networks are run, not trained"},
    {"node/test_training_dropout*", "networks are run, not trained"},
    {"node/test_castlike_*BFLOAT16*_expanded",
     "its data is not of the shape that its model declares"},
    {"node/test_maxpool_2d_uint8", "a network's data are floats"},
    {"pytorch-converted/test_PReLU_?d_multiparam",
     "opset 6 lays slopes along the channels, later ones do not"},
    {"node/test_averagepool_3d*", kPlanes},
    {"node/test_maxpool_3d*", kPlanes},
    {"node/test_convtranspose_3d", kPlanes},
    {"pytorch-converted/test_AvgPool3d*", kPlanes},
    {"pytorch-converted/test_MaxPool3d*", kPlanes},
    {"pytorch-converted/test_Conv3d*", kPlanes},
};

// Inputs, by operator and number, that are parameters of a layer rather than data, and that libclconv wants when the
// network is compiled. Inputs of integers are so always.
const std::map<std::string, std::set<int>> kParameters = {
    {"Conv", {1, 2}},
    {"ConvTranspose", {1, 2}},
    {"Resize", {1, 2}},
    {"Upsample", {1}},
    {"Pad", {2}},
    {"Dropout", {1, 2}},
    {"BatchNormalization", {1, 2, 3, 4}},
};

// Outputs, by operator and number, that no network gives: their tests run without them, for the first output.
struct LeftOut {
  std::set<int> outputs;
  const char* reason;
};
const std::map<std::string, LeftOut> kLeftOut = {
    {"LayerNormalization", {{1, 2}, "mean and deviation are for training"}},
    {"MaxPool", {{1}, "positions of the largest are integers, a network's data are floats"}},
};

// Tests that float16 cannot pass, whatever computes with it.
const Exception kNotInFloat16[] = {
    {"node/test_*softmax_large_number*", "float16 does not tell 10001 from 10000"},
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class Message>
Message parsed(const fs::path& path) {
  Message message;
  REQUIRE_MESSAGE(message.ParseFromString(content(path)), path.string());
  return message;
}

std::int64_t count(const TensorProto& tensor) {
  std::int64_t product = 1;
  for (const std::int64_t size : tensor.dims())
    product *= size;
  return product;
}

template <class T, class Field, class Convert>
std::vector<float> numbers(const TensorProto& tensor, const Field& field, Convert&& convert) {
  std::vector<float> result;
  if (tensor.raw_data().empty()) {
    for (const auto value : field)
      result.push_back(convert(static_cast<T>(value)));
    return result;
  }
  for (std::size_t at = 0; at + sizeof(T) <= tensor.raw_data().size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, tensor.raw_data().data() + at, sizeof(T));
    result.push_back(convert(value));
  }
  return result;
}

// As float, whatever the type: what a network's inputs and outputs are.
std::vector<float> floats(const TensorProto& tensor) {
  const auto same = [](auto value) { return static_cast<float>(value); };
  const auto& ints = tensor.int32_data();
  switch (tensor.data_type()) {
    case TensorProto::FLOAT: return numbers<float>(tensor, tensor.float_data(), same);
    case TensorProto::DOUBLE: return numbers<double>(tensor, tensor.double_data(), same);
    case TensorProto::INT64: return numbers<std::int64_t>(tensor, tensor.int64_data(), same);
    case TensorProto::UINT64: return numbers<std::uint64_t>(tensor, tensor.uint64_data(), same);
    case TensorProto::UINT32: return numbers<std::uint32_t>(tensor, tensor.uint64_data(), same);
    case TensorProto::INT32: return numbers<std::int32_t>(tensor, ints, same);
    case TensorProto::INT16: return numbers<std::int16_t>(tensor, ints, same);
    case TensorProto::UINT16: return numbers<std::uint16_t>(tensor, ints, same);
    case TensorProto::INT8: return numbers<std::int8_t>(tensor, ints, same);
    case TensorProto::UINT8:
    case TensorProto::BOOL: return numbers<std::uint8_t>(tensor, ints, same);
    case TensorProto::FLOAT16: return numbers<cl_half>(tensor, ints, cl_half_to_float);
    case TensorProto::BFLOAT16:
      return numbers<std::uint16_t>(tensor, ints, clconv::core::float_of_bfloat16);
    default: FAIL("element type " << tensor.data_type() << " in a test");
  }
  return {};
}

bool is_floating(int type) {
  return type == TensorProto::FLOAT || type == TensorProto::DOUBLE ||
         type == TensorProto::FLOAT16 || type == TensorProto::BFLOAT16;
}

// NumPy has no bfloat16: the tests store the bits as integers, where the model says what they are.
void set_declared_types(const google::protobuf::RepeatedPtrField<format::ValueInfoProto>& declared,
                        std::vector<TensorProto>& values) {
  for (int i = 0; i < declared.size() && i < static_cast<int>(values.size()); ++i) {
    if (declared[i].type().tensor_type().elem_type() == TensorProto::BFLOAT16) {
      values[static_cast<std::size_t>(i)].set_data_type(TensorProto::BFLOAT16);
    }
  }
}

// A test as its folder has it.
struct NodeTest {
  std::string name;  // "node/test_relu"
  ModelProto model;
  std::vector<TensorProto> inputs, outputs;  // in the model's order
};

std::vector<TensorProto> tensors(const fs::path& folder, const std::string& kind) {
  std::vector<TensorProto> result;
  for (int i = 0;; ++i) {
    const fs::path path = folder / "test_data_set_0" / (kind + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) return result;
    TensorProto tensor;
    // Sequences and optionals do not parse as tensors, or parse as empty ones: those tests do not get that far.
    tensor.ParseFromString(content(path));
    result.push_back(std::move(tensor));
  }
}

// Models of an opset before 7 are understood by their operators' form of opset 7, which is the same but for attributes
// that say what has been the rule since (broadcasting as in NumPy, inference).
void raise_opset(ModelProto& model) {
  auto& import = *model.mutable_opset_import(0);
  if (import.version() >= 7) return;
  import.set_version(7);
  for (NodeProto& node : *model.mutable_graph()->mutable_node()) {
    auto& attributes = *node.mutable_attribute();
    const bool broadcasts = std::any_of(
        attributes.begin(), attributes.end(),
        [](const format::AttributeProto& attribute) { return attribute.name() == "broadcast"; });
    attributes.erase(std::remove_if(attributes.begin(), attributes.end(),
                                    [&](const format::AttributeProto& attribute) {
                                      return attribute.name() == "broadcast" ||
                                             (broadcasts && attribute.name() == "axis") ||
                                             attribute.name() == "is_test" ||
                                             attribute.name() == "consumed_inputs";
                                    }),
                     attributes.end());
  }
}

// Is the input a parameter of a node that reads it?
bool is_parameter(const ModelProto& model, const std::string& input) {
  for (const NodeProto& node : model.graph().node()) {
    for (int i = 0; i < node.input_size(); ++i) {
      const auto found = kParameters.find(node.op_type());
      if (node.input(i) == input && found != kParameters.end() && found->second.count(i) != 0) {
        return true;
      }
    }
  }
  return false;
}

// Puts the values of parameters and of integers into the model; the inputs that remain are data.
std::vector<TensorProto> bind_parameters(NodeTest& test) {
  std::vector<TensorProto> data;
  auto& graph = *test.model.mutable_graph();
  std::set<std::string> known;
  for (const TensorProto& initializer : graph.initializer())
    known.insert(initializer.name());
  std::size_t next = 0;
  for (const auto& input : graph.input()) {
    if (next >= test.inputs.size()) break;
    if (known.count(input.name()) != 0) continue;
    const TensorProto& value = test.inputs[next++];
    if (is_floating(value.data_type()) && !is_parameter(test.model, input.name())) {
      data.push_back(value);
      continue;
    }
    *graph.add_initializer() = value;
    graph.mutable_initializer(graph.initializer_size() - 1)->set_name(input.name());
  }
  return data;
}

// Removes what kLeftOut has from the model and from what is expected. The reason, or "" where nothing is removed.
std::string leave_out(NodeTest& test) {
  std::string reason;
  auto& graph = *test.model.mutable_graph();
  for (NodeProto& node : *graph.mutable_node()) {
    const auto found = kLeftOut.find(node.op_type());
    if (found == kLeftOut.end()) continue;
    for (const int i : found->second.outputs) {
      if (i >= node.output_size() || node.output(i).empty()) continue;
      for (int k = graph.output_size() - 1; k >= 0; --k) {
        if (graph.output(k).name() != node.output(i)) continue;
        graph.mutable_output()->DeleteSubrange(k, 1);
        test.outputs.erase(test.outputs.begin() + k);
      }
      node.set_output(i, "");
      reason = found->second.reason;
    }
  }
  return reason;
}

NodeTest load(const fs::path& folder) {
  NodeTest test;
  test.name = folder.parent_path().filename().string() + "/" + folder.filename().string();
  test.model = parsed<ModelProto>(folder / "model.onnx");
  test.inputs = tensors(folder, "input");
  test.outputs = tensors(folder, "output");
  set_declared_types(test.model.graph().input(), test.inputs);
  set_declared_types(test.model.graph().output(), test.outputs);
  return test;
}

bool is_of_listed_operators(const ModelProto& model) {
  return std::all_of(model.graph().node().begin(), model.graph().node().end(),
                     [](const NodeProto& node) {
                       return node.domain().empty() && kOperators.count(node.op_type()) != 0;
                     });
}

// What one run came to.
struct Outcome {
  bool refused = false;  // by the library, with `text` as its reason
  std::string text;      // empty: passed
};

// Handles that are released with their scope.
struct Handles {
  clconv_net_model model = nullptr;
  clconv_net net = nullptr;
  Handles() = default;
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles() {
    clconv_net_release(net);
    clconv_net_model_release(model);
  }
};

std::string last_error(clconv_status status) {
  return std::string(clconv_status_name(status)) + ": " + clconv_last_error();
}

std::string shape_text(const std::int64_t* sizes, std::int64_t rank) {
  std::string text;
  for (std::int64_t i = 0; i < rank; ++i)
    text += (i == 0 ? "" : "x") + std::to_string(sizes[i]);
  return text.empty() ? "scalar" : text;
}

// As ONNX's own runner compares: a relative and an absolute tolerance; of reduced precision what its rounding costs.
// Of activations stored in float16, what a few roundings cost in proportion to the largest value.
std::string difference(const std::vector<float>& got, const std::vector<float>& wanted, int type,
                       clconv_data_type storage) {
  double relative = type == TensorProto::BFLOAT16 ? 8e-3 : 1e-3, absolute = 1e-5;
  if (storage == CLCONV_FLOAT16) {
    for (const float value : wanted) {
      if (std::isfinite(value)) absolute = std::max(absolute, 5e-3 * std::fabs(double{value}));
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (std::isnan(wanted[i]) && std::isnan(got[i])) continue;
    if (wanted[i] == got[i]) continue;
    const double error = std::fabs(static_cast<double>(got[i]) - static_cast<double>(wanted[i]));
    if (error <= absolute + relative * std::fabs(static_cast<double>(wanted[i]))) continue;
    return "element " + std::to_string(i) + " is " + std::to_string(got[i]) + ", expected " +
           std::to_string(wanted[i]);
  }
  return "";
}

std::string compared(clconv_net net, const std::vector<cl::Buffer>& buffers, const NodeTest& test,
                     clconv_data_type storage) {
  for (std::size_t i = 0; i < test.outputs.size(); ++i) {
    const TensorProto& wanted = test.outputs[i];
    clconv_net_tensor_info info = {};
    info.struct_size = sizeof(info);
    const clconv_status status = clconv_net_output(net, static_cast<std::int64_t>(i), &info);
    if (status != CLCONV_OK) return last_error(status);
    const std::string who = "output " + std::to_string(i) + ": ";
    const std::string shape = shape_text(info.sizes, info.rank);
    const std::string expected = shape_text(wanted.dims().data(), wanted.dims_size());
    if (shape != expected) return who + "is " + shape + ", expected " + expected;
    std::vector<float> got = clconv::test::read(buffers[i]);
    got.resize(static_cast<std::size_t>(count(wanted)));
    const std::string text = difference(got, floats(wanted), wanted.data_type(), storage);
    if (!text.empty()) return who + text;
  }
  return "";
}

// Compiles, runs and compares. `data` are the values of the inputs that remain.
Outcome run(const NodeTest& test, const std::vector<TensorProto>& data, clconv_data_type storage) {
  Handles handles;
  const std::string bytes = test.model.SerializeAsString();
  clconv_status status =
      clconv_net_model_parse(bytes.data(), bytes.size(), nullptr, &handles.model);
  if (status != CLCONV_OK) return {true, last_error(status)};
  std::vector<clconv_net_shape> shapes;
  for (const TensorProto& tensor : data) {
    clconv_net_shape shape;
    clconv_net_shape_init(&shape);
    shape.rank = tensor.dims_size();
    std::copy(tensor.dims().begin(), tensor.dims().end(), shape.sizes);
    shapes.push_back(shape);
  }
  clconv_net_options options;
  clconv_net_options_init(&options);
  options.num_shapes = static_cast<std::int64_t>(shapes.size());
  options.shapes = shapes.data();
  options.data_type = storage;
  status = clconv_net_create(clconv::test::context().get(), handles.model, &options, &handles.net);
  if (status != CLCONV_OK) return {true, last_error(status)};
  std::vector<cl::Buffer> inputs, outputs;
  std::vector<cl_mem> in, out;
  for (const TensorProto& tensor : data) {
    std::vector<float> values = floats(tensor);
    if (values.empty()) values.push_back(0);  // OpenCL has no empty buffers
    inputs.push_back(clconv::test::device_buffer(values));
    in.push_back(inputs.back()());
  }
  for (const TensorProto& tensor : test.outputs) {
    outputs.push_back(clconv::test::empty_buffer(4 * std::max<std::int64_t>(count(tensor), 1)));
    out.push_back(outputs.back()());
  }
  status = clconv_net_run(handles.net, clconv::test::make_queue()(), 0, nullptr,
                          static_cast<std::int64_t>(in.size()), in.data(),
                          static_cast<std::int64_t>(out.size()), out.data(), 0, nullptr, nullptr);
  if (status != CLCONV_OK) return {false, "running: " + last_error(status)};
  clconv::test::make_queue().finish();
  return {false, compared(handles.net, outputs, test, storage)};
}

template <class Table>
const Exception* found(const Table& table, const std::string& name) {
  for (const Exception& exception : table) {
    if (::fnmatch(exception.pattern, name.c_str(), 0) == 0) return &exception;
  }
  return nullptr;
}

// The outcomes of a folder's tests, for the lines at the end.
struct Summary {
  int passed = 0, failed = 0, other = 0;
  std::map<std::string, std::vector<std::string>> excepted, partial;  // by reason

  std::string text(const std::string& folder) const {
    std::ostringstream lines;
    lines << folder << ": " << passed << " passed, " << failed << " failed, " << other
          << " of other operators";
    add(lines, "do not apply", excepted);
    add(lines, "of them run for their first output only", partial);
    return lines.str();
  }

 private:
  static void add(std::ostringstream& lines, const char* what,
                  const std::map<std::string, std::vector<std::string>>& by_reason) {
    for (const auto& [reason, names] : by_reason) {
      lines << "\n  " << names.size() << " " << what << ": " << reason << ":";
      for (const std::string& name : names)
        lines << " " << name;
    }
  }
};

void run_one(const fs::path& folder, clconv_data_type storage, Summary& summary,
             std::set<const Exception*>& used) {
  NodeTest test = load(folder);
  if (!is_of_listed_operators(test.model)) {
    ++summary.other;
    return;
  }
  CAPTURE(test.name);
  const Exception* rounded = found(kNotInFloat16, test.name);
  if (storage == CLCONV_FLOAT16 && rounded != nullptr) {
    summary.excepted[rounded->reason].push_back(folder.filename().string());
    return;
  }
  raise_opset(test.model);
  const std::vector<TensorProto> data = bind_parameters(test);
  const std::string without = leave_out(test);
  if (!without.empty()) summary.partial[without].push_back(folder.filename().string());
  const Outcome outcome = run(test, data, storage);
  if (const Exception* exception = found(kExceptions, test.name)) {
    used.insert(exception);
    summary.excepted[exception->reason].push_back(folder.filename().string());
    CHECK_MESSAGE(outcome.refused, "must be refused, or leave the table: "
                                       << (outcome.text.empty() ? "it passes" : outcome.text));
    return;
  }
  ++(outcome.text.empty() ? summary.passed : summary.failed);
  CHECK_MESSAGE(outcome.text.empty(), outcome.text);
}

// The tests of the data's folders.
void run_folders(const std::vector<const char*>& folders, clconv_data_type storage,
                 std::set<const Exception*>& used) {
#ifndef CLCONV_ONNX_TESTDATA
  MESSAGE("skipped: ONNX's test data (libonnx-testdata) was not found when this was configured");
  for (const Exception& exception : kExceptions)
    used.insert(&exception);
  (void)folders, (void)storage, (void)run_one;
#else
  for (const char* folder : folders) {
    const fs::path root = fs::path(CLCONV_ONNX_TESTDATA) / folder;
    REQUIRE(fs::is_directory(root));
    std::vector<fs::path> tests;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (fs::exists(entry.path() / "model.onnx")) tests.push_back(entry.path());
    }
    std::sort(tests.begin(), tests.end());
    Summary summary;
    for (const fs::path& test : tests)
      run_one(test, storage, summary, used);
    MESSAGE(summary.text(folder));
    CHECK(summary.passed > 0);
  }
#endif
}

}  // namespace

TEST_CASE("ONNX's tests of the operators give what ONNX says") {
  std::set<const Exception*> used;
  run_folders({"node", "simple", "pytorch-converted", "pytorch-operator"}, CLCONV_FLOAT32, used);
  for (const Exception& exception : kExceptions)
    CHECK_MESSAGE(used.count(&exception) == 1, exception.pattern << " is no test's name");
}

TEST_CASE("ONNX's tests of the operators, activations stored in float16") {
  std::set<const Exception*> used;
  run_folders({"node"}, CLCONV_FLOAT16, used);
}
