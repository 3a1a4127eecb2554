"""torchaudio, imported only where it is used, with the command that mends a mismatch with torch."""

from __future__ import annotations

import importlib
from types import ModuleType

from voiceattack.errors import MissingExtraError

__all__ = ["MEND", "require_torchaudio"]

MEND = "pip install 'torch==2.14.1' 'torchaudio==2.11.0'"


def require_torchaudio() -> ModuleType:
    """torchaudio, imported.

    Raises:
        MissingExtraError: it is not installed, or does not fit the torch that is.
    """
    try:
        return importlib.import_module("torchaudio")
    except (ImportError, OSError, RuntimeError) as error:
        import torch

        reason = " ".join(str(error).split())
        raise MissingExtraError(
            f"torchaudio cannot be imported beside torch {torch.__version__}: {reason}; install a pair that fits: {MEND}"
        ) from error
