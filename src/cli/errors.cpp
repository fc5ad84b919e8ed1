#include "cli/errors.hpp"

#include <cstdio>
#include <cstdlib>
#include <new>

#include "clconv/clconv.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

int exit_status(clconv_status status) {
  switch (status) {
    case CLCONV_INVALID_ARGUMENT:
    case CLCONV_INVALID_PROBLEM:
    case CLCONV_INVALID_MODEL:
    case CLCONV_UNSUPPORTED: return 2;
    case CLCONV_CONSTRAINT: return 3;
    default: return 1;
  }
}

bool verbose() {
  const char* value = std::getenv("CLCONV_VERBOSE");
  return value != nullptr && *value != '\0' && std::string(value) != "0";
}

}  // namespace

int report(const char* program, const std::string& text, int status) {
  std::fprintf(stderr, "%s: %s\n", program, core::one_line(text).c_str());
  return status;
}

int exit_status_of(const char* program, const std::function<void()>& action) {
  try {
    action();
    if (std::fflush(stdout) != 0) return report(program, "cannot write to standard output", 1);
    return 0;
  } catch (const BadInput& error) {
    return report(program, error.what(), 2);
  } catch (const Unmet& error) {
    return report(program, error.what(), 3);
  } catch (const Error& error) {
    if (verbose() && !error.detail().empty()) std::fprintf(stderr, "%s\n", error.detail().c_str());
    return report(program, error.what(), exit_status(error.status()));
  } catch (const std::bad_alloc&) {
    return report(program, "out of host memory", 1);
  } catch (const std::exception& error) {
    return report(program, error.what(), 1);
  }
}

}  // namespace clconv::cli
