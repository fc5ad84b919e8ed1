"""conv2d(), its gradients and its neighbours, on host arrays and on arrays of PyOpenCL."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays, _core
from ._call import Convolution, Operation, compute
from ._context import Context
from ._errors import InvalidArgument
from ._geometry import Window, check_groups, filters, images, integer, layout_of, pair, window

Sizes = Union[int, Sequence[int]]
Padding = Union[int, str, Sequence[Any]]

_FLOAT32 = np.dtype(np.float32)


def _problem(n: int, c: int, h: int, w: int, k: int, kh: int, kw: int, at: Window, g: int, word: str) -> _core.Problem:
    p = _core.Problem()
    p.n, p.c, p.h, p.w, p.k, p.kh, p.kw, p.g = n, c, h, w, k, kh, kw, g
    p.sh, p.sw, p.pt, p.pl, p.pb, p.pr, p.dh, p.dw = at
    p.data_type = word
    return p


def _activate(p: _core.Problem, activation: Any, slope: Any, offset: Any) -> None:
    if activation is not None:
        p.activation = activation
    if slope is not None:
        p.activation_slope = slope
    if offset is not None:
        p.activation_offset = offset


def _options(rigor: Any, deterministic: Any, workspace_limit: Any) -> dict:
    options = {"weights_change": True, "deterministic": bool(deterministic)}
    if rigor is not None:
        options["rigor"] = rigor
    if workspace_limit is not None:
        options["workspace_limit_bytes"] = workspace_limit
    return options


def _extras(p: _core.Problem, arrays: Any, channels: int, shape: Tuple[int, ...], dtype: Any) -> None:
    """bias, residual and slopes of a forward or transposed convolution."""
    _, _, bias, residual, slopes = arrays
    if bias is not None:
        _arrays.require(bias, "bias", (channels,), f"({channels},), one value a channel of the result", dtype)
        p.bias = True
    if residual is not None:
        _arrays.require(residual, "residual", shape, f"{shape}, that of the result", dtype)
        p.residual = True
    if (slopes is not None) != (p.activation == "prelu"):
        raise InvalidArgument(
            f"slopes {'are given' if slopes is not None else 'are missing'}, activation is '{p.activation}': "
            "prelu takes slopes, others take none"
        )
    if slopes is not None:
        _arrays.require(slopes, "slopes", (channels,), f"({channels},), one value a channel of the result", dtype)


def _filters_expected(layout: str) -> str:
    return "(k, kh, kw, c/groups)" if layout == "krsc" else "(k, c/groups, kh, kw)"


def _make_forward(
    context: Context,
    arrays: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    activation: Any,
    slope: Any,
    offset: Any,
    layout: Any,
    weights_layout: Any,
    rigor: Any,
    deterministic: Any,
    workspace_limit: Any,
) -> Convolution:
    x, w = arrays[:2]
    n, c, h, width = images(x.shape, layout, "x")
    k, channels, kh, kw = filters(w.shape, weights_layout)
    g = check_groups(c, k, channels, groups, x.shape, w.shape)
    word = _arrays.word_of(x, "x")
    _arrays.require(x, "x", (None,) * 4, "")
    _arrays.require(w, "w", (None,) * 4, "", x.dtype)
    at = window(stride, padding, dilation, (h, width), (kh, kw))
    p = _problem(n, c, h, width, k, kh, kw, at, g, word)
    p.layout = layout
    p.weights_layout = weights_layout
    _activate(p, activation, slope, offset)
    shape = p.y_shape
    _extras(p, arrays, k, shape, x.dtype)
    return Convolution(
        context, p, ("x", "w", "b", "r", "slopes"), "y", shape, x.dtype, _options(rigor, deterministic, workspace_limit)
    )


def conv2d(
    x: Any,
    w: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    activation: Optional[str] = None,
    *,
    slope: Optional[float] = None,
    offset: Optional[float] = None,
    slopes: Any = None,
    residual: Any = None,
    layout: str = "nchw",
    weights_layout: str = "kcrs",
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
    rigor: Optional[str] = None,
    deterministic: bool = False,
    workspace_limit_bytes: Optional[int] = None,
) -> Any:
    """2-D convolution (cross-correlation): ``activation(x * w + bias + residual)``.

    Args:
        x: images (n, c, h, w), or (n, h, w, c) with ``layout="nhwc"``: float32, float16 or bfloat16, in C order; a
            NumPy array, anything with ``__dlpack__`` on the host, or a ``pyopencl.array.Array``.
        w: filters (k, c/groups, kh, kw), or (k, kh, kw, c/groups) with ``weights_layout="krsc"``. All operands have
            the type of `x`, and are all on the host or all of PyOpenCL.
        bias: (k), added to every pixel of a channel.
        stride, dilation: a number of pixels, or (height, width).
        padding: rows and columns of zeros: a number, (height, width), (top, left, bottom, right),
            ((top, bottom), (left, right)), ``"valid"`` (none), ``"same"`` (as many results as strides in the image, the
            odd one behind) or ``"same_lower"`` (in front).
        groups: c and k are multiples of it; each group of filters sees its own group of channels.
        activation: None, ``"relu"``, ``"relu6"``, ``"leaky-relu"``, ``"silu"``, ``"hard-swish"``, ``"hard-sigmoid"``,
            ``"sigmoid"``, ``"tanh"``, ``"gelu"``, ``"prelu"``; computed in the same pass.
        slope: of leaky ReLU (0.01 unless given) and hard sigmoid; in [-1, 1].
        offset: of hard sigmoid (0.5 unless given).
        slopes: (k), of PReLU.
        residual: of the result's shape, added before the activation.
        out: the result's array; None: a new one.
        context: a Context; None: that of the queue, on the host the default one.
        queue: a ``pyopencl.CommandQueue``; None: that of `x`.
        wait_for: events of PyOpenCL to wait for besides those of the arrays.
        rigor: how much choosing may cost: ``"wisdom-only"``, ``"estimate"`` (default), ``"measure"``, ``"exhaustive"``.
        deterministic: equal inputs give equal bits.
        workspace_limit_bytes: of memory besides the operands.

    Returns:
        (n, k, oh, ow) or (n, oh, ow, k), of the type of `x`, with oh = (h + top + bottom - dh*(kh-1) - 1) // sh + 1. On
        the host it is finished; an Array of PyOpenCL has its event.

    Raises:
        InvalidArgument: (a ValueError) shapes, types or words do not fit; the text names them.
        InvalidProblem: (a ValueError) the sizes make no convolution.
        ConstraintError: nothing can run it under the constraints.
    """
    return compute(
        _make_forward,
        ("x", "w", "bias", "residual", "slopes"),
        (x, w, bias, residual, slopes),
        (
            stride,
            padding,
            dilation,
            groups,
            activation,
            slope,
            offset,
            layout,
            weights_layout,
            rigor,
            deterministic,
            workspace_limit_bytes,
        ),
        out,
        context,
        queue,
        wait_for,
    )


def _mask(p: _core.Problem, y: Any, dy: Any, activation: Any, slope: Any, offset: Any) -> None:
    if y is None:
        if activation is not None:
            raise InvalidArgument(f"y is None, activation is {activation!r}: its derivative is computed from y")
        return
    _arrays.require(y, "y", tuple(dy.shape), f"{tuple(dy.shape)}, that of dy", dy.dtype)
    p.mask = True
    _activate(p, activation or "relu", slope, offset)


def _gradient_shape(p: _core.Problem, dy: Any) -> None:
    expected = p.y_shape
    _arrays.require(dy, "dy", expected, f"{expected}, the output of {p.text}")


def _make_data(
    context: Context,
    arrays: Any,
    input_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    activation: Any,
    slope: Any,
    offset: Any,
    accumulate: Any,
    rigor: Any,
    deterministic: Any,
    workspace_limit: Any,
) -> Convolution:
    dy, w, y = arrays
    n, c, h, width = images(input_shape, "nchw", "the input")
    k, channels, kh, kw = filters(w.shape, "kcrs")
    g = check_groups(c, k, channels, groups, input_shape, w.shape)
    word = _arrays.word_of(dy, "dy")
    _arrays.require(w, "w", (None,) * 4, "", dy.dtype)
    p = _problem(n, c, h, width, k, kh, kw, window(stride, padding, dilation, (h, width), (kh, kw)), g, word)
    _gradient_shape(p, dy)
    p.direction = "backward-data"
    p.accumulate = bool(accumulate)
    _mask(p, y, dy, activation, slope, offset)
    return Convolution(
        context, p, ("dy", "w", "y"), "dx", (n, c, h, width), dy.dtype, _options(rigor, deterministic, workspace_limit)
    )


def _require_out(out: Any, accumulate: Any) -> None:
    if accumulate and out is None:
        raise InvalidArgument("out is None: accumulate adds to what it holds")


def conv2d_backward_data(
    dy: Any,
    w: Any,
    input_shape: Sequence[int],
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    *,
    y: Any = None,
    activation: Optional[str] = None,
    slope: Optional[float] = None,
    offset: Optional[float] = None,
    out: Any = None,
    accumulate: bool = False,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
    rigor: Optional[str] = None,
    deterministic: bool = False,
    workspace_limit_bytes: Optional[int] = None,
) -> Any:
    """The gradient of conv2d() with respect to its input.

    Args:
        dy: gradient of the result, (n, k, oh, ow).
        w: the filters, (k, c/groups, kh, kw).
        input_shape: (n, c, h, w) of the input.
        stride, padding, dilation, groups: as they were given to conv2d().
        y: the result of conv2d() with an activation: `dy` is multiplied by the activation's derivative first, which is
            computed from `y`. None: no activation.
        activation: which it was, ``"relu"`` unless given: relu6, leaky-relu, hard-sigmoid, sigmoid, tanh. The
            derivatives of silu, hard-swish, gelu and prelu cannot be computed from `y`.
        out: the gradient's array; with `accumulate` the gradient is added to it.

    The other arguments are those of conv2d().

    Returns:
        dx, of `input_shape`; 0 where no result used the input.
    """
    _require_out(out, accumulate)
    return compute(
        _make_data,
        ("dy", "w", "y"),
        (dy, w, y),
        (
            tuple(input_shape),
            stride,
            padding,
            dilation,
            groups,
            activation,
            slope,
            offset,
            accumulate,
            rigor,
            deterministic,
            workspace_limit_bytes,
        ),
        out,
        context,
        queue,
        wait_for,
    )


def _make_weights(
    context: Context,
    arrays: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    activation: Any,
    slope: Any,
    offset: Any,
    accumulate: Any,
    rigor: Any,
    deterministic: Any,
    workspace_limit: Any,
) -> Convolution:
    x, dy, y = arrays
    n, c, h, width = images(x.shape, "nchw", "x")
    k = images(dy.shape, "nchw", "dy")[1]
    kh, kw = pair(kernel_size, "kernel_size")
    g = integer(groups, "groups")
    if g < 1 or c % g != 0 or k % g != 0:
        raise InvalidArgument(
            f"groups is {g}, expected a divisor of {c} and {k} channels: x has shape {tuple(x.shape)}, "
            f"dy {tuple(dy.shape)}"
        )
    word = _arrays.word_of(x, "x")
    _arrays.require(x, "x", (None,) * 4, "")
    _arrays.require(dy, "dy", (None,) * 4, "", x.dtype)
    p = _problem(n, c, h, width, k, kh, kw, window(stride, padding, dilation, (h, width), (kh, kw)), g, word)
    _gradient_shape(p, dy)
    p.direction = "backward-weights"
    p.accumulate = bool(accumulate)
    _mask(p, y, dy, activation, slope, offset)
    return Convolution(
        context,
        p,
        ("x", "dy", "y"),
        "dw",
        (k, c // g, kh, kw),
        x.dtype,
        _options(rigor, deterministic, workspace_limit),
    )


def conv2d_backward_weights(
    x: Any,
    dy: Any,
    kernel_size: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    *,
    y: Any = None,
    activation: Optional[str] = None,
    slope: Optional[float] = None,
    offset: Optional[float] = None,
    out: Any = None,
    accumulate: bool = False,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
    rigor: Optional[str] = None,
    deterministic: bool = False,
    workspace_limit_bytes: Optional[int] = None,
) -> Any:
    """The gradient of conv2d() with respect to its filters.

    Args:
        x: the input, (n, c, h, w).
        dy: gradient of the result, (n, k, oh, ow).
        kernel_size: of the filters, a number or (kh, kw).

    The other arguments are those of conv2d_backward_data() and conv2d().

    Returns:
        dw, (k, c/groups, kh, kw).
    """
    _require_out(out, accumulate)
    return compute(
        _make_weights,
        ("x", "dy", "y"),
        (x, dy, y),
        (
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            activation,
            slope,
            offset,
            accumulate,
            rigor,
            deterministic,
            workspace_limit_bytes,
        ),
        out,
        context,
        queue,
        wait_for,
    )


def _make_bias(
    context: Context,
    arrays: Any,
    activation: Any,
    slope: Any,
    offset: Any,
    accumulate: Any,
    rigor: Any,
    deterministic: Any,
) -> Convolution:
    dy, y = arrays
    n, k, oh, ow = images(dy.shape, "nchw", "dy")
    word = _arrays.word_of(dy, "dy")
    _arrays.require(dy, "dy", (None,) * 4, "")
    p = _problem(n, 1, oh, ow, k, 1, 1, Window(1, 1, 0, 0, 0, 0, 1, 1), 1, word)
    p.direction = "backward-bias"
    p.accumulate = bool(accumulate)
    _mask(p, y, dy, activation, slope, offset)
    return Convolution(context, p, ("dy", "y"), "db", (k,), dy.dtype, _options(rigor, deterministic, None))


def conv2d_backward_bias(
    dy: Any,
    *,
    y: Any = None,
    activation: Optional[str] = None,
    slope: Optional[float] = None,
    offset: Optional[float] = None,
    out: Any = None,
    accumulate: bool = False,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
    rigor: Optional[str] = None,
    deterministic: bool = False,
) -> Any:
    """The gradient of conv2d() with respect to its bias: the sum of `dy` (n, k, oh, ow) over all but the channels.

    The arguments are those of conv2d_backward_data().

    Returns:
        db, (k).
    """
    _require_out(out, accumulate)
    return compute(
        _make_bias,
        ("dy", "y"),
        (dy, y),
        (activation, slope, offset, accumulate, rigor, deterministic),
        out,
        context,
        queue,
        wait_for,
    )


def _make_transposed(
    context: Context,
    arrays: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    activation: Any,
    slope: Any,
    offset: Any,
    rigor: Any,
    deterministic: Any,
    workspace_limit: Any,
) -> Convolution:
    x, w = arrays[:2]
    n, c, h, width = images(x.shape, "nchw", "x")
    if len(w.shape) != 4 or int(w.shape[0]) != c:
        raise InvalidArgument(
            f"w has shape {tuple(w.shape)}, expected ({c}, k/groups, kh, kw): x has shape {tuple(x.shape)}"
        )
    g = integer(groups, "groups")
    if g < 1 or c % g != 0:
        raise InvalidArgument(f"groups is {g}, expected a divisor of {c} channels: x has shape {tuple(x.shape)}")
    k, kh, kw = int(w.shape[1]) * g, int(w.shape[2]), int(w.shape[3])
    if isinstance(padding, str) and padding != "valid":
        raise InvalidArgument(f"padding is {padding!r}, expected numbers or 'valid'")
    word = _arrays.word_of(x, "x")
    _arrays.require(x, "x", (None,) * 4, "")
    _arrays.require(w, "w", (None,) * 4, "", x.dtype)
    seen = _problem(n, c, h, width, k, kh, kw, window(stride, padding, dilation, (h, width), (kh, kw)), g, word)
    _activate(seen, activation, slope, offset)
    p = _core.transposed(seen, *pair(output_padding, "output_padding"))
    p.data_type = word
    _activate(p, activation, slope, offset)
    shape = p.x_shape
    _extras(p, arrays, k, shape, x.dtype)
    return Convolution(
        context, p, ("x", "w", "b", "r", "slopes"), "y", shape, x.dtype, _options(rigor, deterministic, workspace_limit)
    )


def conv_transpose2d(
    x: Any,
    w: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
    activation: Optional[str] = None,
    *,
    slope: Optional[float] = None,
    offset: Optional[float] = None,
    slopes: Any = None,
    residual: Any = None,
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
    rigor: Optional[str] = None,
    deterministic: bool = False,
    workspace_limit_bytes: Optional[int] = None,
) -> Any:
    """Transposed 2-D convolution; arguments in the order of PyTorch's conv_transpose2d.

    Args:
        x: (n, c, h, w).
        w: (c, k/groups, kh, kw).
        bias: (k).
        padding: rows and columns taken from the result's edges, as numbers.
        output_padding: rows and columns added below and on the right; less than stride or dilation.

    The other arguments are those of conv2d().

    Returns:
        (n, k, oh, ow) with oh = (h-1)*sh - top - bottom + dh*(kh-1) + 1 + output_padding.
    """
    return compute(
        _make_transposed,
        ("x", "w", "bias", "residual", "slopes"),
        (x, w, bias, residual, slopes),
        (
            stride,
            padding,
            output_padding,
            groups,
            dilation,
            activation,
            slope,
            offset,
            rigor,
            deterministic,
            workspace_limit_bytes,
        ),
        out,
        context,
        queue,
        wait_for,
    )


def _float32(array: Any, name: str, what: str) -> None:
    if array.dtype != _FLOAT32:
        raise InvalidArgument(f"{name} has type {array.dtype}, {what} takes float32")
    _arrays.require(array, name, (None,) * len(array.shape), "")


def _rows(layout: str) -> bool:
    if layout not in ("columns", "rows"):
        raise InvalidArgument(f"layout is {layout!r}, expected 'columns' or 'rows'")
    return layout == "rows"


def _patches(
    shape: Sequence[int], kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Tuple[_core.Problem, Tuple[int, int, int]]:
    n, c, h, w = images(tuple(shape), "nchw", "the input")
    kh, kw = pair(kernel_size, "kernel_size")
    p = _problem(n, c, h, w, 1, kh, kw, window(stride, padding, dilation, (h, w), (kh, kw)), 1, "float32")
    oh, ow = p.y_shape[2:]
    return p, (n, c * kh * kw, oh * ow)


def _matrix_shape(sizes: Tuple[int, int, int], rows: bool) -> Tuple[int, ...]:
    n, taps, pixels = sizes
    return (n * pixels, taps) if rows else sizes


def _make_im2col(
    context: Context, arrays: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, layout: str
) -> Operation:
    x, rows = arrays[0], _rows(layout)
    problem, sizes = _patches(x.shape, kernel_size, stride, padding, dilation)
    _float32(x, "x", "im2col")

    def enqueue(core: Any, queue: Any, given: Any, out: Any, wait_for: Any) -> int:
        return _core.im2col(core, queue, problem, rows, given[0], out, wait_for)

    return Operation(_matrix_shape(sizes, rows), _FLOAT32, enqueue)


def im2col(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    *,
    layout: str = "columns",
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
) -> Any:
    """The patches of images as a matrix (PyTorch's ``unfold``).

    Args:
        x: (n, c, h, w), float32.
        kernel_size: a number or (kh, kw).
        layout: ``"columns"`` or ``"rows"``.

    The other arguments are those of conv2d().

    Returns:
        ``"columns"``: (n, c*kh*kw, oh*ow). ``"rows"``: (n*oh*ow, c*kh*kw).
    """
    return compute(
        _make_im2col, ("x",), (x,), (kernel_size, stride, padding, dilation, layout), out, context, queue, wait_for
    )


def _make_col2im(
    context: Context,
    arrays: Any,
    input_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    layout: str,
) -> Operation:
    cols, rows = arrays[0], _rows(layout)
    problem, sizes = _patches(input_shape, kernel_size, stride, padding, dilation)
    expected = _matrix_shape(sizes, rows)
    _arrays.require(cols, "cols", expected, f"{expected}, the patches of {tuple(input_shape)}")
    _float32(cols, "cols", "col2im")

    def enqueue(core: Any, queue: Any, given: Any, out: Any, wait_for: Any) -> int:
        return _core.col2im(core, queue, problem, rows, given[0], out, wait_for)

    return Operation(tuple(input_shape), _FLOAT32, enqueue)


def col2im(
    cols: Any,
    input_shape: Sequence[int],
    kernel_size: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    *,
    layout: str = "columns",
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
) -> Any:
    """The adjoint of im2col() (PyTorch's ``fold``): adds every entry to the pixel that it came from.

    Args:
        cols: the matrix, in the shape that im2col() gives it.
        input_shape: (n, c, h, w) of the images.

    Returns:
        `input_shape`; pixels of no patch are 0.
    """
    return compute(
        _make_col2im,
        ("cols",),
        (cols,),
        (tuple(int(s) for s in input_shape), kernel_size, stride, padding, dilation, layout),
        out,
        context,
        queue,
        wait_for,
    )


def _pooling(shape: Any, mode: str, kernel_size: Any, stride: Any, padding: Any, ceil: Any) -> _core.Pooling:
    n, c, h, w = images(shape, "nchw", "the input")
    kh, kw = pair(kernel_size, "kernel_size")
    at = window(kernel_size if stride is None else stride, padding, 1, (h, w), (kh, kw))
    sizes = (n, c, h, w, kh, kw, at.sh, at.sw, at.pt, at.pl, at.pb, at.pr)
    return _core.Pooling(sizes, mode, bool(ceil))


def _make_pooling(
    context: Context, arrays: Any, mode: str, kernel_size: Any, stride: Any, padding: Any, ceil: Any
) -> Operation:
    x = arrays[0]
    pooling = _pooling(x.shape, mode, kernel_size, stride, padding, ceil)
    _float32(x, "x", "pooling")

    def enqueue(core: Any, queue: Any, given: Any, out: Any, wait_for: Any) -> int:
        return pooling.forward(core, queue, given[0], out, wait_for)

    return Operation(pooling.output_shape, _FLOAT32, enqueue)


def _make_pooling_backward(
    context: Context, arrays: Any, mode: str, input_shape: Any, kernel_size: Any, stride: Any, padding: Any, ceil: Any
) -> Operation:
    dy, x = arrays
    shape = tuple(x.shape) if x is not None else input_shape
    pooling = _pooling(shape, mode, kernel_size, stride, padding, ceil)
    if x is not None:
        _float32(x, "x", "pooling")
    expected = pooling.output_shape
    _arrays.require(dy, "dy", expected, f"{expected}, the output of pooling {shape}", _FLOAT32)

    def enqueue(core: Any, queue: Any, given: Any, out: Any, wait_for: Any) -> int:
        return pooling.backward(core, queue, given[1], given[0], out, wait_for)

    return Operation(shape, _FLOAT32, enqueue)


def max_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Optional[Sizes] = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    *,
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
) -> Any:
    """The largest value of every window; NaN above all.

    Args:
        x: (n, c, h, w), float32.
        kernel_size: of the window, a number or (kh, kw).
        stride: a number or (sh, sw); None: the window's size.
        padding: less than the window; it never wins.
        ceil_mode: the output's size is rounded up, without a window that would start behind the image.

    Returns:
        (n, c, oh, ow), oh = (h + top + bottom - kh) // sh + 1.
    """
    return compute(
        _make_pooling, ("x",), (x,), ("max", kernel_size, stride, padding, ceil_mode), out, context, queue, wait_for
    )


def avg_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Optional[Sizes] = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    *,
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
) -> Any:
    """The mean of every window over the pixels inside the image: padding is not counted (PyTorch's
    ``count_include_pad=False``). Arguments and result as those of max_pool2d().
    """
    return compute(
        _make_pooling, ("x",), (x,), ("average", kernel_size, stride, padding, ceil_mode), out, context, queue, wait_for
    )


def max_pool2d_backward(
    dy: Any,
    x: Any,
    kernel_size: Sizes,
    stride: Optional[Sizes] = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    *,
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
) -> Any:
    """The gradient of max_pool2d(): `dy` (n, c, oh, ow) goes to the first of the largest values of `x` (n, c, h, w).

    Returns:
        dx, (n, c, h, w).
    """
    return compute(
        _make_pooling_backward,
        ("dy", "x"),
        (dy, x),
        ("max", None, kernel_size, stride, padding, ceil_mode),
        out,
        context,
        queue,
        wait_for,
    )


def avg_pool2d_backward(
    dy: Any,
    input_shape: Sequence[int],
    kernel_size: Sizes,
    stride: Optional[Sizes] = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    *,
    out: Any = None,
    context: Optional[Context] = None,
    queue: Any = None,
    wait_for: Optional[Sequence[Any]] = None,
) -> Any:
    """The gradient of avg_pool2d(): `dy` (n, c, oh, ow) is spread over its window.

    Returns:
        dx, of `input_shape` (n, c, h, w).
    """
    return compute(
        _make_pooling_backward,
        ("dy", "x"),
        (dy, None),
        ("average", tuple(int(s) for s in input_shape), kernel_size, stride, padding, ceil_mode),
        out,
        context,
        queue,
        wait_for,
    )
