"""A model of which onnxruntime computes the nodes that clconv does not support, and clconv the others."""

from __future__ import annotations

import re
import threading
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np

from ._errors import Unsupported
from ._onnx_graph import FLOAT32, Graph, element_type_of


class CannotDivide(Exception):
    """onnxruntime must compute all of the model."""


class Part(NamedTuple):
    """Nodes that one of the two computes in one call."""

    by_clconv: bool
    nodes: Tuple[int, ...]
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]


class Divided:
    """Runs a model in parts. Safe with threads.

    Args:
        data: the model.
        supported: domain and name of the operators that clconv has.
        network: makes a function of a model's bytes and the inputs by name: it takes such inputs and gives outputs by
            name. Raises Unsupported.
        session: makes a session of onnxruntime of a model's bytes.

    Raises:
        CannotDivide: no part of it can be computed by clconv.
    """

    def __init__(
        self,
        data: bytes,
        supported: Set[Tuple[str, str]],
        network: Callable[[bytes, Dict[str, np.ndarray]], Callable[[Dict[str, np.ndarray]], Dict[str, np.ndarray]]],
        session: Callable[[bytes], Any],
    ) -> None:
        try:
            self._graph = Graph(data)
        except ValueError as error:
            raise CannotDivide(str(error)) from error
        self._make = {True: network, False: session}
        self._lock = threading.RLock()
        self._made: Dict[Tuple[Part, Tuple[int, ...]], Any] = {}
        #: Why onnxruntime computes a node, by the node's number.
        self.reasons: Dict[int, str] = {}
        for i, node in enumerate(self._graph.nodes):
            if ("" if node.domain == "ai.onnx" else node.domain, node.op) not in supported:
                self.reasons[i] = f"{self._shown(i)}: this operator is not supported"
        made = {name for node in self._graph.nodes for name in node.outputs}
        if not self._graph.plain or not all(name in made for name in self._graph.outputs):
            raise CannotDivide("weights lie in other files, or an output is no node's")
        self._parts = self._divide()

    @property
    def nodes(self) -> List[str]:
        """What onnxruntime computes."""
        return [self._shown(i) for i in sorted(self.reasons)]

    def _shown(self, i: int) -> str:
        node = self._graph.nodes[i]
        return f"node '{node.shown or node.name}' ({node.op})"

    def _divide(self) -> List[Part]:
        """In turns all nodes that clconv can compute next, and all that onnxruntime can."""
        nodes = self._graph.nodes
        if len(self.reasons) == len(nodes):
            raise CannotDivide("clconv supports no node")
        there = {*self._graph.inputs, *self._graph.weights}
        left = list(range(len(nodes)))
        groups: List[Tuple[bool, List[int]]] = []
        by_clconv, idle = True, 0
        while left and idle < 2:
            taken = []
            for i in left:
                if (i not in self.reasons) == by_clconv and all(name in there for name in nodes[i].reads):
                    taken.append(i)
                    there.update(nodes[i].outputs)
            left = [i for i in left if i not in set(taken)]
            idle = 0 if taken else idle + 1
            if taken:
                groups.append((by_clconv, taken))
            by_clconv = not by_clconv
        if left:
            raise CannotDivide(f"{self._shown(left[0])} reads what nothing makes")
        return [self._part(by, taken) for by, taken in groups]

    def _part(self, by_clconv: bool, taken: Sequence[int]) -> Part:
        nodes, inside = self._graph.nodes, set(taken)
        made = {name for i in taken for name in nodes[i].outputs}
        read = [name for i in taken for name in nodes[i].reads]
        inputs = dict.fromkeys(n for n in read if n not in made and n not in self._graph.weights)
        wanted = {name for i, node in enumerate(nodes) if i not in inside for name in node.reads}
        wanted.update(self._graph.outputs)
        outputs = [name for i in taken for name in nodes[i].outputs if name in wanted]
        return Part(by_clconv, tuple(taken), tuple(inputs), tuple(outputs))

    def run(self, feed: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """All outputs by name.

        Raises:
            CannotDivide: this was found out now.
        """
        while True:
            values: Dict[str, Any] = dict(feed)
            with self._lock:
                parts = self._parts
            if all(self._computed(part, values) for part in parts):
                return values

    def _computed(self, part: Part, values: Dict[str, Any]) -> bool:
        """False: nodes have moved to onnxruntime, and all begins anew."""
        given = {name: values[name] for name in part.inputs}
        if not part.by_clconv:
            results = self._session(part, given).run(list(part.outputs), given)
            values.update(zip(part.outputs, results))
            return True
        moved = self._not_float32(part, given)
        if not moved:
            try:
                values.update(self._network(part, given)(given))
                return True
            except Unsupported as error:
                moved = self._named(part, str(error))
        with self._lock:
            self.reasons.update(moved)
            self._parts = self._divide()
        return False

    def _not_float32(self, part: Part, given: Mapping[str, np.ndarray]) -> Dict[int, str]:
        """Nodes whose operands at the edge of the part are of a type, or a rank, that a network has not."""
        nodes = self._graph.nodes
        moved = {}
        known = {name: element_type_of(array) for name, array in given.items()}
        wrong = {name for name, element in known.items() if element != FLOAT32 or given[name].ndim == 0}
        types = self._graph.element_types(part.nodes, known)
        for i in part.nodes:
            reads = [name for name in nodes[i].reads if name in wrong]
            makes = [name for name in nodes[i].outputs if name in part.outputs and types[name] != FLOAT32]
            if reads:
                kind = getattr(given[reads[0]], "dtype", "no tensor")
                moved[i] = f"{self._shown(i)} reads '{reads[0]}', which is {kind} here"
            elif makes:
                moved[i] = f"{self._shown(i)} makes '{makes[0]}' for another part, which is not float32"
        return moved

    def _named(self, part: Part, text: str) -> Dict[int, str]:
        """The node that an error names, else all of the part."""
        found = re.match(r"node 'n(\d+)' ", text)
        if found and int(found[1]) in part.nodes:
            i = int(found[1])
            return {i: self._shown(i) + text[text.index(")") + 1 :]}
        return {i: f"{self._shown(i)}: {text}" for i in part.nodes}

    def _built(self, part: Part, given: Mapping[str, Any], make: Callable[[bytes], Any]) -> Any:
        key = part, tuple(a.ndim for a in given.values())
        with self._lock:
            if key not in self._made:
                inputs = {name: (element_type_of(array), array.ndim) for name, array in given.items()}
                self._made[key] = make(self._graph.model(part.nodes, inputs, part.outputs))
            return self._made[key]

    def _network(self, part: Part, given: Dict[str, np.ndarray]) -> Any:
        return self._built(part, given, lambda data: self._make[True](data, given))

    def _session(self, part: Part, given: Mapping[str, Any]) -> Any:
        if any(element_type_of(array) == 0 for array in given.values()):
            raise CannotDivide("a value between parts is no tensor")
        try:
            return self._built(part, given, self._make[False])
        except Exception as error:  # onnxruntime's classes are its own
            raise CannotDivide(str(error)) from error
