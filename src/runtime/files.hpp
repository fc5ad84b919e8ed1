// Files that are never seen half-written: readers of the cache and of the wisdom get the old
// content or the new one, also when a process dies in between or the disk is full.
#pragma once

#include <sys/stat.h>

#include <string>

namespace clconv::core {

// The file's bytes; false where there is no such file, and only then. Throws Error{kIo} with the system's reason
// for one that is there and cannot be read (no permission, a folder, an I/O error): nobody may take it for empty.
bool read_file(const std::string& path, std::string& content);

// Temp file, fsync, rename; what is no regular file (a pipe, /dev/stdout, wherever that leads) is written to
// directly. Of a symbolic link the target is written. An existing file keeps its mode and, as far as this user may,
// its owner; one that may not be written is not replaced; of a new one the umask decides the mode. Throws
// Error{kIo} that names the path and the system's reason, and leaves no temp file.
void write_file_atomically(const std::string& path, const std::string& content);

// Gives an open file the owner, the group and the mode of another as far as this user may.
void keep_owner_and_mode(int file, const struct stat& known);

// mkdir -p. Throws Error{kIo}.
void make_directories(const std::string& directory);
// Of the folder that `path` lies in.
void make_parent_directories(const std::string& path);

// Where a chain of symbolic links leads, also to a file that is not there yet.
std::string resolve_links(const std::string& path);

// $XDG_CACHE_HOME/clconv where that is an absolute path (the XDG specification says to ignore others), else
// $HOME/.cache/clconv where that is absolute, else "".
std::string user_cache_directory();

// An environment variable, "" where it is not set.
std::string environment(const char* name);

}  // namespace clconv::core
