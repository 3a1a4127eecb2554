"""``voiceattack init``, ``run`` and ``merge``: suites."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceattack.cli.console import DeviceOption, QuietOption, TrustOption, hold, progress, say, warn
from voiceattack.cli.gates import show_gates, show_next
from voiceattack.commands import command_line
from voiceattack.errors import RunError, SpecError
from voiceattack.progress import showing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voiceattack.suite.beside import Named
    from voiceattack.suite.execute import Outcome
    from voiceattack.suite.schema import Suite

__all__ = ["init", "merge", "run_suite"]

SuiteArgument = Annotated[Path, typer.Argument(metavar="SUITE", help="Suite file; see: voiceattack init.")]
OutputsOption = Annotated[
    list[Path] | None, typer.Option("--output", "-o", help="Also write .html, .xml (JUnit), .md, .json or .csv here. Repeatable.")
]
BaselineOption = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        help="Show on the page what changed since this run or baseline; it decides nothing.",
        show_default="voiceattack-baseline.json, where there is one",
    ),
]
HistoryOption = Annotated[
    list[Path] | None,
    typer.Option("--history", help="Show on the page the gates over the runs kept there. Repeatable.", show_default="its own"),
]
DEFAULT_OUT = Path("suite-run")


def init(
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT", help="Audio, folders, manifests; else those found here.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where to write the suite.")] = Path("suite.yaml"),
    victim: Annotated[str, typer.Option(help="System under test.")] = "whisper-tiny.en",
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write a commented suite.yaml for the inputs found, and its JSON Schema for editors."""
    import os

    from voiceattack.suite.init import find_inputs, suite_text, write_suite
    from voiceattack.victims.trust import outside

    folder = out.parent
    if inputs:
        given = [path if os.path.isabs(path) else os.path.relpath(path, folder) for path in inputs]
    else:
        given = [os.path.relpath(path, folder) if folder != Path() else path for path in find_inputs(Path())]
    reached = outside(victim)
    for path in write_suite(out, suite_text(given, victim, folder), force=force):
        say(f"written: {path}", quiet=quiet)
    vouched = ["--trust"] if reached else []
    say(f"inputs: {', '.join(given)}; next: {command_line('run', out, *vouched)}", quiet=quiet)
    if reached:
        say(f"--trust, since {reached[0].spec} {reached[0].outside.does}, and suites may come from anybody", quiet=quiet)


