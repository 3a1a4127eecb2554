"""Which command of a catalogue is misheard as which other: every one spoken at several speeds and in several noises."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jiwer
import torch
from torch import Tensor

from voiceattack.audio.clips import quantize16
from voiceattack.errors import SpecError, VictimError, as_error
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.progress import Progress
from voiceattack.runs.provenance import example_seed
from voiceattack.text.listeners import NOTHING, Listener
from voiceattack.text.speech import load_speaker

__all__ = ["NONE", "Confusions", "SpokenCommand", "confuse"]

NONE = "(none of them)"
NEAR = 0.34  # share of words that may be wrong in a transcript that still counts as a command


@dataclass(frozen=True)
class SpokenCommand:
    """One command said once: how, what was heard, and which command (or :data:`NONE`) that is."""

    said: str
    voice: str
    speed: float
    snr_db: float | None
    heard: str
    answer: str
    heard_as: str


@dataclass(frozen=True)
class Confusions:
    """All hearings of a catalogue."""

    commands: list[str]
    hearings: list[SpokenCommand]
    language: str = "en"

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

    def conditions(self) -> list[dict[str, Any]]:
        """For each voice, speed and noise: ``voice, speed, snr_db, n, right, wrong, none`` in the order they were heard."""
        rows: dict[tuple[str, float, float | None], dict[str, Any]] = {}
        for hearing in self.hearings:
            key = (hearing.voice, hearing.speed, hearing.snr_db)
            empty = dict(zip(("voice", "speed", "snr_db"), key, strict=True)) | dict.fromkeys(("n", "right", "wrong", "none"), 0)
            row = rows.setdefault(key, empty)
            row["n"] += 1
            row["right" if hearing.heard_as == hearing.said else "none" if hearing.heard_as == NONE else "wrong"] += 1
        return list(rows.values())

    def words(self) -> dict[str, dict[str, int]]:
        """For each word said, the words heard in its place and how often: what ``squatting`` learns from."""
        found: dict[str, Counter[str]] = {}
        for hearing in self.hearings:
            said, heard = (normalize(text, self.language) for text in (hearing.said, hearing.heard))
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


def confuse(
    commands: Sequence[str],
    listener: Listener,
    *,
    speakers: Sequence[str] = ("hibari",),
    speeds: Sequence[float] = (1.0,),
    snrs_db: Sequence[float | None] = (None,),
    seed: int = 0,
    on_progress: Progress | None = None,
    on_error: Callable[[str], None] | None = None,
) -> Confusions:
    """Say every command in every way and see which one is heard.

    Args:
        commands: the catalogue, at least two.
        listener: who hears; where it acts, a command is what does the same, else the nearest transcript.
        speakers: specs of the voices, without a speed: ``hibari``, ``hibari?pitch=0.87``.
        speeds: of each voice; 1.0 is its own.
        snrs_db: of seeded white noise, dB; None is without.
        seed: of the noise.
        on_error: called with one line when a command cannot be said or heard; it is left out. None raises the first.

    Raises:
        SpecError: fewer than two commands, or the speaker takes no speed.
        VictimError: nothing at all could be heard.
    """
    distinct = list(dict.fromkeys(commands))
    if len(distinct) < 2:
        raise SpecError("a catalogue needs at least two different commands; give a .txt file with one a line")
    voices = {(spec, speed): load_speaker(_at(spec, speed)) for spec in dict.fromkeys(speakers) for speed in speeds}
    language = listener.victim.language
    actions: dict[str, str] = {}
    for command in distinct if listener.acts else ():
        with _costing(command, on_error):
            actions[command] = listener.read(command).label
    if listener.acts and not actions:
        raise VictimError(f"victim {listener.victim.spec!r} could read none of the commands; check it")
    found: list[SpokenCommand] = []
    total = len(distinct) * len(voices) * len(snrs_db)
    for command in actions or distinct:
        own: list[SpokenCommand] = []
        with _costing(command, on_error):
            for (spec, speed), voice in voices.items():
                clean = voice(command)
                for snr_db in snrs_db:
                    drawn = example_seed(seed, f"{command}:{spec}:{speed}:{snr_db}", "confusions")
                    answer = listener.hear(_noisy(clean, snr_db, drawn))
                    heard = answer.heard or ""
                    place = _by_action(command, answer.label, actions) if actions else _nearest(heard, distinct, language)
                    own.append(SpokenCommand(command, spec, speed, snr_db, heard, answer.label, place))
                    if on_progress is not None:
                        on_progress(len(found) + len(own), total, command[:40])
            found += own
    if not found:
        raise VictimError(f"victim {listener.victim.spec!r} could hear none of the commands; check it and the voice")
    said = {hearing.said for hearing in found}
    return Confusions([command for command in distinct if command in said], _among(found, said), language)


def _among(found: Sequence[SpokenCommand], said: set[str]) -> list[SpokenCommand]:
    return [hearing if hearing.heard_as in said else replace(hearing, heard_as=NONE) for hearing in found]


@contextlib.contextmanager
def _costing(command: str, on_error: Callable[[str], None] | None) -> Iterator[None]:
    """What a victim or a voice, anybody's code, raises costs the command at hand."""
    try:
        yield
    except Exception as error:
        if on_error is None:
            raise
        on_error(f"{command!r}: {as_error(error)}")


def _at(spec: str, speed: float) -> str:
    return spec if speed == 1.0 else f"{spec}{'&' if '?' in spec else '?'}speed={speed:g}"


def _noisy(clean: Tensor, snr_db: float | None, seed: int) -> Tensor:
    """On the 16-bit grid, as a file would hold it."""
    if snr_db is None:
        return quantize16(clean)
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


def _nearest(heard: str, commands: Sequence[str], language: str) -> str:
    text = normalize(heard, language)
    words = {command: normalize(command, language) for command in commands}
    errors = {command: word_errors(said, text).wer if said else 1.0 for command, said in words.items()}
    best = min(commands, key=lambda command: errors[command])
    return best if errors[best] <= NEAR else NONE
