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
    progress,
    say,
    say_next,
    stdout,
    warn,
    write_reports,
)
from voiceattack.cli.progress import began
from voiceattack.cli.usage import grouped
from voiceattack.errors import RunError, SpecError

if TYPE_CHECKING:
    from voiceattack.attacks.options import SearchOptions
    from voiceattack.cli.attack_options import GoalOptions, LimitOptions, OutputOptions, ParamOptions
    from voiceattack.craft.run import AttackRequest
    from voiceattack.runs.run import Run
    from voiceattack.victims.base import Victim

__all__ = ["attack", "evaluate_and_show", "fail_if_nothing_worked"]

DEFAULT_SNR_DB = 35.0


def _models() -> dict[str, Any]:
    from voiceattack.attacks.options import SearchOptions
    from voiceattack.cli.attack_options import GoalOptions, LimitOptions, OutputOptions, ParamOptions

    return {model.__name__: model for model in (GoalOptions, LimitOptions, ParamOptions, SearchOptions, OutputOptions)}


@grouped(_models)
def attack(
    inputs: InputsArgument,
    victim: Annotated[
        list[str] | None,
        typer.Option(help="Recogniser to attack; repeat it to craft on several at once.", show_default="whisper-tiny.en"),
    ] = None,
    attack_name: Annotated[str, typer.Option("--attack", help="How to search; see: voiceattack list attacks.")] = "pgd",
    out: Annotated[Path, typer.Option("--out", help="Run directory; one begun with the same request is resumed.")] = Path("run"),
    *,
    goal: GoalOptions,
    limits: LimitOptions,
    given: ParamOptions,
    search: SearchOptions,
    cache: CacheOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no answers of servers and programs.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the run.")] = 0,
    beside: OutputOptions,
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
    if outputs and not beside.evaluate:
        raise SpecError("--output needs the evaluation; drop --no-evaluate")
    params = given.params
    from voiceattack.craft.run import AttackRequest
    from voiceattack.metrics.terms import read_terms

    terms = [] if critical_terms is None else read_terms(critical_terms)
    request = AttackRequest(
        inputs=tuple(inputs),
        victim=_victim(victim),
        attack=attack_name,
        params=params,
        objective=goal.kind,
        target=goal.text,
        wer_threshold=goal.wer_threshold,
        budget={**_default_limit(attack_name, limits, quiet), **limits.budget},
        seed=seed,
        control=beside.control,
        keep_format=beside.keep_format,
        **search.model_dump(),
    )
    if dry_run:
        _dry_run(request, device)
        return
    from voiceattack.victims import load_victim
    from voiceattack.victims.wrappers.cache import remembering

    request.build()
    hold(out)
    began(f"loading {request.victim}", quiet=quiet, line=False)  # what was said meanwhile ended the first sign of it
    loaded = remembering(load_victim(request.victim, device), cache)
    run = _craft(request, out, loaded, keep_answers=not no_cache, quiet=quiet)
    if beside.evaluate:
        formats = ["md", "html"] if beside.report else []
        evaluate_and_show(run, [loaded], formats=formats, outputs=outputs, quiet=quiet, terms=terms)
        say_next("look through it, listen side by side", "view", out, quiet=quiet)
    else:
        say_next("hear what was crafted, and score it", "evaluate", out, quiet=quiet)


def _victim(victims: list[str] | None) -> str:
    named = distinct(victims or ["whisper-tiny.en"])
    return named[0] if len(named) == 1 else "ensemble:" + "|".join(named)


def _craft(request: AttackRequest, out: Path, victim: Victim, *, keep_answers: bool, quiet: bool) -> Run:
    """Craft, and say where it lies.

    Raises:
        RunError: every example failed.
    """
    from voiceattack.corpus import read_corpus
    from voiceattack.craft.run import craft, other_clips

    items = list(read_corpus(request.inputs))
    if others := other_clips(out, items):
        held = f"{others} clip{'s' * (others != 1)} that {'is' if others == 1 else 'are'} not among the inputs"
        say(f"note: {out} holds {held}; kept, heard and reported too: choose another --out to keep runs apart", quiet=quiet)
    notes: list[str] = []
    with progress("attacking", quiet=quiet) as on_progress:
        run = craft(
            request,
            out,
            items=items,
            victim=victim,
            keep_answers=keep_answers,
            on_progress=on_progress,
            on_error=warn,
            on_note=notes.append,
        )
    for note in notes:
        say(note, quiet=quiet)
    fail_if_nothing_worked(run)
    say(f"artefacts: {run.path / 'audio'}", quiet=quiet)
    return run


def _default_limit(attack_name: str, limits: LimitOptions, quiet: bool) -> dict[str, float | str]:
    """The limit that an attack which needs one takes when none is given."""
    from voiceattack.attacks import ATTACKS

    if limits.sized or not ATTACKS.get(attack_name).needs_budget:
        return {}
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
    written = write_reports(run, formats, outputs, quiet=quiet)
    if not quiet:
        stdout().print(summary_table(summary))
        for line in [*term_lines(summary), *summary.get("warnings", [])]:
            say(f"note: {line}")
        for path in [run.path / "results.jsonl", *written]:
            say(f"written: {path}")
