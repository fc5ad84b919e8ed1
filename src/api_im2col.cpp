// im2col, col2im and the matrix product of clconv.h, each by itself.
#include <cmath>

#include "api_operation.hpp"
#include "ops/gemm.hpp"
#include "ops/im2col.hpp"
#include "text.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

namespace {

clconv_gemm_params gemm_params_defaults() {
  clconv_gemm_params p{};
  p.m = p.n = p.k = 1;
  p.lda = p.ldb = p.ldc = 1;
  p.alpha = 1;
  return p;
}

const char* layout_name(clconv_layout layout) {
  if (layout != CLCONV_ROWS && layout != CLCONV_COLUMNS) {
    bad("layout " + std::to_string(layout) + " is unknown");
  }
  return layout == CLCONV_ROWS ? "rows" : "columns";
}

// k and g say nothing about patches; without them one sequence serves more problems.
Problem patches_of(const clconv_problem* problem) {
  Problem p = problem_of(problem);
  p.k = p.g = 1;
  return p;
}

// Of a valid problem whose matrix may exceed 64 bits.
std::int64_t columns_bytes(const Problem& p) {
  return saturating_product(columns_elements(p), Problem::kFloatBytes);
}

// INT64_MAX where they do not fit: no buffer has that many.
std::int64_t matrix_bytes(std::int64_t rows, std::int64_t width, std::int64_t ld) {
  const std::int64_t elements = saturating_product(rows - 1, ld);
  return elements > INT64_MAX - width ? INT64_MAX
                                      : saturating_product(elements + width, Problem::kFloatBytes);
}

// The operand that holds a matrix of `rows` rows of `width` elements, or its transpose.
Operand matrix(const char* name, cl_mem buffer, bool transposed, std::int64_t rows,
               std::int64_t width, std::int64_t ld, Access access = Access::kRead) {
  if (transposed) std::swap(rows, width);
  if (ld < width) {
    bad("ld" + std::string(name) + "=" + std::to_string(ld) +
        " is less than the width of the matrix, " + std::to_string(width));
  }
  return {buffer, matrix_bytes(rows, width, ld), name, access};
}

Gemm gemm_of(const clconv_gemm_params* params) {
  required(params, "params");
  const auto g = versioned(params, gemm_params_defaults(), "clconv_gemm_params");
  for (const auto& [name, value] :
       {std::pair{"m", g.m}, std::pair{"n", g.n}, std::pair{"k", g.k}}) {
    at_least_one(value, name);
  }
  Gemm gemm;
  gemm.transpose_a = g.transpose_a != 0;
  gemm.transpose_b = g.transpose_b != 0;
  gemm.m = g.m, gemm.n = g.n, gemm.k = g.k;
  gemm.lda = g.lda, gemm.ldb = g.ldb, gemm.ldc = g.ldc;
  for (const auto& [name, value] : {std::pair{"alpha", g.alpha}, std::pair{"beta", g.beta}}) {
    if (!std::isfinite(value))
      bad(std::string(name) + "=" + number_text(value) + ": must be finite");
  }
  gemm.alpha = g.alpha, gemm.beta = g.beta;
  return gemm;
}

}  // namespace

clconv_status clconv_im2col(clconv_context context, cl_command_queue queue,
                            const clconv_problem* problem, clconv_layout layout, cl_mem x,
                            cl_mem cols, cl_uint num_events, const cl_event* wait_list,
                            cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    const Problem p = patches_of(problem);
    const std::string key = std::string("im2col ") + layout_name(layout) + " " + to_text(p);
    call.bind("im2col", {{x, p.x_bytes(), "x"}, {cols, columns_bytes(p), "cols", Access::kWrite}});
    call.run(key, [&] {
      return Executable{Sequence(), im2col(call.device(), p, static_cast<ColumnsLayout>(layout),
                                           Region{0}, Region{1})};
    });
  });
}

clconv_status clconv_col2im(clconv_context context, cl_command_queue queue,
                            const clconv_problem* problem, clconv_layout layout,
                            clconv_col2im_variant variant, cl_mem cols, cl_mem dx,
                            cl_uint num_events, const cl_event* wait_list, cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    const Problem p = patches_of(problem);
    if (variant != CLCONV_COL2IM_GATHER && variant != CLCONV_COL2IM_ATOMIC) {
      bad("variant " + std::to_string(variant) + " is unknown");
    }
    const std::string key = std::string("col2im ") + layout_name(layout) +
                            (variant == CLCONV_COL2IM_GATHER ? " gather " : " atomic ") +
                            to_text(p);
    call.bind("col2im",
              {{cols, columns_bytes(p), "cols"}, {dx, p.x_bytes(), "dx", Access::kWrite}});
    call.run(key, [&] {
      return Executable{Sequence(),
                        col2im(call.device(), p, static_cast<ColumnsLayout>(layout),
                               static_cast<Col2imVariant>(variant), Region{0}, Region{1})};
    });
  });
}

void clconv_gemm_params_defaults(clconv_gemm_params* params, size_t size) {
  write_defaults(params, size, gemm_params_defaults());
}

clconv_status clconv_gemm(clconv_context context, cl_command_queue queue,
                          const clconv_gemm_params* params, cl_mem a, cl_mem b, cl_mem c,
                          cl_uint num_events, const cl_event* wait_list, cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    const Gemm gemm = gemm_of(params);
    const bool reads_c = gemm.beta != 0.0f;
    call.bind("the product", {matrix("a", a, gemm.transpose_a, gemm.m, gemm.k, gemm.lda),
                              matrix("b", b, gemm.transpose_b, gemm.k, gemm.n, gemm.ldb),
                              matrix("c", c, false, gemm.m, gemm.n, gemm.ldc,
                                     reads_c ? Access::kUpdate : Access::kWrite)});
    call.run("gemm " + to_text(gemm),
             [&] { return row_major_gemm(call.device(), gemm, Region{0}, Region{1}, Region{2}); });
  });
}
