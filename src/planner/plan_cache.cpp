#include "planner/plan_cache.hpp"

namespace clconv::core {

std::shared_ptr<const Plan> PlanCache::find(const std::string& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, known->second);
  return known->second->second;
}

void PlanCache::put(const std::string& key, const std::shared_ptr<const Plan>& plan) {
  std::list<Item> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) dropped.splice(dropped.begin(), recent_, known->second);
  recent_.emplace_front(key, plan);
  by_key_[key] = recent_.begin();
  if (recent_.size() > capacity_) {
    by_key_.erase(recent_.back().first);
    dropped.splice(dropped.begin(), recent_, std::prev(recent_.end()));
  }
}

void PlanCache::clear() {
  std::list<Item> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  dropped.swap(recent_);
  by_key_.clear();
}

std::size_t PlanCache::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return recent_.size();
}

}  // namespace clconv::core
