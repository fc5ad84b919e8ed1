// Winograd's minimal filtering for 3x3 filters at stride 1 (see winograd.cl): the input of a chunk of tiles
// is transformed into the workspace, multiplied and transformed back, chunk after chunk; in two launches on
// CPUs, in three on GPUs. Either body is correct anywhere.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "ops/correlation.hpp"
#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;
constexpr std::int64_t kLine = 16;  // floats of a cache line

std::int64_t products_of(int m) {
  return std::int64_t{m + 2} * (m + 2);
}

// The tiles of m x m results of a problem.
struct Tiles {
  Correlation c;
  std::int64_t tiles_y, tiles_x, tiles;  // per column and row of an image; of all images

  Tiles(const Problem& p, int m)
      : c(correlations_of(p).front()),
        tiles_y(ceil_div(c.oh, m)),
        tiles_x(ceil_div(c.ow, m)),
        tiles(c.images * tiles_y * tiles_x) {}
};

// Where the kernels find weight (f, channel, u, v) of a group.
std::vector<Argument> with_weight_strides(std::vector<Argument> arguments, const Correlation& c) {
  arguments.insert(arguments.end(), {{"w_base", cl_long{c.w_base}},
                                     {"w_group", cl_long{c.w_group}},
                                     {"w_filter", cl_long{c.w_filter}},
                                     {"w_channel", cl_long{c.w_channel}},
                                     {"w_row", cl_long{c.w_row}},
                                     {"w_column", cl_long{c.w_column}}});
  return arguments;
}

Region input_of(const Problem& p) {
  return {p.wants_dx() ? kDySlot : kXSlot};
}
Region mask_of(const Problem& p) {
  return p.mask ? Region{kYSlot} : input_of(p);
}

// Bytes of x or dy.
double input_bytes(const Problem& p) {
  return static_cast<double>(p.wants_dx() ? p.y_bytes() : p.x_bytes());
}
// And of the result with what it is computed from besides sums.
double result_bytes(const Problem& p) {
  return static_cast<double>(bytes_of(p, result_of(p))) * (p.residual || p.accumulate ? 2 : 1);
}

// Error. A result is A'[sum over c of U*V]A with U = G g G', V = B' d B. Every one of its (m+2)^2 sums has
// rounding errors like any sum over the channels, relative to |U|*|V|, which A then weighs: rounding
// errors of independent sign grow the sum's bound by the 2-norm of the row of A, times the norms of the rows of
// G and B, worst over the tap and the result's place in its tile. In one dimension that is
//     max over o, t of sqrt(sum over xi of (A[xi][o] * G[xi][t] * |B[:,xi]|_2)^2),
// sqrt(3) for F(2,3), 8.9 for F(4,3) (o = 3, t = 2), squared in two, relative to the largest |input| of the
// tile times the filter's sum of |weights|, per channel. Measured over the suites: far below (see the
// test's margin), since few filters have their weight in that corner.
double error_bound(const Problem& p, int m) {
  const double amplification = m == 2 ? 3.0 : 79.0;
  // Both transforms add at most 2*(m+2) terms to each sum over the channels.
  const std::int64_t terms = (p.wants_dx() ? p.k_per_group() : p.c_per_group()) + 4 * (m + 2);
  return result_error_bound(p, amplification * summation_error_bound(terms));
}

// What all candidates of one m have in common.
Candidate candidate_of(const Problem& p, int m, const Config& config) {
  Candidate candidate;
  candidate.config = config;
  candidate.error_bound = error_bound(p, m);
  candidate.error_reach = m - 1;
  candidate.predicted_setup_us = kPredictedBuildUs;
  return candidate;
}

void add_best(std::vector<Candidate> found, std::size_t most, std::vector<Candidate>& candidates) {
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return a.predicted_us < b.predicted_us;
  });
  found.resize(std::min(found.size(), most));
  candidates.insert(candidates.end(), found.begin(), found.end());
}

// ---- CPUs ---------------------------------------------------------------------------------------

