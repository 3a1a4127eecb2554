"""``voiceattack compare`` and ``bless``: two runs, clip by clip, and the baseline that is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import QuietOption, say, warn
from voiceattack.commands import command_line
from voiceattack.errors import RunError, SpecError, UnknownNameError

__all__ = ["bless", "compare"]

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory, of a suite or an attack, or its summary.json.")]
EXIT_WORSE = 1


def compare(
    baseline: Annotated[Path, typer.Argument(metavar="BASELINE", help="The same of before, or what 'voiceattack bless' wrote.")],
    run: RunArgument,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="'success_rate worse by more than 0.05 for attack pgd for victim V, interval decides'. Repeatable.",
            show_default="any figure worse beyond doubt",
        ),
    ] = None,
    output: Annotated[list[Path] | None, typer.Option("--output", "-o", help="Also write .md or .json here. Repeatable.")] = None,
    require_baseline: Annotated[
        bool, typer.Option("--require-baseline", help="A missing BASELINE is an error, not a pass: for CI.")
    ] = False,
    first_run: Annotated[
        bool, typer.Option("--first-run", help="There is no BASELINE yet: pass, and say how to keep this run as one.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Paired differences of two runs. Exit 0 no rule broken, 1 a rule is broken, 2 could not compare.

    A clip that is misheard when clean and was not before, or that is gone, breaks a rule unless --fail-on allows some, as
    'newly_misheard > 2' and 'vanished > 1%' do.
    """
    from voiceattack.compare import differences as pairs
    from voiceattack.compare.rules import broken, rules_of
    from voiceattack.compare.snapshots import load_snapshot
    from voiceattack.compare.text import changes, differences, to_markdown

    rules = rules_of(fail_on or ())
    for path in output or ():
        if path.suffix.lower() not in (".md", ".json"):
            raise UnknownNameError(f"output {path}: suffix {path.suffix!r} names no format; formats: .md, .json")
    _check_first(baseline, run, require_baseline, first_run)
    now = load_snapshot(run)
    if not baseline.exists():
        say(f"no baseline at {baseline} yet, so nothing is worse; keep this run as one: {_bless(baseline, run)}")
        if not first_run:
            warn(f"nothing was compared, since {baseline} is missing; --require-baseline makes that an error, as CI wants")
        return
    found = pairs.compare(load_snapshot(baseline), now)
    failed = broken(found, rules)
    for path in output or ():
        whole = {
            **found.as_dict(),
            "broken": [{"rule": one.rule.text, "of": one.group.name, "why": one.reason} for one in failed],
        }
        text = (
            to_markdown(found, failed) if path.suffix.lower() == ".md" else json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
        )
        _write(path, text)
    for note in found.notes:
        warn(f"note: {note}")
    if not quiet:
        for line in (*differences(found), *changes(found)):
            say(line)
        for one in failed:
            say(f"WORSE      {one.group.name}: {one.reason} (rule: {one.rule.text})")
        say("no difference" if found.same else f"{len(failed)} rules broken" if failed else "no rule broken")
    raise typer.Exit(EXIT_WORSE if failed else 0)


def bless(
    run: RunArgument,
    baseline: Annotated[Path, typer.Option("--baseline", help="File to write; keep it under version control.")] = Path(
        "voiceattack-baseline.json"
    ),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept without asking, after showing every change.")] = False,
    keep_stale: Annotated[bool, typer.Option("--keep-stale", help="Keep entries that RUN no longer has.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Make RUN the baseline; shows every change and asks before it accepts."""
    from voiceattack.compare.baseline import write_baseline
    from voiceattack.compare.differences import compare as pair
    from voiceattack.compare.snapshots import load_snapshot
    from voiceattack.compare.text import changes, differences

    now = load_snapshot(run)
    before = load_snapshot(baseline) if baseline.exists() else None
    if before is None:
        say(f"a first baseline of {len(now.entries)} entries", quiet=quiet)
    else:
        found = pair(before, now)
        if found.same and not found.notes:
            say(f"{baseline}: nothing changed", quiet=quiet)
            return
        for line in (*differences(found), *changes(found), *(f"note: {note}" for note in found.notes)):
            say(line, quiet=quiet)
        if found.stale:
            say(f"{len(found.stale)} stale entries are {'kept' if keep_stale else 'dropped'}", quiet=quiet)
        if not yes and not _confirmed(baseline):
            raise RunError(f"{baseline}: left as it was; --yes accepts the changes")
    write_baseline(baseline, now, before if keep_stale else None)
    say(f"written: {baseline}", quiet=quiet)


def _bless(baseline: Path, run: Path) -> str:
    return command_line("bless", run, "--baseline", baseline)


def _check_first(baseline: Path, run: Path, required: bool, first: bool) -> None:
    """Raise :class:`~voiceattack.errors.SpecError` or RunError where what is asked of the baseline does not hold."""
    if required and first:
        raise SpecError("--first-run says that there is no baseline, --require-baseline that there is one; give one of them")
    if required and not baseline.exists():
        raise RunError(
            f"{baseline}: there is no such baseline, so nothing was compared; make one of a run that you accept: "
            f"{_bless(baseline, run)}; or say --first-run this once in place of --require-baseline"
        )
    if first and baseline.exists():
        raise RunError(f"{baseline}: is there, so this is no first run; leave --first-run out")


def _confirmed(baseline: Path) -> bool:
    return sys.stdin.isatty() and typer.confirm(f"accept these changes into {baseline}?")


def _write(path: Path, text: str) -> None:
    from voiceattack.files import write_whole, writing

    with writing(path, "make room or choose another file"):
        write_whole(path, text.encode("utf-8", "replace"))
