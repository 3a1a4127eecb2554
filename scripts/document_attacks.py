"""Bring the pages of ``docs/reference/attacks/`` up to date: the tables of parameters, and with ``--pictures`` the spectrograms.

    python scripts/document_attacks.py [--pictures] [NAME ...]

Tables come from the attacks' own parameters. Pictures are of a clip of ``samples/`` on the bundled Whisper, minutes on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from docs_pages import with_part

from voiceattack.attacks import ATTACKS
from voiceattack.craft import AttackRequest, craft
from voiceattack.evaluate import evaluate
from voiceattack.report.plots import draw_perturbation
from voiceattack.victims import Victim, load_victim

__all__ = ["main", "parameters"]

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference" / "attacks"
CLIP = ROOT / "samples" / "sentence-01.flac"
TARGET: dict[str, Any] = {"objective": "targeted", "target": "unlock the front door"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "noise": {"budget": {"snr_db": 35}},
    "fgsm": {"budget": {"snr_db": 35}},
    "pgd": {"budget": {"snr_db": 40}},
    "mi-fgsm": {"budget": {"snr_db": 35}},
    "cw": TARGET,
    "kenansville": {},
    "transfer": {
        "budget": {"snr_db": 20},
        "params": {
            "surrogates": "whisper-tiny.en?frontend=feature-pad&timestamps=on",
            "queries": 0,
            "steps": 40,
            "check_every": 20,
        },
    },
    "minimum-norm": {"params": {"steps": 300}},
    "auto": {"budget": {"snr_db": 40}},
    "imperceptible": TARGET,
    "square": {"budget": {"snr_db": 15}, "params": {"queries": 200}},
    "nes": {"budget": {"snr_db": 12}, "params": {"queries": 100}},
    "spsa": {"budget": {"snr_db": 12}, "params": {"queries": 100}},
    "genetic": {"budget": {"snr_db": 12}, "params": {"queries": 100}},
    "random-search": {"budget": {"snr_db": 15}, "params": {"queries": 200}},
    "boundary": {"params": {"queries": 30}},
    "hop-skip-jump": {"params": {"queries": 30, "probes": 8}},
    "pointwise": {"params": {"queries": 30}},
    "tf-evolution": {"params": {"queries": 60}},
    "universal": {"objective": "mute", "params": {"artefact": str(PAGES / "mute-whisper-tiny.en.flac")}},
}


def parameters(name: str) -> str:
    """The table of an attack's parameters, as Markdown."""
    fields = ATTACKS.get(name).Params.model_fields
    if not fields:
        return "It has no parameters.\n"
    lines = [f"| `{field}` | {_shown(info.default)} | {info.description or ''} |" for field, info in fields.items()]
    return "\n".join(["| parameter (`--param NAME=VALUE`) | default | |", "| --- | --- | --- |", *lines]) + "\n"


def _shown(value: Any) -> str:
    return {True: "yes", False: "no", "": ""}.get(value, str(value)) if isinstance(value, (bool, str)) else f"{value:g}"


def picture(name: str, victim: Victim) -> str:
    """Attack the clip, draw it, and say under the picture what was heard."""
    with tempfile.TemporaryDirectory() as folder:
        run = craft(AttackRequest(inputs=(str(CLIP),), attack=name, **EXAMPLES[name]), folder, victim=victim)
        evaluate(run, [victim])
        row = next(row for row in run.results() if row.is_final)
        title = f"{name} at {row.snr_db:.1f} dB SNR"
        draw_perturbation(run.resolve(str(row.clean_audio)), run.resolve(str(row.audio)), title, PAGES / f"{name}.png")
    asked = ", ".join(f"{key}={value}" for key, value in EXAMPLES[name].get("budget", {}).items()) or row.objective
    heard = " ".join((row.hypothesis or "").split())
    heard = heard if len(heard) < 100 else heard[:97] + "..."
    return (
        f"![Spectrograms]({name}.png)\n\n"
        f'`samples/{CLIP.name}` on whisper-tiny.en ({asked}): "{(row.clean_hypothesis or "").strip()}" is heard as "{heard}" at '
        f"{row.snr_db:.1f} dB SNR, PESQ {row.value('pesq'):.2f}, {row.value('masking_excess_db'):.2f} dB over the masking "
        f"threshold; {row.steps} steps.\n"
    )


def main() -> None:
    """Update the pages named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--pictures", action="store_true")
    arguments = parser.parse_args()
    victim = load_victim("whisper-tiny.en") if arguments.pictures else None
    for name in arguments.names or ATTACKS.names():
        page = PAGES / f"{name}.md"
        text = with_part(page.read_text(encoding="utf-8"), "parameters", parameters(name))
        if victim is not None:
            text = with_part(text, "picture", picture(name, victim))
        page.write_text(text, encoding="utf-8")
        print(page, flush=True)


if __name__ == "__main__":
    main()
