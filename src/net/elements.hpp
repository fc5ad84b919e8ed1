// Elements of a tensor as they lie in memory, as a Constant holds them. No protobuf, no OpenCL.
#pragma once

#include <cstdint>
#include <string>

#include "net/tensor.hpp"

namespace clconv::net {

// Reads elements of the constant's type, dense and little endian as this machine is, into it: as many as its shape has.
// `who` names the tensor. Throws Error{kUnsupported} for a type that we do not hold, and as integer_of().
void read_elements(const void* bytes, const std::string& who, Constant& constant);

// The element of a uint64 tensor. Throws Error{kUnsupported} for one above the largest int64.
std::int64_t integer_of(std::uint64_t value, const std::string& who);
// Towards 0; what no 64-bit integer holds becomes the closest, NaN 0.
std::int64_t truncated(double value);
// Of the bits of a float16 or bfloat16.
float float_of_bits(Type type, std::uint16_t bits);

}  // namespace clconv::net
