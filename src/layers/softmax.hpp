// Softmax and categorical cross-entropy, forward and backward in one pass.
#pragma once

#include "runtime/executable.hpp"

namespace clconv::core {

struct Softmax {
  std::int64_t n = 1, m = 1;  // rows, classes
  bool accumulate = false;    // add to loss and correct
};

// logits (n,m), labels (n, int32); the results that are null are not computed. loss: the mean over the rows, one
// float; correct: rows whose first largest logit is the label's, one int32; dlogits: gradient_scale times the
// gradient of the loss. A label outside [0,m) makes the loss NaN and counts as wrong.
struct SoftmaxRegions {
  Region logits, labels;
  const Region* loss = nullptr;
  const Region* correct = nullptr;
  const Region* probabilities = nullptr;
  const Region* dlogits = nullptr;
  Number gradient_scale{0};
};
Executable softmax_cross_entropy(Device& device, const Softmax& softmax,
                                 const SoftmaxRegions& regions);

}  // namespace clconv::core
