"""The Markdown report: what was asked, the figures with their controls, what failed and how near it came, every example."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from voiceattack.commands import command_line
from voiceattack.errors import AudioError
from voiceattack.evaluate.summary import attack_name
from voiceattack.files import inside, write_whole, writing
from voiceattack.objectives import wanted
from voiceattack.report.actions import actions
from voiceattack.report.commands import replay_command, run_name
from voiceattack.report.console import normalizer_of, number, rate_label, with_interval
from voiceattack.report.corruptions import corruptions
from voiceattack.report.home import home_did
from voiceattack.report.markdown_text import code, escape, link, table
from voiceattack.report.plots import draw_example
from voiceattack.report.terms import terms
from voiceattack.report.text import render_text
from voiceattack.report.transfer import robustness, transfer
from voiceattack.runs.run import Run
from voiceattack.unicode_text import visible

__all__ = ["render", "render_at"]

Row = dict[str, Any]


def render(run: Run) -> Path:
    """Write ``report.md`` and ``plots/<id>.png`` into the run; the path of the former.

    Raises:
        RunError: not evaluated yet, or cannot be written.
    """
    return render_at(run, run.path / "report.md")


def render_at(run: Run, path: Path) -> Path:
    """As :func:`render`, to ``path`` and ``plots/`` beside it; the run is only read.

    Raises:
        RunError: not evaluated yet, or cannot be written.
    """
    path = run.output(path)
    if run.request.get("kind") == "text":
        return _write(run, path, render_text(run))
    every, summary = run.results(), run.summary()
    rows = [row for row in every if row.get("stage_of") is None]
    with _writing(run, path):
        pictures = {row["id"]: _picture(run, row, path.parent) for row in rows if row["audio"] and row["control_for"] is None}
        parts = [
            _head(run),
            _figures(summary),
            _notes(summary),
            transfer(every),
            robustness(every, path.parent),
            corruptions(every, path.parent),
            actions(rows),
            home_did(rows),
            terms(summary, rows),
            _apart(rows),
        ]
        parts += [*_examples(run, rows, pictures), _how(run)]
    return _write(run, path, "\n".join(part for part in parts if part))


def _write(run: Run, path: Path, text: str) -> Path:
    with _writing(run, path):
        write_whole(path, visible(text).encode())
    return path


def _writing(run: Run, path: Path) -> AbstractContextManager[None]:
    return writing(path, f"make room, then: {command_line('report', run.path)}")


def _head(run: Run) -> str:
    request = run.request
    budget = request.get("budget", {}).items()
    limits = ", ".join(f"{name} {limit if isinstance(limit, str) else format(limit, 'g')}" for name, limit in budget) or "none"
    params = ", ".join(f"{name}={value}" for name, value in request.get("params", {}).items()) or "none"
    goal = escape(request.get("objective", "untargeted")) + (
        f', target "{escape(request["target"])}"' if request.get("target") else ""
    )
    facts = [
        ("victim attacked", code(request.get("victim"))),
        ("attack", f"{code(request.get('attack'))} ({escape(params)})"),
        ("objective", goal),
        ("budget", escape(limits)),
        ("seed", escape(request.get("seed"))),
        ("run", f"{code(run.id)}, begun {escape(run.info.get('created', ''))}"),
        ("normaliser", escape(normalizer_of(run))),
    ]
    warning = "The files under `audio/` are adversarial: made to be misheard. Use them on systems that you own.\n"
    return f"# voiceattack report\n\n{warning}\n" + table(("asked", ""), facts)


def _figures(summary: dict[str, Any]) -> str:
    groups = sorted(summary["groups"], key=lambda group: (group["victim"], group["is_control"]))
    rows = []
    for group in groups:
        name = "equal-SNR noise (control)" if group["is_control"] else escape(f"{attack_name(group)}, {group['objective']}")
        success = with_interval(group["success_rate"], group["success_ci95"]) + f" of {group['n_scored']}"
        wer = with_interval(group["wer"], group["wer_ci95"])
        sizes = [
            number(group[f"{size}_median"], digits)
            for size, digits in (("snr_db", 1), ("db_x", 1), ("pesq", 2), ("stoi", 3), ("masking_excess_db", 2))
        ]
        rows.append(
            (
                name,
                code(group["victim"]),
                str(group["n"]),
                number(group["wer_clean"]),
                wer,
                number(group["cer"]),
                success,
                *sizes,
            )
        )
    rate = rate_label(groups)
    head = (
        "attack",
        "heard by",
        "n",
        f"clean {rate}",
        f"{rate} [95%]",
        "CER",
        "success [95%]",
        "SNR dB",
        "dB_x",
        "PESQ",
        "STOI",
        "masking excess dB",
    )
    text = (
        "Every figure comes from the saved 16-bit files, read again and transcribed by the victim's ordinary path. WER and CER\n"
        "are over the corpus, after normalisation, with bootstrap intervals over clips; success has Wilson intervals; sizes are\n"
        "medians.\n"
    )
    return f"\n## Figures\n\n{text}\n" + table(head, rows)


def _notes(summary: dict[str, Any]) -> str:
    if not summary["warnings"]:
        return ""
    return "\n## Read this before you trust the figures\n\n" + "".join(f"- {escape(line)}\n" for line in summary["warnings"])


def _apart(rows: Sequence[Row]) -> str:
    """Sections on what is counted apart: misheard clean clips, no effect, errors, and attacks that failed."""
    attacked = [row for row in rows if row["control_for"] is None]
    parts = []

    def section(title: str, outcome: str, head: Sequence[str], cells: Any) -> None:
        members = [row for row in attacked if row["outcome"] == outcome]
        if members:
            parts.append(f"\n## {title} ({len(members)})\n\n" + table(head, [cells(row) for row in members]))

    section(
        "Misheard already when clean, counted apart",
        "clean_wrong",
        ("example", "heard by", "said", "heard clean", "clean WER", "success all the same"),
        lambda row: (
            _link(row),
            code(row["victim"]),
            escape(row["reference"]),
            escape(row["clean_hypothesis"]),
            number(row["wer_clean"]),
            "yes" if row["success"] else "no",
        ),
    )
    section(
        "Held: the attack failed, and how near it came",
        "held",
        ("example", "heard by", "wanted", "heard", "WER", "nearest"),
        lambda row: (
            _link(row),
            code(row["victim"]),
            _wanted(row),
            escape(row["hypothesis"]),
            number(row["wer"]),
            _nearest(row),
        ),
    )
    section(
        "No effect: the saved file equals the clean one",
        "no_effect",
        ("example", "heard by"),
        lambda r: (_link(r), code(r["victim"])),
    )
    section(
        "Errors", "error", ("example", "heard by", "error"), lambda row: (_link(row), code(row["victim"]), escape(row["error"]))
    )
    return "".join(parts)


def _wanted(row: Row) -> str:
    return escape(wanted(row["objective"], row["target"]))


NEARNESS = {
    "wer_to_target": "WER to the target",
    "wer_from_clean": "WER from the clean transcript",
    "words_heard": "words heard",
    "times_over_budget": "times over the budget, of the quietest that fooled,",
}


def _nearest(row: Row) -> str:
    """How near the search came, in words: the last line of its trace says it, or what the lines before it hold."""
    trace = row.get("trace") or []
    words = []
    last = trace[-1] if trace else {}
    if last.get("nearest") in NEARNESS and isinstance(last.get("reached"), (int, float)):
        wanted = f" (wanted: {last['wanted']:g})" if isinstance(last.get("wanted"), (int, float)) else ""
        words.append(f"{NEARNESS[last['nearest']]} {last['reached']:.2f}{wanted}")
    shares = [line["tokens_wrong"] for line in trace if line.get("tokens_wrong") is not None]
    losses = [line["loss"] for line in trace if line.get("loss") is not None]
    if shares and row["objective"] != "untargeted":
        words.append(f"{min(shares):.0%} of tokens still wrong at best")
    elif losses:
        words.append(f"loss {losses[0]:.3g} to {min(losses):.3g} in {escape(row['steps'])} steps")
    return "; ".join(words) or "no search was needed"


def _link(row: Row) -> str:
    return link(row["id"], f"#{str(row['id']).replace('.', '')}") if row["audio"] else escape(row["id"])


def _examples(run: Run, rows: Sequence[Row], pictures: dict[str, str]) -> Iterable[str]:
    yield "\n## Examples\n"
    for identifier in dict.fromkeys(row["id"] for row in rows if row["audio"] and row["control_for"] is None):
        heard = [row for row in rows if row["id"] == identifier]
        controls = [row for row in rows if row["control_for"] == identifier]
        first = heard[0]
        source = "" if first["reference_source"] != "clean transcript" else " (no reference given: the clean transcript)"
        yield f"\n### {escape(identifier)}\n"
        yield f"Said{source}: {escape(first['reference'])}\n"
        cells = []
        for row in [*heard, *controls]:
            name = "equal-SNR noise (control)" if row["control_for"] else escape(row["attack"])
            cells.append(
                (
                    name,
                    code(row["victim"]),
                    escape(row["hypothesis"]),
                    number(row["wer"]),
                    escape(row["outcome"]),
                    number(row["snr_db"], 1),
                )
            )
            if row["control_for"] is None:
                cells.append(("clean", code(row["victim"]), escape(row["clean_hypothesis"]), number(row["wer_clean"]), "", ""))
        yield table(("audio", "heard by", "heard", "WER", "outcome", "SNR dB"), cells)
        files = [
            ("adversarial", first["audio"]),
            ("clean", first["clean_audio"]),
            *(("noise", row["audio"]) for row in controls[:1]),
        ]
        yield "Listen: " + ", ".join(link(name, path) for name, path in files if path) + "\n"
        sizes = [
            f"{name} {number(first.get(name), 4 if name == 'linf' else 2)}"
            for name in ("seg_snr_db", "linf", "l2", "db_x", "pesq", "stoi", "masking_excess_db", "masking_excess_share")
        ]
        cost = f"{first['steps']} steps, {first['queries']} queries, {first['seconds']:.1f} s, seed {first['seed']}"
        yield f"Size: {', '.join(sizes)}. Cost: {escape(cost)}.\n"
        if first["warnings"]:
            yield "Warnings: " + "; ".join(escape(text) for text in first["warnings"]) + "\n"
        yield f"Again: {code(replay_command(run_name(run), first))}\n"
        if identifier in pictures:
            yield pictures[identifier]


def _picture(run: Run, row: Row, folder: Path) -> str:
    out = inside(folder, f"plots/{row['id']}.png")
    heard = " ".join((row["hypothesis"] or "").split())
    short = heard if len(heard) <= 90 else heard[:87] + "..."
    snr = number(row["snr_db"], 1)
    try:
        draw_example(
            run.resolve(row["clean_audio"]),
            run.resolve(row["audio"]),
            f"{row['id']}: {row['attack']} at {snr} dB SNR\nheard: {short!r}",
            out,
        )
    except AudioError as error:
        return f"No picture: {escape(str(error))}\n"
    return link("Waveforms and spectrograms of clean, adversarial and perturbation", f"plots/{out.name}", image=True) + "\n"


def _how(run: Run) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run.info.get("versions", {}).items())
    commit = f"; git commit {escape(run.info['git_commit'])}" if run.info.get("git_commit") else ""
    return f"\n## Made with\n\n{escape(versions)}; {escape(str(run.info.get('platform', '')))}{commit}\n"
