// How the elements of the operands lie in memory, as rows of a table. A new type is a value and a row here, a block of
// kernels/parts/storage.cl, its conversion in runtime/storage.hpp and its value in clconv.h. Sums are float32 whatever
// the type is. Refuses to know of OpenCL.
#pragma once

#include <cstddef>
#include <cstdint>

namespace clconv::core {

enum class DataType { kFloat32 = 0, kFloat16 = 1, kBfloat16 = 2 };
constexpr std::size_t kDataTypes = 3;

struct DataTypeRow {
  DataType type;
  const char* word;   // in reports, in wisdom and on the command line
  const char* name;   // for people
  const char* macro;  // chooses its block in kernels/parts/storage.cl
  std::int64_t bytes;
  // Rounding a result to it changes the result by `rounding` times its magnitude at most, or by `spacing` where the
  // type has no closer numbers.
  double rounding, spacing;
};

constexpr DataTypeRow kDataTypeRows[kDataTypes] = {
    {DataType::kFloat32, "f32", "float32", "STORAGE_FLOAT32", 4, 0, 0},
    {DataType::kFloat16, "f16", "float16", "STORAGE_FLOAT16", 2, 0x1p-11, 0x1p-25},
    // Its smallest numbers are those of float32, which devices may flush to 0.
    {DataType::kBfloat16, "bf16", "bfloat16", "STORAGE_BFLOAT16", 2, 0x1p-8, 0x1p-126},
};

constexpr bool data_types_in_order() {
  for (std::size_t i = 0; i < kDataTypes; ++i) {
    if (static_cast<std::size_t>(kDataTypeRows[i].type) != i) return false;
  }
  return true;
}
static_assert(data_types_in_order(), "the rows follow the values of DataType");

constexpr const DataTypeRow& row_of(DataType type) {
  return kDataTypeRows[static_cast<std::size_t>(type)];
}
constexpr const char* to_string(DataType type) {
  return row_of(type).word;
}
constexpr std::int64_t element_bytes(DataType type) {
  return row_of(type).bytes;
}

}  // namespace clconv::core
