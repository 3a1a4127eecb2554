"""The command that runs all corruptions, its table by hand, its files, and the rest of the tool on what it makes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from markdown_reader import read
from result_lines import result
from speechlike import in_process, write_clips
from suite_fixture import run as run_suite
from suite_fixture import summary, write_suite

from voiceattack.audio import clips as audio
from voiceattack.craft.corruptions import CorruptionsRequest
from voiceattack.craft.replay import replay
from voiceattack.evaluate.corruption_table import corruption_table
from voiceattack.report.sections.corruptions import draw_corruptions, markdown_table
from voiceattack.runs import Run
from voiceattack.runs.records import Result

NAMES = "gaussian_noise,crosstalk,speed_up"


OF = {clip: f"{place:064x}" for place, clip in enumerate("abc")}
"""SHA-256 of each clip's samples."""


def row(clip: str, severity: int, heard: str, *, name: str = "gaussian_noise", **facts: Any) -> Result:
    base = {
        "id": f"{clip}-{name}-{severity}",
        "victim": "v",
        "attack": f"corruption:{name}",
        "params": {"severity": severity},
        "control_for": None,
        "stage_of": None,
        "reference": "call my sister now",
        "hypothesis": heard,
        "clean_hypothesis": "call my sister",
        "wer": 0.0,
        "cer": 0.5,
        "pesq": 2.84,
        "nulls": {},
        "outcome": "held",
        "recipe": {"pcm_sha256": OF[clip], "draws": {"random": True}},
    }
    return result(**{**base, **facts})


def test_a_line_by_hand() -> None:
    rows = [
        row("a", 1, "call my sister now", pesq=3.92),
        row("b", 1, "call my sister", pesq=3.92),
        row("a", 2, "call my", pesq=2.84),
        row("b", 2, "", pesq=2.84),
        row("c", 2, "", outcome="error", wer=None),
    ]
    (line,) = corruption_table(rows)
    mild, strong = line.cells
    # 8 words; 2 wrong when clean; 1 at severity 1; 2 + 4 at severity 2.
    assert line.wer_clean == 0.25 and mild.wer == 0.125 and strong.wer == 0.75 and strong.n_error == 1 and strong.n == 2
    assert mild.werd == pytest.approx(-0.125) and strong.werd == pytest.approx(0.5) and line.werd == pytest.approx(0.1875)
    # Against what was heard clean, three words each: one too many and none at 1; one and three missing at 2.
    assert mild.wer_from_clean == pytest.approx(1 / 6) and strong.wer_from_clean == pytest.approx(4 / 6)
    assert line.nwerd == pytest.approx((-0.125 + 0.5) / (0.2 + 0.5))
    assert line.snr_db_at_wer_half == pytest.approx(30 - 10 * (0.5 - 0.125) / 0.625)
    assert line.werv is None and "--repeats" in line.nulls["werv"]


def test_variance_over_draws_of_the_clips_that_all_have() -> None:
    def draw(repeat: int, clip: str, heard: str) -> Result:
        return row(clip, 1, heard, recipe={"pcm_sha256": OF[clip], "draws": {"random": True}, "repeat": repeat})

    rows = [draw(0, "a", "call my sister now"), draw(1, "a", "call my"), draw(2, "a", ""), draw(0, "b", "")]
    (line,) = corruption_table(rows)
    # Clip b was drawn once: left out. WER 0, 0.5 and 1 on a.
    assert line.werv == pytest.approx(0.5 / 3) and line.draws == 3 and line.werv_severity == 1
    assert line.cells[0].n == 2, "the table itself is of the first draw"


def test_what_is_not_defined_says_why() -> None:
    longer = {"pesq": "clean and adversarial differ in length (100 and 50 samples)"}
    fixed = {"pcm_sha256": OF["a"], "draws": {"random": False}}
    (line,) = corruption_table([row("a", 1, "call", name="speed_up", pesq=None, nulls=longer, recipe=fixed)])
    assert line.nwerd is None and line.nulls["nwerd"] == "PESQ is undefined: clean and adversarial differ in length"
    assert line.werv is None and "same bytes" in line.nulls["werv"]
    assert line.snr_db_at_wer_half is None and "no SNR" in line.nulls["snr_db_at_wer_half"]
    (deaf,) = corruption_table([row("a", 1, "")])
    assert deaf.snr_db_at_wer_half is None and "already" in deaf.nulls["snr_db_at_wer_half"]
    assert corruption_table([row("a", 1, "", control_for="x"), row("a", 1, "", attack="pgd")]) == []


def test_a_corruption_that_could_not_be_made_leaves_its_panel_empty() -> None:
    lost = {"outcome": "error", "wer": None, "hypothesis": None, "clean_hypothesis": None}
    lines = corruption_table([row("a", 1, "call my sister now"), row("a", 1, "", name="reverberation", **lost)])
    assert [line.name for line in lines] == ["gaussian_noise", "reverberation"] and lines[1].cells[0].wer is None
    png = io.BytesIO()
    draw_corruptions(lines, png)
    assert png.getvalue().startswith(b"\x89PNG")


