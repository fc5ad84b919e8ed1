// Concatenation in place: which values are made directly in the buffer of the tensor that they become a part of. Knows
// the graph and sizes, no OpenCL.
#pragma once

#include <cstdint>
#include <map>

#include "net/graph.hpp"

namespace clconv::net {

// A value's place: it is `whole` from `offset_bytes` on, which is itself a value that may have a place.
struct Place {
  ValueId whole = kNoValue;
  std::int64_t offset_bytes = 0;
};
using Places = std::map<ValueId, Place>;

// Values that only one Concat reads, and that lie in one piece in its result, from a multiple of `alignment_bytes` on;
// also through operators that only give them another shape. None in a result that becomes the caller's buffer, which
// may not have parts.
Places places_of(const Graph& graph, std::int64_t element_bytes, std::int64_t alignment_bytes);

}  // namespace clconv::net
