#include "peers.hpp"

namespace clconv::bench {

std::vector<BestOf> best_of(clconv_direction direction) {
  if (direction == CLCONV_FORWARD) {
    return {{"onednn_nchw",
             "oneDNN NCHW",
             "the better of plain and reordered: NCHW in and out, as clconv",
             {"onednn_plain", "onednn_reorder"}},
            {"pytorch_best",
             "PyTorch, best",
             "the better of both environments",
             {"pytorch", "pytorch_tuned"}}};
  }
  return {{"onednn_best",
           "oneDNN, best",
           "the best of plain, reordered and blocked",
           {"onednn_plain", "onednn_reorder", "onednn_blocked"}},
          {"pytorch_best",
           "PyTorch, best",
           "the better of both environments",
           {"pytorch", "pytorch_tuned"}}};
}

std::vector<std::string> known_peers() {
  return {"clblast_convgemm", "clblast_default", "clblast_tuned",   "onednn_plain",
          "onednn_reorder",   "onednn_blocked",  "onednn_winograd", "openblas"};
}

}  // namespace clconv::bench
