"""The committed samples are what their manifest says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from speechlike import ROOT

from voiceattack.audio import clips as audio
from voiceattack.corpus.samples import samples_manifest

SAMPLES = ROOT / "samples"
pytestmark = pytest.mark.skipif(not (SAMPLES / "manifest.jsonl").exists(), reason="no samples/ here: run scripts/make_samples.py")


def rows(manifest: str = "manifest") -> list[dict[str, object]]:
    return [json.loads(line) for line in (SAMPLES / f"{manifest}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_sample_is_16_khz_mono_and_as_long_as_its_line_says() -> None:
    listed = rows() + rows("commands")
    assert len(rows()) == 30 and len(rows("commands")) == 40
    for row in listed:
        facts = audio.info(SAMPLES / str(row["audio_filepath"]))
        assert (facts.sample_rate, facts.channels) == (16_000, 1)
        assert facts.seconds == pytest.approx(float(str(row["duration"])), abs=0.01)
        assert str(row["text"]).strip()


def test_manifest_and_folder_agree_and_stay_small() -> None:
    files = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*.flac")}
    assert files == {str(row["audio_filepath"]) for row in rows() + rows("commands")}
    assert sum((SAMPLES / name).stat().st_size for name in files) < 4_000_000


def test_the_checkout_s_samples_are_found() -> None:
    assert Path(samples_manifest()) == SAMPLES / "manifest.jsonl"
