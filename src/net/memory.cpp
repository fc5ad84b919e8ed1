#include "net/memory.hpp"

#include <algorithm>
#include <numeric>

#include "problem.hpp"

namespace clconv::net {
namespace {

bool meet(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

std::int64_t most_alive(const std::vector<Lifetime>& buffers, std::int64_t alignment) {
  std::int64_t most = 0;
  for (const Lifetime& at : buffers) {  // the most is reached where some buffer begins
    std::int64_t alive = 0;
    for (const Lifetime& other : buffers) {
      if (other.first <= at.first && at.first <= other.last)
        alive += core::round_up(other.bytes, alignment);
    }
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace

Arena place(const std::vector<Lifetime>& buffers, std::int64_t alignment) {
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].bytes > buffers[b].bytes;
  });
  Arena arena;
  arena.offsets.assign(buffers.size(), 0);
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t one : order) {
    const std::int64_t bytes = core::round_up(buffers[one].bytes, alignment);
    std::int64_t offset = 0;
    for (const std::size_t other : placed) {
      if (!meet(buffers[one], buffers[other])) continue;
      if (offset + bytes <= arena.offsets[other]) break;
      offset =
          std::max(offset, arena.offsets[other] + core::round_up(buffers[other].bytes, alignment));
    }
    arena.offsets[one] = offset;
    arena.bytes = std::max(arena.bytes, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), one,
                                   [&](std::size_t a, std::size_t b) {
                                     return arena.offsets[a] < arena.offsets[b];
                                   }),
                  one);
  }
  arena.alive_bytes = most_alive(buffers, alignment);
  return arena;
}

}  // namespace clconv::net
