"""``voiceattack prompts``: change Whisper's initial prompt, not the audio, so that something else is heard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import DeviceOption, InputsArgument, QuietOption, progress, say, warn

__all__ = ["prompts"]


def prompts(
    inputs: InputsArgument,
    victim: Annotated[str, typer.Option(help="A recogniser of the Whisper family.")] = "whisper-tiny.en",
    max_chars: Annotated[int, typer.Option(min=1, max=200, help="Longest prompt, characters.")] = 20,
    max_decodes: Annotated[int, typer.Option(min=2, help="Most transcripts made of a clip in the search.")] = 24,
    fixed: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The prompt tried on all clips.", show_default="the best of those found")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables.")] = Path("prompts"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Search a short initial prompt for each clip of INPUT that changes its transcript; one fixed prompt for all beside it."""
    from voiceattack import audio
    from voiceattack.corpus import BadItem, read_corpus
    from voiceattack.errors import RunError, VoiceAttackError

    items = list(read_corpus(inputs))
    if dry_run:
        say(f"clips: {len(items)}; victim: {victim}; at most {len(items) * (max_decodes + 6)} transcripts")
        return
    from voiceattack.provenance import example_seed
    from voiceattack.report.markdown_text import escape, table
    from voiceattack.text.prompts import attack_prompts, best_fixed, summarize_prompts, write_prompts
    from voiceattack.victims import load_victim

    loaded = load_victim(victim, device)
    rows, clips = [], []
    with progress("searching prompts", quiet=quiet) as on_progress:
        for place, item in enumerate(items):
            if isinstance(item, BadItem):
                warn(f"{item.where}: {item.error}")
                continue
            try:
                waveform = audio.load(item.path)
                own = example_seed(seed, audio.file_sha256(item.path), "prompts")
                row, clip = attack_prompts(
                    loaded, item.path.name, waveform, max_chars=max_chars, max_decodes=max_decodes, seed=own
                )
            except VoiceAttackError as error:
                warn(str(error))
                continue
            rows.append(row)
            clips.append((row.clip, clip))
            if on_progress is not None:
                on_progress(place + 1, len(items), row.prompt)
    if not rows:
        raise RunError(f"none of the {len(items)} clips could be used; the reasons are above")
    rows += best_fixed(clips, [fixed] if fixed else [row.prompt for row in rows if row.changed])
    written = write_prompts(rows, out, table, escape)
    for kind, figures in summarize_prompts(rows).items():
        share = f"{figures['changed']} of {figures['n']} transcripts changed"
        which = f" {next(row.prompt for row in rows if row.fixed)!r}" if kind == "fixed" else ""
        say(f"{kind} prompt{which}: {share}, mean WER {figures['wer_capped']:.2f} (1 a clip at most) against none", quiet=quiet)
    for path in written:
        say(f"written: {path}", quiet=quiet)
