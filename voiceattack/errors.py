"""Every error a user may meet. Each message says what was wrong, where, and what to do next, on one line."""

from __future__ import annotations

import logging

__all__ = [
    "AttackError",
    "AudioError",
    "BudgetError",
    "CorpusError",
    "DigestError",
    "DiskError",
    "MissingExtraError",
    "RunError",
    "SpecError",
    "TargetError",
    "TrustError",
    "UnknownNameError",
    "VictimError",
    "VoiceAttackError",
    "as_error",
]

log = logging.getLogger(__name__)


class VoiceAttackError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is one line fit to show a user.

    Attributes:
        queries: what the victim had been asked for this clip when it went wrong.
    """

    queries: int = 0


class AudioError(VoiceAttackError):
    """An audio file or signal cannot be used: it costs the item it belongs to."""


class CorpusError(VoiceAttackError):
    """An input (file, folder, manifest or one of its lines) cannot be read."""


class SpecError(VoiceAttackError):
    """A spec string or a parameter is malformed or out of range."""


class UnknownNameError(SpecError):
    """No such attack, victim, metric or format."""


class MissingExtraError(VoiceAttackError):
    """An optional package is not installed; the message holds the command that adds it."""


class VictimError(VoiceAttackError):
    """A victim cannot be loaded, or cannot hear."""


class DigestError(VictimError):
    """Weights on disk are not the weights expected."""


class TrustError(VoiceAttackError):
    """A file names a victim that runs a program or sends to a server, and the user has not vouched for it."""


class TargetError(VoiceAttackError):
    """The victim cannot say the target text."""


class AttackError(VoiceAttackError):
    """An attack cannot run on this victim, objective or clip."""


class BudgetError(AttackError):
    """A crafted artefact exceeds its perturbation budget after 16-bit rounding."""


class RunError(VoiceAttackError):
    """A run directory cannot be created, resumed, read or written."""


class DiskError(RunError):
    """The disk refuses (full, read-only, no permission): what comes next could not be kept either, so it ends a run."""


def as_error(error: Exception) -> VoiceAttackError:
    """``error`` as what one item of many lost, in one line for its record; one that nobody foresaw goes to the log as well.

    A victim, an attack or a voice may be anybody's code, and a library may raise anything: it costs the item at hand alone.

    Raises:
        DiskError: ``error`` itself, when it is one.
    """
    if isinstance(error, DiskError):
        raise error
    if isinstance(error, VoiceAttackError):
        return error
    log.debug("unexpected error", exc_info=error)
    line = (str(error).strip().splitlines() or [""])[0][:300]
    told = AttackError(f"{type(error).__name__}: {line} (--debug shows where)")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own, which is no MemoryError
        told = AttackError(f"out of memory ({line}); use a smaller --batch-size, shorter clips or --device cpu")
    told.queries = getattr(error, "queries", 0)
    return told
