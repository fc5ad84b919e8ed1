#include "ops/im2col.hpp"

#include "ops/spans.hpp"

namespace clconv::core {
namespace {

// One set of indices for both layouts of the public operations.
struct Strides {
  std::int64_t image, reduction, pixel;
};

Strides strides_of(const Problem& p, ColumnsLayout layout) {
  const std::int64_t reduction = p.c * p.kh * p.kw;
  const std::int64_t pixels = p.oh() * p.ow();
  return layout == ColumnsLayout::kRows ? Strides{pixels * reduction, 1, reduction}
                                        : Strides{pixels * reduction, pixels, 1};
}

void check_sizes(const Problem& p) {
  p.validate();
  if (columns_elements(p) > INT64_MAX / Problem::kElementBytes) {
    throw Error(Code::kInvalidProblem,
                "cols of " + to_text(p) + ": its byte size does not fit 64 bits");
  }
  Problem whole = p;
  whole.g = 1;
  if (const auto field = beyond_32_bits(whole)) {
    throw Error(Code::kInvalidProblem, field->name + " is " + std::to_string(field->value) +
                                           ", im2col and col2im index up to " +
                                           std::to_string(kIndexLimit));
  }
}

}  // namespace

std::int64_t columns_elements(const Problem& p) {
  return saturating_product(p.n, p.oh(), p.ow(), p.c, p.kh, p.kw);
}

std::unique_ptr<Step> im2col_columns(Device& device, const Problem& p, const Im2colPart& part,
                                     const Region& x, const Region& cols) {
  const Spans spans(device.profile(), p.ow());
  return std::make_unique<KernelStep>(
      "im2col", device.kernel("im2col", "im2col_columns", "-DSW=" + std::to_string(p.sw)),
      std::vector<Argument>{x,
                            cols,
                            narrow(part.images),
                            narrow(p.c),
                            narrow(p.h),
                            narrow(p.w),
                            narrow(p.kh),
                            narrow(p.kw),
                            narrow(p.sh),
                            narrow(p.pt),
                            narrow(p.pl),
                            narrow(p.dh),
                            narrow(p.dw),
                            narrow(p.ow()),
                            cl_long{part.first_image},
                            narrow(part.first_row),
                            narrow(part.rows),
                            narrow(p.c_per_group()),
                            cl_long{part.image_stride},
                            cl_long{part.group_stride},
                            cl_long{part.ld},
                            narrow(spans.span)},
      spans.range(part.images * p.c * part.rows));
}

std::unique_ptr<Step> zero_border(Device& device, std::int64_t groups, std::int64_t rows,
                                  std::int64_t rows_padded, std::int64_t pixels, std::int64_t ld,
                                  const Region& cols) {
  const std::int64_t matrix_rows = groups * rows_padded;
  return std::make_unique<KernelStep>(
      "zero_border", device.kernel("im2col", "zero_border", "-DSW=1"),
      std::vector<Argument>{cols, cl_long{matrix_rows}, narrow(rows), narrow(rows_padded),
                            cl_long{pixels}, cl_long{ld}},
      Spans(device.profile(), 1).range(matrix_rows));
}

Sequence im2col(Device& device, const Problem& p, ColumnsLayout layout, const Region& x,
                const Region& cols) {
  check_sizes(p);
  const Strides strides = strides_of(p, layout);
  Sequence sequence;
  if (layout == ColumnsLayout::kColumns) {
    Problem ungrouped = p;
    ungrouped.g = 1;
    sequence.add(im2col_columns(device, ungrouped,
                                {0, p.n, 0, p.oh(), strides.image, 0, strides.reduction}, x, cols));
    return sequence;
  }
  const Spans spans(device.profile(), p.c);
  sequence.add(std::make_unique<KernelStep>(
      "im2col", device.kernel("im2col", "im2col_rows", "-DSW=" + std::to_string(p.sw)),
      std::vector<Argument>{x, cols, narrow(p.n), narrow(p.c), narrow(p.h), narrow(p.w),
                            narrow(p.kh), narrow(p.kw), narrow(p.sh), narrow(p.pt), narrow(p.pl),
                            narrow(p.dh), narrow(p.dw), narrow(p.oh()), narrow(p.ow()),
                            narrow(spans.span), cl_long{strides.image}, cl_long{strides.pixel}},
      spans.range(p.n * p.oh() * p.ow())));
  return sequence;
}

Sequence col2im(Device& device, const Problem& p, ColumnsLayout layout, Col2imVariant variant,
                const Region& cols, const Region& dx) {
  check_sizes(p);
  const Strides strides = strides_of(p, layout);
  std::vector<Argument> arguments = {cols, dx};
  const std::int64_t planes = p.n * p.c;
  const std::int64_t entries = columns_elements(p);
  const bool gather = variant == Col2imVariant::kGather;
  arguments.push_back(cl_long{gather ? planes : entries});
  for (const std::int64_t value :
       {p.c, p.h, p.w, p.kh, p.kw, p.sh, p.sw, p.pt, p.pl, p.dh, p.dw, p.oh(), p.ow()}) {
    arguments.push_back(narrow(value));
  }
  for (const std::int64_t value : {strides.image, strides.reduction, strides.pixel}) {
    arguments.push_back(cl_long{value});
  }
  Sequence sequence;
  if (gather) {
    const Spans spans(device.profile(), p.w);
    arguments.push_back(narrow(spans.span));
    sequence.add(std::make_unique<KernelStep>(
        "col2im_gather", device.kernel("col2im", "col2im_gather", "-DFLOAT_ATOMICS=0"), arguments,
        spans.range(planes * p.h)));
    return sequence;
  }
  const std::string& atomics = device.profile().float_atomics;
  const std::string options = atomics == "ext"   ? "-cl-std=CL3.0 -DFLOAT_ATOMICS=1"
                              : atomics == "ptx" ? "-DFLOAT_ATOMICS=2"
                                                 : "-DFLOAT_ATOMICS=0";
  sequence.add(std::make_unique<FillStep>("zero dx", dx, p.x_bytes()));
  sequence.add(std::make_unique<KernelStep>(
      "col2im_atomic", device.kernel("col2im", "col2im_atomic", options), arguments,
      items(entries, Spans::local_size(device.profile()))));
  return sequence;
}

}  // namespace clconv::core
