#include "net/onnx/tensors.hpp"

#include <charconv>
#include <limits>

#include "error.hpp"
#include "net/elements.hpp"
#include "net/onnx/external.hpp"
#include "problem.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;
using onnx_format::TensorProto;

// What a tensor's elements are read from: one of the two.
struct Source {
  std::string who;                     // names the tensor in errors
  const TensorProto* typed = nullptr;  // one field per kind of number
  std::string bytes;                   // little endian, as this machine is
};

std::int64_t decimal(const std::string& text, const std::string& name, const char* key) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0) {
    invalid_model("tensor '" + name + "': external data has " + key + " '" + text + "'");
  }
  return value;
}

ExternalData external_data(const TensorProto& tensor, const std::string& name) {
  ExternalData data;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") data.location = entry.value();
    if (entry.key() == "offset") data.offset = decimal(entry.value(), name, "offset");
    if (entry.key() == "length") data.length = decimal(entry.value(), name, "length");
  }
  return data;
}

Shape shape_of(const TensorProto& tensor, const std::string& who) {
  check_rank(static_cast<std::size_t>(tensor.dims_size()), who);
  Shape shape(tensor.dims().begin(), tensor.dims().end());
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) invalid_model(who + " is " + to_string(shape) + ": a size is negative");
    empty = empty || size == 0;
  }
  if (!empty && elements(shape) == std::numeric_limits<std::int64_t>::max()) {
    invalid_model(who + " is " + to_string(shape) + ": too large");
  }
  return shape;
}

// The field of TensorProto that holds elements of a type.
struct Field {
  const char* name;
  int count;
};

Field field_of(const TensorProto& tensor, Type type) {
  switch (type) {
    case Type::kFloat32: return {"float_data", tensor.float_data_size()};
    case Type::kFloat64: return {"double_data", tensor.double_data_size()};
    case Type::kInt64: return {"int64_data", tensor.int64_data_size()};
    case Type::kUint32:
    case Type::kUint64: return {"uint64_data", tensor.uint64_data_size()};
    default: return {"int32_data", tensor.int32_data_size()};
  }
}

int typed_elements(const TensorProto& tensor) {
  return tensor.float_data_size() + tensor.double_data_size() + tensor.int32_data_size() +
         tensor.int64_data_size() + tensor.uint64_data_size() + tensor.string_data_size();
}

// Finds the elements and checks that there are as many as the shape has.
Source source_of(TensorProto& tensor, const std::string& name, const std::string& folder,
                 const Constant& constant) {
  const std::string who = "tensor '" + core::cut_name(name) + "' (" + to_string(constant.type) +
                          " " + to_string(constant.shape) + ")";
  const std::int64_t count = constant.count();
  const std::int64_t bytes = core::saturating_product(count, element_bytes(constant.type));
  Source source;
  source.who = who;
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    if (tensor.has_raw_data() || typed_elements(tensor) > 0) {
      invalid_model(who + " has data of its own beside external data");
    }
    source.bytes = read_external(name, external_data(tensor, name), folder, bytes);
    return source;
  }
  const Field field = field_of(tensor, constant.type);
  if (tensor.has_raw_data() && typed_elements(tensor) == 0) {
    source.bytes = std::move(*tensor.mutable_raw_data());
    if (static_cast<std::int64_t>(source.bytes.size()) == bytes) return source;
    invalid_model(who + " needs " + std::to_string(bytes) + " bytes, but has " +
                  std::to_string(source.bytes.size()));
  }
  if (tensor.has_raw_data()) invalid_model(who + " has its data twice");
  if (typed_elements(tensor) != field.count) {
    invalid_model(who + " has data of another type than in " + field.name);
  }
  if (field.count != count) {
    invalid_model(who + " needs " + std::to_string(count) + " elements, but has " +
                  std::to_string(field.count) + " in " + field.name);
  }
  source.typed = &tensor;
  return source;
}

