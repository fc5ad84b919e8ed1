// A network on the caller's own queue, with the caller's buffers and events.
//
// usage: network              a small network that is built here by hand
//        network MODEL.onnx   one from a file; sizes that it leaves open beyond the batch must not be
#define CL_HPP_ENABLE_EXCEPTIONS
#include <algorithm>
#include <clconv/net.hpp>
#include <cstdio>

namespace {

// Nodes have ONNX's operators, attributes and meaning: y = Relu(Conv(x, w) + b), and the mean of each channel.
clconv::Model by_hand() {
  clconv::Model model(13);
  model.add_input("x", {1, 3, 32, 32});
  model.add_constant("w", {8, 3, 3, 3}, std::vector<float>(8 * 3 * 3 * 3, 0.01f));
  model.add_constant("b", {8}, std::vector<float>(8, -0.1f));
  model.add_node("Conv", "conv", {"x", "w", "b"}, {"c"}, R"({"pads": [1, 1, 1, 1]})");
  model.add_node("Relu", "relu", {"c"}, {"y"});
  model.add_node("GlobalAveragePool", "mean", {"y"}, {"m"});
  model.add_output("m");
  return model;
}

void run(const clconv::Model& model) {
  const clconv::Context context;  // the default device; a cl_context of yours will do
  const clconv::Network network(context, model);  // compiles
  const cl::Context cl = context.opencl_context();
  const cl::CommandQueue queue(cl, context.device());

  std::vector<cl::Buffer> in, out;
  std::vector<cl::Event> uploads;
  for (const clconv::TensorInfo& info : network.inputs()) {
    const auto bytes = static_cast<std::size_t>(info.bytes);
    in.emplace_back(cl, CL_MEM_READ_ONLY, bytes);
    uploads.emplace_back();
    queue.enqueueFillBuffer(in.back(), 0.5f, 0, bytes, nullptr, &uploads.back());
  }
  for (const clconv::TensorInfo& info : network.outputs())
    out.emplace_back(cl, CL_MEM_WRITE_ONLY, static_cast<std::size_t>(info.bytes));

  cl::Event done;
  network.run(queue, in, out, &uploads, &done);  // asynchronous, as often as you like
  const std::vector<cl::Event> wait{done};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const clconv::TensorInfo info = network.outputs()[i];
    std::vector<float> values(static_cast<std::size_t>(info.bytes) / sizeof(float));
    queue.enqueueReadBuffer(out[i], CL_TRUE, 0, values.size() * sizeof(float), values.data(),
                            &wait);
    std::printf("%s:", info.name.c_str());
    for (const std::int64_t size : info.sizes)
      std::printf(" %lld", static_cast<long long>(size));
    std::printf(", %g to %g\n",
                static_cast<double>(*std::min_element(values.begin(), values.end())),
                static_cast<double>(*std::max_element(values.begin(), values.end())));
  }
}

}  // namespace

int main(int argc, char** argv) {
  clconv::pin_pocl_threads();  // before the first use of OpenCL
  try {
    run(argc > 1 ? clconv::Model::load(argv[1]) : by_hand());
    return 0;
  } catch (const std::exception& error) {  // of clconv, of OpenCL
    std::fprintf(stderr, "network: %s\n", error.what());
    return 1;
  }
}
