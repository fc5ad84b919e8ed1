#include "net/operators/resample.hpp"

#include <algorithm>
#include <numeric>

#include "net/operators/rows.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

using core::Family;

// Rows of the input up to this width are blended in private memory first.
constexpr std::int64_t kWidestKept = 4096;

std::int64_t count_of(const Resampling& how) {
  return std::accumulate(how.axes.begin(), how.axes.end(), how.outer * how.inner,
                         [](std::int64_t n, const Taps& taps) { return n * taps.size; });
}

std::int64_t from_count_of(const Resampling& how) {
  return std::accumulate(how.axes.begin(), how.axes.end(), how.outer * how.inner,
                         [](std::int64_t n, const Taps& taps) { return n * taps.from_size; });
}

// One element of the result, at index i[a] of each axis and element k of the inner ones.
struct HostSum {
  const Resampling& how;
  const float* from;  // of the outer index
  const std::int64_t* index;
  std::int64_t k;
  bool outside = false;

  double run(std::size_t a, std::int64_t at) {
    if (a >= Resampling::kMostAxes) return static_cast<double>(from[at * how.inner + k]);
    const Taps& taps = how.axes[a];
    const auto first = static_cast<std::size_t>(index[a] * taps.count);
    double sum = 0;
    outside = outside || taps.indices[first] == kOutside;
    for (std::size_t t = first; t < first + static_cast<std::size_t>(taps.count) && !outside; ++t)
      sum +=
          static_cast<double>(taps.weights[t]) * run(a + 1, at * taps.from_size + taps.indices[t]);
    return sum;
  }
};

// How the kernel is entered: a GPU takes one element per work-item; a CPU a row, whose vectors lie along the innermost
// resized axis, or along what is behind it.
const char* entry_of(const core::DeviceProfile& profile, const Resampling& how) {
  if (profile.family == Family::kGpu || core::Runs::vector_width(profile) == 1) {
    return "resample_elements";
  }
  if (how.inner > 1) return "resample_pixels";
  return how.axes.back().from_size <= kWidestKept ? "resample_rows" : "resample_elements";
}

// 2 or 4 where the results of that many phases take neighbours 1 apart with the same weights, ends repeated; else 0.
std::int64_t phases_of(const Taps& taps) {
  constexpr std::int64_t kInside = 2;  // of a phase: the neighbours of that one are all inside
  const std::int64_t phases = taps.from_size > 0 ? taps.size / taps.from_size : 0;
  if ((phases != 2 && phases != 4) || taps.size != phases * taps.from_size) return 0;
  if (taps.from_size < 2 * kInside + 2) return 0;
  for (std::int64_t c = 0; c < taps.size; ++c) {
    for (std::int64_t t = 0; t < taps.count; ++t) {
      const auto at = static_cast<std::size_t>(c * taps.count + t);
      const auto inside =
          static_cast<std::size_t>((kInside * phases + c % phases) * taps.count + t);
      const std::int64_t index = taps.indices[inside] + c / phases - kInside;
      const bool same = taps.weights[at] == taps.weights[inside] &&
                        taps.indices[at] == std::clamp<std::int64_t>(index, 0, taps.from_size - 1);
      if (!same) return 0;
    }
  }
  return phases;
}

// The kernel's tables: the last axis by taps, so that neighbours of one tap follow each other.
template <class T>
void append(std::vector<T>& table, const std::vector<T>& taps, std::int64_t count, bool by_taps) {
  if (!by_taps) {
    table.insert(table.end(), taps.begin(), taps.end());
    return;
  }
  const auto step = static_cast<std::size_t>(count);
  for (std::size_t t = 0; t < step; ++t) {
    for (std::size_t at = t; at < taps.size(); at += step)
      table.push_back(taps[at]);
  }
}

std::string taps_define(const Resampling& how) {
  std::string defines;
  const char* const names[] = {" -DTAPS_A=", " -DTAPS_B=", " -DTAPS_C="};
  for (std::size_t a = 0; a < how.axes.size(); ++a)
    defines += names[a] + std::to_string(how.axes[a].count);
  return defines;
}

