"""Several runs, of audio and of texts, as one Markdown report: their figures, what a home did in all of them, links to each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voiceattack.files import write_whole, writing
from voiceattack.report import render
from voiceattack.report.console import number, with_interval
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.markdown_text import link as markdown_link
from voiceattack.report.sections.home import home_lines, home_section
from voiceattack.runs.run import Run

__all__ = ["render_joint"]


def render_joint(runs: Sequence[Run], path: Path) -> Path:
    """Write one report of ``runs`` to ``path``, and each run's own ``report.md`` that it links to.

    Raises:
        RunError: a run is not evaluated yet, or a file cannot be written.
    """
    for run in runs:
        render(run, ["md"])
    warning = "What these runs hold is adversarial: made to be misheard or misread. Use it on systems that you own.\n"
    parts = [f"# voiceattack report: {len(runs)} runs\n\n{warning}", _figures(runs, path), _homes(runs, path)]
    with writing(path, "choose another file"):
        write_whole(path, "\n".join(part for part in parts if part).encode())
    return path


def _relative(run: Run, name: str, path: Path) -> str:
    return Path(os.path.relpath(run.path / name, path.parent)).as_posix()


def _figures(runs: Sequence[Run], path: Path) -> str:
    lines = []
    for run in runs:
        for group in run.summary()["groups"]:
            made = group.get("perturbation") or ("equal-SNR noise (control)" if group.get("is_control") else group["attack"])
            asked = code(group["victim"]) if group["victim"] else "-"
            success = with_interval(group["success_rate"], group["success_ci95"]) + f" of {group['n_scored']}"
            facts = (escape(made), escape(group["objective"]), asked, success, str(group["n_clean_wrong"]), str(group["n_error"]))
            lines.append((markdown_link(run.path.name, _relative(run, "report.md", path)), *facts, _snr(group)))
    head = (
        "run",
        "attack or change",
        "objective",
        "heard or read by",
        "success [95%]",
        "wrong when clean",
        "errors",
        "SNR dB, median",
    )
    return "\n## Figures\n\n" + table(head, lines)


def _snr(group: dict[str, Any]) -> str:
    return number(group.get("snr_db_median"), 1)


def _homes(runs: Sequence[Run], path: Path) -> str:
    lines = []
    for run in runs:

        def link(id: str, file: str | None, run: Run = run) -> str:
            return markdown_link(id, _relative(run, file, path)) if file else escape(id)

        lines += home_lines((result for result in run.any_results() if not result.is_stage), link)
    return home_section(lines)
