// Whole networks, net.h, in Python.
#pragma once

#include "errors.hpp"

namespace clconv_python {

void bind_network(nb::module_& m);

}  // namespace clconv_python
