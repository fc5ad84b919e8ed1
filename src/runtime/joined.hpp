// The launches of an executable as one (chain_program.hpp), where that is faster.
#pragma once

#include "runtime/device.hpp"
#include "runtime/executable.hpp"

namespace clconv::core {

// Fills executable.joined where the device has slow launches and `run` has several, or one that is to be shared
// (Executable::share_launch), all of which may be tasks. Nothing
// happens elsewhere, nor where the device's compiler does not take it.
void join(Executable& executable, Device& device);

}  // namespace clconv::core
