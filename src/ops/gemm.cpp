#include "ops/gemm.hpp"
#include "text.hpp"

#include <clblast.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace clconv::core {
namespace {

using Values = std::unordered_map<std::string, std::size_t>;
using ParameterSet = std::vector<std::pair<std::string, Values>>;  // kernel family -> values

// ---- the sets -----------------------------------------------------------------------------------
//
// CLBlast has no entry for CPU devices; its fallback (VWM=4, tiles in local memory) makes PoCL's
// compiler emit 4-wide FMAs. These sets keep operands out of local memory (SA=SB=0), vectorise
// along m with the device's float width, and give each work-item as many vector accumulators as fit
// the register file: MWG/MDIMC = one vector, NWG/NDIMC = accumulators. Measured on PoCL 3.1, 2-core
// Zen 5 (AVX-512), 2026-11, m=784 n=128 k=1152: width 16: 200 GFLOP/s against 26 of the default.
// Widths 8 and 4 follow the same recipe for 16 registers; correct here, unmeasured on such CPUs.
ParameterSet cpu_set(std::size_t width, std::size_t tile_m, std::size_t tile_n,
                     std::size_t width_n) {
  return {
      {"Xgemm",
       {{"GEMMK", 0},
        {"KREG", 1},
        {"SA", 0},
        {"SB", 0},
        {"MWG", tile_m},
        {"NWG", tile_n},
        {"KWG", 16},
        {"KWI", 8},
        {"MDIMA", 4},
        {"MDIMC", 4},
        {"NDIMB", 4},
        {"NDIMC", 4},
        {"STRM", 0},
        {"STRN", 1},
        {"VWM", width},
        {"VWN", width_n}}},
      {"Copy", {{"COPY_DIMX", 16}, {"COPY_DIMY", 16}, {"COPY_WPT", 2}, {"COPY_VW", 8}}},
      {"Pad", {{"PAD_DIMX", 16}, {"PAD_DIMY", 8}, {"PAD_WPTX", 1}, {"PAD_WPTY", 2}}},
      {"Transpose", {{"TRA_DIM", 16}, {"TRA_WPT", 8}, {"TRA_PAD", 1}, {"TRA_SHUFFLE", 1}}},
      {"Padtranspose", {{"PADTRA_TILE", 16}, {"PADTRA_WPT", 4}, {"PADTRA_PAD", 1}}},
      // Below this (cubed) CLBlast takes its direct kernel, which tops out at 48 GFLOP/s here.
      {"GemmRoutine", {{"XGEMM_MIN_INDIRECT_SIZE", 128}}},
  };
}

struct TunedSet {
  Family family;
  std::int64_t float_width;
  GemmTile tile;
  ParameterSet set;
};
const std::vector<TunedSet>& tuned_sets() {
  static const std::vector<TunedSet> sets = {
      {Family::kCpu, 16, {64, 64, 16}, cpu_set(16, 64, 64, 8)},
      {Family::kCpu, 8, {32, 32, 16}, cpu_set(8, 32, 32, 8)},
      {Family::kCpu, 4, {16, 32, 16}, cpu_set(4, 16, 32, 4)},
  };
  return sets;
}

const TunedSet* find_tuned(const DeviceProfile& profile) {
  for (const TunedSet& set : tuned_sets()) {
    if (set.family == profile.family && set.float_width == profile.float_width) return &set;
  }
  return nullptr;
}

// ---- the guard ----------------------------------------------------------------------------------

[[noreturn]] void gemm_error(const std::string& call, int status) {
  const bool opencl = status > -1000;  // CLBlast passes OpenCL's codes through
  throw Error(status == -4 || status == -5 || status == -6 ? Code::kOutOfMemory : Code::kGemm,
              call + " failed: " +
                  (opencl ? status_text(status) : "CLBlast status " + std::to_string(status)));
}

// CLBlast's first calls race in its lazily filled database (8 threads crashed 27 of 150 processes),
// its database is process-wide, and exceptions escape it. So: one lock for the process, the
// parameter set of each device remembered under it, and everything caught.
class Guard {
 public:
  // Never destroyed: an application's static objects release contexts after ours are gone.
  static Guard& instance() {
    static Guard& guard = *new Guard;
    return guard;
  }

  // Runs `call`, which returns CLBlast's status, with `parameters` in force on the device.
  template <class Call>
  void run(const Device& device, GemmParameters parameters, const char* name, Call&& call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
      select(device, parameters);
      used_.insert(device.context()());
      const auto status = call();
      watch_exit();
      if (status != clblast::StatusCode::kSuccess) gemm_error(name, static_cast<int>(status));
    } catch (const Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      throw Error(Code::kOutOfMemory, std::string(name) + " failed: out of host memory");
    } catch (const std::exception& error) {
      throw Error(Code::kGemm, std::string(name) + " failed: " + error.what());
    }
  }

