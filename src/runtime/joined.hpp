// The launches of an executable as one (chain_program.hpp), where that is faster.
#pragma once

#include "runtime/device.hpp"
#include "runtime/executable.hpp"

namespace clconv::core {

// Fills executable.joined where the device has slow launches and executable.run has several steps, all of which may be
// tasks of a chain. Does nothing elsewhere, or where the device's compiler fails on the chain.
void join(Executable& executable, Device& device);

}  // namespace clconv::core
