// The common course of the bodies: the input's patches as a matrix, a product, and its result into the tensor; chunk
// after chunk.
#pragma once

#include "strategies/cost_model.hpp"
#include "strategies/im2col_gemm/chunking.hpp"

namespace clconv::core::im2col_gemm {

class ChunkedLayout : public Layout {
 public:
  ChunkedLayout(const Case& c, const Chunking& chunking, bool atomic)
      : case_(c), chunking_(chunking), regions_(chunking.layout(c)), atomic_(atomic) {}
  void describe(Candidate& candidate) const override;
  void add_to(Executable& executable, Device& device) const override;

  // The product of one chunk, added to what is there or not.
  virtual std::unique_ptr<Step> multiply(Device& device, const Chunking& chunk, bool add) const = 0;

 protected:
  // Compiling the product, and one chunk's.
  virtual double multiply_setup_us() const = 0;
  virtual Pass multiply_pass() const = 0;

  const Case& case_;
  Chunking chunking_;  // of all chunks but the last ones, which may be smaller
  Chunking::Regions regions_;

 private:
  Pass before() const;
  Pass after() const;

  bool atomic_;
};

}  // namespace clconv::core::im2col_gemm
