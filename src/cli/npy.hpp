// NumPy's .npy files, as far as the program needs them: float32, C order. Refuses everything else
// with one line that names file, field, value and what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace clconv::cli {

struct Array {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// Throws FileFailure where it cannot be read, BadInput for what is in it. `what` says what the axes are, e.g. "(n,c,h,w)"; its rank is required.
Array read_npy(const std::string& path, const std::string& what);

// Temp file and rename: the target appears whole or not at all. Throws FileFailure.
void write_npy(const std::string& path, const Array& array);

std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace clconv::cli
