"""An ONNX model taken apart, and models of some of its nodes.

Reads and writes protobuf's wire format; the numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Set, Tuple

from ._onnx_file import _fields, _number, _tensor, _text

#: ONNX's element types by the names of NumPy's.
ELEMENT_TYPES = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
    "uint32": 12,
    "uint64": 13,
}
FLOAT32, INT64, BOOL = 1, 7, 9

_INT64_OUTPUTS = {"Shape", "Size", "NonZero", "ArgMax", "ArgMin"}
_BOOL_OUTPUTS = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor"}


class Node(NamedTuple):
    """A node under a name of its own, which is short and unique; `shown` is the model's."""

    name: str
    shown: str
    op: str
    domain: str
    reads: Tuple[str, ...]  # also what graphs in its attributes read
    outputs: Tuple[str, ...]
    attributes: Dict[str, bytes]
    raw: bytes


class Weight(NamedTuple):
    element_type: int
    external: bool
    raw: bytes


def _varint(value: int) -> bytes:
    result = b""
    while True:
        value, low = value >> 7, value & 127
        result += bytes([low | (128 if value else 0)])
        if not value:
            return result


def _whole(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _message(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _slices(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Number and bytes, its tag among them, of every field."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = _number(data, at)
        kind = tag & 7
        if kind == 0:
            at = _number(data, at)[1]
        elif kind == 2:
            size, at = _number(data, at)
            at += size
        else:
            at += 8 if kind == 1 else 4
        yield tag >> 3, data[begin:at]


def _attribute(data: bytes, number: int, otherwise: int) -> int:
    return next((value for n, value, _, _ in _fields(data, 0, len(data)) if n == number), otherwise)


def _outer_reads(data: bytes, start: int, end: int) -> Set[str]:
    """What a graph in an attribute reads and does not have itself."""
    reads: Set[str] = set()
    own: Set[str] = set()
    for number, _, s, e in _fields(data, start, end):
        if number == 1:
            inner = _node(data[s:e], "")
            reads.update(inner.reads)
            own.update(inner.outputs)
        elif number == 5:
            own.update(_text(data, ns, ne) for n, _, ns, ne in _fields(data, s, e) if n == 8)
        elif number == 11:
            own.add(_tensor(data, s, e).name)
        elif number == 12:
            reads.add(_tensor(data, s, e).name)
    return reads - own


def _node(data: bytes, name: str) -> Node:
    words = {3: "", 4: "", 7: ""}
    reads: List[str] = []
    outputs: List[str] = []
    attributes: Dict[str, bytes] = {}
    for number, _, s, e in _fields(data, 0, len(data)):
        if number in words:
            words[number] = _text(data, s, e)
        elif number == 1:
            reads.append(_text(data, s, e))
        elif number == 2:
            outputs.append(_text(data, s, e))
        elif number == 5:
            key = next((_text(data, ns, ne) for n, _, ns, ne in _fields(data, s, e) if n == 1), "")
            attributes[key] = data[s:e]
            for part, _, gs, ge in _fields(data, s, e):
                if part in (6, 11):  # a graph, graphs
                    reads.extend(sorted(_outer_reads(data, gs, ge)))
    # Of several fields of a kind the last one counts.
    raw = data + _message(3, name.encode())
    reads = [r for r in reads if r]
    return Node(name, words[3], words[4], words[7], tuple(reads), tuple(o for o in outputs if o), attributes, raw)


class Graph:
    """The nodes of a model, with the bytes that models of some of them need.

    Raises:
        ValueError: it is no ONNX model.
    """

    def __init__(self, data: bytes) -> None:
        self.nodes: List[Node] = []
        self.weights: Dict[str, Weight] = {}
        self.inputs: Dict[str, int] = {}
        self.outputs: List[str] = []
        self.plain = True  # False: there is something that models of parts would lack
        self._header = b""
        try:
            for number, field in _slices(data):
                if number == 7:
                    self._read(next(field[s:e] for _, _, s, e in _fields(field, 0, len(field))))
                elif number != 14:  # metadata
                    self._header += field
        except (IndexError, StopIteration) as error:
            raise ValueError(f"no ONNX model: {error}") from error
        self.inputs = {n: t for n, t in self.inputs.items() if n not in self.weights}

    def _read(self, graph: bytes) -> None:
        for number, _, s, e in _fields(graph, 0, len(graph)):
            if number == 1:
                self.nodes.append(_node(graph[s:e], f"n{len(self.nodes)}"))
            elif number == 5:
                fields = {n: (v, ns, ne) for n, v, ns, ne in _fields(graph, s, e)}
                name = _text(graph, *fields[8][1:]) if 8 in fields else ""
                element = fields[2][0] if 2 in fields else 0
                self.weights[name] = Weight(element, 13 in fields, graph[s:e])
            elif number == 11:
                tensor = _tensor(graph, s, e)
                self.inputs[tensor.name] = tensor.element_type
            elif number == 12:
                self.outputs.append(_tensor(graph, s, e).name)
            elif number == 15:  # sparse weights
                self.plain = False
        self.plain = self.plain and not any(w.external for w in self.weights.values())

    def model(self, nodes: Sequence[int], inputs: Mapping[str, Tuple[int, int]], outputs: Sequence[str]) -> bytes:
        """A model of some nodes. `inputs`: element type and rank of what they read and no weight is."""
        graph = b"".join(_message(1, self.nodes[i].raw) for i in nodes) + _message(2, b"part")
        reads = {name for i in nodes for name in self.nodes[i].reads}
        graph += b"".join(_message(5, w.raw) for name, w in self.weights.items() if name in reads)
        for name, (element, rank) in inputs.items():
            shape = b"".join(_message(1, _message(2, f"{name}_{i}".encode())) for i in range(rank))
            tensor = _message(1, _whole(1, element) + _message(2, shape))
            graph += _message(11, _message(1, name.encode()) + _message(2, tensor))
        graph += b"".join(_message(12, _message(1, name.encode())) for name in outputs)
        return self._header + _message(7, graph)

    def element_types(self, nodes: Sequence[int], known: Mapping[str, int]) -> Dict[str, int]:
        """Of what clconv's operators make of values of the types `known`: by default that of the first input."""
        types = {name: weight.element_type for name, weight in self.weights.items()}
        types.update(known)
        for i in nodes:
            node = self.nodes[i]
            of_input = types.get(node.reads[0], FLOAT32) if node.reads else FLOAT32
            if node.op in _INT64_OUTPUTS:
                element = INT64
            elif node.op in _BOOL_OUTPUTS:
                element = BOOL
            elif node.op == "Cast":
                element = _attribute(node.attributes.get("to", b""), 3, FLOAT32)
            elif node.op == "Where":
                element = types.get(node.reads[1], FLOAT32)
            elif node.op in ("Constant", "ConstantOfShape"):
                element = self._type_of_value(node)
            else:
                element = of_input
            for place, name in enumerate(node.outputs):
                indices = place == 1 and node.op in ("MaxPool", "Dropout")
                types[name] = element if not indices else INT64
        return types

    def _type_of_value(self, node: Node) -> int:
        if "value_int" in node.attributes or "value_ints" in node.attributes:
            return INT64
        data = node.attributes.get("value")
        if data is None:
            return FLOAT32
        tensor = next((data[s:e] for n, _, s, e in _fields(data, 0, len(data)) if n == 5), b"")
        return _attribute(tensor, 2, FLOAT32)


def element_type_of(array: Any) -> int:
    """0: none that a model of parts can name."""
    return ELEMENT_TYPES.get(str(getattr(array, "dtype", "")), 0)
