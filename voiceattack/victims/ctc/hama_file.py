"""The file of weights of the package hama (``.hama``), read as data: a list of names, shapes and places, then the numbers."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceattack.errors import VictimError
from voiceattack.files import read_bytes

__all__ = ["read_hama"]

MARK = b"HAMAPK\x01\x02"
DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
ALIGNED = 16
"""Bytes to which the place of the first number is rounded up."""


def read_hama(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, in float32.

    Raises:
        VictimError: it cannot be read, is of another format, or is damaged.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise VictimError(f"{path}: {error}") from error
    if data[: len(MARK)] != MARK:
        raise VictimError(f"{path}: is no file of hama's format")
    try:
        return _tensors(data)
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise VictimError(f"{path}: is damaged ({error})") from error


def _tensors(data: bytes) -> dict[str, Tensor]:
    (count,) = struct.unpack_from("<I", data, len(MARK))
    place, entries = len(MARK) + 4, []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, place)
        name = data[place + 2 : place + 2 + length].decode()
        place += 2 + length
        kind, axes = struct.unpack_from("<BB", data, place)
        shape = struct.unpack_from(f"<{axes}I", data, place + 2)
        begin, size = struct.unpack_from("<QQ", data, place + 2 + 4 * axes)
        place += 2 + 4 * axes + 16
        entries.append((name, DTYPES[kind], shape, begin, size))
    start = -(-place // ALIGNED) * ALIGNED
    found = {}
    for name, dtype, shape, begin, size in entries:
        if size != math.prod(shape) * dtype.itemsize or start + begin + size > len(data):
            raise ValueError(f"tensor {name!r} has another size than its shape says")
        numbers = np.frombuffer(data, dtype, math.prod(shape), start + begin)
        found[name] = torch.from_numpy(numbers.astype(np.float32)).reshape(shape)
    return found
