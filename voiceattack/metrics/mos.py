"""Quality without a reference, as people would rate it: DNSMOS (optional extra ``mos``)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torch import Tensor

from voiceattack.extras import optional_import
from voiceattack.metrics.metric import EVERYWHERE, Metric

__all__ = ["DNSMOS", "DNSMOS_DROP", "dnsmos", "dnsmos_drop"]

CLIPS = 64
"""Clips whose ratings are remembered: of one clean recording several artefacts are made, and each is asked for twice."""


def dnsmos(clean: Tensor, adversarial: Tensor) -> float:
    """DNSMOS P.835 overall (Reddy et al. 2022) of the adversarial clip, 1 (bad) to 5, by the package ``speechmos``.

    The model hears 9 s at a time; a shorter clip is repeated, as its authors do it. It takes about half a second a clip,
    so it is an extra of its own, and measured wherever that is installed.

    Args:
        clean: float (samples,), which is not looked at.
        adversarial: float (samples,) at 16 kHz.

    Raises:
        MissingExtraError: the package is not installed.
        ValueError: it is undefined here: a clip without a sample, or beyond full scale.
    """
    return _rated(adversarial.detach().cpu().float().numpy().tobytes())


def dnsmos_drop(clean: Tensor, adversarial: Tensor) -> float:
    """How much the rating falls from the clean to the adversarial clip; below 0 where it rises. As :func:`dnsmos`."""
    return dnsmos(clean, clean) - dnsmos(clean, adversarial)


@lru_cache(maxsize=CLIPS)
def _rated(samples: bytes) -> float:
    import numpy as np

    package: Any = optional_import("speechmos.dnsmos", extra="mos", feature="the metric dnsmos")
    if not samples:
        raise ValueError("DNSMOS is undefined here: the clip has no samples")
    return float(package.run(np.frombuffer(samples, dtype=np.float32), 16_000)["ovrl_mos"])


DNSMOS = Metric(
    "dnsmos",
    dnsmos,
    "DNSMOS",
    unit="of 5",
    meaning="How people would rate the sound by itself, by a model: 1 is bad, 5 excellent; clean recordings are often at 3 to 4.",
    heading="DNSMOS",
    better="higher",
    shows=EVERYWHERE - {"results", "console", "examples", "list", "size"},
)
DNSMOS_DROP = Metric(
    "dnsmos_drop",
    dnsmos_drop,
    "DNSMOS lost",
    meaning="How much lower that rating is than the clean recording's: a tenth is nothing anybody hears.",
    better="lower",
    shows=frozenset({"summary", "facts", "gates"}),
)
