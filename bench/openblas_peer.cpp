// The textbook way on a CPU: im2col on all cores, then OpenBLAS's sgemm per image and group, then bias and
// ReLU. No im2col where the tensor already is the matrix. Forward only.
#include <cblas.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "peers.hpp"
#include "threads.hpp"

namespace clconv::bench {
namespace {

// Threads that sleep between calls: spinning ones would take the cores from sgemm's own.
class Team {
 public:
  static Team& instance() {
    static Team team(thread_count());
    return team;
  }

  // Calls part(first, last) on shares of [0, count), on the caller alone if that is `little`.
  void share(std::int64_t count, bool little,
             const std::function<void(std::int64_t, std::int64_t)>& part) {
    if (little || threads_.empty()) return part(0, count);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      part_ = &part;
      count_ = count;
      busy_ = threads_.size();
      ++turn_;
    }
    start_.notify_all();
    run_share(0);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return busy_ == 0; });
  }

 private:
  explicit Team(int size) {
    for (int i = 1; i < size; ++i)
      threads_.emplace_back([this, i] { work(i); });
  }
  ~Team() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++turn_;
      part_ = nullptr;
    }
    start_.notify_all();
    for (std::thread& thread : threads_)
      thread.join();
  }

  void run_share(std::int64_t index) const {
    const auto size = static_cast<std::int64_t>(threads_.size()) + 1;
    (*part_)(count_ * index / size, count_ * (index + 1) / size);
  }
  void work(int index) {
    pin_this_thread(index);
    for (int seen = 0;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      start_.wait(lock, [&] { return turn_ != seen; });
      seen = turn_;
      if (part_ == nullptr) return;
      lock.unlock();
      run_share(index);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable start_, done_;
  const std::function<void(std::int64_t, std::int64_t)>* part_ = nullptr;
  std::int64_t count_ = 0;
  std::size_t busy_ = 0;
  int turn_ = 0;
};

// Waking a thread costs as much as writing this many floats.
constexpr std::int64_t kLittle = 1 << 15;

class OpenBlas : public Contender {
 public:
  explicit OpenBlas(const Case& item)
      : p_(item.problem),
        oh_(item.info.oh),
        ow_(item.info.ow),
        x_(item.x),
        w_(item.w),
        b_(item.b),
        y_(item.result_size()) {
    if (!is_matrix()) cols_.resize(static_cast<std::size_t>(p_.c * p_.kh * p_.kw * oh_ * ow_));
  }
  bool computes_here() const override { return true; }
  std::string how() const override { return std::string("sgemm ") + openblas_get_corename(); }
  void enqueue() override {
    const std::int64_t pixels = oh_ * ow_, filters = p_.k / p_.g;
    const std::int64_t patch = p_.c / p_.g * p_.kh * p_.kw;
    for (std::int64_t n = 0; n < p_.n; ++n) {
      const float* x = &x_[static_cast<std::size_t>(n * p_.c * p_.h * p_.w)];
      float* y = &y_[static_cast<std::size_t>(n * p_.k * pixels)];
      if (!is_matrix()) im2col(x);
      const float* cols = is_matrix() ? x : cols_.data();
      for (std::int64_t group = 0; group < p_.g; ++group) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, narrow(filters), narrow(pixels),
                    narrow(patch), 1, w_.data() + group * filters * patch, narrow(patch),
                    cols + group * patch * pixels, narrow(pixels), 0, y + group * filters * pixels,
                    narrow(pixels));
      }
      epilogue(y);
    }
  }
  std::vector<float> result() override { return y_; }

 private:
  static blasint narrow(std::int64_t value) { return static_cast<blasint>(value); }

  bool is_matrix() const {
    return p_.kh == 1 && p_.kw == 1 && p_.sh == 1 && p_.sw == 1 && p_.pt + p_.pl == 0 &&
           p_.pb + p_.pr == 0;
  }

  // One row of the matrix: a tap's pixels, zero where it looks outside the image.
  void im2col_row(const float* x, std::int64_t row, float* out) const {
    const std::int64_t q = row % p_.kw, u = row / p_.kw % p_.kh, c = row / (p_.kw * p_.kh);
    const std::int64_t left = q * p_.dw - p_.pl;
    // Columns j with 0 <= j*sw + left < w.
    const std::int64_t first = std::min(ow_, left < 0 ? (-left + p_.sw - 1) / p_.sw : 0);
    const std::int64_t last =
        std::clamp(p_.w > left ? (p_.w - 1 - left) / p_.sw + 1 : 0, first, ow_);
    for (std::int64_t i = 0; i < oh_; ++i, out += ow_) {
      const std::int64_t h = i * p_.sh - p_.pt + u * p_.dh;
      if (h < 0 || h >= p_.h) {
        std::fill_n(out, ow_, 0.0f);
        continue;
      }
      const float* in = x + (c * p_.h + h) * p_.w + left;
      std::fill(out, out + first, 0.0f);
      if (p_.sw == 1) {
        std::copy(in + first, in + last, out + first);
      } else {
        for (std::int64_t j = first; j < last; ++j)
          out[j] = in[j * p_.sw];
      }
      std::fill(out + last, out + ow_, 0.0f);
    }
  }

  void im2col(const float* x) {
    const auto size = static_cast<std::int64_t>(cols_.size());
    Team::instance().share(p_.c * p_.kh * p_.kw, size < kLittle,
                           [&](std::int64_t first, std::int64_t last) {
                             for (std::int64_t row = first; row < last; ++row)
                               im2col_row(x, row, cols_.data() + row * oh_ * ow_);
                           });
  }

  void epilogue(float* y) const {
    if (p_.bias == 0 && p_.activation == CLCONV_NO_ACTIVATION) return;
    const std::int64_t pixels = oh_ * ow_;
    const float floor =
        p_.activation != CLCONV_NO_ACTIVATION ? 0 : -std::numeric_limits<float>::infinity();
    Team::instance().share(p_.k, p_.k * pixels < kLittle,
                           [&](std::int64_t first, std::int64_t last) {
                             for (std::int64_t k = first; k < last; ++k) {
                               const float add = p_.bias != 0 ? b_[static_cast<std::size_t>(k)] : 0;
                               float* row = y + k * pixels;
                               for (std::int64_t i = 0; i < pixels; ++i)
                                 row[i] = std::max(row[i] + add, floor);
                             }
                           });
  }

  Problem p_;
  std::int64_t oh_, ow_;
  std::vector<float> x_, w_, b_, cols_, y_;
};

}  // namespace

std::vector<Peer> openblas_peers() {
  Peer peer;
  peer.key = "openblas";
  peer.title = "im2col + OpenBLAS";
  peer.about = std::string("im2col on all cores, then sgemm with its ") + openblas_get_corename() +
               " kernels, then bias and ReLU";
  peer.prepare = [](const Case& item) -> ContenderPtr {
    if (item.problem.direction != CLCONV_FORWARD) return nullptr;
    return std::make_unique<OpenBlas>(item);
  };
  return {peer};
}

}  // namespace clconv::bench