def test_nothing_heard_has_its_reason() -> None:
    (line,) = corruption_table([row("a", 1, "", outcome="error", wer=None)])
    assert line.nulls["snr_db_at_wer_half"] == "nothing was heard"


def test_degradation_is_against_the_clips_of_each_severity() -> None:
    """Where a clip failed at one severity, the sum of WERD is still what is normalised."""
    wrong = {"clean_hypothesis": ""}
    rows = [
        row("a", 1, "call my sister"),
        row("b", 1, "", **wrong),
        row("a", 2, "call"),
        row("b", 2, "", outcome="error", wer=None),
    ]
    (line,) = corruption_table(rows)
    assert [cell.werd for cell in line.cells] == [0, 0.5] and line.nwerd == pytest.approx(0.5 / (0.5 + 0.5))


def test_repeats_are_of_the_mildest_severity_that_draws_anything() -> None:
    asked = CorruptionsRequest(inputs=("x",), names=("telephone", "music", "gain"), repeats=3)
    again = [(setting.name, setting.severity) for setting in asked.settings() if setting.repeat]
    assert again == [("telephone", 2)] * 2 + [("music", 1)] * 2, "no packet is lost at a telephone's first severity"


def test_a_victim_is_code_in_the_table() -> None:
    lines = corruption_table([row("a", 1, "call", victim="command:x `<img src=x onerror=alert(1)>` {audio}")])
    page = read(markdown_table(lines))
    assert "command:x `<img src=x onerror=alert(1)>` {audio}" in page.prose and not page.html


def test_dollar_signs_in_a_spec_are_no_mathematics() -> None:
    png = io.BytesIO()
    draw_corruptions(corruption_table([row("a", 1, "call", victim="command:awk '{print $1 $^}' {audio}")]), png)
    assert png.getvalue().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corruptions")
    write_clips(folder / "in", 2)
    lines = [{"audio_filepath": f"clip{n}.wav", "text": f"words of clip {n}"} for n in range(2)]
    (folder / "in" / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = in_process(*command(folder), "--repeats", "2", "-o", folder / "all.html")
    assert done.returncode == 0, done.stderr
    assert "corruption" in done.stdout and "speed_up" in done.stdout
    return folder / "run"


def command(folder: Path, out: str = "run") -> list[str]:
    both = ["--victim", "tiny", "--victim", "tiny?"]
    return [
        "corruptions",
        str(folder / "in" / "m.jsonl"),
        *both,
        "--names",
        NAMES,
        "--severities",
        "1,4",
        "--out",
        str(folder / out),
    ]


def test_a_bad_file_is_told_once_and_costs_itself_alone(tmp_path: Path) -> None:
    write_clips(tmp_path / "in", 1)
    (tmp_path / "in" / "text.wav").write_text("no audio")
    asked = ["corruptions", str(tmp_path / "in"), "--victim", "tiny", "--names", "gain,vorbis", "--out", str(tmp_path / "run")]
    done = in_process(*asked)
    assert done.returncode == 0 and done.stderr.count("not audio") == 1, done.stderr
    examples = Run.open(tmp_path / "run").examples()
    assert [example.error is None for example in examples].count(True) == 8 and len(examples) == 16


def test_one_command_makes_an_ordinary_run_and_its_table(made: Path) -> None:
    run = Run.open(made)
    examples = run.examples()
    # Three corruptions at two severities, and one more draw of the two random ones, of two clips.
    assert len(examples) == 2 * (3 * 2 + 2) and all(example.error is None for example in examples)
    assert {example.queries for example in examples} == {1}
    assert len({example.id for example in examples}) == len(examples)
    rows = run.results()
    assert len(rows) == 2 * len(examples) and {r.victim for r in rows} == {"tiny", "tiny?"}
    for r in rows:
        longer = r.attack == "corruption:speed_up"
        assert (r.snr_db is None) == longer and (("length" in r.nulls.get("snr_db", "")) == longer)
        assert r.recipe["draws"]["value"] in (30, 0, 1.25, 2) and r.recipe["repeat"] in (0, 1)
    with (made / "corruptions.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == 2 * 3 * 2 and {r["n"] for r in table} == {"2"}
    lines = json.loads((made / "corruptions.json").read_text())["corruptions"]
    noise = next(line for line in lines if line["name"] == "gaussian_noise")
    assert noise["draws"] == 2 and noise["werv"] is not None
    assert (made / "corruptions.png").read_bytes().startswith(b"\x89PNG")
    assert "**`tiny`**" in (made / "corruptions.md").read_text()
    page = (made.parent / "all.html").read_text()
    assert "data:image/png;base64," in page and "3 corruptions of 2 clips" in page and "voiceattack corruptions INPUT" in page


def test_twice_gives_the_same_bytes(made: Path) -> None:
    again = in_process(*command(made.parent, "again"), "--repeats", "2", "--quiet")
    assert (again.returncode, again.stdout) == (0, "")
    files = {path.name: path.read_bytes() for path in (made / "audio").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (made.parent / "again" / "audio").iterdir()}
    assert len(files) == 16


def test_resumed_it_does_nothing_twice_and_extended_it_keeps_what_is_there(made: Path) -> None:
    before = (made / "examples.jsonl").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (made / "audio").iterdir()}
    assert in_process(*command(made.parent), "--repeats", "2").returncode == 0
    assert (made / "examples.jsonl").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    more = [word if word != NAMES else "gain" for word in command(made.parent)]
    assert in_process(*more).returncode == 0
    assert (made / "examples.jsonl").read_bytes().startswith(before)
    assert {line.name for line in corruption_table(Run.open(made).results())} == {*NAMES.split(","), "gain"}
    other = in_process(*command(made.parent), "--seed", "1")
    assert other.returncode == 2 and "seed" in other.stderr


def test_the_rest_of_the_tool_takes_such_a_run(made: Path, tmp_path: Path) -> None:
    run = Run.open(made)
    for name in ("crosstalk", "speed_up"):
        for example in run.examples():
            if example.attack == f"corruption:{name}":
                assert replay(run, example.id).same, example.id
    done = in_process("report", made, "--format", "md,json,csv,html")
    assert done.returncode == 0, done.stderr
    text = (made / "report.md").read_text()
    assert (
        "## Corruptions" in text and "corruption:speed_up, severity 4" in text and (made / "plots" / "corruptions.png").exists()
    )
    assert in_process("evaluate", made, "--victim", "tiny?x").returncode == 2
    for kind in ("nemo", "kaldi"):
        done = in_process("export", made, "--format", kind, "--out", tmp_path / kind)
        assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "nemo").rglob("*.jsonl").__next__().read_text().splitlines()]
    faster = [line for line in lines if line["attack"] == "corruption:speed_up"]
    assert all(line["snr_db"] is None and line["duration"] < 0.6 for line in faster)


