// Training by several processes, each on its share of the images: what it needs of the other processes, and how the
// gradients of all are added up while the backward pass goes on.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "digits_network.hpp"

namespace example {

// The processes of a training run. This one alone, unless derived.
class Ranks {
 public:
  Ranks() = default;
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;
  virtual ~Ranks() = default;

  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  // Among the ranks of this host.
  virtual int local_rank() const { return 0; }
  bool first() const { return rank() == 0; }

  // Rank 0's values, to all.
  virtual void broadcast(std::vector<float>&) const {}
  // The sums over all ranks, to all.
  virtual void sum(std::vector<double>&) const {}
  // Is the number the same on all ranks?
  virtual bool equal(std::uint64_t) const { return true; }

  // Starts to replace `count` values by their sums over all ranks; progress() goes on with all sums started, and is
  // true when all have ended. The values belong to the sum until then.
  virtual void start_sum(float*, std::int64_t) {}
  virtual bool progress() { return true; }

  // Every rank calls it with what went wrong there, or "". The text of the first rank that has one, with its number;
  // "" where none has.
  virtual std::string first_failure(const std::string& own) const { return own; }
  // Ends all ranks. For failures in the middle, where the others wait for this one.
  virtual void abort() const {}
};

// MPI's ranks. Takes this rank's share of the CPUs, so it must come before the first use of OpenCL. In digits_mpi.cpp.
std::unique_ptr<Ranks> mpi_ranks();

// The backward pass of every rank and the sum of their gradients. The sum runs in buckets, layers in the order in which
// the backward pass is done with them: while the next bucket is computed, those before are under way.
class GradientSum {
 public:
  struct Times {
    double in_flight_s = 0;  // from the start of a step's first sum until all have ended
    double exposed_s = 0;    // of that, after the backward pass
    int steps = 0;
  };

  GradientSum(Ranks& ranks, const cl::CommandQueue& queue, DigitsNetwork& network)
      : ranks_(ranks), queue_(queue), network_(network) {
    const auto& layers = network.layers();
    Bucket bucket;
    bucket.end = layers.back().end;
    for (std::size_t i = layers.size(); i-- > 0;) {
      if (layers[i].begin > bucket.end - kBucket && i > 0) continue;
      bucket.last_layer = i;
      bucket.begin = layers[i].begin;
      buckets_.push_back(bucket);
      bucket.end = layers[i].begin;
    }
  }

  std::size_t buckets() const { return buckets_.size(); }
  const Times& times() const { return times_; }

  // As DigitsNetwork::backward(); the gradients are the sums over all ranks. Waits for them.
  void backward() {
    std::size_t next = 0;
    network_.backward([&](std::size_t layer) {
      Bucket& bucket = buckets_[next];
      if (layer != bucket.last_layer) return;
      ++next;
      bucket.values = static_cast<float*>(queue_.enqueueMapBuffer(
          network_.gradients(), CL_FALSE, CL_MAP_READ | CL_MAP_WRITE,
          static_cast<std::size_t>(bucket.begin) * 4,
          static_cast<std::size_t>(bucket.end - bucket.begin) * 4, nullptr, &bucket.ready));
    });
    queue_.flush();
    Clock::time_point start, done;
    for (Bucket& bucket : buckets_) {
      wait(bucket.ready, &bucket != &buckets_.front());
      done = Clock::now();
      if (&bucket == &buckets_.front()) start = done;
      ranks_.start_sum(bucket.values, bucket.end - bucket.begin);
    }
    while (!ranks_.progress())
      std::this_thread::yield();
    const Clock::time_point end = Clock::now();
    times_.in_flight_s += std::chrono::duration<double>(end - start).count();
    times_.exposed_s += std::chrono::duration<double>(end - done).count();
    ++times_.steps;
    for (Bucket& bucket : buckets_)
      queue_.enqueueUnmapMemObject(network_.gradients(), bucket.values);
  }

 private:
  using Clock = std::chrono::steady_clock;
  // Floats, at least, unless nothing is left. Of these layers, buckets of 515,000, 33,000 and 8,000 floats.
  static constexpr std::int64_t kBucket = 32768;

  struct Bucket {
    std::size_t last_layer = 0;       // of the backward pass
    std::int64_t begin = 0, end = 0;  // of the gradients, floats
    float* values = nullptr;
    cl::Event ready;
  };

  // Until the device is there. MPI goes on with sums only while it is asked about them.
  void wait(const cl::Event& event, bool sums) {
    while (sums) {
      const auto status = event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>();
      if (status == CL_COMPLETE) return;
      if (status < 0) break;  // wait() says so
      ranks_.progress();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    if (event.wait() != CL_SUCCESS) throw std::runtime_error("the backward pass failed");
  }

  Ranks& ranks_;
  cl::CommandQueue queue_;
  DigitsNetwork& network_;
  std::vector<Bucket> buckets_;
  Times times_;
};

}  // namespace example
