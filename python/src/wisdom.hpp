// The wisdom files of clconv.h in Python.
#pragma once

#include "errors.hpp"

namespace clconv_python {

void bind_wisdom(nb::module_& m);

}  // namespace clconv_python
