// A lower bound of a candidate's time on a GPU, from what compilers make of its kernels (tests/gpu/shares.txt): issue
// slots of the main loop, whole tiles and steps, work-groups dealt out to the compute units, local memory's wavefronts
// (NVIDIA), tensors once through memory, launches. It knows no cache, and of latencies only what barriers cost.
// Independent of the cost model.
#pragma once

#include <cmath>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "ops/correlation.hpp"
#include "strategies/strategy.hpp"
#include "support/gpus.hpp"

namespace clconv::test {

class IssueSlots {
 public:
  // As the planner sees the device: its bandwidth and launch time; the rest is the GPU's.
  IssueSlots(const Gpu& gpu, const core::DeviceProfile& profile) : gpu_(gpu), profile_(profile) {
    const std::string target = gpu.target;
    nvidia_ = target.rfind("sm_", 0) == 0;
    intel_ = target == "acm-g10";
    // A unit of Intel's is a vector engine, 16 of which share local memory.
    units_ = static_cast<double>(gpu.compute_units) / (intel_ ? 16 : 1);
    schedulers_ = intel_ ? 16 : 4;
  }

  // Microseconds; none where there are no figures for the kernel.
  std::optional<double> bound(const core::Problem& p, const core::Strategy& strategy,
                              const core::Candidate& candidate) const {
    const std::string body = candidate.config.body();
    if (std::string(gpu_.target).empty() || !p.plain_storage()) return std::nullopt;
    if (body == "tile") return of_tile(p, candidate.config);
    if (body == "weights_tile") return of_weights_tile(p, candidate.config);
    if (body == "f2x2_fused") return of_fused(p, candidate.config);
    if (body == "f2x2_tile") return of_winograd(p, candidate.config, 2);
    if (body == "f4x4_tile") return of_winograd(p, candidate.config, 4);
    if (body == "direct" && std::string(strategy.name) == "implicit_gemm")
      return of_direct(p, candidate.config);
    return std::nullopt;
  }

 private:
  struct Facts {
    int registers;
    double share;
  };
  struct Sizes {
    int bm, bn, bk, tm, tn;
    explicit Sizes(const core::Config& c)
        : bm(c.get("bm", 1, 256)),
          bn(c.get("bn", 1, 256)),
          bk(c.get("bk", 1, 64)),
          tm(c.get("tm", 1, 16)),
          tn(c.get("tn", 1, 16)) {}
    Sizes(const core::Config& c, int sums)
        : bm(c.get("bm", 1, 256)),
          bn(c.get("bn", 1, 256)),
          bk(c.get("bk", 1, 64)),
          tm(sums),
          tn(sums) {}
    int items() const { return bm / tm * (bn / tn); }
    std::string text() const { return std::to_string(bm) + "x" + std::to_string(bn); }
  };

  static const std::map<std::pair<std::string, std::string>, Facts>& all_facts() {
    static const auto facts = [] {
      std::map<std::pair<std::string, std::string>, Facts> read;
      std::ifstream in(std::string(CLCONV_TEST_SUITES) + "/../gpu/shares.txt");
      if (!in) throw std::runtime_error("tests/gpu/shares.txt is not there");
      for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string kernel, target;
        int registers = 0, spills = 0;
        double share = 0;
        if (words >> kernel >> target >> registers >> spills >> share && kernel != "#")
          read[{kernel, target}] = {registers, share / 100};
      }
      return read;
    }();
    return facts;
  }
  std::optional<Facts> facts_of(const std::string& kernel) const {
    // What ptxas makes for sm_86 hardly differs from sm_80's.
    const std::string target = gpu_.target == std::string("sm_86") ? "sm_80" : gpu_.target;
    const auto found = all_facts().find({kernel, target});
    if (found == all_facts().end()) return std::nullopt;
    return found->second;
  }

