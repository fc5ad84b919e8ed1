#include "layers/pooling.hpp"

#include "runtime/spans.hpp"

namespace clconv::core {
namespace {

[[noreturn]] void bad(const std::string& name, std::int64_t value, const std::string& rule) {
  throw Error(Code::kInvalidProblem, name + "=" + std::to_string(value) + ": " + rule);
}

std::string defines(const Pooling& p) {
  return "-DKH=" + std::to_string(p.kh) + " -DKW=" + std::to_string(p.kw) +
         " -DSH=" + std::to_string(p.sh) + " -DSW=" + std::to_string(p.sw) +
         (p.mode == PoolingMode::kAverage ? " -DAVERAGE=1" : " -DAVERAGE=0");
}

// What follows the count in all kernels.
void add_geometry(std::vector<Argument>& arguments, const Pooling& p) {
  arguments.insert(arguments.end(), {{"h", narrow(p.h)},
                                     {"w", narrow(p.w)},
                                     {"oh", narrow(p.oh())},
                                     {"ow", narrow(p.ow())},
                                     {"pt", narrow(p.pt)},
                                     {"pl", narrow(p.pl)}});
}

}  // namespace

std::int64_t Pooling::output_size(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                                  std::int64_t before, std::int64_t after) const {
  const std::int64_t slack = size + before + after - kernel;
  if (slack < 0) return ceil && -slack < stride ? 1 : 0;  // one window, clipped on both sides
  if (!ceil) return slack / stride + 1;
  const std::int64_t windows = ceil_div(slack, stride) + 1;
  // A window that starts behind the image has nothing to take.
  return (windows - 1) * stride >= size + before ? windows - 1 : windows;
}

void Pooling::validate() const {
  const std::pair<const char*, std::int64_t> sizes[] = {
      {"n", n}, {"c", c}, {"h", h}, {"w", w}, {"kh", kh}, {"kw", kw}, {"sh", sh}, {"sw", sw}};
  for (const auto& [name, value] : sizes) {
    const std::int64_t least = &value == &sizes[0].second ? 0 : 1;  // a batch may be empty
    if (value < least) bad(name, value, "must be at least " + std::to_string(least));
    if (value > kIndexLimit) bad(name, value, "supported up to " + std::to_string(kIndexLimit));
  }
  const auto check_padding = [](const char* name, std::int64_t value, std::int64_t kernel) {
    if (value < 0 || value >= kernel) {
      bad(name, value, "must be at least 0 and less than the window, " + std::to_string(kernel));
    }
  };
  check_padding("pt", pt, kh);
  check_padding("pb", pb, kh);
  check_padding("pl", pl, kw);
  check_padding("pr", pr, kw);
  if (oh() < 1) bad("kh", kh, "more than the height with padding, " + std::to_string(h + pt + pb));
  if (ow() < 1) bad("kw", kw, "more than the width with padding, " + std::to_string(w + pl + pr));
  // Rows and columns of a window are counted in 32 bits, and so are the pixels of a plane.
  const std::pair<const char*, std::int64_t> planes[] = {
      {"h with padding and stride", h + pt + pb + sh},
      {"w with padding and stride", w + pl + pr + sw},
      {"kh*kw", saturating_product(kh, kw)},
      {"h*w", saturating_product(h, w)},
      {"oh*ow", saturating_product(oh(), ow())}};
  for (const auto& [name, value] : planes) {
    if (value > kIndexLimit) bad(name, value, "supported up to " + std::to_string(kIndexLimit));
  }
  if (saturating_product(std::max<std::int64_t>(1, n), c, std::max(h * w, oh() * ow()), 4) ==
      INT64_MAX) {
    bad("n", n, "the byte size does not fit 64 bits");
  }
}

std::string Pooling::text() const {
  std::string text = mode == PoolingMode::kMax ? "max" : "average";
  for (const std::int64_t value : {n, c, h, w, kh, kw, sh, sw, pt, pl, pb, pr})
    text += " " + std::to_string(value);
  return text + (ceil ? " ceil" : "");
}

std::unique_ptr<Step> pool(Device& device, const Pooling& p, const Region& x, const Region& y) {
  const std::int64_t results = p.n * p.c * p.oh() * p.ow();
  const Runs runs(device.profile(), results);
  std::vector<Argument> arguments = {{"x", x}, {"y", y}, {"results", cl_long{results}}};
  add_geometry(arguments, p);
  arguments.push_back({"span", cl_long{runs.span}});
  return std::make_unique<KernelStep>("pool", device.kernel("layers/pooling", "pool", defines(p)),
                                      arguments, runs.range);
}

std::unique_ptr<Step> unpool(Device& device, const Pooling& p, const Region& x, const Region& dy,
                             const Region& dx) {
  std::vector<Argument> arguments = {{"x", x}, {"dy", dy}, {"dx", dx}};
  // Where items make up vectors (a CPU of native width 1), one item a pixel: also since Mesa's llvmpipe leaves an
  // item's loops after 65,535 iterations, which whole planes exceed.
  if (device.profile().family == Family::kCpu && device.profile().float_width > 1) {
    const std::int64_t planes = p.n * p.c;
    // As many elements per work-item as elsewhere.
    const std::int64_t span = ceil_div(Runs(device.profile(), planes * p.h * p.w).span, p.h * p.w);
    arguments.push_back({"planes", cl_long{planes}});
    add_geometry(arguments, p);
    arguments.push_back({"span", cl_long{span}});
    return std::make_unique<KernelStep>(
        "unpool", device.kernel("layers/pooling", "unpool_planes", defines(p)), arguments,
        one_item_groups(ceil_div(planes, span)));
  }
  const std::int64_t pixels = p.n * p.c * p.h * p.w;
  arguments.push_back({"pixels", cl_long{pixels}});
  add_geometry(arguments, p);
  return std::make_unique<KernelStep>(
      "unpool", device.kernel("layers/pooling", "unpool_gather", defines(p)), arguments,
      items(pixels, Spans::local_size(device.profile())));
}

}  // namespace clconv::core
