#include "net/operators/reduce.hpp"

#include <algorithm>
#include <limits>

#include "net/operators/division.hpp"

namespace clconv::net {
namespace {

using core::ceil_div;

// Neighbouring axes that are all reduced, or none of them.
struct Run {
  std::int64_t size = 1;
  bool reduced = false;
};

// Axes of size 1 vanish.
std::vector<Run> runs_of(const Shape& shape, const std::vector<bool>& reduced) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (runs.empty() || runs.back().reduced != reduced[i]) runs.push_back({1, reduced[i]});
    runs.back().size *= shape[i];
  }
  return runs;
}

// One launch: [outer, reduced, inner] to [outer, parts, inner].
struct Pass {
  std::int64_t outer = 1, reduced = 1, inner = 1, parts = 1, part = 1;
  bool first = true, last = true;  // of the reduction: maps elements, finishes totals
  std::int64_t results() const { return outer * parts * inner; }
};

constexpr std::int64_t kVectorsOfTask = 4;  // of reduce_columns

// Divides what has few results and long sums, so that all units work: [outer, reduced, inner] becomes two passes.
std::int64_t parts_of(const core::DeviceProfile& profile, const Pass& pass) {
  constexpr std::int64_t kLeastPart = 16384;  // elements: less is done sooner than another launch
  const bool cpu = profile.family == core::Family::kCpu;
  const std::int64_t task_columns = takes_vectors(profile)
                                        ? core::Runs::vector_width(profile) * kVectorsOfTask
                                        : core::Spans::local_size(profile);
  const std::int64_t width = pass.inner == 1 ? 1 : std::min(task_columns, pass.inner);
  const std::int64_t tasks = pass.outer * ceil_div(pass.inner, task_columns);
  const std::int64_t wanted = profile.compute_units * (cpu ? 2 : 8);
  if (tasks >= wanted) return 1;
  return std::clamp<std::int64_t>(pass.reduced * width / kLeastPart, 1, ceil_div(wanted, tasks));
}

std::string defines_of(const Lowering& lowering, const Reduction& reduction, const Pass& pass) {
  static const char* const kFolds[] = {" -DFOLD_SUM", " -DFOLD_PRODUCT", " -DFOLD_MAX",
                                       " -DFOLD_MIN", " -DFOLD_LOG_SUM_EXP"};
  static const char* const kMaps[] = {"", " -DMAP_ABS", " -DMAP_SQUARE"};
  static const char* const kFinishes[] = {"", " -DFINISH_SQRT", " -DFINISH_LOG"};
  std::string defines =
      lowering.storage_define() + kFolds[static_cast<std::size_t>(reduction.fold)];
  if (pass.first) defines += kMaps[static_cast<std::size_t>(reduction.map)];
  if (pass.last) defines += kFinishes[static_cast<std::size_t>(reduction.finish)];
  if (!pass.first) defines += " -DFROM_FLOAT";
  if (!pass.last) defines += " -DTO_FLOAT";
  return defines;
}

void launch(Lowering& lowering, const Reduction& reduction, const Pass& pass, BufferId from,
            BufferId to, std::int64_t divisor) {
  const core::DeviceProfile& profile = lowering.profile();
  const bool rows = pass.inner == 1, vectors = takes_vectors(profile);
  const std::int64_t total = pass.outer * pass.reduced * pass.inner;
  std::int64_t tasks = pass.results();
  std::string defines = defines_of(lowering, reduction, pass);
  std::vector<Argument> arguments = {{"x", In{from}}, {"y", Out{to}}};
  core::Range range;
  std::vector<std::pair<const char*, std::int64_t>> sizes = {
      {"reduced", pass.reduced}, {"inner", pass.inner}, {"parts", pass.parts}, {"part", pass.part}};
  if (vectors) {
    const std::int64_t task_columns = core::Runs::vector_width(profile) * kVectorsOfTask;
    if (!rows) tasks = pass.outer * pass.parts * ceil_div(pass.inner, task_columns);
    const Tasks divided(profile, tasks,
                        pass.part * (rows ? 1 : std::min(task_columns, pass.inner)));
    sizes.insert(sizes.end(), {{"total", total}, {"span", divided.span}});
    range = divided.range;
    defines += vector_define(profile);
  } else {
    const std::int64_t local = row_items(profile);
    range =
        rows ? rows_of_items(tasks, local) : core::items(tasks, core::Spans::local_size(profile));
    defines += " -DLOCAL=" + std::to_string(local);
  }
  arguments.push_back({"tasks", cl_long{tasks}});
  for (const auto& [name, value] : sizes)
    arguments.push_back({name, cl_long{value}});
  arguments.push_back({"divisor", static_cast<cl_float>(pass.last ? divisor : 1)});
  lowering.launch(reduction.name, vectors ? "net/reduction" : "net/reduction_items",
                  rows ? "reduce_rows" : "reduce_columns", defines, arguments, range,
                  total * core::element_bytes(lowering.storage()));
}

