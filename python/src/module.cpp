// The extension clconv._core: clconv.h and net.h as Python's objects. Shapes, types and what is comfortable are the
// business of the modules in python/clconv.
#include "batch.hpp"
#include "device.hpp"
#include "network.hpp"
#include "network_batch.hpp"
#include "operations.hpp"
#include "plan.hpp"
#include "problem.hpp"
#include "wisdom.hpp"

NB_MODULE(_core, m) {
  using namespace clconv_python;
  bind_errors(m);
  bind_context(m);
  bind_problem(m);
  bind_plan(m);
  bind_batch(m);
  bind_operations(m);
  bind_network(m);
  bind_network_batch(m);
  bind_wisdom(m);
}
