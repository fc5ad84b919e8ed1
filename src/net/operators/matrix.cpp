#include "net/lowering.hpp"
#include "net/operator.hpp"

namespace clconv::net {

Operators matrix_operators();
Operators matrix_operators() {
  return {};
}

}  // namespace clconv::net
