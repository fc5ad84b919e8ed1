// Bodies for GPUs on pretended devices of several shapes: waves of 32 and 64 (NVIDIA, AMD), 16 to 64 KiB of local
// memory, work-groups of 64 to 1024. What they offer fits the device, and what only some shapes offer is right.
#include <set>

#include "doctest/doctest.h"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

struct Shape {
  const char* vendor;
  std::int64_t local_kib, work_group;
};

std::vector<Shape> all_shapes() {
  std::vector<Shape> shapes;
  for (const char* vendor : {"NVIDIA Corporation", "Advanced Micro Devices, Inc."})
    for (const std::int64_t local_kib : {16, 32, 64})
      for (const std::int64_t work_group : {64, 256, 1024})
        shapes.push_back({vendor, local_kib, work_group});
  return shapes;
}

void shape_as(DeviceProfile& p, const Shape& shape) {
  p.family = Family::kGpu;
  p.vendor = shape.vendor;
  p.platform = "pretended";
  p.compute_units = 40;
  p.float_width = 1;
  p.vector_registers = 0;
  p.max_work_group_size = shape.work_group;
  p.local_memory_bytes = shape.local_kib << 10;
  p.local_memory_dedicated = true;
}

// What a config says of work-items and local memory, in the words of docs/strategies.md.
void check_fits(const Config& c, const Shape& shape) {
  if (c.body() == "f2x2_fused") {  // 16 products of 8 x 8 sums a work-item
    const std::int64_t bm = c.get("bm", 1, 64), bn = c.get("bn", 1, 64), bk = c.get("bk", 1, 16);
    CHECK(16 * (bm / 8) * (bn / 8) <= shape.work_group);
    CHECK(16 * bk * (bm + bn) * 4 <= shape.local_kib << 10);
  } else if (c.has("tm")) {
    const std::int64_t bm = c.get("bm", 1, 512), bn = c.get("bn", 1, 512), bk = c.get("bk", 1, 512);
    CHECK(bm / c.get("tm", 1, 64) * (bn / c.get("tn", 1, 64)) <= shape.work_group);
    CHECK(2 * bk * (bm + bn) * 4 <= shape.local_kib << 10);
  }
  if (c.has("items")) CHECK(c.get("items", 1, 4096) <= shape.work_group);
  // Explicit vectors are for CPUs.
  if (c.has("vw")) CHECK(c.get("vw", 1, 64) == 1);
}

}  // namespace

TEST_CASE("on GPUs of all shapes what is offered fits the device, and naive is not alone") {
  std::set<std::string> tiles;
  for (const Shape& shape : all_shapes()) {
    DeviceProfile profile = device().profile();
    shape_as(profile, shape);
    CAPTURE(std::string(shape.vendor));
    CAPTURE(shape.local_kib);
    CAPTURE(shape.work_group);
    for (const char* name : {"edge", "core", "modern"}) {
      for (const NamedProblem& item : suite(name)) {
        for (const Direction direction : kAll) {
          const Problem p = in_direction(item.problem, direction, false);
          CAPTURE(item.name);
          CAPTURE(std::string(to_string(direction)));
          int others = 0;
          for (const Strategy* strategy : strategies()) {
            for (const Candidate& c : candidates_of(strategy->offer(p, profile, kNoLimit))) {
              CAPTURE(c.config.text());
              check_fits(c.config, shape);
              CHECK(c.predicted_us > 0);
              others += strategy->yardstick ? 0 : 1;
              if (c.config.has("bm"))
                tiles.insert(c.config.body() + std::to_string(c.config.get("bm", 1, 512)));
            }
          }
          CHECK(others > 0);
        }
      }
    }
  }
  CHECK(tiles.size() >= 10);
}

TEST_CASE("on GPUs of all shapes every variant that the usual pretended GPU lacks is right") {
  const Device usual = pretended_gpu();
  std::set<std::string> seen;
  std::size_t number = 0;
  int ran = 0;
  for (const Direction direction : {Direction::kForward, Direction::kBackwardWeights}) {
    const Problem p = in_direction(parse_problem("n2c9h11w13k18kh3kw3p1"), direction, true);
    const Tensors tensors(p);
    Expected expected(p, tensors);
    const auto name_of = [&](const Strategy& strategy, const Candidate& c) {
      return std::string(strategy.name) + " " + c.config.text();
    };
    for (const Strategy* strategy : strategies())
      for (const Candidate& c : candidates_of(strategy->offer(p, usual.profile(), kNoLimit)))
        seen.insert(name_of(*strategy, c));
    for (const Shape& shape : all_shapes()) {
      Device on = pretending([&](DeviceProfile& profile) { shape_as(profile, shape); });
      for_each_candidate(on, p, kNoLimit, [&](const Strategy& strategy, const Candidate& c) {
        if (!seen.insert(name_of(strategy, c)).second || number++ % thinned(1) != 0) return;
        CHECK(worst(run(on, strategy, p, c, tensors), expected(c), c.error_bound,
                    result_error_floor(p) + c.error_floor) <= 1.0);
        ++ran;
      });
    }
  }
  MESSAGE(ran << " variants");
  CHECK(ran >= 5);
}