def test_one_corruption_as_an_attack(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 2)
    line = ("attack", *clips, "--victim", "tiny", "--attack", "corruption:gaussian_noise", "--severity", "3")
    done = in_process(*line, "--out", tmp_path / "run", "--keep-format")
    assert done.returncode == 0, done.stderr
    rows = Run.open(tmp_path / "run").results()
    assert sum(r.is_control for r in rows) == 2, "of a defined SNR there is a noise control"
    for r in rows:
        assert r.snr_db == pytest.approx(10, abs=0.1)
    done = in_process(*line[:-3], "corruption:tempo_down", "--severity", "2", "--out", tmp_path / "tempo", "--keep-format")
    assert done.returncode == 0 and "changes the clip's length" in done.stderr
    rows = Run.open(tmp_path / "tempo").results()
    assert len(rows) == 2 and all(r.snr_db is None and r.wer is not None for r in rows)
    assert len(audio.load(tmp_path / "tempo" / str(rows[0].audio))) == round(9600 / 0.75)
    for options, told in ((("--snr-db", "20"), "takes no limit"), (("--param", "severity=1"), "give it once")):
        done = in_process(*line, *options, "--out", tmp_path / "no")
        assert done.returncode == 2 and told in done.stderr


def test_a_suite_takes_them_all_in_a_grid(tmp_path: Path) -> None:
    entry = {"attack": "corruption:*", "name": "weather", "grid": {"severity": [1, 4]}, "control": False}
    one = {"attack": "corruption:tremolo", "grid": {"severity": [2]}}
    suite = write_suite(tmp_path, 2, attacks=[entry, one], gates=[{"gate": "wer <= 100", "attack": "weather", "per": []}])
    code, text, errors = run_suite(suite, "--dry-run")
    assert code == 0 and "weather:gaussian_noise[severity=1]" in text and "corruption:tremolo[severity=2]" in text, errors
    entry["attack"] = "corruption:nonsense"
    assert "unknown corruption 'nonsense'" in run_suite(write_suite(tmp_path / "b", 1, attacks=[entry]))[2]
    done = run_suite(write_suite(tmp_path / "c", 2, attacks=[one]))
    assert done[0] == 0 and len(summary(tmp_path / "c" / "suite.yaml")["examples"]) == 2


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    (clip,) = write_clips(tmp_path, 1)
    line = ("corruptions", clip, "--victim", "tiny", "--out", tmp_path / "out")
    for options, told in (
        (("--names", "gian"), "did you mean 'gain'"),
        (("--severities", "0,1"), "choose of 1, 2, 3, 4"),
        (("--severities", "mild"), "--severities 'mild'"),
        (("--param", "colour=pink"), "--param colour"),
        (("-o", tmp_path / "a.pdf"), "the suffix names the format"),
    ):
        done = in_process(*line, *options)
        assert done.returncode == 2 and told in done.stderr, done.stderr
    done = in_process(*line, "--dry-run", "--names", "gain")
    assert done.returncode == 0 and "settings: 4" in done.stdout and not (tmp_path / "out").exists()
    listed = in_process("list", "corruptions").stdout
    assert "gaussian_noise" in listed and "corruption:NAME" in in_process("list", "attacks").stdout
