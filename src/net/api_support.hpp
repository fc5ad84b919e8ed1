// What the functions of net.h stand on: the handles, and arguments that several of them take.
#pragma once

#include <memory>
#include <string>

#include "clconv/clconv.hpp"
#include "clconv/net.h"
#include "net/network.hpp"
#include "runtime/abi.hpp"
#include "text.hpp"

struct clconv_net_model_s {
  std::shared_ptr<clconv::net::Model> model;
};
struct clconv_net_s {
  std::shared_ptr<clconv::net::Network> network;
};

namespace clconv::net::api {

using core::Code;
using core::Error;
using core::api::bad;
using core::api::copy_out;
using core::api::known_size;
using core::api::required;
using core::api::text_of;
using core::api::TextOut;
using core::api::versioned;
using core::api::write_defaults;

// Runs `body`; no exception gets past here, those of clconv.hpp among them. Our own texts have names and lists from the
// model, which may be of any length: they are cut. Those of libclconv have none.
template <class Body>
clconv_status guarded(Body&& body) noexcept {
  return core::api::guarded([&] {
    try {
      body();
    } catch (const Error& error) {
      throw Error(error.code(), core::cut_message(error.what()), error.detail());
    } catch (const clconv::Error& error) {
      throw Error(static_cast<Code>(error.status()), error.what(), error.detail());
    }
  });
}

inline std::int64_t in_range(std::int64_t value, std::int64_t least, std::int64_t most,
                             const char* name) {
  if (value < least || value > most) {
    bad(std::string(name) + "=" + std::to_string(value) + ": must be from " +
        std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

// More than any network has, and few enough for sums to fit.
constexpr std::int64_t kMostTensors = 65536;

inline Model& model_of(clconv_net_model model) {
  return *required(model, "model").model;
}

inline Shape shape_of(std::int64_t rank, const std::int64_t* sizes) {
  in_range(rank, 0, CLCONV_NET_MAX_RANK, "rank");
  if (rank > 0) required(sizes, "sizes");
  return Shape(sizes, sizes + rank);
}

// The model as it is now: what is added to it later is not the network's.
inline std::shared_ptr<const Model> copy_of(clconv_net_model model) {
  return std::make_shared<const Model>(model_of(model));
}

// api_net.cpp
clconv_net_options options_defaults();
NetworkOptions options_of(const clconv_net_options* given);
// Writes what clconv_net_input() and its like give of edge `index`.
void edge_out(const std::vector<Edge>& edges, std::int64_t index, clconv_net_tensor_info* info);

}  // namespace clconv::net::api
