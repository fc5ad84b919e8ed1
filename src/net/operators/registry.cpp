#include <algorithm>
#include <map>

#include "net/operator.hpp"

namespace clconv::net {

// One line per file of operators/. (Clang-format would put several on one.)
// clang-format off
#define CLCONV_NET_OPERATORS(X) \
  X(batch_normalization)        \
  X(conversion)                 \
  X(convolution)                \
  X(elementwise)                \
  X(gather)                     \
  X(matrix)                     \
  X(movement)                   \
  X(normalization)              \
  X(pad)                        \
  X(parts)                      \
  X(pooling)                    \
  X(reduction)                  \
  X(resize)                     \
  X(shape)                      \
  X(softmax)                    \
  X(views)
// clang-format on

#define CLCONV_NET_DECLARE(name) Operators name##_operators();
CLCONV_NET_OPERATORS(CLCONV_NET_DECLARE)
#undef CLCONV_NET_DECLARE

namespace {

std::vector<Operator> collected() {
  std::vector<Operator> all;
#define CLCONV_NET_ADD(name)                         \
  {                                                  \
    const Operators rows = name##_operators();       \
    all.insert(all.end(), rows.begin(), rows.end()); \
  }
  CLCONV_NET_OPERATORS(CLCONV_NET_ADD)
#undef CLCONV_NET_ADD
  std::sort(all.begin(), all.end(), [](const Operator& a, const Operator& b) {
    return std::pair(std::string(a.domain), std::string(a.name)) <
           std::pair(std::string(b.domain), std::string(b.name));
  });
  return all;
}

}  // namespace

const std::vector<const Operator*>& operators() {
  static const std::vector<Operator> rows = collected();
  static const std::vector<const Operator*> pointers = [] {
    std::vector<const Operator*> list;
    for (const Operator& row : rows)
      list.push_back(&row);
    return list;
  }();
  return pointers;
}

const Operator* find_operator(const std::string& domain, const std::string& name) {
  static const std::map<std::pair<std::string, std::string>, const Operator*> by_name = [] {
    std::map<std::pair<std::string, std::string>, const Operator*> map;
    for (const Operator* op : operators())
      map[{op->domain, op->name}] = op;
    return map;
  }();
  const auto found = by_name.find({domain, name});
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace clconv::net
