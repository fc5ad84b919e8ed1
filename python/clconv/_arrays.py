"""What operands are: host arrays (NumPy, and what has ``__dlpack__`` on the host) and arrays of PyOpenCL."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy as np

from ._errors import InvalidArgument

try:
    from ml_dtypes import bfloat16 as _bfloat16
except ImportError:
    _BFLOAT16: Optional[np.dtype] = None
else:
    _BFLOAT16 = np.dtype(_bfloat16)

#: The library's word for a type of elements.
WORDS = {np.dtype(np.float32): "float32", np.dtype(np.float16): "float16"}
if _BFLOAT16 is not None:
    WORDS[_BFLOAT16] = "bfloat16"


def numpy_type(word: str) -> np.dtype:
    """The NumPy type of the library's word."""
    for dtype, known in WORDS.items():
        if known == word:
            return dtype
    raise InvalidArgument(f"dtype is {word!r}: NumPy has it only with the package ml_dtypes")


def is_device(array: Any) -> bool:
    """Whether it is a pyopencl.array.Array."""
    return hasattr(array, "base_data")


def operand(array: Any, name: str) -> Any:
    """`array` as one of the two kinds: an Array of PyOpenCL or a NumPy array over the same memory."""
    if isinstance(array, np.ndarray) or is_device(array):
        return array
    if hasattr(array, "__dlpack__"):
        try:
            return np.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError) as error:
            raise InvalidArgument(
                f"{name} is of type {type(array).__name__}, which NumPy cannot take: {error}"
            ) from error
    if hasattr(array, "int_ptr"):
        raise InvalidArgument(
            f"{name} is a buffer, which has no shape: pass a pyopencl.array.Array, or use Plan.execute()"
        )
    return np.asarray(array)


def word_of(array: Any, name: str) -> str:
    """The type of the elements as the library's word."""
    word = WORDS.get(array.dtype)
    if word is None:
        more = "" if _BFLOAT16 is not None else " (bfloat16 needs the package ml_dtypes)"
        raise InvalidArgument(
            f"{name} has type {array.dtype}, expected float32, float16 or bfloat16{more}: {name}.astype('float32')"
        )
    return word


def _in_c_order(array: Any) -> bool:
    return bool(array.flags.c_contiguous)


def require(array: Any, name: str, shape: Tuple[Optional[int], ...], text: str, dtype: Any = None) -> None:
    """Refuses an array of another shape, type or order.

    ``None`` in `shape` is any size; `text` says what is expected.
    """
    given = tuple(array.shape)
    if len(given) != len(shape) or any(s is not None and s != g for s, g in zip(shape, given)):
        raise InvalidArgument(f"{name} has shape {given}, expected {text}")
    if dtype is not None and array.dtype != dtype:
        raise InvalidArgument(f"{name} has type {array.dtype}, the other operands have {dtype}")
    if not _in_c_order(array):
        raise InvalidArgument(
            f"{name} has strides {tuple(array.strides)}, expected C order: np.ascontiguousarray({name})"
        )


def empty(shape: Tuple[int, ...], dtype: np.dtype, alignment: int) -> np.ndarray:
    """A host array that starts at a multiple of `alignment` bytes, as every plan of a CPU device takes it."""
    size = dtype.itemsize
    for s in shape:
        size *= s
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.__array_interface__["data"][0] % alignment
    return memory[start : start + size].view(dtype).reshape(shape)


def plain(array: Optional[np.ndarray]) -> Optional[np.ndarray]:
    """`array` for the extension: Python's buffer protocol has no bfloat16."""
    return array.view(np.uint16) if array is not None and array.dtype == _BFLOAT16 else array
