#include "net/operators/fully_connected.hpp"

namespace clconv::net {

bool lower_fully_connected(Lowering&) {
  return false;
}

}  // namespace clconv::net
