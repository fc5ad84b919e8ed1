// The network operations of clconv.h: checks what comes in, and hands on to layers/ and ops/. No decisions here.
#include <cmath>

#include "api_operation.hpp"
#include "layers/optimizer.hpp"
#include "layers/pooling.hpp"
#include "layers/softmax.hpp"
#include "ops/activation.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

namespace {

constexpr std::int64_t kFloat = sizeof(cl_float);

// Bytes of `count` floats; a count beyond 64 bits of bytes fits no buffer.
std::int64_t float_bytes(std::int64_t count, const char* name) {
  return saturating_product(at_least_one(count, name), kFloat);
}

void check_number(float value, bool good, const char* name, const char* rule) {
  if (!good) bad(std::string(name) + "=" + std::to_string(value) + ": " + rule);
}

clconv_softmax_params softmax_defaults() {
  clconv_softmax_params p{};
  p.n = p.m = 1;
  p.gradient_scale = 1;
  return p;
}

clconv_sgd_params sgd_defaults() {
  clconv_sgd_params p{};
  p.count = 1;
  p.learning_rate = 0.01f;
  return p;
}

clconv_adam_params adam_defaults() {
  clconv_adam_params p{};
  p.count = p.step = 1;
  p.learning_rate = 0.001f;
  p.beta1 = 0.9f;
  p.beta2 = 0.999f;
  p.epsilon = 1e-8f;
  return p;
}

clconv_pooling pooling_defaults() {
  clconv_pooling p{};
  for (int64_t* one : {&p.n, &p.c, &p.h, &p.w, &p.kh, &p.kw, &p.sh, &p.sw})
    *one = 1;
  return p;
}

Pooling pooling_of(const clconv_pooling* given) {
  required(given, "pooling");
  const clconv_pooling c = versioned(given, pooling_defaults(), "clconv_pooling");
  if (c.mode != CLCONV_POOLING_MAX && c.mode != CLCONV_POOLING_AVERAGE) {
    bad("mode " + std::to_string(c.mode) + " is unknown");
  }
  Pooling p;
  p.n = c.n, p.c = c.c, p.h = c.h, p.w = c.w, p.kh = c.kh, p.kw = c.kw, p.sh = c.sh, p.sw = c.sw;
  p.pt = c.pt, p.pl = c.pl, p.pb = c.pb, p.pr = c.pr;
  p.mode = static_cast<PoolingMode>(c.mode);
  p.ceil = c.ceil != 0;
  p.validate();
  return p;
}

}  // namespace

// ---- fully connected ----------------------------------------------------------------------------

clconv_status clconv_problem_fully_connected(int64_t n, int64_t inputs, int64_t outputs,
                                             clconv_problem* problem) {
  return guarded([&] {
    const std::size_t size = known_size(required(problem, "problem").struct_size, "clconv_problem");
    clconv_problem c;
    clconv_problem_init(&c);
    c = versioned(problem, c, "clconv_problem");
    const auto checked_size = [](std::int64_t value, const char* name, std::int64_t least = 1) {
      if (value >= least) return value;
      throw Error(Code::kInvalidProblem, std::string(name) + "=" + std::to_string(value) +
                                             ": must be at least " + std::to_string(least));
    };
    const std::int64_t images = checked_size(n, "n", 0);
    for (int64_t* one : {&c.h, &c.w, &c.kh, &c.kw, &c.sh, &c.sw, &c.dh, &c.dw, &c.g})
      *one = 1;
    c.n = images;
    c.c = checked_size(inputs, "inputs");
    c.k = checked_size(outputs, "outputs");
    c.pt = c.pl = c.pb = c.pr = 0;
    copy_out(problem, c, size);
  });
}

// ---- ReLU ---------------------------------------------------------------------------------------

clconv_status clconv_relu(clconv_context context, cl_command_queue queue, int64_t count, cl_mem x,
                          cl_mem y, cl_uint num_events, const cl_event* wait_list,
                          cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    const std::int64_t bytes = saturating_product(at_least_none(count, "count"), kFloat);
    call.bind("ReLU", {{x, bytes, "x"}, {y, bytes, "y", Access::kWrite}}, {{"x", "y"}});
    call.run("relu " + std::to_string(count), [&] {
      return count == 0 ? Executable() : one_step(relu(call.device(), count, Region{0}, Region{1}));
    });
  });
}

