"""The query cache when a server dies or a client is killed half-way: nothing is asked twice, and the end is the same."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from query_attack import registered, request
from speech_server import PROTOCOLS
from speechlike import ROOT, environment, write_clips

from voiceattack.craft import craft
from voiceattack.runs import Run
from voiceattack.victims import load_victim


@pytest.fixture(autouse=True)
def noises() -> Iterator[None]:
    with registered():
        yield


@contextlib.contextmanager
def running(protocol: str, log: Path, *options: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server in a process of its own; the process and its port."""
    command = [
        sys.executable,
        str(ROOT / "tests" / "support" / "speech_server.py"),
        protocol,
        "--log",
        str(log),
        "--port",
        str(port),
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(ROOT / "tests" / "support")) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*.flac")}


def records(run: Path) -> list[dict[str, Any]]:
    lines = [example.model_dump(exclude={"seconds"}) for example in Run.open(run).examples()]
    return sorted(lines, key=lambda line: str(line["id"]))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_dies_half_way_is_resumed_and_asked_nothing_twice(protocol: str, tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 4)
    log, said = tmp_path / "log.txt", []
    with running(protocol, log, "--die-after", "10") as (server, port):
        address = f"127.0.0.1:{port}"
        spec = {"openai": f"openai+http://{address}/v1?model=tiny&retries=0", "wyoming": f"wyoming://{address}?retries=0"}[
            protocol
        ]
        run = craft(request(spec, *paths), tmp_path / "run", victim=load_victim(spec, "cpu"), on_error=said.append)
        assert server.wait(10) == 1
    # Seven queries a clip: the first clip is done, the second was at its third draw, nobody heard the others.
    finished = {example.id for example in run.examples() if example.error is None and example.control_for is None}
    failed = [example for example in run.examples() if example.error is not None]
    assert len(finished) == 1 and len(failed) == len(said) == 3
    assert [example.queries for example in failed] == [3, 0, 0]
    paid = log.read_text().splitlines()
    assert len(paid) == len(set(paid)) == 10
    with running(protocol, log, port=port):
        craft(request(spec, *paths), tmp_path / "run", victim=load_victim(spec, "cpu"))
        asked = log.read_text().splitlines()
        assert len(asked) == len(set(asked)) == 4 * 7, "every query was paid once"
        craft(request(spec, *paths), tmp_path / "fresh", victim=load_victim(spec, "cpu"))
    resumed = [example for example in run.examples() if example.control_for is None]
    assert len(resumed) == 4 and all(example.error is None for example in resumed)
    lines = [line for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines() if '"error": null' in line]
    assert len(lines) == 8, "four artefacts and four controls, none crafted twice"
    assert contents(tmp_path / "run") == contents(tmp_path / "fresh")
    assert records(tmp_path / "run") == records(tmp_path / "fresh")


@pytest.mark.slow
def test_a_client_killed_half_way_has_paid_for_what_it_heard(tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 3)
    log = tmp_path / "log.txt"
    with running("wyoming", log) as (_, port):
        spec = f"wyoming://127.0.0.1:{port}"
        command = [sys.executable, str(ROOT / "tests" / "support" / "query_attack.py"), str(tmp_path / "run"), spec, *paths]
        with subprocess.Popen(command, env=environment(ROOT / "tests" / "support")) as client:
            until = time.monotonic() + 120
            while not (log.exists() and len(log.read_text().splitlines()) >= 9):
                assert client.poll() is None and time.monotonic() < until, "the client ended before it was killed"
                time.sleep(0.01)
            os.kill(client.pid, signal.SIGKILL)
        time.sleep(0.5)  # what the server is still answering
        before = log.read_text().splitlines()
        assert len(before) < 21, "it was not killed half-way"
        craft(request(spec, *paths), tmp_path / "run", victim=load_victim(spec, "cpu"))
        asked = log.read_text().splitlines()
    # The one answer that was under way when it died may have been lost.
    assert len(set(asked)) == 21 and len(asked) <= 22
    assert sum(example.control_for is None and example.error is None for example in Run.open(tmp_path / "run").examples()) == 3
