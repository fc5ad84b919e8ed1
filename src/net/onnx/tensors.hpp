// ONNX's TensorProto as a Constant.
#pragma once

#include <string>

#include "net/tensor.hpp"
#include "onnx_format.pb.h"

namespace clconv::net {

// An error about a model as a whole, or about a part that `text` names.
[[noreturn]] void invalid_model(const std::string& text);
[[noreturn]] void unsupported_model(const std::string& text);

// ONNX's number of an element type. Throws Error{kUnsupported} for one that we cannot hold (strings, complex numbers,
// and those that came later), Error{kInvalidModel} for 0; `who` names the tensor.
Type type_of(std::int64_t number, const std::string& who);

// Sizes as a tensor has them, none negative, at most `kMostRank`. Throws Error{kInvalidModel} or Error{kUnsupported}.
constexpr std::size_t kMostRank = 8;
void check_rank(std::size_t rank, const std::string& who);

// The tensor's value. `who` names it in errors ("tensor 'w'"), `folder` holds external data. Leaves the message
// without its data, so that a model does not lie in memory twice.
ConstantPtr constant_of(onnx_format::TensorProto& tensor, const std::string& name,
                        const std::string& folder);

}  // namespace clconv::net