// One variant: F(m x m, 3x3), `vt` lanes of tiles going in; per work-group of the products `bt` times `tt`
// tiles and `kv` vectors of `vw` filters; `strips` of bt*tt tiles per chunk.
struct Body {
  int m, vt, tt, bt, kv, vw, strips;

  Config config() const {
    return {{"m", m},   {"vt", vt}, {"tt", tt},        {"bt", bt},
            {"kv", kv}, {"vw", vw}, {"strips", strips}};
  }
  static Body from(const Config& c) {
    const Body body{
        c.get("m", 2, 4),  c.get("vt", 4, 16), c.get("tt", 1, 64),           c.get("bt", 1, 64),
        c.get("kv", 1, 8), c.get("vw", 4, 16), c.get("strips", 1, INT32_MAX)};
    const auto power = [](int value) { return (value & (value - 1)) == 0; };
    if (body.m == 3 || !power(body.vt) || !power(body.vw)) {
      throw Error(Code::kInvalidArgument,
                  "config '" + c.text() + "': m, vt and vw must be powers of two");
    }
    return body;
  }
  // Of the three kernels, each what matters to it.
  std::string weights_defines(const Problem& p) const {
    return Config{{"m", m}, {"kv", kv}, {"vw", vw}}.defines() + " " + storage_define(p.data_type);
  }
  std::string input_defines(const Problem& p) const {
    return Config{{"m", m}, {"vt", vt}, {"vw", vw}}.defines() + " " + storage_define(p.data_type) +
           (p.mask ? " -DMASK=1" : " -DMASK=0");
  }
  std::string multiply_defines(Problem p) const {
    p.mask = false;
    return Config{{"m", m}, {"tt", tt}, {"bt", bt}, {"kv", kv}, {"vw", vw}}.defines() + " " +
           epilogue_defines(p);
  }

  std::int64_t products() const { return products_of(m); }
  std::int64_t strip() const { return std::int64_t{tt} * bt; }
  std::int64_t block() const { return std::int64_t{vw} * kv; }
  std::int64_t local_bytes() const { return products() * (strip() * block() + vw) * kElement; }
};

// What a variant makes of a problem.
struct Geometry : Tiles {
  std::int64_t chunk_tiles, chunk_pitch, xi_step;  // in V
  std::int64_t blocks_per_group, blocks;

  Geometry(const Problem& p, const Body& body)
      : Tiles(p, body.m),
        chunk_tiles(std::min<std::int64_t>(body.strips, ceil_div(tiles, body.strip())) *
                    body.strip()),
        // Room for the last vector.
        chunk_pitch(round_up(chunk_tiles + body.vt, kLine)),
        // An odd number of lines: the transform stores one of each xi in turn, and they are not to fall into
        // one set of the cache (twice the time for 64 channels of 56x56; 2-core Zen 5, 2026-11).
        xi_step((c.channels * chunk_pitch / kLine | 1) * kLine),
        blocks_per_group(ceil_div(c.filters, body.block())),
        blocks(c.groups * blocks_per_group) {}

  std::int64_t chunks() const { return ceil_div(tiles, chunk_tiles); }
  std::int64_t workspace_bytes(const Body& body) const {
    return saturating_product(body.products(), c.groups, xi_step, kElement);
  }
  std::int64_t packed_bytes(const Body& body) const {
    return saturating_product(body.products(), blocks * body.block(), c.channels, kElement);
  }
  // Channels multiplied at a time: all, or with few registers as many as leave their filters and a line of tiles
  // each in half of the first cache for the next tt tiles (resnet_3x3_14: 0.83 against 0.95 ms; 2-core Zen 3,
  // 2026-11).
  std::int64_t slab(const Body& body) const {
    if (!few_registers(body.vw)) return c.channels;
    constexpr std::int64_t kNearBytes = 16 << 10;
    const std::int64_t most =
        std::min(kSlabChannels, kNearBytes / ((body.block() + kLine) * kElement));
    return ceil_div(c.channels, ceil_div(c.channels, most));
  }
  // Work-groups per plane of the input transform.
  std::int64_t parts(std::int64_t chunk, const DeviceProfile& profile) const {
    const std::int64_t wanted = ceil_div(4 * profile.compute_units, c.groups * c.channels);
    return std::clamp<std::int64_t>(wanted, 1, ceil_div(chunk, tiles_x));
  }
};

