"""Spectral lines and singular components: they sum to the clip, the weakest go first, and the SNR foretold is the SNR."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from speechlike import tones

from voiceattack.attacks.decision.decompositions import Components, Fourier, Segment, Singular, segments
from voiceattack.metrics.signal import snr_db

SIZES = [9600, 1601, 2, 1]


def parts(method: str, clip: torch.Tensor, samples: int) -> list[Segment]:
    return [Fourier(piece) if method == "dft" else Singular(piece, 24) for piece in segments(clip, samples)]


@pytest.mark.parametrize("samples", SIZES)
@pytest.mark.parametrize("method", ["dft", "ssa"])
def test_all_components_together_are_the_clip(method: str, samples: int) -> None:
    clip = tones(3, seconds=0.3 if samples > 2 else 0.01)
    components = Components(parts(method, clip, samples))
    torch.testing.assert_close(components.weakest(len(components)), clip, rtol=0, atol=1e-5)
    assert not components.weakest(0).any()


@pytest.mark.parametrize("within", ["clip", "segment"])
@pytest.mark.parametrize("method", ["dft", "ssa"])
def test_the_snr_foretold_is_the_snr_and_the_removed_share_falls_with_it(method: str, within: Literal["clip", "segment"]) -> None:
    clip = tones(4)
    components = Components(parts(method, clip, 1600), within)
    levels = [float(level) for level in range(0, 60, 3)]
    counts = [components.most_within(level) for level in levels]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    for level, count in zip(levels, counts, strict=True):
        assert components.snr_db(count) >= level
        if count:
            true = float(snr_db(clip, clip - components.weakest(count)))
            assert true == pytest.approx(components.snr_db(count), abs=0.05)
        if count < len(components) - 1:
            # One component more would be too much, but that averaging lets a sum of two be smaller than one of them.
            assert any(components.snr_db(more) < level for more in range(count + 1, len(components) + 1))


def test_removal_keeps_the_strongest_lines() -> None:
    time = torch.arange(1600) / 16_000
    loud, soft, softest = (
        level * torch.sin(2 * math.pi * pitch * time) for level, pitch in ((0.5, 400), (0.1, 1000), (0.01, 3000))
    )
    components = Components([Fourier(loud + soft + softest)])
    torch.testing.assert_close(components.weakest(len(components) - 1), soft + softest, rtol=0, atol=1e-4)
    torch.testing.assert_close(components.weakest(len(components) - 2), softest, rtol=0, atol=1e-4)


def test_singular_components_tell_tones_apart() -> None:
    """Two tones are two pairs of components; without the weaker pair and what is under it, the louder tone is left."""
    time = torch.arange(3200) / 16_000
    loud, soft = (level * torch.sin(2 * math.pi * pitch * time) for level, pitch in ((0.5, 400), (0.1, 2000)))
    components = Components([Singular(loud + soft, 80)])
    left = loud + soft - components.weakest(len(components) - 2)
    assert float(snr_db(loud, left)) > 25
    assert float(snr_db(loud, loud + soft)) < 15


def test_within_the_clip_quiet_passages_go_first_within_segments_all_alike() -> None:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(3200, generator=generator)
    clip = torch.cat([0.01 * noise[:1600], 0.3 * noise[1600:]])
    pieces = parts("dft", clip, 1600)
    whole, each = (Components(pieces, within) for within in ("clip", "segment"))  # type: ignore[arg-type]
    removed = [components.weakest(components.most_within(20.0)) for components in (whole, each)]
    quiet = [float(snr_db(clip[:1600], clip[:1600] - delta[:1600])) for delta in removed]
    assert quiet[0] < 3 and quiet[1] == pytest.approx(20.0, abs=1.5)


def test_singular_components_are_those_of_the_trajectory_matrix() -> None:
    """Against the textbook: SVD of the Hankel matrix, rank-one parts averaged along antidiagonals."""
    clip, window = tones(5, seconds=0.02), 12
    trajectory = clip.double().unfold(0, window, 1).T
    left, values, right = torch.linalg.svd(trajectory, full_matrices=False)
    ours = Singular(clip, window)
    for count in (1, 5, 11):
        parts_ = (left[:, window - count :] * values[window - count :]) @ right[window - count :]
        flipped = parts_.flip(0)
        averaged = torch.stack([flipped.diagonal(offset).mean() for offset in range(-window + 1, trajectory.shape[1])])
        torch.testing.assert_close(ours.weakest(count).double(), averaged, rtol=0, atol=2e-5)
