"""``hf-text:<id or folder>``: a Hugging Face sequence classifier; its label is the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch

from voiceattack.audio.clips import Batch
from voiceattack.errors import SpecError, VictimError
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent
from voiceattack.victims.pretrained import checked_folder, load_model, load_part

__all__ = ["TextClassifierVictim", "load"]


class TextClassifierVictim(Victim):
    """A text in, its likeliest label out, as an Intent without slots.

    Args:
        model: an ``AutoModelForSequenceClassification``.
        tokenizer: of the same model.
        facts: JSON-safe, for run.json.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"acts"})

    def __init__(self, model: Any, tokenizer: Any, facts: dict[str, Any] | None = None) -> None:
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._facts = facts or {}

    def confidences(self, text: str) -> dict[str, float]:
        """Probability of each label, in [0, 1]."""
        device = next(iter(self._model.parameters())).device
        with torch.no_grad():
            inputs = self._tokenizer([text], return_tensors="pt", truncation=True).to(device)
            shares = self._model(**inputs).logits[0].float().softmax(dim=-1).tolist()
        return {str(self._model.config.id2label[index]): share for index, share in enumerate(shares)}

    def interpret(self, text: str) -> Intent:
        """The likeliest label."""
        shares = self.confidences(text)
        return Intent(max(shares, key=lambda label: shares[label]))

    def transcribe(self, batch: Batch) -> list[Transcript]:
        raise VictimError(f"victim {self.spec!r} reads text and hears nothing")

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), **self._facts}


def load(rest: str, options: dict[str, str], device: torch.device) -> TextClassifierVictim:
    """A local folder or a model of the Hugging Face cache; safetensors only, and never the network.

    Raises:
        SpecError: no name.
        VictimError: the model cannot be loaded, or is no sequence classifier.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if not rest:
        raise SpecError("hf-text: name a folder or a cached id")
    spec, name = f"hf-text:{rest}", rest
    if (folder := Path(rest).expanduser()).is_dir():
        checked_folder(spec, folder)
        name = str(folder)
    tokenizer = load_part(spec, "a sequence classifier", AutoTokenizer, name)
    model = load_model(spec, "a sequence classifier", AutoModelForSequenceClassification, name, device, head="classifier")
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit and tokenizer.model_max_length > limit:
        tokenizer.model_max_length = limit
    return TextClassifierVictim(model, tokenizer, {"model": rest, "labels": len(model.config.id2label)})
