"""``voiceattack compare`` and ``bless``: two runs, clip by clip, and the baseline that is kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceattack.cli.console import QuietOption, coloured, say, warn
from voiceattack.commands import command_line
from voiceattack.errors import RunError, SpecError
from voiceattack.unicode_text import visible

if TYPE_CHECKING:
    from voiceattack.compare.judged import Judged

__all__ = ["bless", "compare"]

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory, of a suite or an attack, or its summary.json.")]
EXIT_WORSE = 1


def compare(
    baseline: Annotated[Path, typer.Argument(metavar="BASELINE", help="The same of before, or what 'voiceattack bless' wrote.")],
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories, of suites or attacks, or their summary.json.")
    ],
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="'success_rate worse by more than 0.05 for attack pgd for victim V, interval decides'. Repeatable.",
            show_default="any figure worse beyond doubt",
        ),
    ] = None,
    output: Annotated[
        list[Path] | None, typer.Option("--output", "-o", help="Also write .html, .md, .xml (JUnit) or .json here. Repeatable.")
    ] = None,
    require_baseline: Annotated[
        bool, typer.Option("--require-baseline", help="A missing BASELINE is an error, not a pass: for CI.")
    ] = False,
    first_run: Annotated[
        bool, typer.Option("--first-run", help="There is no BASELINE yet: pass, and say how to keep this run as one.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Paired differences of runs and a baseline. Exit 0 no rule broken, 1 a rule is broken, 2 could not compare.

    A clip that is misheard when clean and was not before, or that is gone, breaks a rule unless --fail-on allows some, as
    'newly_misheard > 2' and 'vanished > 1%' do. Several runs are each compared with the one baseline.
    """
    from voiceattack.compare.judged import judge
    from voiceattack.compare.outputs import check_outputs, write_outputs
    from voiceattack.compare.rules import rules_of
    from voiceattack.compare.snapshots import load_snapshot
    from voiceattack.compare.text import to_markdown
    from voiceattack.report.step_summary import append_to_step

    rules = rules_of(fail_on or ())
    check_outputs(output or ())
    _check_first(baseline, runs[0], require_baseline, first_run)
    snapshots = [load_snapshot(run) for run in runs]
    if not baseline.exists():
        say(f"no baseline at {baseline} yet, so nothing is worse; keep this run as one: {_bless(baseline, runs[0])}")
        if not first_run:
            warn(f"nothing was compared, since {baseline} is missing; --require-baseline makes that an error, as CI wants")
        return
    before = load_snapshot(baseline)
    found = [judge(before, now, rules) for now in snapshots]
    write_outputs(found, output or ())
    append_to_step(to_markdown(found))
    for one in found:
        _show(one, len(found) > 1, quiet)
    if not quiet:
        for path in output or ():
            say(f"written: {path}")
    raise typer.Exit(EXIT_WORSE if any(one.failed for one in found) else 0)


def _show(one: Judged, by_name: bool, quiet: bool) -> None:
    from voiceattack.compare.text import changes, differences

    for note in one.comparison.notes:
        warn(f"note: {f'{one.run}: ' if by_name else ''}{note}")
    if quiet:
        return
    if by_name:
        say(f"{one.run}:")
    for line in (*differences(one.comparison), *changes(one.comparison)):
        say(line)
    for each in one.failed:
        say(f"      {each.group.name}: {each.reason} (rule: {each.rule.text})", mark=coloured("WORSE", "red"))
    told = visible(f"{one.run}: {one.verdict}" if by_name else one.verdict)
    say("", mark=coloured(told, "red" if one.failed else "green"))


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