double predicted_time_us(const Problem& p, const DeviceProfile& profile, const Body& body,
                         const Geometry& geometry) {
  const Correlation& c = geometry.c;
  const double vector_flops = 2 * 2 * body.vw;  // a cycle at two FMAs, in flops of the peak
  const double tiles = static_cast<double>(geometry.tiles);
  const double chunks = static_cast<double>(geometry.chunks());
  constexpr double kEfficiency = 0.95;
  const double planes = static_cast<double>(c.groups * c.channels);
  const double channels = static_cast<double>(c.channels);
  const double xi = static_cast<double>(body.products());
  const double v_bytes = xi * planes * tiles * kElement;

  Pass input;
  const double segments = planes * static_cast<double>(c.images * geometry.tiles_y) *
                          static_cast<double>(ceil_div(geometry.tiles_x, body.vt));
  const bool few = few_registers(body.vw);  // then what is transformed waits in memory
  input.flops = segments * (body.m == 2 ? few ? 200 : 120 : few ? 600 : 330) * vector_flops;
  input.bytes = v_bytes + input_bytes(p);
  input.groups =
      planes * static_cast<double>(geometry.parts(geometry.chunk_tiles, profile)) * chunks;
  input.launches = chunks;
  input.efficiency = kEfficiency;

  Pass multiply;
  const double strips = static_cast<double>(ceil_div(geometry.tiles, body.strip()));
  const double blocks_of_tiles = static_cast<double>(ceil_div(geometry.tiles, body.tt));
  const double accumulators = body.kv * body.tt;
  const double fma_cycles = channels * std::max(4.0, accumulators / 2);
  const double load_cycles = channels * (body.kv + body.tt) / 2 * 1.1;
  // With 16 registers 3 vectors x 4 tiles have the fewest loads to their multiply-adds and chains to spare: 0.80 ms for
  // resnet_3x3_28, which takes 0.84 with 2 x 6 and 0.94 with 4 x 2 (2-core Zen 3, 2026-11).
  const double waiting = few && (body.kv + body.tt > 7 || accumulators < 12) ? 1.12 : 1.0;
  const double loop_cycles = few ? 0.7 * channels : 0;
  const double product_cycles =
      blocks_of_tiles * xi *
      (std::max(fma_cycles, load_cycles) * waiting + loop_cycles + accumulators + 20);
  const double run = static_cast<double>(body.vw) / body.m;
  const double runs = static_cast<double>(c.images * geometry.tiles_y) *
                      std::ceil(static_cast<double>(geometry.tiles_x) / run);
  const double result_cycles =
      body.kv * (tiles * (body.m == 2 ? 30 : 150) + runs * body.m * 6 * body.vw);
  multiply.groups = strips * static_cast<double>(geometry.blocks);
  // Every strip brings its block of weights from an outer cache (2-core Zen 3: 14 bytes a cycle from the last one,
  // half of it while multiplying; resnet_3x3_14 0.88 ms with one strip, 1.05 with two).
  const double fetch_cycles =
      strips * xi * channels * static_cast<double>(body.block() * kElement) / (few ? 24 : 256);
  multiply.flops = static_cast<double>(geometry.blocks) *
                   (product_cycles + result_cycles + fetch_cycles) * vector_flops;
  multiply.efficiency = kEfficiency;
  // Weights that stay in the last cache from one execution to the next hardly wait for memory.
  const std::int64_t packed_bytes = geometry.packed_bytes(body);
  multiply.bytes =
      v_bytes + result_bytes(p) +
      static_cast<double>(packed_bytes) * (packed_bytes <= profile.cache_bytes / 2 ? 0.25 : 1.0);
  multiply.launches = chunks;
  return predicted_us(profile, {input, multiply});
}

// Bytes of V that a chunk may have per core: written by one, read by all once per block of filters, it should stay in
// their second caches (64 channels of 224x224 at twice that: the transform took 1.5 times as long; 2-core
// Zen 5 with 1 MiB each, 2026-11).
constexpr std::int64_t kChunkBytesPerUnit = 1 << 20;

