// What the bodies for strided data gradients that compute all phases of a row together share: which taps the phases
// meet, what such a body serves, and the arguments of its kernel.
#pragma once

#include <string>
#include <vector>

#include "problem.hpp"
#include "strategies/implicit_gemm/correlation_bodies.hpp"
#include "strategies/implicit_gemm/input_view.hpp"
#include "strategies/implicit_gemm/packed_weights.hpp"

namespace clconv::core::implicit_gemm {

// The taps that the results of one residue of rows or of columns meet, as the kernel counts them.
struct Residue {
  std::int64_t taps = 0, first_tap = 0, step = -1, start = 0, distance = 1;
};

std::vector<Residue> column_residues(const Problem& p, const std::vector<Correlation>& phases);
std::vector<Residue> row_residues(const Problem& p, const std::vector<Correlation>& phases);

// The least and the largest input column (or row) that the taps of result 0 of a residue meet.
struct Reach {
  std::int64_t first = 0, last = 0;
  std::int64_t columns() const { return last - first + 1; }
  explicit Reach(const std::vector<Residue>& columns);
};

// All taps of the filters, as the problem has them: how the weights are packed.
Correlation all_taps(const Problem& p, const Correlation& phase);

// Why such a body does not serve the case with a register tile of so many vectors of each phase.
std::optional<Rejection> refuse_phases(const Case& all, std::int64_t vectors, int vw);

// " -DSH=2 ... -DROW_TAPS=2,1 ...": strides, filter and taps. Step and distance are the same for all residues that have
// taps.
std::string phase_defines(const Case& all);

// The kernel's arguments for a part of the images, of which the body's own ones are `sizes`.
std::vector<Argument> phase_arguments(const Case& all, const InputView& view,
                                      const PackedWeights& packed, const Region& x,
                                      std::int64_t first_image, std::int64_t images,
                                      const std::vector<Argument>& sizes);

}  // namespace clconv::core::implicit_gemm