  void begin(cl_context context) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++contexts_[context];
  }
  void end(cl_context context) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = contexts_.find(context);
    if (found == contexts_.end() || --found->second > 0) return;
    contexts_.erase(found);
    clear(context);
  }
  void trim(cl_context context) {
    const std::lock_guard<std::mutex> lock(mutex_);
    clear(context);
  }
  bool holds(cl_context context) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return used_.count(context) != 0;
  }

 private:
  // CLBlast's caches are static objects that exit() destroys, and its calls are then undefined. What is made after
  // its first call is destroyed before them.
  static std::atomic<bool>& exiting() {
    static auto& flag = *new std::atomic<bool>(false);
    return flag;
  }
  static void watch_exit() {
    struct Watch {
      ~Watch() { exiting() = true; }
    };
    static const Watch watch;
  }

  void clear(cl_context context) {
    if (used_.count(context) == 0 || exiting()) return;
    try {
      clblast::ClearCache();
    } catch (const std::exception&) {
      return;  // out of memory: the next one clears it
    }
    used_.clear();
  }

  struct State {
    const TunedSet* current = nullptr;  // null: the database's own
    ParameterSet defaults;              // as the database had them, to go back
  };

  void select(const Device& device, GemmParameters parameters) {
    State& state = states_[device.cl()()];
    const TunedSet* wanted = nullptr;
    if (parameters == GemmParameters::kTuned) {
      wanted = find_tuned(device.profile());
      if (wanted == nullptr) {
        throw Error(Code::kInternal,
                    "no tuned GEMM parameters for device " + device.profile().name);
      }
    }
    if (state.current == wanted) return;
    if (state.defaults.empty()) {
      for (const auto& [family, ignored] : wanted->set) {
        Values values;
        const auto status =
            clblast::RetrieveParameters(device.cl()(), family, clblast::Precision::kSingle, values);
        if (status != clblast::StatusCode::kSuccess) {
          gemm_error("clblast::RetrieveParameters(" + family + ")", static_cast<int>(status));
        }
        state.defaults.emplace_back(family, values);
      }
    }
    const ParameterSet& set = wanted != nullptr ? wanted->set : state.defaults;
    for (const auto& [family, values] : set) {
      const auto status =
          clblast::OverrideParameters(device.cl()(), family, clblast::Precision::kSingle, values);
      if (status != clblast::StatusCode::kSuccess) {
        gemm_error("clblast::OverrideParameters(" + family + ")", static_cast<int>(status));
      }
    }
    state.current = wanted;
  }

  std::mutex mutex_;
  std::map<cl_device_id, State> states_;
  std::map<cl_context, int> contexts_;  // clconv contexts alive on each
  std::set<cl_context> used_;           // of which CLBlast has programs
};

}  // namespace

void begin_gemm_use(cl_context context) {
  Guard::instance().begin(context);
}
void end_gemm_use(cl_context context) {
  Guard::instance().end(context);
}
void trim_gemm_cache(cl_context context) {
  Guard::instance().trim(context);
}
bool gemm_cache_holds(cl_context context) {
  return Guard::instance().holds(context);
}

