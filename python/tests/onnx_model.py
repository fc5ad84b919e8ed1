"""A small ONNX file, written by hand: conv, ReLU, global average, with a name for the batch."""

import numpy as np


def _number(value):
    result = b""
    while True:
        value, low = value >> 7, value & 127
        result += bytes([low | (128 if value else 0)])
        if not value:
            return result


def field(number, value):
    """An int, or a text, message or bytes."""
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    data = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(data)) + data


def tensor_type(name, sizes, element=1):
    shape = b"".join(field(1, field(2, s) if isinstance(s, str) else field(1, s)) for s in sizes)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, shape)))


def weights(name, array):
    sizes = b"".join(field(1, s) for s in array.shape)
    return sizes + field(2, 1) + field(8, name) + field(9, np.ascontiguousarray(array, "<f4").tobytes())


def node(op, name, inputs, outputs, **attributes):
    result = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
    result += field(3, name) + field(4, op)
    for key, value in attributes.items():
        result += field(5, field(1, key) + b"".join(field(8, v) for v in value) + field(20, 7))
    return result


def model(w, b, batch="N", op="Relu", h=8):
    """x (batch, c, h, 8) -> "y" (batch, k, h, 8), "mean" (batch, k, 1, 1)."""
    k, c = w.shape[:2]
    graph = field(1, node("Conv", "conv", ["x", "w", "b"], ["sum"], pads=[1, 1, 1, 1]))
    graph += field(1, node(op, "act", ["sum"], ["y"])) + field(1, node("GlobalAveragePool", "pool", ["y"], ["mean"]))
    graph += field(2, "small") + field(5, weights("w", w)) + field(5, weights("b", b))
    graph += field(11, tensor_type("x", [batch, c, h, 8]))
    graph += field(12, tensor_type("y", [batch, k, h, 8])) + field(12, tensor_type("mean", [batch, k, 1, 1]))
    result = (
        field(1, 7) + field(2, "clconv's tests") + field(4, "org.example") + field(5, 3) + field(6, "Conv and mean.")
    )
    result += field(7, graph) + field(8, field(1, "") + field(2, 13))
    return result + field(14, field(1, "character") + field(2, "a\nb"))
