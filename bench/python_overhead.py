"""What a Python call costs beyond the C call, in microseconds: docs/python.md, "What a call costs".

usage: PYTHONPATH=build/python python bench/python_overhead.py build/libclconv.so

Calls are only enqueued: the queue waits for an event of the user, so that no kernel runs beside what is timed. The C
call is made by ctypes with its arguments prepared, and its event is wrapped, too. Medians.
"""

import ctypes
import statistics
import sys
import time

import numpy as np
import pyopencl as cl
import pyopencl.array as cl_array

import clconv

CALLS, ROUNDS = 200, 15


class Operands(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t)] + [
        (name, ctypes.c_void_p) for name in "x w b y dx dw db dy prepared workspace r slopes".split()
    ]


def seconds(call, queue):
    times = []
    for _ in range(ROUNDS):
        gate = cl.UserEvent(queue.context)
        cl.enqueue_marker(queue, wait_for=[gate])
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        times.append((time.perf_counter() - start) / CALLS)
        gate.set_status(cl.command_execution_status.COMPLETE)
        queue.finish()
    return statistics.median(times) * 1e6


def c_call(library, plan, queue, arrays):
    """clconv_plan_execute() of a plan of its own, as C calls it."""
    problem = ctypes.create_string_buffer(512)
    library.clconv_problem_defaults(problem, ctypes.c_size_t(256))
    library.clconv_problem_parse(plan.encode(), problem)
    context, handle = ctypes.c_void_p(), ctypes.c_void_p()
    device = queue.device.int_ptr
    library.clconv_context_create(
        ctypes.c_void_p(queue.context.int_ptr), ctypes.c_void_p(device), None, ctypes.byref(context)
    )
    assert library.clconv_plan_create(context, problem, None, ctypes.byref(handle)) == 0
    operands = Operands()
    operands.struct_size = ctypes.sizeof(Operands)
    operands.x, operands.w, operands.y = (a.data.int_ptr for a in arrays)
    event, pointer, q = ctypes.c_void_p(), ctypes.byref(operands), ctypes.c_void_p(queue.int_ptr)
    where = ctypes.byref(event)

    def call():
        assert library.clconv_plan_execute(handle, q, pointer, 0, None, where) == 0
        cl.Event.from_int_ptr(event.value, False)  # as the package does: it would leak

    return call


def main():
    library = ctypes.CDLL(sys.argv[1])
    for name in ("clconv_version", "clconv_last_error"):
        getattr(library, name).restype = ctypes.c_char_p
    context = cl.Context([clconv.default_context().device])
    queue = cl.CommandQueue(context)
    text = "n1c8h8w8k8kh1kw1"
    x, w = (cl_array.to_device(queue, np.ones(s, "f4")) for s in ((1, 8, 8, 8), (8, 8, 1, 1)))
    y = cl_array.empty(queue, (1, 8, 8, 8), "f4")
    plan = clconv.Context(queue).plan(text, weights_change=True)
    xs, ws, ys = x.data, w.data, y.data

    def function():
        clconv.conv2d(x, w, out=y)
        y.events.clear()  # one event a call would be waited for by the next

    calls = {
        "C, clconv_plan_execute()": c_call(library, text, queue, (x, w, y)),
        "Plan.execute(), buffers": lambda: plan.execute(queue, x=xs, w=ws, y=ys),
        "Plan.execute(), arrays": lambda: plan.execute(queue, x=x, w=w, y=y),
        "conv2d(), arrays, out=": function,
        "conv2d(), arrays": lambda: clconv.conv2d(x, w),
        "pyopencl.array.empty()": lambda: cl_array.empty(queue, (1, 8, 8, 8), np.float32),
    }
    a, b, c = x.get(), w.get(), np.empty((1, 8, 8, 8), "f4")
    results = {name: seconds(call, queue) for name, call in calls.items()}
    base = results.pop("C, clconv_plan_execute()")
    print(f"{'C call with its event':28} {base:7.2f}")
    for name, us in results.items():
        print(f"{name:28} {us:7.2f}" + ("" if "empty" in name else f"   {us - base:+.2f} beyond the C call"))
    times = []
    for _ in range(ROUNDS * 10):
        start = time.perf_counter()
        clconv.conv2d(a, b, out=c)
        times.append(time.perf_counter() - start)
    print(f"{'conv2d(), NumPy, with waiting':28} {statistics.median(times) * 1e6:7.2f}")


if __name__ == "__main__":
    main()
