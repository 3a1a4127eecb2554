"""Doctor: a torchaudio that does not fit its torch is recognised, and the command that mends it is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from speechlike import voiceattack, write_clips

from voiceattack._torchaudio import mismatch
from voiceattack.doctor import checks, torchaudio_mismatch

REAL = (  # torch 2.15.0 beside torchaudio 2.11.0
    "Detected that PyTorch and TorchAudio were compiled with different CUDA versions. PyTorch has CUDA version 13.2 whereas "
    "TorchAudio has CUDA version 13.0. Please install the TorchAudio version that matches your PyTorch version."
)


def test_core_is_there() -> None:
    bad = [check for check in checks() if check.required and not check.ok]
    assert not bad, bad


def test_mismatch_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert torchaudio_mismatch() is None
    broken = tmp_path / "torchaudio"
    broken.mkdir()
    (broken / "__init__.py").write_text(f"raise RuntimeError({REAL!r})\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    reason = torchaudio_mismatch(sys.executable)
    assert reason is not None and "different CUDA versions" in reason and "pip install 'torch==" in reason


def test_every_command_says_how_to_mend_a_mismatch(tmp_path: Path) -> None:
    """transformers imports torchaudio when Whisper's modules load; users must not see its stack trace."""
    broken = tmp_path / "broken" / "torchaudio"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(f"raise RuntimeError({REAL!r})\n")
    done = voiceattack(
        "transcribe", *write_clips(tmp_path / "in", 1), "--victim", "whisper-tiny.en", paths=(tmp_path / "broken",)
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "mend it with: pip install 'torch==" in done.stderr, done.stderr
    done = voiceattack("doctor", paths=(tmp_path / "broken",))
    assert "Traceback" not in done.stderr and "pip install 'torch==" in done.stdout + done.stderr


def test_other_errors_are_not_taken_for_a_mismatch() -> None:
    assert mismatch(RuntimeError("out of memory")) is None
    assert mismatch(ModuleNotFoundError("No module named 'torchaudio'")) is None
