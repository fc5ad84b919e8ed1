#include <clconv/clconv.hpp>
#include <cstdio>
#include <vector>

int main() {
  const clconv::Context context;                         // the default device
  clconv::Problem problem("n1c3h227w227k96kh11kw11s4");  // AlexNet's first layer
  problem.activation = CLCONV_RELU;
  const clconv::Plan plan = context.plan(problem);

  const auto size = [](int64_t bytes) { return static_cast<size_t>(bytes) / sizeof(float); };
  std::vector<float> x(size(problem.info().x_bytes), 0.5f), w(size(problem.info().w_bytes), 0.01f);
  std::vector<float> y(size(problem.info().y_bytes));
  const cl::Context cl = context.opencl_context();
  const cl::CommandQueue queue(cl, context.device());
  clconv::Operands buffers;
  buffers.x = cl::Buffer(cl, x.begin(), x.end(), true);
  buffers.w = cl::Buffer(cl, w.begin(), w.end(), true);
  buffers.y = cl::Buffer(cl, y.begin(), y.end(), false);
  plan.execute(queue, buffers);  // asynchronous, as often as you like
  cl::copy(queue, buffers.y, y.begin(), y.end());
  std::printf("%s: y[0] = %g\n", plan.info().strategy, static_cast<double>(y[0]));
}
