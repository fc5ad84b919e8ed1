// Files that are never seen half-written: readers of the cache and of the wisdom get the old
// content or the new one, also when a process dies in between or the disk is full.
#pragma once

#include <string>

namespace clconv::core {

// The file's bytes; false where it cannot be read.
bool read_file(const std::string& path, std::string& content);

// Temp file beside `path`, fsync, rename; what is no regular file is written to directly. Creates
// the directory. Throws Error{kIo} that names the path and the system's reason, and leaves no temp
// file.
void write_file_atomically(const std::string& path, const std::string& content);

// mkdir -p. Throws Error{kIo}.
void make_directories(const std::string& directory);

// Exclusive lock on `path`.lock between processes (flock), held for the object's life. Throws
// Error{kIo} where the lock file cannot be opened.
class FileLock {
 public:
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

// $XDG_CACHE_HOME/clconv, else $HOME/.cache/clconv, else "".
std::string user_cache_directory();

// An environment variable, "" where it is not set.
std::string environment(const char* name);

}  // namespace clconv::core
