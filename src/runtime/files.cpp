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

struct Target {
  std::string path;
  // /dev/stdout and the like: an open file by another name, whose owner goes on writing to it.
  bool is_descriptor = false;
  int number = -1;  // where it is this process's
};

Target target_of(const std::string& path) {
  namespace fs = std::filesystem;
  fs::path place = path;
  std::error_code error;
  constexpr int kMostLinks = 40;  // as Linux has it
  for (int links = 0; links <= kMostLinks; ++links) {
    const fs::path folder =
        fs::canonical(place.has_parent_path() ? place.parent_path() : ".", error);
    if (folder.string().rfind("/proc/", 0) == 0 && folder.filename() == "fd") {
      const bool ours = folder == "/proc/" + std::to_string(::getpid()) + "/fd";
      return {path, true, ours ? std::atoi(place.filename().c_str()) : -1};
    }
    const fs::path next = fs::read_symlink(place, error);
    if (error) return {place.string()};
    place = next.is_absolute() ? next : place.parent_path() / next;
  }
  io_error("cannot resolve", path, ELOOP);
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
  return target_of(path).path;
}

void keep_owner_and_mode(int file, const struct stat& known) {
  // The owner first: changing it clears bits of the mode. Only root may give a file away; whoever may not leaves
  // the file to themselves, in its group if they are in it.
  constexpr uid_t kSame = static_cast<uid_t>(-1);
  if (::fchown(file, known.st_uid, known.st_gid) != 0 && ::fchown(file, kSame, known.st_gid) != 0) {
    errno = 0;
  }
  if (::fchmod(file, known.st_mode & 07777) != 0) errno = 0;
}

void write_file_atomically(const std::string& path, const std::string& content) {
  static std::atomic<unsigned> counter{0};
  const Target target = target_of(path);
  struct stat known {};
  const bool exists = ::stat(target.path.c_str(), &known) == 0;
  const bool direct = target.is_descriptor || (exists && !S_ISREG(known.st_mode));
  // A rename asks for no permission on the file that it replaces.
  if (exists && !direct && ::faccessat(AT_FDCWD, target.path.c_str(), W_OK, AT_EACCESS) != 0) {
    io_error("cannot write", path, errno);
  }
  const std::string place =
      direct ? target.path
             : target.path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++);
  // An open file is written through its descriptor, which has a position in it.
  const int file =
      target.number >= 0
          ? ::dup(target.number)
          : ::open(place.c_str(), O_WRONLY | O_CLOEXEC | (direct ? O_APPEND : O_CREAT | O_EXCL),
                   0666);
  if (file < 0) io_error("cannot write", path, errno);
  const auto fail = [&](const char* what) {
    const int error = errno;
    ::close(file);
    if (!direct) ::unlink(place.c_str());
    io_error(what, path, error);
  };
  if (exists && !direct) keep_owner_and_mode(file, known);
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t wrote = ::write(file, content.data() + done, content.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("cannot write");
    done += static_cast<std::size_t>(wrote);
  }
  if (!direct) {
    if (::fsync(file) != 0) fail("cannot flush");
    if (::rename(place.c_str(), target.path.c_str()) != 0) fail("cannot replace");
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
  return home[0] == '/' ? home + "/.cache/clconv" : "";
}

}  // namespace clconv::core
