// The launches of an executable as one (chain_program.hpp), where that is faster.
#pragma once

#include "runtime/device.hpp"
#include "runtime/executable.hpp"

namespace clconv::core {

// Fills executable.joined where the device has slow launches and `run` has several, or one that is to be shared
// (Executable::share_launch), all of which may be tasks. `with_weights`: joined_with_weights, too. Does nothing
// elsewhere, or where the device's compiler fails on the chain.
void join(Executable& executable, Device& device, bool with_weights);

}  // namespace clconv::core