Candidate candidate_of(const Problem& p, const DeviceProfile& profile, const Body& body) {
  const Geometry geometry(p, body);
  Candidate candidate = candidate_of(p, body.m, body.config());
  WorkspaceLayout layout(profile);
  layout.add(geometry.workspace_bytes(body));
  candidate.workspace_bytes = layout.bytes();
  candidate.prepared_weights_bytes = geometry.packed_bytes(body);
  candidate.predicted_us = predicted_time_us(p, profile, body, geometry);
  return candidate;
}

// Tiles of a strip: with more, products leave the second cache and work-groups get few and long (56 tiles for
// resnet_3x3_56: 255 against 238 us, fastest of a run on a busy 2-core Zen 5; 2026-11).
constexpr std::int64_t kMostStrip = 32;

// The best few for one m.
void add_cpu_candidates(const Problem& p, const DeviceProfile& profile,
                        std::int64_t workspace_limit, int m, std::vector<Candidate>& candidates) {
  const int vw = vector_width(profile);
  const int registers = vector_registers(vw);
  const Correlation c = correlations_of(p).front();
  const std::int64_t tiles_x = ceil_div(c.ow, m);
  const std::int64_t tiles = c.images * ceil_div(c.oh, m) * tiles_x;
  int vt = 4;
  while (vt < vw && vt < tiles_x)
    vt *= 2;
  std::vector<Candidate> found;
  for (int kv = 1; kv <= 4; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= c.filters) continue;
    const std::int64_t most = std::min<std::int64_t>((registers - kv - 1) / kv, tiles);
    std::set<std::int64_t> sizes = {most, ceil_div(tiles, ceil_div(tiles, most))};
    if (tiles_x <= most) sizes.insert(tiles_x);
    for (const std::int64_t tt : sizes) {
      for (const int bt : {1, 2, 4}) {
        if (bt > 1 && (bt / 2 * tt >= tiles || bt * tt > kMostStrip)) continue;
        Body body{m, vt, static_cast<int>(tt), bt, kv, vw, 1};
        if (body.local_bytes() > profile.local_memory_bytes) continue;
        const std::int64_t strip_bytes =
            saturating_product(body.products(), c.groups * c.channels, body.strip(), kElement);
        const std::int64_t strips = std::max(
            kChunkBytesPerUnit * profile.compute_units / strip_bytes, 2 * profile.compute_units);
        body.strips = static_cast<int>(std::min(strips, ceil_div(tiles, body.strip())));
        Candidate candidate = candidate_of(p, profile, body);
        while (body.strips > 1 &&
               candidate.workspace_bytes > workspace_limit - candidate.prepared_weights_bytes) {
          body.strips /= 2;
          candidate = candidate_of(p, profile, body);
        }
        found.push_back(candidate);
      }
    }
  }
  add_best(std::move(found), 2, candidates);
}

