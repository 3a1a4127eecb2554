"""One picture an example: waveforms, and spectrograms of clean, adversarial and the perturbation alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from voiceattack.audio.clips import SAMPLE_RATE, load
from voiceattack.report.drawing import save_picture, without_mathtext
from voiceattack.report.masking_curve import masking_curve

__all__ = ["draw_example", "draw_perturbation"]

WINDOW, HOP = 512, 128
RANGE_DB = 80.0


@without_mathtext
def draw_example(clean_path: Path, audio_path: Path, title: str, out: Path) -> Path:
    """Write the picture of one example as PNG.

    Args:
        clean_path, audio_path: the saved pair, 16 kHz.
        title: one or two lines.
        out: where to.
    """
    clean, adversarial = (load(path).double().numpy() for path in (clean_path, audio_path))
    if len(clean) != len(adversarial):
        return _draw_pair(clean, adversarial, title, out)
    delta = adversarial - clean
    peak = float(np.abs(delta).max())
    gain_db = 20 * np.log10(float(np.abs(clean).max()) / peak) if peak > 0 and np.abs(clean).max() > 0 else 0.0
    figure = Figure(figsize=(9.6, 10.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    *axes, spectrum = figure.subplots(5, 1, height_ratios=(1, 1, 1, 1, 1.3))
    for axis in axes[1:]:
        axis.sharex(axes[0])
    times = np.arange(len(clean)) / SAMPLE_RATE
    # The clean trace lies behind, wide and pale: what the other adds stands out at its edges.
    axes[0].plot(times, clean, linewidth=1.6, color="#93b4f5", label="clean")
    axes[0].plot(times, adversarial, linewidth=0.5, color="#c2410c", label="adversarial")
    axes[0].plot(times, delta, linewidth=0.6, color="#111827", label="perturbation")
    axes[0].set_ylabel("amplitude\n(full scale 1)")
    axes[0].legend(loc="upper right", ncols=3, fontsize="small", framealpha=0.9)
    top = _spectrogram(clean).max()
    amplified = delta * 10 ** (gain_db / 20)
    panels = [("clean", clean), ("adversarial", adversarial), (f"perturbation alone, amplified by {gain_db:.0f} dB", amplified)]
    image: Any = None
    for axis, (name, wave) in zip(axes[1:], panels, strict=True):
        extent = (0.0, len(wave) / SAMPLE_RATE, 0.0, SAMPLE_RATE / 2000)
        image = axis.imshow(
            _spectrogram(wave).T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=top - RANGE_DB, vmax=top
        )
        axis.set_ylabel("kHz")
        axis.set_title(name, fontsize="medium", loc="left")
    axes[-1].set_xlabel("seconds")
    axes[0].set_xlim(0, max(len(clean) / SAMPLE_RATE, 1 / SAMPLE_RATE))
    _draw_masking(spectrum, clean, delta)
    figure.colorbar(image, ax=list(axes[1:]), label="dB re full scale")
    figure.suptitle(title, fontsize="medium")
    save_picture(figure, out)
    return out


@without_mathtext
def _draw_pair(clean: NDArray[np.float64], adversarial: NDArray[np.float64], title: str, out: Path) -> Path:
    """Both spectrograms alone, for an artefact of another length than its clip's: no perturbation is defined then."""
    figure = Figure(figsize=(9.6, 4.6), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 1, sharex=True)
    top = _spectrogram(clean).max()
    image: Any = None
    for axis, name, wave in ((axes[0], "clean", clean), (axes[1], "adversarial", adversarial)):
        extent = (0.0, len(wave) / SAMPLE_RATE, 0.0, SAMPLE_RATE / 2000)
        image = axis.imshow(
            _spectrogram(wave).T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=top - RANGE_DB, vmax=top
        )
        axis.set_ylabel("kHz")
        axis.set_title(name, fontsize="medium", loc="left")
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0, max(len(clean), len(adversarial)) / SAMPLE_RATE)
    figure.colorbar(image, ax=list(axes), label="dB re full scale")
    figure.suptitle(title, fontsize="medium")
    save_picture(figure, out)
    return out


@without_mathtext
def draw_perturbation(clean_path: Path, audio_path: Path, title: str, out: Path) -> Path:
    """Write a small PNG for a page of text: spectrograms of the adversarial audio and of the perturbation alone, on one scale.

    Args:
        clean_path, audio_path: the saved pair, 16 kHz.
        title: one line.
        out: where to.
    """
    clean, adversarial = (load(path).double().numpy() for path in (clean_path, audio_path))
    figure = Figure(figsize=(8.0, 3.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 1, sharex=True)
    top = _spectrogram(clean).max()
    extent = (0.0, len(clean) / SAMPLE_RATE, 0.0, SAMPLE_RATE / 2000)
    image: Any = None
    for axis, name, wave in ((axes[0], "adversarial", adversarial), (axes[1], "the perturbation alone", adversarial - clean)):
        image = axis.imshow(
            _spectrogram(wave).T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=top - RANGE_DB, vmax=top
        )
        axis.set_ylabel("kHz")
        axis.set_title(name, fontsize="small", loc="left")
    axes[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=list(axes), label="dB re full scale")
    figure.suptitle(title, fontsize="small")
    save_picture(figure, out)
    return out


def _draw_masking(axis: Any, clean: NDArray[np.float64], delta: NDArray[np.float64]) -> None:
    """Spectra of speech, masking threshold and perturbation, mean decibels over the frames in which the speech is on."""
    found = masking_curve(torch.from_numpy(clean), torch.from_numpy(delta))
    curves = [
        ("speech", found.speech, "#1d4ed8"),
        ("masking threshold", found.threshold, "#111827"),
        ("perturbation", found.perturbation, "#c2410c"),
    ]
    for name, curve, colour in curves:
        axis.plot(found.kilohertz.numpy(), curve.numpy(), linewidth=0.8, color=colour, label=name)
    excess = found.excess_db
    axis.set_title(f"spectra while speech is on; the perturbation exceeds the threshold by {excess:.3f} dB, mean over all bins")
    axis.title.set_fontsize("medium")
    axis.set_xlabel("kHz")
    axis.set_ylabel("dB SPL, loudest bin at 96")
    axis.set_xlim(0, SAMPLE_RATE / 2000)
    axis.legend(loc="upper right", ncols=3, fontsize="small", framealpha=0.9)


def _spectrogram(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power in dB re a full-scale sine, (frames, bins)."""
    padded = np.pad(wave, (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    window = np.hanning(WINDOW)
    spectrum = np.abs(np.fft.rfft(frames * window, axis=1)) / (window.sum() / 2)
    return np.asarray(20 * np.log10(np.maximum(spectrum, 1e-7)), dtype=np.float64)