clconv_status clconv_relu_backward(clconv_context context, cl_command_queue queue, int64_t count,
                                   cl_mem y, cl_mem dy, cl_mem dx, cl_uint num_events,
                                   const cl_event* wait_list, cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    const std::int64_t bytes = saturating_product(at_least_none(count, "count"), kFloat);
    call.bind("ReLU", {{y, bytes, "y"}, {dy, bytes, "dy"}, {dx, bytes, "dx", Access::kWrite}},
              {{"y", "dx"}, {"dy", "dx"}});
    call.run("relu_backward " + std::to_string(count), [&] {
      return count == 0
                 ? Executable()
                 : one_step(relu_gradient(call.device(), count, Region{0}, Region{1}, Region{2}));
    });
  });
}

// ---- softmax and cross-entropy ------------------------------------------------------------------

void clconv_softmax_params_defaults(clconv_softmax_params* params, size_t size) {
  write_defaults(params, size, softmax_defaults());
}

void clconv_softmax_operands_defaults(clconv_softmax_operands* operands, size_t size) {
  write_defaults(operands, size, clconv_softmax_operands{});
}

clconv_status clconv_softmax_cross_entropy(clconv_context context, cl_command_queue queue,
                                           const clconv_softmax_params* params,
                                           const clconv_softmax_operands* operands,
                                           cl_uint num_events, const cl_event* wait_list,
                                           cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    required(params, "params");
    required(operands, "operands");
    const auto p = versioned(params, softmax_defaults(), "clconv_softmax_params");
    const auto o = versioned(operands, clconv_softmax_operands{}, "clconv_softmax_operands");
    for (const auto& [name, value] : {std::pair{"n", p.n}, std::pair{"m", p.m}}) {
      name == std::string("n") ? at_least_none(value, name) : at_least_one(value, name);
      if (value > kIndexLimit) {
        bad(std::string(name) + "=" + std::to_string(value) + ": supported up to " +
            std::to_string(kIndexLimit));
      }
    }
    check_number(p.gradient_scale, std::isfinite(p.gradient_scale), "gradient_scale",
                 "must be finite");
    if (o.loss == nullptr && o.correct == nullptr && o.probabilities == nullptr &&
        o.dlogits == nullptr) {
      bad("no result is wanted: loss, correct, probabilities and dlogits are NULL");
    }
    const bool labelled = o.loss != nullptr || o.correct != nullptr || o.dlogits != nullptr;
    const std::int64_t bytes = p.n * p.m * kFloat;
    call.bind("softmax", {{o.logits, bytes, "logits"},
                          {labelled ? o.labels : o.logits, p.n * kFloat, "labels"},
                          {o.loss, kFloat, "loss", Access::kUpdate, true},
                          {o.correct, kFloat, "correct", Access::kUpdate, true},
                          {o.probabilities, bytes, "probabilities", Access::kWrite, true},
                          {o.dlogits, bytes, "dlogits", Access::kWrite, true}});
    const Region loss{2}, correct{3}, probabilities{4}, dlogits{5};
    SoftmaxRegions regions{Region{0}, Region{1}};
    std::string key = "softmax " + std::to_string(p.n) + " " + std::to_string(p.m) +
                      (p.accumulate != 0 ? " accumulate" : "");
    const auto want = [&](cl_mem buffer, const Region& region, const Region*& wanted) {
      key += buffer != nullptr ? " 1" : " 0";
      if (buffer != nullptr) wanted = &region;
    };
    want(o.loss, loss, regions.loss);
    want(o.correct, correct, regions.correct);
    want(o.probabilities, probabilities, regions.probabilities);
    want(o.dlogits, dlogits, regions.dlogits);
    call.bindings().bind(regions.gradient_scale, p.gradient_scale);
    call.run(key, [&] {
      return softmax_cross_entropy(call.device(), {p.n, p.m, p.accumulate != 0}, regions);
    });
  });
}

// ---- optimizers ---------------------------------------------------------------------------------

void clconv_sgd_params_defaults(clconv_sgd_params* params, size_t size) {
  write_defaults(params, size, sgd_defaults());
}

clconv_status clconv_sgd(clconv_context context, cl_command_queue queue,
                         const clconv_sgd_params* params, cl_mem w, cl_mem dw, cl_mem velocity,
                         cl_uint num_events, const cl_event* wait_list, cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    required(params, "params");
    const auto p = versioned(params, sgd_defaults(), "clconv_sgd_params");
    const std::int64_t bytes = float_bytes(p.count, "count");
    for (const auto& [name, value] :
         {std::pair{"learning_rate", p.learning_rate}, std::pair{"momentum", p.momentum},
          std::pair{"weight_decay", p.weight_decay}}) {
      check_number(value, std::isfinite(value) && value >= 0, name, "must be finite, at least 0");
    }
    call.bind("SGD", {{w, bytes, "w", Access::kUpdate},
                      {dw, bytes, "dw"},
                      {velocity, bytes, "velocity", Access::kUpdate, p.momentum == 0.0f}});
    const SgdNumbers numbers;
    call.bindings().bind(numbers.rate, p.learning_rate);
    call.bindings().bind(numbers.momentum, p.momentum);
    call.bindings().bind(numbers.decay, p.weight_decay);
    const Region kept{2};
    const std::string key =
        "sgd " + std::to_string(p.count) + (velocity != nullptr ? " velocity" : "");
    call.run(key, [&] {
      return one_step(sgd(call.device(), p.count, Region{0}, Region{1},
                          velocity != nullptr ? &kept : nullptr, numbers));
    });
  });
}