std::unique_ptr<const Executable> build_cpu(const Problem& p, const Body& body, Device& device) {
  const Geometry geometry(p, body);
  const Correlation& c = geometry.c;
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(device.profile());
  const Region v = layout.add(geometry.workspace_bytes(body));
  executable->workspace_bytes = layout.bytes();
  executable->prepared_weights_bytes = geometry.packed_bytes(body);
  const Region packed{kPreparedSlot};
  executable->prepare.add(std::make_unique<KernelStep>(
      "transform_weights",
      device.kernel("winograd/vectors_weights", "winograd_weights", body.weights_defines(p)),
      with_weight_strides({{"weights", Region{kWeightsSlot}},
                           {"packed", packed},
                           {"filters", narrow(c.filters)},
                           {"channels", narrow(c.channels)},
                           {"blocks_per_group", narrow(geometry.blocks_per_group)}},
                          c),
      one_item_groups(geometry.blocks * c.channels)));
  for (std::int64_t first = 0; first < geometry.tiles; first += geometry.chunk_tiles) {
    const std::int64_t chunk = std::min(geometry.chunk_tiles, geometry.tiles - first);
    const std::int64_t part = ceil_div(chunk, geometry.parts(chunk, device.profile()));
    const std::int64_t strips = ceil_div(chunk, body.strip());
    executable->run.add(std::make_unique<KernelStep>(
        "transform_input",
        device.kernel("winograd/vectors_input", "winograd_input", body.input_defines(p)),
        std::vector<Argument>{{"x", input_of(p)},
                              {"y", mask_of(p)},
                              {"V", v},
                              {"channels", narrow(c.channels)},
                              {"groups", narrow(c.groups)},
                              {"in_h", narrow(c.in_h)},
                              {"in_w", narrow(c.in_w)},
                              {"top", narrow(c.top)},
                              {"left", narrow(c.left)},
                              {"tiles_y", narrow(geometry.tiles_y)},
                              {"tiles_x", narrow(geometry.tiles_x)},
                              {"first_tile", cl_long{first}},
                              {"tiles", narrow(chunk)},
                              {"pitch", narrow(geometry.chunk_pitch)},
                              {"xi_step", cl_long{geometry.xi_step}},
                              {"part_tiles", narrow(part)}},
        one_item_groups(c.groups * c.channels * ceil_div(chunk, part))));
    // Whichever is larger, weights or tiles, should be read once and not per strip or block.
    const bool blocks_inner = geometry.packed_bytes(body) <= geometry.workspace_bytes(body);
    executable->run.add(std::make_unique<KernelStep>(
        "multiply",
        device.kernel("winograd/vectors_multiply", "winograd_multiply", body.multiply_defines(p)),
        std::vector<Argument>{{"V", v},
                              {"packed", packed},
                              {"b", Region{kBiasSlot}},
                              {"r", Region{kResidualSlot}},
                              {"result", Region{static_cast<int>(result_of(p))}},
                              {"channels", narrow(c.channels)},
                              {"slab", narrow(geometry.slab(body))},
                              {"tiles_y", narrow(geometry.tiles_y)},
                              {"tiles_x", narrow(geometry.tiles_x)},
                              {"first_tile", cl_long{first}},
                              {"tiles", narrow(chunk)},
                              {"pitch", narrow(geometry.chunk_pitch)},
                              {"xi_step", cl_long{geometry.xi_step}},
                              {"oh", narrow(c.oh)},
                              {"ow", narrow(c.ow)},
                              {"filters", narrow(c.filters)},
                              {"blocks_per_group", narrow(geometry.blocks_per_group)},
                              {"groups", narrow(c.groups)},
                              {"strips", narrow(strips)},
                              {"blocks_inner", cl_int{blocks_inner ? 1 : 0}}},
        one_item_groups(geometry.blocks * strips)));
  }
  return executable;
}

// ---- GPUs ---------------------------------------------------------------------------------------

// One variant: F(m x m, 3x3); the products in work-groups of bm filters x bn tiles, bk channels at a time, tm x tn
// per work-item; `strips` times bn tiles per chunk.
struct GpuBody {
  int m, bm, bn, bk, tm, tn, strips;

