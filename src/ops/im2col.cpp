#include "ops/im2col.hpp"

#include "ops/epilogue.hpp"
#include "runtime/spans.hpp"

namespace clconv::core {
namespace {

Problem checked(const Problem& problem) {
  problem.validate();
  if (columns_elements(problem) > INT64_MAX / Problem::kFloatBytes) {
    throw Error(Code::kInvalidProblem,
                "cols of " + to_text(problem) + ": its byte size does not fit 64 bits");
  }
  Problem p = with_dense_images(problem);
  p.k = p.g = 1;
  if (const auto field = beyond_32_bits(p)) {
    throw Error(Code::kInvalidProblem, field->name + " is " + std::to_string(field->value) +
                                           ", im2col and col2im index up to " +
                                           std::to_string(kIndexLimit));
  }
  return p;
}

std::string vector_define(const DeviceProfile& profile) {
  return "-DVW=" + std::to_string(profile.family == Family::kCpu ? Runs::vector_width(profile) : 1);
}

// All of an ungrouped batch, images one after the other.
MatrixPart whole(const Problem& p, ColumnsLayout layout) {
  const std::int64_t reduction = p.c * p.kh * p.kw;
  const std::int64_t pixels = p.oh() * p.ow();
  return {0,
          p.n,
          0,
          p.oh(),
          pixels * reduction,
          0,
          layout == ColumnsLayout::kRows ? reduction : pixels};
}

// From one image of x or dx to the next.
std::int64_t x_image(const Problem& p) {
  if (p.direction == Direction::kForward) return p.input_image();
  return p.wants_dx() ? p.result_image() : p.c * p.h * p.w;
}

// What both directions have between the buffers and the strides.
void add_geometry(std::vector<Argument>& arguments, const Problem& p, const MatrixPart& part,
                  bool width_stride) {
  arguments.insert(arguments.end(), {{"c", narrow(p.c)},
                                     {"h", narrow(p.h)},
                                     {"w", narrow(p.w)},
                                     {"kh", narrow(p.kh)},
                                     {"kw", narrow(p.kw)},
                                     {"sh", narrow(p.sh)}});
  if (width_stride) arguments.push_back({"sw", narrow(p.sw)});
  arguments.insert(arguments.end(), {{"pt", narrow(p.pt)},
                                     {"pl", narrow(p.pl)},
                                     {"dh", narrow(p.dh)},
                                     {"dw", narrow(p.dw)},
                                     {"ow", narrow(p.ow())},
                                     {"first_image", cl_long{part.first_image}},
                                     {"first_row", narrow(part.first_row)},
                                     {"rows", narrow(part.rows)},
                                     {"channels_per_group", narrow(p.c_per_group())},
                                     {"image_stride", cl_long{part.image_stride}},
                                     {"group_stride", cl_long{part.group_stride}},
                                     {"x_image", cl_long{x_image(p)}}});
}

}  // namespace

std::int64_t columns_elements(const Problem& p) {
  return saturating_product(p.n, p.oh(), p.ow(), p.c, p.kh, p.kw);
}

std::unique_ptr<Step> im2col_step(Device& device, const Problem& p, ColumnsLayout layout,
                                  const MatrixPart& part, const Region& x, const Mask& mask,
                                  const Region& cols) {
  const bool columns = layout == ColumnsLayout::kColumns;
  const Spans spans(device.profile(), columns ? p.ow() : p.c);
  std::vector<Argument> arguments = {{"x", x}};
  if (columns) arguments.push_back({"y", mask.y_or(x)});
  arguments.push_back({"cols", cols});
  arguments.push_back({"images", narrow(part.images)});
  add_geometry(arguments, p, part, false);
  arguments.push_back({"ld", cl_long{part.ld}});
  arguments.push_back({columns ? "span" : "channel_span", narrow(spans.span)});
  return std::make_unique<KernelStep>(
      "im2col",
      device.kernel("ops/im2col", columns ? "im2col_columns" : "im2col_rows",
                    vector_define(device.profile()) + " -DSW=" + std::to_string(p.sw) +
                        mask.defines + " " + storage_define(p.data_type)),
      arguments, spans.range(part.images * part.rows * (columns ? p.c : p.ow())));
}

std::unique_ptr<Step> col2im_step(Device& device, const Problem& p, ColumnsLayout layout,
                                  Col2imVariant variant, const MatrixPart& part, const Region& cols,
                                  const Region& b, const Region& r, const Region& dx, bool add,
                                  bool finish) {
  const bool gather = variant == Col2imVariant::kGather;
  const bool columns = layout == ColumnsLayout::kColumns;
  const std::int64_t planes = part.images * p.c;
  const std::int64_t entries = planes * p.kh * p.kw * part.rows * p.ow();
  std::vector<Argument> arguments = {{"cols", cols}};
  if (gather) arguments.insert(arguments.end(), {{"b", b}, {"r", r}});
  arguments.push_back({"dx", dx});
  arguments.push_back(gather ? Argument{"planes", cl_long{planes}}
                             : Argument{"entries", cl_long{entries}});
  add_geometry(arguments, p, part, true);
  arguments.push_back({"reduction_stride", cl_long{columns ? part.ld : 1}});
  arguments.push_back({"pixel_stride", cl_long{columns ? 1 : part.ld}});
  if (gather) {
    const Spans spans(device.profile(), p.w);
    arguments.insert(arguments.end(), {{"span", narrow(spans.span)},
                                       {"add", cl_int{add ? 1 : 0}},
                                       {"finish", cl_int{finish ? 1 : 0}}});
    return std::make_unique<KernelStep>(
        "col2im_gather",
        device.kernel("ops/col2im", "col2im_gather", "-DFLOAT_ATOMICS=0 " + epilogue_defines(p)),
        with_slopes(p, std::move(arguments)), spans.range(planes * p.h));
  }
  const std::string& atomics = device.profile().float_atomics;
  const std::string options = atomics == "ext"   ? "-cl-std=CL3.0 -DFLOAT_ATOMICS=1"
                              : atomics == "ptx" ? "-DFLOAT_ATOMICS=2"
                                                 : "-DFLOAT_ATOMICS=0";
  return std::make_unique<KernelStep>(
      "col2im_atomic", device.kernel("ops/col2im", "col2im_atomic", options), arguments,
      items(entries, Spans::local_size(device.profile())));
}

std::unique_ptr<Step> zero_border(Device& device, std::int64_t groups, std::int64_t rows,
                                  std::int64_t rows_padded, std::int64_t columns, std::int64_t ld,
                                  const Region& matrix) {
  const std::int64_t all_rows = groups * rows_padded;
  return std::make_unique<KernelStep>(
      "zero_border",
      device.kernel("ops/im2col", "zero_border",
                    vector_define(device.profile()) + " -DSW=1 -DMASK=0"),
      std::vector<Argument>{{"matrix", matrix},
                            {"all_rows", cl_long{all_rows}},
                            {"rows", narrow(rows)},
                            {"rows_padded", narrow(rows_padded)},
                            {"columns", cl_long{columns}},
                            {"ld", cl_long{ld}}},
      Spans(device.profile(), 1).range(all_rows));
}

Sequence im2col(Device& device, const Problem& problem, ColumnsLayout layout, const Region& x,
                const Region& cols) {
  const Problem p = checked(problem);
  Sequence sequence;
  if (p.empty()) return sequence;
  sequence.add(im2col_step(device, p, layout, whole(p, layout), x, Mask(), cols));
  return sequence;
}

Sequence col2im(Device& device, const Problem& problem, ColumnsLayout layout, Col2imVariant variant,
                const Region& cols, const Region& dx) {
  const Problem p = checked(problem);
  Sequence sequence;
  if (p.empty()) return sequence;
  if (variant == Col2imVariant::kAtomic) {
    sequence.add(std::make_unique<FillStep>("zero dx", dx, p.x_bytes()));
  }
  sequence.add(
      col2im_step(device, p, layout, variant, whole(p, layout), cols, dx, dx, dx, false, false));
  return sequence;
}

}  // namespace clconv::core
