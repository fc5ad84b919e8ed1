"""conv2d(), its gradients and conv_transpose2d() beside NumPy, over random problems in all types and layouts."""

import numpy as np
import pytest
import reference
from problems import COUNT, TYPES, array, near, random_problem, window

import clconv

ACTIVATIONS = (
    None,
    "relu",
    "relu6",
    "leaky-relu",
    "silu",
    "hard-swish",
    "hard-sigmoid",
    "sigmoid",
    "tanh",
    "gelu",
    "prelu",
)
BY_RESULT = ("relu", "relu6", "leaky-relu", "hard-sigmoid", "sigmoid", "tanh")


def kinds(seed):
    """Types and layouts in turns."""
    names = list(TYPES)
    return names[seed % len(names)], ("nchw", "nhwc")[seed // 3 % 2], ("kcrs", "krsc")[seed // 6 % 2]


@pytest.mark.parametrize("seed", range(COUNT))
def test_forward(seed):
    rng = np.random.default_rng(seed)
    p = random_problem(rng)
    name, layout, weights_layout = kinds(seed)
    activation = ACTIVATIONS[seed % len(ACTIVATIONS)]
    x = array(rng, (p["n"], p["c"], p["h"], p["w"]), TYPES[name])
    w = array(rng, (p["k"], p["c"] // p["g"], p["kh"], p["kw"]), TYPES[name])
    bias, slopes = array(rng, (p["k"],), TYPES[name]), array(rng, (p["k"],), TYPES[name])
    oh, ow = reference.output(p)
    residual = array(rng, (p["n"], p["k"], oh, ow), TYPES[name]) if seed % 2 else None

    total = reference.forward(x, w, p) + bias.astype("f8")[None, :, None, None]
    size = reference.forward(abs(x), abs(w), p) + 1
    if residual is not None:
        total, size = total + residual.astype("f8"), size + 1
    expected = reference.activate(total, activation, slopes=slopes.astype("f8"))

    last = layout == "nhwc"
    turn = lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)) if last else a
    y = clconv.conv2d(
        turn(x),
        np.ascontiguousarray(w.transpose(0, 2, 3, 1)) if weights_layout == "krsc" else w,
        bias,
        activation=activation,
        slopes=slopes if activation == "prelu" else None,
        residual=None if residual is None else turn(residual),
        layout=layout,
        weights_layout=weights_layout,
        **window(p),
    )
    near(y.transpose(0, 3, 1, 2) if last else y, expected, size, name)


@pytest.mark.parametrize("seed", range(COUNT))
def test_gradients(seed):
    rng = np.random.default_rng(1000 + seed)
    p = random_problem(rng)
    name = kinds(seed)[0]
    x = array(rng, (p["n"], p["c"], p["h"], p["w"]), TYPES[name])
    w = array(rng, (p["k"], p["c"] // p["g"], p["kh"], p["kw"]), TYPES[name])
    dy = array(rng, (p["n"], p["k"], *reference.output(p)), TYPES[name])
    masked, given = dy.astype("f8"), {}
    if seed % 2:
        activation = BY_RESULT[seed // 2 % len(BY_RESULT)]
        y = array(rng, dy.shape, TYPES[name])
        slope = 0.2 if activation == "hard-sigmoid" else 0.01
        masked = masked * reference.derivative(y.astype("f8"), activation, slope)
        given = {"y": y, "activation": activation, "slope": slope}
    size = lambda a: a + 1

    dx = clconv.conv2d_backward_data(dy, w, x.shape, **window(p), **given)
    near(dx, reference.backward_data(masked, w, p), size(reference.backward_data(abs(masked), abs(w), p)), name)
    dw = clconv.conv2d_backward_weights(x, dy, (p["kh"], p["kw"]), **window(p), **given)
    near(dw, reference.backward_weights(x, masked, p), size(reference.backward_weights(abs(x), abs(masked), p)), name)
    db = clconv.conv2d_backward_bias(dy, **given)
    near(db, masked.sum((0, 2, 3)), size(abs(masked).sum((0, 2, 3))), name)

    start = array(rng, dw.shape, TYPES[name])
    sums = start.copy()
    assert (
        clconv.conv2d_backward_weights(x, dy, (p["kh"], p["kw"]), out=sums, accumulate=True, **window(p), **given)
        is sums
    )
    near(
        sums,
        start.astype("f8") + reference.backward_weights(x, masked, p),
        size(1 + reference.backward_weights(abs(x), abs(masked), p)),
        name,
    )


@pytest.mark.parametrize("seed", range(max(3, COUNT // 4)))
def test_transposed(seed):
    rng = np.random.default_rng(2000 + seed)
    p = random_problem(rng)
    name = kinds(seed)[0]
    # The forward problem is p: the transposed one takes its results to its images, as far as they are whole strides.
    oh, ow = reference.output(p)
    p["pb"], p["pr"] = p["pt"], p["pl"]
    p["h"] = (oh - 1) * p["sh"] + p["dh"] * (p["kh"] - 1) + 1 - 2 * p["pt"]
    p["w"] = (ow - 1) * p["sw"] + p["dw"] * (p["kw"] - 1) + 1 - 2 * p["pl"]
    if p["h"] < 1 or p["w"] < 1:
        p.update(pt=0, pb=0, pl=0, pr=0)
        p["h"] = (oh - 1) * p["sh"] + p["dh"] * (p["kh"] - 1) + 1
        p["w"] = (ow - 1) * p["sw"] + p["dw"] * (p["kw"] - 1) + 1
    x = array(rng, (p["n"], p["k"], oh, ow), TYPES[name])
    w = array(rng, (p["k"], p["c"] // p["g"], p["kh"], p["kw"]), TYPES[name])
    bias = array(rng, (p["c"],), TYPES[name])
    y = clconv.conv_transpose2d(
        x, w, bias, stride=(p["sh"], p["sw"]), padding=(p["pt"], p["pl"]), groups=p["g"], dilation=(p["dh"], p["dw"])
    )
    expected = reference.backward_data(x, w, p) + bias.astype("f8")[None, :, None, None]
    near(y, expected, reference.backward_data(abs(x), abs(w), p) + 1, name)


def test_transposed_with_output_padding(rng):
    x, w = array(rng, (2, 4, 5, 6), "f4"), array(rng, (4, 3, 3, 3), "f4")
    y = clconv.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1)
    p = dict(n=2, c=3, h=10, w=12, k=4, kh=3, kw=3, sh=2, sw=2, pt=1, pl=1, pb=1, pr=1, dh=1, dw=1, g=1)
    near(y, reference.backward_data(x, w, p), 1, "float32")


@pytest.mark.parametrize("padding", ["same", "same_lower", "valid", 1, (1, 2), (0, 1, 2, 1), ((0, 2), (1, 1)), [1, 2]])
def test_padding(rng, padding):
    x, w = array(rng, (1, 2, 8, 9), "f4"), array(rng, (3, 2, 3, 4), "f4")
    sides = {
        "same": (0, 1, 1, 1),  # strides of 2: 4 rows from 8, 5 columns from 9
        "same_lower": (1, 1, 0, 1),
        "valid": (0, 0, 0, 0),
        1: (1, 1, 1, 1),
        (1, 2): (1, 2, 1, 2),
        ((0, 2), (1, 1)): (0, 1, 2, 1),
    }.get(tuple(padding) if isinstance(padding, list) else padding, (0, 1, 2, 1))
    if padding == [1, 2]:
        sides = (1, 2, 1, 2)
    p = dict(n=1, c=2, h=8, w=9, k=3, kh=3, kw=4, sh=2, sw=2, dh=1, dw=1, g=1)
    p.update(zip(("pt", "pl", "pb", "pr"), sides))
    if padding == "same":  # 5 columns: (5-1)*2 + 4 - 9 = 3 of padding, 1 in front
        p.update(pl=1, pr=2)
    elif padding == "same_lower":
        p.update(pl=2, pr=1)
    near(clconv.conv2d(x, w, stride=2, padding=padding), reference.forward(x, w, p), 1, "float32")


def test_out_is_used_and_an_empty_batch_is_none(rng):
    x, w = array(rng, (1, 2, 5, 5), "f4"), array(rng, (3, 2, 3, 3), "f4")
    out = np.full((1, 3, 3, 3), np.nan, "f4")
    assert clconv.conv2d(x, w, out=out) is out
    assert np.array_equal(out, clconv.conv2d(x, w))
    assert clconv.conv2d(x[:0], w).shape == (0, 3, 3, 3)
    assert np.all(clconv.conv2d_backward_weights(x[:0], out[:0], 3) == 0)


def test_unaligned_and_foreign_memory(rng):
    """Arrays anywhere, and what has __dlpack__ but is no NumPy array."""
    x, w = array(rng, (1, 2, 9, 9), "f4"), array(rng, (3, 2, 3, 3), "f4")
    expected = clconv.conv2d(x, w)
    room = np.empty(x.size + 1, "f4")
    shifted = room[1:].reshape(x.shape)
    shifted[...] = x
    assert np.array_equal(clconv.conv2d(shifted, w), expected)

    class Foreign:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    assert np.array_equal(clconv.conv2d(Foreign(x), Foreign(w)), expected)
    assert np.array_equal(clconv.conv2d(x, Foreign(w)), expected)
    read_only = x.copy()
    read_only.flags.writeable = False
    assert np.array_equal(clconv.conv2d(read_only, w), expected)


def test_clblast_takes_unaligned_arrays(rng):
    """CLBlast's kernels want the device's alignment: such arrays are copied."""
    x, w = array(rng, (1, 2, 9, 9), "f4"), array(rng, (3, 2, 3, 3), "f4")
    context = clconv.default_context()
    configs = [
        c["config"] for c in context.explain("n1c2h9w9k3kh3kw3", rigor="exhaustive")["candidates"] if c["config"]
    ]
    plan = context.plan("n1c2h9w9k3kh3kw3", strategy="im2col_gemm", config=next(c for c in configs if "clblast" in c))
    room = np.zeros(x.size + 1, "f4")
    shifted = room[1:].reshape(x.shape)
    shifted[...] = x
    near(plan.run(x=shifted, w=w), clconv.conv2d(x, w).astype("f8"), 1, "float32")


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_im2col(rng, layout):
    p = dict(n=2, c=3, h=7, w=8, k=1, kh=3, kw=2, sh=2, sw=1, pt=1, pl=1, pb=1, pr=1, dh=1, dw=2, g=1)
    x = array(rng, (2, 3, 7, 8), "f4")
    oh, ow = reference.output(p)
    cols = clconv.im2col(x, (3, 2), (2, 1), 1, (1, 2), layout=layout)
    expected = reference.patches(x, p).reshape(2, 18, oh * ow)
    assert np.array_equal(cols, expected if layout == "columns" else expected.transpose(0, 2, 1).reshape(-1, 18))
    back = clconv.col2im(cols, x.shape, (3, 2), (2, 1), 1, (1, 2), layout=layout)
    near(back, reference.add_patches(reference.patches(x, p), p), 1, "float32")


@pytest.mark.parametrize("mode", ["max", "average"])
def test_pooling(rng, mode):
    p = dict(n=2, c=3, h=9, w=8, kh=3, kw=2, sh=2, sw=2, pt=1, pl=0, pb=1, pr=0, dh=1, dw=1)
    x = array(rng, (2, 3, 9, 8), "f4")
    pool = clconv.max_pool2d if mode == "max" else clconv.avg_pool2d
    y = pool(x, (3, 2), 2, (1, 0))
    near(y, reference.pool(x, p, mode), 1, "float32")
    dy = array(rng, y.shape, "f4")
    if mode == "max":
        dx = clconv.max_pool2d_backward(dy, x, (3, 2), 2, (1, 0))
    else:
        dx = clconv.avg_pool2d_backward(dy, x.shape, (3, 2), 2, (1, 0))
    # By differences: pooling is linear where no maximum changes.
    v = array(rng, x.shape, "f4") * np.float32(1e-4)
    difference = (pool(x + v, (3, 2), 2, (1, 0)).astype("f8") - y) * dy
    assert abs(difference.sum() - (dx.astype("f8") * v).sum()) < 2e-5
    assert pool(x, 2).shape == (2, 3, 4, 4)
    assert pool(x, 2, ceil_mode=True).shape == (2, 3, 5, 4)
