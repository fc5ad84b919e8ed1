// What the gradient of an activated result is multiplied by before anything else is done with it.
#pragma once

#include <string>

#include "problem.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// The backward of an activation, computed from the forward result `y`; without `on` a gradient counts as it is.
struct Mask {
  bool on = false;
  Region y;
  std::string defines = " -DMASK=0";  // for part mask, parameters of the activation included

  // y, or for the kernel's parameter, which it then does not read, what there is.
  const Region& y_or(const Region& other) const { return on ? y : other; }
};

// Of a problem's dy.
Mask mask_of(const Problem& problem);

// " -DSLOPE=.. -DOFFSET=..": the parameters that an activation has.
std::string parameter_defines(const Problem& problem, Activation activation);

}  // namespace clconv::core
