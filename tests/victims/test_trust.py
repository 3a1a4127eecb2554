"""A stranger's run or suite starts no program, imports no module and sends nothing, through any command that reads one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from speech_server import State, serving
from speechlike import ROOT, in_process, write_clips
from suite_fixture import run as run_suite
from suite_fixture import write_suite

from voiceattack.cli import main
from voiceattack.craft.replay import replay
from voiceattack.doctor import torchaudio_mismatch
from voiceattack.errors import SpecError, TrustError, VictimError
from voiceattack.extras import python_line
from voiceattack.runs import Run
from voiceattack.runs.provenance import run_id
from voiceattack.suite.execute import execute
from voiceattack.suite.load import load_suite
from voiceattack.victims import load_victim
from voiceattack.victims.trust import NOBODY, Trust, outside, specs_in

KEY = "canary-4e1f9c"


class Canaries:
    """A program, two Python modules and a server, which all show that they were touched."""

    def __init__(self, folder: Path, server: State, wyoming: State) -> None:
        self.folder, self.server, self.wyoming = folder, server, wyoming
        folder.mkdir()
        self.mark = folder / "touched"
        touch = f"import pathlib; pathlib.Path({str(self.mark)!r}).touch()\n"
        (folder / "canary.py").write_text(touch + "print('hello')\n")
        ear = "def make():\n    from voiceattack.victims import load_victim\n    return load_victim('tiny')\n"
        (folder / "canary_module.py").write_text(touch + ear)
        (folder / "canary_package").mkdir()
        (folder / "canary_package" / "__init__.py").write_text(touch)
        (folder / "canary_package" / "inner.py").write_text(ear)
        self.program = f"command:{sys.executable} {folder / 'canary.py'} {{audio}}"
        self.keyed = f"{server.spec()}&retries=0&key_env=CANARY_KEY"
        self.specs = {
            "program": self.program,
            "module": "python:canary_module:make",
            "package": "python:canary_package.inner:make",
            "server": self.keyed,
            "wyoming": f"{wyoming.spec()}?retries=0",
            "ensemble": "ensemble:tiny|python:canary_module:make",
            "asr": f"assistant:home?asr={self.program}",
            "wake": f"assistant:home?asr=tiny&wake={self.program}",
            "deep": "assistant:home?asr=ensemble:tiny|python:canary_module:make",
            "hub": "hf:canary-of-a-test/no-such-model",
        }

    @property
    def touched(self) -> bool:
        return self.mark.exists() or bool(self.server.connections or self.wyoming.connections)


@pytest.fixture
def canaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canaries]:
    with serving("openai") as server, serving("wyoming") as wyoming:
        made = Canaries(tmp_path / "canaries", server, wyoming)
        monkeypatch.chdir(made.folder)
        monkeypatch.setenv("CANARY_KEY", KEY)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        yield made
        for name in [name for name in sys.modules if name.startswith("canary_")]:
            del sys.modules[name]


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


def lines(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def forge(run: Path, **request: Any) -> Path:
    """Let a run ask for something else, as who sends it can: its id and its recipes agree."""
    info = json.loads((run / "run.json").read_text())
    info["request"].update(request)
    info["run_id"] = run_id(info["request"])
    (run / "run.json").write_text(json.dumps(info))
    victim = request.get("victim", "tiny")
    params = request.get("params", {})

    def example(row: dict[str, Any]) -> None:
        row["source_victim"] = victim
        row["recipe"] = {**row["recipe"], **request, "victim": victim, "params": {**row["recipe"]["params"], **params}}

    lines(run / "examples.jsonl", example)
    lines(run / "results.jsonl", lambda row: row.update(victim=victim, source_victim=victim))
    return run


def forged(honest: Path, canaries: Canaries, **request: Any) -> Path:
    return forge(Path(shutil.copytree(honest, canaries.folder.parent / "stranger")), **request)


def first_id(run: Path) -> str:
    return str(json.loads((run / "examples.jsonl").read_text().splitlines()[0])["id"])


KINDS = ("program", "module", "package", "server", "wyoming", "ensemble", "asr", "wake", "deep", "hub")


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


def suite_of(folder: Path, spec: str, how: str) -> Path:
    """A suite that names ``spec`` as one who listens, who is crafted on, or whom an attack names."""
    victims: list[dict[str, Any]] = [{"name": "v", "spec": spec}]
    attacks: list[dict[str, Any]] = [{"attack": "noise", "budget": {"snr_db": 20}}]
    if how == "crafted on":
        victims = [{"name": "v", "spec": "tiny", "crafted_on": spec}]
    if how == "listens":
        victims = [{"name": "v", "spec": spec, "crafted_on": "tiny"}]
    if how in ("surrogate", "grid"):
        victims = [{"name": "v", "spec": "tiny"}]
        attacks = [{"attack": "transfer", "params": {"steps": 2}, "budget": {"snr_db": 20}}]
        where = attacks[0]["params"] if how == "surrogate" else attacks[0].setdefault("grid", {})
        where["surrogates"] = spec if how == "surrogate" else ["tiny", spec]
    return write_suite(folder, 1, victims=victims, attacks=attacks, gates=["error_rate <= 1"])


@pytest.mark.parametrize("how", ["attacked", "crafted on", "listens", "surrogate", "grid"])
@pytest.mark.parametrize("kind", ["program", "module", "package", "server", "wyoming", "ensemble", "asr", "hub"])
def test_a_suite_is_not_obeyed(kind: str, how: str, canaries: Canaries, tmp_path: Path) -> None:
    spec = canaries.specs[kind]
    suite = suite_of(tmp_path / "theirs", spec, how)
    code, _, errors = run_suite(suite)
    assert code == 2 and next(part.spec for part in outside(spec)) in errors and "--trust" in errors, errors
    assert not canaries.touched and not (suite.parent / "out").exists(), "nothing is written either"
    with pytest.raises(TrustError):
        execute(load_suite(suite), suite.parent, tmp_path / "by-code")
    assert not canaries.touched


@pytest.mark.parametrize("how", ["attacked", "crafted on", "listens", "surrogate", "grid"])
@pytest.mark.parametrize("kind", ["program", "module", "package", "server", "wyoming", "ensemble"])
def test_a_dry_run_runs_and_asks_nothing(kind: str, how: str, canaries: Canaries, tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "theirs", canaries.specs[kind], how)
    for trusted in ([], ["--trust"]):
        code, told, errors = run_suite(suite, "--dry-run", *trusted)
        assert not canaries.touched, (code, told, errors)
        if how in ("surrogate", "grid") and kind in ("program", "server", "wyoming"):
            assert code == 2 and "gradients" in errors, "a surrogate must have them; it is not asked for that"
            continue
        assert code == 0 and "nothing was written" in told and ("--trust" in told) is not bool(trusted), errors
        assert ("not measured" in told) is (how != "listens")


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


def test_a_users_own_suite_runs_with_one_word(canaries: Canaries, tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "mine", canaries.program, "attacked")
    code, told, errors = run_suite(suite, "--trust")
    assert code == 0 and canaries.mark.exists(), told + errors
    canaries.mark.unlink()
    named = suite_of(tmp_path / "named", f"{canaries.program}?timeout=20", "listens")
    code, told, errors = run_suite(named, "--victim", canaries.program)
    assert code == 0 and canaries.mark.exists(), told + errors
    code, told, errors = run_suite(named, "--victim", "command:true {audio}")
    assert code == 2 and "names no such victim" in errors and canaries.program in errors
    both = write_suite(
        tmp_path / "both", 1, victims=[{"name": "a", "spec": canaries.program}, {"name": "b", "spec": canaries.keyed}], attacks=[]
    )
    code, told, errors = run_suite(both, "--victim", canaries.program)
    assert code == 2 and canaries.keyed in errors and not canaries.server.connections


def test_shards_of_a_stranger_are_joined_without_their_victims(canaries: Canaries, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s", 1, victims=[{"name": "v", "spec": "tiny"}], gates=["success_rate <= 1"])
    assert run_suite(suite, "--shard", "1/1")[0] == 0
    shard = suite.parent / "out"
    for kind in KINDS:
        spec = canaries.specs[kind]
        asked = yaml.safe_load(suite.read_text())
        asked["victims"] = [{"name": "v", "spec": "tiny"}, {"name": "w", "spec": spec, "crafted_on": "tiny"}]
        (suite.parent / "theirs.yaml").write_text(yaml.safe_dump(asked))
        theirs = Path(shutil.copytree(shard, tmp_path / f"shard-{kind}"))
        for cell in (theirs / "cells").iterdir():
            forge(cell, victim=spec)
        code = main(
            ["merge", str(suite.parent / "theirs.yaml"), str(theirs), "--out", str(tmp_path / f"joined-{kind}"), "--quiet"]
        )
        assert code == 2 and not canaries.touched, kind
        code = main(["merge", str(suite), str(theirs), "--out", str(tmp_path / f"alone-{kind}"), "--quiet"])
        assert code in (0, 1, 2) and not canaries.touched, kind


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


def test_a_plug_in_is_trusted_no_more_than_a_program(canaries: Canaries, tmp_path: Path) -> None:
    """An installed package may register victims; what a file makes of them cannot be known."""
    site = tmp_path / "site"
    info = site / "canary_plug-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: canary-plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[voiceattack.victims]\nplugged = canary_module:load\n")
    suite = write_suite(tmp_path / "s", 1, victims=[{"name": "v", "spec": "plugged:x"}], attacks=[])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(canaries.folder), os.environ.get("PYTHONPATH", "")])}
    line = [sys.executable, "-m", "voiceattack", "run", str(suite), "--out", str(tmp_path / "out")]
    for more in ([], ["--dry-run"]):
        done = subprocess.run([*line, *more], env=env, capture_output=True, text=True, timeout=120, check=False)
        assert not canaries.touched and ("plug-in" in done.stderr + done.stdout), done.stderr


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
