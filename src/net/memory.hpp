// Where activations lie: one arena, in which buffers whose lifetimes do not meet share memory. No OpenCL.
#pragma once

#include <cstdint>
#include <vector>

namespace clconv::net {

// Steps are numbered; a buffer lives from the step that first writes it to the one that last reads it, both included.
struct Lifetime {
  std::int64_t bytes = 0;
  int first = 0, last = 0;
};

struct Arena {
  std::vector<std::int64_t> offsets;  // of each buffer, a multiple of the alignment
  std::int64_t bytes = 0;
  std::int64_t alive_bytes = 0;  // the most that is alive at one step: what no arena can be below
};

// Largest first, each at the lowest place where it meets no other: Y. Pisarchyk and J. Lee, "Efficient Memory
// Management for Deep Neural Net Inference" (arXiv 2001.03288), greedy by size for offset calculation.
Arena place(const std::vector<Lifetime>& buffers, std::int64_t alignment);

}  // namespace clconv::net