// Of a field whose elements may be more than the type holds.
template <class T>
T checked(std::int64_t value, const Source& source, const Constant& constant) {
  const auto result = static_cast<T>(value);
  if (static_cast<std::int64_t>(result) != value) {
    invalid_model(source.who + " has an element " + std::to_string(value) + ", which is no " +
                  to_string(constant.type));
  }
  return result;
}

void read_typed_floats(const Source& source, Constant& constant) {
  const TensorProto& tensor = *source.typed;
  std::vector<float>& floats = constant.floats;
  if (constant.type == Type::kFloat32) {
    floats.assign(tensor.float_data().begin(), tensor.float_data().end());
  } else if (constant.type == Type::kFloat64) {
    for (const double value : tensor.double_data())
      floats.push_back(static_cast<float>(value));
  } else {
    for (const std::int32_t bits : tensor.int32_data()) {
      floats.push_back(
          float_of_bits(constant.type, checked<std::uint16_t>(bits, source, constant)));
    }
  }
}

std::int64_t small_integer(std::int64_t value, const Source& source, const Constant& constant) {
  switch (constant.type) {
    case Type::kInt8: return checked<std::int8_t>(value, source, constant);
    case Type::kUint8: return checked<std::uint8_t>(value, source, constant);
    case Type::kInt16: return checked<std::int16_t>(value, source, constant);
    case Type::kUint16: return checked<std::uint16_t>(value, source, constant);
    case Type::kUint32: return checked<std::uint32_t>(value, source, constant);
    case Type::kBool: return value != 0 ? 1 : 0;
    default: return value;
  }
}

void read_typed_integers(const Source& source, Constant& constant) {
  const TensorProto& tensor = *source.typed;
  std::vector<std::int64_t>& integers = constant.integers;
  if (constant.type == Type::kInt64) {
    integers.assign(tensor.int64_data().begin(), tensor.int64_data().end());
  } else if (constant.type == Type::kUint32 || constant.type == Type::kUint64) {
    for (const std::uint64_t value : tensor.uint64_data())
      integers.push_back(small_integer(integer_of(value, source.who), source, constant));
  } else {
    for (const std::int32_t value : tensor.int32_data())
      integers.push_back(small_integer(value, source, constant));
  }
}

}  // namespace

void invalid_model(const std::string& text) {
  throw Error(Code::kInvalidModel, text);
}

void unsupported_model(const std::string& text) {
  throw Error(Code::kUnsupported, text);
}

Type type_of(std::int64_t number, const std::string& who) {
  if (number == TensorProto::UNDEFINED) invalid_model(who + " has no element type");
  const Type type =
      number >= 0 && number <= TensorProto::BFLOAT16 ? static_cast<Type>(number) : Type::kUndefined;
  if (element_bytes(type) == 0) {
    const bool named = type == Type::kString;
    unsupported_model(who + " is of element type " + std::to_string(number) +
                      (named ? " (string)" : "") + ", which is not supported");
  }
  return type;
}

void check_rank(std::size_t rank, const std::string& who) {
  if (rank <= kMostRank) return;
  unsupported_model(who + " is of rank " + std::to_string(rank) + ", at most " +
                    std::to_string(kMostRank) + " is supported");
}

ConstantPtr constant_of(TensorProto& tensor, const std::string& name, const std::string& folder) {
  const std::string who = "tensor '" + core::cut_name(name) + "'";
  if (tensor.has_segment()) unsupported_model(who + " is a segment, which is not supported");
  auto constant = std::make_shared<Constant>();
  constant->type = type_of(tensor.data_type(), who);
  constant->shape = shape_of(tensor, who);
  const Source source = source_of(tensor, name, folder, *constant);
  if (source.typed == nullptr) {
    read_elements(source.bytes.data(), source.who, *constant);
  } else if (is_floating(constant->type)) {
    read_typed_floats(source, *constant);
  } else {
    read_typed_integers(source, *constant);
  }
  TensorProto().Swap(&tensor);  // Clear() would keep the memory
  return constant;
}

}  // namespace clconv::net
