#include "net/operators/indexed.hpp"

#include <algorithm>
#include <limits>

#include "net/elements.hpp"
#include "net/operators/rows.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

bool is_whole(const IndexedAxis& axis) {
  return axis.table.empty() && axis.size == axis.from_size;
}

// Neighbouring axes that are copied as they are become one. At least one axis is left.
std::vector<IndexedAxis> collapsed(const std::vector<IndexedAxis>& axes) {
  std::vector<IndexedAxis> result;
  for (const IndexedAxis& axis : axes) {
    if (is_whole(axis) && !result.empty() && is_whole(result.back())) {
      result.back() = whole_axis(result.back().size * axis.size);
    } else {
      result.push_back(axis);
    }
  }
  if (result.empty()) result.push_back(whole_axis(1));
  return result;
}

// Elements of the input between neighbours along each axis.
std::vector<std::int64_t> strides_of(const std::vector<IndexedAxis>& axes) {
  Shape shape;
  for (const IndexedAxis& axis : axes)
    shape.push_back(axis.from_size);
  return dense_strides(shape);
}

template <class T>
struct HostCopy {
  const std::vector<IndexedAxis>& axes;
  std::vector<std::int64_t> strides;
  T fill;
  const T* from;
  T* to;

  // The rest of the result along `axis` and the axes behind it; `at` below 0: it is filled.
  void run(std::size_t axis, std::int64_t at) {
    if (axis == axes.size()) {
      *to++ = at < 0 ? fill : from[at];
      return;
    }
    for (std::int64_t i = 0; i < axes[axis].size; ++i) {
      const std::int64_t index =
          axes[axis].table.empty() ? i : axes[axis].table[static_cast<std::size_t>(i)];
      run(axis + 1, at < 0 || index < 0 ? -1 : at + index * strides[axis]);
    }
  }
};

// The longest part of a table in which indices follow each other.
struct Run {
  std::size_t first = 0, count = 0;
};

Run longest_run(const std::vector<cl_int>& table) {
  Run longest;
  for (std::size_t first = 0; first < table.size();) {
    std::size_t end = first + 1;
    while (end < table.size() && table[first] >= 0 && table[end] == table[end - 1] + 1)
      ++end;
    if (table[first] >= 0 && end - first > longest.count) longest = {first, end - first};
    first = end;
  }
  return longest;
}

// f where each index is taken f times in turn, else 0.
std::int64_t repeats_of(const IndexedAxis& axis) {
  constexpr std::int64_t kMost = 8;
  if (axis.table.empty() || axis.from_size == 0 || axis.size % axis.from_size != 0) return 0;
  const std::int64_t times = axis.size / axis.from_size;
  for (std::size_t i = 0; i < axis.table.size(); ++i) {
    if (axis.table[i] != static_cast<std::int64_t>(i) / times) return 0;
  }
  return times > 1 && times <= kMost ? times : 0;
}

std::string form_define(const core::DeviceProfile& profile, const IndexedAxis& inner,
                        bool in_pieces) {
  if (inner.table.empty()) return " -DONE_PIECE";
  if (profile.family == core::Family::kGpu) return " -DTABLE";
  const std::int64_t times = repeats_of(inner);
  if (times != 0 && !in_pieces) return " -DREPEATS=" + std::to_string(times);
  return in_pieces ? " -DTABLE" : " -DRUN";
}

}  // namespace

Fill fill_with(double number) {
  return {number, truncated(number)};
}

IndexedAxis whole_axis(std::int64_t size) {
  return {size, size, {}};
}

IndexedAxis indexed_axis(std::int64_t from_size, std::vector<cl_int> table) {
  const auto size = static_cast<std::int64_t>(table.size());
  bool same = size == from_size;
  for (std::size_t i = 0; same && i < table.size(); ++i)
    same = table[i] == static_cast<cl_int>(i);
  if (same) return whole_axis(size);
  return {from_size, size, std::move(table)};
}

bool is_plain(const IndexedCopy& copy) {
  return std::all_of(copy.axes.begin(), copy.axes.end(), is_whole);
}

void expect_indexable(const NodeView& view, std::int64_t size) {
  if (size <= std::numeric_limits<cl_int>::max()) return;
  view.unsupported("a dimension of size " + std::to_string(size) + " is beyond 32 bits");
}

ConstantPtr taken(const Constant& from, const Shape& shape, const IndexedCopy& copy) {
  auto result = std::make_shared<Constant>(zeros(from.type, shape));
  const std::vector<IndexedAxis> axes = collapsed(copy.axes);
  if (is_floating(from.type)) {
    HostCopy<float>{axes, strides_of(axes), static_cast<float>(copy.fill.number),
                    from.floats.data(), result->floats.data()}
        .run(0, 0);
  } else {
    HostCopy<std::int64_t>{axes, strides_of(axes), copy.fill.integer, from.integers.data(),
                           result->integers.data()}
        .run(0, 0);
  }
  return result;
}

void launch_indexed(Lowering& lowering, const char* name, BufferId x, BufferId y,
                    const IndexedCopy& copy) {
  const std::vector<IndexedAxis> axes = collapsed(copy.axes);
  std::int64_t count = 1, from_count = 1;
  for (const IndexedAxis& axis : axes) {
    count *= axis.size;
    from_count = core::saturating_product(from_count, axis.from_size);
  }
  if (count == 0) return;
  const std::vector<std::int64_t> strides = strides_of(axes);
  std::vector<cl_long> outer;
  std::vector<cl_int> tables = axes.back().table;  // that of the innermost axis comes first
  for (std::size_t a = 0; a + 1 < axes.size(); ++a) {
    const auto at = axes[a].table.empty() ? cl_long{-1} : static_cast<cl_long>(tables.size());
    outer.insert(outer.end(), {axes[a].size, strides[a], at});
    tables.insert(tables.end(), axes[a].table.begin(), axes[a].table.end());
  }
  const auto rank = static_cast<cl_int>(outer.size() / 3);
  if (outer.empty()) outer = {1, 0, -1};
  if (tables.empty()) tables = {0};
  const std::int64_t columns = axes.back().size, rows = count / columns;
  const RowDivision division(lowering.profile(), rows, columns);
  const Run run = longest_run(axes.back().table);
  const bool in_pieces = division.columns_each < columns;
  lowering.launch(name, "net/indexed", "copy_indexed",
                  lowering.storage_define() +
                      index_define(lowering.profile(), std::max(count, from_count)) +
                      vector_define(lowering.profile()) +
                      form_define(lowering.profile(), axes.back(), in_pieces),
                  {{"x", In{x}},
                   {"y", Out{y}},
                   {"outer", In{lowering.upload(name, outer)}},
                   {"tables", In{lowering.upload(name, tables)}},
                   {"rank", rank},
                   {"rows", cl_long{rows}},
                   {"columns", cl_long{columns}},
                   {"run_first", static_cast<cl_long>(run.first)},
                   {"run_count", static_cast<cl_long>(run.count)},
                   {"fill", static_cast<cl_float>(copy.fill.number)},
                   {"rows_each", cl_long{division.rows_each}},
                   {"columns_each", cl_long{division.columns_each}}},
                  division.range,
                  core::element_bytes(lowering.storage()) * (count + std::min(count, from_count)));
}

}  // namespace clconv::net
