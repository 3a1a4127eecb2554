"""Adapters that make a victim of a module with its own loss, or of a plain function; see voiceattack.victims.own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import VictimError
from voiceattack.victims.base import DifferentiableVictim, Transcript, Victim
from voiceattack.victims.keys import Keys

__all__ = ["FunctionVictim", "LossVictim", "Transcriber"]

Transcriber = Callable[[npt.NDArray[np.float32], int], str]
"""``transcribe(waveform float32 (samples,) in [-1, 1], sample_rate in Hz) -> text``."""


class LossVictim(DifferentiableVictim):
    """A module with its own ``loss`` and ``transcribe``; see :func:`voiceattack.victims.own.from_loss_module`."""

    def __init__(self, module: Any, device: torch.device, batched: bool) -> None:
        self._module, self._device, self._batched = module, device, batched

    @property
    def device(self) -> torch.device:
        return self._device

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "own loss", "model": type(self._module).__name__, "device": str(self._device)}

    def _parts(self, batch: Batch) -> list[tuple[Tensor, Tensor, slice]]:
        """Waveforms, lengths and rows of each call: the whole batch, or clip by clip without padding."""
        lengths = batch.lengths.to(self._device)
        waveforms = (batch.waveforms * batch.mask()).to(self._device)
        if self._batched:
            return [(waveforms, lengths, slice(0, len(batch)))]
        clips = enumerate(batch.lengths.tolist())
        return [(waveforms[row : row + 1, :length], lengths[row : row + 1], slice(row, row + 1)) for row, length in clips]

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        values = []
        for waveforms, lengths, rows in self._parts(batch):
            value = self._module.loss(waveforms, lengths, list(texts[rows]))
            if not isinstance(value, Tensor) or value.numel() != len(waveforms):
                got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise VictimError(
                    f"victim {self.spec!r}: its loss returned {got}, expected a tensor ({len(waveforms)},): one number a clip"
                )
            if waveforms.requires_grad and not value.requires_grad:
                raise VictimError(
                    f"victim {self.spec!r}: its loss has no gradient to the waveforms; drop no_grad and detach from it"
                )
            values.append(value.reshape(-1))
        return torch.cat(values)

    def transcribe(self, batch: Batch) -> list[Transcript]:
        texts: list[str] = []
        with torch.no_grad():
            for waveforms, lengths, _ in self._parts(batch):
                heard = self._module.transcribe(waveforms, lengths)
                if isinstance(heard, str) or len(heard) != len(waveforms):
                    raise VictimError(
                        f"victim {self.spec!r}: transcribe returned {heard!r:.60}, expected a list of {len(waveforms)} texts"
                    )
                texts.extend(heard)
        return [Transcript(_text(self.spec, text)) for text in texts]


class FunctionVictim(Victim):
    """A plain function that hears; see :func:`voiceattack.victims.own.from_function`.

    It may ask a service with a key. Where its text, or what it raises, repeats a key of the environment, ``***`` stands
    (:meth:`voiceattack.victims.keys.Keys.of_environment`).
    """

    def __init__(self, function: Transcriber, name: str) -> None:
        self._function, self.spec, self._keys = function, name, Keys.of_environment()

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "family": "function",
            "model": getattr(self._function, "__name__", type(self._function).__name__),
        }

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript(self._keys.text(self._hear(clip, batch.sample_rate))) for clip in batch.clips()]

    def _hear(self, clip: Tensor, sample_rate: int) -> str:
        try:
            return _text(self.spec, self._function(clip.detach().cpu().numpy().copy(), sample_rate))
        except Exception as error:
            told = " ".join(str(error).split())
            if (clean := self._keys.text(told)) == told:
                raise
            # Without the first error, which has the key in it and whose traceback is shown.
            raise VictimError(f"victim {self.spec!r}: raised {type(error).__name__}: {clean[:200]}") from None


def _text(spec: str, value: Any) -> str:
    if not isinstance(value, str):
        raise VictimError(f"victim {spec!r}: transcribe returned {type(value).__name__}, expected str")
    return value
