// clconv im2col: the patches of a tensor as a matrix, on .npy files.
#include <cstdio>
#include <tuple>

#include "cli/buffers.hpp"
#include "cli/cli.hpp"
#include "text.hpp"

namespace clconv::cli {

clconv_layout parse_layout(const std::string& word) {
  if (word == "rows") return CLCONV_ROWS;
  if (word == "columns") return CLCONV_COLUMNS;
  throw BadInput("--layout '" + word + "': expected rows or columns");
}

Problem patches_problem(const std::vector<std::int64_t>& shape, const std::string& kernel,
                        const GeometryOptions& geometry) {
  Problem p;
  p.n = shape[0], p.c = shape[1], p.h = shape[2], p.w = shape[3];
  std::tie(p.kh, p.kw) = parse_kernel(kernel);
  geometry.apply(p);
  p.info();  // validates
  return p;
}

std::vector<std::int64_t> columns_shape(const Problem& p, clconv_layout layout) {
  const auto info = p.info();
  const std::int64_t reduction = p.c * p.kh * p.kw;
  if (layout == CLCONV_ROWS) return {p.n * info.oh * info.ow, reduction};
  return {p.n, reduction, info.oh * info.ow};
}

namespace {

struct Im2colVerb {
  std::string x, kernel, layout = "rows", out;
  GeometryOptions geometry;

  void run(const Session& session) const {
    const clconv_layout order = parse_layout(layout);
    check_out(out, {x});
    const Array input = read_npy(x, "(n,c,h,w)");
    const Problem p = patches_problem(input.shape, kernel, geometry);
    const Workbench bench(session.open());
    Array cols;
    cols.shape = columns_shape(p, order);
    std::size_t count = 1;
    for (const std::int64_t size : cols.shape)
      count *= static_cast<std::size_t>(size);
    cols.values.resize(count);
    const cl::Buffer from = bench.upload(input);
    const cl::Buffer to = bench.allocate(static_cast<std::int64_t>(count * sizeof(float)));
    bench.context.im2col(bench.queue, p, order, from, to);
    bench.download(to, cols);
    write_npy(out, cols);
    std::fprintf(report_stream(out), "wrote %s %s float32, %s\n", core::one_line(out).c_str(),
                 shape_text(cols.shape).c_str(),
                 format_bytes(static_cast<std::int64_t>(count * sizeof(float))).c_str());
  }
};

}  // namespace

void add_im2col(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand("im2col", "write the patches of a tensor as a matrix");
  auto v = std::make_shared<Im2colVerb>();
  verb->add_option("--x", v->x, "input (n,c,h,w)")->required();
  verb->add_option("--kernel", v->kernel, "filter size KHxKW")->required();
  verb->add_option("--layout", v->layout, "rows (n*oh*ow, c*kh*kw) or columns (n, c*kh*kw, oh*ow)");
  verb->add_option("--out", v->out, "file to write the matrix to")->required();
  v->geometry.add_to(*verb, false);
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
