"""What an ONNX file says of itself and the library does not keep: names of sizes, metadata.

Reads protobuf's wire format, and only the few fields that are named here; the numbers are those of onnx.proto.
"""

from __future__ import annotations

import mmap
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple, Union


class TensorType(NamedTuple):
    """An input or output as the model declares it: `shape` is None, or a list of numbers, names and None."""

    name: str
    element_type: int
    shape: Any


class Description(NamedTuple):
    """The model's own words."""

    producer: str
    graph: str
    domain: str
    description: str
    version: int
    metadata: Dict[str, str]
    inputs: List[TensorType]
    outputs: List[TensorType]


def _number(data: Any, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:
            return value, at


def _fields(data: Any, at: int, end: int) -> Iterator[Tuple[int, int, int, int]]:
    """(number, value, start, end): a value, or where the bytes are."""
    while at < end:
        tag, at = _number(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(data, at)
            yield tag >> 3, value, at, at
        elif kind == 2:
            size, at = _number(data, at)
            if at + size > end:
                raise ValueError("truncated")
            yield tag >> 3, 0, at, at + size
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")


def _text(data: Any, start: int, end: int) -> str:
    return bytes(data[start:end]).decode("utf-8", "replace")


def _dimension(data: Any, start: int, end: int) -> Union[int, str, None]:
    for number, value, s, e in _fields(data, start, end):
        if number == 1:
            return value if value < 1 << 63 else None  # some exporters write -1
        if number == 2:
            return _text(data, s, e)
    return None


def _tensor(data: Any, start: int, end: int) -> TensorType:
    name, element, shape = "", 0, None
    for number, _, s, e in _fields(data, start, end):
        if number == 1:
            name = _text(data, s, e)
        elif number == 2:  # type
            for kind, _, ts, te in _fields(data, s, e):
                if kind != 1:  # not a tensor
                    continue
                for part, value, ss, se in _fields(data, ts, te):
                    if part == 1:
                        element = value
                    elif part == 2:
                        shape = [_dimension(data, ds, de) for n, _, ds, de in _fields(data, ss, se) if n == 1]
    return TensorType(name, element, shape)


def describe(data: Any) -> Description:
    """What `data`, a model's bytes, says of itself.

    Raises:
        ValueError: it is no ONNX model.
    """
    words = {2: "", 4: "", 6: ""}
    version, graph = 0, ""
    metadata: Dict[str, str] = {}
    inputs: List[TensorType] = []
    outputs: List[TensorType] = []
    weights = set()
    try:
        for number, value, s, e in _fields(data, 0, len(data)):
            if number == 5:
                version = value
            elif number in (2, 4, 6):  # producer, domain, doc_string
                words[number] = _text(data, s, e)
            elif number == 14:
                pair = {n: _text(data, ps, pe) for n, _, ps, pe in _fields(data, s, e)}
                metadata[pair.get(1, "")] = pair.get(2, "")
            elif number == 7:
                for part, _, ps, pe in _fields(data, s, e):
                    if part == 2:
                        graph = _text(data, ps, pe)
                    elif part == 5:
                        weights.add(next((_text(data, ns, ne) for n, _, ns, ne in _fields(data, ps, pe) if n == 8), ""))
                    elif part == 11:
                        inputs.append(_tensor(data, ps, pe))
                    elif part == 12:
                        outputs.append(_tensor(data, ps, pe))
    except (IndexError, ValueError) as error:
        raise ValueError(f"no ONNX model: {error}") from error
    real = [i for i in inputs if i.name not in weights]  # old files list weights as inputs, too
    return Description(words[2], graph, words[4], words[6], version, metadata, real, outputs)


def describe_file(path: Union[str, os.PathLike]) -> Description:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return describe(data)
