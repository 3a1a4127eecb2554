"""Robustness tests in your own test suite: attack one clip, and assert that it was not fooled. Used by the pytest plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceattack.attacks.options import SearchOptions
from voiceattack.errors import AttackError

if TYPE_CHECKING:
    from voiceattack.corpus import Utterance
    from voiceattack.craft.request import AttackRequest
    from voiceattack.runs.records import Result
    from voiceattack.victims import Victim

__all__ = ["Attempt", "assert_robust", "attack_clip", "request_of"]

ASKED = frozenset((*SearchOptions.model_fields, "objective", "target", "wer_threshold", "seed", "control"))


@dataclass(frozen=True)
class Attempt:
    """One attack on one clip, judged from the saved file heard back.

    Attributes:
        row: the line of results.jsonl.
        run: the run directory.
    """

    row: Result
    run: Path

    @property
    def success(self) -> bool:
        """Whether the victim was fooled."""
        return bool(self.row.success)

    @property
    def outcome(self) -> str:
        """``fooled``, ``held``, ``no_effect``, ``clean_wrong`` or ``error``."""
        return self.row.outcome

    @property
    def snr_db(self) -> float | None:
        """Of the perturbation."""
        return self.row.snr_db

    @property
    def wer(self) -> float | None:
        """Of the artefact against what was said."""
        return self.row.wer

    @property
    def audio(self) -> Path | None:
        """The adversarial file."""
        return None if self.row.audio is None else self.run / self.row.audio

    def report(self) -> str:
        """What a failure message shows: transcripts, WER, SNR, files to play, and how to make it again."""
        from voiceattack.report.commands import replay_command

        row = self.row
        lines = {
            "said": row.reference,
            "heard clean": f"{_text(row.clean_hypothesis)}  (WER {_number(row.wer_clean, 2)})",
            "heard": f"{_text(row.hypothesis)}  (WER {_number(row.wer, 2)})",
            "SNR": f"{_number(row.snr_db, 1)} dB",
            "play": self.audio,
            "clean": None if row.clean_audio is None else self.run / row.clean_audio,
            "again": replay_command(self.run, row),
        }
        return "\n".join(f"  {name + ':':<13}{value}" for name, value in lines.items() if value is not None)


def request_of(options: Mapping[str, Any], victim: str) -> AttackRequest:
    """An attack from keyword options: ``attack``, limits (``snr_db=30``), objectives, and the attack's own parameters.

    Raises:
        SpecError: one is unknown or out of range.
    """
    from voiceattack.attacks import ATTACKS
    from voiceattack.constraints import Budget
    from voiceattack.craft.request import AttackRequest

    given = dict(options)
    attack = given.pop("attack", "pgd")
    budget = {name: given.pop(name) for name in Budget.__dataclass_fields__.keys() & given.keys()}
    asked = {name: given.pop(name) for name in ASKED & given.keys()}
    if "target" in asked:
        asked.setdefault("objective", "targeted")
    if ATTACKS.get(attack).needs_budget and not budget:
        budget = {"snr_db": 35.0}
    request = AttackRequest(inputs=(), victim=victim, attack=attack, params=given, budget=budget, **{"control": False, **asked})
    request.build()
    return request


def attack_clip(request: AttackRequest, clip: Utterance, victim: Victim, folder: Path, name: str) -> Attempt:
    """Craft on one clip, hear it back.

    Args:
        request: what is asked, but for the input.
        clip: with what is said in it.
        victim: loaded.
        folder: where the run directory goes; one of the same request is resumed.
        name: what its name begins with.

    Raises:
        AttackError: the clip could not be attacked or heard.
        VoiceAttackError: the request cannot work on this victim.
    """
    from voiceattack.craft.run import craft
    from voiceattack.evaluate.scoring import evaluate
    from voiceattack.runs.provenance import run_id, slug

    path = folder / f"{slug(name)[:60]}-{run_id(request.identity())}"
    run = craft(request, path, items=[clip], victim=victim)
    evaluate(run, [victim])
    attempt = Attempt(next(row for row in run.results() if row.is_final), path)
    if attempt.outcome == "error":
        raise AttackError(f"{clip.place}: {attempt.row.error}")
    return attempt


def assert_robust(attempt: Attempt, *, max_wer: float | None = None) -> None:
    """Assert that the victim was not fooled.

    Args:
        attempt: what the fixture ``attack`` returned.
        max_wer: also assert that the artefact's WER is at most this.

    Raises:
        AssertionError: it was fooled, or the clip is misheard already when clean, so that nothing can be said.
    """
    __tracebackhide__ = True
    row = attempt.row
    who = f"{row.victim} was fooled by {row.attack} at {_number(attempt.snr_db, 1)} dB SNR"
    if attempt.outcome == "clean_wrong":
        raise AssertionError(f"{row.victim} mishears the clean clip already, so its robustness is unknown\n{attempt.report()}")
    if attempt.success:
        raise AssertionError(f"{who} (objective {row.objective})\n{attempt.report()}")
    if max_wer is not None and attempt.wer is not None and attempt.wer > max_wer:
        raise AssertionError(f"{row.victim}: WER {attempt.wer:.2f} is over {max_wer:g}\n{attempt.report()}")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _text(value: str | None) -> str:
    return repr(" ".join((value or "").split()))
