// What ends the program, by the exit status it has then. Each is one line that names what it is about.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

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

// One line on standard error; returns the status.
int report(const char* program, const std::string& text, int status);

// Runs what a program does. The exit status: 0, or that of what ended it, which becomes one line.
int exit_status_of(const char* program, const std::function<void()>& action);

}  // namespace clconv::cli
