"""A limit on how far any part of a perturbation stands above the masking threshold of the clip it is added to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.audio.clips import quantize16
from voiceattack.constraints.thresholds import threshold_of
from voiceattack.metrics.psychoacoustics import HOP, N_FFT, critical_bands

__all__ = ["Strict"]

OVERSHOOT = 1.2  # times the excess by which a bin is attenuated: what leaks from its neighbours comes on top
SPREAD = (0.7, 0.3, 0.1)  # of that, in the frames one, two and three hops away, which share samples with it
ROUNDING_TRIES = 24
TAPER = 256  # samples over which a perturbation fades before a part that must stay as it was
MARGIN_DB = 0.3  # more than rounding exceeded, by which the next try is softened
SLACK_DB = 0.005  # kept below the limit: a search computes in single precision what the metric measures in double
NONE_DB = 1e-4  # no excess: what scaling to the limit leaves in single precision
OWN_DB = 1.0  # a bin stands out by rounding alone where the perturbation itself is this far within


@dataclass(frozen=True)
class Strict:
    """No time-frequency bin more than ``limit_db`` above the masking threshold, in dB, >= 0.

    This is the metric ``masking_excess_max_db``. All work is on one clip: float (samples,).
    """

    limit_db: float

    def excess_db(self, clip: Tensor, delta: Tensor) -> float:
        """How far the bin of ``delta`` that stands highest over its threshold does, in dB; negative where all are hidden."""
        return float(self._over(clip, delta).max())

    def holds(self, clip: Tensor, delta: Tensor) -> bool:
        """Whether the limit is kept."""
        return self.excess_db(clip, delta) <= self._aim_db + NONE_DB

    @property
    def _aim_db(self) -> float:
        return self.limit_db - SLACK_DB

    def attenuate(self, clip: Tensor, delta: Tensor) -> Tensor:
        """``delta`` softened where it stands too high (a dozen times in turn, hardly any bin does); itself where none does."""
        above = (self._over(clip, delta) - self._aim_db).clamp(min=0.0)
        return delta if float(above.max()) <= NONE_DB else _softened(delta, above)

    def scale(self, clip: Tensor, delta: Tensor) -> float:
        """The largest factor in [0, 1] by which ``delta`` keeps the limit; a softer one always does."""
        return float(min(1.0, 10.0 ** ((self._aim_db - self.excess_db(clip, delta)) / 20.0)))

    def rounded(self, clip: Tensor, delta: Tensor) -> Tensor:
        """``clip + delta`` on the 16-bit grid with the limit kept, float (samples,).

        Rounding adds noise, which nothing hides in the pauses of a clean recording: there, the clip is left as it was.

        Args:
            clip: on the 16-bit grid.
            delta: keeps the limit before rounding.
        """
        kept = torch.ones_like(delta)
        for tried in range(ROUNDING_TRIES):
            rounded = quantize16(clip + delta * kept)
            over = self._over(clip, rounded - clip) - self._aim_db
            if not bool((over > 0).any()):
                return rounded
            own = self._over(clip, delta * kept) - self._aim_db
            by_rounding = ((over > 0) & (own < -OWN_DB)).any(dim=0)
            # In the end it makes no difference any more by what a frame stands out.
            hopeless = by_rounding if 2 * tried < ROUNDING_TRIES else (over > 0).any(dim=0)
            kept = kept * _fade(hopeless, len(clip)).to(kept)
            above = torch.where(over > 0, over + MARGIN_DB, torch.zeros_like(over))
            delta = _softened(delta, above)
        return clip

    @staticmethod
    def _over(clip: Tensor, delta: Tensor) -> Tensor:
        """Level over threshold, float (bins, frames) in dB."""
        hidden = threshold_of(clip)
        with torch.no_grad():
            return hidden.level_db(delta.to(hidden.threshold_db)[None])[0] - hidden.threshold_db[0]


def _softened(delta: Tensor, above: Tensor) -> Tensor:
    """A perturbation less what stands above, float (bins, frames) in dB >= 0, in every bin of the critical band."""
    drop = OVERSHOOT * _spread(_highest_near(above))
    window = torch.hann_window(N_FFT, device=delta.device, dtype=delta.dtype)
    spectrum = torch.stft(delta, N_FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True)
    gains = torch.exp(drop * (-math.log(10.0) / 20.0)).to(delta)
    return torch.istft(spectrum * gains, N_FFT, HOP, window=window, center=True, length=delta.shape[-1])


def _highest_near(above: Tensor) -> Tensor:
    """The highest value within half a Bark of each bin, of float (bins, frames): the level at a bin is that of its whole band."""
    bins = above.shape[0]
    first, after = (index.to(above.device) for index in critical_bands(bins))
    count = after - first
    # Maxima over powers of two of bins; two of them, overlapping, cover any band.
    found = torch.zeros_like(above)
    maxima, width = above, 1
    while width <= bins:
        here = ((count >= width) & (count < 2 * width)).nonzero().flatten()
        if len(here):
            found[here] = torch.maximum(maxima[first[here]], maxima[first[here] + count[here] - width])
        if width < bins:
            maxima = torch.maximum(maxima[:-width], maxima[width:])
        width *= 2
    return found


def _spread(above: Tensor) -> Tensor:
    """Part of what stands above asked of the frames around too: a frame alone cannot change, they share its samples."""
    found = above.clone()
    for hops, share in enumerate(SPREAD, 1):
        if hops < above.shape[1]:
            found[:, hops:] = torch.maximum(found[:, hops:], share * above[:, :-hops])
            found[:, :-hops] = torch.maximum(found[:, :-hops], share * above[:, hops:])
    return found


def _fade(frames: Tensor, samples: int) -> Tensor:
    """Factors float (samples,): 0 in the middle half of each frame that is true in bool (frames,), rising to 1 around it."""
    closed = torch.zeros(samples + N_FFT, device=frames.device)
    for frame in frames.nonzero().flatten().tolist():
        middle = frame * HOP + N_FFT // 2
        closed[middle - N_FFT // 4 : middle + N_FFT // 4] = 1.0
    closed = closed[N_FFT // 2 : N_FFT // 2 + samples]
    wide = torch.nn.functional.max_pool1d(closed[None, None], 2 * TAPER + 1, 1, TAPER)
    smooth = torch.nn.functional.avg_pool1d(wide, 2 * TAPER + 1, 1, TAPER, count_include_pad=False)[0, 0]
    faded: Tensor = 1.0 - torch.maximum(smooth, closed)
    return faded
