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
  // Elements from one image to the next where it is a range of channels of several images; else 0, and it lies in one
  // piece.
  std::int64_t image_stride = 0;
};
using Places = std::map<ValueId, Place>;

// Values that only one Concat reads, and that begin in its result at a multiple of `alignment_bytes`: those that lie
// there in one piece, also through operators that only give them another shape, and ranges of channels that operators
// make which can leave their images apart. None in a result that becomes the caller's buffer, which may not have parts.
Places places_of(Graph& graph, std::int64_t element_bytes, std::int64_t alignment_bytes);

// Can all that read the value read it with its images apart? Not where the network's caller does.
bool readers_take_images_apart(Graph& graph, ValueId id);

}  // namespace clconv::net
