// doctest's main, in an environment where nobody's wisdom decides a test and no test leaves any.
#include <cstdlib>

#define DOCTEST_CONFIG_IMPLEMENT
#include "doctest/doctest.h"

int main(int argc, char** argv) {
  ::setenv("CLCONV_WISDOM", "off", 1);
  for (const char* name : {"CLCONV_RIGOR", "CLCONV_STRATEGY", "CLCONV_WORKSPACE_LIMIT",
                           "CLCONV_CACHE_DIR", "CLCONV_VERBOSE", "CLCONV_WAIT_POLICY"}) {
    ::unsetenv(name);
  }
  return doctest::Context(argc, argv).run();
}
