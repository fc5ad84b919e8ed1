// The common course of `rows` and `columns`: sections of the input are staged in local memory with their padding, and
// work-groups share the sections.
#pragma once

#include "strategies/body.hpp"
#include "strategies/depthwise/sections.hpp"

namespace clconv::core::depthwise {

class StagedLayout : public Layout {
 public:
  StagedLayout(const Case& c, const Config& config, int vw, const Sections& sections);
  void describe(Candidate& candidate) const override;

 protected:
  // Of a core, for all filters of a section.
  virtual double section_cycles() const = 0;
  // What both kernels take, but for the slopes.
  std::vector<Argument> arguments() const;
  Range range() const;

  // Planes of the input that a result sums, and of results that a plane of the input has.
  std::int64_t channels() const;
  std::int64_t filters() const;
  // Vectors of steps in a row of a section.
  double vectors() const;

  const Case& case_;
  Config config_;
  int vw_;
  Sections sections_;

 private:
  std::int64_t all_sections_;  // of all planes
  std::int64_t per_work_group_;
};

// Sections, so many that the compute units have two each, where planes are few.
Sections plane_sections(const Case& c, int vw, std::int64_t tile);

}  // namespace clconv::core::depthwise
