// Networks over devices in Python, on host arrays.
#pragma once

#include "errors.hpp"

namespace clconv_python {

void bind_network_batch(nb::module_& m);

}  // namespace clconv_python
