"""Convolution with gradients for PyTorch's CPU tensors. Needs PyTorch, which the package does not install.

Tensors are used where they lie, without copies on a CPU device. Gradients are computed by clconv, too; gradients of
gradients are not.
"""

from __future__ import annotations

from typing import Any, Optional, Tuple, Union

import torch
from torch.autograd.function import once_differentiable

from . import _arrays, _functions
from ._errors import InvalidArgument

_Size = Union[int, Tuple[int, int]]
#: Activations whose derivative follows from their result.
_ACTIVATIONS = (None, "relu", "relu6", "leaky-relu", "hard-sigmoid", "sigmoid", "tanh")


def _array(tensor: Optional[torch.Tensor], name: str) -> Any:
    """The tensor's memory as a NumPy array."""
    if tensor is None:
        return None
    if tensor.device.type != "cpu":
        raise InvalidArgument(f"{name} is on {tensor.device}, expected a CPU tensor")
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(_arrays.numpy_type("bfloat16"))
    return tensor.numpy()


def _tensor(array: Any) -> torch.Tensor:
    if _arrays.WORDS[array.dtype] == "bfloat16":
        return torch.from_numpy(array.view("int16")).view(torch.bfloat16)
    return torch.from_numpy(array)


class _Conv2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, bias: Any, window: Any, activation: Any, slope: Any) -> Any:
        arrays = _array(x, "x"), _array(w, "w"), _array(bias, "bias")
        y = _tensor(_functions.conv2d(*arrays, *window, activation, slope=slope))
        ctx.window, ctx.activation, ctx.slope = window, activation, slope
        ctx.save_for_backward(x, w, y if activation else None)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Any) -> Any:
        x, w, y = ctx.saved_tensors
        gradient, dx, dw, db = _array(dy, "the gradient"), None, None, None
        fused = {"y": _array(y, "y"), "activation": ctx.activation, "slope": ctx.slope} if ctx.activation else {}
        if ctx.needs_input_grad[0]:
            dx = _tensor(_functions.conv2d_backward_data(gradient, _array(w, "w"), x.shape, *ctx.window, **fused))
        if ctx.needs_input_grad[1]:
            size = tuple(w.shape[2:])
            dw = _tensor(_functions.conv2d_backward_weights(_array(x, "x"), gradient, size, *ctx.window, **fused))
        if ctx.needs_input_grad[2]:
            db = _tensor(_functions.conv2d_backward_bias(gradient, **fused))
        return dx, dw, db, None, None, None


def conv2d(
    x: torch.Tensor,
    w: torch.Tensor,
    bias: Optional[torch.Tensor] = None,
    stride: _Size = 1,
    padding: Union[_Size, str] = 0,
    dilation: _Size = 1,
    groups: int = 1,
    activation: Optional[str] = None,
    slope: Optional[float] = None,
) -> torch.Tensor:
    """``torch.nn.functional.conv2d`` by clconv, with an activation in the same pass.

    Args:
        x, w, bias: CPU tensors of float32, float16 or bfloat16: (n, c, h, w), (k, c/groups, kh, kw), (k).
        activation: None, ``"relu"``, ``"relu6"``, ``"leaky-relu"``, ``"hard-sigmoid"``, ``"sigmoid"`` or ``"tanh"``.
        slope: of leaky ReLU and hard sigmoid; at least 0 where gradients are wanted.

    The other arguments are those of clconv.conv2d(). Gradients flow to x, w and bias.
    """
    if activation not in _ACTIVATIONS and (x.requires_grad or w.requires_grad):
        raise InvalidArgument(f"activation is {activation!r}, whose gradient cannot be computed from its result")
    return _Conv2d.apply(x, w, bias, (stride, padding, dilation, groups), activation, slope)


class Conv2d(torch.nn.Conv2d):
    """``torch.nn.Conv2d`` whose convolution is clconv's; zero padding."""

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: Optional[torch.Tensor]) -> torch.Tensor:
        if self.padding_mode != "zeros":
            raise InvalidArgument(f"padding_mode is {self.padding_mode!r}, expected 'zeros'")
        return conv2d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
