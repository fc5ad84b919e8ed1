// A network over several devices: its images are divided among them, each part is a network on one device, and inputs
// and outputs are the host's.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/network.hpp"

namespace clconv::net {

// Usable from many threads at once, which take turns at each device.
class NetworkBatch {
 public:
  struct Part {
    std::string name;  // of the device, for errors
    std::int64_t first = 0, images = 0;
    double image_us = -1;              // by which the images were divided; below 0: they were given
    std::shared_ptr<Network> network;  // null: no images
    cl::CommandQueue queue;
    std::unique_ptr<std::mutex> turn = std::make_unique<std::mutex>();
    bool shares_host_memory = false;
  };

  // `options` has the shapes, and the batch, of all images. `images`: of each context; empty: divided by speed. Throws
  // what Network throws, with the device's name, and what check_divisible() does.
  NetworkBatch(std::vector<Context> contexts, std::shared_ptr<const Model> model,
               NetworkOptions options, const std::vector<std::int64_t>& images);

  // Of all images.
  const std::vector<Edge>& inputs() const { return inputs_; }
  const std::vector<Edge>& outputs() const { return outputs_; }
  // One for each context.
  const std::vector<Part>& parts() const { return parts_; }

  // Computes on all devices at once and waits. Where one fails, the error names it, and nothing runs any more.
  void run(const std::vector<const float*>& inputs, const std::vector<float*>& outputs) const;

 private:
  using Networks = std::vector<std::shared_ptr<Network>>;  // by device; null: none
  class Execution;

  // The network for some of the images.
  std::shared_ptr<Network> compiled(std::size_t device, std::int64_t images) const;
  std::vector<double> image_times(std::int64_t share, Networks& shares) const;
  void add_networks(const std::vector<std::int64_t>& counts, Networks shares);
  void check(const std::vector<const float*>& inputs, const std::vector<float*>& outputs) const;

  std::vector<Context> contexts_;
  std::shared_ptr<const Model> model_;
  NetworkOptions options_;  // of all images
  std::int64_t images_ = 0;
  std::vector<Edge> inputs_, outputs_;
  std::vector<Part> parts_;
};

}  // namespace clconv::net
