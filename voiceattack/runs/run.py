"""The run directory: what was asked, what was made, what was heard. Durable after kill -9, and never half a line."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError
from typing_extensions import Self

from voiceattack.commands import command_line
from voiceattack.errors import RunError
from voiceattack.files import append_line, inside, one_line, open_regular, read_bytes, whole_lines, write_whole, writing
from voiceattack.locks import LOCK_FILE
from voiceattack.runs.checks import check_info, check_summary
from voiceattack.runs.provenance import adversarial_comment, canonical, environment, example_id, example_seed, run_id, slug
from voiceattack.runs.record_types import RecordError, check
from voiceattack.runs.records import AnyResult, Example, Result, TextResult
from voiceattack.unicode_text import escape_json

__all__ = ["Example", "Run", "adversarial_comment", "environment", "example_id", "example_seed", "slug"]

Line = TypeVar("Line", bound=AnyResult)
Parsed = TypeVar("Parsed")
ADVICE = "free some space, check permissions, or choose another folder"
REMAINS = (".run.json.part", LOCK_FILE)
"""What a process that was killed as it began may have left."""


class Run:
    """An open run directory; made by :meth:`create` or :meth:`open`.

    Attributes:
        path: the directory.
        info: run.json whole: ``request, run_id, versions, platform, git_commit, normalizer, created``.
    """

    RECORDS: ClassVar[str] = "examples.jsonl"
    FOLDERS: ClassVar[tuple[str, ...]] = ("audio", "clean")

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info

    @classmethod
    def create(cls, path: str | Path, request: Mapping[str, Any]) -> Self:
        """Start a run, or resume the one there if it was asked the same.

        When it is resumed under other versions, run.json names the new ones and keeps the old under ``earlier``.

        Args:
            path: new, empty, or the directory of the same request.
            request: JSON-safe; all that decides the results and nothing else (no times, no machine).

        Raises:
            RunError: another request's run or other files are there (the message names what differs), or it cannot be written.
        """
        path = Path(path)
        asked: dict[str, Any] = json.loads(canonical(request))
        with writing(path, ADVICE):
            if (path / "run.json").exists():
                run = cls.open(path)
                run._check_same(asked)
                run._note_versions()
            else:
                if path.is_dir() and (others := [item.name for item in path.iterdir() if item.name not in REMAINS]):
                    raise RunError(f"{path}: holds other files ({min(others)}) and no run.json; choose a new or an empty folder")
                path.mkdir(parents=True, exist_ok=True)
                created = datetime.now(timezone.utc).isoformat(timespec="seconds")
                run = cls(path, {"request": asked, "run_id": run_id(asked), **environment(), "created": created})
                run._write_json("run.json", run.info)
            for folder in cls.FOLDERS:
                run.resolve(folder).mkdir(exist_ok=True)
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a run that exists.

        Raises:
            RunError: no run.json there, or it is damaged.
        """
        path = Path(path)
        file = path / "run.json"
        try:
            info = json.loads(read_bytes(inside(path, "run.json")))
            check_info(info)
            if run_id(info["request"]) != info["run_id"]:
                raise RunError(f"{file}: the request was edited after the run began; start a new run in another folder")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(f"{path}: is no run (it holds no run.json); give a folder that 'voiceattack attack' wrote") from error
        except OSError as error:
            raise RunError(f"{file}: cannot be read ({one_line(error)}); check its permissions") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(
                f"{file}: damaged ({type(error).__name__}: {one_line(error)}); restore it or start a new run"
            ) from error
        return cls(path, info)

    @property
    def id(self) -> str:
        """12 hexadecimal digits derived from the request alone: the same request has the same id anywhere, any time."""
        return str(self.info["run_id"])

    @property
    def request(self) -> dict[str, Any]:
        """What was asked."""
        request: dict[str, Any] = self.info["request"]
        return request

    def audio_path(self, id: str) -> Path:
        """Where the artefact of an example goes; raises RunError when ``id`` is no safe file name."""
        return self.resolve(f"audio/{_safe(id)}.flac")

    def clean_path(self, source_id: str) -> Path:
        """Where the clean clip goes; raises RunError when ``source_id`` is no safe file name."""
        return self.resolve(f"clean/{_safe(source_id)}.flac")

    def resolve(self, relative: str) -> Path:
        """A path of the run's records or files, as a path to open or to write.

        Raises:
            RunError: it is absolute or leaves the run directory, also through a symbolic link.
        """
        return inside(self.path, relative)

    def output(self, path: Path) -> Path:
        """A path that the user named to write to: any, but if it lies in the run directory, no link there may lead out of it.

        Raises:
            RunError: one does.
        """
        whole, root = os.path.abspath(path), os.path.join(os.path.abspath(self.path), "")
        return self.resolve(whole.removeprefix(root)) if whole.startswith(root) else path

    def append(self, example: Example) -> None:
        """Add one line to examples.jsonl; on return it is on the disk.

        Raises:
            RunError: the disk refuses (full, read-only); the lines already there stay whole.
        """
        self.append_record(_dumps(example.model_dump()), _is_example)

    def append_record(self, line: str, is_whole: Callable[[bytes], bool]) -> None:
        """Add one line to :attr:`RECORDS`; raises RunError when the disk refuses."""
        file = self.resolve(self.RECORDS)
        with writing(file, ADVICE):
            append_line(file, line.encode(), is_whole)

    def examples(self) -> list[Example]:
        """All examples, in the order they were finished; of two lines with one id the later counts.

        A last line torn by a killed run is dropped.

        Raises:
            RunError: a line is damaged, or names a path outside the run.
        """
        file = self.path / "examples.jsonl"
        found: dict[str, Example] = {}
        for number, line in enumerate(self.records(_is_example), 1):
            try:
                example = Example.model_validate(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise RunError(
                    f"{file}:{number}: no valid example ({_why(error)}); delete that line to craft it again"
                ) from error
            self._check_paths(example.audio, example.clean_audio)
            found[example.id] = example
        return list(found.values())

    def done_ids(self) -> set[str]:
        """Ids of the examples there, failed ones too."""
        return {example.id for example in self.examples()}

    def result(self, model: type[Line], line: Mapping[str, Any], otherwise: Mapping[str, Any]) -> Line:
        """A line made of an example and of what a victim answered to it, which may be anything.

        Args:
            model: of the line.
            line: with the answer.
            otherwise: the line of an example that failed, taken where the answer is nothing that a line can hold.

        Raises:
            RunError: it is the example that no line can hold.
        """
        try:
            return check(model, line)
        except RecordError as answer:
            try:
                return check(model, {**otherwise, "outcome": "error", "error": f"the answer cannot be kept ({answer})"})
            except RecordError as error:
                raise RunError(
                    f"{self.path / self.RECORDS}: example {line['id']} is damaged ({error}); delete its line to craft it again"
                ) from error

    def write_results(self, results: Iterable[AnyResult]) -> None:
        """Write results.jsonl whole; numbers that are not finite become null. Raises RunError when the disk refuses."""
        self._write("results.jsonl", "".join(_dumps(result.as_json()) + "\n" for result in results))

    def results(self) -> list[Result]:
        """The lines of results.jsonl of a run of audio.

        Raises:
            RunError: a run of texts, not evaluated yet, a damaged line, or a path outside the run.
        """
        return list(self.each_result())

    def each_result(self) -> Iterator[Result]:
        """The lines of results.jsonl one at a time, for runs of any size; raises as :meth:`results` does."""
        if self.request.get("kind") is not None:
            raise RunError(
                f"{self.path}: is a run of texts, and this is for runs of audio; its own: voiceattack report, evaluate"
            )
        return self._read_results(Result)

    def text_results(self) -> list[TextResult]:
        """The lines of results.jsonl of a run of texts; raises as :meth:`results` does, but for a run of audio."""
        return list(self._read_results(TextResult))

    def any_results(self) -> Iterator[AnyResult]:
        """The lines of results.jsonl of a run of either kind, one at a time; raises as :meth:`results` does, but for none."""
        return self._read_results(TextResult if self.request.get("kind") == "text" else Result)

    def _read_results(self, model: type[Line]) -> Iterator[Line]:
        file = self.resolve("results.jsonl")
        try:
            with open_regular(file) as stream:
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        result = self._parse(line, f"results.jsonl:{number}", lambda value: check(model, value))
                        self._check_paths(result.audio, result.clean_audio)
                        yield result
        except FileNotFoundError as error:
            raise RunError(f"{self.path}: has no results.jsonl yet; run: {command_line('evaluate', self.path)}") from error
        except OSError as error:
            raise RunError(f"{file}: cannot be read ({one_line(error)}); check its permissions") from error

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json whole; numbers that are not finite become null. Raises RunError when the disk refuses."""
        self._write_json("summary.json", summary)

    def summary(self) -> dict[str, Any]:
        """summary.json; raises RunError when it is missing (not evaluated yet) or damaged."""
        kind = self.request.get("kind")
        return self._parse(self._read("summary.json"), "summary.json", lambda value: check_summary(value, kind))

    def note_victim(self, spec: str, facts: Mapping[str, Any]) -> None:
        """Keep in run.json, under ``victims``, what the victim of this spec says of itself (``Victim.describe``).

        Raises:
            RunError: it cannot be written.
        """
        told = json.loads(json.dumps(_finite(facts), default=str))  # a user's own victim may say anything
        known = self.info.get("victims", {})
        if known.get(spec) != told:
            self.info = {**self.info, "victims": {**known, spec: told}}
            self._write_json("run.json", self.info)

    def _check_same(self, request: dict[str, Any]) -> None:
        difference = _difference(self.request, request)
        if difference is not None:
            key, old, new = difference
            raise RunError(
                f"{self.path}: holds a run that differs in {key!r} ({_short(old)} there, {_short(new)} asked); "
                "choose another folder, or ask the same to resume it"
            )

    def _note_versions(self) -> None:
        now = environment()
        before = {key: self.info.get(key) for key in now}
        if before != now:
            self.info = {**self.info, **now, "earlier": [*self.info.get("earlier", []), before]}
            self._write_json("run.json", self.info)

    def _check_paths(self, *paths: str | None) -> None:
        for path in paths:
            if path is not None:
                self.resolve(path)

    def records(self, is_whole: Callable[[bytes], bool]) -> list[bytes]:
        """The lines of :attr:`RECORDS`, a torn last one left out; raises RunError when the file cannot be read."""
        file = self.resolve(self.RECORDS)
        try:
            return whole_lines(file, is_whole)
        except OSError as error:
            raise RunError(f"{file}: cannot be read ({one_line(error)}); check its permissions") from error

    def _read(self, name: str) -> bytes:
        try:
            return read_bytes(self.resolve(name))
        except FileNotFoundError as error:
            raise RunError(f"{self.path}: has no {name} yet; run: {command_line('evaluate', self.path)}") from error
        except OSError as error:
            raise RunError(f"{self.path / name}: cannot be read ({one_line(error)}); check its permissions") from error

    def _parse(self, data: bytes, where: str, read: Callable[[dict[str, Any]], Parsed]) -> Parsed:
        try:
            value = json.loads(data)
            if isinstance(value, dict):
                return read(value)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.path}/{where}: damaged ({_why(error)}); {self._mended_by(where)}") from error
        raise RunError(f"{self.path}/{where}: damaged (no JSON object); {self._mended_by(where)}")

    def _mended_by(self, where: str) -> str:
        first = (
            "delete that line, and " if where.startswith("results") else ""
        )  # evaluate keeps the other lines, so it reads them
        return f"{first}run: {command_line('evaluate', self.path)}"

    def _write(self, name: str, text: str) -> None:
        file = self.resolve(name)
        with writing(file, ADVICE):
            write_whole(file, text.encode())

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self._write(name, _dumps(value, indent=2) + "\n")


def _safe(id: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", id):
        raise RunError(f"{id!r} is no example id (lower-case letters, digits, '.', '_' and '-')")
    return id


def _difference(old: Any, new: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """The first place where two JSON values differ: its dotted key and both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            found = _difference(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
            if found:
                return found
        return None if old.keys() == new.keys() else (key or "request", old, new)
    return None if old == new and type(old) is type(new) else (key, old, new)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _dumps(value: Any, indent: int | None = None) -> str:
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return escape_json(text)


def _finite(value: Any) -> Any:
    """The same value with numbers that JSON lacks (NaN, infinity) as None, and tensor or NumPy scalars as Python's."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if value is not None and not isinstance(value, (str, int, float)) and hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_example(line: bytes) -> bool:
    try:
        Example.model_validate(json.loads(line))
    except (ValueError, RecursionError):
        return False
    return True


def _why(error: Exception) -> str:
    """The first reason alone, on one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']}"
    return one_line(error)
