// The text of an expected error.
#pragma once

#include <string>

#include "doctest/doctest.h"
#include "error.hpp"

namespace clconv::test {

// What `call` throws, which must be an Error with `code`; "" (and a failed check) if it throws
// none.
template <class Call>
std::string error_of(core::Code code, Call&& call) {
  try {
    call();
  } catch (const core::Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  FAIL_CHECK("expected an error, none was thrown");
  return "";
}

}  // namespace clconv::test
