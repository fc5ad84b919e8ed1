// JSON documents as clconv.h gives them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace clconv::core::api {

using Json = nlohmann::ordered_json;

inline std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace clconv::core::api
