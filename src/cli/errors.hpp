// What ends the program, by the exit status it has then. Each is one line that names what it is about.
#pragma once

#include <stdexcept>

namespace clconv::cli {

// A wrong word, file or value in the input: exit status 2.
class BadInput : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A file that cannot be read or written: exit status 1.
class FileFailure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A constraint that cannot be met: exit status 3.
class Unmet : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace clconv::cli
