#include "runtime/division.hpp"

#include <algorithm>
#include <exception>
#include <future>

namespace clconv::core {

std::vector<std::int64_t> divide(std::int64_t images, const std::vector<double>& image_us) {
  double speed = 0;
  for (const double us : image_us)
    speed += 1 / us;
  // No division is done before images/speed: so many images each, rounded down, the best has in any case.
  std::vector<std::int64_t> counts;
  std::int64_t left = images;
  for (const double us : image_us) {
    const double share = static_cast<double>(images) / us / speed;
    counts.push_back(std::min(left, static_cast<std::int64_t>(share)));
    left -= counts.back();
  }
  // The others, fewer than devices but for rounding, one by one to who ends first with it.
  for (; left > 0; --left) {
    std::size_t best = 0;
    const auto end = [&](std::size_t i) {
      return static_cast<double>(counts[i] + 1) * image_us[i];
    };
    for (std::size_t i = 1; i < counts.size(); ++i) {
      if (end(i) < end(best)) best = i;
    }
    ++counts[best];
  }
  return counts;
}

std::vector<double> comparable_times(std::size_t count, const std::vector<double>& measured,
                                     const std::vector<double>& predicted) {
  for (const auto& times : {measured, predicted}) {
    if (times.size() == count &&
        std::all_of(times.begin(), times.end(), [](double us) { return us > 0; }))
      return times;
  }
  return std::vector<double>(count, 1.0);
}

void run_at_once(const std::vector<std::size_t>& devices,
                 const std::function<void(std::size_t)>& body) {
  std::vector<std::exception_ptr> failures(devices.size());
  const auto run = [&](std::size_t at) noexcept {
    try {
      body(devices[at]);
    } catch (...) {
      failures[at] = std::current_exception();
    }
  };
  {
    std::vector<std::future<void>> others;  // waited for by their destructors
    for (std::size_t at = 1; at < devices.size(); ++at)
      others.push_back(std::async(std::launch::async, run, at));
    if (!devices.empty()) run(0);
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure != nullptr) std::rethrow_exception(failure);
  }
}

}  // namespace clconv::core
