// Launching products of matrices. Knows matrices, and no node.
#pragma once

#include <vector>

#include "net/lowering.hpp"

namespace clconv::net {

// y = alpha * a b + beta * c, for each of a batch: input 0 is a, input 1 b, input 2 c where there is one. Matrices lie
// one after another, m x k and k x n, or transposed.
struct Product {
  std::int64_t m = 1, n = 1, k = 1;
  bool transposed_a = false, transposed_b = false;
  std::int64_t a_matrices = 1, b_matrices = 1;
  std::vector<cl_int> a_of, b_of;  // of each product, its matrices
  float alpha = 1, beta = 1;
  bool add_c = false;
  std::int64_t c_row = 0, c_column = 0;  // steps in c; 0 where it is broadcast

  std::int64_t batch() const { return static_cast<std::int64_t>(a_of.size()); }
};

// Steps to output 0. There is at least one result, and k is at least 1.
void lower_product(Lowering& lowering, const Product& product);

}  // namespace clconv::net
