// Plans in Python: planning, execution on PyOpenCL's buffers and on host arrays.
#pragma once

#include "errors.hpp"

namespace clconv_python {

void bind_plan(nb::module_& m);

}  // namespace clconv_python
