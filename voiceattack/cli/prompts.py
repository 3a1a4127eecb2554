"""``voiceattack prompts``: change what a recogniser is told beside the audio, so that something else is heard."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import DeviceOption, InputsArgument, QuietOption, distinct, hold, progress, say, warn

__all__ = ["prompts"]


class Kind(str, Enum):
    """How a prompt is given."""

    initial_prompt = "initial-prompt"
    hotwords = "hotwords"


def prompts(
    inputs: InputsArgument,
    victim: Annotated[str, typer.Option(help="A recogniser of the Whisper family.")] = "whisper-tiny.en",
    also: Annotated[
        list[str] | None, typer.Option("--also", metavar="VICTIM", help="Try the prompts found on this victim too. Repeatable.")
    ] = None,
    kind: Annotated[Kind, typer.Option("--as", help="How the text is given to the recogniser.")] = Kind.initial_prompt,
    max_chars: Annotated[int, typer.Option(min=1, max=200, help="Longest prompt, characters.")] = 20,
    max_decodes: Annotated[int, typer.Option(min=2, help="Most transcripts made of a clip in the search.")] = 24,
    fixed: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The prompt tried on all clips.", show_default="the best of those found")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of the prompts and tables.")] = Path("prompts"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Search a short prompt for each clip of INPUT that changes its transcript; judge it, one for all clips and random words
    beside it, from the saved prompts and the files."""
    from voiceattack.corpus import BadItem, read_corpus
    from voiceattack.errors import RunError

    items = list(read_corpus(inputs))
    if dry_run:
        judged = 4 * (1 + len(also or ()))
        say(f"clips: {len(items)}; victim: {victim}; at most {len(items) * (max_decodes + 3 + judged)} transcripts")
        return
    from voiceattack.report.markdown_text import escape, table
    from voiceattack.text.prompts.batch import search_all
    from voiceattack.text.prompts.records import judge_prompts, read_prompts, summarize_prompts, write_prompts, write_results
    from voiceattack.victims import load_victim

    hold(out)
    loaded = [load_victim(spec, device) for spec in distinct([victim, *(also or [])])]
    for item in items:
        if isinstance(item, BadItem):
            warn(f"{item.where}: {item.error}")
    clips = [item for item in items if not isinstance(item, BadItem)]
    with progress("searching prompts", quiet=quiet) as on_progress:
        records = search_all(
            loaded[0],
            clips,
            kind=kind.value,
            max_chars=max_chars,
            max_decodes=max_decodes,
            fixed=fixed,
            seed=seed,
            on_progress=on_progress,
            on_error=warn,
        )
    if not records:
        raise RunError(f"none of the {len(items)} clips could be used; the reasons are above")
    written = [write_prompts(records, out)]
    with progress("hearing again", quiet=quiet) as on_progress:
        results = judge_prompts(read_prompts(out), loaded, on_progress=on_progress)
    written += write_results(results, out, table, escape)
    for row in summarize_prompts(results):
        which = f" {row['prompt']!r}" if row["prompt"] else ""
        share = f"{row['changed']} of {row['n']} transcripts changed"
        wer = "" if row["wer_capped"] is None else f", mean WER {row['wer_capped']:.2f} (1 a clip at most) against none"
        say(f"{row['victim']}, {row['kind']}, {row['choice']}{which}: {share}{wer}", quiet=quiet)
    for path in written:
        say(f"written: {path}", quiet=quiet)
