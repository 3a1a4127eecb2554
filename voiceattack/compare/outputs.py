"""What a comparison is written as: JSON, Markdown, HTML and JUnit, chosen by a file's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from voiceattack.compare.html import to_html
from voiceattack.compare.judged import Judged
from voiceattack.compare.junit import to_junit
from voiceattack.compare.text import to_markdown
from voiceattack.errors import UnknownNameError
from voiceattack.files import write_whole, writing

__all__ = ["FORMATS", "check_outputs", "write_outputs"]


def to_json(found: Sequence[Judged]) -> str:
    """Of one run as it always was; of several ``runs``, a list of the same."""
    runs = [_as_dict(one) for one in found]
    return json.dumps(runs[0] if len(runs) == 1 else {"runs": runs}, ensure_ascii=False, indent=1) + "\n"


FORMATS: dict[str, Callable[[Sequence[Judged]], str]] = {
    ".json": to_json,
    ".md": to_markdown,
    ".html": to_html,
    ".xml": to_junit,
}


def check_outputs(paths: Sequence[Path]) -> None:
    """Raise :class:`~voiceattack.errors.UnknownNameError` for a suffix that names no format."""
    for path in paths:
        if path.suffix.lower() not in FORMATS:
            raise UnknownNameError(f"output {path}: suffix {path.suffix!r} names no format; formats: {', '.join(FORMATS)}")


def write_outputs(found: Sequence[Judged], paths: Sequence[Path]) -> None:
    """Write each, as its name says.

    Raises:
        RunError: a file cannot be written.
        UnknownNameError: no such format.
    """
    check_outputs(paths)
    for path in paths:
        with writing(path, "make room or choose another file"):
            write_whole(path, FORMATS[path.suffix.lower()](found).encode("utf-8", "replace"))


def _as_dict(one: Judged) -> dict[str, Any]:
    broken = [{"rule": each.rule.text, "of": each.group.name, "why": each.reason} for each in one.failed]
    return {**one.comparison.as_dict(), "baseline": str(one.baseline), "run": str(one.run), "broken": broken}
