"""Sizes of convolutions from the arguments that people write: strides, padding, shapes of operands."""

from __future__ import annotations

from typing import Any, NamedTuple, Tuple

from ._errors import InvalidArgument


class Window(NamedTuple):
    """Stride, padding and dilation, height first."""

    sh: int
    sw: int
    pt: int
    pl: int
    pb: int
    pr: int
    dh: int
    dw: int


def integer(value: Any, name: str) -> int:
    try:
        return value.__index__()
    except AttributeError:
        raise InvalidArgument(f"{name} is {value!r}, expected a whole number") from None


def pair(value: Any, name: str) -> Tuple[int, int]:
    """A number for both directions, or (height, width)."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise InvalidArgument(f"{name} is {value!r}, expected a number or (height, width)")
        return integer(value[0], name), integer(value[1], name)
    number = integer(value, name)
    return number, number


def _same(size: int, filter_size: int, stride: int, dilation: int, lower: bool) -> Tuple[int, int]:
    """ONNX's SAME_UPPER and SAME_LOWER: as many results as there are strides in the image."""
    results = -(-size // stride)
    total = max(0, (results - 1) * stride + dilation * (filter_size - 1) + 1 - size)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


_PADDING = (
    "a number, (height, width), (top, left, bottom, right), ((top, bottom), (left, right)), 'valid', 'same' or "
    "'same_lower'"
)


def window(stride: Any, padding: Any, dilation: Any, image: Tuple[int, int], filter_size: Tuple[int, int]) -> Window:
    """The arguments `stride`, `padding` and `dilation` for an image and a filter of (height, width)."""
    sh, sw = pair(stride, "stride")
    dh, dw = pair(dilation, "dilation")
    if min(sh, sw) < 1:
        raise InvalidArgument(f"stride is {stride!r}, expected 1 or more")
    if isinstance(padding, str):
        word = padding.replace("-", "_")
        if word == "valid":
            return Window(sh, sw, 0, 0, 0, 0, dh, dw)
        if word not in ("same", "same_lower"):
            raise InvalidArgument(f"padding is {padding!r}, expected {_PADDING}")
        pt, pb = _same(image[0], filter_size[0], sh, dh, word != "same")
        pl, pr = _same(image[1], filter_size[1], sw, dw, word != "same")
        return Window(sh, sw, pt, pl, pb, pr, dh, dw)
    if isinstance(padding, (tuple, list)):
        flat = list(padding)
        if len(flat) == 2 and all(isinstance(p, (tuple, list)) and len(p) == 2 for p in flat):
            flat = [flat[0][0], flat[1][0], flat[0][1], flat[1][1]]
        elif len(flat) == 2:
            flat = [flat[0], flat[1], flat[0], flat[1]]
        if len(flat) != 4:
            raise InvalidArgument(f"padding is {padding!r}, expected {_PADDING}")
        pt, pl, pb, pr = (integer(p, "padding") for p in flat)
        return Window(sh, sw, pt, pl, pb, pr, dh, dw)
    p = integer(padding, "padding")
    return Window(sh, sw, p, p, p, p, dh, dw)


def images(shape: Tuple[int, ...], layout: str, name: str) -> Tuple[int, int, int, int]:
    """(n, c, h, w) of an operand with images."""
    order = layout_of(layout)
    if len(shape) != 4:
        raise InvalidArgument(f"{name} has shape {tuple(shape)}, expected 4 dimensions ({', '.join(order)})")
    n, a, b, c = map(int, shape)
    return (n, c, a, b) if order == "nhwc" else (n, a, b, c)


def layout_of(layout: str) -> str:
    word = str(layout).lower()
    if word not in ("nchw", "nhwc"):
        raise InvalidArgument(f"layout is {layout!r}, expected 'nchw' or 'nhwc'")
    return word


def filters(shape: Tuple[int, ...], layout: str, name: str = "w") -> Tuple[int, int, int, int]:
    """(k, channels of a group, kh, kw) of the weights."""
    word = str(layout).lower()
    if word not in ("kcrs", "krsc"):
        raise InvalidArgument(f"weights_layout is {layout!r}, expected 'kcrs' or 'krsc'")
    if len(shape) != 4:
        expected = "(k, c/groups, kh, kw)" if word == "kcrs" else "(k, kh, kw, c/groups)"
        raise InvalidArgument(f"{name} has shape {tuple(shape)}, expected 4 dimensions {expected}")
    k, a, b, c = map(int, shape)
    return (k, c, a, b) if word == "krsc" else (k, a, b, c)


def check_groups(c: int, k: int, channels: int, groups: Any, x: Any, w: Any) -> int:
    """Channels of `x`, filters, and channels of a group must fit each other."""
    g = integer(groups, "groups")
    if g < 1 or c % g != 0 or k % g != 0:
        raise InvalidArgument(
            f"groups is {g}, expected a divisor of {c} channels and of {k} filters: x has shape {tuple(x)}, "
            f"w {tuple(w)}"
        )
    if channels != c // g:
        raise InvalidArgument(
            f"w has shape {tuple(w)} with {channels} channels a filter, expected {c // g}: x has shape {tuple(x)} with "
            f"{c} channels, groups is {g}"
        )
    return g
