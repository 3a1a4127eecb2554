"""What a Whisper would write if it never stopped: the script along which objective ``slow`` holds end-of-text down.

Teacher forcing must follow what the decoder writes now, which changes as the audio does, so the script is written anew every few
steps: greedily, with end-of-text forbidden. Left so to itself the decoder soon repeats what it wrote; once end-of-text loses at
each place of that loop, ordinary decoding goes round in it up to its limit (Haque et al. 2023, SlothSpeech; there without audio).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from voiceattack.victims.pretrained import quiet_transformers
from voiceattack.victims.whisper.model import WhisperModel

__all__ = ["PLACES", "REWRITE", "write_on"]

PLACES = 96
"""Tokens of the script; a loop that stands so long stands to the decoder's limit."""
REWRITE = 8
"""Losses between two scripts."""


def write_on(model: WhisperModel, mel: Tensor) -> list[list[int]]:
    """The token ids, :data:`PLACES` or as many as there is room for, that each clip's decoder writes when it may not stop.

    Args:
        model: of plain modes.
        mel: features of whole windows, float (batch, mels, frames).
    """
    config = model.network.generation_config
    most = min(PLACES, int(model.network.config.max_target_positions) - len(model.prompt) - 1)
    options: dict[str, Any] = {
        **model.generate_options,
        "suppress_tokens": sorted({*(config.suppress_tokens or []), model.eot}),
        "max_new_tokens": most,
    }
    with torch.no_grad(), quiet_transformers():
        tokens = model.network.generate(input_features=mel.to(model.network.dtype), do_sample=False, num_beams=1, **options)
    return [row[-most:] for row in tokens.tolist()]
