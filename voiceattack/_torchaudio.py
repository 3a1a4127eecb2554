"""torchaudio, imported only where it is used, with the command that mends a mismatch with torch."""

from __future__ import annotations

import importlib
from types import ModuleType

from voiceattack.errors import MissingExtraError

__all__ = ["MEND", "mismatch", "require_torchaudio"]

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


def mismatch(error: BaseException) -> str | None:
    """One line that says how to mend it, if ``error`` comes from a torchaudio that does not fit its torch; else None.

    transformers imports torchaudio behind the scenes and hides the reason as the cause of an error about itself.
    """
    link: BaseException | None = error
    while link is not None:
        text = " ".join(str(link).split())
        if "torchaudio" in text.lower() and not isinstance(link, ModuleNotFoundError):
            return f"torchaudio does not fit the torch installed ({text.rstrip('.')}); mend it with: {MEND}"
        link = link.__cause__ or link.__context__
    return None
