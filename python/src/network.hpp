// Whole networks, net.h, in Python: models and options, which networks of one and of several devices are made of.
#pragma once

#include <clconv/net.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"

namespace clconv_python {

using Sizes = std::vector<std::int64_t>;
using Shapes = std::vector<Sizes>;
using Text = std::optional<std::string>;

class Model {
 public:
  explicit Model(clconv_net_model handle) : handle_(handle) {}
  Model(Model&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Model& operator=(Model&&) = delete;
  ~Model() { clconv_net_model_release(handle_); }
  clconv_net_model get() const { return handle_; }

 private:
  clconv_net_model handle_;
};

// What clconv_net_options has but for shapes.
class NetOptions {
 public:
  NetOptions(std::int64_t batch, const std::string& rigor, double time_limit_s,
             std::int64_t workspace_limit_bytes, bool deterministic, std::int64_t expected_runs,
             const std::string& data_type, Text skip_passes, std::int64_t plan_capacity,
             const std::string& math);
  // Points into this and into `shapes`.
  clconv_net_options get(const std::vector<clconv_net_shape>& shapes) const;

 private:
  clconv_net_options options_{};
  Text skip_passes_;
};

// Names live as long as the caller's.
std::vector<clconv_net_shape> named_shapes(const std::vector<std::string>& names,
                                           const Shapes& shapes);
nb::tuple sizes_of(const clconv_net_tensor_info& info);
nb::dict dict_of(const clconv_net_memory_info& info);

void bind_network(nb::module_& m);

}  // namespace clconv_python
