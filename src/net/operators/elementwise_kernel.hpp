// The kernel of an element-wise program: generated OpenCL C for the way in which the inputs broadcast. Sizes and
// numbers are arguments, so that one kernel serves every size and every constant.
#pragma once

#include <string>
#include <vector>

#include "net/lowering.hpp"
#include "net/operators/elementwise_program.hpp"

namespace clconv::net {

// How an output is walked through: dimensions in which all inputs behave alike are one. Bit i of a pattern: input i has
// the dimension, else it is broadcast along it.
struct Walk {
  std::vector<std::int64_t> sizes;  // outermost first; at least one
  std::vector<unsigned> patterns;

  // The inputs' shapes broadcast to the output's. With `images_apart`, which inputs those are (bit i; bit kOutput: the
  // output), dimension 0 is not merged with others: their images lie apart.
  Walk(const Shape& output, const std::vector<Shape>& inputs, unsigned images_apart = 0);
  static constexpr std::size_t kOutput = 31;
  unsigned images_apart = 0;
  bool apart(std::size_t input) const { return (images_apart >> input & 1u) != 0; }
  std::int64_t inner() const { return sizes.back(); }
  bool has(std::size_t dimension, std::size_t input) const {
    return (patterns[dimension] >> input & 1u) != 0;
  }
};

// One input of a launch.
struct ElementwiseSource {
  BufferId buffer = kNoBuffer;
  Shape shape;
  bool float32 = false;  // whatever the storage is
  // Elements from one image (dimension 0) to the next where those lie apart, else 0. Only of the output's shape.
  std::int64_t image_stride = 0;
};

// One launch that writes `output`, of this shape, in storage.
void launch_elementwise(Lowering& lowering, const std::string& name,
                        const ElementwiseProgram& program,
                        const std::vector<ElementwiseSource>& sources, const Images& output,
                        const Shape& shape);

// The text of that kernel. `float32` says so of each input.
std::string elementwise_text(const ElementwiseProgram& program, const Walk& walk,
                             const std::vector<bool>& float32);

}  // namespace clconv::net
