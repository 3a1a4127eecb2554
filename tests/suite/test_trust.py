"""A stranger's suite starts no program, imports no module and sends nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from canaries import KINDS, Canaries, forge
from suite_fixture import run as run_suite
from suite_fixture import write_suite

from voiceattack.cli import main
from voiceattack.errors import TrustError
from voiceattack.suite.execute import execute
from voiceattack.suite.load import load_suite
from voiceattack.victims.trust import outside


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


def test_a_plug_in_is_trusted_no_more_than_a_program(canaries: Canaries, tmp_path: Path) -> None:
    """An installed package may register victims; what a file makes of them cannot be known."""
    site = tmp_path / "site"
    info = site / "canary_plug-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: canary-plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[voiceattack.victims]\nplugged = canary_module:load\n")
    suite = write_suite(tmp_path / "s", 1, victims=[{"name": "v", "spec": "plugged:x"}], attacks=[])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(canaries.folder), os.environ.get("PYTHONPATH", "")])}
    line = ["run", str(suite), "--out", str(tmp_path / "out")]
    # A process that was started beside the package, as one in which it is installed.
    both = f"for more in ([], ['--dry-run']):\n    print('CODE', main({line!r} + more), flush=True)"
    program = f"from voiceattack.cli import main\n{both}"
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120, check=False)
    refused, _, tried = done.stdout.partition("CODE 2\n")
    assert not canaries.touched and "plug-in" in done.stderr and not refused, done.stderr
    assert "plug-in" in tried and "CODE 0" in tried, done.stdout + done.stderr
