"""Victims that show when they were touched, and a run forged to name them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from speech_server import State, serving

from voiceattack.runs.provenance import run_id

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


def first_id(run: Path) -> str:
    return str(json.loads((run / "examples.jsonl").read_text().splitlines()[0])["id"])


KINDS = ("program", "module", "package", "server", "wyoming", "ensemble", "asr", "wake", "deep", "hub")
