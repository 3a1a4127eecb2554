"""What pictures say, read from the text in them: axes with their units, no raw markup, no empty panel without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from speechlike import tones

from voiceattack.audio import clips as audio
from voiceattack.evaluate.wakeword import Stream, Sweep
from voiceattack.report import det, plots


def texts_of(figure: Figure) -> list[str]:
    """Every text in a figure that is drawn."""
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(match=lambda one: hasattr(one, "get_text")) if text.get_visible()]


def caught(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[list[str]]:
    """What the figures say that a module saves."""
    said: list[list[str]] = []

    def save(figure: Figure, path: Path) -> None:
        said.append(texts_of(figure))

    monkeypatch.setattr(module, "save_picture", save)
    return said


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ([], "no sound without the phrase was heard"),
        ([Stream([0.1] * 20, 60.0)], "no false accept at any threshold\nin 1.0 minutes without the phrase"),
        ([Stream([0.1, 0.9, 0.1] * 9, 60.0)], None),
    ],
)
def test_a_sweep_says_numbers_and_what_was_not_counted(
    other: list[Stream], told: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = caught(monkeypatch, det)
    phrases = [Stream([0.1, 0.1 * place], 1.0) for place in range(10)]
    det.write_png(Sweep("wakeword:$x", 0.5, 0.1, (0.25, 0.5, 0.75), {None: phrases}, {None: other}), tmp_path / "det.png")
    (texts,) = said
    assert not any("mathdefault" in text or "$" in text for text in texts if "wakeword" not in text), texts
    assert "false accepts an hour" in texts
    assert sum(told is not None and told in text for text in texts) == (2 if told else 0), "in both panels on false accepts"


def test_the_picture_of_an_example_has_units_and_the_clean_trace_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[tuple[list[str], list[str]]] = []

    def save(figure: Figure, path: Path) -> None:
        said.append(([line.get_label() for line in figure.axes[0].lines], texts_of(figure)))

    monkeypatch.setattr(plots, "save_picture", save)
    clean = tones(1)
    audio.save(tmp_path / "clean.flac", clean)
    audio.save(tmp_path / "changed.flac", audio.quantize16(clean + 0.01))
    plots.draw_example(tmp_path / "clean.flac", tmp_path / "changed.flac", "a $title", tmp_path / "x.png")
    ((lines, texts),) = said
    assert lines == ["clean", "adversarial", "perturbation"], "what is drawn later covers what is drawn before"
    assert {"kHz", "seconds", "dB re full scale", "a $title"} <= set(texts)
