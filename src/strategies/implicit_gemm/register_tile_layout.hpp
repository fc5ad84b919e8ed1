// The common course of the bodies for CPUs that pack the weights, see the input through an InputView and launch one
// kernel per correlation.
#pragma once

#include <memory>

#include "strategies/implicit_gemm/input_view.hpp"
#include "strategies/implicit_gemm/packed_weights.hpp"

namespace clconv::core::implicit_gemm {

// Some images of one correlation, ready to be multiplied.
struct Operand {
  const Correlation& correlation;
  const FilterBlocks& blocks;
  Region packed;
  Region x;  // begins with `first_image`
  std::int64_t first_image, images;
};

class RegisterTileLayout : public Layout {
 public:
  // `block` filters are packed together; `wanted`, `floats` and `padding` as InputView has them, `zero_rows` as
  // FilterBlocks.
  RegisterTileLayout(const Case& c, const Config& config, std::int64_t block, std::int64_t wanted,
                     bool floats, InputView::Padding padding = InputView::Padding::kWrittenOut,
                     std::int64_t zero_rows = 0);
  void describe(Candidate& candidate) const override;
  void add_to(Executable& executable, Device& device) const override;

 protected:
  virtual std::int64_t tile_columns() const = 0;
  virtual Pass multiply_pass(const Correlation& c, const FilterBlocks& blocks) const = 0;
  virtual std::unique_ptr<Step> multiply(Device& device, const Operand& operand) const = 0;

  const Case& case_;
  Config config_;
  InputView view_;
  PackedWeights packed_;
};

}  // namespace clconv::core::implicit_gemm
