// Runs a built program as a user does.
#pragma once

#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "support/temp.hpp"

namespace clconv::test {

struct ProgramResult {
  int status = -1;  // exit status, or minus the signal that ended it
  std::string out, err;
};

// Runs `program arguments` in the folder, with `environment` ("A=b C=d") in front.
inline ProgramResult run_program(const TempFolder& folder, const std::string& program,
                                 const std::string& arguments,
                                 const std::string& environment = "") {
  static std::atomic<int> counter{0};
  const std::string id = std::to_string(counter++);
  const std::string out = folder.path("out" + id), err = folder.path("err" + id);
  const std::string command = "cd " + folder.root() + " && " + environment + " " + program + " " +
                              arguments + " >" + out + " 2>" + err;
  const auto take = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    std::filesystem::remove(path);
    return text;
  };
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), take(out), take(err)};
}

}  // namespace clconv::test
