// Device memory that is reused: workspaces of executions that bring none, and buffers to measure
// on.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/opencl.hpp"

namespace clconv::core {

// A read-write buffer of `bytes` (at least 1). Throws Error{kOutOfMemory} that says what it was for
// and how many bytes were asked for; `max_bytes` is the device's limit for one allocation.
cl::Buffer allocate(const cl::Context& context, std::int64_t bytes, std::int64_t max_bytes,
                    const std::string& what);

// A part of any buffer, also of one that is itself a part (which OpenCL forbids to divide again).
cl::Buffer sub_buffer(cl_mem buffer, std::int64_t offset, std::int64_t bytes);

// Sub-buffers made on demand and kept: asking again makes none. Not thread-safe.
class Parts {
 public:
  // `whole` must not have been released in between.
  cl_mem get(cl_mem whole, std::int64_t offset, std::int64_t bytes);
  std::size_t size() const { return parts_.size(); }
  void clear() { parts_.clear(); }

 private:
  struct Part {
    cl_mem whole;
    std::int64_t offset, bytes;
    cl::Buffer buffer;
  };
  std::vector<Part> parts_;
};

// Lends buffers to executions. A buffer goes back as soon as its execution is enqueued; the next
// borrower is ordered behind it on the device, never by waiting on the host:
//   - on the same in-order queue by the queue itself,
//   - on the same out-of-order queue by the event of the last use, which the lease carries,
//   - another queue gets a buffer whose last use is over, or a new one.
// What is lent is never refused for the limit; beyond it nothing is kept: what comes back makes the least recently used
// go, and OpenCL frees a buffer when the commands that use it have ended.
// Thread-safe. In the steady state of a program that fits the limit nothing is allocated.
class ScratchPool {
  struct Block {
    cl::Buffer buffer;
    Parts parts;
    std::int64_t bytes = 0;
    cl::CommandQueue queue;  // of the last use; retained, or another one may get its address
    bool in_order = false;
    cl::Event last_use;
    bool lent = false;
  };

 public:
  // What lies in a new buffer; what comes back is lent again as it is.
  enum class Content { kAnything, kZeroes };

  ScratchPool(const cl::Context& context, std::int64_t max_allocation_bytes,
              Content content = Content::kAnything)
      : context_(context), max_allocation_bytes_(max_allocation_bytes), content_(content) {}

  // Bytes that are kept for later executions.
  void set_limit(std::int64_t bytes);
  std::int64_t limit() const;

  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept { *this = std::move(other); }
    Lease& operator=(Lease&& other) noexcept;
    // Without enqueued() (something threw half-way) the buffer is dropped, not lent again.
    ~Lease();

    explicit operator bool() const { return block_ != nullptr; }
    cl_mem buffer() const { return block_ ? block_->buffer() : nullptr; }
    // Of the buffer, kept with it from lease to lease. The lease must hold it.
    Parts& parts() { return block_->parts; }
    // Must be waited for before the buffer is written; null where the queue sees to it.
    cl_event wait_for() const { return wait_for_(); }
    // The work that uses the buffer is enqueued and `done` ends it: the buffer goes back.
    void enqueued(cl_event done);

   private:
    friend class ScratchPool;
    ScratchPool* pool_ = nullptr;
    std::shared_ptr<Block> block_;
    cl::Event wait_for_;
  };

  // A buffer of at least `bytes`, for work on `queue`. The pool must outlive the lease. Throws Error{kOutOfMemory}
  // where the device has too little even when the pool keeps nothing.
  Lease borrow(std::int64_t bytes, cl_command_queue queue, bool in_order);

  // Gives back what no execution is being enqueued with.
  void trim();

  struct Use {
    std::int64_t bytes = 0, peak_bytes = 0, buffers = 0;
  };
  Use use() const;
  std::int64_t allocated_bytes() const { return use().bytes; }

 private:
  void give_back(const std::shared_ptr<Block>& block, cl_event done);
  // Under the mutex.
  std::int64_t total() const;
  void drop_beyond(std::int64_t limit);
  // Lets go of events and queues whose work is over, but for this queue's.
  void forget_finished(cl_command_queue queue);
  std::shared_ptr<Block> allocate_block(std::int64_t bytes);
  cl::Buffer make(std::int64_t bytes) const;

  cl::Context context_;
  std::int64_t max_allocation_bytes_;
  Content content_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Block>> blocks_;  // least recently used first
  std::int64_t limit_bytes_ = INT64_MAX;
  std::int64_t peak_bytes_ = 0;
};

}  // namespace clconv::core
