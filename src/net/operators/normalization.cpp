#include "net/lowering.hpp"
#include "net/operator.hpp"

namespace clconv::net {

Operators normalization_operators();
Operators normalization_operators() {
  return {};
}

}  // namespace clconv::net
