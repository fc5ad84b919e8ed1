// Who takes part, beside clconv itself. Each has a file of its own; which of them were built depends on
// what was installed.
#pragma once

#include "contender.hpp"

namespace clconv::bench {

// The device that clconv and CLBlast compute on. The queue runs in order.
struct Lab {
  explicit Lab(const std::string& device);
  Context context;
  cl::Context cl;
  cl::CommandQueue queue;

  cl::Buffer buffer(std::size_t elements) const;
  cl::Buffer buffer(const std::vector<float>& values) const;
  std::vector<float> read(const cl::Buffer& buffer, std::size_t elements) const;
};

// The planner's choice. Never null: throws where nothing can run.
Peer clconv_peer(const Lab& lab, clconv_rigor rigor);

std::vector<Peer> clblast_peers(const Lab& lab);
std::vector<Peer> onednn_peers();
std::vector<Peer> openblas_peers();
// Starts Python. Empty where there is none that has PyTorch.
std::vector<Peer> pytorch_peers();

// The better of some, problem by problem: no contender of its own.
struct BestOf {
  std::string key, title, about;
  std::vector<std::string> of;
};
std::vector<BestOf> best_of(clconv_direction direction);

// All keys that --peers takes, whether they were built or not.
std::vector<std::string> known_peers();

}  // namespace clconv::bench
