#include "runtime/scratch.hpp"

#include <algorithm>
#include <utility>

namespace clconv::core {
namespace {

// An out-of-order queue gets at most this many buffers. More executions in flight on it wait for one another.
constexpr std::int64_t kMaxBlocksPerQueue = 4;
// Sub-buffers that are kept for a buffer. A plan has a handful; where there are more, most belong to plans that are
// gone.
constexpr std::size_t kMaxParts = 64;

bool finished(const cl::Event& event) {
  return event() == nullptr ||
         event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() <= CL_COMPLETE;  // < 0: it failed
}

}  // namespace

cl::Buffer allocate(const cl::Context& context, std::int64_t bytes, std::int64_t max_bytes,
                    const std::string& what) {
  const std::string asked =
      "device allocation of " + std::to_string(bytes) + " bytes (" + what + ") failed: ";
  if (bytes > max_bytes) {
    throw Error(Code::kOutOfMemory,
                asked + "the device's limit for one allocation is " + std::to_string(max_bytes));
  }
  try {
    return cl::Buffer(context, CL_MEM_READ_WRITE,
                      static_cast<std::size_t>(std::max<std::int64_t>(1, bytes)));
  } catch (const cl::Error& error) {
    throw Error(Code::kOutOfMemory, asked + status_text(error.err()));
  }
}

cl::Buffer sub_buffer(cl_mem buffer, std::int64_t offset, std::int64_t bytes) {
  cl_mem parent = nullptr;
  check(clGetMemObjectInfo(buffer, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(parent), &parent, nullptr),
        "clGetMemObjectInfo");
  std::size_t origin = static_cast<std::size_t>(offset);
  if (parent != nullptr) {
    std::size_t base = 0;
    check(clGetMemObjectInfo(buffer, CL_MEM_OFFSET, sizeof(base), &base, nullptr),
          "clGetMemObjectInfo");
    origin += base;
  }
  const cl_buffer_region region{origin, static_cast<std::size_t>(bytes)};
  cl_int status = CL_SUCCESS;
  cl_mem part = clCreateSubBuffer(parent != nullptr ? parent : buffer, 0,
                                  CL_BUFFER_CREATE_TYPE_REGION, &region, &status);
  check(status, "clCreateSubBuffer");
  return cl::Buffer(part);
}

cl_mem Parts::get(cl_mem whole, std::int64_t offset, std::int64_t bytes) {
  for (const Part& part : parts_) {
    if (part.whole == whole && part.offset == offset && part.bytes == bytes) return part.buffer();
  }
  parts_.push_back({whole, offset, bytes, sub_buffer(whole, offset, bytes)});
  return parts_.back().buffer();
}

ScratchPool::Lease& ScratchPool::Lease::operator=(Lease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(block_, other.block_);
  std::swap(wait_for_, other.wait_for_);
  return *this;
}

ScratchPool::Lease::~Lease() {
  if (!block_) return;
  const std::lock_guard<std::mutex> lock(pool_->mutex_);
  auto& blocks = pool_->blocks_;
  blocks.erase(std::remove(blocks.begin(), blocks.end(), block_), blocks.end());
}

void ScratchPool::Lease::enqueued(cl_event done) {
  if (!block_) return;
  pool_->give_back(block_, done);
  block_.reset();
}

void ScratchPool::give_back(const std::shared_ptr<Block>& block, cl_event done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  block->last_use = cl::Event(done, true);
  block->lent = false;
  drop_beyond(limit_bytes_);
}

std::int64_t ScratchPool::total() const {
  std::int64_t bytes = 0;
  for (const auto& block : blocks_)
    bytes += block->bytes;
  return bytes;
}

void ScratchPool::drop_beyond(std::int64_t limit) {
  std::int64_t held = total();
  for (auto it = blocks_.begin(); it != blocks_.end() && held > limit;) {
    if ((*it)->lent) {
      ++it;
    } else {
      held -= (*it)->bytes;
      it = blocks_.erase(it);
    }
  }
}

void ScratchPool::set_limit(std::int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  limit_bytes_ = bytes;
  drop_beyond(bytes);
}

std::int64_t ScratchPool::limit() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return limit_bytes_;
}

void ScratchPool::trim() {
  const std::lock_guard<std::mutex> lock(mutex_);
  drop_beyond(0);
}

ScratchPool::Use ScratchPool::use() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return {total(), peak_bytes_, static_cast<std::int64_t>(blocks_.size())};
}

void ScratchPool::forget_finished(cl_command_queue queue) {
  for (const auto& block : blocks_) {
    if (block->lent || block->queue() == nullptr || block->queue() == queue) continue;
    if (!finished(block->last_use)) continue;
    block->last_use = cl::Event();
    block->queue = cl::CommandQueue();
  }
}

cl::Buffer ScratchPool::make(std::int64_t bytes) const {
  if (content_ == Content::kAnything)
    return allocate(context_, bytes, max_allocation_bytes_, "workspace");
  std::vector<char> zeroes(static_cast<std::size_t>(bytes), 0);
  return cl::Buffer(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, zeroes.size(),
                    zeroes.data());
}

std::shared_ptr<ScratchPool::Block> ScratchPool::allocate_block(std::int64_t bytes) {
  auto block = std::make_shared<Block>();
  try {
    block->buffer = make(bytes);
  } catch (const Error&) {
    if (bytes > max_allocation_bytes_ || blocks_.empty()) throw;
    drop_beyond(0);  // what is kept may be what is lacking
    block->buffer = make(bytes);
  }
  block->bytes = bytes;
  blocks_.push_back(block);
  return block;
}

ScratchPool::Lease ScratchPool::borrow(std::int64_t bytes, cl_command_queue queue, bool in_order) {
  const std::lock_guard<std::mutex> lock(mutex_);
  forget_finished(queue);
  std::shared_ptr<Block> best;
  bool best_waits = true;
  std::int64_t on_this_queue = 0;
  for (const auto& block : blocks_) {
    if (block->queue() == queue) ++on_this_queue;
    if (block->lent || block->bytes < bytes) continue;
    const bool ordered = block->queue() == queue && block->in_order && in_order;
    const bool waits = !ordered && !finished(block->last_use);
    if (waits && block->queue() != queue) continue;
    if (!best || waits < best_waits || (waits == best_waits && block->bytes < best->bytes)) {
      best = block;
      best_waits = waits;
    }
  }
  const bool may_allocate = !best || (best_waits && on_this_queue < kMaxBlocksPerQueue);
  if (may_allocate) {
    // Smaller blocks that nobody uses make room; OpenCL keeps one alive until its commands end.
    blocks_.erase(std::remove_if(blocks_.begin(), blocks_.end(),
                                 [&](const std::shared_ptr<Block>& block) {
                                   return !block->lent && block->bytes < bytes &&
                                          (block->queue() == queue || finished(block->last_use));
                                 }),
                  blocks_.end());
    best = allocate_block(bytes);
    best_waits = false;
    peak_bytes_ = std::max(peak_bytes_, total());
  }
  const auto place = std::find(blocks_.begin(), blocks_.end(), best);
  std::rotate(place, place + 1, blocks_.end());  // the most recently used one is last
  Lease lease;
  lease.pool_ = this;
  lease.block_ = best;
  if (best_waits) lease.wait_for_ = best->last_use;
  best->lent = true;
  if (best->queue() != queue) best->queue = cl::CommandQueue(queue, true);
  best->in_order = in_order;
  // Never while they are in use: a step resolves several before it enqueues.
  if (best->parts.size() > kMaxParts) best->parts.clear();
  return lease;
}

}  // namespace clconv::core
