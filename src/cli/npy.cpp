// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include "cli/npy.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "cli/cli.hpp"
#include "runtime/files.hpp"
#include "runtime/storage.hpp"

namespace clconv::cli {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr std::size_t kMagicSize = 6;

[[noreturn]] void bad(const std::string& path, const std::string& text) {
  throw BadInput(path + ": " + text);
}

// The text behind `'key':` in the header's Python dictionary, up to the next top-level comma.
std::string header_value(const std::string& path, const std::string& header, const char* key) {
  const std::size_t at = header.find("'" + std::string(key) + "'");
  const std::size_t colon = at == std::string::npos ? at : header.find(':', at);
  if (colon == std::string::npos) bad(path, "the header has no '" + std::string(key) + "'");
  std::size_t begin = header.find_first_not_of(' ', colon + 1);
  int depth = 0;
  std::size_t end = begin;
  for (; end < header.size(); ++end) {
    if (header[end] == '(' || header[end] == '[') ++depth;
    if (header[end] == ')' || header[end] == ']') --depth;
    if (depth == 0 && (header[end] == ',' || header[end] == '}')) break;
  }
  while (begin < end && header[end - 1] == ' ')
    --end;
  return begin < end ? header.substr(begin, end - begin) : "";
}

std::vector<std::int64_t> parse_tuple(const std::string& path, const std::string& text) {
  std::vector<std::int64_t> values;
  std::string number;
  // Python 2 wrote 3L for long integers.
  const bool tuple = text.size() >= 2 && text.front() == '(' && text.back() == ')' &&
                     text.find_first_not_of("0123456789, L", 1) == text.size() - 1;
  if (!tuple) bad(path, "shape is " + text + ", expected a tuple of sizes");
  for (const char c : text) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      number += c;
    } else if (!number.empty()) {
      if (number.size() > 18) bad(path, "shape " + text + " does not fit 64 bits");
      values.push_back(std::stoll(number));
      number.clear();
    }
  }
  return values;
}

std::int64_t element_count(const std::string& path, const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count) ||
        count > std::numeric_limits<std::int64_t>::max() / 4) {
      bad(path, "shape " + shape_text(shape) + ": its byte size does not fit 64 bits");
    }
  }
  return count;
}

}  // namespace

std::vector<unsigned char> Array::bytes() const {
  return core::to_storage(values, static_cast<core::DataType>(type));
}

void Array::set(const std::vector<unsigned char>& stored) {
  values = core::from_storage(stored, static_cast<core::DataType>(type));
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i > 0 ? "," : "") + std::to_string(shape[i]);
  }
  return text + ")";
}

namespace {

// `bytes` bytes, and the end behind them, of what may be a pipe. Grown as they come: a wrong shape must not make us
// allocate what it claims.
std::vector<unsigned char> read_data(std::ifstream& in, const std::string& path, std::int64_t bytes,
                                     const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t kPiece = 1 << 20;
  std::vector<unsigned char> stored;
  std::int64_t present = 0;
  while (in && present <= bytes) {
    const std::int64_t wanted = std::min(bytes + 1 - present, kPiece);
    stored.resize(static_cast<std::size_t>(present + wanted));
    in.read(reinterpret_cast<char*>(&stored[static_cast<std::size_t>(present)]), wanted);
    present += in.gcount();
  }
  if (in.bad()) throw FileFailure("cannot read " + path + " to its end");
  if (present != bytes) {
    bad(path,
        "holds " +
            (present > bytes ? "more than " + std::to_string(bytes) : std::to_string(present)) +
            " bytes of data, its shape " + shape_text(shape) + " needs " + std::to_string(bytes));
  }
  stored.resize(static_cast<std::size_t>(bytes));
  return stored;
}

}  // namespace

Array read_npy(const std::string& path, const std::string& what) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path)) {
    throw FileFailure("cannot read " + path + ": " + std::strerror(in ? EISDIR : errno));
  }
  unsigned char head[12] = {};
  in.read(reinterpret_cast<char*>(head), 8);
  if (in.gcount() < 8 || std::memcmp(head, kMagic, kMagicSize) != 0) {
    bad(path, "is not a .npy file");
  }
  const int version = head[6];
  if (version < 1 || version > 3)
    bad(path, ".npy version " + std::to_string(version) + ", expected 1 to 3");
  const std::size_t length_size = version == 1 ? 2 : 4;
  in.read(reinterpret_cast<char*>(head), static_cast<std::streamsize>(length_size));
  std::size_t length = 0;
  for (std::size_t i = length_size; i-- > 0;)
    length = length << 8 | head[i];
  if (!in || length > (1u << 20)) bad(path, "truncated in its header");
  std::string header(length, '\0');
  in.read(header.data(), static_cast<std::streamsize>(length));
  if (static_cast<std::size_t>(in.gcount()) != length) bad(path, "truncated in its header");

  std::replace(header.begin(), header.end(), '"', '\'');  // both are strings in Python
  const std::string type = header_value(path, header, "descr");
  if (type != "'<f4'" && type != "'<f2'") {
    bad(path, "dtype is " + type + ", expected '<f4' or '<f2' (little-endian float32, float16)");
  }
  if (header_value(path, header, "fortran_order") != "False") {
    bad(path, "is in Fortran order, expected C order");
  }
  Array array;
  array.type = type == "'<f2'" ? CLCONV_FLOAT16 : CLCONV_FLOAT32;
  array.shape = parse_tuple(path, header_value(path, header, "shape"));
  const auto rank = static_cast<std::size_t>(std::count(what.begin(), what.end(), ',') + 1);
  if (!what.empty() && array.shape.size() != rank) {
    bad(path, "has rank " + std::to_string(array.shape.size()) + " " + shape_text(array.shape) +
                  ", expected " + std::to_string(rank) + " " + what);
  }
  const std::int64_t bytes = element_count(path, array.shape) *
                             core::element_bytes(static_cast<core::DataType>(array.type));
  array.set(read_data(in, path, bytes, array.shape));
  return array;
}

void write_npy(const std::string& path, const Array& array) {
  std::string shape = "(";
  for (const std::int64_t size : array.shape)
    shape += std::to_string(size) + ", ";
  shape += ")";
  std::string header =
      "{'descr': '<f" +
      std::to_string(core::element_bytes(static_cast<core::DataType>(array.type))) +
      "', 'fortran_order': False, 'shape': " + shape + ", }";
  // Data starts at a multiple of 64 bytes; magic, version and length take 10.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string head(kMagic, kMagicSize);
  head += '\x01';
  head += '\0';
  head += static_cast<char>(header.size() & 0xff);
  head += static_cast<char>(header.size() >> 8 & 0xff);

  const std::vector<unsigned char> stored = array.bytes();
  head += header;
  head.append(stored.begin(), stored.end());
  core::write_file_atomically(path, head);
}

}  // namespace clconv::cli
