// The check of the variants that a network's convolutions take, by the network's own chains: a program less for each
// variant, which is most of what a first run costs. What the check is, and what it means, is libclconv's
// (clconv_plan_check()).
#pragma once

#include <memory>
#include <vector>

#include "net/chain.hpp"
#include "net/step.hpp"

namespace clconv::net {

// Checks every convolution's plan, with the launches in a chain that has their kernels, else one by one. False where a
// variant is wrong, or its check could not be made: then the plans must be made again, and checked one by one.
bool all_right(const std::vector<std::unique_ptr<Step>>& steps,
               const std::vector<std::unique_ptr<Chain>>& chains);

}  // namespace clconv::net
