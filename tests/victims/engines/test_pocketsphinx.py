"""pocketsphinx as a victim: real speech, repeatable in any order, a clear error without the package."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from voiceattack.audio import Batch
from voiceattack.errors import MissingExtraError, SpecError
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.victims import Victim, load_victim

SPEECH = Path(os.environ.get("VOICEATTACK_SPEECH", Path(__file__).resolve().parents[4] / "shared" / "speech"))


@pytest.fixture(scope="module")
def victim() -> Victim:
    pytest.importorskip("pocketsphinx", reason="the extra 'sphinx' is not installed")
    return load_victim("pocketsphinx", "cpu")


def speech() -> list[tuple[Tensor, str]]:
    if not (SPEECH / "manifest.jsonl").is_file():
        pytest.skip(f"no real speech at {SPEECH}; set VOICEATTACK_SPEECH")
    lines = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines() if line.strip()]
    lines = sorted(lines, key=lambda line: line["duration"])[:3]
    return [
        (torch.from_numpy(soundfile.read(SPEECH / line["audio_filepath"], dtype="float32")[0]), line["text"]) for line in lines
    ]


def test_hears_real_speech_the_same_in_any_order(victim: Victim) -> None:
    clips = speech()
    together = [heard.text for heard in victim.transcribe(Batch.of([clip for clip, _ in clips]))]
    backwards = [victim.transcribe(Batch.of([clip]))[0].text for clip, _ in reversed(clips)][::-1]
    assert together == backwards
    wers = [word_errors(normalize(text), normalize(heard)).wer for (_, text), heard in zip(clips, together, strict=True)]
    assert min(wers) <= 0.25 and sum(wers) / len(wers) <= 0.6, list(zip(wers, together, strict=True))


def test_silence_and_one_sample_are_heard_without_fuss(victim: Victim) -> None:
    """The decoder may invent a word in digital silence; it must be the same word whatever came before."""
    first = [heard.text for heard in victim.transcribe(Batch.of([torch.zeros(16_000), torch.tensor([0.5])]))]
    victim.transcribe(Batch.of([0.3 * torch.sin(torch.arange(16_000) * 0.2)]))
    assert [heard.text for heard in victim.transcribe(Batch.of([torch.zeros(16_000), torch.tensor([0.5])]))] == first
    assert first[1] == ""


def test_black_box(victim: Victim) -> None:
    assert victim.capabilities == {"hears"}
    assert victim.describe()["model"] == "pocketsphinx en-us"
    with pytest.raises(SpecError, match="takes no path"):
        load_victim("pocketsphinx:fr", "cpu")


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)  # what Python itself does for a blocked import
    with pytest.raises(MissingExtraError, match=r"pip install 'voiceattack\[sphinx\]'"):
        load_victim("pocketsphinx", "cpu")
