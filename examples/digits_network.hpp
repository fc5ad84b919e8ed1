// A network for 28x28 digits on clconv's public API: three convolutions, two fully connected layers and a
// softmax, forward, backward and Adam. Everything stays on the device; nothing here waits.
#pragma once

#include <clconv/clconv.hpp>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace example {

class DigitsNetwork {
 public:
  static constexpr int kClasses = 10;

  // A convolution or fully connected layer with its plans, parameters and gradients. ReLU is fused into the
  // forward pass, and its backward into whatever reads dy.
  struct Layer {
    std::string name;
    clconv::Problem problem;                  // forward
    clconv::Plan forward, dx, dw, db;         // the first layer has no dx
    cl::Buffer w, b, gradient_w, gradient_b;  // parts of two large buffers
    std::int64_t begin = 0, end = 0;          // of its parameters in those, with gaps
    cl::Buffer prepared;                      // packed weights, see freeze()
    cl::Buffer y, dy;
    std::int64_t w_count() const { return problem.info().w_bytes / kFloat; }
  };

  // Plans everything for batches of `batch` images; `options` apply to every plan.
  DigitsNetwork(const clconv::Context& context, const cl::CommandQueue& queue, int batch,
                const clconv::PlanOptions& options = clconv::PlanOptions())
      : context_(context), queue_(queue), batch_(batch) {
    const std::string n = "n" + std::to_string(batch);
    add("conv1", clconv::Problem(n + "c1h28w28k32kh2kw2s2"));
    add("conv2", clconv::Problem(n + "c32h14w14k64kh2kw2s2p1"));
    add("conv3", clconv::Problem(n + "c64h8w8k128kh2kw2s2"));
    add("full1", clconv::Problem::fully_connected(batch, 2048, 250));
    add("full2", clconv::Problem::fully_connected(batch, 250, kClasses));
    layers_.back().problem.activation = CLCONV_NO_ACTIVATION;
    for (Layer& layer : layers_)
      plan(layer, options);
    allocate();
  }

  std::vector<Layer>& layers() { return layers_; }
  int batch() const { return batch_; }

  // Weights from a normal distribution of variance 2 / fan-in (He et al., 2015), biases 0.
  void initialise(std::uint64_t seed) {
    std::mt19937_64 engine(seed);
    for (Layer& layer : layers_) {
      const double spread = std::sqrt(2.0 * static_cast<double>(layer.problem.k) /
                                      static_cast<double>(layer.w_count()));
      std::normal_distribution<float> normal(0.0f, static_cast<float>(spread));
      std::vector<float> w(static_cast<std::size_t>(layer.w_count()));
      for (float& value : w)
        value = normal(engine);
      set(layer.w, w);
      set(layer.b, std::vector<float>(static_cast<std::size_t>(layer.problem.k), 0.0f));
    }
  }

  // From now on the weights do not change: forward() packs them no more.
  void freeze() {
    for (Layer& layer : layers_)
      layer.prepared = layer.forward.prepare(queue_, layer.w);
  }

  // Logits of x (batch,1,28,28).
  void forward(const cl::Buffer& x) {
    x_ = x;
    const cl::Buffer* input = &x_;
    for (Layer& layer : layers_) {
      layer.forward.execute(queue_, forward_operands(layer, *input));
      input = &layer.y;
    }
  }
  const cl::Buffer& logits() const { return layers_.back().y; }

  // After forward(), with the gradient of the loss in dlogits(): the gradients of all parameters.
  void backward() {
    backward([](std::size_t) {});
  }
  // The same; calls done(i) where the parameters' gradients of layer i are enqueued, the last layer's first.
  template <class Done>
  void backward(Done&& done) {
    for (std::size_t i = layers_.size(); i-- > 0;) {
      Layer& layer = layers_[i];
      const clconv::Operands operands = backward_operands(i);
      layer.dw.execute(queue_, operands);
      layer.db.execute(queue_, operands);
      done(i);
      if (i > 0) layer.dx.execute(queue_, operands);
    }
  }
  const cl::Buffer& dlogits() const { return layers_.back().dy; }

