"""A victim of another language than English: every figure is made of texts normalised as its language asks."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from speechlike import in_process, write_clips

from voiceattack.evaluate.curve import curves
from voiceattack.runs import Run

SAID = "schöne grüße über köln"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose victim hears German without an error."""
    folder = tmp_path_factory.mktemp("german")
    write_clips(folder, 1)
    (folder / "m.jsonl").write_text(json.dumps({"audio_filepath": "clip0.wav", "text": SAID}), encoding="utf-8")
    (folder / "asr.py").write_text(f"print({SAID!r}, flush=True)", encoding="utf-8")
    spec = f"command:{sys.executable} -X utf8 {folder / 'asr.py'} {{audio}}?language=de"
    done = in_process(
        *("corruptions", str(folder / "m.jsonl"), "--victim", spec, "--out", str(folder / "run")),
        *("--names", "gaussian_noise", "--severities", "1", "-o", str(folder / "run.html")),
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_rows_and_corpus_figures_agree(made: Path) -> None:
    run = Run.open(made)
    (row,) = run.results()
    assert row.language == "de" and row.wer == row.cer == 0 and row.hypothesis_normalized == SAID
    (group,) = run.summary()["groups"]
    assert group["wer"] == group["wer_clean"] == group["cer"] == 0
    assert {point["wer"] for point in curves(run.results())[0].points} == {0}
    assert row.baseline_entry()["errors"] == row.baseline_entry()["clean_errors"] == 0
    with (made / "corruptions.csv").open(newline="") as stream:
        (line,) = csv.DictReader(stream)
    assert float(line["wer"]) == float(line["wer_clean"]) == float(line["cer"]) == 0
