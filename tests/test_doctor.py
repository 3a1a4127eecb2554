"""Doctor: a torchaudio that does not fit its torch is recognised, and the command that mends it is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from voiceattack.doctor import checks, torchaudio_mismatch

REAL = "RuntimeError('Detected that PyTorch and TorchAudio were compiled with different CUDA versions. PyTorch has CUDA version 13.2')"


def test_core_is_there() -> None:
    bad = [check for check in checks() if check.required and not check.ok]
    assert not bad, bad


def test_mismatch_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert torchaudio_mismatch() is None
    broken = tmp_path / "torchaudio"
    broken.mkdir()
    (broken / "__init__.py").write_text(f"raise {REAL}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    reason = torchaudio_mismatch(sys.executable)
    assert reason is not None and "different CUDA versions" in reason and "pip install 'torch==" in reason
