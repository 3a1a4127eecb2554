"""What victims say, as JSON keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """The same of what JSON has: anybody's own victim may tell anything.

    Numbers and lists of NumPy and PyTorch become Python's, dataclasses mappings, what JSON lacks its ``str``.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and tensors, and numbers of theirs
        return plain(value.tolist())
    return str(value)
