#include "net/lowering.hpp"
#include "net/operator.hpp"

namespace clconv::net {

Operators pooling_operators();
Operators pooling_operators() {
  return {};
}

}  // namespace clconv::net
