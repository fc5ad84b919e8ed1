"""Contexts, problems and plans: the library's objects, for those who bring their own queues and buffers."""

from __future__ import annotations

import json
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays, _core
from ._errors import InvalidArgument
from ._report import Report

_RESULTS = {
    "forward": "y",
    "backward-data": "dx",
    "backward-weights": "dw",
    "backward-bias": "db",
    "transposed": "y",
}


def devices() -> List[Dict[str, Any]]:
    """All OpenCL devices: dictionaries with ``index``, ``name``, ``type``, ``platform``, ``default`` and more."""
    return json.loads(_core.devices())


def pin_pocl_threads() -> bool:
    """Has PoCL pin its threads, which otherwise share a core now and then, at half the speed.

    Call it first, before OpenCL is used. It sets the environment variable POCL_AFFINITY, and only where this process
    may use all CPUs and the variable is not set.

    Returns:
        Whether the threads will be pinned.
    """
    return _core.pin_pocl_threads()


def event_of(address: int) -> Any:
    """The pyopencl.Event of an address from the extension."""
    import pyopencl

    return pyopencl.Event.from_int_ptr(address, False)


class Problem(_core.Problem):
    """A convolution, a gradient or a transposed convolution: sizes, and what is fused.

    Args:
        text: sizes as ``"n1c64h56w56k64kh3kw3p1"`` (README, "The letters"), or None for all 1.
        fields: attributes by name, such as ``c=64``, ``direction="backward-data"``, ``activation="relu"``,
            ``activation_slope=0.1``, ``bias=True``, ``data_type="float16"``, ``layout="nhwc"``.

    Raises:
        InvalidProblem: the text is wrong.
        InvalidArgument: a word is none of those that the field takes.
    """

    def __init__(self, text: Optional[str] = None, **fields: Any) -> None:
        super().__init__(text)
        for name, value in fields.items():
            if name.startswith("_") or not hasattr(type(self), name):
                raise TypeError(f"Problem has no field '{name}'")
            setattr(self, name, value)

    def __repr__(self) -> str:
        unset = _core.Problem(self.text)
        fields = [f for f in _FIELDS if getattr(self, f) != getattr(unset, f)]
        return f"Problem({', '.join([repr(self.text), *(f'{f}={getattr(self, f)!r}' for f in fields)])})"

    __hash__ = None  # type: ignore[assignment]


_FIELDS = (
    "direction",
    "bias",
    "residual",
    "mask",
    "accumulate",
    "activation",
    "activation_slope",
    "activation_offset",
    "data_type",
    "layout",
    "weights_layout",
)


class Context:
    """A device with its compiled kernels, wisdom, plans and scratch memory. Safe with threads.

    Args:
        device: ``None`` for CLCONV_DEVICE, else the default device; an index ``"P:D"`` or part of a name; or a
            ``pyopencl.Context`` (of one device) or ``pyopencl.CommandQueue``, whose buffers can then be used.
        cache_directory: folder of compiled kernels, ``"off"`` for none; ``None``: CLCONV_CACHE_DIR, else the user's.
        wisdom: file of measurements, ``"off"`` for none; ``None``: CLCONV_WISDOM, else the user's.
        scratch_limit_bytes: workspace kept between executions; 0: CLCONV_SCRATCH_LIMIT, else a quarter of the memory.

    Raises:
        NoDevice: no device matches.
    """

    def __init__(
        self,
        device: Any = None,
        *,
        cache_directory: Optional[str] = None,
        wisdom: Optional[str] = None,
        scratch_limit_bytes: int = 0,
    ) -> None:
        options = (cache_directory, wisdom, scratch_limit_bytes)
        if device is None or isinstance(device, str):
            self._core = _core.Context(device, *options)
        elif hasattr(device, "devices"):
            if len(device.devices) != 1:
                raise InvalidArgument(
                    f"device is a context of {len(device.devices)} devices: pass a queue of one of them"
                )
            self._core = _core.Context(device.int_ptr, device.devices[0].int_ptr, *options)
        elif hasattr(device, "context") and hasattr(device, "int_ptr"):
            self._core = _core.Context(*_core.owner_of_queue(device.int_ptr), *options)
        else:
            raise InvalidArgument(
                f"device is of type {type(device).__name__}, expected a name, a pyopencl.Context or a "
                "pyopencl.CommandQueue"
            )
        self._calls: Dict[Any, Any] = {}  # what functions like conv2d planned here, by shapes and parameters

    @property
    def opencl(self) -> Any:
        """The ``pyopencl.Context``."""
        import pyopencl

        return pyopencl.Context.from_int_ptr(self._core.opencl_ptr, True)

    @property
    def device(self) -> Any:
        """The ``pyopencl.Device``."""
        import pyopencl

        return pyopencl.Device.from_int_ptr(self._core.device_ptr, True)

    def plan(self, problem: Union[Problem, str], **options: Any) -> "Plan":
        """Chooses how `problem` is computed and compiles it.

        Args:
            problem: a Problem, or its text.
            options: ``rigor`` ("wisdom-only", "estimate", "measure", "exhaustive"), ``time_limit_s``,
                ``workspace_limit_bytes``, ``deterministic``, ``strategy`` and ``config`` (forced), ``allow``, ``deny``
                (names), ``expected_runs``, ``weights_change``, ``math`` ("float32"; "tf32" allows products in
                TF32, "float16" also in float16).

        Raises:
            ConstraintError: nothing can run it under these options.
            InvalidProblem: the sizes do not make a convolution.
        """
        given = Problem(problem) if isinstance(problem, str) else problem
        return Plan(self, given._copy(), _core.plan(self._core, given, options))

    def explain(self, problem: Union[Problem, str], **options: Any) -> Report:
        """The report of plan() without a plan, also where nothing can run (``report["chosen"]`` is then None)."""
        given = Problem(problem) if isinstance(problem, str) else problem
        return Report(json.loads(_core.explain(self._core, given, options)))

    def profile(self, measure: bool = False) -> Dict[str, Any]:
        """The description of the device that planning uses; `measure`: its speeds are measured first (below 1 s)."""
        return json.loads(self._core.profile(measure))

    def stats(self) -> Dict[str, Any]:
        """Programs that were built or found, scratch memory, and whether wisdom is kept."""
        return json.loads(self._core.stats())

    def memory(self) -> Dict[str, Any]:
        """Bytes of scratch memory, and numbers of programs and plans that the context holds."""
        return self._core.memory()

    def trim(self) -> None:
        """Gives back what can be made again: scratch memory, compiled programs, plans."""
        self._calls.clear()
        self._core.trim()


