#include "net/operators/multiply.hpp"

#include <algorithm>
#include <limits>

#include "net/operators/division.hpp"

namespace clconv::net {
namespace {

using core::ceil_div;

// The register tile of kernels/net/matmul.cl: mr rows of nv vectors.
struct Tile {
  std::int64_t mr, nv, panel;

  Tile(const core::DeviceProfile& profile, const Product& product) {
    const std::int64_t width = core::Runs::vector_width(profile);
    nv = product.n > width ? 2 : 1;
    panel = nv * width;
    // A step along k loads nv vectors and has mr * nv multiplications; tiles may stick out behind the last row.
    const std::int64_t most = profile.vector_registers >= 32 ? 12 : 6;
    std::int64_t least_work = std::numeric_limits<std::int64_t>::max();
    for (const std::int64_t rows : {12, 8, 6, 4, 2, 1}) {
      const std::int64_t work = ceil_div(product.m, rows) * (rows + nv);
      if (rows > most || work >= least_work) continue;
      least_work = work;
      mr = rows;
    }
  }
  std::string define() const {
    return " -DMR=" + std::to_string(mr) + " -DNV=" + std::to_string(nv);
  }
};

using Sizes = std::vector<std::pair<const char*, std::int64_t>>;

void add_sizes(std::vector<Argument>& arguments, const Sizes& sizes) {
  for (const auto& [name, value] : sizes)
    arguments.push_back({name, cl_long{value}});
}

// `tasks` of `elements` each, by an entry point of matmul.cl that takes `from` and `packed`.
BufferId pack(Lowering& lowering, const char* entry, const char* from_name, std::size_t input,
              const std::string& defines, Sizes sizes, std::int64_t tasks, std::int64_t count) {
  const Tasks divided(lowering.profile(), tasks, count / std::max<std::int64_t>(tasks, 1));
  const BufferId packed = lowering.scratch(entry, count * 4);
  std::vector<Argument> arguments = {
      {from_name, In{lowering.in(input)}}, {"packed", Out{packed}}, {"tasks", cl_long{tasks}}};
  sizes.push_back({"span", divided.span});
  add_sizes(arguments, sizes);
  lowering.launch(entry, "net/matmul", entry, defines, arguments, divided.range, 8 * count);
  return packed;
}

// What follows a and b in both kernels.
void add_rest(Lowering& lowering, const Product& product, std::vector<Argument>& arguments) {
  if (product.add_c) {
    arguments.push_back({"c", In{lowering.in(2)}});
    add_sizes(arguments, {{"c_row", product.c_row}, {"c_column", product.c_column}});
  }
  arguments.push_back({"y", Out{lowering.out(0)}});
  arguments.push_back({"a_of", In{lowering.upload("matrices of a", product.a_of)}});
  arguments.push_back({"b_of", In{lowering.upload("matrices of b", product.b_of)}});
}

std::int64_t moved_bytes(const Lowering& lowering) {
  return lowering.bytes_of(lowering.shape(0)) + lowering.bytes_of(lowering.shape(1)) +
         lowering.bytes_of(lowering.output_shape(0));
}

void lower_on_cpu(Lowering& lowering, const Product& p) {
  const core::DeviceProfile& profile = lowering.profile();
  const Tile tile(profile, p);
  const bool float_a = p.transposed_a || lowering.storage() != core::DataType::kFloat32;
  const std::string defines = lowering.storage_define() + vector_define(profile) + tile.define() +
                              " -DFLOAT_A=" + (float_a ? "1" : "0") +
                              " -DADD_C=" + (p.add_c ? "1" : "0");
  const std::int64_t panels = ceil_div(p.n, tile.panel);
  BufferId a = kNoBuffer;
  if (float_a) {
    a = pack(lowering, "pack_rows", "a", 0, defines,
             {{"m", p.m},
              {"k", p.k},
              {"row", p.transposed_a ? 1 : p.k},
              {"column", p.transposed_a ? p.m : 1}},
             p.a_matrices * p.m, p.a_matrices * p.m * p.k);
  } else {
    a = lowering.in(0);
  }
  const BufferId b = pack(lowering, "pack_panels", "b", 1, defines,
                          {{"k", p.k},
                           {"n", p.n},
                           {"row", p.transposed_b ? 1 : p.n},
                           {"column", p.transposed_b ? p.k : 1}},
                          p.b_matrices * panels, p.b_matrices * panels * p.k * tile.panel);
  // Rows are divided where panels and products alone would leave units without work.
  const std::int64_t wanted = profile.compute_units * Tasks::kWorkGroupsPerUnit;
  const std::int64_t chunks =
      std::clamp<std::int64_t>(ceil_div(wanted, p.batch() * panels), 1, ceil_div(p.m, tile.mr));
  const std::int64_t chunk = core::round_up(ceil_div(p.m, chunks), tile.mr);
  const std::int64_t tasks = p.batch() * panels * ceil_div(p.m, chunk);
  const Tasks divided(profile, tasks, chunk * tile.nv * p.k);
  std::vector<Argument> arguments = {{"a", In{a}}, {"packed", In{b}}};
  add_rest(lowering, p, arguments);
  add_sizes(arguments, {{"tasks", tasks}, {"m", p.m}, {"n", p.n}, {"k", p.k}, {"chunk", chunk}});
  arguments.push_back({"alpha", cl_float{p.alpha}});
  arguments.push_back({"beta", cl_float{p.beta}});
  arguments.push_back({"span", cl_long{divided.span}});
  lowering.launch("matmul", "net/matmul", "multiply", defines, arguments, divided.range,
                  moved_bytes(lowering));
}

void lower_on_gpu(Lowering& lowering, const Product& p) {
  std::int64_t side = 16;
  while (side * side > lowering.profile().max_work_group_size)
    side /= 2;
  const std::string defines = lowering.storage_define() + " -DSIDE=" + std::to_string(side) +
                              " -DADD_C=" + (p.add_c ? "1" : "0");
  std::vector<Argument> arguments = {{"a", In{lowering.in(0)}}, {"b", In{lowering.in(1)}}};
  add_rest(lowering, p, arguments);
  add_sizes(arguments, {{"m", p.m},
                        {"n", p.n},
                        {"k", p.k},
                        {"a_row", p.transposed_a ? 1 : p.k},
                        {"a_column", p.transposed_a ? p.m : 1},
                        {"b_row", p.transposed_b ? 1 : p.n},
                        {"b_column", p.transposed_b ? p.k : 1}});
  arguments.push_back({"alpha", cl_float{p.alpha}});
  arguments.push_back({"beta", cl_float{p.beta}});
  const auto items = [&](std::int64_t size) {
    return static_cast<std::size_t>(ceil_div(size, 4 * side) * side);
  };
  const auto local = static_cast<std::size_t>(side);
  const core::Range range = {{items(p.n), items(p.m), static_cast<std::size_t>(p.batch())},
                             {local, local, 1}};
  lowering.launch("matmul", "net/matmul_items", "multiply", defines, arguments, range,
                  moved_bytes(lowering));
}

}  // namespace

void lower_product(Lowering& lowering, const Product& product) {
  if (takes_vectors(lowering.profile())) {
    lower_on_cpu(lowering, product);
  } else {
    lower_on_gpu(lowering, product);
  }
}

}  // namespace clconv::net
