// Products with constant weights as fully connected layers of libclconv.
#pragma once

#include "net/lowering.hpp"

namespace clconv::net {

// Lowers a MatMul or Gemm whose second operand is constant. False, and nothing done, where it does not apply.
bool lower_fully_connected(Lowering& lowering);

}  // namespace clconv::net
