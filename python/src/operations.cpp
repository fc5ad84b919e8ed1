// im2col, col2im and pooling in Python, on PyOpenCL's buffers and on host arrays.
#include "operations.hpp"

#include <nanobind/stl/string.h>

#include <functional>

#include "operands.hpp"

namespace clconv_python {
namespace {

struct Events {
  cl_uint count;
  const cl_event* list;
  cl_event* event;
};

using Enqueue = std::function<clconv_status(cl_command_queue, const Events&)>;

struct Operand {
  nb::handle given;
  const char* name;
  Access access;
  cl_mem* slot;
};

// With a queue the operands are PyOpenCL's, and the event's address is returned; without one they are arrays, and 0 is.
std::uintptr_t operate(const Context& context, nb::handle queue, nb::handle wait_for,
                       std::initializer_list<Operand> operands, const Enqueue& enqueue) {
  guard_fork();
  if (queue.is_none()) {
    HostOperands host(context.device);
    for (const Operand& o : operands)
      host.add(o.given, o.name, o.access, o.slot);
    host.run([&](cl_command_queue own) { return enqueue(own, {0, nullptr, nullptr}); });
    return 0;
  }
  DeviceOperands buffers;
  for (const Operand& o : operands)
    *o.slot = buffers.get(o.given, o.name);
  const cl_command_queue given = queue_of(queue);
  const WaitList events(wait_for);
  const nb::gil_scoped_release no_python;
  cl_event event = nullptr;
  check(enqueue(given, {events.size(), events.data(), &event}));
  return reinterpret_cast<std::uintptr_t>(event);
}

std::uintptr_t im2col(const Context& context, nb::handle queue, const clconv_problem& problem,
                      bool rows, nb::handle x, nb::handle cols, nb::handle wait_for) {
  cl_mem from = nullptr, to = nullptr;
  return operate(context, queue, wait_for,
                 {{x, "x", Access::kRead, &from}, {cols, "cols", Access::kWrite, &to}},
                 [&](cl_command_queue q, const Events& e) {
                   return clconv_im2col(context.device->context(), q, &problem,
                                        rows ? CLCONV_ROWS : CLCONV_COLUMNS, from, to, e.count,
                                        e.list, e.event);
                 });
}

std::uintptr_t col2im(const Context& context, nb::handle queue, const clconv_problem& problem,
                      bool rows, nb::handle cols, nb::handle dx, nb::handle wait_for) {
  cl_mem from = nullptr, to = nullptr;
  return operate(context, queue, wait_for,
                 {{cols, "cols", Access::kRead, &from}, {dx, "dx", Access::kWrite, &to}},
                 [&](cl_command_queue q, const Events& e) {
                   return clconv_col2im(context.device->context(), q, &problem,
                                        rows ? CLCONV_ROWS : CLCONV_COLUMNS, CLCONV_COL2IM_GATHER,
                                        from, to, e.count, e.list, e.event);
                 });
}

clconv_pooling pooling_of(nb::handle sizes, const std::string& mode, bool ceil) {
  clconv_pooling p{};
  clconv_pooling_init(&p);
  std::int64_t* const fields[] = {&p.n,  &p.c,  &p.h,  &p.w,  &p.kh, &p.kw,
                                  &p.sh, &p.sw, &p.pt, &p.pl, &p.pb, &p.pr};
  std::size_t i = 0;
  for (const nb::handle size : nb::iter(sizes)) {
    if (i == std::size(fields)) break;
    *fields[i++] = nb::cast<std::int64_t>(size);
  }
  if (i != std::size(fields)) refuse("pooling takes 12 sizes");
  p.mode = mode == "max" ? CLCONV_POOLING_MAX : CLCONV_POOLING_AVERAGE;
  p.ceil = ceil ? 1 : 0;
  return p;
}

nb::tuple pooling_output(const clconv_pooling& p) {
  clconv_pooling_info info{};
  info.struct_size = sizeof(info);
  check(clconv_pooling_query(&p, &info));
  return nb::make_tuple(p.n, p.c, info.oh, info.ow);
}

std::uintptr_t pooling_forward(const Context& context, nb::handle queue, const clconv_pooling& p,
                               nb::handle x, nb::handle y, nb::handle wait_for) {
  cl_mem from = nullptr, to = nullptr;
  return operate(context, queue, wait_for,
                 {{x, "x", Access::kRead, &from}, {y, "y", Access::kWrite, &to}},
                 [&](cl_command_queue q, const Events& e) {
                   return clconv_pooling_forward(context.device->context(), q, &p, from, to,
                                                 e.count, e.list, e.event);
                 });
}

std::uintptr_t pooling_backward(const Context& context, nb::handle queue, const clconv_pooling& p,
                                nb::handle x, nb::handle dy, nb::handle dx, nb::handle wait_for) {
  cl_mem from = nullptr, gradient = nullptr, to = nullptr;
  return operate(context, queue, wait_for,
                 {{x, "x", Access::kRead, &from},
                  {dy, "dy", Access::kRead, &gradient},
                  {dx, "dx", Access::kWrite, &to}},
                 [&](cl_command_queue q, const Events& e) {
                   return clconv_pooling_backward(context.device->context(), q, &p, from, gradient,
                                                  to, e.count, e.list, e.event);
                 });
}

}  // namespace

void bind_operations(nb::module_& m) {
  m.def("im2col", im2col, nb::arg("context"), nb::arg("queue").none(), nb::arg("problem"),
        nb::arg("rows"), nb::arg("x").none(), nb::arg("cols").none(), nb::arg("wait_for").none());
  m.def("col2im", col2im, nb::arg("context"), nb::arg("queue").none(), nb::arg("problem"),
        nb::arg("rows"), nb::arg("cols").none(), nb::arg("dx").none(), nb::arg("wait_for").none());
  nb::class_<clconv_pooling>(m, "Pooling")
      .def(
          "__init__",
          [](clconv_pooling* self, nb::handle sizes, const std::string& mode, bool ceil) {
            new (self) clconv_pooling(pooling_of(sizes, mode, ceil));
          },
          nb::arg("sizes"), nb::arg("mode"), nb::arg("ceil"))
      .def_prop_ro("output_shape", pooling_output)
      .def(
          "forward",
          [](const clconv_pooling& p, const Context& context, nb::handle queue, nb::handle x,
             nb::handle y,
             nb::handle wait_for) { return pooling_forward(context, queue, p, x, y, wait_for); },
          nb::arg("context"), nb::arg("queue").none(), nb::arg("x").none(), nb::arg("y").none(),
          nb::arg("wait_for").none())
      .def(
          "backward",
          [](const clconv_pooling& p, const Context& context, nb::handle queue, nb::handle x,
             nb::handle dy, nb::handle dx, nb::handle wait_for) {
            return pooling_backward(context, queue, p, x, dy, dx, wait_for);
          },
          nb::arg("context"), nb::arg("queue").none(), nb::arg("x").none(), nb::arg("dy").none(),
          nb::arg("dx").none(), nb::arg("wait_for").none());
}

}  // namespace clconv_python
