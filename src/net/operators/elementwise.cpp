#include "net/lowering.hpp"
#include "net/operator.hpp"

namespace clconv::net {

Operators elementwise_operators();
Operators elementwise_operators() {
  return {};
}

}  // namespace clconv::net
