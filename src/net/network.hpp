// Network: a model in a context, with the plans that were made of it: one per set of input shapes, least recently used
// first out.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/model.hpp"
#include "net/plan.hpp"

namespace clconv::net {

struct NetworkOptions {
  std::vector<WantedShape> shapes;
  std::int64_t batch = 0;
  LoweringOptions lowering;
  std::string skip_passes;
  std::size_t plan_capacity = 8;
};

// Thread-safe.
class Network {
 public:
  // Compiles for the shapes in `options`. `context` is kept alive.
  Network(Context context, std::shared_ptr<const Model> model, const NetworkOptions& options);

  // The plan for the shapes in the options: inputs(), outputs() and reports are of it.
  const NetworkPlan& first() const { return *first_; }
  // For other shapes; compiles where they are not compiled yet, one plan at a time.
  std::shared_ptr<const NetworkPlan> plan_for(const std::vector<WantedShape>& shapes);

  std::int64_t plans() const;
  core::Device& device() { return device_; }

 private:
  std::shared_ptr<const NetworkPlan> compiled(Graph graph);

  Context context_;
  std::shared_ptr<const Model> model_;
  NetworkOptions options_;
  core::Device device_;
  std::shared_ptr<const NetworkPlan> first_;  // never goes
  std::mutex compiling_;
  mutable std::mutex mutex_;                                                     // guards plans_
  std::list<std::pair<std::string, std::shared_ptr<const NetworkPlan>>> plans_;  // last used first
};

// ---- reports, as docs/networks.md has them -------------------------------------------------------

std::string report(const NetworkPlan& plan);
// The medians of `rounds` runs.
std::string profile(const NetworkPlan& plan, const std::vector<cl_mem>& inputs,
                    const std::vector<cl_mem>& outputs, std::int64_t rounds);
// Every convolution against strategy naive, on the operands that it has in this run.
std::string check(const NetworkPlan& plan, const std::vector<cl_mem>& inputs,
                  const std::vector<cl_mem>& outputs);

}  // namespace clconv::net
