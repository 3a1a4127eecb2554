"""The true loop on the bundled Whisper and real files: craft, save, hear back, measure, craft again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voiceattack.audio import clips as audio
from voiceattack.craft import AttackRequest, craft
from voiceattack.craft.replay import replay
from voiceattack.evaluate import evaluate
from voiceattack.metrics.signal import snr_db
from voiceattack.report import render
from voiceattack.runs import Run
from voiceattack.runs.records import Result
from voiceattack.victims import Victim

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).parents[1] / "samples"


def inputs(folder: Path, count: int) -> tuple[str, ...]:
    rows = [json.loads(line) for line in (SAMPLES / "manifest.jsonl").read_text().splitlines()][:count]
    manifest = folder / "in.jsonl"
    manifest.write_text(
        "".join(json.dumps({**row, "audio_filepath": str(SAMPLES / row["audio_filepath"])}) + "\n" for row in rows)
    )
    return (str(manifest),)


def heard_back(run: Run, whisper: Victim) -> list[Result]:
    evaluate(run, [whisper])
    return run.results()


def test_pgd_fools_where_noise_of_the_same_size_does_not(whisper: Victim, tmp_path: Path) -> None:
    request = AttackRequest(
        inputs=inputs(tmp_path, 2), attack="pgd", params={"steps": 30, "check_every": 10}, budget={"snr_db": 30}
    )
    run = craft(request, tmp_path / "run", victim=whisper)
    rows = heard_back(run, whisper)
    attacked = [row for row in rows if not row.is_control]
    controls = [row for row in rows if row.is_control]
    assert len(attacked) == len(controls) == 2
    assert all(row.success for row in attacked), [(row.reference, row.hypothesis) for row in attacked]
    assert not any(row.success for row in controls), [(row.reference, row.hypothesis) for row in controls]
    for row, control in zip(attacked, controls, strict=True):
        clean, changed = (audio.load(run.path / str(path)) for path in (row.clean_audio, row.audio))
        assert float(snr_db(clean, changed)) >= 30.0
        assert abs((control.snr_db or 0) - (row.snr_db or 0)) < 0.05
        comment = audio.read_comment(run.path / str(row.audio))
        assert comment is not None and "adversarial" in comment and run.id in comment
    assert render(run, ["md"])[0].read_text().count("![") == 2
    again = replay(run, attacked[0].id, victim=whisper)
    assert again.same, "same seed, same machine, other bytes"


def test_cw_says_the_target_exactly(whisper: Victim, tmp_path: Path) -> None:
    request = AttackRequest(
        inputs=inputs(tmp_path, 1),
        attack="cw",
        params={"steps": 100},
        objective="targeted",
        target="unlock the front door",
        control=False,
    )
    (row,) = heard_back(craft(request, tmp_path / "run", victim=whisper), whisper)
    assert row.hypothesis_normalized == "unlock the front door" and row.outcome == "fooled"
    assert row.snr_db is not None and row.snr_db > 20.0


def test_mute_leaves_nothing(whisper: Victim, tmp_path: Path) -> None:
    request = AttackRequest(
        inputs=inputs(tmp_path, 1), attack="pgd", params={"steps": 60, "check_every": 5}, objective="mute", budget={"snr_db": 25}
    )
    rows = heard_back(craft(request, tmp_path / "run", victim=whisper), whisper)
    assert rows[0].success and rows[0].hypothesis_normalized == ""
    assert not rows[1].success, "plain noise mutes it too: the loudness, not the attack"
