"""``voiceattack attack``: craft, then evaluate and report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceattack.cli.console import (
    CacheOption,
    DeviceOption,
    InputsArgument,
    OutputOption,
    QuietOption,
    TermsOption,
    distinct,
    formats_of,
    hold,
    parse_params,
    progress,
    say,
    stdout,
    warn,
    write_reports,
)
from voiceattack.errors import RunError, SpecError

if TYPE_CHECKING:
    from voiceattack.craft.run import AttackRequest
    from voiceattack.runs.run import Run
    from voiceattack.victims.base import Victim

__all__ = ["attack", "evaluate_and_show", "fail_if_nothing_worked"]

DEFAULT_SNR_DB = 35.0
GOALS = (
    "What counts as success: untargeted, targeted or mute; of an assistant wrong-action, no-action or "
    "action:INTENT{slot=value}; of a wake word evade or false-trigger."
)


def attack(
    inputs: InputsArgument,
    victim: Annotated[
        list[str] | None,
        typer.Option(help="Recogniser to attack; repeat it to craft on several at once.", show_default="whisper-tiny.en"),
    ] = None,
    attack_name: Annotated[str, typer.Option("--attack", help="How to search; see: voiceattack list attacks.")] = "pgd",
    out: Annotated[Path, typer.Option("--out", help="Run directory; one begun with the same request is resumed.")] = Path("run"),
    target: Annotated[str | None, typer.Option("--target", metavar="TEXT", help="Make the victim hear exactly this.")] = None,
    mute: Annotated[bool, typer.Option("--mute", help="Make the victim hear nothing.")] = False,
    objective: Annotated[
        str | None,
        typer.Option(
            help=GOALS,
            show_default="untargeted",
        ),
    ] = None,
    wer_threshold: Annotated[float, typer.Option(help="Untargeted: least word error rate against the clean transcript.")] = 0.5,
    snr_db: Annotated[
        float | None, typer.Option(help="Least signal-to-noise ratio, dB.", show_default="35 without a limit")
    ] = None,
    linf: Annotated[float | None, typer.Option(help="Most change of a sample, fraction of full scale.")] = None,
    l2: Annotated[float | None, typer.Option(help="Most Euclidean norm of the change.")] = None,
    db_x: Annotated[float | None, typer.Option(help="Peak of the change relative to the clip's, dB, for example -30.")] = None,
    masking_excess_db: Annotated[
        float | None, typer.Option(help="Most excess over the masking threshold, mean over bins, dB.")
    ] = None,
    band: Annotated[str | None, typer.Option(metavar="LOW-HIGH", help="Change these frequencies only, Hz.")] = None,
    window: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Change it only then: 'speech', or seconds as START-END or START-.")
    ] = None,
    severity: Annotated[
        int | None, typer.Option(min=1, max=4, help="Attack corruption:NAME: 1 (mild) to 4.", show_default="1")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Most gradient steps a clip.", show_default="the attack's own")] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the attack. Repeatable.")] = None,
    confidence: Annotated[
        float | None, typer.Option(metavar="LOGITS", help="Head-room of every token, so that other engines hear it too.")
    ] = None,
    artefact: Annotated[Path | None, typer.Option(metavar="FILE", help="Attack universal: what 'voiceattack fit' wrote.")] = None,
    stages: Annotated[
        float | None,
        typer.Option(metavar="DB", help="Also keep the best result in each DB-wide bin of SNR.", show_default="the attack's own"),
    ] = None,
    max_queries: Annotated[
        int | None,
        typer.Option(min=1, help="Most transcripts and scores asked for one clip.", show_default="the attack's own"),
    ] = None,
    cache: CacheOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no answers of servers and programs.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the run.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips at once; above 1, batching changes floating-point rounding.")] = 1,
    no_control: Annotated[bool, typer.Option("--no-control", help="Leave out the equal-SNR noise controls.")] = False,
    no_evaluate: Annotated[bool, typer.Option("--no-evaluate", help="Only craft; see: voiceattack evaluate.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.md.")] = False,
    keep_format: Annotated[bool, typer.Option("--keep-format", help="Also save at each file's own rate and channels.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    critical_terms: TermsOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Craft adversarial versions of INPUT, hear them back, and report."""
    outputs = formats_of(output)
    if cache is not None and no_cache:
        raise SpecError("--cache keeps answers and --no-cache does not; give one of them")
    if outputs and no_evaluate:
        raise SpecError("--output needs the evaluation; drop --no-evaluate")
    params = parse_params(param)
    if steps is not None:
        if "steps" in params:
            raise SpecError("steps is given by --steps and by --param; give it once")
        params["steps"] = steps
    if severity is not None:
        if "severity" in params:
            raise SpecError("severity is given by --severity and by --param; give it once")
        params["severity"] = severity
    if confidence is not None:
        params["confidence"] = confidence
    if artefact is not None:
        params["artefact"] = str(artefact)
    limits = {"snr_db": snr_db, "linf": linf, "l2": l2, "db_x": db_x, "masking_excess_db": masking_excess_db}
    where = {"band": band, "window": window}
    from voiceattack.craft.run import AttackRequest, craft
    from voiceattack.metrics.terms import read_terms

    terms = [] if critical_terms is None else read_terms(critical_terms)
    request = AttackRequest(
        inputs=tuple(inputs),
        victim=_victim(victim),
        attack=attack_name,
        params=params,
        objective=_objective(objective, target, mute),
        target=_target(objective, target),
        wer_threshold=wer_threshold,
        budget={
            **_sizes(attack_name, {name: limit for name, limit in limits.items() if limit is not None}, quiet),
            **{name: text for name, text in where.items() if text is not None},
        },
        stages_db=stages,
        max_queries=max_queries,
        seed=seed,
        batch_size=batch_size,
        control=not no_control,
        keep_format=keep_format,
    )
    if dry_run:
        _dry_run(request, device)
        return
    from voiceattack.victims import load_victim
    from voiceattack.victims.wrappers.cache import remembering

    request.build()
    hold(out)
    loaded = remembering(load_victim(request.victim, device), cache)
    notes: list[str] = []
    with progress("attacking", quiet=quiet) as on_progress:
        run = craft(
            request,
            out,
            victim=loaded,
            keep_answers=not no_cache,
            on_progress=on_progress,
            on_error=warn,
            on_note=notes.append,
        )
    for note in notes:
        say(note, quiet=quiet)
    fail_if_nothing_worked(run)
    say(f"artefacts: {run.path / 'audio'}", quiet=quiet)
    if not no_evaluate:
        formats = [] if no_report else ["md"]
        evaluate_and_show(run, [loaded], formats=formats, outputs=outputs, quiet=quiet, terms=terms)


