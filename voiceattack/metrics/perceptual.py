"""Perceived quality and intelligibility, by the reference packages (optional extra ``perceptual``)."""

from __future__ import annotations

import warnings

from torch import Tensor

from voiceattack import apart
from voiceattack.extras import optional_import
from voiceattack.metrics.metric import EVERYWHERE, Column, Metric

__all__ = ["PESQ", "STOI", "pesq", "stoi"]

UTTERANCES = 50
SAFE_SECONDS = 20.0
"""Speech in which there cannot be more utterances: each takes 0.2 s, and 0.2 s lie between two."""


def pesq(clean: Tensor, adversarial: Tensor, sample_rate: int = 16_000) -> float:
    """Wide-band PESQ (ITU-T P.862.2), about 1.0 (bad) to 4.64 (same), by the package ``pesq``.

    Its C code has room for 50 utterances and does not look whether there are more: of some minutes of speech, or of less with
    many pauses, it ends its process. So it runs in another one; see :mod:`voiceattack.apart`.

    Args:
        clean: float (samples,).
        adversarial: float (samples,).
        sample_rate: must be 16 kHz.

    Raises:
        MissingExtraError: the package is not installed.
        ValueError: PESQ is undefined here (no speech found, or too short), or its code fails on it; with its reason.
    """
    optional_import("pesq", extra="perceptual", feature="the metric pesq")
    if sample_rate != 16_000:
        raise ValueError(f"wide-band PESQ needs 16 kHz, got {sample_rate} Hz")
    seconds = clean.numel() / sample_rate
    try:
        # What is longer may have written beyond its memory without an end to the process: another one measures the next clip.
        return apart.call("pesq", "pesq", sample_rate, clean, adversarial, "wb", fresh=seconds > SAFE_SECONDS)
    except apart.Refused as error:
        raise ValueError(f"PESQ is undefined here: {error}") from error
    except apart.Died as error:
        raise ValueError(
            f"PESQ cannot be had here: its code fails ({error}) on recordings with more than {UTTERANCES} utterances; "
            f"this one lasts {seconds:.0f} s: cut it into shorter clips"
        ) from error


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


PESQ = Metric(
    "pesq",
    pesq,
    "PESQ",
    unit="of 4.64",
    meaning="Quality beside the clean recording as a model of listeners rates it: 4.64 is the same, below 3 the change is "
    "audible, below 2 clearly so.",
    heading="PESQ",
    better="higher",
    shows=EVERYWHERE - {"examples"},
)
STOI = Metric(
    "stoi",
    stoi,
    "STOI",
    meaning="How intelligible the speech stays to people, by a model: 1 is as the clean recording.",
    digits=3,
    better="higher",
    shows=EVERYWHERE - {"console", "html", "examples", "list", "datasheet"},
    columns={"size": Column(digits=2)},
)
