// What a batch normalization with known statistics is: a factor and a summand per channel.
#pragma once

#include <vector>

#include "net/operator.hpp"

namespace clconv::net {

struct ChannelScale {
  std::vector<float> factors, summands;  // y = x*factor + summand
};

// Are scale, bias, mean and variance constants?
bool has_known_statistics(const NodeView& view);
// Of a BatchNormalization node whose inference passed and whose statistics are known.
ChannelScale channel_scale(const NodeView& view);
// The shape in which one number per channel broadcasts to a tensor of this rank: Cx1x1 for 4.
Shape channel_shape(std::int64_t channels, std::size_t rank);

}  // namespace clconv::net
