// A network compiled for one set of input shapes: steps, constants, and the arenas that its runs borrow.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/chain.hpp"
#include "net/lowering.hpp"
#include "net/memory.hpp"
#include "net/passes.hpp"

namespace clconv::net {

// The memory of runs that may overlap. A run takes an arena that no other run is being enqueued with; ordering behind
// the arena's last run is the queue's, or an event's.
class Arenas {
 public:
  // An arena with what lies in it: of every buffer of the plan its memory, null for the caller's.
  struct Instance {
    cl::Buffer whole, workspace, state;  // the last one is of chains
    std::vector<cl::Buffer> parts;       // keeps what `table` points to
    std::vector<cl_mem> table;
    cl::CommandQueue queue;  // of the last run; null: none yet
    bool in_order = false;
    cl::Event last_run;
  };
  // Arenas that are kept. A further run waits for one of them on the device; only where all are just being enqueued
  // with, it gets an arena of its own for that run.
  static constexpr std::size_t kMost = 4;

  using Make = std::unique_ptr<Instance> (*)(const void* plan);
  Arenas(Make make, const void* plan) : make_(make), plan_(plan) {}

  // For a run on `queue`, to be given back after it is enqueued. `wait_for` gets what the run must wait for, or null.
  std::unique_ptr<Instance> take(cl_command_queue queue, bool in_order, cl::Event& wait_for);
  void give_back(std::unique_ptr<Instance> instance, cl_command_queue queue, bool in_order,
                 const cl::Event& last_run);
  // A run failed half-way: its arena is dropped.
  void lose();
  std::int64_t count() const;  // made and kept, or in use

 private:
  Make make_;
  const void* plan_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Instance>> free_;
  std::int64_t count_ = 0;
};

// What a tensor at the edge of the network is.
struct Edge {
  std::string name;
  Shape shape;
  std::int64_t bytes = 0;  // of the caller's buffer: float32
};
std::vector<Edge> edges_of(const Graph& graph, const std::vector<ValueId>& ids);

struct BuildTimes {
  double passes_us = 0, plan_us = 0;
};

// Immutable, and usable from many threads at once.
class NetworkPlan {
 public:
  // Of a graph whose inputs have shapes. Infers, runs the passes but those in `skip_passes`, lowers.
  NetworkPlan(Graph graph, core::Device& device, const Context& context,
              const LoweringOptions& options, const std::string& skip_passes);
  NetworkPlan(const NetworkPlan&) = delete;
  NetworkPlan& operator=(const NetworkPlan&) = delete;

  const std::vector<Edge>& inputs() const { return inputs_; }
  const std::vector<Edge>& outputs() const { return outputs_; }
  const Graph& graph() const { return graph_; }
  const Lowered& lowered() const { return lowered_; }
  const std::vector<PassReport>& passes() const { return passes_; }
  const BuildTimes& times() const { return times_; }
  const LoweringOptions& options() const { return options_; }
  core::Device& device() const { return device_; }
  const Context& context() const { return context_; }

  // ---- memory
  std::int64_t weights_bytes() const { return weights_bytes_; }
  const Arena& arena() const { return arena_; }
  std::int64_t workspace_bytes() const { return workspace_bytes_; }
  std::int64_t arenas() const { return arenas_.count(); }
  // Of the buffers in the arena: which, and from which step to which.
  struct InArena {
    BufferId buffer;
    Lifetime lifetime;
    std::int64_t offset;
  };
  std::vector<InArena> in_arena() const;

  // What a run enqueues: the chains, and the steps that are in none.
  std::int64_t launches() const;
  double spared_us() const;  // of all chains

  // Enqueues all steps behind the wait list, without waiting. Buffers are checked before. If a step fails, the ones
  // before it stay enqueued and no event is returned.
  void run(cl_command_queue queue, const std::vector<cl_mem>& inputs,
           const std::vector<cl_mem>& outputs, const core::Dependencies& dependencies) const;
  // What is called of every step of a run that waits: after it has ended, in `us` microseconds of device time.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void after(std::size_t step, const Memory& memory, double us) = 0;
  };
  // One run, step by step, on a profiling queue of its own, waiting for each.
  void run_observed(const std::vector<cl_mem>& inputs, const std::vector<cl_mem>& outputs,
                    Observer& observer) const;
  // Throws Error{kInvalidArgument} for buffers that do not fit.
  void check(const std::vector<cl_mem>& inputs, const std::vector<cl_mem>& outputs) const;

 private:
  static std::unique_ptr<Arenas::Instance> make_instance(const void* plan);
  std::vector<Problem> convolutions();  // one per node that is one
  // Steps whose variants are trusted, and their chains.
  void make_steps();
  void lower_and_chain();
  void plan_memory();
  std::vector<std::int64_t> arena_offsets() const;  // by buffer; -1: not in the arena
  std::vector<Location> locations() const;          // by buffer
  // All steps; `last` gets the event that ends them.
  void enqueue(cl_command_queue queue, bool in_order, const Memory& memory, cl_mem state,
               std::vector<cl_event> waits, cl::Event& last) const;

  core::Device& device_;
  const Context& context_;
  LoweringOptions options_;
  std::vector<Edge> inputs_, outputs_;
  Graph graph_;
  std::vector<PassReport> passes_;
  BuildTimes times_;
  Lowered lowered_;
  std::vector<std::unique_ptr<Chain>> chains_;
  Arena arena_;
  std::vector<Lifetime> lifetimes_;  // of the buffers in the arena
  std::vector<BufferId> in_arena_;   // which those are
  std::int64_t weights_bytes_ = 0, workspace_bytes_ = 0;
  mutable Arenas arenas_{make_instance, this};
};

}  // namespace clconv::net
