// Files that are never seen half-written: readers of the cache and of the wisdom get the old
// content or the new one, also when a process dies in between or the disk is full.
#pragma once

#include <string>

namespace clconv::core {

// The file's bytes; false where there is no such file, and only then. Throws Error{kIo} with the system's reason for one
// that is there and cannot be read (no permission, a folder, an I/O error): nobody may take it for empty.
bool read_file(const std::string& path, std::string& content);

// Temp file, fsync, rename; what is no regular file (a pipe, /dev/stdout) is written to directly.
// Of a symbolic link the target is written. An existing file keeps its mode, of a new one the umask decides. Throws
// Error{kIo} that names the path and the system's reason, and leaves no temp file.
void write_file_atomically(const std::string& path, const std::string& content);

// mkdir -p. Throws Error{kIo}.
void make_directories(const std::string& directory);
// Of the folder that `path` lies in.
void make_parent_directories(const std::string& path);

// Where a chain of symbolic links leads, also to a file that is not there yet.
std::string resolve_links(const std::string& path);

// $XDG_CACHE_HOME/clconv where that is an absolute path (the XDG specification says to ignore others), else
// $HOME/.cache/clconv, else "".
std::string user_cache_directory();

// An environment variable, "" where it is not set.
std::string environment(const char* name);

}  // namespace clconv::core