namespace {

// ---- the step -----------------------------------------------------------------------------------

clblast::Transpose transpose(bool yes) {
  return yes ? clblast::Transpose::kYes : clblast::Transpose::kNo;
}

std::size_t size(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

std::int64_t columns_a(const Gemm& g) {
  return g.transpose_a ? g.m : g.k;
}
std::int64_t columns_b(const Gemm& g) {
  return g.transpose_b ? g.k : g.n;
}

std::int64_t rows_a(const Gemm& g) {
  return g.transpose_a ? g.k : g.m;
}
std::int64_t rows_b(const Gemm& g) {
  return g.transpose_b ? g.n : g.k;
}

// Elements a batch of one operand spans, none behind the last column's: it may be a part of wider rows.
std::int64_t elements(std::int64_t ld, std::int64_t rows, std::int64_t columns,
                      std::int64_t batch) {
  const std::int64_t all = saturating_product(ld, columns, batch);
  return all == INT64_MAX ? all : all - (ld - rows);
}

class GemmStep : public Step {
 public:
  GemmStep(Device& device, GemmParameters parameters, const Gemm& gemm, const Matrix& a,
           const Matrix& b, const Matrix& c, const Region& workspace)
      : Step(parameters == GemmParameters::kTuned ? "gemm (tuned)" : "gemm"),
        device_(device),
        parameters_(parameters),
        gemm_(gemm),
        a_(part(a, elements(gemm.lda, rows_a(gemm), columns_a(gemm), gemm.batch))),
        b_(part(b, elements(gemm.ldb, rows_b(gemm), columns_b(gemm), gemm.batch))),
        c_(part(c, elements(gemm.ldc, gemm.m, gemm.n, gemm.batch))),
        workspace_(workspace) {
    if (gemm.batch == 1) measure_workspace();
  }

  void enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& d) override {
    const bool in_order = is_in_order(queue);
    // CLBlast takes no wait list, and the kernels of one product wait for nothing before them.
    if (d.count > 0) {
      check(clEnqueueBarrierWithWaitList(queue, d.count, d.list, nullptr),
            "clEnqueueBarrierWithWaitList");
    }
    const cl_mem a = bindings.resolve(a_.region);
    const cl_mem b = bindings.resolve(b_.region);
    const cl_mem c = bindings.resolve(c_.region);
    const cl_mem temporary = needs_workspace_ ? bindings.resolve(workspace_) : nullptr;
    for (const cl_mem buffer : {a, b, c, temporary})
      check_aligned(buffer);
    const Gemm& g = gemm_;
    cl_event done = nullptr;
    cl_event* wanted = d.done != nullptr || !in_order ? &done : nullptr;
    Guard::instance().run(device_, parameters_, "clblast::Gemm", [&] {
      if (g.batch > 1) {
        return clblast::GemmStridedBatched<float>(
            clblast::Layout::kColMajor, transpose(g.transpose_a), transpose(g.transpose_b),
            size(g.m), size(g.n), size(g.k), g.alpha, a, size(a_.offset), size(g.lda),
            size(g.lda * columns_a(g)), b, size(b_.offset), size(g.ldb), size(g.ldb * columns_b(g)),
            g.beta, c, size(c_.offset), size(g.ldc), size(g.ldc * g.n), size(g.batch), &queue,
            wanted);
      }
      return clblast::Gemm<float>(
          clblast::Layout::kColMajor, transpose(g.transpose_a), transpose(g.transpose_b), size(g.m),
          size(g.n), size(g.k), g.alpha, a, size(a_.offset), size(g.lda), b, size(b_.offset),
          size(g.ldb), g.beta, c, size(c_.offset), size(g.ldc), &queue, wanted, temporary);
    });
    if (d.done != nullptr) {
      *d.done = done;
    } else if (done != nullptr) {
      clReleaseEvent(done);
    }
  }

 private:
  // An aligned offset goes into the region, so that the operand becomes a sub-buffer. The batched
  // routine ignores offsets altogether, so there it must.
  Matrix part(const Matrix& matrix, std::int64_t count) const {
    constexpr std::int64_t kBytes = Problem::kFloatBytes;
    if (count > INT32_MAX) {
      throw Error(Code::kGemm, "a matrix of " + std::to_string(count) +
                                   " elements exceeds the 32 bits that CLBlast indexes with");
    }
    if (matrix.offset == 0) return matrix;
    Matrix result = matrix;
    if (matrix.offset * kBytes % device_.profile().base_alignment_bytes == 0) {
      result.region.offset += matrix.offset * kBytes;
      result.region.bytes = count * kBytes;
      result.offset = 0;
    } else if (gemm_.batch > 1) {
      throw Error(Code::kGemm, "a batched product needs aligned operands");
    } else if (matrix.offset > INT32_MAX) {
      throw Error(Code::kGemm, "an offset of " + std::to_string(matrix.offset) +
                                   " elements exceeds the 32 bits that CLBlast indexes with");
    }
    return result;
  }

  // CLBlast's kernels read vectors at a time, and crash where memory that the caller brought is not aligned to them.
  void check_aligned(cl_mem buffer) const {
    if (buffer == nullptr) return;
    cl_mem_flags flags = 0;
    check(clGetMemObjectInfo(buffer, CL_MEM_FLAGS, sizeof(flags), &flags, nullptr),
          "clGetMemObjectInfo");
    if ((flags & CL_MEM_USE_HOST_PTR) == 0) return;
    std::uintptr_t address = 0;
    check(clGetMemObjectInfo(buffer, CL_MEM_HOST_PTR, sizeof(address), &address, nullptr),
          "clGetMemObjectInfo");
    const auto alignment = static_cast<std::uintptr_t>(device_.profile().base_alignment_bytes);
    if (address % alignment != 0) {
      throw Error(Code::kInvalidArgument,
                  "a buffer of a matrix product has CL_MEM_USE_HOST_PTR at an address that is no "
                  "multiple of " +
                      std::to_string(alignment));
    }
  }

  void measure_workspace() {
    cl::CommandQueue cl_queue = device_.make_queue();
    cl_command_queue queue = cl_queue();
    std::size_t bytes = 0;
    const Gemm& g = gemm_;
    Guard::instance().run(device_, parameters_, "clblast::GemmTempBufferSize", [&] {
      return clblast::GemmTempBufferSize<float>(
          clblast::Layout::kColMajor, transpose(g.transpose_a), transpose(g.transpose_b), size(g.m),
          size(g.n), size(g.k), size(a_.offset), size(g.lda), size(b_.offset), size(g.ldb),
          size(c_.offset), size(g.ldc), &queue, bytes);
    });
    if (bytes > size(workspace_.bytes)) {
      throw Error(Code::kGemm, "clblast::Gemm wants " + std::to_string(bytes) +
                                   " bytes of temporary memory, offered are " +
                                   std::to_string(workspace_.bytes));
    }
    needs_workspace_ = bytes > 0;
  }

  Device& device_;
  GemmParameters parameters_;
  Gemm gemm_;
  Matrix a_, b_, c_;
  Region workspace_;
  bool needs_workspace_ = false;
};

}  // namespace

