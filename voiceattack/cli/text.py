"""``voiceattack text``: change the wording of texts so that a victim takes them for something else, or make a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceattack.cli.console import (
    DeviceOption,
    OutputOption,
    QuietOption,
    TermsOption,
    distinct,
    formats_of,
    hold,
    parse_params,
    progress,
    say,
    say_next,
    stdout,
    warn,
    write_reports,
)
from voiceattack.errors import RunError, SpecError

if TYPE_CHECKING:
    from voiceattack.text.craft import TextRequest
    from voiceattack.text.runs import TextRun
    from voiceattack.victims.base import Victim
    from voiceattack.victims.trust import Trust

__all__ = ["ask_and_show", "text"]


AlsoOption = Annotated[
    list[str] | None, typer.Option("--also", metavar="VICTIM", help="Ask this victim the finished texts too. Repeatable.")
]
SpeakOption = Annotated[
    str | None, typer.Option(metavar="SPEAKER", help="Speak each text to the victim: hibari.", show_default="typed")
]
InterpreterOption = Annotated[
    str | None, typer.Option(metavar="VICTIM", help="Who acts on what was heard: intents:home.", show_default="the victim")
]


class Goal(str, Enum):
    """The objectives, as choices of an option."""

    any = "any"
    wrong_action = "wrong-action"
    no_action = "no-action"
    action = "action"


def text(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Texts, .txt files (one a line), or .jsonl manifests.")],
    perturbation: Annotated[list[str], typer.Option(help="What to change; see: voiceattack list perturbations. Repeatable.")],
    victim: Annotated[
        str | None, typer.Option(help="Who answers: intents:home, hf-text:<folder>, ...; without one a corpus is made.")
    ] = None,
    evaluate: AlsoOption = None,
    search: Annotated[str, typer.Option(help="How to search; see: voiceattack list searches.")] = "greedy",
    objective: Annotated[Goal, typer.Option(help="What counts as success.")] = Goal.any,
    target: Annotated[
        str | None, typer.Option(metavar="ACTION", help="The action or label wanted; implies --objective action.")
    ] = None,
    max_words: Annotated[int, typer.Option(min=1, help="Most words touched.")] = 1,
    max_edits: Annotated[int | None, typer.Option(min=1, help="Most characters changed.")] = None,
    min_similarity: Annotated[
        float | None, typer.Option(min=-1, max=1, help="Least likeness in meaning (cosine of sentence embeddings).")
    ] = None,
    min_visual: Annotated[float | None, typer.Option(min=0, max=1, help="Least likeness in looks.")] = None,
    max_queries: Annotated[int, typer.Option(min=1, help="Most texts asked of the victim for one.")] = 500,
    speak: SpeakOption = None,
    interpreter: InterpreterOption = None,
    variants: Annotated[int, typer.Option(min=1, max=1000, help="Without a victim: texts to draw from each.")] = 1,
    language: Annotated[str, typer.Option(help="Language of the texts.")] = "en",
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A perturbation's parameter. Repeatable.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the run.")] = 0,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no answers of a server or program in the run.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Run directory; one begun with the same request is resumed.")] = Path("run"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    critical_terms: TermsOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Change the wording of INPUT so that the victim takes it for something else; ask again from the saved file, and report."""
    outputs = formats_of(output)
    if evaluate and victim is None:
        raise SpecError("--also needs --victim, the one that is attacked")
    from voiceattack.metrics.terms import read_terms
    from voiceattack.text.craft import TextRequest
    from voiceattack.text.problem import TextLimits

    terms = [] if critical_terms is None else read_terms(critical_terms)
    limits = TextLimits(
        max_words=max_words,
        max_edit_distance=max_edits,
        min_similarity=min_similarity,
        min_visual=min_visual,
        max_queries=max_queries,
    )
    request = TextRequest(
        inputs=tuple(inputs),
        perturbations=tuple(perturbation),
        params=parse_params(param),
        victim=victim,
        search=search,
        objective="action" if target is not None and objective is Goal.any else objective.value,
        target=target,
        limits=limits,
        speak=speak,
        interpreter=interpreter,
        variants=variants,
        language=language,
        seed=seed,
    )
    request.build()
    if dry_run:
        _dry_run(request)
        return
    from voiceattack.victims import load_victim
    from voiceattack.victims.trust import Trust

    hold(out)
    named = [] if victim is None else distinct([victim, *(evaluate or ())])
    asked = [load_victim(spec, device) for spec in named]
    run = _craft(request, out, asked[0] if asked else None, keep_answers=not no_cache, quiet=quiet)
    own = Trust(everything=True)  # of this command line
    ask_and_show(run, asked, trust=own, formats=["md"], outputs=outputs, quiet=quiet, terms=terms)
    say_next("the page of it", "report", out, "--format", "html", quiet=quiet)


def _craft(request: TextRequest, out: Path, victim: Victim | None, *, keep_answers: bool, quiet: bool) -> TextRun:
    """Change the texts.

    Raises:
        RunError: every text failed.
    """
    from voiceattack.text.craft import craft_texts

    with progress("changing texts", quiet=quiet) as on_progress:
        run = craft_texts(request, out, victim=victim, keep_answers=keep_answers, on_progress=on_progress, on_error=warn)
    examples = run.texts()
    if all(example.error for example in examples):
        raise RunError(f"no text could be used (of {len(examples)}); the reasons are in {run.path / run.RECORDS}")
    return run


def ask_and_show(
    run: TextRun,
    victims: list[Victim],
    *,
    trust: Trust,
    formats: list[str],
    outputs: dict[Path, str],
    quiet: bool,
    terms: Sequence[str] = (),
) -> None:
    """Ask the victims the saved texts, write the reports, print the table and where everything lies."""
    from voiceattack.report.console import term_lines, text_table
    from voiceattack.text.evaluate import evaluate_texts

    with progress("asking again", quiet=quiet) as on_progress:
        summary = evaluate_texts(run, victims, trust=trust, critical_terms=terms, on_progress=on_progress)
    written = write_reports(run, formats, outputs, quiet=quiet)
    if not quiet:
        stdout().print(text_table(summary))
        for line in term_lines(summary):
            say(line)
        for line in summary["warnings"]:
            say(f"note: {line}")
        for path in [run.path / run.RECORDS, run.path / "results.jsonl", *written]:
            say(f"written: {path}")


def _dry_run(request: TextRequest) -> None:
    from voiceattack.text.corpus import read_texts
    from voiceattack.text.craft import offers

    built = request.build()
    items = list(read_texts(request.inputs))
    for item in items:
        if item.error:
            warn(item.error)
    usable = [item for item in items if not item.error]
    offered = [sum(map(len, offers(built, item.text))) for item in usable]
    say(f"texts: {len(usable)}; edits offered: {sum(offered)}, at most {max(offered, default=0)} a text")
    if request.victim is not None:
        say(f"victim: {request.victim}; at most {request.limits.max_queries * len(usable)} queries")
    if not usable:
        raise RunError("none of the inputs can be used")
