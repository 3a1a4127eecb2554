"""Which command of a catalogue is misheard as which other: every one spoken at several speeds and in several noises."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jiwer
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from voiceattack.audio import quantize16
from voiceattack.audio_files import write_whole
from voiceattack.errors import RunError, SpecError
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.provenance import example_seed
from voiceattack.text.listeners import NOTHING, Listener
from voiceattack.text.speech import load_speaker
from voiceattack.unicode_text import escape_json, visible

__all__ = ["Confusions", "Hearing", "confuse"]

NONE = "(none of them)"
NEAR = 0.34  # share of words that may be wrong in a transcript that still counts as a command


@dataclass(frozen=True)
class Hearing:
    """One command said once: how, what was heard, and which command (or :data:`NONE`) that is."""

    said: str
    speed: float
    snr_db: float | None
    heard: str
    answer: str
    heard_as: str


@dataclass(frozen=True)
class Confusions:
    """All hearings of a catalogue."""

    commands: list[str]
    hearings: list[Hearing]

    def matrix(self) -> list[list[float]]:
        """Share of times each command (row) was heard as each command or as none (columns), 0 to 1."""
        columns = [*self.commands, NONE]
        counts = Counter((hearing.said, hearing.heard_as) for hearing in self.hearings)
        totals = Counter(hearing.said for hearing in self.hearings)
        return [[counts[said, column] / max(1, totals[said]) for column in columns] for said in self.commands]

    def ranking(self) -> list[dict[str, Any]]:
        """Commands by how easily they are misheard, the worst first: ``command, n, wrong, none, most_often_as``."""
        rows = []
        for command in self.commands:
            own = [hearing.heard_as for hearing in self.hearings if hearing.said == command]
            others = Counter(name for name in own if name not in (command, NONE))
            worst = others.most_common(1)
            rows.append(
                {
                    "command": command,
                    "n": len(own),
                    "wrong": sum(others.values()),
                    "none": own.count(NONE),
                    "most_often_as": worst[0][0] if worst else None,
                }
            )
        return sorted(rows, key=lambda row: (-row["wrong"], -row["none"], row["command"]))

    def words(self) -> dict[str, dict[str, int]]:
        """For each word said, the words heard in its place and how often: what ``squatting`` learns from."""
        found: dict[str, Counter[str]] = {}
        for hearing in self.hearings:
            said, heard = normalize(hearing.said), normalize(hearing.heard)
            if not said or not heard:
                continue
            aligned = jiwer.process_words(said, heard)
            for chunk in aligned.alignments[0]:
                if chunk.type == "substitute":
                    pairs = zip(
                        aligned.references[0][chunk.ref_start_idx : chunk.ref_end_idx],
                        aligned.hypotheses[0][chunk.hyp_start_idx : chunk.hyp_end_idx],
                        strict=True,
                    )
                    for one, other in pairs:
                        found.setdefault(one, Counter())[other] += 1
        return {word: dict(others.most_common()) for word, others in sorted(found.items())}

    def write(self, out: Path) -> list[Path]:
        """``confusions.png`` and ``.csv`` (the matrix), ``ranking.csv``, ``hearings.jsonl`` and ``words.json``; their paths.

        Raises:
            RunError: they cannot be written.
        """
        names = [visible(command) for command in self.commands]
        matrix = [[name, *(f"{share:.4f}" for share in row)] for name, row in zip(names, self.matrix(), strict=True)]
        ranked = [[visible(str(value)) if value is not None else "" for value in row.values()] for row in self.ranking()]
        lines = [escape_json(json.dumps(asdict(hearing), ensure_ascii=False)) + "\n" for hearing in self.hearings]
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_whole(out / "confusions.csv", _csv([["said", *names, NONE], *matrix]))
            write_whole(out / "ranking.csv", _csv([["command", "n", "wrong", "none", "most_often_as"], *ranked]))
            write_whole(out / "hearings.jsonl", "".join(lines).encode())
            write_whole(out / "words.json", (json.dumps(self.words(), indent=1) + "\n").encode())
            self._draw(out / "confusions.png", names)
        except OSError as error:
            raise RunError(f"{out}: cannot be written ({error.strerror}); make room or choose another folder") from error
        return [out / name for name in ("confusions.png", "confusions.csv", "ranking.csv", "hearings.jsonl", "words.json")]

    def _draw(self, path: Path, names: Sequence[str]) -> None:
        side = max(5.0, 0.28 * len(names) + 3.5)
        figure = Figure(figsize=(side + 1, side), dpi=90, layout="constrained")
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        image = axis.imshow(self.matrix(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        short = [name if len(name) <= 34 else name[:33] + "…" for name in names]
        axis.set_xticks(range(len(names) + 1), [*short, NONE], rotation=90, fontsize=7)
        axis.set_yticks(range(len(names)), short, fontsize=7)
        axis.set_xlabel("heard as")
        axis.set_ylabel("said")
        figure.colorbar(image, ax=axis, label="share of times", shrink=0.6)
        figure.savefig(path, metadata={"Software": "voiceattack"})


def confuse(
    commands: Sequence[str],
    listener: Listener,
    *,
    speaker: str = "hibari",
    speeds: Sequence[float] = (1.0,),
    snrs_db: Sequence[float | None] = (None,),
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Confusions:
    """Say every command in every way and see which one is heard.

    Args:
        commands: the catalogue, at least two.
        listener: who hears; where it acts, a command is what does the same, else the nearest transcript.
        speaker: spec without a speed, ``hibari``.
        speeds: of the voice; 1.0 is its own.
        snrs_db: of seeded white noise, dB; None is without.
        seed: of the noise.

    Raises:
        SpecError: fewer than two commands, or the speaker takes no speed.
    """
    distinct = list(dict.fromkeys(commands))
    if len(distinct) < 2:
        raise SpecError("a catalogue needs at least two different commands; give a .txt file with one a line")
    joint = "&" if "?" in speaker else "?"
    voices = {speed: load_speaker(speaker if speed == 1.0 else f"{speaker}{joint}speed={speed:g}") for speed in speeds}
    actions = {command: listener.read(command).label for command in distinct} if listener.acts else {}
    found: list[Hearing] = []
    total = len(distinct) * len(voices) * len(snrs_db)
    for command in distinct:
        for speed, voice in voices.items():
            clean = voice(command)
            for snr_db in snrs_db:
                answer = listener.hear(_noisy(clean, snr_db, example_seed(seed, f"{command}:{speed}:{snr_db}", "confusions")))
                heard = answer.heard or ""
                place = _by_action(command, answer.label, actions) if actions else _nearest(heard, distinct)
                found.append(Hearing(command, speed, snr_db, heard, answer.label, place))
                if on_progress is not None:
                    on_progress(len(found), total, command[:40])
    return Confusions(distinct, found)


def _noisy(clean: Tensor, snr_db: float | None, seed: int) -> Tensor:
    if snr_db is None:
        return clean
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    level = float(clean.square().mean().sqrt()) * 10 ** (-snr_db / 20)
    mixed = clean + noise * (level / float(noise.square().mean().sqrt()))
    return quantize16(mixed.clamp(-1, 1))


def _by_action(said: str, label: str, actions: dict[str, str]) -> str:
    if label == NOTHING:
        return NONE
    if actions[said] == label:
        return said
    return next((command for command, action in actions.items() if action == label), NONE)


def _nearest(heard: str, commands: Sequence[str]) -> str:
    text = normalize(heard)
    errors = {command: word_errors(normalize(command), text).wer if normalize(command) else 1.0 for command in commands}
    best = min(commands, key=lambda command: errors[command])
    return best if errors[best] <= NEAR else NONE


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    sheet = io.StringIO()
    csv.writer(sheet).writerows(rows)
    return sheet.getvalue().encode()
