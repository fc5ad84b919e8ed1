// The common course of the weight gradient's bodies: copies of the operands, one launch for all parts of the reduction,
// and the sum of the parts.
#pragma once

#include <memory>

#include "strategies/implicit_gemm/weights_bodies.hpp"

namespace clconv::core::implicit_gemm {

class SplitLayout : public Layout {
 public:
  // `units` of the reduction (rows, pixels) in `split` parts.
  SplitLayout(const Case& c, std::int64_t units, std::int64_t split)
      : case_(c), split_(units, split) {}
  void describe(Candidate& candidate) const final;
  void add_to(Executable& executable, Device& device) const final;

 protected:
  struct Operands {
    Region x{kXSlot}, dy{kDySlot};
  };
  // Room for what copy() makes, in the same order.
  virtual void reserve(WorkspaceLayout&) const {}
  // The operands as the kernel reads them.
  virtual Operands copy(Executable&, Device&, WorkspaceLayout&) const { return {}; }
  virtual double us() const = 0;
  // Filters and patch elements of a tile.
  virtual std::int64_t tile_filters() const = 0;
  virtual std::int64_t tile_elements() const = 0;
  virtual std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                         const PartialSums& result) const = 0;

  const Case& case_;
  const Split split_;
};

// Of `weights_planes` and `weights_patches`: x as it lies, dy as floats.
class PlainGradientLayout : public SplitLayout {
 public:
  PlainGradientLayout(const Case& c, std::int64_t units, std::int64_t split)
      : SplitLayout(c, units, split), gradient_(c.problem) {}

 protected:
  void reserve(WorkspaceLayout& layout) const override;
  Operands copy(Executable& executable, Device& device, WorkspaceLayout& layout) const override;

  const PlainGradient gradient_;
};

}  // namespace clconv::core::implicit_gemm
