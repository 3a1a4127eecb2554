"""Synthesise ``samples/``: voice-assistant commands and longer sentences, spoken by hibari-tts, 16 kHz 16-bit FLAC.

    python scripts/make_samples.py [--keep] [FOLDER]

Writes two manifests: ``manifest.jsonl``, the 30 clips for recognisers, and ``commands.jsonl``, the 40 commands for an assistant
in the home of ``samples/home.yaml``, each with the action that its text means there.

Needs the extras ``tts`` and ``assistant``. Nothing is downloaded: the one voice used lies inside the package hibari-tts.
Run twice on one machine, it writes the same bytes; on another they may differ, so ``--keep`` leaves the clips that are there
and makes only those missing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch

from voiceattack.audio import SAMPLE_RATE, info, save
from voiceattack.extras import optional_import

__all__ = ["CLIPS", "main", "synthesise", "write_clip"]

SEED = 8
PEAK = 0.7
SILENCE_SECONDS = 0.2
SPEEDS = (1.0, 0.9, 1.1, 0.95, 1.15)
PITCHES = (1.0, 0.87, 1.08)
"""The voice played back slower or faster: 0.87 is deeper, 1.08 brighter. The tempo stays, for the synthesis makes up for it."""

COMMANDS = (
    "Turn on the kitchen lamp.",
    "Turn off all the lights downstairs.",
    "Dim the bedroom lights to thirty percent.",
    "Lock the front door.",
    "Unlock the garage door.",
    "Is the kitchen window closed?",
    "Set an alarm for half past six tomorrow morning.",
    "Cancel my alarm.",
    "Set a timer for ten minutes.",
    "How much time is left on the pasta timer?",
    "What is the weather like in Boston today?",
    "Will it rain this afternoon?",
    "Play some quiet jazz in the living room.",
    "Turn the music down.",
    "Skip this song.",
    "Set the thermostat to twenty degrees.",
    "Add milk and eggs to my shopping list.",
    "Call my sister on her mobile phone.",
    "Close the blinds in the office.",
    "Start the robot vacuum.",
)
SENTENCES = (
    "The old lighthouse keeper climbed the narrow stairs every evening to light the lamp before the fog came in.",
    "She left the meeting early because her train was leaving at four, and there was no other one that day.",
    "Most of the apples we picked last autumn were turned into cider by the people next door.",
    "When the storm had passed, the children ran outside to see how high the river had risen.",
    "He opened the letter slowly, read it twice, and put it back into the drawer without a word.",
    "Our flight was delayed for three hours, so we walked around the airport and drank far too much coffee.",
    "The museum keeps a small collection of clocks that were made by hand more than two hundred years ago.",
    "If you follow this road to the bridge and turn left, you will find the bakery beside the church.",
    "Nobody in the village could remember a winter as cold and as long as the one that year.",
    "Please read the instructions carefully, check that every part is in the box, and then begin.",
)
ASSISTANT = (
    "Turn off the kitchen lamp.",
    "Turn on the desk lamp.",
    "Turn off the bathroom light.",
    "Turn on the lights in the living room.",
    "Turn off all the lights.",
    "Set the bedroom light to fifty percent.",
    "Set the floor lamp to red.",
    "Turn on the living room lamp.",
    "Unlock the front door.",
    "Lock the back door.",
    "Unlock the back door.",
    "Is the front door locked?",
    "Open the garage door.",
    "Close the garage door.",
    "Open the living room blinds.",
    "Close the bedroom curtains.",
    "Turn on the coffee machine.",
    "Turn off the heater.",
    "Turn off the alarm system.",
    "Turn on the bedroom fan.",
    "Turn off the television.",
    "Set the radio volume to thirty percent.",
    "Cancel all timers.",
    "Pause the timer.",
    "What time is it?",
    "What is the weather?",
    "Add bread to the shopping list.",
    "Activate the movie night scene.",
    "Are any lights on in the kitchen?",
)
"""Commands that Home Assistant's sentences understand, for ``commands.jsonl``."""
UNDERSTOOD = (1, 2, 4, 6, 9, 10, 13, 16, 17, 19, 20)
"""Those of :data:`COMMANDS` that it understands too, counted from 1."""
CLIPS: tuple[tuple[str, str], ...] = tuple(
    [(f"command-{i:02d}", text) for i, text in enumerate(COMMANDS, 1)]
    + [(f"sentence-{i:02d}", text) for i, text in enumerate(SENTENCES, 1)]
    + [(f"command-{i:02d}", text) for i, text in enumerate(ASSISTANT, len(COMMANDS) + 1)]
)
"""(name, text) of every clip; a clip's place picks its speed and pitch, so that new clips come last."""