  // Cycles in which a scheduler issues a wave's `fmas` multiply-adds with all that surrounds them.
  double cycles(double fmas, double share) const {
    const std::string target = gpu_.target;
    if (target == "sm_80") return fmas * std::max(1 / share, 2.0);         // 16 lanes for 32 items
    if (target == "gfx90a") return fmas / share * 4;                       // 16 lanes for 64
    if (intel_) return fmas * std::max(1.0, 0.5 / share) * gpu_.wave / 8;  // two pipes, 8 lanes
    return fmas / share;
  }
  // Work-groups that a unit holds: by waves, registers and local memory.
  double resident(const Facts& facts, int items, double local_bytes) const {
    const double waves = std::ceil(static_cast<double>(items) / gpu_.wave);
    const std::string target = gpu_.target;
    double most_waves = 64, registers = 65536.0 / gpu_.wave, local = 227 * 1024;
    if (target == "sm_80") local = 163 * 1024;
    if (target == "sm_86") most_waves = 48, local = 99 * 1024;
    if (target == "gfx90a") most_waves = 32, registers = 4 * 512, local = 64 * 1024;
    if (target == "gfx1030") most_waves = 64, registers = 4 * 1024, local = 128 * 1024;
    if (intel_) most_waves = facts.registers > 128 ? 64 : 128, registers = 1e9, local = 128 * 1024;
    const double by_registers = registers / (std::ceil(facts.registers / 8.0) * 8 * waves);
    return std::max(
        1.0,
        std::floor(std::min({most_waves / waves, by_registers, local / (local_bytes + 1024)})));
  }
  // Of `work_groups` that take `steps` steps each. `per_load`: wavefronts of local memory for a wave's load of float4s;
  // `products`: matrix products that a work-group has side by side; `buffers`: of a step's factors in local memory.
  double tiles_us(double work_groups, double steps, const Sizes& tile, const Facts& facts,
                  double per_load, int products = 1, int buffers = 2) const {
    const int items = products * tile.items();
    const double waves = std::ceil(static_cast<double>(items) / gpu_.wave);
    const double alone = cycles(static_cast<double>(tile.bk) * tile.tm * tile.tn, facts.share);
    const double shared = nvidia_ ? per_load * tile.bk * (tile.tm + tile.tn) / 4.0 : 0;
    const double local = 4.0 * buffers * products * tile.bk * (tile.bm + tile.bn);
    const double together = resident(facts, items, local);
    double each = std::ceil(work_groups / units_), total = 0;
    while (each > 0) {
      const double now = std::min(each, together);
      const double rounds = now == together ? std::floor(each / together) : 1;
      // With one buffer a work-group waits twice a step for the last of its waves, while others go on. Assumed.
      const double waits = buffers == 1 ? 2 * 40.0 / now : 0;
      total += rounds * steps *
               (std::max(alone * std::max(1.0, now * waves / schedulers_), shared * now * waves) +
                waits);
      each -= rounds * now;
    }
    return total / static_cast<double>(gpu_.clock_mhz);
  }
  double memory_us(double bytes) const { return bytes / (profile_.bandwidth_gbs * 1e3); }
  static double bytes_of(const core::Correlation& c) {
    const double rows =
        std::min<double>(1, static_cast<double>(c.taps_h) / static_cast<double>(c.sh));
    return 4.0 * (rows * static_cast<double>(c.images * c.groups * c.channels * c.in_h * c.in_w) +
                  static_cast<double>(c.groups * c.filters * c.reduction()) +
                  static_cast<double>(c.images * c.groups * c.filters * c.oh * c.ow));
  }

  std::optional<double> of_tile(const core::Problem& p, const core::Config& config) const {
    const Sizes tile(config);
    double us = 0;
    for (const core::Correlation& c : core::correlations_of(p)) {
      const std::int64_t taps = c.taps_h * c.taps_w;
      const bool each = taps > 1 && 5 * c.channels < 4 * core::round_up(c.channels, tile.bk);
      const bool flat = taps == 1 && c.sh * c.sw == 1 && c.ow % 4 == 0;
      auto facts = facts_of("tile_" + tile.text() + (flat ? "_1x1" : "_3x3"));
      if (!facts) return std::nullopt;
      if (each) facts->share -= 0.12;  // the loop with a tap for each element
      const double steps = static_cast<double>(each ? core::ceil_div(c.reduction(), tile.bk)
                                                    : core::ceil_div(c.channels, tile.bk) * taps);
      const double part = std::ceil(steps / config.get("split", 1, 1024));
      const double parts = std::ceil(steps / part);
      const double pixels = static_cast<double>(c.images * c.oh * c.ow);
      const double filters = static_cast<double>(c.filters), groups = static_cast<double>(c.groups);
      const double work_groups =
          std::ceil(filters / tile.bm) * std::ceil(pixels / tile.bn) * groups * parts;
      const double sums = parts > 1 ? 8 * parts * groups * filters * pixels : 0;
      us += std::max(tiles_us(work_groups, part, tile, *facts, 2), memory_us(bytes_of(c) + sums)) +
            (parts > 1 ? 2 : 1) * profile_.launch_us;
    }
    return us;
  }

