"""Native code in a process of its own: PESQ, which dies on long recordings, and what becomes of the figure."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from speechlike import tones

from voiceattack import apart
from voiceattack.audio import clips as audio
from voiceattack.craft import craft
from voiceattack.craft.request import AttackRequest
from voiceattack.evaluate import evaluate
from voiceattack.metrics.perceptual import pesq
from voiceattack.victims import load_victim


def bursts(seconds: float, sound: float = 0.3, pause: float = 2.2) -> torch.Tensor:
    """Many short sounds with silence between: float32 (samples,) on the 16-bit grid."""
    generator = torch.Generator().manual_seed(3)
    noise = 0.2 * torch.randn(int(sound * audio.SAMPLE_RATE), generator=generator)
    one = torch.cat([noise, torch.zeros(int(pause * audio.SAMPLE_RATE))])
    samples = int(seconds * audio.SAMPLE_RATE)
    return audio.quantize16(one.repeat(samples // len(one) + 1)[:samples].clamp(-1, 1))


def test_pesq_is_the_packages_and_its_process_is_kept() -> None:
    package = pytest.importorskip("pesq")
    apart.let_go()
    seen = []
    for seed in (1, 2):
        clean = tones(seed, 2.0)
        noisy = audio.quantize16((clean + 0.01 * tones(seed + 10, 2.0)).clamp(-1, 1))
        assert pesq(clean, noisy) == package.pesq(16_000, clean.numpy(), noisy.numpy(), "wb")
        assert apart._kept is not None
        seen.append(apart._kept.process.pid)
    assert seen[0] == seen[1] != os.getpid()
    with pytest.raises(ValueError, match="PESQ is undefined here: Buffer needs to be at least 1/4 of a second long"):
        pesq(clean[:1600], noisy[:1600])
    os.kill(seen[0], signal.SIGKILL)  # as the kernel does when memory runs out
    assert apart._kept is not None and apart._kept.process.wait(60) == -signal.SIGKILL
    assert pesq(clean, noisy) == package.pesq(16_000, clean.numpy(), noisy.numpy(), "wb")


def test_what_ends_the_process_or_takes_too_long_is_told() -> None:
    with pytest.raises(apart.Died, match="it was ended by SIGABRT"):
        apart.call("os", "abort")
    with pytest.raises(apart.Died, match="exit code 3"):
        apart.call("os", "_exit", 3)
    with pytest.raises(apart.Died, match=r"no answer in 0\.2 s"):
        apart.call("time", "sleep", 1000, seconds=0.2)
    with pytest.raises(apart.Refused, match="math domain error"):
        apart.call("math", "sqrt", -1.0)
    assert apart.call("math", "sqrt", 4.0) == 2.0
    assert apart.call("numpy", "sum", torch.ones(3)) == 3.0


def test_nothing_of_the_folder_at_hand_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of recordings from somebody else may hold a file named as a module."""
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    apart.let_go()
    assert apart.call("math", "sqrt", 4.0) == 2.0
    apart.let_go()


@pytest.mark.slow
def test_long_recordings_are_attacked_and_evaluated(tmp_path: Path) -> None:
    """Of 200 s PESQ ends its process; 600 s are more than the victim takes; the short clip beside them is as if alone."""
    pytest.importorskip("pesq")
    paths = [tmp_path / f"{name}.flac" for name in ("a-long", "b-longer", "c-short")]
    for path, wave in zip(paths, (bursts(200), bursts(600), tones(1, 2.0)), strict=True):
        audio.save(path, wave)
    victim = load_victim("tiny", "cpu")
    victim.max_seconds = 300.0  # as Whisper
    request = AttackRequest(inputs=tuple(map(str, paths)), victim="tiny", attack="noise", budget={"snr_db": 20.0}, control=False)
    run = craft(request, tmp_path / "run", victim=victim)
    errors = {Path(example.source).stem: example.error for example in run.examples()}
    assert errors["a-long"] is errors["c-short"] is None
    assert errors["b-longer"] == "600.0 s is longer than the 300 s that victim 'tiny' takes; cut it into shorter clips"
    evaluate(run, [victim])
    rows = {row.id.partition("-")[0]: row for row in run.results()}
    assert rows["a"].value("pesq") is None and "its code fails (it was ended by SIG" in rows["a"].nulls["pesq"]
    assert (rows["a"].value("stoi") or 0) > 0.5 and rows["a"].snr_db == pytest.approx(20, abs=0.1) and rows["a"].error is None
    assert rows["b"].outcome == "error" and (rows["c"].value("pesq") or 0) > 1 and rows["c"].nulls.get("pesq") is None
