"""``voiceattack confusions``: which command of a catalogue is misheard as which other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from voiceattack.cli.console import DeviceOption, QuietOption, noise_levels, numbers, progress, say, warn

__all__ = ["confusions"]


def confusions(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="The catalogue: commands, .txt or .jsonl files.")],
    victim: Annotated[str, typer.Option(help="Who listens.")] = "whisper-tiny.en",
    interpreter: Annotated[
        str | None, typer.Option(metavar="VICTIM", help="Who acts on what was heard: intents:home.", show_default="the victim")
    ] = None,
    speaker: Annotated[
        list[str] | None,
        typer.Option("--speaker", help="A voice; see: voiceattack list speakers. Repeatable.", show_default="hibari"),
    ] = None,
    speeds: Annotated[str, typer.Option(metavar="LIST", help="Speeds of each voice.")] = "0.9,1.0,1.2",
    snr_db: Annotated[str, typer.Option(metavar="LIST", help="White noise, dB below the speech; 'clean' is none.")] = "clean,10",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of the matrix and the tables.")] = Path("confusions"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Speak a catalogue of commands in several ways; draw which is heard as which, and rank them by how easily that happens."""
    from voiceattack.text.corpus import read_texts

    rates, noises = numbers(speeds, "--speeds", 0.5, 2), noise_levels(snr_db)
    items = list(read_texts(inputs))
    for item in items:
        if item.error:
            warn(item.error)
    commands = [item.text for item in items if not item.error]
    voices = list(dict.fromkeys(speaker or ["hibari"]))
    if dry_run:
        clips = len(set(commands)) * len(voices) * len(rates) * len(noises)
        say(f"commands: {len(set(commands))}; voices: {len(voices)}; clips to speak and hear: {clips}")
        return
    from voiceattack.report.confusions import write_confusions
    from voiceattack.text.confusions import confuse
    from voiceattack.text.listeners import Listener
    from voiceattack.text.speech import load_speaker
    from voiceattack.victims import load_victim

    acting = None if interpreter is None else load_victim(interpreter, device)
    listener = Listener(load_victim(victim, device), load_speaker(voices[0]), acting)
    with progress("listening", quiet=quiet) as on_progress:
        ways: dict[str, Any] = {"speakers": voices, "speeds": rates, "snrs_db": noises, "seed": seed}
        found = confuse(commands, listener, **ways, on_progress=on_progress, on_error=warn)
    written = write_confusions(found, out)
    for row in found.conditions():
        noise = "clean" if row["snr_db"] is None else f"noise at {row['snr_db']:g} dB"
        told = f"{row['voice']}, {row['speed']:g}x, {noise}: {row['right']} of {row['n']} right"
        say(f"{told}, {row['wrong']} as another, {row['none']} as none", quiet=quiet)
    for row in found.ranking()[:10]:
        if row["wrong"] or row["none"]:
            told = f", most often {row['most_often_as']!r}" if row["most_often_as"] else ""
            say(f"{row['command']}: of {row['n']} times {row['wrong']} as another{told}, {row['none']} as none", quiet=quiet)
    for path in written:
        say(f"written: {path}", quiet=quiet)
