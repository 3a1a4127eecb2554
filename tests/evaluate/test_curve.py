"""Robustness curves: monotone, what was heard and no more, and honest about being beaten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from result_lines import changed, result
from speechlike import in_process, write_clips

from voiceattack.craft.replay import replay
from voiceattack.evaluate.curve import curves, defects
from voiceattack.report.curve import draw_curves, labels
from voiceattack.report.sections.transfer import transfer, transfer_rows
from voiceattack.runs import Run
from voiceattack.runs.records import Result

OF = {clip: f"{place:064x}" for place, clip in enumerate("abcd")}
"""SHA-256 of each clip's samples."""


def row(id: str, snr_db: float | None, heard: str, *, success: bool, **facts: Any) -> Result:
    base = {
        "id": id,
        "victim": "v",
        "source_victim": "v",
        "attack": "minimum-norm",
        "params": {"steps": 100},
        "objective": "untargeted",
        "target": None,
        "control_for": None,
        "stage_of": None,
        "snr_db": snr_db,
        "reference": "call my sister now",
        "hypothesis": heard,
        "clean_hypothesis": "call my sister now",
        "wer": 0.0,
        "success": success,
        "outcome": "fooled" if success else "held",
        "recipe": {"pcm_sha256": OF[id[0]], "wer_threshold": 0.5},
    }
    return result(**{**base, **facts})


ROWS = [
    row("a", 40.0, "call my", success=True),
    row("a.30db", 30.0, "", success=True, stage_of="a"),
    row("a.45db", 45.0, "call my sister", success=False, stage_of="a"),
    row("a.noise", 40.0, "call my sister now", success=False, control_for="a", attack="noise"),
    row("b", 25.0, "hello", success=True),
    row("b.noise", 25.0, "call my sister", success=False, control_for="b", attack="noise"),
]


def at(curve: Any, snr_db: float) -> dict[str, Any]:
    return next(point for point in curve.points if point["snr_db"] == snr_db)


def test_a_curve_counts_what_was_heard_at_no_less_than_its_level() -> None:
    (curve,) = curves(ROWS)
    assert curve.clips == {"a": 40.0, "b": 25.0} and curve.median_snr_db == 32.5
    assert at(curve, 25.0)["success_rate"] == 1.0 and at(curve, 40.0)["success_rate"] == 0.5
    # By hand: a loses all 4 words at 30 dB, 2 at 40, 1 at 45; b hears one word for four at 25.
    assert at(curve, 25.0)["wer"] == 1.0 and at(curve, 30.0)["wer"] == 0.5
    assert at(curve, 40.0)["wer"] == 0.25 and at(curve, 45.0)["wer"] == 0.125
    assert at(curve, 25.0)["noise_success_rate"] == 0.0 and at(curve, 25.0)["noise_wer"] == 0.125


def test_curves_never_rise_with_the_snr() -> None:
    (curve,) = curves(ROWS, level_db=1.0)
    for name in ("success_rate", "wer", "noise_wer"):
        values = [point[name] for point in curve.points]
        assert values == sorted(values, reverse=True)


def test_other_parameters_are_another_curve_and_a_severity_is_not() -> None:
    more = [changed(line, params={"steps": 300}) for line in ROWS[:2]]
    found = curves([*ROWS, *more])
    assert [set(curve.clips) for curve in found] == [{"a", "b"}, {"a"}]
    assert labels(found) == ["v, steps=100", "v, steps=300"]
    severe = [changed(line, params={"steps": 100, "severity": index}) for index, line in enumerate(ROWS[:3])]
    assert [curve.params for curve in curves(severe)] == [{"steps": 100}]


def test_severities_and_draws_of_one_clip_are_one_clip() -> None:
    """As `voiceattack corruptions` names them: other examples of the same samples."""
    made = [
        row(f"a-{severity}-{draw}", 10.0 * severity, "" if severity == 1 else "call my sister now", success=severity == 1)
        for severity in (1, 2)
        for draw in (0, 1)
    ]
    (curve,) = curves([changed(line, recipe={"pcm_sha256": OF["a"], "wer_threshold": 0.5}) for line in made])
    assert list(curve.clips.values()) == [10.0] and at(curve, 10.0)["success_rate"] == 1.0 and at(curve, 20.0)["n"] == 1


def test_the_matrix_counts_every_artefact_of_a_clip() -> None:
    """Of several severities the WER is over all, though the clip counts once."""
    heard = {10.0: "", 20.0: "call my sister now"}
    made = [
        row(f"a.{snr}", snr, text, success=not text, victim=victim, wer=float(not text), params={"severity": int(snr)})
        for victim in ("v", "w")
        for snr, text in heard.items()
    ]
    assert [(len(found.curve.clips), found.wer) for found in transfer_rows(made)] == [(1, 0.5)] * 2


def test_a_clip_given_back_unchanged_was_never_fooled() -> None:
    unchanged = row("c", None, "call my sister now", success=False, outcome="no_effect")
    (curve,) = curves([*ROWS, unchanged])
    assert curve.clips == {"a": 40.0, "b": 25.0, "c": None} and at(curve, 25.0)["success_rate"] == 2 / 3
    assert at(curve, 25.0)["noise_success_rate"] == 0, "it has no noise of its own"
    assert curves([unchanged]) == []


def test_dollar_signs_in_a_spec_are_no_mathematics(tmp_path: Path) -> None:
    spec = "command:sh -c 'echo $0 | awk \"{print $1}\" $^ ' {audio}"
    found = curves([changed(line, victim=spec) for line in ROWS])
    assert draw_curves(found, tmp_path / "curve.png").stat().st_size > 5000


