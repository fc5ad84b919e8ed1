#include <algorithm>
#include <sstream>

#include "error.hpp"
#include "net/passes.hpp"

namespace clconv::net {

// One line per pass, in the order in which they run: name, what it does for people.
// clang-format off
#define CLCONV_NET_PASSES(X)                                                                      \
  X(identities, "drops Identity, Dropout and casts between floating types")                       \
  X(activations, "recognises activations that are spelt out, such as hard-swish, GELU and SiLU")  \
  X(padding, "zero padding in front of a convolution becomes its own")                            \
  X(movement, "drops what moves no data, merges reshapes with reshapes and transposes likewise")  \
  X(fully_connected, "MatMul and Gemm with constant weights are planned as fully connected")      \
  X(scales, "batch normalization and constants per channel go into weights and bias")             \
  X(epilogues, "activations and residual sums become epilogues of convolutions")                  \
  X(channel_scales, "products with one value per image and channel become epilogues of convolutions") \
  X(input_scales, "constants per channel go into weights and bias of the convolutions behind them") \
  X(elementwise, "makes chains and trees of element-wise operators one kernel")
// clang-format on

#define CLCONV_NET_DECLARE(name, about) void name(Graph& graph, Changes& changes);
namespace pass {
CLCONV_NET_PASSES(CLCONV_NET_DECLARE)
}
#undef CLCONV_NET_DECLARE

const std::vector<Pass>& passes() {
#define CLCONV_NET_ROW(name, about) {#name, about, pass::name},
  static const std::vector<Pass> rows = {CLCONV_NET_PASSES(CLCONV_NET_ROW)};
#undef CLCONV_NET_ROW
  return rows;
}

std::vector<PassReport> run_passes(Graph& graph, const std::string& skipped) {
  std::vector<std::string> skip;
  std::stringstream words(skipped);
  for (std::string word; std::getline(words, word, ',');) {
    const bool known = std::any_of(passes().begin(), passes().end(),
                                   [&](const Pass& pass) { return word == pass.name; });
    if (!known) {
      std::string names;
      for (const Pass& pass : passes())
        names += (names.empty() ? "" : ", ") + std::string(pass.name);
      throw core::Error(core::Code::kInvalidArgument,
                        "there is no pass '" + word + "'; passes: " + names);
    }
    skip.push_back(word);
  }
  std::vector<PassReport> reports;
  for (const Pass& pass : passes()) {
    if (std::find(skip.begin(), skip.end(), pass.name) != skip.end()) continue;
    PassReport report{pass.name, {}};
    pass.run(graph, report.changes);
    graph.remove_unused();
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace clconv::net