def _victim(victims: list[str] | None) -> str:
    named = distinct(victims or ["whisper-tiny.en"])
    return named[0] if len(named) == 1 else "ensemble:" + "|".join(named)


def _objective(objective: str | None, target: str | None, mute: bool) -> Any:
    if mute and (target is not None or objective not in (None, "mute")):
        raise SpecError("--mute excludes --target and any other --objective; give one of them")
    if objective is None:
        objective = "mute" if mute else "untargeted" if target is None else "targeted"
    return objective


def _target(objective: str | None, target: str | None) -> str | None:
    """The target given, or for an action the first sample command that means it."""
    if target is not None or objective is None or not objective.startswith("action:"):
        return target
    from voiceattack.corpus.samples import command_for

    return command_for(objective.removeprefix("action:"))


def _sizes(attack_name: str, limits: dict[str, float], quiet: bool) -> dict[str, float]:
    from voiceattack.attacks import ATTACKS

    if limits or not ATTACKS.get(attack_name).needs_budget:
        return limits
    say(f"no limit given: --snr-db {DEFAULT_SNR_DB:g}", quiet=quiet)
    return {"snr_db": DEFAULT_SNR_DB}


def _dry_run(request: AttackRequest, device: str | None) -> None:
    from voiceattack.craft.estimate import estimate

    result = estimate(request, device=device)
    for line in result.unusable:
        warn(line)
    for line in result.lines():
        say(line)
    if not result.examples:
        raise RunError("none of the inputs can be attacked")


def fail_if_nothing_worked(run: Run) -> None:
    """Raise when every example of the run failed.

    Raises:
        RunError: so it is.
    """
    attacked = [example for example in run.examples() if example.control_for is None]
    if all(example.error is not None for example in attacked):
        raise RunError(f"no input could be attacked (of {len(attacked)}); the reasons are in {run.path / 'examples.jsonl'}")


def evaluate_and_show(
    run: Run,
    victims: list[Victim],
    *,
    formats: list[str],
    outputs: dict[Path, str],
    quiet: bool,
    terms: Sequence[str] = (),
) -> None:
    """Hear the artefacts back, write the reports, print the table and where everything lies."""
    from voiceattack.evaluate.scoring import evaluate
    from voiceattack.report.console import summary_table, term_lines

    with progress("hearing back", quiet=quiet) as on_progress:
        summary = evaluate(run, victims, critical_terms=terms, on_progress=on_progress)
    written = write_reports(run, formats, outputs)
    if not quiet:
        stdout().print(summary_table(summary))
        for line in [*term_lines(summary), *summary.get("warnings", [])]:
            say(f"note: {line}")
        for path in [run.path / "results.jsonl", *written]:
            say(f"written: {path}")