  Config config() const {
    return {{"m", m},   {"bm", bm}, {"bn", bn},        {"bk", bk},
            {"tm", tm}, {"tn", tn}, {"strips", strips}};
  }
  static GpuBody from(const Config& c) {
    const GpuBody body{
        c.get("m", 2, 4),   c.get("bm", 4, 256), c.get("bn", 4, 256),          c.get("bk", 1, 64),
        c.get("tm", 4, 16), c.get("tn", 4, 16),  c.get("strips", 1, INT32_MAX)};
    // The kernel hands out tiles and copies of them in vectors of 4.
    if (body.m == 3 || body.tm % 4 != 0 || body.tn % 4 != 0 || body.bm % body.tm != 0 ||
        body.bn % body.tn != 0 || body.bk * body.bm % (4 * body.items()) != 0 ||
        body.bk * body.bn % (4 * body.items()) != 0) {
      throw Error(Code::kInvalidArgument,
                  "config '" + c.text() + "': the tiles do not divide among the work-items");
    }
    return body;
  }
  std::string defines(const Problem& p) const {
    const Config macros{{"m", m}, {"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}};
    return macros.defines() + " " + epilogue_defines(p);
  }

  std::int64_t items() const { return std::int64_t{bm / tm} * (bn / tn); }
  // Two pairs of tiles: one is multiplied while the next is fetched.
  std::int64_t local_bytes() const { return std::int64_t{2} * bk * (bm + bn) * kElement; }
};

constexpr GpuBody kGpuBodies[] = {
    {0, 128, 128, 8, 8, 8, 1},  // 256 work-items, 64 accumulators each
    {0, 64, 64, 16, 8, 8,
     1},  // as many for devices with small work-groups, and for smaller results
    {0, 32, 32, 16, 4, 4, 1},  // few filters or tiles
};

struct GpuGeometry : Tiles {
  std::int64_t pitch;           // of V and products: tiles of a chunk
  std::int64_t padded_filters;  // of U, per group
  std::int64_t batch;           // products of matrices
  std::int64_t packed_bytes, v_bytes, product_bytes;

  GpuGeometry(const Problem& p, const GpuBody& body)
      : Tiles(p, body.m),
        pitch(std::min<std::int64_t>(body.strips, ceil_div(tiles, body.bn)) * body.bn),
        padded_filters(round_up(c.filters, body.bm)),
        batch(products_of(body.m) * c.groups),
        packed_bytes(saturating_product(batch, c.channels, padded_filters, kElement)),
        v_bytes(saturating_product(batch, c.channels, pitch, kElement)),
        product_bytes(saturating_product(batch, c.filters, pitch, kElement)) {}

  std::int64_t chunks() const { return ceil_div(tiles, pitch); }
};

// Bytes of V and products of a chunk: enough tiles to fill the largest devices, and about what their last
// cache holds. Unmeasured on a GPU.
constexpr std::int64_t kGpuChunkBytes = 64 << 20;

// Work-items per group of the transforms.
std::int64_t transform_size(const DeviceProfile& profile) {
  return std::min<std::int64_t>(128, profile.max_work_group_size);
}

// `tiles` times `planes` work-items, or fewer that take several planes: drivers limit the groups of the second
// dimension to 65535.
Range transform_range(const DeviceProfile& profile, std::int64_t tiles, std::int64_t planes) {
  Range range = items(tiles, transform_size(profile));
  range.global[1] = static_cast<std::size_t>(std::min<std::int64_t>(planes, 32768));
  return range;
}

double predicted_time_us(const Problem& p, const DeviceProfile& profile, const GpuBody& body,
                         const GpuGeometry& geometry) {
  const Correlation& c = geometry.c;
  const double chunks = static_cast<double>(geometry.chunks());
  const double batch = static_cast<double>(geometry.batch);
  const double tiles = static_cast<double>(geometry.tiles);
  const double v_bytes = batch * static_cast<double>(c.channels) * tiles * kElement;
  const double product_bytes = batch * static_cast<double>(c.filters) * tiles * kElement;
  const double size = static_cast<double>(transform_size(profile));
  Pass input, multiply, output;
  // Additions by the row and column of a tile, hardly any of them in pairs: a guess of a quarter of the peak.
  const double additions = body.m == 2 ? 32 : 180;
  input.flops = additions * static_cast<double>(c.groups * c.channels) * tiles;
  input.bytes = input_bytes(p) + v_bytes;
  input.groups = static_cast<double>(c.groups * c.channels) * std::ceil(tiles / size);
  output.flops = additions * static_cast<double>(c.groups * c.filters) * tiles;
  output.bytes = product_bytes + result_bytes(p);
  output.groups = static_cast<double>(c.groups * c.filters) * std::ceil(tiles / size);
  input.efficiency = output.efficiency = 0.25;
  multiply.groups = batch * static_cast<double>(geometry.padded_filters / body.bm) *
                    static_cast<double>(ceil_div(geometry.tiles, body.bn));
  multiply.flops = multiply.groups * 2.0 * body.bm * body.bn *
                   static_cast<double>(round_up(c.channels, body.bk));
  // As implicit_gemm's tiles; and a float brought to local memory costs about 4 multiply-adds, a guess.
  const double reuse = static_cast<double>(body.tm * body.tn) / (body.tm + body.tn);
  const double fetched = static_cast<double>(body.bm * body.bn) / (body.bm + body.bn);
  multiply.efficiency = 0.6 * reuse / 4.0 * fetched / (fetched + 4.0);
  multiply.bytes = v_bytes + product_bytes + static_cast<double>(geometry.packed_bytes) * chunks;
  input.launches = multiply.launches = output.launches = chunks;
  return predicted_us(profile, {input, multiply, output});
}

Candidate candidate_of(const Problem& p, const DeviceProfile& profile, const GpuBody& body) {
  const GpuGeometry geometry(p, body);
  Candidate candidate = candidate_of(p, body.m, body.config());
  WorkspaceLayout layout(profile);
  layout.add(geometry.v_bytes);
  layout.add(geometry.product_bytes);
  candidate.workspace_bytes = layout.bytes();
  candidate.prepared_weights_bytes = geometry.packed_bytes;
  candidate.predicted_us = predicted_time_us(p, profile, body, geometry);
  return candidate;
}

void add_gpu_candidates(const Problem& p, const DeviceProfile& profile,
                        std::int64_t workspace_limit, int m, std::vector<Candidate>& candidates) {
  std::vector<Candidate> found;
  for (GpuBody body : kGpuBodies) {
    if (body.items() > profile.max_work_group_size ||
        body.local_bytes() > profile.local_memory_bytes) {
      continue;
    }
    body.m = m;
    const GpuGeometry strip(p, body);
    body.strips = static_cast<int>(std::clamp<std::int64_t>(
        kGpuChunkBytes / (strip.v_bytes + strip.product_bytes), 1, ceil_div(strip.tiles, body.bn)));
    Candidate candidate = candidate_of(p, profile, body);
    while (body.strips > 1 &&
           candidate.workspace_bytes > workspace_limit - candidate.prepared_weights_bytes) {
      body.strips /= 2;
      candidate = candidate_of(p, profile, body);
    }
    found.push_back(candidate);
  }
  // F(2x2) is for who wants it more exact; of the faster one the model may well mistake the tile.
  add_best(std::move(found), m == 2 ? 1 : 2, candidates);
}

std::unique_ptr<const Executable> build_gpu(const Problem& p, const GpuBody& body, Device& device) {
  const GpuGeometry geometry(p, body);
  const Correlation& c = geometry.c;
  const DeviceProfile& profile = device.profile();
  const std::string defines = body.defines(p);
  auto executable = std::make_unique<Executable>();
  WorkspaceLayout layout(profile);
  const Region v = layout.add(geometry.v_bytes);
  const Region products = layout.add(geometry.product_bytes);
  executable->workspace_bytes = layout.bytes();
  executable->prepared_weights_bytes = geometry.packed_bytes;
  const Region packed{kPreparedSlot};
  executable->prepare.add(std::make_unique<KernelStep>(
      "transform_weights", device.kernel("winograd/tile", "winograd_gpu_weights", defines),
      with_weight_strides({{"weights", Region{kWeightsSlot}},
                           {"packed", packed},
                           {"filters", narrow(c.filters)},
                           {"channels", narrow(c.channels)},
                           {"groups", narrow(c.groups)},
                           {"padded_filters", narrow(geometry.padded_filters)}},
                          c),
      items(c.groups * c.channels * geometry.padded_filters, transform_size(profile))));
  for (std::int64_t first = 0; first < geometry.tiles; first += geometry.pitch) {
    const std::int64_t chunk = std::min(geometry.pitch, geometry.tiles - first);
    executable->run.add(std::make_unique<KernelStep>(
        "transform_input", device.kernel("winograd/tile", "winograd_gpu_input", defines),
        std::vector<Argument>{{"x", input_of(p)},
                              {"y", mask_of(p)},
                              {"V", v},
                              {"channels", narrow(c.channels)},
                              {"groups", narrow(c.groups)},
                              {"in_h", narrow(c.in_h)},
                              {"in_w", narrow(c.in_w)},
                              {"top", narrow(c.top)},
                              {"left", narrow(c.left)},
                              {"tiles_y", narrow(geometry.tiles_y)},
                              {"tiles_x", narrow(geometry.tiles_x)},
                              {"first_tile", cl_long{first}},
                              {"tiles", narrow(chunk)},
                              {"pitch", narrow(geometry.pitch)}},
        transform_range(profile, chunk, c.groups * c.channels)));
    const std::int64_t strips = ceil_div(chunk, body.bn);
    const std::int64_t blocks = geometry.padded_filters / body.bm;
    executable->run.add(std::make_unique<KernelStep>(
        "multiply", device.kernel("winograd/tile", "winograd_gpu_multiply", defines),
        std::vector<Argument>{{"V", v},
                              {"packed", packed},
                              {"products", products},
                              {"channels", narrow(c.channels)},
                              {"filters", narrow(c.filters)},
                              {"padded_filters", narrow(geometry.padded_filters)},
                              {"pitch", narrow(geometry.pitch)},
                              {"strips", narrow(strips)}},
        items(geometry.batch * blocks * strips * body.items(), body.items())));
    executable->run.add(std::make_unique<KernelStep>(
        "transform_output", device.kernel("winograd/tile", "winograd_gpu_output", defines),
        std::vector<Argument>{{"products", products},
                              {"b", Region{kBiasSlot}},
                              {"r", Region{kResidualSlot}},
                              {"result", Region{static_cast<int>(result_of(p))}},
                              {"filters", narrow(c.filters)},
                              {"groups", narrow(c.groups)},
                              {"oh", narrow(c.oh)},
                              {"ow", narrow(c.ow)},
                              {"tiles_y", narrow(geometry.tiles_y)},
                              {"tiles_x", narrow(geometry.tiles_x)},
                              {"first_tile", cl_long{first}},
                              {"tiles", narrow(chunk)},
                              {"pitch", narrow(geometry.pitch)}},
        transform_range(profile, chunk, c.groups * c.filters)));
  }
  return executable;
}

// ---- either -------------------------------------------------------------------------------------

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t workspace_limit) {
  if (p.direction != Direction::kForward && !p.wants_dx()) return not_served(p);
  if (auto rejection = storage_not_served(p, {Serves::kNarrow})) {
    return *rejection;
  }
  if (auto rejection = too_large(p)) return *rejection;
  const std::pair<const char*, std::pair<std::int64_t, std::int64_t>> needed[] = {
      {"kh", {p.kh, 3}}, {"kw", {p.kw, 3}}, {"sh", {p.sh, 1}},
      {"sw", {p.sw, 1}}, {"dh", {p.dh, 1}}, {"dw", {p.dw, 1}}};
  for (const auto& [field, values] : needed) {
    if (values.first != values.second) {
      return Rejection{Reason::kShape, field, values.first, values.second, ""};
    }
  }
  std::vector<Candidate> candidates;
  for (const int m : {2, 4}) {
    if (profile.family == Family::kGpu) {
      add_gpu_candidates(p, profile, workspace_limit, m, candidates);
    } else {
      add_cpu_candidates(p, profile, workspace_limit, m, candidates);
    }
  }
  if (candidates.empty() && profile.family == Family::kGpu) {
    const GpuBody& least = *std::prev(std::end(kGpuBodies));
    if (least.items() > profile.max_work_group_size) {
      return Rejection{Reason::kWorkGroupSize, "work-group size", least.items(),
                       profile.max_work_group_size, ""};
    }
    return Rejection{Reason::kLocalMemory, "local memory", least.local_bytes(),
                     profile.local_memory_bytes, ""};
  }
  if (candidates.empty()) {
    const Body least{2, 4, 1, 1, 1, vector_width(profile), 1};
    return Rejection{Reason::kLocalMemory, "local memory", least.local_bytes(),
                     profile.local_memory_bytes, ""};
  }
  return candidates;
}

std::unique_ptr<const Executable> build(const Problem& p, const Config& config, Device& device) {
  if (config.has("bm")) return build_gpu(p, GpuBody::from(config), device);
  return build_cpu(p, Body::from(config), device);
}

}  // namespace

extern const Strategy strategy_winograd = {"winograd", offer, build};

}  // namespace clconv::core
