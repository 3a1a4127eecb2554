"""A history in sentences, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voiceattack.history.cases import Flaky, KnownFailure
from voiceattack.history.changes import Change
from voiceattack.history.history import History, case_name
from voiceattack.history.series import Point
from voiceattack.report.console import number
from voiceattack.report.markdown_text import escape, table

__all__ = ["change_told", "figure_told", "flaky_told", "headline", "known_told", "lines", "run_told", "to_markdown"]

SHOWN = 20
"""Cases of a kind that are named; the JSON has all."""
RUNS_SHOWN = 10
"""Runs in which one case changed that are named, likewise."""


def headline(history: History) -> str:
    """What is to be known first, in one sentence."""
    worse = [one for one in history.changes if one.worse]
    gates = len({one.series.name for one in worse})
    told = [f"{gates} of {len(history.series)} gates got worse" if worse else f"no gate of {len(history.series)} got worse"]
    if better := len([one for one in history.changes if one.worse is False]):
        told.append(f"{better} times one got better")
    told.append(_count(len(history.flaky), "flaky case"))
    return f"{', '.join(told)} in {_count(len(history.runs), 'run')}"


def _count(n: int, thing: str) -> str:
    return f"{n or 'no'} {thing}{'' if n in (0, 1) else 's'}"


def run_told(history: History, place: int) -> str:
    """``run 17 (2026-03-17 02:00, commit 1a2b3c4d5e, recogniser v3)``."""
    run = history.runs[place]
    facts = [run.date, f"commit {run.short_commit}" if run.commit else "", run.models]
    return f"run {place + 1} ({', '.join(fact for fact in facts if fact)})"


def change_told(history: History, change: Change) -> str:
    """One sentence."""
    way = {True: "worse", False: "better", None: "other"}[change.worse]
    levels = f"{_value(change.before)} to {_value(change.after)}"
    told = f"{change.series.name}: {way} from {run_told(history, change.run)} on{_between(history, change.run)}: {levels}"
    over = f"mean of {change.runs_before} and {change.runs_after} runs, p = {change.p:.2g}"
    return f"{told} ({over}){'; seen in the last run only' if change.in_last_run_only else ''}"


def _between(history: History, place: int) -> str:
    """What is another than in the run before: where to look."""
    before, now = history.runs[place - 1 : place + 1]
    facts = [f"commit {before.short_commit}" if before.commit and before.commit != now.commit else ""]
    facts.append(before.models if before.models != now.models else "")
    told = ", ".join(fact for fact in facts if fact)
    return f", after {told}" if told else ""


def known_told(one: KnownFailure) -> str:
    """One sentence."""
    return f"{one.known.told}; known since run {one.since + 1}"


def flaky_told(one: Flaky) -> str:
    """One sentence."""
    places = [str(place + 1) for place in one.changed]
    if len(places) > RUNS_SHOWN:
        places[RUNS_SHOWN - 1 :] = [f"{len(places) - RUNS_SHOWN + 1} more"]
    runs = f"run {places[0]}" if len(places) == 1 else f"runs {', '.join(places[:-1])} and {places[-1]}"
    verdicts = ", ".join(f"{verdict.replace('_', ' ')} {count} times" for verdict, count in one.verdicts)
    return f"{case_name(one.key)}: its verdict changed in {runs}, its inputs did not: {verdicts}"


def figure_told(point: Point) -> str:
    """``0.200 [0.057, 0.510] over 10 clips``."""
    if point.value is None:
        return "not judged"
    interval = "" if point.interval is None else f" [{_value(point.interval[0])}, {_value(point.interval[1])}]"
    return f"{_value(point.value)}{interval} over {point.n} clips"


def lines(history: History) -> Iterator[str]:
    """All that is named, one line each."""
    yield from (f"changed: {change_told(history, one)}" for one in history.changes)
    yield from _first("flaky", [flaky_told(one) for one in history.flaky])
    yield from (f"known failure: {known_told(one)}" for one in history.known)
    yield from (f"new gate: {one.name}" for one in history.new_gates)
    yield from (f"gone gate: {one.name}: last in {run_told(history, one.points[-1].run)}" for one in history.gone_gates)
    for title, keys in (("new", history.new), ("gone", history.gone)):
        yield from _first(title, [case_name(key) for key in keys])


def _first(title: str, told: Sequence[str]) -> Iterator[str]:
    yield from (f"{title}: {line}" for line in told[:SHOWN])
    if len(told) > SHOWN:
        yield f"{title}: and {len(told) - SHOWN} more"


def to_markdown(found: Sequence[History]) -> str:
    """The whole."""
    return "\n".join(_suite(history) for history in found)


def _suite(history: History) -> str:
    parts = [f"# voiceattack history: {escape(history.suite)}\n\n**{escape(headline(history))}**\n"]
    told = [*history.notes, *lines(history)]
    parts += ["".join(f"- {escape(line)}\n" for line in told)] if told else []
    last = len(history.runs) - 1
    rows = []
    for one in history.series:
        now = next((point for point in one.points if point.run == last), None)
        sparks = "".join(_spark(point, one.known) for point in one.points)
        rows.append((escape(one.name), sparks, escape(figure_told(now) if now else "gone"), escape(now.verdict if now else "")))
    parts.append("## Gates\n\n" + table(("gate", "over the runs", "in the last run", "verdict"), rows))
    facts = [
        (
            *(str(place), escape(run.date), escape(run.short_commit), escape(run.models), escape(run.verdict)),
            f"{run.against} of {len(run.gates)}",
        )
        for place, run in reversed(list(enumerate(history.runs, 1)))
    ]
    parts.append("## Runs\n\n" + table(("run", "finished (UTC)", "commit", "victims", "verdict", "gates not passed"), facts))
    return "\n".join(parts)


def _spark(point: Point, known: Sequence[Point]) -> str:
    values = [one.value for one in known if one.value is not None]
    if point.value is None:
        return "·"
    low, high = min(values), max(values)
    return "▁▂▃▄▅▆▇█"[round(7 * (point.value - low) / (high - low))] if high > low else "▄"


def _value(value: float) -> str:
    return number(value, 3)
