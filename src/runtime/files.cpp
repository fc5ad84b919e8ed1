#include "runtime/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "error.hpp"

namespace clconv::core {
namespace {

[[noreturn]] void io_error(const std::string& what, const std::string& path, int error) {
  throw Error(Code::kIo, what + " " + path + ": " + std::strerror(error));
}

}  // namespace

bool read_file(const std::string& path, std::string& content) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && (errno == ENOENT || errno == ENOTDIR)) return false;
  if (file < 0) io_error("cannot read", path, errno);
  std::string read;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(file, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      ::close(file);
      io_error("cannot read", path, error);
    }
    if (got == 0) break;
    read.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(file);
  content = std::move(read);
  return true;
}

void make_directories(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) io_error("cannot create directory", directory, error.value());
}

void make_parent_directories(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty()) make_directories(directory);
}

std::string resolve_links(const std::string& path) {
  std::filesystem::path resolved = path;
  std::error_code error;
  constexpr int kMostLinks = 40;  // as Linux has it
  for (int links = 0; links < kMostLinks; ++links) {
    const std::filesystem::path target = std::filesystem::read_symlink(resolved, error);
    if (error) return resolved.string();
    resolved = target.is_absolute() ? target : resolved.parent_path() / target;
  }
  io_error("cannot resolve", path, ELOOP);
}

void write_file_atomically(const std::string& named, const std::string& content) {
  static std::atomic<unsigned> counter{0};
  const std::string path = resolve_links(named);
  struct stat known {};
  const bool exists = ::stat(path.c_str(), &known) == 0;
  const bool special = exists && !S_ISREG(known.st_mode);
  const std::string target =
      special ? path
              : path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++);
  const int file =
      ::open(target.c_str(), O_WRONLY | O_CLOEXEC | (special ? 0 : O_CREAT | O_EXCL), 0666);
  if (file < 0) io_error("cannot write", path, errno);
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
    if (exists) {
      // Only root may give a file away; whoever may not leaves the file to themselves.
      if (::fchown(file, known.st_uid, known.st_gid) != 0) errno = 0;
      if (::fchmod(file, known.st_mode & 07777) != 0) fail("cannot keep the mode of");
    }
    if (::fsync(file) != 0) fail("cannot flush");
    if (::rename(target.c_str(), path.c_str()) != 0) fail("cannot replace");
  }
  ::close(file);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string user_cache_directory() {
  const std::string xdg = environment("XDG_CACHE_HOME");
  if (xdg[0] == '/') return xdg + "/clconv";
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.cache/clconv";
}

}  // namespace clconv::core
