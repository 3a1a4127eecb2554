"""Real speech servers on this machine, to test victims against: ``python scripts/servers.py up wyoming``.

Each gets a virtual environment of its own under ``.servers/`` (or ``VOICEATTACK_SERVERS``), installed from PyPI by the first
``up``, and serves the bundled Whisper tiny.en on loopback. The server itself downloads nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 120.0
INSTALL_SECONDS = 1800.0


@dataclass(frozen=True)
class Server:
    """A server of PyPI.

    Attributes:
        requirement: what pip installs.
        port: the usual one.
        spec: of the victim that asks it, with ``{port}``.
        command: arguments after the environment's ``bin`` folder, from (bin, port, model folder, folder for its files).
        ready: whether it answers at a port of loopback.
    """

    requirement: str
    port: int
    spec: str
    command: Callable[[Path, int, Path, Path], list[str]]
    ready: Callable[[int], bool]


def state_folder() -> Path:
    """Where environments, logs and process ids lie."""
    return Path(os.environ.get("VOICEATTACK_SERVERS", ROOT / ".servers")).resolve()


def _wyoming(binaries: Path, port: int, model: Path, folder: Path) -> list[str]:
    uri = f"tcp://127.0.0.1:{port}"
    command = [str(binaries / "python"), "-m", "wyoming_faster_whisper", "--model", str(model), "--uri", uri]
    return [*command, "--data-dir", str(folder / "data"), "--language", "en"]


def _openai(binaries: Path, port: int, model: Path, folder: Path) -> list[str]:
    config = folder / "config.yaml"
    # JSON is YAML. Release 0.0.3 reads the form field model_name and takes whisper-1 without it.
    options = {"device": "cpu", "compute_type": "int8"}
    wanted = {"batch_size": 1, "model_options": options, "models": [{"name": "whisper-1", "path": str(model)}]}
    config.write_text(json.dumps(wanted), encoding="utf-8")
    return [str(binaries / "faster-whisper-server"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]


def _wyoming_ready(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(b'{"type": "describe"}\n')
        return b'"info"' in connection.recv(4096)
    return False


def _openai_ready(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback, whatever proxy the environment names
    with contextlib.suppress(OSError), direct.open(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


SERVERS = {
    "wyoming": Server("wyoming-faster-whisper>=3,<4", 10300, "wyoming://127.0.0.1:{port}", _wyoming, _wyoming_ready),
    "openai": Server(
        "faster-whisper-server==0.0.3", 8000, "openai+http://127.0.0.1:{port}/v1?model=whisper-1", _openai, _openai_ready
    ),
}


def binaries_of(name: str) -> Path:
    """The ``bin`` folder of a server's environment, there or not."""
    return state_folder() / name / "venv" / ("Scripts" if os.name == "nt" else "bin")


def installed(name: str) -> bool:
    """Whether a server's environment is there, whole: the marker comes last."""
    return (state_folder() / name / "venv" / ".installed").exists()


def install(name: str) -> None:
    """Make a server's environment; raises CalledProcessError when pip fails."""
    if installed(name):
        return
    folder = state_folder() / name / "venv"
    venv.create(folder, with_pip=True, clear=True)
    python = str(binaries_of(name) / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", SERVERS[name].requirement]
    subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
    (folder / ".installed").touch()


def start(name: str, port: int, model: Path) -> subprocess.Popen[bytes]:
    """Start a server in a process group of its own and wait until it answers; its log lies beside its environment.

    Raises:
        RuntimeError: it ended, or does not answer.
    """
    server, folder = SERVERS[name], state_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    if server.ready(port):
        raise RuntimeError(f"something answers at port {port} already; choose another --port")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    log = folder / f"log-{port}.txt"
    with open(log, "wb") as stream:
        command = server.command(binaries_of(name), port, model, folder)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, env=environment
        )
    until = time.monotonic() + READY_SECONDS
    while not server.ready(port):
        if process.poll() is not None or time.monotonic() > until:
            stop(process)
            raise RuntimeError(
                f"{name} does not answer; its log ends: {' '.join(log.read_text(errors='replace').split())[-500:]}"
            )
        time.sleep(0.2)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that :func:`start` started, with its children."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def bundled_model() -> Path:
    """The folder of the bundled Whisper tiny.en."""
    from voiceattack.victims.whisper.packaged import TINY

    return TINY.folder()


def _note(name: str) -> Path:
    return state_folder() / name / "running.json"


def _running(name: str) -> dict[str, Any] | None:
    """Process id and port of a server that ``up`` started and that still answers; None otherwise."""
    try:
        note: dict[str, Any] = json.loads(_note(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if SERVERS[name].ready(int(note["port"])) else None


def up(name: str, port: int | None, model: Path | None) -> str:
    """Install and start a server unless it runs; what to tell the user."""
    if (note := _running(name)) is None:
        if not installed(name):
            print(f"installing {SERVERS[name].requirement} into {state_folder() / name}", flush=True)
        install(name)
        note = {"port": port or SERVERS[name].port}
        note["pid"] = start(name, note["port"], model or bundled_model()).pid
        _note(name).write_text(json.dumps(note), encoding="utf-8")
    spec = SERVERS[name].spec.format(port=note["port"])
    return f"{name} answers; try: voiceattack transcribe samples/command-01.flac --victim '{spec}'"


def down(name: str) -> str:
    """Stop a server that ``up`` started; what to tell the user."""
    note = _running(name)
    _note(name).unlink(missing_ok=True)
    if note is None:
        return f"{name} does not run"
    with contextlib.suppress(OSError):
        os.killpg(int(note["pid"]), signal.SIGTERM)
    return f"{name} stopped"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("up", "down", "status"))
    parser.add_argument("name", choices=sorted(SERVERS))
    parser.add_argument("--port", type=int, help="another port than the usual one")
    parser.add_argument("--model", type=Path, help="folder of another Whisper that ct2-transformers-converter wrote")
    arguments = parser.parse_args()
    if arguments.what == "up":
        print(up(arguments.name, arguments.port, arguments.model))
    elif arguments.what == "down":
        print(down(arguments.name))
    else:
        note = _running(arguments.name)
        print(f"{arguments.name} answers at port {note['port']}" if note else f"{arguments.name} does not run")


if __name__ == "__main__":
    main()
