#include "runtime/program.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

#include "runtime/files.hpp"
#include "runtime/kernel_sources.hpp"

namespace clconv::core {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMagic = "clconv program 1\n";
constexpr const char* kExtension = ".clbin";
constexpr const char* kOff = "off";
constexpr const char* kDeclarations = "declarations";
// The guard of the header with the declarations of OpenCL C in clang and PoCL, which then is empty.
constexpr const char* kWithoutHeader = " -D_OPENCL_H_";
// Vectors of 16 floats change the ABI where the CPU has none; PoCL prints the number of such warnings to stderr.
constexpr const char* kWithoutWarnings = " -w";

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

const char* embedded_source(const std::string& name) {
  for (std::size_t i = 0; i < kKernelSourceCount; ++i) {
    if (name == kKernelSources[i].name) return kKernelSources[i].text;
  }
  return nullptr;
}

// The parts that a source names in its first line.
std::vector<std::string> parts_of(const std::string& source) {
  const std::string kHead = "// parts:";
  if (source.compare(0, kHead.size(), kHead) != 0) return {};
  std::istringstream words(source.substr(kHead.size(), source.find('\n') - kHead.size()));
  return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

// #line makes the compiler's messages name our files and their lines.
std::string with_line(const std::string& name, const std::string& text) {
  return "#line 1 \"kernels/" + name + ".cl\"\n" + text + "\n";
}

// Appends the parts that the source `name` uses and that are not yet there, each behind its own parts.
void append_parts(const std::string& name, const std::string& text, const KernelSources& sources,
                  std::set<std::string>& used, std::string& program) {
  for (const std::string& part : parts_of(text)) {
    if (!used.insert(part).second) continue;
    const std::string file = "parts/" + part;
    const char* part_text = sources(file);
    if (part_text == nullptr) {
      throw Error(Code::kInternal, "kernels/" + name + ".cl uses the part '" + part +
                                       "', but there is no kernels/" + file + ".cl");
    }
    append_parts(file, part_text, sources, used, program);
    program += with_line(file, part_text);
  }
}

std::string source_of(const std::string& name, const char* text, const KernelSources& sources) {
  std::set<std::string> used;
  std::string program;
  append_parts(name, text, sources, used, program);
  return program + with_line(name, text);
}

bool is_pocl(const cl::Device& device) {
  const cl::Platform platform(device.getInfo<CL_DEVICE_PLATFORM>());
  // Some drivers count the terminating zero.
  return platform.getInfo<CL_PLATFORM_NAME>().rfind(kPocl, 0) == 0;
}

// Builds with kernels/declarations.cl instead of PoCL's declarations; that file says why. False with other drivers,
// where a program needs a function that is not declared there, and where PoCL's declarations cannot be left out: then
// the compiler has refused, and the caller builds with them.
bool build_declared(const cl::Context& context, const cl::Device& device,
                    const std::string& options, const std::string& source, cl::Program& program) {
  if (!is_pocl(device)) return false;
  program = cl::Program(context, program_source(kDeclarations) + source);
  try {
    program.build({device}, (options + kWithoutHeader + kWithoutWarnings).c_str());
  } catch (const cl::Error&) {
    return false;
  }
  return true;
}

// The first line of a build log that reports an error, else its first line, and what is known of such.
std::string cause_of(const std::string& log, const cl::Device& device) {
  std::string first;
  std::size_t begin = 0;
  while (begin < log.size()) {
    const std::size_t end = std::min(log.find('\n', begin), log.size());
    const std::string line = log.substr(begin, end - begin);
    if (line.find("error") != std::string::npos) return line;
    if (first.empty()) first = line;
    begin = end + 1;
  }
  return (first.empty() ? "the driver gave no log" : first) +
         (is_pocl(device) ? kPoclFolderHint : "");
}

}  // namespace

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ull;
  }
  return hash;
}

std::string hex(std::uint64_t value) {
  static const char* const kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4)
    text[i] = kDigits[value & 15];
  return text;
}

