// Reads and writes float32 arrays as NumPy's .npy files (format 1.0, C order, little endian).
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

inline std::string npy_header(const std::vector<std::int64_t>& shape) {
  std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::int64_t size : shape)
    dict += std::to_string(size) + ",";
  dict += "), }";
  while ((10 + dict.size() + 1) % 64 != 0)
    dict += ' ';
  dict += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(dict.size() & 0xff);
  head += static_cast<char>(dict.size() >> 8);
  return head + dict;
}

// Writes to a temporary file first, so that a full disk leaves no half file behind.
inline void write_npy(const std::string& path, const std::vector<std::int64_t>& shape,
                      const std::vector<float>& values) {
  const std::string target = std::filesystem::weakly_canonical(path).string();  // a link stays one
  const std::string temporary = target + ".part";
  std::ofstream out(temporary, std::ios::binary);
  out << npy_header(shape);
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  out.close();
  if (!out || std::rename(temporary.c_str(), target.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw std::runtime_error("cannot write " + path);
  }
}

// Exactly the array that write_npy() would have written with this shape, or std::runtime_error.
inline std::vector<float> read_npy(const std::string& path,
                                   const std::vector<std::int64_t>& shape) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  const auto fail = [&](const std::string& what) { throw std::runtime_error(path + ": " + what); };
  char head[10];
  in.read(head, sizeof(head));
  if (!in || std::memcmp(head, "\x93NUMPY\x01", 7) != 0) fail("not a .npy file of format 1.0");
  std::string dict(static_cast<std::size_t>(static_cast<unsigned char>(head[8]) |
                                            static_cast<unsigned char>(head[9]) << 8),
                   '\0');
  in.read(&dict[0], static_cast<std::streamsize>(dict.size()));
  std::string wanted, found;
  std::size_t count = 1;
  for (const std::int64_t size : shape) {
    wanted += (wanted.empty() ? "" : ", ") + std::to_string(size);
    count *= static_cast<std::size_t>(size);
  }
  const std::size_t open = dict.find('('), close = dict.find(')');
  if (open == std::string::npos || close == std::string::npos) fail("no shape in its header");
  found = dict.substr(open + 1, close - open - 1);
  const auto bare = [](std::string text) {
    std::string result;
    for (const char c : text)
      if (c != ' ') result += c;
    if (!result.empty() && result.back() == ',') result.pop_back();
    return result;
  };
  if (dict.find("<f4") == std::string::npos || dict.find("False") == std::string::npos ||
      bare(found) != bare(wanted)) {
    fail("has shape (" + found + "), expected float32 in C order of shape (" + wanted + ")");
  }
  std::vector<float> values(count);
  in.read(reinterpret_cast<char*>(values.data()),
          static_cast<std::streamsize>(count * sizeof(float)));
  if (!in) fail("truncated");
  return values;
}

}  // namespace example
