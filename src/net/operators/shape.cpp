#include "net/lowering.hpp"
#include "net/operator.hpp"

namespace clconv::net {

Operators shape_operators();
Operators shape_operators() {
  return {};
}

}  // namespace clconv::net
