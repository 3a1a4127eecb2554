"""What a Whisper would write if it never stopped: the script along which objective ``slow`` holds end-of-text down.

Teacher forcing must follow what the decoder writes now, which changes as the audio does, so the script is written anew every few
steps: greedily, with end-of-text forbidden. Left so to itself the decoder soon repeats what it wrote; once end-of-text loses at
each place of that loop, ordinary decoding goes round in it up to its limit (Haque et al. 2023, SlothSpeech; there without audio).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from transformers.generation import GenerationMixin

from voiceattack.victims.pretrained import quiet_transformers
from voiceattack.victims.whisper.frontends import PLAIN, DecodingMode
from voiceattack.victims.whisper.model import WhisperModel

__all__ = ["PLACES", "REWRITE", "write_on"]

PLACES = 96
"""Tokens of the script; a loop that stands so long stands to the decoder's limit."""
REWRITE = 8
"""Losses between two scripts."""


def write_on(model: WhisperModel, mel: Tensor, mode: DecodingMode = PLAIN) -> list[list[int]]:
    """The token ids, :data:`PLACES` or as many as there is room for, that each clip's decoder writes when it may not stop.

    Args:
        model: the weights.
        mel: features of whole windows, float (batch, mels, frames), of the mode's front end.
        mode: with timestamps, the words after <|0.00|>, where another timestamp is as good as an end.
    """
    prompt = model.writing_prompt(mode)
    config = copy.deepcopy(model.network.generation_config)
    config.suppress_tokens = sorted({*(config.suppress_tokens or []), *range(model.eot, model.network.config.vocab_size)})
    most = min(PLACES, int(model.network.config.max_target_positions) - len(prompt) - 1)
    config.update(max_length=None, max_new_tokens=most, do_sample=False, num_beams=1, forced_decoder_ids=None)
    ids = torch.tensor(prompt, device=mel.device).expand(len(mel), -1)
    with torch.no_grad(), quiet_transformers():
        # The library's plain loop: Whisper's own would choose the prompt by itself.
        tokens = GenerationMixin.generate(
            model.network, input_features=mel.to(model.network.dtype), decoder_input_ids=ids, generation_config=config
        )
    return [row[-most:] for row in tokens.tolist()]
