"""Convolution, its gradients and its neighbours in plain NumPy, in double precision.

`p` is a dictionary of sizes with the letters of the README.
"""

import numpy as np


def activate(v, name, slope=0.01, offset=0.5, slopes=None):
    if name in (None, "none"):
        return v
    if name == "relu":
        return np.maximum(v, 0)
    if name == "relu6":
        return np.clip(v, 0, 6)
    if name == "leaky-relu":
        return np.where(v < 0, slope * v, v)
    if name == "prelu":
        return np.where(v < 0, np.asarray(slopes, "f8")[None, :, None, None] * v, v)
    if name == "silu":
        return v / (1 + np.exp(-v))
    if name == "hard-swish":
        return v * np.clip(v + 3, 0, 6) / 6
    if name == "hard-sigmoid":
        return np.clip(slope * v + offset, 0, 1)
    if name == "sigmoid":
        return 1 / (1 + np.exp(-v))
    if name == "tanh":
        return np.tanh(v)
    assert name == "gelu"
    from math import erf

    return v * (1 + np.vectorize(erf)(v / np.sqrt(2))) / 2


def derivative(y, name, slope=0.01):
    """Of the activation, from its result."""
    return {
        "relu": lambda: (y > 0) * 1.0,
        "relu6": lambda: ((y > 0) & (y < 6)) * 1.0,
        "leaky-relu": lambda: np.where(y > 0, 1.0, slope),
        "hard-sigmoid": lambda: np.where((y > 0) & (y < 1), slope, 0.0),
        "sigmoid": lambda: y * (1 - y),
        "tanh": lambda: 1 - y * y,
    }[name]()


def output(p):
    eh, ew = p["dh"] * (p["kh"] - 1) + 1, p["dw"] * (p["kw"] - 1) + 1
    return (p["h"] + p["pt"] + p["pb"] - eh) // p["sh"] + 1, (p["w"] + p["pl"] + p["pr"] - ew) // p["sw"] + 1


def patches(x, p):
    """(n, c, kh, kw, oh, ow): what every tap sees."""
    oh, ow = output(p)
    n, c = x.shape[:2]
    padded = np.pad(x.astype("f8"), ((0, 0), (0, 0), (p["pt"], p["pb"]), (p["pl"], p["pr"])))
    result = np.empty((n, c, p["kh"], p["kw"], oh, ow))
    for i in range(p["kh"]):
        for j in range(p["kw"]):
            top, left = i * p["dh"], j * p["dw"]
            result[:, :, i, j] = padded[
                :, :, top : top + p["sh"] * (oh - 1) + 1 : p["sh"], left : left + p["sw"] * (ow - 1) + 1 : p["sw"]
            ]
    return result


def add_patches(cols, p):
    """The adjoint of patches()."""
    n, c = cols.shape[:2]
    oh, ow = output(p)
    padded = np.zeros((n, c, p["h"] + p["pt"] + p["pb"], p["w"] + p["pl"] + p["pr"]))
    for i in range(p["kh"]):
        for j in range(p["kw"]):
            top, left = i * p["dh"], j * p["dw"]
            padded[
                :, :, top : top + p["sh"] * (oh - 1) + 1 : p["sh"], left : left + p["sw"] * (ow - 1) + 1 : p["sw"]
            ] += cols[:, :, i, j]
    return padded[:, :, p["pt"] : p["pt"] + p["h"], p["pl"] : p["pl"] + p["w"]]


def _grouped(a, g, axis):
    return a.reshape(*a.shape[:axis], g, a.shape[axis] // g, *a.shape[axis + 1 :])


def forward(x, w, p):
    g = p["g"]
    cols = _grouped(patches(x, p), g, 1)
    y = np.einsum("ngcijhw,gkcij->ngkhw", cols, _grouped(w.astype("f8"), g, 0), optimize=True)
    return y.reshape(x.shape[0], p["k"], *y.shape[3:])


def backward_data(dy, w, p):
    g = p["g"]
    cols = np.einsum(
        "ngkhw,gkcij->ngcijhw", _grouped(dy.astype("f8"), g, 1), _grouped(w.astype("f8"), g, 0), optimize=True
    )
    return add_patches(cols.reshape(dy.shape[0], p["c"], *cols.shape[3:]), p)


def backward_weights(x, dy, p):
    g = p["g"]
    cols = _grouped(patches(x, p), g, 1)
    dw = np.einsum("ngcijhw,ngkhw->gkcij", cols, _grouped(dy.astype("f8"), g, 1), optimize=True)
    return dw.reshape(p["k"], p["c"] // g, p["kh"], p["kw"])


def pool(x, p, mode):
    """Windows clipped at the edge of the image."""
    fill = -np.inf if mode == "max" else np.nan
    n, c = x.shape[:2]
    oh, ow = output(p)
    padded = np.pad(x.astype("f8"), ((0, 0), (0, 0), (p["pt"], p["pb"]), (p["pl"], p["pr"])), constant_values=fill)
    y = np.empty((n, c, oh, ow))
    for i in range(oh):
        for j in range(ow):
            window = padded[:, :, i * p["sh"] : i * p["sh"] + p["kh"], j * p["sw"] : j * p["sw"] + p["kw"]]
            y[:, :, i, j] = window.max((2, 3)) if mode == "max" else np.nanmean(window, (2, 3))
    return y
