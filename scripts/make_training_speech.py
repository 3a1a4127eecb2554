"""Synthesise speech to fit universal perturbations on: varied sentences, spoken by hibari-tts, 16 kHz 16-bit FLAC.

    python scripts/make_training_speech.py FOLDER [COUNT]

Needs the extra ``tts``. The sentences are put together from parts, so that no two clips say the same and none is of ``samples/``.
The one voice is played slower and faster, deeper and brighter, and through a filter like that of a room or a telephone.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from make_samples import synthesise

from voiceattack.audio import save
from voiceattack.extras import optional_import

__all__ = ["main", "sentence"]

SEED = 9
WHO = "my brother|the teacher|an old friend|our neighbour|the new doctor|nobody here|every child|a farmer|her mother"
DID = "found|was looking for|has forgotten|will bring|could not see|wrote about|never mentioned|wanted to buy|sold"
WHAT = "a red bicycle|the broken clock|some fresh bread|the last letter|a map of the city|his favourite book|the garden"
WHERE = "behind the house|near the station|in the middle of the night|before the war|on the third of March|by the sea"
ORDERS = "please show me|tell me about|switch on|read out|look up|send her|open|book|remind me of|turn up|play|find"
THINGS = "the news|a table for four|the heating upstairs|my messages|the nearest chemist|that song again|the hall lights"
WHENS = "at nine|tomorrow|on Friday evening|right now|in an hour|after lunch|every morning|for the weekend"
LINKS = "and then|although|because|but later|so that evening|while"
NUMBERS = "seven|forty two|one hundred and six|nineteen eighty four|three and a half|twelve thousand"


def _pick(draw: random.Random, parts: str) -> str:
    return draw.choice(parts.split("|"))


def sentence(draw: random.Random) -> str:
    """A statement, an order or a long sentence."""
    kind = draw.randrange(4)
    simple = f"{_pick(draw, WHO)} {_pick(draw, DID)} {_pick(draw, WHAT)} {_pick(draw, WHERE)}"
    if kind == 0:
        text = simple
    elif kind == 1:
        text = f"{_pick(draw, ORDERS)} {_pick(draw, THINGS)} {_pick(draw, WHENS)}"
    elif kind == 2:
        text = f"{simple} {_pick(draw, LINKS)} {_pick(draw, WHO)} {_pick(draw, DID)} {_pick(draw, WHAT)}"
    else:
        text = f"there were {_pick(draw, NUMBERS)} people {_pick(draw, WHERE)} and {simple}"
    return f"{text[0].upper()}{text[1:]}."


def coloured(waveform: torch.Tensor, draw: random.Random) -> torch.Tensor:
    """The clip through a random smooth filter of at most 10 dB up or down, one echo, and a little noise; float32 (samples,)."""
    spectrum = torch.fft.rfft(waveform)
    nodes = np.array([draw.uniform(-10, 10) for _ in range(8)])
    gain = np.interp(np.linspace(0, 7, len(spectrum)), np.arange(8), nodes)
    shaped = torch.fft.irfft(spectrum * torch.from_numpy(10 ** (gain / 20)).to(torch.float32), len(waveform))
    delay = draw.randrange(160, 1600)
    shaped[delay:] += draw.uniform(0, 0.4) * shaped[:-delay].clone()
    noise = torch.randn(len(shaped), generator=torch.Generator().manual_seed(draw.randrange(1 << 30)))
    shaped = shaped + noise * shaped.std() * 10 ** (draw.uniform(-60, -25) / 20)
    loud: torch.Tensor = shaped * (draw.uniform(0.1, 0.8) / shaped.abs().max())
    return loud


def main(arguments: Sequence[str]) -> None:
    """Write COUNT clips (160 by default) and ``manifest.jsonl`` into FOLDER."""
    if not arguments:
        raise SystemExit(__doc__)
    folder, count = Path(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 160
    folder.mkdir(parents=True, exist_ok=True)
    tts = optional_import("hibari", extra="tts", feature="making training speech").Hibari(threads=1)
    draw = random.Random(SEED)
    lines = []
    for index in range(count):
        text = sentence(draw)
        waveform = coloured(synthesise(tts, index, text), draw)
        name = f"train-{index:04d}.flac"
        save(folder / name, waveform, comment="synthetic speech by hibari-tts, voice heart", title=text)
        lines.append(json.dumps({"audio_filepath": name, "text": text, "duration": round(len(waveform) / 16_000, 4)}))
    (folder / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{count} clips in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
