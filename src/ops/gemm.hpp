// Matrix products through CLBlast, wrapped once: statuses become our errors, parameters are ours to
// choose, hazards are guarded. Nothing else in the library includes CLBlast.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/executable.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// C = alpha * A * B + beta * C for `batch` matrices, column-major (column j of C starts at j*ldc),
// float32: C is m x n, A is m x k (k x m if transposed), B is k x n (n x k if transposed). Matrix i
// of a batch starts i*stride further; strides must be packed (ld times the number of columns),
// because CLBlast 1.5.3 ignores others without saying so.
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m = 1, n = 1, k = 1;
  std::int64_t lda = 1, ldb = 1, ldc = 1;
  std::int64_t batch = 1;
  float alpha = 1, beta = 0;
};

// All of it, exactly: equal texts, equal products.
std::string to_text(const Gemm& gemm);

// CLBlast's kernel parameters on a device: its own database's, or a set of ours. Both can be in use
// in one process; a change of set costs 2-3 ms of host time (CLBlast rewrites its database entries;
// programs stay built). The sets are process-wide state of CLBlast.
enum class GemmParameters { kDefault = 0, kTuned = 1 };

// The sets for a device: the default, and before it ours where gemm.cpp has one for devices of this
// family and vector width.
std::vector<GemmParameters> gemm_parameter_sets(const DeviceProfile& profile);

// Sizes that CLBlast's fast kernel wants m, n and k to be multiples of; others it pads in temporary
// copies on every call. For the default set, which only the device's database knows, an upper
// bound.
struct GemmTile {
  std::int64_t m, n, k;
};
GemmTile gemm_tile(const DeviceProfile& profile, GemmParameters parameters);

// An upper bound for the temporary memory that CLBlast may need for an unbatched product;
// `offsets`: operands may start at an unaligned offset. Batched products (batch > 1) allocate
// theirs inside CLBlast unless sizes are multiples of the tile.
std::int64_t gemm_workspace_bytes(const DeviceProfile& profile, GemmParameters parameters,
                                  const Gemm& gemm, bool offsets);

// A part of a batch or tensor: elements from the start of what `slot` is bound to.
struct Matrix {
  Region region;
  std::int64_t offset = 0;  // elements beyond the region's start
};

// The product as a step. `workspace` has gemm_workspace_bytes() or none. Offsets become sub-buffers
// where they are aligned (CLBlast copies operands with a non-zero offset). The step asks CLBlast
// for the temporary size when made and throws Error{kGemm} if it exceeds the workspace, or if a
// size exceeds the 32 bits that CLBlast casts to.
std::unique_ptr<Step> gemm_step(Device& device, GemmParameters parameters, const Gemm& gemm,
                                const Matrix& a, const Matrix& b, const Matrix& c,
                                const Region& workspace);

// CLBlast keeps the programs that it builds in a cache of the process, and with them their cl_context alive. Each
// Context says when it begins and ends to use one; when the last of a cl_context ends, CLBlast's cache is cleared,
// if a product ran in it. CLBlast has no call to clear one cl_context's part, so others build their programs again
// (20-50 ms from PoCL's own cache).
void begin_gemm_use(cl_context context);
void end_gemm_use(cl_context context);
// Clears CLBlast's cache now, if a product ran in this cl_context.
void trim_gemm_cache(cl_context context);
// Does CLBlast's cache hold programs of it?
bool gemm_cache_holds(cl_context context);

// The public operation: one product of row-major matrices (row i of C starts at i*ldc), with the device's
// best parameters. `gemm` in row-major terms, its batch 1.
Executable row_major_gemm(Device& device, const Gemm& gemm, const Region& a, const Region& b,
                          const Region& c);

}  // namespace clconv::core
