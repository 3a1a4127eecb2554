"""The objective ``slow``: the victim writes on and on, judged from the saved file by the tokens that it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from speechlike import ROOT, in_process, write_clips

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError
from voiceattack.objectives import Objective
from voiceattack.runs import Run
from voiceattack.runs.timing import timing_of
from voiceattack.victims import load_victim
from voiceattack.victims.whisper.victim import WhisperVictim


def test_a_saved_file_makes_whisper_write_ten_times_as_much_and_noise_does_not(tmp_path: Path) -> None:
    clip, out = ROOT / "samples" / "command-46.flac", tmp_path / "run"
    asked = ("--objective", "slow", "--snr-db", "25", "--steps", "60", "--param", "check_every=10", "--no-report")
    done = in_process("attack", clip, *asked, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = {row.is_control: row for row in Run.open(out).results()}
    timing, noise = timing_of(rows[False]), timing_of(rows[True])
    assert timing is not None and noise is not None and timing.tokens_ratio is not None and noise.tokens_ratio is not None
    assert rows[False].outcome == "fooled" and timing.tokens_ratio >= 10.0, timing
    assert rows[True].outcome == "held" and noise.tokens_ratio <= 2.0, noise


def test_who_cannot_be_slowed_is_told(whisper: WhisperVictim, tmp_path: Path) -> None:
    (clip,) = write_clips(tmp_path, 1)
    batch = Batch.of([audio.load(clip)])
    tiny = load_victim("tiny", "cpu")
    for attack, victim, why in (
        ("pgd", tiny, "needs a Whisper with gradients"),
        ("random-search", tiny, "does not search for objective slow; use pgd, cw or minimum-norm"),
        ("mi-fgsm", whisper, "does not search for objective slow"),
    ):
        with pytest.raises(AttackError, match=why):
            build_attack(attack).craft(victim, batch, ["word"], Objective("slow"), Budget(snr_db=20.0), [0])
