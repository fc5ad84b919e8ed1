// The same in C++: a convolution and ReLU, for two shapes, with an error.
#define CL_HPP_ENABLE_EXCEPTIONS
#include <clconv/net.hpp>
#include <iostream>

int main() {
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9}, y(4);
  clconv::Model model(13);
  model.add_input("x", {1, 1, -1, -1});
  model.add_constant("w", {1, 1, 2, 2}, std::vector<float>{10, 11, 12, 13});
  model.add_constant("b", {1}, std::vector<float>{-200});
  model.add_node("Conv", "conv", {"x", "w", "b"}, {"c"}, R"({"strides": [1, 1]})");
  model.add_node("Relu", "relu", {"c"}, {"y"});
  model.add_output("y");
  const clconv::Context context;
  try {
    const clconv::Network incomplete(context, model);
    return 2;
  } catch (const clconv::Error& error) {
    std::cout << "C++, refused as it should be: " << error.what() << "\n";
  }
  const clconv::Network network(context, model, {{"x", {1, 1, 3, 3}}});
  const cl::Context cl = context.opencl_context();
  const cl::CommandQueue queue(cl, context.device());
  const cl::Buffer in(cl, x.begin(), x.end(), true), out(cl, y.begin(), y.end(), false);
  network.run(queue, {in}, {out});
  cl::copy(queue, out, y.begin(), y.end());
  std::cout << "C++, a network: " << y[0] << " " << y[1] << " " << y[2] << " " << y[3] << "\n";
  if (y != std::vector<float>{0, 0, 83, 129}) return 1;
  // The first two rows alone, as another shape of the same network.
  const clconv::InputShapes shapes = {{"", {1, 1, 2, 3}}};
  if (network.prepare(shapes).front().sizes != std::vector<std::int64_t>{1, 1, 1, 2}) return 3;
  cl::Event event;
  network.run(queue, shapes, {in}, {out}, nullptr, &event);
  event.wait();
  cl::copy(queue, out, y.begin(), y.end());
  return network.outputs().front().name == "y" && y[0] == 0 && y[1] == 0 ? 0 : 4;
}
