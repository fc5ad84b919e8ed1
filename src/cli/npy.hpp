// NumPy's .npy files, as far as the program needs them: float32 or float16, C order. Refuses everything else
// with one line that names file, field, value and what was expected.
#pragma once

#include <clconv/clconv.h>

#include <cstdint>
#include <string>
#include <vector>

namespace clconv::cli {

struct Array {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  clconv_data_type type = CLCONV_FLOAT32;  // in the file and on the device

  // The values as they lie there, and back.
  std::vector<unsigned char> bytes() const;
  void set(const std::vector<unsigned char>& bytes);
};

// Throws FileFailure where it cannot be read, BadInput for what is in it. `what` says what the axes are, e.g.
// "(n,c,h,w)"; its rank is required. "": any rank.
Array read_npy(const std::string& path, const std::string& what);

// The target appears whole or not at all, as write_file_atomically() has it. Throws std::runtime_error.
void write_npy(const std::string& path, const Array& array);

std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace clconv::cli
