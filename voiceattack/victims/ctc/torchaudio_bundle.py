"""``torchaudio:<BUNDLE>``: torchaudio's CTC pipeline bundles (wav2vec2, HuBERT) through the CTC family's code path."""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voiceattack._torchaudio import require_torchaudio
from voiceattack.errors import MissingExtraError, UnknownNameError, VictimError
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.ctc.vocabulary import Vocabulary

__all__ = ["bundle_names", "is_here", "load", "weights_file", "wrap"]

FIELD_SAMPLES = 400
"""Receptive field of the wav2vec2 convolutions that all bundles share: the shortest clip that gives a frame."""


def bundle_names() -> list[str]:
    """The bundles with a CTC head, sorted.

    Raises:
        MissingExtraError: torchaudio cannot be imported.
    """
    pipelines = require_torchaudio().pipelines
    with_head = {name: getattr(pipelines, name) for name in pipelines.__all__}
    # MMS_FA aligns characters and has no word boundary.
    return sorted(
        name for name, bundle in with_head.items() if isinstance(bundle, pipelines.Wav2Vec2ASRBundle) and name != "MMS_FA"
    )


def weights_file(bundle: Any) -> Path:
    """Where torch's hub cache keeps the weights of ``bundle``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(str(bundle._path)).name


def is_here(name: str) -> bool:
    """Whether ``torchaudio:<name>`` is loaded, or refused, without asking torchaudio's server."""
    try:
        return name not in bundle_names() or weights_file(getattr(require_torchaudio().pipelines, name)).is_file()
    except MissingExtraError:
        return True


def wrap(
    model: nn.Module, labels: Sequence[str], device: torch.device, *, min_samples: int = FIELD_SAMPLES, **facts: Any
) -> CTCVictim:
    """A torchaudio wav2vec2-type model as a victim.

    Args:
        model: ``model(waveforms, lengths) -> (logits, frames)``; put in eval mode and frozen.
        labels: its outputs, the blank first, ``"|"`` between words.
        device: where it goes.
        min_samples: the shortest clip that gives one frame.
        facts: JSON-safe facts for run.json.
    """
    model = model.eval().requires_grad_(False).to(device).float()

    def emissions(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        logits, _ = model(waveforms)
        return logits, torch.full_like(lengths, logits.shape[1])

    # Clips run alone and unpadded: group norm, and the bundles' own layer norm over the whole input, mix what is in a batch.
    return CTCVictim(emissions, Vocabulary(tuple(labels), blank=0), device, batched=False, min_samples=min_samples, facts=facts)


def load(rest: str, options: dict[str, str], device: torch.device) -> CTCVictim:
    """Factory of ``torchaudio:<BUNDLE>``; weights come from torch's hub cache, or, with a notice, from torchaudio's server.

    Raises:
        MissingExtraError: torchaudio cannot be imported.
        UnknownNameError: no such bundle, or one without a CTC head.
        VictimError: the weights are not in the cache and cannot be fetched, or are damaged.
    """
    names = bundle_names()
    if rest not in names:
        near = difflib.get_close_matches(rest, names, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise UnknownNameError(f"unknown torchaudio bundle {rest!r}{hint}; with a CTC head: {', '.join(names)}")
    bundle = getattr(require_torchaudio().pipelines, rest)
    victim = wrap(_model(bundle, rest), bundle.get_labels(), device, bundle=rest, weights=weights_file(bundle).name)
    victim.language = _language(rest)
    return victim


def _model(bundle: Any, name: str) -> nn.Module:
    """The bundle's model with its weights; ``weights_only``, so that no pickled code runs."""
    path = weights_file(bundle)
    if not path.is_file():
        print(f"torchaudio:{name}: weights are not in {path.parent}; downloading them", file=sys.stderr)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            model = bundle.get_model(dl_kwargs={"weights_only": True, "progress": False, "map_location": "cpu"})
    except Exception as error:  # a damaged file fails in as many ways as there are readers
        reason = " ".join(str(error).split())[:200]
        if path.is_file():
            raise VictimError(
                f"torchaudio:{name}: {path} cannot be loaded ({reason}); delete it and place a good copy there"
            ) from error
        url = f"https://download.pytorch.org/torchaudio/models/{bundle._path}"
        raise VictimError(
            f"torchaudio:{name}: cannot download {url} ({reason}); fetch it elsewhere and place it at {path}"
        ) from error
    assert isinstance(model, nn.Module)
    return model


def _language(name: str) -> str:
    """Two-letter code in a VoxPopuli bundle's name, else English."""
    last = name.rsplit("_", 1)[-1].lower()
    return last if "VOXPOPULI" in name and len(last) == 2 else "en"