def test_half_of_the_clips_never_fooled_have_no_median() -> None:
    held = row("c", 12.0, "call my sister now", success=False)
    (curve,) = curves([*ROWS[:1], held, row("d", 10.0, "call my sister now", success=False)])
    assert curve.clips == {"a": 40.0, "c": None, "d": None} and curve.median_snr_db is None


def test_misheard_clips_and_errors_are_left_out() -> None:
    wrong = row("c", 50.0, "x", success=True, outcome="clean_wrong")
    broken = row("d", 50.0, "x", success=True, outcome="error", wer=None)
    (curve,) = curves([*ROWS, wrong, broken])
    assert set(curve.clips) == {"a", "b"}


def test_an_artefact_that_could_not_be_heard_leaves_its_noise_behind() -> None:
    """A server that failed on the artefact alone: its clip is in no figure, and the report is written."""
    failed = row("a", 40.0, "", success=False, outcome="error", wer=None, reference=None, hypothesis=None)
    (curve,) = curves([failed, *ROWS[3:]])
    assert curve.clips == {"b": 25.0} and {point["n"] for point in curve.points} == {1}
    others = [changed(line, victim="w") for line in ROWS]
    assert "| 25.0 | left out |" in transfer([*others, failed, *ROWS[3:]])


def test_another_attack_that_is_quieter_is_a_defect() -> None:
    other = {"attack": "pgd", "recipe": {"pcm_sha256": OF["a"], "wer_threshold": 0.5}}
    louder = row("a-pgd", 39.0, "", success=True, **other)
    assert defects([*ROWS, louder]) == []
    (defect,) = defects([*ROWS, row("a-cw", 41.0, "", success=True, **{**other, "attack": "cw"})])
    assert "cw succeeded at 41.00 dB, minimum-norm needed 40.00 dB" in str(defect)
    assert defects([*ROWS, row("a-cw", 41.0, "", success=True, **{**other, "attack": "cw", "victim": "w"})]) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curve")
    clips = write_clips(folder / "in", 2)
    out = folder / "run"
    done = in_process("attack", *clips, "--victim", "tiny", "--attack", "minimum-norm", "--steps", "40", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def test_minimum_norm_saves_its_stages_with_controls_and_draws_the_curve(made: Path) -> None:
    run = Run.open(made)
    examples = {example.id: example for example in run.examples()}
    stages = [example for example in examples.values() if example.stage_of and example.control_for is None]
    assert stages and all(example.audio and (made / example.audio).exists() for example in stages)
    assert {f"{stage.id}.noise" for stage in stages} <= set(examples)
    assert {group["n"] for group in run.summary()["groups"]} == {2}, "stages are counted in the figures"
    report = (made / "report.md").read_text()
    assert "## Robustness curve" in report and (made / "plots" / "curve.png").stat().st_size > 5000
    done = in_process("curve", str(made))
    assert done.returncode == 0, done.stderr
    assert "minimum-norm" in done.stdout and "DEFECT" not in done.stdout
    whole = json.loads((made / "curve.json").read_text())
    assert len(whole["curves"]) == 1 and whole["defects"] == []
    rows = run.results()
    for name, snr_db in whole["curves"][0]["clips"].items():
        heard = [r.snr_db or 0.0 for r in rows if name in (r.id, r.stage_of) and not r.is_control and r.success]
        assert snr_db == max(heard)
    assert len((made / "curve.csv").read_text().splitlines()) == 1 + len(whole["curves"][0]["points"])


def test_a_stage_is_crafted_again_to_the_byte(made: Path) -> None:
    run = Run.open(made)
    stage = next(example for example in run.examples() if example.stage_of and example.control_for is None)
    assert replay(run, stage.id).same
    assert replay(run, f"{stage.id}.noise").same


def test_resuming_a_finished_run_adds_nothing(made: Path) -> None:
    before = (made / "examples.jsonl").read_bytes()
    clips = sorted(map(str, (made.parent / "in").iterdir()))
    done = in_process("attack", *clips, "--victim", "tiny", "--attack", "minimum-norm", "--steps", "40", "--out", str(made))
    assert done.returncode == 0, done.stderr
    assert (made / "examples.jsonl").read_bytes() == before


def test_any_attack_keeps_stages_when_asked(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 1)
    out = tmp_path / "run"
    asked = (
        "attack",
        *clips,
        "--victim",
        "tiny",
        "--attack",
        "cw",
        "--steps",
        "60",
        "--stages",
        "3",
        "--out",
        str(out),
        "--no-control",
    )
    done = in_process(*asked, "--param", "start_snr_db=0")
    assert done.returncode == 0, done.stderr
    stages = [example for example in Run.open(out).examples() if example.stage_of]
    assert stages and all(example.recipe["stages_db"] == 3.0 for example in stages)
    assert replay(Run.open(out), stages[0].id).same


def test_a_run_without_results_says_what_to_do(tmp_path: Path) -> None:
    done = in_process("curve", str(tmp_path))
    assert done.returncode == 2 and "is no run" in done.stderr


def test_no_point_stands_where_nothing_was_measured() -> None:
    (curve,) = curves(ROWS)
    levels = [point["snr_db"] for point in curve.points]
    snrs = [row.snr_db for row in ROWS if not row.is_control and row.snr_db is not None]
    assert all(any(abs(level - snr) < 2.5 for snr in snrs) for level in levels), "each stands next to an artefact"
    assert len(levels) < (max(levels) - min(levels)) / 2.5 + 1, "and there are gaps between them"
