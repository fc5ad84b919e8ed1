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
  void describe(Candidate& candidate) const override;
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
  // As Candidate::not_considered.
  virtual const char* not_considered() const { return nullptr; }
  virtual std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                         const PartialSums& result) const = 0;

  const Case& case_;
  const Split split_;
};

// Of `weights_filters` and `weights_pixels`: x with its padding written out, dy as the body lays it out.
class PaddedInputLayout : public SplitLayout {
 public:
  // `vector` columns of the result are read at a time. The reduction is over rows of all images.
  PaddedInputLayout(const Case& c, std::int64_t split, std::int64_t vector)
      : SplitLayout(c, c.problem.n * c.problem.oh(), split), view_(c.problem, vector) {}

 protected:
  void reserve(WorkspaceLayout& layout) const override;
  Operands copy(Executable& executable, Device& device, WorkspaceLayout& layout) const override;
  // Bytes of the copy of dy; 0: it is read as it lies.
  virtual std::int64_t gradient_bytes() const = 0;
  virtual std::unique_ptr<Step> copy_gradient(Device& device, const Region& copy) const = 0;
  // The first arguments of both kernels; they differ in the name of dy.
  std::vector<Argument> first_arguments(const Operands& operands, const char* dy,
                                        const PartialSums& result) const;

  const PaddedInput view_;
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
