#include "net/lowering.hpp"
#include "net/operator.hpp"

namespace clconv::net {

Operators reduction_operators();
Operators reduction_operators() {
  return {};
}

}  // namespace clconv::net
