// Batches over devices of clconv.h.
#include <numeric>

#include "api_support.hpp"
#include "planner/batch.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

namespace {

struct PlanRelease {
  void operator()(clconv_plan plan) const { clconv_plan_release(plan); }
};
using PlanHandle = std::unique_ptr<clconv_plan_s, PlanRelease>;

}  // namespace

struct clconv_batch_s {
  std::atomic<int> references{1};
  std::unique_ptr<Batch> batch;
  std::vector<PlanHandle> plans;  // by part; null where it has no images
};

namespace {

Batch& batch_of(clconv_batch handle) {
  return *required(handle, "batch").batch;
}

std::vector<std::int64_t> images_of(const int64_t* given, std::size_t count, std::int64_t n) {
  if (given == nullptr) return {};
  std::vector<std::int64_t> images(given, given + count);
  std::int64_t left = n;
  for (std::size_t i = 0; i < count; ++i) {
    if (images[i] < 0 || images[i] > left) {
      bad("images[" + std::to_string(i) + "] is " + std::to_string(images[i]) + ", expected 0 to " +
          std::to_string(left) + ": the problem has " + std::to_string(n));
    }
    left -= images[i];
  }
  if (left != 0) {
    bad("images sum up to " + std::to_string(n - left) + ", the problem has " + std::to_string(n));
  }
  return images;
}

// Inputs are only read.
unsigned char* bytes_at(const void* memory) {
  return static_cast<unsigned char*>(const_cast<void*>(memory));
}

HostTensors tensors_of(const Problem& p, const clconv_host_operands* given) {
  required(given, "operands");
  const clconv_host_operands c = versioned(given, clconv_host_operands{}, "clconv_host_operands");
  HostTensors tensors{};
  const auto put = [&](Tensor tensor, const void* memory) {
    tensors[static_cast<std::size_t>(tensor)] = bytes_at(memory);
  };
  // What the caller of a transposed convolution knows as x and y are dy and dx of the convolution behind it.
  const bool transposed = p.direction == Direction::kTransposed;
  put(Tensor::kX, c.x);
  put(Tensor::kW, c.w);
  put(Tensor::kB, c.b);
  put(Tensor::kY, c.y);
  put(Tensor::kDx, transposed ? c.y : c.dx);
  put(Tensor::kDw, c.dw);
  put(Tensor::kDb, c.db);
  put(Tensor::kDy, transposed ? c.x : c.dy);
  put(Tensor::kR, c.r);
  put(Tensor::kSlopes, p.scale ? c.scale : c.slopes);
  return tensors;
}

}  // namespace

void clconv_batch_options_defaults(clconv_batch_options* options, size_t size) {
  write_defaults(options, size, clconv_batch_options{});
}

clconv_status clconv_batch_create(const clconv_context* contexts, size_t count,
                                  const clconv_problem* problem,
                                  const clconv_batch_options* options, clconv_batch* result) {
  return guarded([&] {
    if (count < 1) bad("count is 0, expected at least one context");
    required(contexts, "contexts");
    required(result, "result");
    std::vector<std::shared_ptr<Context>> shared;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "contexts[" + std::to_string(i) + "]";
      shared.push_back(required(contexts[i], name.c_str()).context);
    }
    const Problem p = problem_of(problem);
    const auto o = versioned(options, clconv_batch_options{}, "clconv_batch_options");
    auto handle = std::make_unique<clconv_batch_s>();
    handle->batch = std::make_unique<Batch>(std::move(shared), p, options_of(o.plan),
                                            images_of(o.images, count, p.n));
    for (const Batch::Part& part : handle->batch->parts()) {
      handle->plans.emplace_back(part.plan ? handle_of(part.context, part.plan) : nullptr);
    }
    *result = handle.release();
  });
}

clconv_status clconv_batch_retain(clconv_batch batch) {
  return guarded([&] { ++required(batch, "batch").references; });
}

void clconv_batch_release(clconv_batch batch) {
  if (batch != nullptr && --batch->references == 0) delete batch;
}

clconv_status clconv_batch_get_part(clconv_batch batch, size_t index, clconv_batch_part* part) {
  return guarded([&] {
    const auto& parts = batch_of(batch).parts();
    if (index >= parts.size()) {
      bad("index is " + std::to_string(index) + ", expected 0 to " +
          std::to_string(parts.size() - 1));
    }
    clconv_batch_part p{};
    p.first = parts[index].first;
    p.images = parts[index].problem.n;
    p.image_us = parts[index].image_us;
    p.plan = batch->plans[index].get();
    copy_out(part, p, known_size(required(part, "part").struct_size, "clconv_batch_part"));
  });
}

void clconv_host_operands_defaults(clconv_host_operands* operands, size_t size) {
  write_defaults(operands, size, clconv_host_operands{});
}

clconv_status clconv_batch_prepare(clconv_batch batch, const void* w) {
  return guarded([&] { batch_of(batch).prepare(bytes_at(w)); });
}

clconv_status clconv_batch_run(clconv_batch batch, const clconv_host_operands* operands) {
  return guarded([&] {
    const Batch& b = batch_of(batch);
    b.run(tensors_of(b.problem(), operands));
  });
}
