"""``voiceattack evaluate``: hear a run's artefacts back, also through other victims."""

from __future__ import annotations

from typing import Annotated

import typer

from voiceattack.cli.attack import evaluate_and_show
from voiceattack.cli.console import (
    CacheOption,
    DeviceOption,
    OutputOption,
    QuietOption,
    RunArgument,
    TermsOption,
    TrustOption,
    distinct,
    formats_of,
    hold,
    say_next,
)

__all__ = ["evaluate"]


def evaluate(
    run: RunArgument,
    victim: Annotated[list[str] | None, typer.Option(help="Who listens. Repeatable.", show_default="who was attacked")] = None,
    cache: CacheOption = None,
    critical_terms: TermsOption = None,
    trust: TrustOption = False,
    output: OutputOption = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Hear the saved artefacts of RUN (or read its texts) anew and score them."""
    outputs = formats_of(output)
    from voiceattack.metrics.terms import read_terms
    from voiceattack.runs.run import Run
    from voiceattack.victims import load_victim
    from voiceattack.victims.trust import Trust
    from voiceattack.victims.wrappers.cache import remembering

    terms = [] if critical_terms is None else read_terms(critical_terms)
    opened = Run.open(run)
    hold(run)
    is_text = opened.request.get("kind") == "text"
    attacked = [str(spec) for spec in [opened.request.get("victim")] if spec]
    trusted = Trust.of(victim, trust)
    trusted.check([] if victim else attacked, opened.path / "run.json")
    victims = [remembering(load_victim(spec, device), cache) for spec in distinct(victim or attacked)]
    if is_text:
        from voiceattack.cli.text import ask_and_show
        from voiceattack.text.runs import TextRun

        ask_and_show(TextRun.open(run), victims, trust=trusted, formats=[], outputs=outputs, quiet=quiet, terms=terms)
        return
    evaluate_and_show(opened, victims, formats=[], outputs=outputs, quiet=quiet, terms=terms)
    say_next("the page of it", "report", run, "--format", "html", quiet=quiet)