// The passes that reduce one run after another, the innermost first.
std::vector<Pass> passes_of(const core::DeviceProfile& profile, std::vector<Run> runs) {
  std::vector<Pass> passes;
  const auto product = [](auto begin, auto end) {
    std::int64_t size = 1;
    for (; begin != end; ++begin)
      size *= begin->size;
    return size;
  };
  for (;;) {
    const auto at =
        std::find_if(runs.rbegin(), runs.rend(), [](const Run& run) { return run.reduced; });
    if (at == runs.rend()) break;
    const auto found = at.base() - 1;
    Pass pass;
    pass.outer = product(runs.begin(), found);
    pass.reduced = found->size;
    pass.inner = product(found + 1, runs.end());
    pass.part = pass.reduced;
    const std::int64_t parts = pass.results() > 0 ? parts_of(profile, pass) : 1;
    if (parts > 1) {
      pass.part = ceil_div(pass.reduced, parts);
      pass.parts = ceil_div(pass.reduced, pass.part);
      passes.push_back(pass);
      pass.reduced = pass.part = pass.parts;
      pass.parts = 1;
    }
    passes.push_back(pass);
    runs.erase(found);
  }
  for (std::size_t i = 0; i < passes.size(); ++i) {
    passes[i].first = i == 0;
    passes[i].last = i + 1 == passes.size();
  }
  return passes;
}

// What a reduction over no elements gives.
float value_of_nothing(const Reduction& reduction) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (reduction.mean) return std::numeric_limits<float>::quiet_NaN();
  if (reduction.finish == Reduction::Finish::kLog) return -kInfinity;
  switch (reduction.fold) {
    case Reduction::Fold::kProduct: return 1;
    case Reduction::Fold::kMax:
    case Reduction::Fold::kLogSumExp: return -kInfinity;
    case Reduction::Fold::kMin: return kInfinity;
    case Reduction::Fold::kSum: break;
  }
  return 0;
}

}  // namespace

void lower_reduction(Lowering& lowering, const Reduction& reduction,
                     const std::vector<bool>& reduced) {
  const Shape& shape = lowering.shape(0);
  const std::int64_t results = elements(lowering.output_shape(0));
  if (elements(shape) == 0 && results > 0) {
    const std::vector<float> values(static_cast<std::size_t>(results), value_of_nothing(reduction));
    return lowering.alias(0, lowering.upload_stored(reduction.name, values));
  }
  std::vector<Run> runs = runs_of(shape, reduced);
  const BufferId x = lowering.in(0);
  std::int64_t divisor = 1;
  for (const Run& run : runs) {
    if (run.reduced && reduction.mean) divisor *= run.size;
  }
  const bool folds =
      std::any_of(runs.begin(), runs.end(), [](const Run& run) { return run.reduced; });
  if (!folds) {
    const bool changes =
        reduction.map != Reduction::Map::kNone || reduction.finish != Reduction::Finish::kNone;
    const std::int64_t bytes = lowering.bytes_of(shape);
    if (!changes && lowering.may_alias(x, 0, bytes)) return lowering.alias(0, x);
    // Elements are folded alone, as columns of one row.
    runs = {{1, true}, {results, false}};
  }
  BufferId from = x;
  const BufferId y = lowering.out(0);
  if (results == 0) return;
  for (const Pass& pass : passes_of(lowering.profile(), std::move(runs))) {
    const BufferId to =
        pass.last ? y
                  : lowering.scratch(std::string(reduction.name) + " totals", pass.results() * 4);
    launch(lowering, reduction, pass, from, to, divisor);
    from = to;
  }
}

}  // namespace clconv::net
