"""The real servers of PyPI, where ``python scripts/servers.py up NAME`` has installed them: nothing is installed by a test."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from query_attack import registered, request
from speechlike import ROOT

from voiceattack.audio import Batch, load
from voiceattack.craft import craft
from voiceattack.metrics.text import normalize
from voiceattack.runs import Run
from voiceattack.victims import load_victim

pytestmark = pytest.mark.slow
both = pytest.mark.parametrize("name", ["wyoming", "openai"])
SAMPLES = ROOT / "samples"


@pytest.fixture(autouse=True)
def noises() -> Iterator[None]:
    with registered():
        yield


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("servers", ROOT / "scripts" / "servers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["servers"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def real(name: str, port: int | None = None) -> Iterator[tuple[str, int, Any]]:
    """A real server: spec, port and process."""
    servers = script()
    if not servers.installed(name):
        pytest.skip(f"the server is not installed; python scripts/servers.py up {name} installs it")
    port = port or free_port()
    process = servers.start(name, port, servers.bundled_model())
    try:
        yield servers.SERVERS[name].spec.format(port=port), port, process
    finally:
        servers.stop(process)


def clips(count: int) -> list[Path]:
    rows = [json.loads(line) for line in (SAMPLES / "manifest.jsonl").read_text(encoding="utf-8").splitlines()][:count]
    return [SAMPLES / row["audio_filepath"] for row in rows]


@both
def test_it_hears_real_speech_as_the_weights_do(name: str) -> None:
    waves = [load(path) for path in clips(3)]
    default = load_victim("whisper-tiny.en", "cpu")
    with real(name) as (spec, _, _):
        heard = load_victim(spec, "cpu").transcribe(Batch.of([*waves, torch.zeros(8000)]))
    expected = [normalize(default.transcribe(Batch.of([wave]))[0].text) for wave in waves]
    assert [normalize(transcript.text) for transcript in heard[:3]] == expected


@both
def test_it_dies_half_way_and_the_run_is_resumed(name: str, tmp_path: Path) -> None:
    paths = [str(path) for path in clips(3)]
    with real(name) as (spec, port, process):
        spec += "?retries=0" if name == "wyoming" else "&retries=0"
        asked = request(spec, *paths, queries=2)
        victim = load_victim(spec, "cpu")
        craft(request(spec, paths[0], queries=2), tmp_path / "run", victim=victim)
        script().stop(process)
        run = craft(asked, tmp_path / "run", victim=victim)
    assert [example.error is None for example in run.examples() if example.control_for is None] == [True, False, False]
    notes: list[str] = []
    with real(name, port):
        craft(asked, tmp_path / "run", victim=load_victim(spec, "cpu"), on_note=notes.append)
    attacked = [example for example in Run.open(tmp_path / "run").examples() if example.control_for is None]
    assert len(attacked) == 3 and all(example.error is None for example in attacked)
    assert "was asked 6 times" in notes[0], "two clips of three queries; the first clip cost nothing again"