def run_suite(
    suite: SuiteArgument,
    out: Annotated[Path, typer.Option("--out", help="Run directory; what is unchanged in it is not made again.")] = DEFAULT_OUT,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only every N-th clip from the I-th; then: voiceattack merge.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete cells that the suite no longer asks for.")] = False,
    trust: TrustOption = False,
    victim: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="Trust this victim of the suite, and no other. Repeatable.")
    ] = None,
    output: OutputsOption = None,
    baseline: BaselineOption = None,
    history: HistoryOption = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run a suite: craft and hear what is new, judge the gates. Exit 0 all hold, 1 a gate failed, 2 could not run."""
    from voiceattack.suite.load import load_suite
    from voiceattack.victims.trust import Trust

    loaded, folder, part = load_suite(suite), suite.parent, _part(shard)
    further = _outputs(loaded, folder, output)
    vouched = Trust.of(victim, trust)
    _check_named(loaded, victim)
    if dry_run:
        from voiceattack.suite.cost import cost_lines

        lines, bad = cost_lines(loaded, folder, out, part=part, device=device)
        for line in bad:
            warn(line)
        for line in lines:
            say(line)
        for where, names in loaded.variables_in_specs.items():
            say(f"note: {where} holds what the environment says of {', '.join(names)}")
        for refused in vouched.refused(loaded.specs):
            say(f"note: {refused.spec} {refused.outside.does}: the run will need --trust, or --victim with it")
        return
    hold(out)
    outcome = _execute(loaded, folder, out, part=part, device=device, trust=vouched, quiet=quiet)
    if prune and part is None:
        from voiceattack.suite.execute import prune_cells

        prune_cells(outcome)
    _finish(outcome, further, _named(suite, baseline, history), quiet)


def merge(
    suite: SuiteArgument,
    shards: Annotated[list[Path], typer.Argument(metavar="SHARD...", help="Run directories of the shards.")],
    out: Annotated[Path, typer.Option("--out", help="Run directory of the whole.")] = DEFAULT_OUT,
    output: OutputsOption = None,
    baseline: BaselineOption = None,
    history: HistoryOption = None,
    quiet: QuietOption = False,
) -> None:
    """Join the shards of a suite and judge its gates; nothing is crafted. Exit codes as voiceattack run."""
    from voiceattack.suite.load import load_suite
    from voiceattack.suite.merge import merge_shards

    loaded, folder = load_suite(suite), suite.parent
    further = _outputs(loaded, folder, output)
    hold(out)
    merge_shards(shards, out)
    _finish(_execute(loaded, folder, out, work=False, quiet=quiet), further, _named(suite, baseline, history), quiet)


def _named(suite: Path, baseline: Path | None, history: Sequence[Path] | None) -> Named:
    from voiceattack.suite.beside import Named

    return Named(baseline, (suite.parent, Path()), tuple(history or ()))


def _check_named(suite: Suite, named: Sequence[str] | None) -> None:
    from voiceattack.victims.specs import without_patience
    from voiceattack.victims.trust import outside

    parts = {part.spec for spec in suite.specs for part in outside(spec)}
    known = sorted({without_patience(spec) for spec in (*suite.specs, *parts)})
    for spec in named or ():
        if without_patience(spec) not in known:
            raise SpecError(f"--victim {spec!r}: the suite names no such victim; it names: {', '.join(known)}")


def _part(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise SpecError(f"--shard {text!r} must read I/N with 1 <= I <= N, for example 1/4")
    return int(found[1]), int(found[2])


def _outputs(suite: Suite, folder: Path, given: Sequence[Path] | None) -> list[Path]:
    from voiceattack.suite.outputs import check_outputs

    further = [*(_own(folder, name) for name in suite.outputs), *(given or ())]
    check_outputs(further)
    return further


def _own(folder: Path, name: str) -> Path:
    """An output that the suite file names, which may be anybody's: it stays in the folder of the suite."""
    from voiceattack.files import inside

    try:
        return inside(folder, name)
    except RunError as error:
        raise SpecError(f"outputs: {name!r} leads out of the folder of the suite; to write there, give it as -o") from error


def _execute(suite: Suite, folder: Path, out: Path, *, quiet: bool, **options: Any) -> Outcome:
    import contextlib

    from voiceattack.suite.execute import Teller, execute

    with contextlib.ExitStack() as stack:

        def on_task(task: str) -> Any:
            stack.close()  # one bar at a time
            return stack.enter_context(progress(task, quiet=quiet))

        return execute(suite, folder, out, tell=Teller(on_task, warn), **options)


def _finish(outcome: Outcome, further: Sequence[Path], named: Named, quiet: bool) -> None:
    from voiceattack.suite.outputs import append_step_summary, write_cell_reports, write_outputs
    from voiceattack.suite.record import record

    with progress("writing the reports", quiet=quiet) as on_progress, showing(on_progress):
        summary = {**record(outcome), "reports": write_cell_reports(outcome)}
        written = write_outputs(summary, outcome.out, further, named)
    append_step_summary(summary)
    for line in outcome.incomplete:
        warn(f"not finished: {line}; the same command goes on")
    if not quiet:
        show_gates(summary, outcome.out)
        for path in written:
            say(f"written: {path}")
        show_next(summary, outcome.out)
    if outcome.exit_code == 2:
        unjudged = any(one.verdict == "error" for one in outcome.judgements)
        warn("some gates could not be judged" if unjudged else "the run is not complete")
    if all(sample.row.failed for sample in outcome.samples):
        raise RunError(f"nothing was heard; the first reason: {outcome.samples[0].row.error if outcome.samples else 'no clips'}")
    raise typer.Exit(outcome.exit_code)
