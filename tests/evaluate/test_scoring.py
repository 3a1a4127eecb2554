"""Evaluation: outcomes, judged from files on disk by a victim that hears nothing but samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from voiceattack.audio import Batch, quantize16
from voiceattack.audio import clips as audio
from voiceattack.errors import RunError, VictimError
from voiceattack.evaluate import evaluate
from voiceattack.progress import showing
from voiceattack.report import render
from voiceattack.report.console import summary_table
from voiceattack.runs import Example, Run
from voiceattack.victims import Transcript, Victim

WORDS = ["lamp", "door", "alarm", "radio", "window", "kitchen", "garden", "music"]


class Counter(Victim):
    """Hears one word a burst: the word is chosen by the pitch, 500 Hz apart; a black box that really listens."""

    spec = "counter"

    def __init__(self, broken_above: float = 2.0) -> None:
        self.broken_above = broken_above

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript(self._hear(clip)) for clip in batch.clips()]

    def _hear(self, clip: torch.Tensor) -> str:
        if float(clip.abs().max()) > self.broken_above:
            raise VictimError("too loud for this victim")
        heard = []
        for burst in clip.split(4000):
            if len(burst) == 4000 and float(burst.norm()) > 0.5:
                peak = int(torch.fft.rfft(burst).abs().argmax()) * 4.0
                heard.append(WORDS[min(int(peak // 500), len(WORDS) - 1)])
        return " ".join(heard).capitalize() + "." if heard else ""


def tone(*words: str) -> torch.Tensor:
    times = torch.arange(4000) / 16_000
    return quantize16(torch.cat([0.3 * torch.sin(2 * torch.pi * (WORDS.index(word) * 500 + 250) * times) for word in words]))


def add(run: Run, name: str, clean: torch.Tensor, changed: torch.Tensor | None, **facts: object) -> None:
    clean_path, path = run.clean_path(name), run.audio_path(f"{name}-pgd")
    audio.save(clean_path, clean)
    if changed is not None:
        audio.save(path, changed)
    defaults: dict[str, object] = {
        "id": f"{name}-pgd",
        "source": f"{name}.wav",
        "source_sha256": "0" * 64,
        "audio": None if changed is None else f"audio/{name}-pgd.flac",
        "clean_audio": f"clean/{name}.flac",
        "source_victim": "counter",
        "attack": "pgd",
        "params": {},
        "objective": "untargeted",
        "target": None,
        "reference": None,
        "clean_hypothesis": None,
        "control_for": None,
        "steps": 3,
        "queries": 1,
        "seconds": 0.5,
        "seed": 1,
        "sha256": None if changed is None else audio.file_sha256(path),
        "recipe": {"wer_threshold": 0.5},
        "trace": [{"step": 1, "loss": 2.0}],
    }
    run.append(Example(**{**defaults, **facts}))  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(
        tmp_path / "run", {"victim": "counter", "attack": "pgd", "params": {}, "objective": "untargeted", "budget": {}, "seed": 0}
    )
    said = "lamp door"
    add(run, "fooled", tone("lamp", "door"), tone("alarm", "radio"), reference=said)
    add(run, "held", tone("lamp", "door"), tone("lamp", "door") * 0.9, reference=said)
    add(run, "same", tone("lamp", "door"), tone("lamp", "door"), reference=said)
    add(run, "misheard", tone("music", "door"), tone("alarm", "radio"), reference=said)
    add(run, "unreferenced", tone("garden", "music"), tone("garden", "door", "lamp"))
    add(run, "failed", tone("lamp"), None, error="truncated file")
    add(run, "target", tone("lamp", "door"), tone("radio"), reference=said, objective="targeted", target="Radio!")
    add(run, "mute", tone("lamp", "door"), tone("lamp", "door") * 0.001, reference=said, objective="mute")
    return run


def test_outcomes(run: Run) -> None:
    summary = evaluate(run, [Counter()])
    rows = {row.id.removesuffix("-pgd"): row for row in run.results()}
    outcomes = {name: row.outcome for name, row in rows.items()}
    assert outcomes == {
        "fooled": "fooled",
        "held": "held",
        "same": "no_effect",
        "misheard": "clean_wrong",
        "unreferenced": "fooled",
        "failed": "error",
        "target": "fooled",
        "mute": "fooled",
    }
    assert rows["fooled"].wer == 1.0 and rows["fooled"].wer_clean == 0.0
    assert rows["fooled"].hypothesis == "Alarm radio." and rows["fooled"].hypothesis_normalized == "alarm radio"
    assert rows["misheard"].wer_clean == 0.5 and rows["misheard"].success is True
    assert rows["unreferenced"].reference_source == "clean transcript" and rows["unreferenced"].reference == "Garden music."
    assert rows["same"].success is False and rows["same"].snr_db is None and "zero" in rows["same"].nulls["snr_db"]
    assert rows["failed"].error == "truncated file"
    group = next(group for group in summary["groups"] if group["objective"] == "untargeted")
    assert (group["n"], group["n_scored"], group["n_clean_wrong"], group["n_no_effect"], group["n_error"]) == (6, 4, 1, 1, 1)
    assert group["success_rate"] == pytest.approx(2 / 4)
    # said: lamp door, four times, and garden music; heard wrong: 2 + 0 + 0 + 2 + (door lamp for music: 1 sub, 1 ins) of 10
    assert group["wer"] == pytest.approx((2 + 0 + 0 + 2 + 2) / 10)
    assert group["wer_ci95"][0] <= group["wer"] <= group["wer_ci95"][1]


def test_it_tells_what_it_measures_hears_and_draws(run: Run) -> None:
    told: list[tuple[int, int, str]] = []
    evaluate(run, [Counter()], on_progress=lambda *step: told.append(step))
    done = [step for step, _, _ in told]
    assert done == sorted(done) and {total for _, total, _ in told} == {16} and told[-1][:2] == (16, 16)
    assert [label.partition(":")[0] for _, _, label in told[:8]] == [f"measuring {place} of 8" for place in range(1, 9)]
    # Eight examples of seven artefacts; the one that failed has no files.
    assert told[8][2] == "counter heard 0 of 14 files" and told[-1][2] == "counter heard 14 of 14 files"
    drawn: list[str] = []
    with showing(lambda done, of, label: drawn.append(label)):
        render(run, ["md", "html"])
    assert drawn[0].startswith("drawing 1 of 7: ") and len(drawn) >= 14


def test_the_file_on_disk_is_what_counts(run: Run) -> None:
    """An artefact replaced after crafting is heard as it is now, and said to be another file."""
    audio.save(run.path / "audio" / "fooled-pgd.flac", tone("lamp", "door") * 0.8)
    evaluate(run, [Counter()])
    row = next(row for row in run.results() if row.id == "fooled-pgd")
    assert row.outcome == "held" and any("SHA-256" in text for text in row.warnings)


def test_a_victim_that_fails_costs_its_rows_only(run: Run) -> None:
    (run.path / "audio" / "held-pgd.flac").write_bytes(b"not audio")
    evaluate(run, [Counter(), Loud()], batch_size=3)
    rows = run.results()
    assert {row.outcome for row in rows if row.victim == "loud" and row.audio and "mute" not in row.id} == {"error"}
    held = next(row for row in rows if row.id == "held-pgd" and row.victim == "counter")
    assert held.outcome == "error" and held.error
    assert next(row for row in rows if row.id == "fooled-pgd" and row.victim == "counter").outcome == "fooled"


class Loud(Counter):
    spec = "loud"

    def __init__(self) -> None:
        super().__init__(broken_above=0.1)


def test_other_victims_are_added_and_the_same_one_replaced(run: Run) -> None:
    evaluate(run, [Counter()])
    summary = evaluate(run, [Loud()])
    assert {group["victim"] for group in summary["groups"]} == {"counter", "loud"}
    evaluate(run, [Counter()])
    assert len(run.results()) == 2 * len(run.examples())


def test_reports(run: Run) -> None:
    add(run, "hostile", tone("lamp"), tone("door"), reference="lamp | <script>alert(1)</script> [x](http://a.b)")
    with pytest.raises(RunError, match="voiceattack evaluate"):
        render(run, ["md"])
    summary = evaluate(run, [Counter()])
    markdown, table, whole = render(run, ["md", "csv", "json"])
    text = markdown.read_text()
    for wanted in (
        "Misheard already when clean, counted apart (2)",
        "Held: the attack failed",
        "No effect",
        "truncated file",
        "no reference given",
    ):
        assert wanted in text
    assert "<script>" not in text and "\\[x\\]" in text and "\\|" in text
    pictures = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(pictures) == 8 and all((run.path / picture).stat().st_size > 10_000 for picture in pictures)
    assert len(table.read_text().splitlines()) == 1 + len(run.results()) and whole.stat().st_size > 1000
    assert summary_table(summary).row_count == len(summary["groups"])