std::string program_source(const std::string& name, const KernelSources& sources) {
  const char* text = sources(name);
  if (text == nullptr) {
    throw Error(Code::kInternal, "no kernel source named '" + name + "' is embedded");
  }
  return source_of(name, text, sources);
}

std::string program_source(const std::string& name) {
  return program_source(name, embedded_source);
}

std::string generated_source(const std::string& name, const std::string& text) {
  return source_of(name, text.c_str(), embedded_source);
}

std::uint64_t program_hash(const std::string& name) {
  return fnv1a(program_source(name));
}

CacheOptions cache_options(const std::string& directory, std::int64_t max_bytes) {
  CacheOptions options;
  if (max_bytes > 0) options.max_bytes = max_bytes;
  options.directory = directory.empty() ? environment("CLCONV_CACHE_DIR") : directory;
  options.explicit_directory = !options.directory.empty();
  if (options.directory.empty()) options.directory = user_cache_directory();
  if (options.directory == kOff) options.directory.clear();
  return options;
}

CacheOptions effective(const CacheOptions& options, bool driver_cache) {
  CacheOptions result = options;
  if (driver_cache && !options.explicit_directory) result.directory.clear();
  return result;
}

ProgramCache::ProgramCache(const cl::Context& context, const cl::Device& device,
                           std::string device_key, CacheOptions options)
    : context_(context),
      device_(device),
      device_key_(std::move(device_key)),
      options_(std::move(options)) {}

ProgramCache::Stats ProgramCache::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void ProgramCache::trim() {
  const std::lock_guard<std::mutex> lock(mutex_);
  programs_.clear();  // who waits for a build holds its future
  texts_.clear();
}

std::int64_t ProgramCache::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<std::int64_t>(programs_.size());
}

std::set<std::string> ProgramCache::names() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::set<std::string> names;
  for (const auto& [key, program] : programs_)
    names.insert(key.substr(0, key.find(' ')));
  return names;
}

cl::Program ProgramCache::get(const std::string& file, const std::string& options) {
  return get(file, options, [&] { return program_source(file); });
}

cl::Program ProgramCache::get_generated(const std::string& text, const std::string& options) {
  const std::string name = "generated-" + hex(fnv1a(text));
  return get(name, options, [&] { return generated_source(name, text); });
}

ProgramTextPtr ProgramCache::text(const std::string& file, const std::string& options) {
  return text(file, options, [&] { return program_source(file); });
}

ProgramTextPtr ProgramCache::generated_text(const std::string& text, const std::string& options) {
  const std::string name = "generated-" + hex(fnv1a(text));
  return this->text(name, options, [&] { return generated_source(name, text); });
}

ProgramTextPtr ProgramCache::text(const std::string& file, const std::string& options,
                                  const std::function<std::string()>& source) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ProgramTextPtr& known = texts_[file + " " + options];
  if (known == nullptr) known = std::make_shared<const ProgramText>(ProgramText{source(), options});
  return known;
}

cl::Program ProgramCache::get(const std::string& file, const std::string& options,
                              const std::function<std::string()>& source) {
  const std::string key = file + " " + options;
  std::promise<cl::Program> promise;
  std::shared_future<cl::Program> future;
  bool ours = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = programs_.find(key);
    ours = found == programs_.end();
    if (ours) {
      future = programs_.emplace(key, promise.get_future().share()).first->second;
    } else {
      ++stats_.from_memory;
      future = found->second;
    }
  }
  if (!ours) return future.get();
  const double begin = now_us();
  try {
    promise.set_value(load_or_build(file, options, source()));
  } catch (...) {
    promise.set_exception(std::current_exception());
    const std::lock_guard<std::mutex> lock(mutex_);
    programs_.erase(key);  // a failure may be passing (memory); the next caller tries again
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  stats_.build_us += now_us() - begin;
  return future.get();
}

cl::Program ProgramCache::load_or_build(const std::string& file, const std::string& options,
                                        const std::string& source) {
  const std::string key = device_key_ + "\n" + file + " " + options + "\n" + hex(fnv1a(source)) +
                          " " + std::to_string(source.size()) + "\n";
  cl::Program program;
  if (!options_.directory.empty() && load(key, program)) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++stats_.from_disk;
    return program;
  }
  program = build(file, options, source);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++stats_.built;
  }
  if (!options_.directory.empty()) store(key, program);
  return program;
}

