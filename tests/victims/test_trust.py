"""A stranger's run starts no program, imports no module and sends nothing, through any command that reads one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from canaries import KEY, KINDS, Canaries, first_id, forge, lines
from speechlike import ROOT, in_process, write_clips

from voiceattack.craft.replay import replay
from voiceattack.doctor import torchaudio_mismatch
from voiceattack.errors import SpecError, TrustError, VictimError
from voiceattack.extras import python_line
from voiceattack.runs import Run
from voiceattack.runs.provenance import run_id
from voiceattack.victims import load_victim
from voiceattack.victims.trust import NOBODY, Trust, outside, specs_in


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one's own."""
    folder = tmp_path_factory.mktemp("honest")
    done = in_process(
        *("attack", *write_clips(folder / "in", 1), "--victim", "tiny", "--attack", "noise", "--snr-db", "20"),
        *("--out", folder / "run", "--quiet"),
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


def forged(honest: Path, canaries: Canaries, **request: Any) -> Path:
    return forge(Path(shutil.copytree(honest, canaries.folder.parent / "stranger")), **request)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_names_its_victim_and_is_not_obeyed(kind: str, honest: Path, canaries: Canaries, tmp_path: Path) -> None:
    spec = canaries.specs[kind]
    run = forged(honest, canaries, victim=spec)
    for command in (["evaluate", run], ["replay", run, first_id(run)]):
        done = in_process(*command)
        assert done.returncode == 2 and not canaries.touched, done.stderr
        named = next(part.spec for part in outside(spec))
        assert named in done.stderr and "--trust" in done.stderr and "--victim" in done.stderr
    assert KEY not in "".join(path.read_text(errors="replace") for path in run.rglob("*.json*"))


@pytest.mark.parametrize("kind", ["program", "deep", "server"])
def test_what_reads_a_run_without_hearing_asks_nobody(kind: str, honest: Path, canaries: Canaries, tmp_path: Path) -> None:
    run = forged(honest, canaries, victim=canaries.specs[kind])
    for command in (
        ["report", run, "--format", "md,html,csv,json"],
        ["export", run, "--out", tmp_path / "corpus"],
        ["compare", honest, run],
        ["listen", run, "--dry-run"],
        ["listen", run, "--results"],
        ["curve", run, "--out", tmp_path / "curve"],
        ["bless", run, "--baseline", tmp_path / "baseline.json", "--yes"],
    ):
        done = in_process(*command)
        assert done.returncode in (0, 1) and "error" not in done.stderr, (command, done.stderr)
    assert in_process("compare", tmp_path / "baseline.json", run).returncode == 0
    assert not canaries.touched


def test_the_same_run_with_the_users_word(honest: Path, canaries: Canaries) -> None:
    run = forged(honest, canaries, victim=canaries.program)
    assert in_process("evaluate", run, "--victim", f"{canaries.program}?timeout=30", "--quiet").returncode == 0
    assert canaries.mark.exists()
    canaries.mark.unlink()
    assert in_process("evaluate", run, "--trust", "--quiet").returncode == 0 and canaries.mark.exists()
    canaries.mark.unlink()
    for word in (["--victim", canaries.program], ["--trust"]):
        done = in_process("replay", run, first_id(run), *word)
        # Another run's id is in the tag of the file.
        assert done.returncode == 1 and done.stdout.startswith("different:"), done.stderr
    forge(run, victim="python:canary_module:make")
    assert in_process("evaluate", run, "--trust", "--quiet").returncode == 0 and canaries.mark.exists()


def test_another_victim_on_the_command_line_vouches_for_itself_only(honest: Path, canaries: Canaries) -> None:
    run = forged(honest, canaries, attack="transfer", params={"surrogates": "whisper-tiny.en, python:canary_module:make"})
    lines(run / "examples.jsonl", lambda row: row["recipe"].update(params={"surrogates": "tiny,python:canary_module:make"}))
    for more in ([], ["--victim", "tiny"]):
        done = in_process("replay", run, first_id(run), *more)
        assert done.returncode == 2 and "python:canary_module:make" in done.stderr and not canaries.touched, done.stderr


def test_who_acts_in_a_run_of_texts_is_asked_about_too(canaries: Canaries, tmp_path: Path) -> None:
    pytest.importorskip("hassil")
    run = tmp_path / "texts"
    done = in_process(
        *("text", "turn on the lamp", "--perturbation", "typos", "--victim", "intents:home", "--out", run, "--quiet")
    )
    assert done.returncode == 0, done.stderr
    info = json.loads((run / "run.json").read_text())
    info["request"] |= {"interpreter": "python:canary_module:make", "speak": canaries.program}
    info["run_id"] = run_id(info["request"])
    (run / "run.json").write_text(json.dumps(info))
    for command in (["evaluate", run], ["evaluate", run, "--victim", "tiny"]):
        done = in_process(*command)
        assert done.returncode == 2 and "python:canary_module:make" in done.stderr, done.stderr
    assert in_process("report", run, "--format", "md,html").returncode == 0
    assert not canaries.touched


@pytest.mark.parametrize("kind", ["program", "module", "server", "wyoming"])
def test_dry_runs_of_other_commands_run_and_ask_nothing(kind: str, canaries: Canaries, tmp_path: Path) -> None:
    clip, spec = write_clips(tmp_path / "in", 1)[0], canaries.specs[kind]
    for command in (
        ["attack", clip, "--victim", spec, "--attack", "noise", "--snr-db", "20"],
        ["corruptions", clip, "--victim", spec, "--names", "gain"],
        ["wakeword-sweep", clip, "--victim", spec],
        ["prompts", clip, "--victim", spec],
        [
            "text",
            "hello there",
            "--perturbation",
            "homophones",
            "--victim",
            spec,
            "--interpreter",
            spec,
            "--speak",
            canaries.program,
        ],
        ["confusions", "hello", "--victim", spec, "--interpreter", spec],
    ):
        done = in_process(*command, "--dry-run")
        assert done.returncode == 0 and not canaries.touched, (command, done.stderr)
    told = in_process("attack", clip, "--victim", spec, "--attack", "noise", "--snr-db", "20", "--dry-run").stdout
    assert "1 clips" in told and "not measured" in told and spec in told


def test_a_universal_perturbation_names_a_victim_that_nobody_loads(canaries: Canaries, tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 3)
    out = tmp_path / "u.flac"
    fit = ("fit", *clips, "--victim", "tiny", "--out", out, "--steps", "2", "--seconds", "0.1", "--quiet")
    assert in_process(*fit).returncode == 0
    recipe = json.loads(out.with_suffix(".json").read_text())
    out.with_suffix(".json").write_text(json.dumps({**recipe, "victim": canaries.program}))
    done = in_process(
        "attack", clips[0], "--victim", "tiny", "--attack", "universal", "--artefact", out, "--out", tmp_path / "run"
    )
    assert done.returncode == 0, done.stderr
    again = ("fit", *clips, "--victim", "tiny", "--out", tmp_path / "v.flac", "--steps", "2", "--seconds", "0.1", "--start", out)
    assert in_process(*again, "--quiet").returncode == 0
    assert not canaries.touched


def test_by_code_the_same_boundary_holds(honest: Path, canaries: Canaries) -> None:
    run = Run.open(forged(honest, canaries, victim=canaries.program))
    with pytest.raises(TrustError, match="runs a program"):
        replay(run, first_id(run.path))
    assert not canaries.touched
    assert not replay(run, first_id(run.path), trust=Trust(everything=True)).same, "another run's id is in the file's tag"


def test_what_reaches_outside_and_what_does_not(canaries: Canaries) -> None:
    for kind in KINDS:
        (part, *_) = outside(canaries.specs[kind])
        with pytest.raises(TrustError, match=r"say --trust, or name"):
            NOBODY.check([canaries.specs[kind]], "there")
        Trust.of([part.spec]).check([canaries.specs[kind]], "there")
        Trust.of([canaries.specs[kind]]).check([canaries.specs[kind]], "there")
    for spec in ("tiny", "whisper-tiny.en?frontend=all", f"hf:{canaries.folder}", "hf:./nowhere", "vosk:model", "intents:home"):
        assert not outside(spec), spec
    assert not outside("torchaudio:NO_SUCH_BUNDLE") and not outside("no-such-victim:x")
    with pytest.raises(SpecError):
        outside("tiny?no-value")


def test_params_are_read_for_victims_wherever_they_stand() -> None:
    asked = {
        "victim": "tiny",
        "interpreter": "intents:home",
        "params": {
            "steps": 3,
            "name": "adam",
            "a": "tiny, command:x {audio}",
            "b": [{"c": "ensemble:tiny|python:m:f"}],
            "d": None,
        },
    }
    found = specs_in(asked)
    assert found[:2] == ["tiny", "intents:home"]
    assert {"command:x {audio}", "python:m:f", "ensemble:tiny|python:m:f"} <= set(found)
    assert specs_in({"params": {"loss": "margin", "window": "0.5-", "text": "a?b=c&d"}}) == []


def test_a_python_of_its_own_does_not_look_into_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that somebody sent may hold a ``json.py``; engines and torchaudio are tried in processes of their own."""
    mark = tmp_path / "touched"
    for name in ("json", "sherpa_onnx", "torchaudio"):
        (tmp_path / f"{name}.py").write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n")
    monkeypatch.chdir(tmp_path)
    plain = subprocess.run([sys.executable, "-c", "import json"], capture_output=True, timeout=60, check=False)
    assert plain.returncode == 0 and mark.exists(), "it would be found there"
    mark.unlink()
    line = python_line("import json, sys\nprint(json.dumps(sys.argv[1:]))", "a b")
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == '["a b"]\n' and not mark.exists(), done.stderr
    assert torchaudio_mismatch() is None and not mark.exists()
    model = tmp_path / "model"
    model.mkdir()
    for name in ("model.onnx", "tokens.txt"):
        (model / name).write_bytes(b"none")
    with pytest.raises(VictimError, match="sherpa-onnx refuses it"):
        load_victim(f"sherpa-onnx:{model}?kind=nemo-ctc", "cpu")
    assert not mark.exists()


def test_processes_of_python_are_started_in_one_way() -> None:
    """So that none looks for modules in the current folder."""
    for path in (ROOT / "voiceattack").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "extras.py" and "sys.executable" in text:
            assert "python_line" in text or '"-I"' in text, path