  clconv::Operands forward_operands(const Layer& layer, const cl::Buffer& input) const {
    clconv::Operands operands;
    operands.x = input;
    operands.w = layer.w;
    operands.b = layer.b;
    operands.y = layer.y;
    operands.prepared = layer.prepared;
    return operands;
  }
  clconv::Operands backward_operands(std::size_t i) const {
    const Layer& layer = layers_[i];
    clconv::Operands operands;
    operands.x = i > 0 ? layers_[i - 1].y : x_;
    operands.w = layer.w;
    operands.y = layer.y;
    operands.dy = layer.dy;
    if (i > 0) operands.dx = layers_[i - 1].dy;
    operands.dw = layer.gradient_w;
    operands.db = layer.gradient_b;
    return operands;
  }

  // All parameters as one vector, gaps of zeroes between the tensors: what an optimiser updates.
  const cl::Buffer& parameters() const { return parameters_; }
  const cl::Buffer& gradients() const { return gradients_; }
  std::int64_t parameter_count() const { return parameter_count_; }

  void set(const cl::Buffer& buffer, const std::vector<float>& values) const {
    cl::copy(queue_, values.begin(), values.end(), const_cast<cl::Buffer&>(buffer));
  }
  std::vector<float> get(const cl::Buffer& buffer, std::int64_t count) const {
    std::vector<float> values(static_cast<std::size_t>(count));
    cl::copy(queue_, buffer, values.begin(), values.end());
    return values;
  }

 private:
  static constexpr std::int64_t kFloat = 4;

  void add(const std::string& name, const clconv::Problem& problem) {
    Layer layer;
    layer.name = name;
    layer.problem = problem;
    layer.problem.bias = 1;
    layer.problem.activation = CLCONV_RELU;
    layers_.push_back(layer);
  }

  void plan(Layer& layer, const clconv::PlanOptions& options) {
    layer.forward = context_.plan(layer.problem, options);
    clconv::Problem gradient = layer.problem;
    gradient.bias = 0;
    gradient.activation = CLCONV_NO_ACTIVATION;
    gradient.mask =
        layer.problem.activation == CLCONV_RELU ? 1 : 0;  // ReLU's backward: dy counts where y > 0
    // Few strategies sum up a bias gradient: what is forced for the others does not apply to it.
    clconv::PlanOptions free = options;
    free.strategy = "";
    free.config = nullptr;
    gradient.direction = CLCONV_BACKWARD_BIAS;
    layer.db = context_.plan(gradient, free);
    gradient.direction = CLCONV_BACKWARD_WEIGHTS;
    layer.dw = context_.plan(gradient, options);
    gradient.direction = CLCONV_BACKWARD_DATA;
    if (&layer != &layers_.front()) layer.dx = context_.plan(gradient, options);
  }

  void allocate() {
    const cl::Context cl = context_.opencl_context();
    const std::int64_t alignment =
        context_.device().getInfo<CL_DEVICE_MEM_BASE_ADDR_ALIGN>() / 8 / kFloat;
    const auto aligned = [&](std::int64_t count) {
      return (count + alignment - 1) / alignment * alignment;
    };
    for (const Layer& layer : layers_) {
      parameter_count_ += aligned(layer.w_count()) + aligned(layer.problem.k);
    }
    const auto bytes = static_cast<std::size_t>(parameter_count_ * kFloat);
    for (cl::Buffer* all : {&parameters_, &gradients_}) {
      *all = cl::Buffer(cl, CL_MEM_READ_WRITE, bytes);
      queue_.enqueueFillBuffer(*all, 0.0f, 0, bytes);
      std::int64_t at = 0;
      const auto part = [&](std::int64_t count) {
        const cl_buffer_region region{static_cast<std::size_t>(at * kFloat),
                                      static_cast<std::size_t>(count * kFloat)};
        at += aligned(count);
        return all->createSubBuffer(CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region);
      };
      for (Layer& layer : layers_) {
        layer.begin = at;
        (all == &parameters_ ? layer.w : layer.gradient_w) = part(layer.w_count());
        (all == &parameters_ ? layer.b : layer.gradient_b) = part(layer.problem.k);
        layer.end = at;
      }
    }
    for (Layer& layer : layers_) {
      const auto y_bytes = static_cast<std::size_t>(layer.problem.info().y_bytes);
      layer.y = cl::Buffer(cl, CL_MEM_READ_WRITE, y_bytes);
      layer.dy = cl::Buffer(cl, CL_MEM_READ_WRITE, y_bytes);
    }
  }

  const clconv::Context& context_;
  cl::CommandQueue queue_;
  int batch_;
  std::vector<Layer> layers_;
  cl::Buffer x_, parameters_, gradients_;
  std::int64_t parameter_count_ = 0;
};

}  // namespace example
