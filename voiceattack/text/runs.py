"""A run directory of texts: the same as of audio, with ``texts.jsonl`` for the artefacts, and audio only when they are spoken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Self

from voiceattack.errors import RunError
from voiceattack.files import writing
from voiceattack.runs.run import Run
from voiceattack.text.edits import Edit, revert
from voiceattack.unicode_text import escape_json

__all__ = ["KIND", "TextExample", "TextRun"]

KIND = "text"


class TextExample(BaseModel):
    """One line of texts.jsonl: one changed text, or what prevented it (``error``).

    ``perturbed`` is None where no change was found, and equals ``text`` never. ``edits`` undo it: see
    :func:`voiceattack.text.edits.revert`. ``expected`` is the right answer as the corpus says, None where it does not.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    source: str
    text: str
    text_sha256: str
    expected: str | None
    perturbed: str | None
    edits: list[dict[str, Any]]
    sizes: dict[str, int | float | None]
    source_victim: str | None
    perturbation: str
    search: str | None
    objective: str
    target: str | None
    clean_audio: str | None = None
    audio: str | None = None
    queries: int
    seconds: float
    seed: int
    recipe: dict[str, Any]
    warnings: list[str] = Field(default_factory=list)
    error: str | None = None

    def undone(self) -> str:
        """The clean text, computed back from ``perturbed``; raises ValueError when the record does not fit."""
        edits = [Edit(**edit) for edit in self.edits]
        return self.text if self.perturbed is None else revert(self.perturbed, edits)


class TextRun(Run):
    """An open run directory of texts."""

    RECORDS: ClassVar[str] = "texts.jsonl"
    FOLDERS: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def create(cls, path: str | Path, request: Mapping[str, Any]) -> Self:
        run = super().create(path, {"kind": KIND, **request})
        if request.get("speak"):
            for folder in ("audio", "clean"):
                with writing(run.path):
                    run.resolve(folder).mkdir(exist_ok=True)
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        run = super().open(path)
        if run.request.get("kind") != KIND:
            raise RunError(f"{path}: is a run of audio, not of texts; give a folder that 'voiceattack text' wrote")
        return run

    def append_text(self, example: TextExample) -> None:
        """Add one line to texts.jsonl; on return it is on the disk. Raises RunError when the disk refuses."""
        self.append_record(escape_json(json.dumps(example.model_dump(), ensure_ascii=False, allow_nan=False)), _whole)

    def texts(self) -> list[TextExample]:
        """All examples, in the order they were finished.

        Raises:
            RunError: a line is damaged, its edits do not undo its change, or it names a path outside the run.
        """
        found: dict[str, TextExample] = {}
        for number, line in enumerate(self.records(_whole), 1):
            try:
                example = TextExample.model_validate(json.loads(line))
                if example.undone() != example.text:
                    raise ValueError("its edits do not give the clean text back")
            except (ValueError, TypeError, RecursionError) as error:
                reason = " ".join(str(error).split())[:200]
                where = f"{self.path / self.RECORDS}:{number}"
                raise RunError(f"{where}: no valid example ({reason}); delete that line to craft it again") from error
            for path in (example.audio, example.clean_audio):
                if path is not None:
                    self.resolve(path)
            found[example.id] = example
        return list(found.values())


def _whole(line: bytes) -> bool:
    try:
        TextExample.model_validate(json.loads(line))
    except (ValueError, RecursionError):
        return False
    return True
