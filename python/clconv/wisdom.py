"""The file of what was measured (the wisdom), from which plans take their choice.

A `path` of None is the user's own file: CLCONV_WISDOM, else wisdom.sqlite in the user's cache folder.

Raises:
    FileError: a file exists and cannot be read or written; it is left alone.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

from . import _core


def path() -> str:
    """The user's own file; ``""`` where wisdom is off."""
    return _core.wisdom_path()


def read(path: Optional[str] = None) -> Dict[str, Any]:
    """``{"path", "records": [...], "unreadable_lines": [...]}``: every record, with its candidates and the best."""
    return json.loads(_core.wisdom_read(path))


def check(path: Optional[str] = None) -> None:
    """Whether records can be kept in the file now: makes it where it is missing, and raises FileError where not."""
    _core.wisdom_check(path)


def export_to(to: str, path: Optional[str] = None) -> None:
    """Writes all records to the file `to`, as JSON lines."""
    _core.wisdom_export(to, path)


def import_from(from_file: str, path: Optional[str] = None) -> int:
    """Merges a file of records, all or nothing.

    Returns:
        The number of records.
    """
    return _core.wisdom_import(from_file, path)


def forget(problem: Optional[str] = None, device: Optional[str] = None, path: Optional[str] = None) -> int:
    """Removes the records of a problem (its text; None: all) on devices whose name contains `device` (None: all).

    Returns:
        The number of records.
    """
    return _core.wisdom_forget(problem, device, path)


def forget_unreadable(path: Optional[str] = None) -> int:
    """Removes the lines that cannot be read, which everything else keeps; returns their number."""
    return _core.wisdom_forget_unreadable(path)
