// The same in C++, with CLHPP exceptions on, as many applications have them; and with an error, and
// prepared weights.
#define CL_HPP_ENABLE_EXCEPTIONS
#include <clconv/clconv.hpp>
#include <iostream>

int main() {
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w = {10, 11, 12, 13}, y(4);
  const clconv::Context context;
  const clconv::Plan plan = context.plan(clconv::Problem("n1c1h3w3k1kh2kw2"));
  const cl::Context cl = context.opencl_context();
  const cl::CommandQueue queue(cl, context.device());
  clconv::Operands operands;
  operands.x = cl::Buffer(cl, x.begin(), x.end(), true);
  operands.w = cl::Buffer(cl, w.begin(), w.end(), true);
  operands.y = cl::Buffer(cl, y.begin(), y.end(), false);
  try {
    plan.execute(queue, clconv::Operands());
    return 2;
  } catch (const clconv::Error& error) {
    std::cout << "C++, refused as it should be: " << error.what() << "\n";
  }
  operands.prepared = plan.prepare(queue, operands.w);
  plan.execute(queue, operands);
  cl::copy(queue, operands.y, y.begin(), y.end());
  std::cout << "C++: " << y[0] << " " << y[1] << " " << y[2] << " " << y[3] << "\n";
  return y == std::vector<float>{145, 191, 283, 329} ? 0 : 1;
}
