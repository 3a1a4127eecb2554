"""Recordings longer than Whisper's window: heard whole, attacked window by window, judged whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch, load, quantize16
from voiceattack.constraints import Budget
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.objectives import Objective
from voiceattack.victims import LossConfig
from voiceattack.victims.whisper.longform import hear_long
from voiceattack.victims.whisper.victim import WhisperVictim

SAMPLES = Path(__file__).parents[3] / "samples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recording() -> tuple[torch.Tensor, str]:
    rows = [json.loads(line) for line in (SAMPLES / "manifest.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["audio_filepath"].startswith("sentence")][:7]
    parts = [load(SAMPLES / row["audio_filepath"]) for row in rows]
    return quantize16(torch.cat(parts)), " ".join(row["text"] for row in rows)


def test_heard_whole_and_attacked_whole(whisper: WhisperVictim, recording: tuple[torch.Tensor, str]) -> None:
    clip, text = recording
    assert 30 * 16_000 < len(clip) < 60 * 16_000
    batch = Batch.of([clip])
    heard = whisper.transcribe(batch)[0]
    assert word_errors(normalize(text), normalize(heard.text)).wer < 0.1
    windows = hear_long(whisper.model, clip)[1]
    assert len(windows) == 2 and windows[0].frame == 0 and 1000 < windows[1].frame <= 3000
    # The words that were heard are likely in their windows, other words are not.
    config = LossConfig("away", "ce")
    search = whisper.search(batch)
    own = search.attack_loss(batch.waveforms, [0], [heard.text], config)
    assert float(-own.loss) < 1.0 and own.distance is not None and float(own.distance) < 0.2
    other = search.attack_loss(batch.waveforms, [0], ["Unlock the front door."], LossConfig("toward", "ce"))
    assert float(other.loss) > 2.0
    # The gradient reaches both windows.
    waveforms = clip[None].clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(search.attack_loss(waveforms, [0], [heard.text], config).loss.sum(), waveforms)
    assert float(grad[0, : 20 * 16_000].norm()) > 0 and float(grad[0, windows[1].frame * 160 + 16_000 :].norm()) > 0


def test_a_few_steps_change_what_is_heard_in_a_whole_recording(
    whisper: WhisperVictim, recording: tuple[torch.Tensor, str]
) -> None:
    clip, _ = recording
    clean = whisper.transcribe(Batch.of([clip]))[0].text
    attack = build_attack("pgd", steps=6, check_every=6)
    (result,) = attack.craft(whisper, Batch.of([clip]), [clean], Objective(wer_threshold=0.2), Budget(snr_db=15), [1])
    assert isinstance(result, Crafted)
    heard = whisper.transcribe(Batch.of([result.waveform]))[0].text
    (control,) = build_attack("noise").craft(whisper, Batch.of([clip]), [clean], Objective(), Budget(snr_db=15), [1])
    assert isinstance(control, Crafted)
    noise = whisper.transcribe(Batch.of([control.waveform]))[0].text
    assert word_errors(normalize(clean), normalize(heard)).wer > 0.2 + word_errors(normalize(clean), normalize(noise)).wer
