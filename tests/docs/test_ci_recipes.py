"""The CI recipes in docs/how-to/ci run: their commands, as they stand there, in a project with a suite on the toy victim."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from speechlike import ROOT, environment
from suite_fixture import write_suite

RECIPES = ROOT / "docs" / "how-to" / "ci"
QUIET = {"attack": "noise", "name": "quiet", "budget": {"snr_db": 90}}
LOUD = {"attack": "noise", "name": "loud", "budget": {"snr_db": -5}}


def commands(recipe: str) -> Iterator[str]:
    """Every command of a recipe, in order, once for each shard of a matrix; setting up Python is the CI's."""
    text = (RECIPES / recipe).read_text(encoding="utf-8")
    found = re.findall(r"sh '([^']+)'", text) if recipe == "Jenkinsfile" else list(_commands(yaml.safe_load(text)))
    assert len(found) >= 3 and "pip install voiceattack" in found
    return (command for command in found if not command.startswith("pip install"))


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


def bash(command: str, folder: Path) -> int:
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / "voiceattack"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m voiceattack "$@"\n')
    program.chmod(0o755)
    env = environment(GITHUB_STEP_SUMMARY=str(folder / "step.md"))
    env["PATH"] = f"{folder / 'bin'}:{env['PATH']}"
    done = subprocess.run(["bash", "-ec", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stderr and done.returncode in (0, 1), done.stderr
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.iterdir()))
def test_the_commands_of_a_recipe_run(recipe: str, tmp_path: Path) -> None:
    write_suite(tmp_path, attacks=[QUIET], gates=["success_rate <= 0.2"])
    assert [bash(command, tmp_path) for command in commands(recipe) if "pip install" not in command]
    assert json.loads((tmp_path / "suite-run" / "summary.json").read_text())["verdict"] == "passed"
    assert (tmp_path / "suite-run" / "junit.xml").exists() and "voiceattack" in (tmp_path / "step.md").read_text()


@pytest.mark.slow
def test_a_failed_gate_fails_the_step(tmp_path: Path) -> None:
    write_suite(tmp_path, attacks=[LOUD], gates=["success_rate <= 0.2"])
    (gate, _) = commands("gitlab-ci.yml")
    (unstable, _) = commands("Jenkinsfile")
    assert (bash(gate, tmp_path), bash(unstable, tmp_path)) == (1, 0)
