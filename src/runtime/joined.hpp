// The launches of an executable as one (chain_program.hpp), where that is faster.
#pragma once

#include "runtime/device.hpp"
#include "runtime/executable.hpp"

namespace clconv::core {

// Fills executable.joined where the device has slow launches and `run` has several, all of which may be tasks. Nothing
// happens elsewhere, nor where the device's compiler does not take it. `with_weights`: joined_with_weights, too.
void join(Executable& executable, Device& device, bool with_weights);

}  // namespace clconv::core
