"""A recogniser of one's own, as a QA engineer has it: a program that reads a sound file and prints a transcript, and its suite.

What it hears stands in a file beside it that no command names, as the model of a real one does: nobody can see it change.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml
from speechlike import tones

from voiceattack.audio import clips as audio

__all__ = ["OwnRecogniser"]

PROGRAM = """
import hashlib, json, pathlib, sys, wave

state = json.loads(pathlib.Path(__file__).with_name("model.json").read_text())
if state["dead"]:
    sys.exit("the licence has expired")
with wave.open(sys.argv[-1]) as file:
    frames = file.readframes(file.getnframes())
name = state["lengths"].get(str(len(frames) // 2))
if name is None:
    print("you" if state["invents"] else "")
elif name in state["broken"]:
    sys.exit("out of memory")
elif name in state["deaf"]:
    print("thank you")
elif name in state["fragile"] and hashlib.sha256(frames).hexdigest() not in state["clean"]:
    print("open the garage door")
else:
    print(state["said"][name])
"""


class OwnRecogniser:
    """A folder with recordings, their texts, the program and ``suite.yaml``."""

    def __init__(self, folder: Path, clips: int = 6) -> None:
        self.folder = folder
        self.program = folder / "recogniser.py"
        self.program.write_text(PROGRAM)
        recordings = folder / "recordings"
        recordings.mkdir()
        self.state: dict[str, Any] = {"dead": False, "invents": False, "broken": [], "deaf": [], "fragile": []}
        self.state |= {"lengths": {}, "said": {}, "clean": []}
        lines = []
        for index in range(clips):
            name, wave = f"order{index}", tones(index, 0.3 + 0.02 * index)
            audio.save(recordings / f"{name}.wav", wave)
            self.state["lengths"][str(len(wave))] = name
            self.state["said"][name] = f"turn on lamp number {index}"
            self.state["clean"].append(hashlib.sha256(audio.pcm16(wave)).hexdigest())
            lines.append(json.dumps({"audio_filepath": f"{name}.wav", "text": self.state["said"][name]}))
        (recordings / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        self.change()

    @property
    def spec(self) -> str:
        return f"command:{shlex.join([sys.executable, str(self.program)])} {{audio}}"

    def change(self, **state: Any) -> None:
        """Another model behind the same program: ``fragile``, ``deaf`` and ``broken`` name clips, ``dead`` answers nothing."""
        self.state |= state
        (self.folder / "model.json").write_text(json.dumps(self.state))

    def suite(self, **changes: Any) -> Path:
        """``suite.yaml``: noise at 20 dB, and at most one in five fooled by it."""
        victim = {"name": "own", "spec": self.spec, **changes.pop("victim", {})}
        asked: dict[str, Any] = {
            "inputs": [{"path": "recordings", "tags": ["orders"]}],
            "victims": [victim],
            "attacks": [{"attack": "noise", "budget": {"snr_db": 20}}],
            "gates": ["wer_clean <= 0.1", "success_rate <= 0.2"],
        }
        path = self.folder / "suite.yaml"
        path.write_text(yaml.safe_dump(asked | changes))
        return path