def _operand_shapes(p: _core.Problem) -> Dict[str, Tuple[int, ...]]:
    """Of the operands that run() takes, the result last."""
    if p.direction in ("forward", "transposed"):
        back = p.direction == "transposed"
        x, y, channels = (p.y_shape, p.x_shape, p.c) if back else (p.x_shape, p.y_shape, p.k)
        shapes = {"x": x, "w": p.w_shape}
        extra = (("b", p.bias, (channels,)), ("r", p.residual, y), ("slopes", p.activation == "prelu", (channels,)))
        shapes.update({name: shape for name, wanted, shape in extra if wanted})
        return {**shapes, "y": y}
    shapes = {
        "backward-data": {"dy": p.y_shape, "w": p.w_shape},
        "backward-weights": {"x": p.x_shape, "dy": p.y_shape},
        "backward-bias": {"dy": p.y_shape},
    }[p.direction]
    if p.mask:
        shapes["y"] = p.y_shape
    result = {"dx": p.x_shape, "dw": p.w_shape, "db": (p.k,)}
    return {**shapes, _RESULTS[p.direction]: result[_RESULTS[p.direction]]}


def checked_operands(
    problem: _core.Problem,
    out: Optional[np.ndarray],
    arrays: Dict[str, np.ndarray],
    alignment: int,
    kept: Sequence[str] = (),
) -> Tuple[Dict[str, np.ndarray], str]:
    """Host arrays as `problem` takes them, with the result's, and that one's name; `kept` are not needed."""
    shapes = _operand_shapes(problem)
    dtype = _arrays.numpy_type(problem.data_type)
    result = _RESULTS[problem.direction]
    if out is None:
        if problem.accumulate:
            raise InvalidArgument("out is None: accumulate adds to what it holds")
        out = _arrays.empty(shapes[result], dtype, alignment)
    given = {**arrays, result: out}
    for name, array in given.items():
        if name not in shapes:
            raise InvalidArgument(f"{problem.direction} has no operand '{name}', only {', '.join(shapes)}")
        _arrays.require(array, name, shapes[name], str(shapes[name]), dtype)
    missing = [n for n in shapes if n not in given and n not in kept]
    if missing:
        raise InvalidArgument(f"{missing[0]} is missing: {problem.direction} needs {', '.join(shapes)}")
    return given, result


