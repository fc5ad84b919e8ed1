"""One problem over several devices, on host arrays."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np

from . import _arrays, _core
from ._context import Context, Problem, checked_operands


class Batch:
    """A problem whose images are divided among devices, which compute at once. Safe with threads.

    Args:
        problem: a Problem, or its text.
        devices: a Context for each device, or what Context() takes for one, such as ``["0:0", "1:0"]``.
        images: how many images each device takes; None: divided so that the last device is done as early as possible,
            by measured times where all devices have them (``rigor="measure"``, or wisdom), else by predicted ones.
        options: as for Context.plan().

    Raises:
        ConstraintError: nothing can run it on one of the devices, which the text names.
        InvalidArgument: `images` does not sum up to the problem's.
    """

    def __init__(
        self,
        problem: Union[Problem, str],
        devices: Sequence[Any],
        *,
        images: Optional[Sequence[int]] = None,
        **options: Any,
    ) -> None:
        given = Problem(problem) if isinstance(problem, str) else problem
        self.contexts: List[Context] = [d if isinstance(d, Context) else Context(d) for d in devices]
        self._problem = given._copy()
        self._prepared = False
        numbers = None if images is None else [int(n) for n in images]
        self._core = _core.batch([c._core for c in self.contexts], given, options, numbers)

    @property
    def parts(self) -> List[Dict[str, Any]]:
        """What each device does.

        ``first`` image, ``images``, ``image_us`` (None where `images` was given), ``strategy`` and ``config`` (None
        without images).
        """
        return self._core.parts()

    def __repr__(self) -> str:
        return f"<Batch of {self._problem.text}: {' + '.join(str(p['images']) for p in self.parts)} images>"

    def prepare(self, w: np.ndarray) -> None:
        """Packs the weights on every device, for all run() to come that bring none."""
        shape, dtype = self._problem.w_shape, _arrays.numpy_type(self._problem.data_type)
        _arrays.require(w, "w", shape, str(shape), dtype)
        self._core.prepare(_arrays.plain(w))
        self._prepared = True

    def run(self, out: Optional[np.ndarray] = None, **arrays: np.ndarray) -> np.ndarray:
        """Computes on all devices, and waits. Arguments and result are those of Plan.run().

        Raises:
            Error: a device failed; the text names it. The others have ended their part.
        """
        kept = ("w",) if self._prepared and "w" not in arrays else ()
        alignment = max(context._core.alignment for context in self.contexts)
        given, result = checked_operands(self._problem, out, arrays, alignment, kept)
        self._core.run({n: _arrays.plain(a) for n, a in given.items()}, result)
        return given[result]
