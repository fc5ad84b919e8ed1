// clconv col2im: the adjoint of im2col, on .npy files.
#include <cstdio>

#include "cli/buffers.hpp"
#include "cli/cli.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

struct Col2imVerb {
  std::string cols, input_shape, kernel, layout = "rows", variant = "gather", out;
  GeometryOptions geometry;

  void run(const Session& session) const {
    const clconv_layout order = parse_layout(layout);
    if (variant != "gather" && variant != "atomic") {
      throw BadInput("--variant '" + variant + "': expected atomic or gather");
    }
    check_out(out, {cols});
    const auto shape = parse_shape("--input-shape", input_shape, 4);
    const Problem p = patches_problem(shape, kernel, geometry);
    const Array matrix =
        read_npy(cols, order == CLCONV_ROWS ? "(n*oh*ow,c*kh*kw)" : "(n,c*kh*kw,oh*ow)");
    const auto expected = columns_shape(p, order);
    if (matrix.shape != expected) {
      throw BadInput(cols + ": has shape " + shape_text(matrix.shape) + ", expected " +
                     shape_text(expected) + " for " + p.text());
    }
    const Workbench bench(session.open());
    Array dx{shape, std::vector<float>(static_cast<std::size_t>(p.info().x_bytes / 4))};
    const cl::Buffer from = bench.upload(matrix);
    const cl::Buffer to = bench.allocate(p.info().x_bytes);
    bench.context.col2im(bench.queue, p, order,
                         variant == "gather" ? CLCONV_COL2IM_GATHER : CLCONV_COL2IM_ATOMIC, from,
                         to);
    bench.download(to, dx);
    write_npy(out, dx);
    std::fprintf(report_stream(out), "wrote %s %s float32\n", core::one_line(out).c_str(),
                 shape_text(dx.shape).c_str());
  }
};

}  // namespace

void add_col2im(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand(
      "col2im", "add the entries of an im2col matrix to the pixels they came from");
  auto v = std::make_shared<Col2imVerb>();
  verb->add_option("--cols", v->cols, "matrix, as im2col writes it")->required();
  verb->add_option("--input-shape", v->input_shape, "shape of the result: N,C,H,W")->required();
  verb->add_option("--kernel", v->kernel, "filter size KHxKW")->required();
  verb->add_option("--layout", v->layout, "rows (n*oh*ow, c*kh*kw) or columns (n, c*kh*kw, oh*ow)");
  verb->add_option("--variant", v->variant, "gather (deterministic) or atomic (scatter-add)");
  verb->add_option("--out", v->out, "file to write dx to")->required();
  v->geometry.add_to(*verb, false);
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
