// The common course of `weights_planes` and `weights_rows`: sums of all taps, or of some of a row, in registers; the
// sum over images cut to parts where there are too few filters.
#pragma once

#include "strategies/body.hpp"
#include "strategies/depthwise/sections.hpp"

namespace clconv::core::depthwise {

// The register tile.
struct WeightsTile {
  int rows;  // of dy that meet a vector of x
  int taps;  // all, or so many of a row
  int vw;    // floats of a vector

  // The most rows and taps that registers serve.
  static WeightsTile widest(const Case& c, int vw);
  static WeightsTile from(const Config& c);
  Config config(const char* body) const;

  bool all_taps(const Problem& p) const { return taps == p.kh * p.kw; }
  // Launched for each filter: pieces of its taps.
  std::int64_t pieces(const Problem& p) const {
    return all_taps(p) ? 1 : p.kh * ceil_div(p.kw, taps);
  }
  // Taps are all, or of one row and then meet one row of dy.
  std::optional<Rejection> rejection(const Problem& p) const;
};

class WeightsLayout : public Layout {
 public:
  // `units` are what can be summed apart: images, or sections of all images. `work_groups` are launched for each part.
  WeightsLayout(const Case& c, const Config& config, const WeightsTile& tile, std::int64_t units,
                std::int64_t work_groups);
  WeightsLayout(const Case& c, const Config& config, const WeightsTile& tile, std::int64_t units)
      : WeightsLayout(c, config, tile, units, c.problem.k * tile.pieces(c.problem)) {}
  void describe(Candidate& candidate) const override;
  void add_to(Executable& executable, Device& device) const override;

 protected:
  virtual double unit_cycles() const = 0;
  // Of a work-group, to add up the lanes of its sums.
  virtual double lane_cycles() const;
  // One launch over all units into `result`: dw, or the parts that are summed later, which `defines` says.
  virtual std::unique_ptr<Step> multiply(Device& device, const std::string& defines,
                                         const Region& result) const = 0;

  const Case& case_;
  Config config_;
  WeightsTile tile_;
  std::int64_t units_;
  std::int64_t work_groups_;  // of a part
  std::int64_t units_per_part_;
  std::int64_t parts_;

 private:
  std::int64_t partial_bytes() const;
};

// What the kernels that stage sections of x take.
std::vector<Argument> staged_arguments(const Problem& p, const Sections& t, const Region& result,
                                       std::int64_t all_sections, std::int64_t sections_per_part);

}  // namespace clconv::core::depthwise
