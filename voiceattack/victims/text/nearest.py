"""``nearest:<manifest>``: an intent classifier that answers with the action of the example nearest in meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from voiceattack.audio.clips import Batch
from voiceattack.errors import SpecError, VictimError
from voiceattack.files import read_text
from voiceattack.numbers import LARGEST
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent, parse_action
from voiceattack.victims.options import take_number
from voiceattack.victims.text.embedding import embed

__all__ = ["NearestVictim", "load"]


class NearestVictim(Victim):
    """Cosine of sentence embeddings to each example; below ``threshold`` nothing is understood.

    Args:
        examples: (text, action) pairs.
        threshold: least cosine of an answer, -1 to 1.
        temperature: of the softmax over actions that :meth:`confidences` gives.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"acts"})

    def __init__(self, examples: Sequence[tuple[str, Intent]], threshold: float = 0.6, temperature: float = 0.05) -> None:
        self._intents = [intent for _, intent in examples]
        self._vectors = torch.stack([embed(text) for text, _ in examples])
        self.threshold, self.temperature = threshold, temperature

    def interpret(self, text: str) -> Intent:
        """The action of the nearest example; empty when none is near enough."""
        cosines = self._vectors @ embed(text)
        best = int(cosines.argmax())
        return self._intents[best] if float(cosines[best]) >= self.threshold else Intent()

    def confidences(self, text: str) -> dict[str, float]:
        """Softmax over the actions' nearest examples, in [0, 1]."""
        nearest: dict[str, float] = {}
        for intent, cosine in zip(self._intents, (self._vectors @ embed(text)).tolist(), strict=True):
            nearest[str(intent)] = max(cosine, nearest.get(str(intent), -1.0))
        shares = (torch.tensor(list(nearest.values())) / self.temperature).softmax(dim=0).tolist()
        return dict(zip(nearest, shares, strict=True))

    def transcribe(self, batch: Batch) -> list[Transcript]:
        raise VictimError(f"victim {self.spec!r} reads text and hears nothing")

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "examples": len(self._intents), "threshold": self.threshold}


def load(rest: str, options: dict[str, str], device: torch.device) -> NearestVictim:
    """``nearest:<manifest.jsonl>?threshold=0.6``; each line has ``text`` and ``action``, or ``label`` for a plain class.

    Raises:
        SpecError: the file or an option cannot be used.
        MissingExtraError: without the extra ``text``.
    """
    threshold = take_number(f"nearest:{rest}", dict(options), "threshold", 0.6, -LARGEST, LARGEST)
    try:
        rows = [json.loads(line) for line in read_text(rest).split("\n") if line.strip()]
        pairs = [
            (str(row["text"]), parse_action(row["action"]) if "action" in row else Intent(str(row["label"])))
            for row in rows
            if "action" in row or "label" in row
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SpecError(f"nearest:{rest}: no manifest of text and action ({error}); give a .jsonl file") from error
    if not pairs:
        raise SpecError(f"nearest:{rest}: no line has an action or a label; give examples, one JSON object a line")
    return NearestVictim(pairs, threshold)
