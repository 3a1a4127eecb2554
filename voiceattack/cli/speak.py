"""``voiceattack speak``: texts as audio, by a synthesiser independent of the recogniser under test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import QuietOption, hold, progress, say, warn
from voiceattack.progress import each

__all__ = ["speak"]


def speak(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Texts, .txt files (one a line), or .jsonl manifests.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the clips and their manifest.jsonl.")] = Path("spoken"),
    speaker: Annotated[
        str,
        typer.Option("--speaker", help="hibari[?speed=S], or 'command:PROGRAM {text} {out}'; see: voiceattack list speakers."),
    ] = "hibari",
    quiet: QuietOption = False,
) -> None:
    """Speak INPUT into 16 kHz FLAC files, with a manifest that 'voiceattack attack' and 'transcribe' read."""
    from voiceattack.audio import clips as audio
    from voiceattack.errors import RunError, VoiceAttackError, as_error
    from voiceattack.files import inside, write_whole, writing
    from voiceattack.runs.provenance import slug
    from voiceattack.text.corpus import read_texts
    from voiceattack.text.speech import load_speaker

    voice = load_speaker(speaker)
    items = list(read_texts(inputs))
    lines: list[str] = []
    hold(out)
    with writing(out, "make room or choose another folder"):
        with progress("speaking", quiet=quiet) as on_progress:
            for item in each(items, "speaking", lambda item: item.text[:40], on_progress):
                try:
                    if item.error:
                        raise VoiceAttackError(item.error)
                    waveform = voice(item.text)
                    name = f"{slug(item.text)[:40].rstrip('-._')}-{item.sha256[:8]}.flac"
                    audio.save(inside(out, name), waveform, comment=f"synthetic speech by {speaker}", title=item.text)
                except Exception as error:  # a voice may be anybody's program
                    told = as_error(error)
                    warn(str(told) if told is error else f"{item.text[:60]!r}: {told}")
                    continue
                row = {"audio_filepath": name, "text": item.text, "duration": round(len(waveform) / audio.SAMPLE_RATE, 4)}
                lines.append(json.dumps(row if item.expected is None else {**row, "action": item.expected}))
        if lines:
            write_whole(inside(out, "manifest.jsonl"), "".join(f"{line}\n" for line in lines).encode())
    if not lines:
        raise RunError(f"none of the {len(items)} texts could be spoken; the reasons are above")
    say(f"{len(lines)} clips: {out / 'manifest.jsonl'}", quiet=quiet)