class Plan:
    """A choice made executable; immutable, and safe with threads. Context.plan() makes it.

    Attributes:
        context: the Context.
        strategy, config: what was chosen.
        workspace_bytes, workspace_unprepared_bytes, prepared_weights_bytes, deterministic, error_bound, error_floor,
        error_reach, predicted_us, measured_us, steps: as clconv_plan_info in clconv.h has them; times in
            microseconds, None where there is none.
    """

    def __init__(self, context: Context, problem: _core.Problem, core: _core.Plan) -> None:
        self.context = context
        self._problem = problem
        self._core = core
        self._info = core.info()

    def __getattr__(self, name: str) -> Any:
        if name != "_info" and name in self._info:
            return self._info[name]
        raise AttributeError(f"Plan has no attribute '{name}'")

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *self._info]

    def __repr__(self) -> str:
        return f"<Plan of {self._problem.text}: {self.strategy} ({self.config or '-'})>"

    @property
    def problem(self) -> Problem:
        """A copy of the problem."""
        return Problem(self._problem.text, **{f: getattr(self._problem, f) for f in _FIELDS})

    def execute(
        self,
        queue: Any,
        *,
        x: Any = None,
        w: Any = None,
        b: Any = None,
        y: Any = None,
        dx: Any = None,
        dw: Any = None,
        db: Any = None,
        dy: Any = None,
        r: Any = None,
        slopes: Any = None,
        prepared: Any = None,
        workspace: Any = None,
        wait_for: Optional[Sequence[Any]] = None,
    ) -> Any:
        """Enqueues the convolution and does not wait.

        Args:
            queue: a ``pyopencl.CommandQueue`` of the context's device.
            x, w, b, y, dx, dw, db, dy, r, slopes: operands, as the problem's direction takes them (clconv.h):
                ``pyopencl.Buffer``, ``pyopencl.array.Array`` or the address of a ``cl_mem``. None is copied.
            prepared: weights packed by prepare(), instead of `w`.
            workspace: of ``workspace_bytes``; None: the library's own.
            wait_for: events.

        Returns:
            The ``pyopencl.Event`` of the last command.

        Raises:
            InvalidArgument: an operand is missing, too small, of another context, or overlaps another.
        """
        return event_of(self._core.execute(queue, x, w, b, y, dx, dw, db, dy, r, slopes, prepared, workspace, wait_for))

    def run(self, out: Optional[np.ndarray] = None, **arrays: np.ndarray) -> np.ndarray:
        """Computes on host arrays, and waits. On a CPU device they are used where they lie.

        Args:
            out: the result's array; None: a new one. With ``accumulate`` the gradient is added to it.
            arrays: the operands, such as ``x=x, w=w, b=b``; C order, in the problem's type and layout.
        """
        given, result = checked_operands(self._problem, out, arrays, self.context._core.alignment)
        self._core.run({n: _arrays.plain(a) for n, a in given.items()}, result, self._problem.accumulate)
        return given[result]

    def prepare(self, queue: Any, w: Any, prepared: Any = None, wait_for: Optional[Sequence[Any]] = None) -> Any:
        """Packs the weights once, for any number of execute(prepared=...).

        Args:
            queue: a ``pyopencl.CommandQueue``.
            w: the weights' buffer or array.
            prepared: a buffer of ``prepared_weights_bytes``; None: a new one.

        Returns:
            (the buffer, the event), or (None, None) where the strategy uses the weights as they are.
        """
        if self.prepared_weights_bytes == 0:
            return None, None
        if prepared is None:
            import pyopencl

            prepared = pyopencl.Buffer(queue.context, pyopencl.mem_flags.READ_WRITE, self.prepared_weights_bytes)
        return prepared, event_of(self._core.prepare(queue, w, prepared, wait_for))

    def explain(self) -> Report:
        """Why this plan: every candidate, chosen or not. A dictionary that prints and shows as a table."""
        return Report(json.loads(self._core.report()))

    def profile(self, **operands: Any) -> List[Dict[str, Any]]:
        """Executes once, waits, and returns ``[{"step": name, "us": microseconds}]``. Operands as for execute()."""
        return json.loads(self._core.profile(operands))


_lock = threading.Lock()
_default: Optional[Context] = None
_by_owner: Dict[Tuple[int, int], Context] = {}
_MAX_OWNERS = 16  # contexts of PyOpenCL that are remembered; each is kept alive by that


def default_context() -> Context:
    """The context of functions on host arrays: of CLCONV_DEVICE, else the default device. Made at the first use."""
    global _default
    if _default is None:
        with _lock:
            if _default is None:
                _default = Context()
    return _default


def set_default_context(context: Optional[Context]) -> None:
    """Has functions on host arrays use `context`; None: a new one of the default device, at the next use."""
    global _default
    with _lock:
        _default = context


def context_of_queue(queue: Any) -> Context:
    """The Context of a queue of PyOpenCL; always the same for the same context and device."""
    owner = _core.owner_of_queue(queue.int_ptr)
    context = _by_owner.get(owner)
    if context is None:
        with _lock:
            context = _by_owner.get(owner)
            if context is None:
                context = Context(queue)
                if len(_by_owner) >= _MAX_OWNERS:
                    del _by_owner[next(iter(_by_owner))]
                _by_owner[owner] = context
    return context


def explain_profile(profile: Dict[str, Any], problem: Union[Problem, str], **options: Any) -> Report:
    """The report for a device that is not here, by its Context.profile(). Options as for Context.plan()."""
    given = Problem(problem) if isinstance(problem, str) else problem
    return Report(json.loads(_core.explain_profile(json.dumps(profile), given, options)))
