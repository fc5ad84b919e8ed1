// What becomes of a network's outputs: .npy files or a picture.
#pragma once

#include <string>
#include <vector>

#include "clconv/net.hpp"
#include "cli/npy.hpp"

namespace clconv::cli {

// --out: a folder that gets a .npy file for each output, a .npy file for the only output, or a .png file for the only
// output that is a picture: 1 image of 1 or 3 channels, the first axis of them that has so many: (1,c,h,w), (1,h,w,c).
class NetOutputs {
 public:
  // Throws BadInput where the outputs are not what `out` can hold. `inputs` are files that are read: none of them may
  // be written over.
  NetOutputs(std::string out, const std::vector<TensorInfo>& outputs,
             const std::vector<std::string>& inputs);
  // Writes what is wanted of them; the lines say what.
  std::vector<std::string> write(const std::vector<Array>& values) const;

 private:
  std::string out_;
  std::vector<TensorInfo> outputs_;
  std::vector<std::string> files_;  // by output; "": not written
  std::size_t picture_ = 0;
  bool is_picture_ = false;
};

}  // namespace clconv::cli
