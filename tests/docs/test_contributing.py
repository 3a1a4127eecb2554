"""The attack, the metric and the report section that CONTRIBUTING.md shows in full work as printed."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from speechlike import ROOT, in_process, tones, write_clips

from voiceattack.attacks import ATTACKS, build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.metrics import METRICS, measure
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.report import render
from voiceattack.report.sections import SECTIONS
from voiceattack.runs import Run
from voiceattack.victims import load_victim


def shown(what: str) -> tuple[str, str]:
    """The file and the registration line of one section."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## Adding an? {what}\b.*?(?=^## )", text, re.DOTALL | re.MULTILINE)
    code, line = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return code, line


def test_the_attack_shown_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, line = shown("attack")
    (tmp_path / "shown_hum.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    ATTACKS.names()
    monkeypatch.setattr(ATTACKS, "_entries", dict(ATTACKS._entries))  # other tests do not meet it
    exec(line.replace("voiceattack.attacks.hum", "shown_hum"), {"ATTACKS": ATTACKS})
    victim, clip = load_victim("tiny"), tones(3)
    batch = Batch.of([clip])
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    (made,) = build_attack("hum", frequency=440.0).craft(victim, batch, heard, Objective(), Budget(snr_db=30.0), [0])
    assert isinstance(made, Crafted)
    assert float(snr_db(clip, made.waveform)) == pytest.approx(30.0, abs=0.1)
    spectrum = torch.fft.rfft(made.waveform - clip).abs()
    assert int(spectrum.argmax()) * 16_000 / len(clip) == pytest.approx(440.0, abs=5)


def test_the_metric_and_the_section_shown_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for what, registry, module in (("metric", METRICS, "metrics.crest"), ("report section", SECTIONS, "report.sections.slowest")):
        code, line = shown(what)
        name = f"shown_{what.split()[-1]}"
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        exec(line.replace(f"voiceattack.{module}", name), {"METRICS": METRICS, "SECTIONS": SECTIONS})
    clip = torch.zeros(16_000)
    pulse = clip.clone()
    pulse[0] = 0.5
    assert METRICS.get("crest_db")(clip, pulse) == pytest.approx(10 * math.log10(16_000))
    assert measure(clip, clip)[1]["crest_db"] == "there is no perturbation"
    done = in_process("attack", *write_clips(tmp_path / "in", 1), "--victim", "tiny", "--steps", "1", "--out", tmp_path / "run")
    assert done.returncode in (0, 1), done.stderr
    run = Run.open(tmp_path / "run")
    render(run, ["md", "html"])
    text, page = ((tmp_path / "run" / f"report.{kind}").read_text(encoding="utf-8") for kind in ("md", "html"))
    (row, *_) = (row for row in run.results() if not row.is_control)
    assert "\n## Slowest\n\n| example | seconds |\n" in text and f"| {row.seconds:.1f} |" in text
    assert f"<li>{row.id}: {row.seconds:.1f} s</li>" in page and "crest factor dB" in text and "crest factor dB" in page
