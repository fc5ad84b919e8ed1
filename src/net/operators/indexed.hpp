// Indexed copies: what Pad, Gather and Resize to the nearest element are. A table per axis says which index of the
// input each index of the result takes; one description serves constant folding and kernels/net/indexed.cl.
#pragma once

#include <cstdint>
#include <vector>

#include "net/operators/strided.hpp"

namespace clconv::net {

constexpr cl_int kFilled = -1;  // in a table: the result takes no element, but the filling

struct IndexedAxis {
  std::int64_t from_size = 0, size = 0;  // of the input and of the result
  std::vector<cl_int> table;             // empty: index i is taken from i
};

// A tensor of integers takes what no double may hold.
struct Fill {
  double number = 0;
  std::int64_t integer = 0;
};
Fill fill_with(double number);

struct IndexedCopy {
  std::vector<IndexedAxis> axes;  // outermost first
  Fill fill;
};

// An axis that is copied as it is, and one with a table.
IndexedAxis whole_axis(std::int64_t size);
IndexedAxis indexed_axis(std::int64_t from_size, std::vector<cl_int> table);
bool is_plain(const IndexedCopy& copy);  // takes every element as it is
// A size that a table's indices can name. Throws Error{kUnsupported}.
void expect_indexable(const NodeView& view, std::int64_t size);

ConstantPtr taken(const Constant& from, const Shape& shape, const IndexedCopy& copy);
// One launch, or none where there is nothing to copy.
void launch_indexed(Lowering& lowering, const char* name, BufferId x, BufferId y,
                    const IndexedCopy& copy);

}  // namespace clconv::net
