// Batch: one problem over several devices. Its images are divided among them; each part is a plan on one device, and
// operands are the host's. What clconv.h hands out as an opaque handle.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "planner/context.hpp"

namespace clconv::core {

// The host's memory by Tensor. Only the result is written.
using HostTensors = std::array<unsigned char*, kTensors>;

// Immutable but for the kept weights; usable from many threads at once, which take turns at each device.
class Batch {
 public:
  struct Part {
    std::string name;  // of the device, for errors
    std::shared_ptr<Context> context;
    std::int64_t first = 0;            // image
    double image_us = -1;              // by which the images were divided; below 0: they were given
    Problem problem;                   // of its images
    std::shared_ptr<const Plan> plan;  // null: no images
    cl::CommandQueue queue;
    // Runs take turns at it: PoCL 3.1's device "basic" hangs now and then where several threads use one queue.
    std::unique_ptr<std::mutex> turn = std::make_unique<std::mutex>();
    bool shares_host_memory = false;
  };

  // `images`: of each context; empty: divided by speed. Throws what Context::plan() throws, with the device's name.
  Batch(std::vector<std::shared_ptr<Context>> contexts, const Problem& problem,
        const PlannerOptions& options, const std::vector<std::int64_t>& images);

  const Problem& problem() const { return problem_; }
  // One for each context.
  const std::vector<Part>& parts() const { return parts_; }

  // Copies the weights to all devices and packs them there, for runs that bring none.
  void prepare(const unsigned char* w);

  // Computes on all devices at once and waits. Where one fails, the error names it, and nothing runs any more.
  void run(const HostTensors& tensors) const;

 private:
  // What a part's device keeps of the weights.
  struct Weights {
    cl::Buffer w, prepared;
  };
  class Execution;

  void add_parts(std::vector<std::shared_ptr<Context>> contexts, const PlannerOptions& options,
                 const std::vector<std::int64_t>& images);
  void check(const HostTensors& tensors, bool weights_kept) const;
  // On every part that has images, each in a thread of its own; throws the first part's failure when all have ended.
  template <class Body>
  void on_all(Body&& body) const;
  void add_up(const std::vector<std::vector<unsigned char>>& partial, unsigned char* result) const;

  Problem problem_;
  std::vector<Part> parts_;
  mutable std::mutex weights_mutex_;
  std::shared_ptr<const std::vector<Weights>> weights_;  // by part
};

}  // namespace clconv::core