// Only of resample_rows.
std::string rows_define(const std::string& entry, const Resampling& how) {
  if (entry != "resample_rows") return " -DKEPT=1";
  const std::int64_t phases = phases_of(how.axes.back());
  return " -DKEPT=" + std::to_string(core::round_up(how.axes.back().from_size, 64)) +
         (phases != 0 ? " -DPHASES=" + std::to_string(phases) : "");
}

}  // namespace

bool regroup(const std::vector<Taps>& axes, Resampling& result) {
  std::size_t first = 0, last = axes.size();
  for (; first < last && takes_itself(axes[first]); ++first)
    result.outer *= axes[first].size;
  for (; last > first && takes_itself(axes[last - 1]); --last)
    result.inner *= axes[last - 1].size;
  if (last - first > Resampling::kMostAxes) return false;
  result.axes.assign(Resampling::kMostAxes - (last - first), own_taps(1));
  for (std::size_t a = first; a < last; ++a)
    result.axes.push_back(axes[a]);
  return true;
}

bool is_plain(const Resampling& how) {
  return std::all_of(how.axes.begin(), how.axes.end(), takes_itself);
}

std::vector<float> resampled(const std::vector<float>& from, const Resampling& how) {
  std::vector<float> result;
  const std::int64_t a_size = how.axes[0].size, b_size = how.axes[1].size,
                     c_size = how.axes[2].size;
  const std::int64_t outer_from = from_count_of(how) / std::max<std::int64_t>(how.outer, 1);
  for (std::int64_t i = 0; i < count_of(how); ++i) {
    const std::int64_t at = i / how.inner;
    const std::int64_t index[] = {at / c_size / b_size % a_size, at / c_size % b_size, at % c_size};
    const std::int64_t outer = at / c_size / b_size / a_size;
    HostSum sum{how, from.data() + outer * outer_from, index, i % how.inner};
    const double value = sum.run(0, 0);
    result.push_back(sum.outside ? how.fill : static_cast<float>(value));
  }
  return result;
}

void launch_resampling(Lowering& lowering, BufferId x, BufferId y, const Resampling& how) {
  const std::int64_t count = count_of(how), from_count = from_count_of(how);
  if (count == 0) return;
  std::vector<cl_int> indices;
  std::vector<float> weights;
  for (const Taps& taps : how.axes) {
    const bool is_last = &taps == &how.axes.back();
    append(indices, taps.indices, taps.count, is_last);
    append(weights, taps.weights, taps.count, is_last);
  }
  const core::DeviceProfile& profile = lowering.profile();
  const char* entry = entry_of(profile, how);
  const bool elements = entry == std::string("resample_elements");
  const std::int64_t row = how.axes[2].size * how.inner, rows = count / row;
  const RowDivision division(profile, elements ? 1 : rows, elements ? count : row);
  const std::int64_t items_each = elements ? division.columns_each : division.rows_each;
  const core::Range range =
      elements ? division.range : core::one_item_groups(core::ceil_div(rows, items_each));
  lowering.launch("resize", "net/resample", entry,
                  lowering.storage_define() + index_define(profile, std::max(count, from_count)) +
                      vector_define(profile) + taps_define(how) + rows_define(entry, how),
                  {{"x", In{x}},
                   {"y", Out{y}},
                   {"indices", In{lowering.upload("resize", indices)}},
                   {"weights", In{lowering.upload("resize", weights)}},
                   {"a_size", static_cast<cl_int>(how.axes[0].size)},
                   {"b_size", static_cast<cl_int>(how.axes[1].size)},
                   {"c_size", static_cast<cl_int>(how.axes[2].size)},
                   {"x_a", cl_long{how.axes[0].from_size}},
                   {"x_b", cl_long{how.axes[1].from_size}},
                   {"x_c", cl_long{how.axes[2].from_size}},
                   {"inner", cl_long{how.inner}},
                   {"fill", static_cast<cl_float>(how.fill)},
                   {"count", cl_long{elements ? count : rows}},
                   {"each", cl_long{items_each}}},
                  range, core::element_bytes(lowering.storage()) * (count + from_count));
}

}  // namespace clconv::net
