#include "runtime/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "error.hpp"

namespace clconv::core {
namespace {

[[noreturn]] void io_error(const std::string& what, const std::string& path, int error) {
  throw Error(Code::kIo, what + " " + path + ": " + std::strerror(error));
}

}  // namespace

bool read_file(const std::string& path, std::string& content) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return false;
  std::ostringstream buffer;
  buffer << in.rdbuf();
  content = buffer.str();
  return !in.bad();
}

void make_directories(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) io_error("cannot create directory", directory, error.value());
}

void write_file_atomically(const std::string& path, const std::string& content) {
  static std::atomic<unsigned> counter{0};
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty()) make_directories(directory);
  // A pipe or a device (/dev/stdout) is written to; a rename would replace it by a file.
  struct stat known {};
  const bool special = ::stat(path.c_str(), &known) == 0 && !S_ISREG(known.st_mode);
  const std::string target =
      special ? path
              : path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++);
  const int file =
      ::open(target.c_str(), O_WRONLY | O_CLOEXEC | (special ? 0 : O_CREAT | O_EXCL), 0644);
  if (file < 0) io_error("cannot write", target, errno);
  const auto fail = [&](const char* what) {
    const int error = errno;
    ::close(file);
    if (!special) ::unlink(target.c_str());
    io_error(what, path, error);
  };
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t wrote = ::write(file, content.data() + done, content.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("cannot write");
    done += static_cast<std::size_t>(wrote);
  }
  if (!special) {
    if (::fsync(file) != 0) fail("cannot flush");
    if (::rename(target.c_str(), path.c_str()) != 0) fail("cannot replace");
  }
  ::close(file);
}

FileLock::FileLock(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty()) make_directories(directory);
  const std::string lock = path + ".lock";
  descriptor_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) io_error("cannot lock", lock, errno);
  while (::flock(descriptor_, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const int error = errno;
    ::close(descriptor_);
    io_error("cannot lock", lock, error);
  }
}

FileLock::~FileLock() {
  ::close(descriptor_);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string user_cache_directory() {
  const std::string xdg = environment("XDG_CACHE_HOME");
  if (!xdg.empty()) return xdg + "/clconv";
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.cache/clconv";
}

}  // namespace clconv::core
