"""``imperceptible``: stage two hides what stage one found, without losing it."""

from __future__ import annotations

from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch, quantize16
from voiceattack.constraints import Budget
from voiceattack.metrics.masking import masking_excess_db, strictly_masked
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim


def test_stage_two_lowers_the_excess_and_keeps_the_success() -> None:
    victim = load_victim("tiny", device="cpu")
    clips = [tones(seed) for seed in range(3)]
    batch = Batch.of(clips)
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    made = build_attack("imperceptible", steps=80, strict_share=0).craft(victim, batch, heard, Objective(), Budget(), [1, 2, 3])
    lowered = 0
    for clip, result, clean_text in zip(clips, made, heard, strict=True):
        assert isinstance(result, Crafted)
        assert Objective().succeeded(clean_text, victim.transcribe(Batch.of([result.waveform]))[0].text)
        before = next(line["masking_excess_db"] for line in result.trace if "masking_excess_db" in line)
        after = masking_excess_db(clip, result.waveform)
        assert after <= before * 1.001 + 1e-4
        lowered += after < 0.9 * before
    assert lowered >= 2


def test_a_clip_won_strictly_masked_has_no_bin_above_its_threshold() -> None:
    victim = load_victim("tiny", device="cpu")
    clips = [quantize16(tones(seed)) for seed in range(3)]
    batch = Batch.of(clips)
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    made = build_attack("imperceptible", steps=60).craft(victim, batch, heard, Objective(), Budget(), [1, 2, 3])
    strict = 0
    for clip, result, clean_text in zip(clips, made, heard, strict=True):
        assert isinstance(result, Crafted)
        assert Objective().succeeded(clean_text, victim.transcribe(Batch.of([result.waveform]))[0].text)
        strict += strictly_masked(clip, result.waveform) == 1.0
    assert strict >= 2
