#include "net/onnx/external.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "error.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

namespace fs = std::filesystem;
using core::Code;
using core::Error;

// An open file that is closed with its scope.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string subject(const std::string& tensor, const ExternalData& data) {
  return "tensor '" + core::cut_name(tensor) + "': external data '" +
         core::cut_name(data.location) + "'";
}

std::string reason(int error) {
  return std::system_category().message(error);
}

// The path without symbolic links, checked to be inside the folder.
fs::path resolved(const std::string& who, const ExternalData& data, const std::string& folder) {
  const fs::path location(data.location);
  const bool climbs = std::find(location.begin(), location.end(), "..") != location.end();
  if (location.empty() || location.is_absolute() || climbs ||
      data.location.find('\0') != std::string::npos) {
    throw Error(Code::kInvalidModel, who + " must be a path inside the model's folder");
  }
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) throw Error(Code::kIo, who + ": folder '" + folder + "': " + error.message());
  const fs::path path = fs::canonical(root / location, error);
  if (error) {
    throw Error(Code::kIo, who + " cannot be read from '" + folder + "': " + error.message());
  }
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  if (end != root.end()) {
    throw Error(Code::kInvalidModel, who + " is a link out of the model's folder");
  }
  return path;
}

void check_range(const std::string& who, const ExternalData& data, std::int64_t bytes,
                 std::int64_t file_bytes) {
  if (data.offset < 0) {
    throw Error(Code::kInvalidModel, who + " has offset " + std::to_string(data.offset));
  }
  if (data.length >= 0 && data.length != bytes) {
    throw Error(Code::kInvalidModel, who + " has length " + std::to_string(data.length) +
                                         ", but type and shape need " + std::to_string(bytes) +
                                         " bytes");
  }
  if (data.offset > file_bytes || bytes > file_bytes - data.offset) {
    throw Error(Code::kInvalidModel, who + " is too short: " + std::to_string(bytes) +
                                         " bytes from " + std::to_string(data.offset) +
                                         " on are needed, the file has " +
                                         std::to_string(file_bytes));
  }
}

}  // namespace

std::string read_external(const std::string& tensor, const ExternalData& data,
                          const std::string& folder, std::int64_t bytes) {
  const std::string who = subject(tensor, data);
  if (folder.empty()) {
    throw Error(Code::kIo, who + " cannot be read: the model was given without a folder");
  }
  const fs::path path = resolved(who, data, folder);
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) throw Error(Code::kIo, who + " cannot be opened: " + reason(errno));
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) {
    throw Error(Code::kIo, who + " cannot be read: " + reason(errno));
  }
  if (!S_ISREG(status.st_mode)) throw Error(Code::kIo, who + " is no regular file");
  check_range(who, data, bytes, status.st_size);
  std::string content(static_cast<std::size_t>(bytes), '\0');
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t got = ::pread(file.get(), &content[done], content.size() - done,
                                data.offset + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(Code::kIo, who + " cannot be read: " + reason(errno));
    if (got == 0) throw Error(Code::kIo, who + " became shorter while it was read");
    done += static_cast<std::size_t>(got);
  }
  return content;
}

}  // namespace clconv::net
