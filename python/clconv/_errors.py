"""The exceptions of the package. Each stands for a status of the C library, which ``Error.status`` has."""

from __future__ import annotations

from . import _core


class Error(RuntimeError):
    """Any failure of the library.

    Attributes:
        status: the number of the status, as in clconv.h.
        detail: what does not fit a line, such as a compiler's log; often ``""``.
    """

    status = 10

    def __init__(self, text: str = "", detail: str = "") -> None:
        super().__init__(text)
        self.detail = detail

    @property
    def status_name(self) -> str:
        """The name of the status, such as ``"CLCONV_INVALID_PROBLEM"``."""
        return _core.status_name(self.status)


class InvalidArgument(Error, ValueError):
    """An argument is wrong: the text has its name, its value or shape, and what was expected."""

    status = 1


class InvalidProblem(Error, ValueError):
    """Sizes do not make a convolution: the text names the field."""

    status = 2


class ConstraintError(Error):
    """Nothing can run under the constraints given: the text has every strategy's reason."""

    status = 3


class NoDevice(Error):
    """There is no OpenCL device, or none that matches."""

    status = 4


class BuildFailed(Error):
    """A kernel did not compile: ``detail`` is the log."""

    status = 5


class OutOfMemory(Error, MemoryError):
    """Not enough memory on the device or the host."""

    status = 6


class OpenCLError(Error):
    """A call of OpenCL failed; also every use after ``fork()`` of a process that had used OpenCL."""

    status = 7


class GemmError(Error):
    """CLBlast refused a matrix product."""

    status = 8


class FileError(Error):
    """A file cannot be read or written."""

    status = 9


class InternalError(Error):
    """A bug in clconv."""

    status = 10


class InvalidModel(Error, ValueError):
    """A model is damaged, or its shapes do not fit each other: the text names the node."""

    status = 11


class Unsupported(Error, NotImplementedError):
    """A model needs what is not supported: the text names the node, its operator and the opset."""

    status = 12


_classes = {c.status: c for c in Error.__subclasses__()}


def of_status(status: int, text: str, detail: str = "") -> Error:
    """The exception for a status of the C library."""
    error = _classes.get(status, Error)(text, detail)
    error.status = status
    return error
