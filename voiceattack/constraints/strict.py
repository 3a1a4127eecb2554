"""A limit on how far any part of a perturbation stands above the masking threshold of the clip it is added to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.audio.clips import quantize16
from voiceattack.constraints.headroom import fade, headroom
from voiceattack.constraints.noise_shaping import quantise
from voiceattack.constraints.thresholds import threshold_of
from voiceattack.metrics.psychoacoustics import HOP, N_FFT, critical_bands

__all__ = ["Strict"]

OVERSHOOT = 1.2  # times the excess by which a bin is attenuated: what leaks from its neighbours comes on top
SPREAD = (0.7, 0.3, 0.1)  # of that, in the frames one, two and three hops away, which share samples with it
ROUNDING_TRIES = 24
MARGIN_DB = 0.3  # more than rounding exceeded, by which the next try is softened
SLACK_DB = 0.005  # kept below the limit: a search computes in single precision what the metric measures in double
NONE_DB = 1e-4  # no excess: what scaling to the limit leaves in single precision
OWN_DB = 1.0  # a bin stands out by rounding alone where the perturbation itself is this far within


@dataclass(frozen=True)
class Strict:
    """No time-frequency bin more than ``limit_db`` above the masking threshold, in dB; below 0, that far under it.

    This is the metric ``masking_excess_max_db``. All work is on one clip: float (samples,), on the 16-bit grid.
    """

    limit_db: float

    def excess_db(self, clip: Tensor, delta: Tensor) -> float:
        """How far the bin of ``delta`` that stands highest over its threshold does, in dB; negative where all are hidden."""
        return float((_level_db(clip, delta) - threshold_of(clip).threshold_db[0]).max())

    def changeable(self, clip: Tensor) -> Tensor:
        """bool (samples,): what may be changed. In pauses of a clean recording, rounding a change to 16 bits would stand out."""
        return headroom(clip, self._aim_db).changeable

    def holds(self, clip: Tensor, delta: Tensor) -> bool:
        """Whether the limit is kept, with room for what rounding adds."""
        return float(self._over(clip, delta).max()) <= NONE_DB

    def attenuate(self, clip: Tensor, delta: Tensor) -> Tensor:
        """``delta`` softened where it stands too high (a dozen times in turn, hardly any bin does); itself where none does."""
        above = self._over(clip, delta).clamp(min=0.0)
        return delta if float(above.max()) <= NONE_DB else _softened(delta, above)

    def scale(self, clip: Tensor, delta: Tensor) -> float:
        """The largest factor in [0, 1] by which ``delta`` keeps the limit; a softer one always does."""
        return float(min(1.0, 10.0 ** (-float(self._over(clip, delta).max()) / 20.0)))

    def rounded(self, clip: Tensor, delta: Tensor) -> Tensor:
        """``clip + delta`` on the 16-bit grid with the limit kept, float (samples,).

        Rounding adds noise. Where that stands out, it is shaped (:mod:`voiceattack.constraints.noise_shaping`); where it does all
        the same, the perturbation is softened, or left out where it is not what stands out.

        Args:
            clip: on the 16-bit grid.
            delta: keeps the limit before rounding.
        """
        kept = torch.ones_like(delta)
        limit = threshold_of(clip).threshold_db[0] + self._aim_db
        for tried in range(ROUNDING_TRIES):
            rounded = self._quantised(clip, delta * kept)
            over = _level_db(clip, rounded - clip) - limit
            if not bool((over > 0).any()):
                return rounded
            own = _level_db(clip, delta * kept) - limit
            by_rounding = ((over > 0) & (own < -OWN_DB)).any(dim=0)
            # In the end it makes no difference any more by what a frame stands out.
            hopeless = by_rounding if 2 * tried < ROUNDING_TRIES else (over > 0).any(dim=0)
            kept = kept * fade(hopeless, len(clip)).to(kept)
            delta = _softened(delta, torch.where(over > 0, over + MARGIN_DB, torch.zeros_like(over)))
        return clip

    def _quantised(self, clip: Tensor, delta: Tensor) -> Tensor:
        """``clip + delta`` rounded: plainly where that does, else with the noise shaped."""
        plain = quantize16(clip + delta)
        if self.excess_db(clip, plain - clip) <= self._aim_db:
            return plain
        room = headroom(clip, self._aim_db)
        shaped = quantise(clip.double().cpu().numpy(), delta.double().cpu().numpy(), room.filters, HOP)
        return torch.from_numpy(shaped).to(clip)

    @property
    def _aim_db(self) -> float:
        return self.limit_db - SLACK_DB

    def _over(self, clip: Tensor, delta: Tensor) -> Tensor:
        """Level over what is allowed before rounding, float (bins, frames) in dB."""
        return _level_db(clip, delta) - headroom(clip, self._aim_db).allowed_db


def _level_db(clip: Tensor, delta: Tensor) -> Tensor:
    """Level of a perturbation of ``clip``, float (bins, frames) in dB SPL."""
    hidden = threshold_of(clip)
    with torch.no_grad():
        return hidden.level_db(delta.to(hidden.threshold_db)[None])[0]


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
