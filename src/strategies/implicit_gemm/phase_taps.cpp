#include "strategies/implicit_gemm/phase_taps.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"

namespace clconv::core::implicit_gemm {
namespace {

// "-DROW_TAPS=2,1 ...".
std::string residue_defines(const std::string& axis, const char* start, const char* distance,
                            const std::vector<Residue>& residues) {
  std::string taps, first, starts, step = "-1", apart = "1";
  for (const Residue& residue : residues) {
    const char* comma = taps.empty() ? "" : ",";
    taps += comma + std::to_string(residue.taps);
    first += comma + std::to_string(residue.first_tap);
    starts += comma + std::to_string(residue.start);
    if (residue.taps == 0) continue;
    step = std::to_string(residue.step);
    apart = std::to_string(residue.distance);
  }
  return " -D" + axis + "_TAPS=" + taps + " -D" + axis + "_TAP=" + first + " -D" + axis + "_" +
         start + "=" + starts + " -D" + axis + "_STEP=" + step + " -D" + distance + "=" + apart;
}

}  // namespace

std::vector<Residue> column_residues(const Problem& p, const std::vector<Correlation>& phases) {
  std::vector<Residue> residues(static_cast<std::size_t>(p.sw));
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const Correlation& c = phases[i];
    if (c.reduction() > 0)
      residues[i % residues.size()] = {c.taps_w, c.w_base % p.kw, c.w_column, c.left, c.dw};
  }
  return residues;
}

std::vector<Residue> row_residues(const Problem& p, const std::vector<Correlation>& phases) {
  std::vector<Residue> residues(static_cast<std::size_t>(p.sh));
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const Correlation& c = phases[i];
    if (c.reduction() > 0)
      residues[i / static_cast<std::size_t>(p.sw)] = {c.taps_h, c.w_base / p.kw, c.w_row / p.kw,
                                                      c.top, c.dh};
  }
  return residues;
}

Reach::Reach(const std::vector<Residue>& columns) {
  bool any = false;
  for (const Residue& c : columns) {
    if (c.taps == 0) continue;
    const std::int64_t last_of = c.start + (c.taps - 1) * c.distance;
    first = any ? std::min(first, c.start) : c.start;
    last = any ? std::max(last, last_of) : last_of;
    any = true;
  }
}

Correlation all_taps(const Problem& p, const Correlation& phase) {
  Correlation c;
  c.groups = phase.groups;
  c.channels = phase.channels;
  c.filters = phase.filters;
  c.taps_h = p.kh;
  c.taps_w = p.kw;
  c.data_type = phase.data_type;
  c.w_group = phase.w_group;
  c.w_filter = phase.w_filter;
  c.w_channel = phase.w_channel;
  c.w_row = p.kw;
  c.w_column = 1;
  return c;
}

std::optional<Rejection> refuse_phases(const Case& all, std::int64_t vectors, int vw) {
  // All taps of a row, and the columns that they meet, are one loop body.
  constexpr std::int64_t kMostTaps = 32, kMostReach = 64;
  const Problem& p = all.problem;
  if (!p.wants_dx()) return not_served(p);
  if (p.sw != 2 && p.sw != 4) return other_than("sw", p.sw, p.sw < 4 ? 2 : 4);
  if (p.w < p.sw) return other_than("w", p.w, p.sw);
  if (p.kw > kMostTaps) return above("kw", p.kw, kMostTaps);
  const std::int64_t reach = Reach(column_residues(p, all.correlations)).columns();
  if (reach > kMostReach) return above("columns that a row of taps meets", reach, kMostReach);
  return over_registers(all.machine, p.sw * vectors, vw);
}

std::string phase_defines(const Case& all) {
  const Problem& p = all.problem;
  const std::vector<Residue> columns = column_residues(p, all.correlations);
  const Reach reach(columns);
  return " -DSH=" + std::to_string(p.sh) + " -DSW=" + std::to_string(p.sw) +
         " -DKH=" + std::to_string(p.kh) + " -DKW=" + std::to_string(p.kw) +
         residue_defines("COLUMN", "LEFT", "DW", columns) +
         residue_defines("ROW", "TOP", "DH", row_residues(p, all.correlations)) +
         " -DFIRST_LEFT=" + std::to_string(reach.first) +
         " -DREACH=" + std::to_string(reach.columns()) + " " + epilogue_defines(p);
}

std::vector<Argument> phase_arguments(const Case& all, const InputView& view,
                                      const PackedWeights& packed, const Region& x,
                                      std::int64_t first_image, std::int64_t images,
                                      const std::vector<Argument>& sizes) {
  const Problem& p = all.problem;
  const Correlation& c = all.correlations.front();
  const bool one_row = c.in_h != p.oh();  // flattened; the rows lie dense in a copy, too
  std::vector<Argument> arguments = {
      {"x", x},
      {"packed", packed.regions.front()},
      {"b", Region{kBiasSlot}},
      {"r", Region{kResidualSlot}},
      {"result", Operands(p).result},
      {"channels", narrow(c.channels)},
      {"x_image", cl_long{view.image}},
      {"x_plane", cl_long{view.plane}},
      {"x_pitch", narrow(one_row ? p.ow() : view.pitch)},
      {"in_h", narrow(one_row || !view.copied ? p.oh() : view.planes.hp)},
      {"in_w", narrow(one_row || !view.copied ? p.ow() : view.planes.wp)},
      {"top0", narrow(view.top)},
      {"left", narrow(view.left)},
      {"x_size", cl_long{(images - 1) * view.image + c.groups * c.channels * view.plane}},
      {"h", narrow(p.h)},
      {"w", narrow(p.w)}};
  arguments.insert(arguments.end(), sizes.begin(), sizes.end());
  for (const Argument& argument :
       {Argument{"filters", narrow(c.filters)},
        Argument{"blocks_per_group", narrow(packed.blocks.front().blocks_per_group)},
        Argument{"groups", narrow(c.groups)}, Argument{"out_image", cl_long{c.out_image}},
        Argument{"out_plane", cl_long{c.out_plane}},
        Argument{"out_offset", cl_long{first_image * c.out_image}}})
    arguments.push_back(argument);
  return with_slopes(p, arguments);
}

}  // namespace clconv::core::implicit_gemm
