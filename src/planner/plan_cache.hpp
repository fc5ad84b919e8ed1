// The plans that are kept for being asked again, the least recently used one going first. Has a lock of its own, so
// that looking, telling and giving back wait for no search.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace clconv::core {

class Plan;

// Thread-safe. What is dropped is destroyed outside the lock, or by whoever still holds it.
class PlanCache {
 public:
  explicit PlanCache(std::size_t capacity) : capacity_(capacity > 0 ? capacity : 1) {}

  // Null where it is not known.
  std::shared_ptr<const Plan> find(const std::string& key);
  void put(const std::string& key, const std::shared_ptr<const Plan>& plan);
  void clear();
  std::size_t size() const;

 private:
  using Item = std::pair<std::string, std::shared_ptr<const Plan>>;

  std::size_t capacity_;
  mutable std::mutex mutex_;
  std::list<Item> recent_;  // most recently used first
  std::unordered_map<std::string, std::list<Item>::iterator> by_key_;
};

}  // namespace clconv::core