  std::optional<double> of_weights_tile(const core::Problem& p, const core::Config& config) const {
    const Sizes tile(config);
    const bool point = p.kh * p.kw == 1 && p.sh * p.sw == 1 && !p.padded();
    const bool odd = config.has("span") && config.get("span", 1, 4) == 1;
    const auto facts =
        facts_of("weights_tile_" + tile.text() + (point ? "_1x1" : "") + (odd ? "_odd" : ""));
    if (!facts) return std::nullopt;
    const double steps =
        std::ceil(static_cast<double>(p.n * p.oh() * p.ow()) / static_cast<double>(tile.bk));
    const double part = std::ceil(steps / config.get("split", 1, 1 << 20));
    const double parts = std::ceil(steps / part);
    const double work_groups =
        std::ceil(static_cast<double>(p.k_per_group()) / tile.bm) *
        std::ceil(static_cast<double>(p.c_per_group() * p.kh * p.kw) / tile.bn) *
        static_cast<double>(p.g) * parts;
    const double bytes = static_cast<double>(p.x_bytes() + p.y_bytes() + p.w_bytes()) +
                         (parts > 1 ? 2 * parts * static_cast<double>(p.w_bytes()) : 0);
    return std::max(tiles_us(work_groups, part, tile, *facts, 2), memory_us(bytes)) +
           (parts > 1 ? 2 : 1) * profile_.launch_us;
  }

  std::optional<double> of_winograd(const core::Problem& p, const core::Config& config,
                                    int m) const {
    const Sizes tile(config);
    const auto facts = facts_of("winograd_" + tile.text());
    if (!facts) return std::nullopt;
    const core::Correlation c = core::correlations_of(p).front();
    const double products = (m + 2) * (m + 2) * static_cast<double>(c.groups);
    const auto tiles =
        static_cast<double>(c.images * core::ceil_div(c.oh, m) * core::ceil_div(c.ow, m));
    const double strips = std::ceil(tiles / tile.bn), chunk = config.get("strips", 1, INT32_MAX);
    const double blocks = std::ceil(static_cast<double>(c.filters) / tile.bm);
    const double steps = std::ceil(static_cast<double>(c.channels) / tile.bk);
    double multiply = 0, chunks = 0;
    for (double rest = strips; rest > 0; rest -= chunk, ++chunks)
      multiply += tiles_us(std::min(rest, chunk) * blocks * products, steps, tile, *facts, 3);
    const double v = 4 * products * static_cast<double>(c.channels) * tiles;
    const double sums = 4 * products * static_cast<double>(c.filters) * tiles;
    const auto x = static_cast<double>(p.x_bytes()), y = static_cast<double>(p.y_bytes());
    return memory_us(x + v) + std::max(multiply, memory_us(v + sums)) + memory_us(sums + y) +
           3 * chunks * profile_.launch_us;
  }

  // One kernel for 16 products of 8 x 8 sums each; every step transforms its tiles itself.
  std::optional<double> of_fused(const core::Problem& p, const core::Config& config) const {
    const Sizes tile(config, 8);
    const auto facts = facts_of("winograd_fused_" + tile.text());
    if (!facts) return std::nullopt;
    const core::Correlation c = core::correlations_of(p).front();
    const auto tiles =
        static_cast<double>(c.images * core::ceil_div(c.oh, 2) * core::ceil_div(c.ow, 2));
    const double work_groups = static_cast<double>(c.groups) * std::ceil(tiles / tile.bn) *
                               std::ceil(static_cast<double>(c.filters) / tile.bm);
    // The transforms before and after the steps take 800 instructions (docs/gpu.md), which a step of few channels is
    // not.
    const double ends = 800 * facts->share / (64.0 * tile.bk);
    const double steps = std::ceil(static_cast<double>(c.channels) / tile.bk) + ends;
    const double weights = 4.0 * 16 * static_cast<double>(c.groups * c.filters * c.channels);
    const double bytes = static_cast<double>(p.x_bytes() + p.y_bytes()) + weights;
    return std::max(tiles_us(work_groups, steps, tile, *facts, 3, 16, 1), memory_us(bytes)) +
           profile_.launch_us;
  }

  // Multiply-adds and loads of vectors, and nothing else.
  std::optional<double> of_direct(const core::Problem& p, const core::Config& config) const {
    const double mr = config.get("mr", 1, 64), np = config.has("np") ? config.get("np", 1, 64) : 4;
    const double share = mr * np / (mr * np + mr / 4 + np / 4);
    double us = 0;
    for (const core::Correlation& c : core::correlations_of(p)) {
      const auto planes =
          static_cast<double>(c.images * c.groups) * std::ceil(static_cast<double>(c.filters) / mr);
      const double waves = planes * std::ceil(static_cast<double>(c.oh * c.ow) / np / gpu_.wave);
      const double each = std::ceil(waves / (units_ * schedulers_));
      us += std::max(each * cycles(mr * np * static_cast<double>(c.reduction()), share) /
                         static_cast<double>(gpu_.clock_mhz),
                     memory_us(bytes_of(c))) +
            profile_.launch_us;
    }
    return us;
  }

  const Gpu& gpu_;
  const core::DeviceProfile& profile_;
  bool nvidia_ = false, intel_ = false;
  double units_ = 1, schedulers_ = 4;
};

}  // namespace clconv::test
