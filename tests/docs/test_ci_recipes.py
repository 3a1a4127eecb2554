"""The CI recipes in docs/how-to/ci run: their commands, as they stand there, in a project with a suite on the toy victim."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from speechlike import ROOT, environment, in_process
from suite_fixture import run, write_suite

RECIPES = ROOT / "docs" / "how-to" / "ci"
INSTALL = "pip install -c wheels/constraints.txt wheels/voiceattack-*.whl"
QUIET = {"attack": "noise", "name": "quiet", "budget": {"snr_db": 90}}
LOUD = {"attack": "noise", "name": "loud", "budget": {"snr_db": -5}}


def commands(recipe: str) -> list[str]:
    """Every command of a recipe in order, once for each shard of a matrix; GitLab gives all lines of a job to one shell."""
    text = (RECIPES / recipe).read_text(encoding="utf-8")
    found = re.findall(r"sh '([^']+)'", text) if recipe == "Jenkinsfile" else list(_commands(yaml.safe_load(text)))
    assert len(found) >= 3 and found[0].endswith(INSTALL)
    return ["\n".join(found)] if recipe == "gitlab-ci.yml" else found


def _commands(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        shards = node.get("strategy", {}).get("matrix", {}).get("shard", []) if isinstance(node.get("strategy"), dict) else []
        for key, value in node.items():
            if key in ("run", "script", "before_script"):
                yield from [value] if isinstance(value, str) else value
            elif shards and key == "steps":
                for shard in shards:
                    yield from (f"export SHARD={shard}; {command}" for command in _commands(value))
            else:
                yield from _commands(value)
    elif isinstance(node, list):
        for item in node:
            yield from _commands(item)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What docs/how-to/ci.md tells to make; by the tool that pip would fetch for it."""
    folder = tmp_path_factory.mktemp("made") / "wheels"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    shutil.copy(ROOT / "constraints.txt", folder)
    return folder


@pytest.fixture
def project(wheels: Path, tmp_path: Path) -> Path:
    """A repository with the folder of the wheel, and on its path a pip and a voiceattack that know what the recipe installed."""
    shutil.copytree(wheels, tmp_path / "wheels")
    programs = {
        "pip": f'exec "{sys.executable}" -m pip "$@"',
        "voiceattack": f'echo "$1" >> "{tmp_path}/calls"; exec "{sys.executable}" -m voiceattack "$@"',
    }
    for name, line in programs.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    return tmp_path


def installed(folder: Path) -> dict[str, str]:
    """An environment where pip installs the wheel alone into ``site``; the packages that it needs are this environment's."""
    env = environment(GITHUB_STEP_SUMMARY=str(folder / "step.md"))
    env |= {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_TARGET": str(folder / "site"), "PIP_UPGRADE": "1"}
    return env | {"PATH": f"{folder / 'bin'}:{env['PATH']}", "PYTHONPATH": str(folder / "site")}


def bash(command: str, folder: Path) -> int:
    env = installed(folder)
    done = subprocess.run(["bash", "-ec", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stderr and done.returncode in (0, 1), done.stderr
    return done.returncode


def keep_baseline(folder: Path, attack: dict[str, Any]) -> None:
    """A suite, and the baseline that the recipes require."""
    suite = write_suite(folder, attacks=[attack], gates=["success_rate <= 0.2"])
    assert run(suite, out="accepted")[0] in (0, 1)
    kept = in_process("bless", folder / "accepted", "--baseline", folder / "voiceattack-baseline.json")
    assert kept.returncode == 0, kept.stderr


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.iterdir()))
def test_the_commands_of_a_recipe_run(recipe: str, project: Path) -> None:
    keep_baseline(project, QUIET)
    assert not any([bash(command, project) for command in commands(recipe)])
    assert json.loads((project / "suite-run" / "summary.json").read_text())["verdict"] == "passed"
    assert (project / "suite-run" / "junit.xml").exists() and "voiceattack" in (project / "step.md").read_text()
    ask = [sys.executable, "-c", "import voiceattack; print(voiceattack.__file__)"]
    where = subprocess.run(ask, cwd=project, env=installed(project), capture_output=True, text=True, check=True).stdout
    assert Path(where.strip()).parent == project / "site" / "voiceattack"


@pytest.mark.slow
def test_a_failed_gate_fails_the_step(project: Path) -> None:
    keep_baseline(project, LOUD)
    (job,) = commands("gitlab-ci.yml")
    assert bash(job, project) == 1 and (project / "calls").read_text().split() == ["run", "compare"]
    (_, unstable, _) = commands("Jenkinsfile")
    assert bash(unstable, project) == 0
