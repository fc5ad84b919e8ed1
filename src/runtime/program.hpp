// ProgramCache: from the name of a .cl file and its options to a built program. In memory for this
// process, on disk for the next one. The sources are embedded in the library at build time.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "runtime/kernel.hpp"

namespace clconv::core {

// Where program binaries live between processes.
struct CacheOptions {
  std::string directory;  // created when first written to; empty = no disk cache
  std::int64_t max_bytes = std::int64_t{256} << 20;  // least recently used entries go beyond this
  bool explicit_directory = false;                   // named by the user, not the default place
};

// `directory` "off" means none; empty means CLCONV_CACHE_DIR, else $XDG_CACHE_HOME/clconv, else
// $HOME/.cache/clconv, else none.
CacheOptions cache_options(const std::string& directory, std::int64_t max_bytes);

// A driver that keeps compiled kernels itself gets no second cache unless the user named a
// directory. Measured on PoCL 3.1 (2026-11, 2-core Zen 5, a K-vectorised kernel): reading the
// binary back costs 0.63 s after a 0.9 s build, because PoCL then compiles generic versions of all
// kernels, and saves 16 ms (20 ms from source through PoCL's own cache, 4 ms from our binary) per
// program.
CacheOptions effective(const CacheOptions& options, bool driver_cache);

// PoCL compiles in files, and where it cannot write them it does not say so.
constexpr const char* kPocl = "Portable Computing Language";
constexpr const char* kPoclFolderHint =
    ", as it is where PoCL cannot write to its folder for kernels (POCL_CACHE_DIR, XDG_CACHE_HOME "
    "or HOME)";

// FNV-1a. For file names and change detection only: a cache entry also stores its whole key.
std::uint64_t fnv1a(std::string_view text);
std::string hex(std::uint64_t value);

// A text by the name of its file below kernels/, without .cl; null if there is none.
using KernelSources = std::function<const char*(const std::string&)>;

// Everything that the program kernels/<name>.cl consists of: the parts that its first line names
// ("// parts: storage vectors": kernels/parts/storage.cl, kernels/parts/vectors.cl), in this order, then the file.
// A part may name parts of its own, which come before it; each part comes once. Throws Error{kInternal}, which names
// file and part, for one that does not exist.
std::string program_source(const std::string& name, const KernelSources& sources);
std::string program_source(const std::string& name);  // of the embedded sources
// The same for a text that is no embedded file, but may name embedded parts.
std::string generated_source(const std::string& name, const std::string& text);

// Hash of program_source(): changes only where the program itself, or a part that it uses, changes.
std::uint64_t program_hash(const std::string& name);

// Thread-safe; two threads that ask for the same program wait for one build. The disk cache is safe
// between processes: entries appear by rename, and whatever is not exactly the entry asked for
// (truncated, foreign, other driver, other options) counts as absent and is replaced.
class ProgramCache {
 public:
  ProgramCache(const cl::Context& context, const cl::Device& device, std::string device_key,
               CacheOptions options);

  // kernels/<file>.cl behind the parts it uses. Throws Error{kBuildFailed} with file,
  // options and the first error line of the log; detail() is the whole log.
  cl::Program get(const std::string& file, const std::string& options);
  // A generated program: `text` behind the parts that its first line names.
  cl::Program get_generated(const std::string& text, const std::string& options);
  // What they are made of; one object for equal arguments.
  ProgramTextPtr text(const std::string& file, const std::string& options);
  ProgramTextPtr generated_text(const std::string& text, const std::string& options);

  struct Stats {
    std::int64_t built = 0;         // from source
    std::int64_t from_disk = 0;     // from a binary of our own cache
    std::int64_t from_memory = 0;   // already there
    std::int64_t evicted = 0;       // entries removed to stay below max_bytes
    double build_us = 0;            // spent in building, from source or binary
    std::string last_disk_failure;  // why an entry could not be written; never an error
  };
  Stats stats() const;

  // Forgets the programs in memory; kernels made of them go on. The next get() builds, or reads a disk cache.
  void trim();
  std::int64_t size() const;
  // Of the programs in memory, each once.
  std::set<std::string> names() const;

 private:
  // `source` gives the program's text where it is not in memory.
  cl::Program get(const std::string& file, const std::string& options,
                  const std::function<std::string()>& source);
  ProgramTextPtr text(const std::string& file, const std::string& options,
                      const std::function<std::string()>& source);
  cl::Program load_or_build(const std::string& file, const std::string& options,
                            const std::string& source);
  cl::Program build(const std::string& file, const std::string& options, const std::string& source);
  bool load(const std::string& key, cl::Program& program);
  void store(const std::string& key, const cl::Program& program);
  void evict();
  std::string path_of(const std::string& key) const;

  cl::Context context_;
  cl::Device device_;
  std::string device_key_;
  CacheOptions options_;
  mutable std::mutex mutex_;  // guards what is below; not held while building
  std::map<std::string, std::shared_future<cl::Program>> programs_;
  std::map<std::string, ProgramTextPtr> texts_;
  Stats stats_;
};

}  // namespace clconv::core