std::string to_text(const Gemm& g) {
  std::string text = std::string(g.transpose_a ? "t" : "n") + (g.transpose_b ? "t" : "n");
  for (const std::int64_t value : {g.m, g.n, g.k, g.lda, g.ldb, g.ldc, g.batch})
    text += " " + std::to_string(value);
  return text + " " + number_text(g.alpha) + " " + number_text(g.beta);
}

std::vector<GemmParameters> gemm_parameter_sets(const DeviceProfile& profile) {
  if (find_tuned(profile) == nullptr) return {GemmParameters::kDefault};
  return {GemmParameters::kTuned, GemmParameters::kDefault};
}

GemmTile gemm_tile(const DeviceProfile& profile, GemmParameters parameters) {
  // The largest tiles in CLBlast 1.5.3's single-precision database.
  constexpr GemmTile kLargestDefault = {128, 128, 32};
  return parameters == GemmParameters::kTuned ? find_tuned(profile)->tile : kLargestDefault;
}

std::int64_t gemm_workspace_bytes(const DeviceProfile& profile, GemmParameters parameters,
                                  const Gemm& g, bool offsets) {
  const GemmTile tile = gemm_tile(profile, parameters);
  const std::int64_t m = round_up(g.m, tile.m), n = round_up(g.n, tile.n),
                     k = round_up(g.k, tile.k);
  const bool exact = parameters == GemmParameters::kTuned && !offsets;
  // CLBlast's fast kernel reads A as is and B transposed; it copies what comes otherwise or in
  // sizes that are no multiples. With the default set, or an offset, every operand may be copied.
  const bool copy_a = !exact || g.transpose_a || m != g.m || k != g.k || g.lda != g.m;
  const bool copy_b = !exact || !g.transpose_b || n != g.n || k != g.k || g.ldb != g.n;
  const bool copy_c = !exact || m != g.m || n != g.n || g.ldc != g.m;
  return Problem::kFloatBytes *
         ((copy_a ? m * k : 0) + (copy_b ? n * k : 0) + (copy_c ? m * n : 0));
}

std::unique_ptr<Step> gemm_step(Device& device, GemmParameters parameters, const Gemm& gemm,
                                const Matrix& a, const Matrix& b, const Matrix& c,
                                const Region& workspace) {
  return std::make_unique<GemmStep>(device, parameters, gemm, a, b, c, workspace);
}

Executable row_major_gemm(Device& device, const Gemm& gemm, const Region& a, const Region& b,
                          const Region& c) {
  // Row-major C = A B is column-major C^T = B^T A^T: the operands change places.
  Gemm swapped = gemm;
  std::swap(swapped.transpose_a, swapped.transpose_b);
  std::swap(swapped.m, swapped.n);
  std::swap(swapped.lda, swapped.ldb);
  const GemmParameters parameters = gemm_parameter_sets(device.profile()).front();
  Executable operation;
  operation.workspace_bytes = gemm_workspace_bytes(device.profile(), parameters, swapped, false);
  operation.run.add(gemm_step(device, parameters, swapped, {b}, {a}, {c},
                              {Executable::kWorkspaceSlot, 0, operation.workspace_bytes}));
  return operation;
}

}  // namespace clconv::core