void clconv_adam_params_defaults(clconv_adam_params* params, size_t size) {
  write_defaults(params, size, adam_defaults());
}

clconv_status clconv_adam(clconv_context context, cl_command_queue queue,
                          const clconv_adam_params* params, cl_mem w, cl_mem dw, cl_mem moment1,
                          cl_mem moment2, cl_uint num_events, const cl_event* wait_list,
                          cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    required(params, "params");
    const auto p = versioned(params, adam_defaults(), "clconv_adam_params");
    const std::int64_t bytes = float_bytes(p.count, "count");
    at_least_one(p.step, "step");
    for (const auto& [name, value] :
         {std::pair{"learning_rate", p.learning_rate}, std::pair{"epsilon", p.epsilon},
          std::pair{"weight_decay", p.weight_decay}}) {
      check_number(value, std::isfinite(value) && value >= 0, name, "must be finite, at least 0");
    }
    for (const auto& [name, value] : {std::pair{"beta1", p.beta1}, std::pair{"beta2", p.beta2}}) {
      check_number(value, value >= 0 && value < 1, name, "must be at least 0 and less than 1");
    }
    call.bind("Adam", {{w, bytes, "w", Access::kUpdate},
                       {dw, bytes, "dw"},
                       {moment1, bytes, "moment1", Access::kUpdate},
                       {moment2, bytes, "moment2", Access::kUpdate}});
    const AdamNumbers numbers;
    bind(call.bindings(), numbers,
         AdamStep{p.step, p.learning_rate, p.beta1, p.beta2, p.epsilon, p.weight_decay});
    call.run("adam " + std::to_string(p.count), [&] {
      return one_step(
          adam(call.device(), p.count, Region{0}, Region{1}, Region{2}, Region{3}, numbers));
    });
  });
}

// ---- pooling ------------------------------------------------------------------------------------

void clconv_pooling_defaults(clconv_pooling* pooling, size_t size) {
  write_defaults(pooling, size, pooling_defaults());
}

clconv_status clconv_pooling_query(const clconv_pooling* pooling, clconv_pooling_info* info) {
  return guarded([&] {
    const Pooling p = pooling_of(pooling);
    clconv_pooling_info i{};
    i.oh = p.oh();
    i.ow = p.ow();
    i.x_bytes = p.x_bytes();
    i.y_bytes = p.y_bytes();
    copy_out(info, i, known_size(required(info, "info").struct_size, "clconv_pooling_info"));
  });
}

clconv_status clconv_pooling_forward(clconv_context context, cl_command_queue queue,
                                     const clconv_pooling* pooling, cl_mem x, cl_mem y,
                                     cl_uint num_events, const cl_event* wait_list,
                                     cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    const Pooling p = pooling_of(pooling);
    call.bind("pooling", {{x, p.x_bytes(), "x"}, {y, p.y_bytes(), "y", Access::kWrite}});
    call.run("pooling_forward " + p.text(), [&] {
      return p.n == 0 ? Executable() : one_step(pool(call.device(), p, Region{0}, Region{1}));
    });
  });
}

clconv_status clconv_pooling_backward(clconv_context context, cl_command_queue queue,
                                      const clconv_pooling* pooling, cl_mem x, cl_mem dy, cl_mem dx,
                                      cl_uint num_events, const cl_event* wait_list,
                                      cl_event* event) {
  return operate(context, queue, {num_events, wait_list, event}, [&](Call& call) {
    const Pooling p = pooling_of(pooling);
    const bool needs_x = p.mode == PoolingMode::kMax;
    call.bind("pooling", {{needs_x ? x : dy, needs_x ? p.x_bytes() : 0, "x"},
                          {dy, p.y_bytes(), "dy"},
                          {dx, p.x_bytes(), "dx", Access::kWrite}});
    call.run("pooling_backward " + p.text(), [&] {
      return p.n == 0 ? Executable()
                      : one_step(unpool(call.device(), p, Region{0}, Region{1}, Region{2}));
    });
  });
}
