// The environment variables under which all contenders do their best. Libraries read them while they are
// loaded, so the program starts itself again with them.
#pragma once

#include <string>
#include <vector>

namespace clconv::bench {

// Call first in main. What the user has set stays, but for OPENBLAS_CORETYPE. Returns in the second life only,
// unless nothing was missing.
void settle_environment(char** argv);

// Names of the variables that settle_environment() added, for programs that are to run without them.
std::vector<std::string> added_variables();

}  // namespace clconv::bench
