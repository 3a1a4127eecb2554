"""ONNX Runtime's own file format (``.ort``), read as data: the tensors of a model, by the layer that uses them.

A flatbuffer: tables of offsets to fields, all little-endian. Nothing of it is run; every offset is checked before it is followed.
Fields are those of ``ort.fbs`` in ONNX Runtime 1.22 (MIT).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceattack.errors import VictimError
from voiceattack.files import read_bytes

__all__ = ["Node", "OrtGraph", "read_ort"]

MARK = b"ORTM"
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
}
"""Of ONNX's element types those that such models hold."""
DEEPEST = 4
"""Graphs inside graphs."""


@dataclass(frozen=True)
class Node:
    """An operation: its name, which says the layer it is of, its kind, and the names of its inputs."""

    name: str
    kind: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class OrtGraph:
    """The tensors of a model by name, and its operations, those of branches too."""

    tensors: dict[str, NDArray[Any]]
    nodes: tuple[Node, ...]


def read_ort(path: Path) -> OrtGraph:
    """Read a file whole.

    Raises:
        VictimError: it cannot be read, is of another format, or is damaged.
    """
    try:
        data = memoryview(read_bytes(path))
    except OSError as error:
        raise VictimError(f"{path}: {error}") from error
    if bytes(data[4:8]) != MARK:
        raise VictimError(f"{path}: is no model of ONNX Runtime's format (.ort)")
    try:
        root = _Table(data, _u32(data, 0))
        model = root.table(1)
        graph = None if model is None else model.table(7)
        if graph is None:
            raise ValueError("it holds no graph")
        graphs = list(_graphs(graph, DEEPEST))
        tensors = {name: value for each in graphs for name, value in _tensors(each)}
        return OrtGraph(tensors, tuple(node for each in graphs for node in _nodes(each)))
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise VictimError(f"{path}: is damaged ({error})") from error


def _graphs(graph: _Table, deepest: int) -> Iterator[_Table]:
    if not deepest:
        raise ValueError("graphs lie too deep in each other")
    yield graph
    for node in graph.tables(2):
        for attribute in node.tables(10):
            if (inner := attribute.table(7)) is not None:
                yield from _graphs(inner, deepest - 1)


def _tensors(graph: _Table) -> Iterator[tuple[str, NDArray[Any]]]:
    for one in graph.tables(0):
        count, start = one.vector(2)
        shape = struct.unpack_from(f"<{count}q", one.data, start) if count else ()
        dtype = DTYPES[one.int32(3)]
        size, begin = one.vector(4)
        if size != int(np.prod(shape, dtype=np.int64)) * dtype.itemsize or begin + size > len(one.data):
            raise ValueError(f"tensor {one.text(0)!r} has another size than its shape says")
        yield one.text(0), np.frombuffer(one.data[begin : begin + size], dtype).reshape(shape)


def _nodes(graph: _Table) -> Iterator[Node]:
    for one in graph.tables(2):
        yield Node(one.text(0), one.text(5), tuple(one.texts(8)))


def _u32(data: memoryview, place: int) -> int:
    value: int = struct.unpack_from("<I", data, place)[0]
    return value


class _Table:
    """A flatbuffer's table at ``place``; fields by their number in the schema."""

    def __init__(self, data: memoryview, place: int) -> None:
        self.data, self._place = data, place
        self._fields = place - int(struct.unpack_from("<i", data, place)[0])
        if not 0 <= self._fields < len(data):
            raise ValueError("a table lies outside the file")
        self._count = (struct.unpack_from("<H", data, self._fields)[0] - 4) // 2

    def _at(self, field: int) -> int | None:
        """Where a field's value stands; None where it is left out."""
        if field >= self._count:
            return None
        offset = struct.unpack_from("<H", self.data, self._fields + 4 + 2 * field)[0]
        return self._place + offset if offset else None

    def _target(self, field: int) -> int | None:
        place = self._at(field)
        return None if place is None else place + _u32(self.data, place)

    def int32(self, field: int) -> int:
        """Of a number; 0 where it is left out."""
        place = self._at(field)
        return 0 if place is None else int(struct.unpack_from("<i", self.data, place)[0])

    def table(self, field: int) -> _Table | None:
        """Of a table."""
        target = self._target(field)
        return None if target is None else _Table(self.data, target)

    def vector(self, field: int) -> tuple[int, int]:
        """Elements of a vector, and where the first stands."""
        target = self._target(field)
        return (0, 0) if target is None else (_u32(self.data, target), target + 4)

    def tables(self, field: int) -> list[_Table]:
        """Of a vector of tables."""
        return [_Table(self.data, place) for place in self._targets(field)]

    def text(self, field: int) -> str:
        """Of a string."""
        target = self._target(field)
        return "" if target is None else self._text(target)

    def texts(self, field: int) -> list[str]:
        """Of a vector of strings."""
        return [self._text(place) for place in self._targets(field)]

    def _targets(self, field: int) -> list[int]:
        count, start = self.vector(field)
        if start + 4 * count > len(self.data):
            raise ValueError("a vector ends outside the file")
        return [start + 4 * index + _u32(self.data, start + 4 * index) for index in range(count)]

    def _text(self, place: int) -> str:
        size = _u32(self.data, place)
        return bytes(self.data[place + 4 : place + 4 + size]).decode("utf-8")
