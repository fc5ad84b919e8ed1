"""Random problems, and operands of them in every type and layout. CLCONV_PYTHON_PROBLEMS says how many."""

import os

import numpy as np

try:
    import ml_dtypes
except ImportError:
    TYPES = {"float32": np.dtype("f4"), "float16": np.dtype("f2")}
else:
    TYPES = {"float32": np.dtype("f4"), "float16": np.dtype("f2"), "bfloat16": np.dtype(ml_dtypes.bfloat16)}

COUNT = int(os.environ.get("CLCONV_PYTHON_PROBLEMS", "6"))

#: Of one rounding to the type.
EPSILON = {"float32": 1e-6, "float16": 1.2e-3, "bfloat16": 9e-3}


def random_problem(rng):
    """Sizes with odd tails, strides, dilation, paddings that differ, groups."""
    size = lambda low, high: int(rng.integers(low, high + 1))
    g = int(rng.choice([1, 1, 1, 2, 3]))
    p = {"n": size(1, 3), "g": g, "c": g * size(1, 9), "k": g * size(1, 9)}
    p.update(kh=size(1, 4), kw=size(1, 4), sh=size(1, 3), sw=size(1, 3), dh=size(1, 2), dw=size(1, 2))
    p.update({side: size(0, 2) for side in ("pt", "pl", "pb", "pr")})
    p["h"] = size(max(1, p["dh"] * (p["kh"] - 1) + 1 - p["pt"] - p["pb"]), 19)
    p["w"] = size(max(1, p["dw"] * (p["kw"] - 1) + 1 - p["pl"] - p["pr"]), 21)
    return p


def array(rng, shape, dtype):
    return rng.uniform(-1, 1, shape).astype("f4").astype(dtype)


def near(result, expected, size, type_name):
    """Asserts equality within the type's rounding and that of float32 sums, whose terms' magnitudes sum to `size`."""
    assert str(result.dtype) == type_name
    close(result, expected, size, type_name)


def close(result, expected, size, type_name):
    """As near(), for results of the type `type_name` that are held in a wider one."""
    assert result.shape == expected.shape
    error = np.abs(result.astype("f8") - expected)
    bound = EPSILON[type_name] * np.abs(expected) + 1e-5 * size
    assert np.all(error <= bound), f"the largest error is {error.max()}, {(error / bound).max()} of its bound"


def window(p):
    """The parameters of conv2d()."""
    return {
        "stride": (p["sh"], p["sw"]),
        "padding": (p["pt"], p["pl"], p["pb"], p["pr"]),
        "dilation": (p["dh"], p["dw"]),
        "groups": p["g"],
    }
