// im2col, col2im and pooling in Python.
#pragma once

#include "errors.hpp"

namespace clconv_python {

void bind_operations(nb::module_& m);

}  // namespace clconv_python
