// What the bodies of the weight gradient share. Where there are too few results to keep the device busy, the reduction
// over pixels is split into parts (`split`), which are then added in a fixed order.
#pragma once

#include <string>

#include "ops/pack.hpp"
#include "ops/reduce.hpp"
#include "strategies/body.hpp"
#include "strategies/cost_model.hpp"

namespace clconv::core::implicit_gemm {

// The macros of a program: the config's, stride, dilation, epilogue.
std::string weights_defines(const Problem& p, const std::string& config);

// How many parts to split `units` (rows, pixels) into, given `work_groups` per part; none smaller than `least` units,
// none empty.
std::int64_t parts_for(const DeviceProfile& profile, std::int64_t work_groups, std::int64_t units,
                       std::int64_t least = 1);

// `units` in `split` parts, as many as are not empty.
struct Split {
  std::int64_t units_per_part, parts;
  Split(std::int64_t units, std::int64_t split)
      : units_per_part(ceil_div(units, split)), parts(ceil_div(units, units_per_part)) {}
};

// Where the products go: dw itself, or float parts that are added up behind them.
struct PartialSums {
  std::int64_t parts;
  bool direct;
  Region region;

  PartialSums(const Problem& p, std::int64_t split, WorkspaceLayout& layout)
      : parts(split), direct(is_direct(p, split)), region{kDwSlot} {
    if (!direct)
      region = layout.add(saturating_product(parts, p.w_elements(), Problem::kFloatBytes));
  }
  static bool is_direct(const Problem& p, std::int64_t split) {
    return split == 1 && !p.accumulate && p.data_type == DataType::kFloat32;
  }
  cl_long stride(const Problem& p) const { return cl_long{p.w_elements()}; }
  void finish(Executable& executable, Device& device, const Problem& p) const {
    if (direct) return;
    executable.run.add(sum_parts(device, p.w_elements(), parts, p.accumulate, region, Mask(),
                                 Region{kDwSlot}, p.data_type));
  }
  static Pass pass(const Problem& p, std::int64_t split) {
    const double bytes =
        static_cast<double>(p.w_elements() * Problem::kFloatBytes) * static_cast<double>(split + 1);
    return copy_pass(is_direct(p, split) ? 0 : bytes, static_cast<double>(p.w_elements()) / 1024);
  }
};

// The launch of a body for CPUs, in `work.count` work-groups: all operands are moved once.
inline Pass group_pass(const Case& c, const VectorWork& work) {
  return vector_pass(c.profile, work, {operand_bytes(c.problem), work.count});
}

// x as the CPU bodies read it: as it lies, or a float copy with its padding written out.
struct PaddedInput {
  bool copied;
  PaddedPlanes planes;
  std::int64_t pitch, plane;

  // `vector`: columns of the result that are read at a time.
  PaddedInput(const Problem& p, std::int64_t vector) {
    const std::int64_t rows = (p.oh() - 1) * p.sh + p.dh * (p.kh - 1) + 1;
    const std::int64_t odd = vector > 1 ? p.sw - 1 : 0;  // loaded with the others and dropped
    const std::int64_t columns =
        (round_up(p.ow(), vector) - 1) * p.sw + p.dw * (p.kw - 1) + 1 + odd;
    copied = p.padded() || columns > p.w || p.data_type != DataType::kFloat32;
    planes = {p.n * p.c, p.h, p.w, -p.pt, -p.pl, rows, columns, 0, p.data_type};
    pitch = copied ? columns : p.w;
    plane = copied ? rows * columns : p.h * p.w;
  }
  Region add_to(Executable& executable, Device& device, WorkspaceLayout& layout) const {
    if (!copied) return Region{kXSlot};
    const Region padded = layout.add(planes.bytes());
    executable.run.add(pad_planes(device, planes, Region{kXSlot}, Mask(), padded));
    return padded;
  }
  Pass pass(const Case& c) const {
    const double bytes = static_cast<double>(c.problem.x_bytes() + planes.bytes());
    return copy_pass(copied ? cached(c.machine, bytes) : 0,
                     static_cast<double>(planes.planes * planes.hp));
  }
};

// What `weights_planes` and `weights_patches` share: dy as it lies, and x as patches in local memory.

// dy as floats, masked: a copy only where it is not that already.
struct PlainGradient {
  Mask mask;
  bool copied;
  PaddedPlanes planes;

  explicit PlainGradient(const Problem& p)
      : mask(mask_of(p)),
        copied(p.mask || p.data_type != DataType::kFloat32),
        planes{p.n * p.k, p.oh(), p.ow(), 0, 0, p.oh(), p.ow(), 0, p.data_type} {}
  Region add_to(Executable& executable, Device& device, WorkspaceLayout& layout) const {
    if (!copied) return Region{kDySlot};
    const Region copy = layout.add(planes.bytes());
    executable.run.add(pad_planes(device, planes, Region{kDySlot}, mask, copy));
    return copy;
  }
  Pass pass(const Case& c) const {
    const double bytes = static_cast<double>(c.problem.y_bytes() + planes.bytes());
    return copy_pass(copied ? cached(c.machine, bytes) : 0, static_cast<double>(planes.planes));
  }
};

// Of a filter.
std::int64_t patch_elements(const Problem& p);
std::string stride_defines(const Problem& p);
// The first arguments of both kernels.
std::vector<Argument> patch_arguments(const Problem& p, const Region& dy, const Region& result);

}  // namespace clconv::core::implicit_gemm