def synthesise(tts: Callable[..., Any], index: int, text: str) -> torch.Tensor:
    """One clip: float32 (samples,) at 16 kHz, peak 0.7, with 0.2 s of silence at both ends.

    Args:
        tts: ``tts(text, speed, seed)`` gives float32 (samples,) at 24 kHz.
        index: the clip's place in :data:`CLIPS`.
        text: what is said.
    """
    speed, pitch = SPEEDS[index % len(SPEEDS)], PITCHES[index % len(PITCHES)]
    spoken = np.asarray(tts(text, speed=speed / pitch, seed=SEED + index), dtype=np.float32)
    spoken = soxr.resample(spoken, 24_000 * pitch, SAMPLE_RATE, "HQ")
    spoken = spoken * (PEAK / np.abs(spoken).max())
    return torch.from_numpy(np.pad(spoken, round(SILENCE_SECONDS * SAMPLE_RATE)).astype(np.float32))


def write_clip(tts: Callable[..., Any], index: int, folder: Path, keep: bool = False) -> dict[str, object]:
    """Synthesise and save clip ``index`` into ``folder``, unless it is there and to be kept; its line of the manifest."""
    name, text = CLIPS[index]
    if keep and (path := folder / f"{name}.flac").exists():
        return {"audio_filepath": path.name, "text": text, "duration": round(info(path).seconds, 4)}
    waveform = synthesise(tts, index, text)
    save(folder / f"{name}.flac", waveform, comment="synthetic speech by hibari-tts, voice heart", title=text)
    return {"audio_filepath": f"{name}.flac", "text": text, "duration": round(len(waveform) / SAMPLE_RATE, 4)}


def commands(lines: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """The lines of ``commands.jsonl``: the assistant's commands with the action that their written text means in the sample home.

    Raises:
        ValueError: the intent recogniser does not understand one of them.
    """
    from voiceattack.victims.assistants.intents import load

    assistant = load("home", {}, torch.device("cpu"))
    places = [place - 1 for place in UNDERSTOOD] + list(range(len(COMMANDS) + len(SENTENCES), len(CLIPS)))
    found = []
    for line in (lines[place] for place in places):
        action = assistant.interpret(str(line["text"]))
        if not action:
            raise ValueError(f"not understood: {line['text']}")
        found.append({**line, "action": str(action)})
    return found


def main(arguments: Sequence[str]) -> None:
    """Write every clip and both manifests into the folder named, ``samples/`` by default."""
    keep, rest = "--keep" in arguments, [argument for argument in arguments if argument != "--keep"]
    folder = Path(rest[0]) if rest else Path(__file__).resolve().parent.parent / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    tts = optional_import("hibari", extra="tts", feature="making the samples").Hibari(threads=1)
    lines = [write_clip(tts, index, folder, keep) for index in range(len(CLIPS))]
    for name, rows in (("manifest", lines[: len(COMMANDS) + len(SENTENCES)]), ("commands", commands(lines))):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.glob("*.flac"))
    print(f"{len(lines)} clips, {size / 1e6:.2f} MB, in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
