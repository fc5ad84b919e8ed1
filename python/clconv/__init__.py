"""2-D convolution and whole networks on any OpenCL device, GPU or CPU, with a planner that says why.

    import numpy as np, clconv
    x, w = np.ones((1, 3, 227, 227), "f4"), np.ones((96, 3, 11, 11), "f4")
    y = clconv.conv2d(x, w, stride=4, activation="relu")

Letters: n images, c channels, h w height and width, k filters, kh kw their size. docs/python.md is the guide.
"""

from . import wisdom
from ._batch import Batch
from ._context import (
    Context,
    Plan,
    Problem,
    default_context,
    devices,
    explain_profile,
    pin_pocl_threads,
    set_default_context,
)
from ._core import version as _version
from ._errors import (
    BuildFailed,
    ConstraintError,
    Error,
    FileError,
    GemmError,
    InternalError,
    InvalidArgument,
    InvalidModel,
    InvalidProblem,
    NoDevice,
    OpenCLError,
    OutOfMemory,
    Unsupported,
)
from ._functions import (
    avg_pool2d,
    avg_pool2d_backward,
    col2im,
    conv2d,
    conv2d_backward_bias,
    conv2d_backward_data,
    conv2d_backward_weights,
    conv_transpose2d,
    im2col,
    max_pool2d,
    max_pool2d_backward,
)
from ._report import NetworkReport, Report
from .network import InferenceSession, Network, supported

__version__ = _version()

__all__ = [
    "Batch",
    "BuildFailed",
    "ConstraintError",
    "Context",
    "Error",
    "FileError",
    "GemmError",
    "InferenceSession",
    "InternalError",
    "InvalidArgument",
    "InvalidModel",
    "InvalidProblem",
    "Network",
    "NetworkReport",
    "NoDevice",
    "OpenCLError",
    "OutOfMemory",
    "Plan",
    "Problem",
    "Report",
    "Unsupported",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward_bias",
    "conv2d_backward_data",
    "conv2d_backward_weights",
    "conv_transpose2d",
    "default_context",
    "devices",
    "explain_profile",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "pin_pocl_threads",
    "set_default_context",
    "supported",
    "wisdom",
]
