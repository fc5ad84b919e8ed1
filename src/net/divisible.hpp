// May the images of a network be computed apart, on several devices? Knows graphs and sizes, no OpenCL.
#pragma once

#include <cstdint>

#include "net/graph.hpp"

namespace clconv::net {

// The images of the graph, the first size of every input. Throws Error{kInvalidArgument} that names an input without
// one, or with another.
std::int64_t images_of(const Graph& graph);

// Of an inferred graph (operator.hpp). Throws Error{kUnsupported} that names the node where an operator computes along
// the images, or reorders them, as a Softmax or a Concat with axis 0 does.
void check_images_apart(Graph& graph);

// `whole` and `part` are one model, inferred for different numbers of images. Throws Error{kUnsupported} that names the
// node or the output where the results of some images are not those rows of the results of all images: something that
// follows from the inputs has a first size that does not grow with the images, or another size that does. Constants
// that follow from shapes, as Range over the number of images, are not looked at.
void check_divisible(const Graph& whole, const Graph& part);

}  // namespace clconv::net