cl::Program ProgramCache::build(const std::string& file, const std::string& options,
                                const std::string& source) {
  cl::Program program;
  if (build_declared(context_, device_, options, source, program)) return program;
  program = cl::Program(context_, source);
  try {
    program.build({device_}, options.c_str());
  } catch (const cl::Error& error) {
    std::string log;
    try {
      log = program.getBuildInfo<CL_PROGRAM_BUILD_LOG>(device_);
    } catch (const cl::Error&) {
      // Without a log the status must do.
    }
    throw Error(Code::kBuildFailed,
                "building kernels/" + file + ".cl with '" + options + "' failed, " +
                    status_text(error.err()) + ": " + cause_of(log, device_),
                log);
  }
  return program;
}

std::string ProgramCache::path_of(const std::string& key) const {
  return options_.directory + "/" + hex(fnv1a(key)) + kExtension;
}

// An entry is: magic, key, one line with payload size and checksum, payload.
bool ProgramCache::load(const std::string& key, cl::Program& program) {
  const std::string path = path_of(key);
  std::string content;
  try {
    if (!read_file(path, content)) return false;
  } catch (const Error& error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    stats_.last_disk_failure = error.what();  // the program is built instead
    return false;
  }
  const std::string head = kMagic + key;
  if (content.compare(0, head.size(), head) != 0) return false;
  const std::size_t line_end = content.find('\n', head.size());
  if (line_end == std::string::npos) return false;
  const std::string payload = content.substr(line_end + 1);
  const std::string line = content.substr(head.size(), line_end - head.size());
  if (line != std::to_string(payload.size()) + " " + hex(fnv1a(payload))) return false;
  try {
    const std::vector<unsigned char> bytes(payload.begin(), payload.end());
    program = cl::Program(context_, {device_}, cl::Program::Binaries{bytes});
    program.build({device_}, "");
  } catch (const cl::Error&) {
    return false;  // a driver may refuse its predecessor's binaries although its version is the
                   // same
  }
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // last use, for eviction; failing is harmless
  return true;
}

void ProgramCache::store(const std::string& key, const cl::Program& program) {
  try {
    const auto binaries = program.getInfo<CL_PROGRAM_BINARIES>();
    if (binaries.empty() || binaries[0].empty()) return;
    const std::string payload(binaries[0].begin(), binaries[0].end());
    make_directories(options_.directory);
    write_file_atomically(path_of(key), kMagic + key + std::to_string(payload.size()) + " " +
                                            hex(fnv1a(payload)) + "\n" + payload);
    evict();
  } catch (const std::exception& error) {
    // Read-only, full, or a driver without binaries: the program is built and works.
    const std::lock_guard<std::mutex> lock(mutex_);
    stats_.last_disk_failure = error.what();
  }
}

void ProgramCache::evict() {
  struct Entry {
    fs::path path;
    fs::file_time_type used;
    std::int64_t bytes;
  };
  std::vector<Entry> entries;
  std::int64_t total = 0;
  std::error_code ignored;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& file : fs::directory_iterator(options_.directory, ignored)) {
    const auto used = file.last_write_time(ignored);
    const auto bytes = static_cast<std::int64_t>(file.file_size(ignored));
    if (ignored) continue;
    const std::string name = file.path().filename().string();
    // What a killed process left of its temp file.
    if (name.find(std::string(kExtension) + ".tmp.") != std::string::npos &&
        now - used > std::chrono::hours(1)) {
      fs::remove(file.path(), ignored);
    }
    if (file.path().extension() != kExtension) continue;
    entries.push_back({file.path(), used, bytes});
    total += bytes;
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (total <= options_.max_bytes) break;
    fs::remove(entry.path, ignored);
    total -= entry.bytes;
    const std::lock_guard<std::mutex> lock(mutex_);
    ++stats_.evicted;
  }
}

}  // namespace clconv::core
