"""Perceived quality and intelligibility, by the reference packages (optional extra ``perceptual``)."""

from __future__ import annotations

import warnings

from torch import Tensor

from voiceattack.extras import optional_import

__all__ = ["pesq", "stoi"]


def pesq(clean: Tensor, adversarial: Tensor, sample_rate: int = 16_000) -> float:
    """Wide-band PESQ (ITU-T P.862.2), about 1.0 (bad) to 4.64 (same), by the package ``pesq``.

    Args:
        clean: float (samples,).
        adversarial: float (samples,).
        sample_rate: must be 16 kHz.

    Raises:
        MissingExtraError: the package is not installed.
        ValueError: PESQ is undefined here (no speech found, or too short), with its reason.
    """
    package = optional_import("pesq", extra="perceptual", feature="the metric pesq")
    if sample_rate != 16_000:
        raise ValueError(f"wide-band PESQ needs 16 kHz, got {sample_rate} Hz")
    try:
        return float(package.pesq(sample_rate, clean.numpy(), adversarial.numpy(), "wb"))
    except package.PesqError as error:
        reason = error.args[0] if error.args else error
        raise ValueError(f"PESQ is undefined here: {reason.decode() if isinstance(reason, bytes) else reason}") from error


def stoi(clean: Tensor, adversarial: Tensor, sample_rate: int = 16_000) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), at most 1 (same), by the package ``pystoi``.

    Raises:
        MissingExtraError: the package is not installed.
        ValueError: STOI is undefined here (less than about 0.4 s of speech).
    """
    package = optional_import("pystoi", extra="perceptual", feature="the metric stoi")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pystoi warns and returns 1e-5 where it cannot measure
        try:
            return float(package.stoi(clean.numpy(), adversarial.numpy(), sample_rate))
        except (Warning, ValueError) as error:
            raise ValueError(f"STOI is undefined here: {str(error).splitlines()[0]}") from error
