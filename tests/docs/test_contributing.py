"""The attack that CONTRIBUTING.md shows in full works as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from speechlike import ROOT, tones

from voiceattack.attacks import ATTACKS, build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim


def test_the_attack_shown_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, line, _ = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "shown_hum.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    exec(line.replace("voiceattack.attacks.hum", "shown_hum"), {"ATTACKS": ATTACKS})
    victim, clip = load_victim("tiny"), tones(3)
    batch = Batch.of([clip])
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    (made,) = build_attack("hum", frequency=440.0).craft(victim, batch, heard, Objective(), Budget(snr_db=30.0), [0])
    assert isinstance(made, Crafted)
    assert float(snr_db(clip, made.waveform)) == pytest.approx(30.0, abs=0.1)
    spectrum = torch.fft.rfft(made.waveform - clip).abs()
    assert int(spectrum.argmax()) * 16_000 / len(clip) == pytest.approx(440.0, abs=5)
