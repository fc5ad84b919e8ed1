#include "net/lowering.hpp"
#include "net/operator.hpp"

namespace clconv::net {

Operators movement_operators();
Operators movement_operators() {
  return {};
}

}  // namespace clconv::net
