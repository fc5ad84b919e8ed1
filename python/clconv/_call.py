"""Calls like conv2d(): what was planned for shapes and parameters is found again, on host arrays and on PyOpenCL's."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy as np

from . import _arrays, _core
from ._context import Context, context_of_queue, default_context, event_of
from ._errors import InvalidArgument

_MAX_CALLS = 2048  # of a context; the oldest goes
#: The operands of Plan.execute(), in its order.
_ORDER = ("x", "w", "b", "y", "dx", "dw", "db", "dy", "r", "slopes")


class Convolution:
    """A plan with the shape of its result."""

    __slots__ = ("accumulate", "dtype", "needs_plain", "plan", "places", "result", "shape")

    def __init__(
        self,
        context: Context,
        problem: _core.Problem,
        names: Sequence[str],
        result: str,
        shape: Tuple[int, ...],
        dtype: Any,
        options: Dict[str, Any],
    ) -> None:
        self.plan = _core.plan(context._core, problem, options)
        self.places = tuple(_ORDER.index(n) for n in (*names, result))
        self.result = result
        self.shape = shape
        self.dtype = dtype
        self.accumulate = problem.accumulate
        self.needs_plain = problem.data_type == "bfloat16"

    def on_host(self, context: Context, arrays: Sequence[Any], out: np.ndarray) -> None:
        given = {_ORDER[p]: a for p, a in zip(self.places, (*arrays, out))}
        if self.needs_plain:
            given = {n: _arrays.plain(a) for n, a in given.items()}
        self.plan.run(given, self.result, self.accumulate)

    def on_device(self, context: Context, queue: Any, arrays: Sequence[Any], out: Any, wait_for: Any) -> int:
        operands: list = [None] * len(_ORDER)
        for place, array in zip(self.places, arrays):
            if array is not None:
                operands[place] = array if array.offset else array.base_data
        operands[self.places[-1]] = out if out.offset else out.base_data
        return self.plan.execute(queue, *operands, None, None, wait_for)


class Operation:
    """Another function of the library: `enqueue(context, queue, arrays, out, wait_for)` gives its event."""

    __slots__ = ("dtype", "enqueue", "shape")

    def __init__(self, shape: Tuple[int, ...], dtype: Any, enqueue: Callable[..., int]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.enqueue = enqueue

    def on_host(self, context: Context, arrays: Sequence[Any], out: np.ndarray) -> None:
        self.enqueue(context._core, None, arrays, out, None)

    def on_device(self, context: Context, queue: Any, arrays: Sequence[Any], out: Any, wait_for: Any) -> int:
        return self.enqueue(context._core, queue, arrays, out, wait_for)


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(v) for v in value)
    return value


def compute(
    make: Callable[..., Any],
    names: Tuple[str, ...],
    arrays: Tuple[Any, ...],
    parameters: Tuple[Any, ...],
    out: Any,
    context: Optional[Context],
    queue: Any,
    wait_for: Optional[Sequence[Any]],
) -> Any:
    """Calls what `make(context, arrays, *parameters)` made for these shapes, types and parameters.

    `arrays` are those of `names`, None where one is left out; the first one is there. Where they are PyOpenCL's,
    nothing is waited for. `out` None is a new array.
    """
    first = arrays[0]
    on_device = queue is not None or not isinstance(first, np.ndarray)
    if on_device:
        if not hasattr(first, "base_data"):
            return _converted(make, names, arrays, parameters, out, context, queue, wait_for)
        if queue is None:
            queue = first.queue
            if queue is None:
                raise InvalidArgument(f"queue is None, and {names[0]} has none")
        if context is None:
            context = context_of_queue(queue)
    elif context is None:
        context = default_context()
    try:
        key = (make, tuple([None if a is None else (a.shape, a.strides, a.dtype) for a in arrays]), parameters)
        call = context._calls.get(key)
    except TypeError:  # a list among the parameters
        return compute(make, names, arrays, _frozen(parameters), out, context, queue, wait_for)
    except AttributeError:
        return _converted(make, names, arrays, parameters, out, context, queue, wait_for)
    if call is None:
        call = make(context, arrays, *parameters)
        if len(context._calls) >= _MAX_CALLS:
            context._calls.pop(next(iter(context._calls)), None)
        context._calls[key] = call
    if on_device:
        return _on_device(call, names, arrays, out, context, queue, wait_for)
    for name, array in zip(names, arrays):
        if array is not None and not isinstance(array, np.ndarray):
            return _converted(make, names, arrays, parameters, out, context, queue, wait_for)
    if out is None:
        out = _arrays.empty(call.shape, call.dtype, context._core.alignment)
    else:
        if not isinstance(out, np.ndarray):
            raise InvalidArgument(f"out is of type {type(out).__name__}, expected a NumPy array as the operands")
        _check_out(out, call)
    call.on_host(context, arrays, out)
    return out


def _check_out(out: Any, call: Any) -> None:
    if out.shape != call.shape or out.dtype != call.dtype or not out.flags.c_contiguous:
        _arrays.require(out, "out", call.shape, str(call.shape), call.dtype)


def _on_device(call: Any, names: Any, arrays: Any, out: Any, context: Context, queue: Any, wait_for: Any) -> Any:
    waits = list(wait_for) if wait_for else []
    for name, array in zip(names, arrays):
        if array is not None:
            if not hasattr(array, "base_data"):
                raise InvalidArgument(
                    f"{name} is of type {type(array).__name__}, expected a pyopencl.array.Array as {names[0]}"
                )
            waits += array.events
    if out is None:
        import pyopencl.array

        out = pyopencl.array.empty(queue, call.shape, call.dtype, allocator=arrays[0].allocator)
    else:
        if not hasattr(out, "base_data"):
            raise InvalidArgument(
                f"out is of type {type(out).__name__}, expected a pyopencl.array.Array as the operands"
            )
        _check_out(out, call)
        waits += out.events
    out.add_event(event_of(call.on_device(context, queue, arrays, out, waits or None)))
    return out


def _converted(
    make: Any, names: Any, arrays: Any, parameters: Any, out: Any, context: Any, queue: Any, wait_for: Any
) -> Any:
    """The call with operands that are neither of the two kinds made into NumPy arrays."""
    converted = tuple(None if a is None else _arrays.operand(a, n) for n, a in zip(names, arrays))
    kinds = {_arrays.is_device(a) for a in converted if a is not None}
    if len(kinds) > 1 or (queue is not None and kinds == {False}):
        types = ", ".join(f"{n} {type(a).__name__}" for n, a in zip(names, arrays) if a is not None)
        raise InvalidArgument(
            f"operands are of the types {types}, expected all on the host or all of PyOpenCL with a queue"
        )
    return compute(make, names, converted, parameters, out, context, queue, wait_for)
