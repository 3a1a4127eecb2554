"""A Home Assistant of one's own to test: the real server with a Wyoming recogniser behind it, on loopback.

    python scripts/home_assistant.py up --dir DIR [--home samples/home.yaml]
    python scripts/home_assistant.py status --dir DIR
    python scripts/home_assistant.py down --dir DIR

``up`` is what installs: Home Assistant 2024.3.3 and wyoming-faster-whisper with all that they need, from PyPI, each into a
virtual environment under DIR (about 1 GB, some minutes; at its first start Home Assistant installs more packages into its own).
Nothing is written outside DIR, nothing is downloaded but packages: the recogniser runs on the weights that voiceattack bundles. A
second ``up`` starts what is not running and is done at once where all runs. ``down`` stops these two processes and no
others; delete DIR to be rid of the rest.

Needs Python 3.11 or 3.12 (``--python``) and the extra ``home-assistant``. Logs lie in DIR/logs; DIR/token (readable by you alone)
holds the long-lived access token that HOME_ASSISTANT_TOKEN wants.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from home_assistant_config import configuration, left_out

from voiceattack.errors import VictimError, VoiceAttackError
from voiceattack.extras import optional_import
from voiceattack.victims.assistants.home import Home, default_home
from voiceattack.victims.assistants.home_assistant_client import HomeAssistant
from voiceattack.victims.whisper.packaged import TINY

__all__ = ["Place", "down", "main", "status", "up"]

VERSION = "2024.3.3"
"""The last for Python 3.11."""
SERVER = (
    *(f"homeassistant=={VERSION}", "hassil", "home-assistant-intents", "wyoming==1.5.3", "webrtc-noise-gain==1.2.3", "mutagen"),
    # Newer josepy lacks what acme of that time imports: every request would answer 500.
    *("ha-ffmpeg==3.1.0", "josepy<2"),
)
RECOGNISER = ("wyoming-faster-whisper",)
USER = "voiceattack"
CLIENT_ID = "http://127.0.0.1/"
INSTALL_SECONDS, START_SECONDS, ASK_SECONDS, STOP_SECONDS = 3600, 600, 60, 30


class Place:
    """What lies under the folder: environments, configuration, logs, and what is known of the processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.config, self.logs = self.folder / "config", self.folder / "logs"
        self.file, self.token = self.folder / "state.json", self.folder / "token"

    def python(self, name: str) -> Path:
        """The interpreter of the environment ``name``."""
        return self.folder / name / "bin" / "python"

    def state(self) -> dict[str, Any]:
        """Ports, process ids, password."""
        return dict(json.loads(self.file.read_text())) if self.file.is_file() else {}

    def remember(self, **facts: Any) -> dict[str, Any]:
        """Add to the state; the file is readable by its owner alone."""
        state = {**self.state(), **facts}
        write_private(self.file, json.dumps(state, indent=1))
        return state


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    part.replace(path)


def up(place: Place, home_file: Path, python: str) -> None:
    """Install what is missing, start what does not run, set it up."""
    home = Home.read(home_file)
    optional_import("websockets", extra="home-assistant", feature="setting up Home Assistant")  # before the minutes of installing
    place.logs.mkdir(parents=True, exist_ok=True)
    place.config.mkdir(exist_ok=True)
    state = place.remember(**{name: place.state().get(name) or free_port() for name in ("port", "recogniser_port")})
    if set(running(place)) == {"server", "recogniser"} and place.token.is_file():
        print(f"runs already: http://127.0.0.1:{state['port']}")
        return
    down(place)
    install(place, "recogniser", RECOGNISER, python)
    install(place, "home-assistant", SERVER, python)
    for entity in left_out(home):
        print(f"left out: {entity}, a kind of device that this script cannot make")
    (place.config / "configuration.yaml").write_text(yaml.safe_dump(configuration(home, state["port"]), sort_keys=False))
    try:
        start_recogniser(place, state["recogniser_port"])
        start_server(place, state)
        place.token.unlink(missing_ok=True)
        server = log_in(place, state)
        set_up(server, home, state["recogniser_port"])
    except BaseException:
        down(place)
        raise
    print(f"up: http://127.0.0.1:{state['port']}, user {USER}, password in {place.file}")
    print(f"export HOME_ASSISTANT_TOKEN=$(cat {place.token})")
    print(f"then, for example: voiceattack evaluate RUN --victim home-assistant+http://127.0.0.1:{state['port']}")


def install(place: Place, name: str, packages: Sequence[str], python: str) -> None:
    """A virtual environment with ``packages``; one that has them already is left alone."""
    mark = place.folder / name / ".installed"
    if mark.is_file() and mark.read_text() == "\n".join(packages):
        return
    told = run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], 60, place.logs / "install.log").strip()
    if told not in ("3.11", "3.12"):
        raise VictimError(f"{python} is Python {told}; Home Assistant {VERSION} needs 3.11 or 3.12: name one with --python")
    log = place.logs / "install.log"
    print(f"installing {packages[0]} and what it needs into {place.folder / name} (minutes; log: {log})", flush=True)
    shutil.rmtree(place.folder / name, ignore_errors=True)
    run([python, "-m", "venv", str(place.folder / name)], 300, log)
    pip = [str(place.python(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints: list[str] = []
    if packages is SERVER:
        # Its own constraints, which the package holds, spare pip a search over years of versions.
        run([*pip, "--no-deps", packages[0]], INSTALL_SECONDS, log)
        found = sorted((place.folder / name).glob("lib/python*/site-packages/homeassistant/package_constraints.txt"))
        constraints = ["-c", str(found[0])]
    run([*pip, *constraints, *packages], INSTALL_SECONDS, log)
    mark.write_text("\n".join(packages))


def run(command: Sequence[str], seconds: float, log: Path) -> str:
    """Run a program to its end; what it says goes to ``log``, its standard output comes back too."""
    with log.open("ab") as stream:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=stream, stdin=subprocess.DEVNULL, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise VictimError(f"{' '.join(command[:4])}...: not done after {seconds:g} s; see {log}") from error
        except OSError as error:
            raise VictimError(f"{command[0]}: cannot be run ({error.strerror}); name another with --python") from error
        stream.write(done.stdout)
    if done.returncode:
        raise VictimError(f"{' '.join(command[:4])}...: exit code {done.returncode}; see {log}")
    return done.stdout.decode("utf-8", "replace")


def start(place: Place, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program that stays, in a session of its own; its log is DIR/logs/<name>.log."""
    with (place.logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=place.folder, start_new_session=True
        )
    place.remember(**{f"{name}_pid": process.pid})
    return process


def start_recogniser(place: Place, port: int) -> None:
    """wyoming-faster-whisper on the bundled weights."""
    data = place.folder / "recogniser-data"
    data.mkdir(exist_ok=True)
    where = ("--uri", f"tcp://127.0.0.1:{port}", "--data-dir", str(data))
    command = (
        str(place.python("recogniser")),
        "-m",
        "wyoming_faster_whisper",
        "--model",
        str(TINY.folder()),
        "--language",
        "en",
        *where,
    )
    process = start(place, "recogniser", command)
    wait(place, "recogniser", process, lambda: b"Ready" in (place.logs / "recogniser.log").read_bytes())


def start_server(place: Place, state: dict[str, Any]) -> None:
    """Home Assistant, with its one user."""
    hass = [str(place.python("home-assistant")), "-m", "homeassistant"]
    if not state.get("password"):
        password = secrets.token_urlsafe(24)
        run(
            [*hass, "--script", "auth", "-c", str(place.config), "add", USER, password], START_SECONDS, place.logs / "install.log"
        )
        state.update(place.remember(password=password))
    process = start(place, "server", [*hass, "-c", str(place.config)])
    wait(place, "server", process, lambda: answers(f"http://127.0.0.1:{state['port']}/auth/providers"))


def wait(place: Place, name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    """Wait until it is ready; raises VictimError when it ends or takes longer than START_SECONDS."""
    print(f"starting the {name} ({place.logs / name}.log)", flush=True)
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise VictimError(f"the {name} ended with exit code {process.returncode}; see {place.logs / name}.log")
        if time.monotonic() > until:
            raise VictimError(f"the {name} is not ready after {START_SECONDS} s; see {place.logs / name}.log")
        time.sleep(0.5)


def answers(url: str) -> bool:
    """Whether a web server is there, whatever it says."""
    try:
        direct().open(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: what is sent goes to the server that was started here."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


def direct() -> urllib.request.OpenerDirector:
    """Loopback is asked directly, whatever proxy the environment names, and nobody else."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)


def ask(url: str, form: dict[str, Any] | None = None, body: dict[str, Any] | None = None) -> Any:
    """The JSON that a GET, or a POST of a form or of JSON, answers; None when it cannot be had."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None if body is None else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    try:
        with direct().open(urllib.request.Request(url, data, kind), timeout=ASK_SECONDS) as answer:
            return json.loads(answer.read())
    except (OSError, ValueError, urllib.error.URLError):
        return None


def log_in(place: Place, state: dict[str, Any]) -> HomeAssistant:
    """Make the long-lived token, write it to DIR/token, and use it."""
    url = f"http://127.0.0.1:{state['port']}"
    begun = {"client_id": CLIENT_ID, "handler": ["homeassistant", None], "redirect_uri": CLIENT_ID}
    flow = ask(f"{url}/auth/login_flow", body=begun) or {}
    given = {"client_id": CLIENT_ID, "username": USER, "password": state["password"]}
    code = (ask(f"{url}/auth/login_flow/{flow.get('flow_id')}", body=given) or {}).get("result")
    form = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT_ID}
    token = (ask(f"{url}/auth/token", form=form) or {}).get("access_token")
    if token is None:
        raise VictimError(f"{url}: cannot log in; see {place.logs / 'server.log'}, or delete {place.folder} and begin anew")
    with HomeAssistant(url, token, ASK_SECONDS).session() as session:
        name = f"voiceattack {time.strftime('%Y-%m-%d %H:%M:%S')} {secrets.token_hex(2)}"
        lasting = str(session.command("auth/long_lived_access_token", client_name=name, lifespan=365))
    write_private(place.token, lasting)
    return HomeAssistant(url, lasting, ASK_SECONDS)


def set_up(server: HomeAssistant, home: Home, recogniser_port: int) -> None:
    """The recogniser, the pipeline, areas, names, and what Assist may see."""
    with server.session() as session:
        integrations: dict[str, dict[str, Any]] = {"wyoming": {"host": "127.0.0.1", "port": recogniser_port}, "shopping_list": {}}
        for domain in set(integrations) - {entry["domain"] for entry in session.command("config_entries/get")}:
            flow = server.post("/api/config/config_entries/flow", {"handler": domain})
            server.post(f"/api/config/config_entries/flow/{flow['flow_id']}", integrations[domain])
        areas = {area["name"]: area["area_id"] for area in session.command("config/area_registry/list")}
        for area in home.areas:
            if area.name not in areas:
                made = session.command("config/area_registry/create", name=area.name, aliases=list(area.aliases))
                areas[area.name] = made["area_id"]
        names = {area.id: areas[area.name] for area in home.areas}
        known = session.command("config/entity_registry/list")
        for entity in home.entities:
            matches = [line["entity_id"] for line in known if _is(line, entity.id)]
            if not matches:
                continue
            facts = {"area_id": names.get(entity.area or ""), "aliases": list(entity.aliases), "name": entity.name}
            moved = {} if matches[0] == entity.id else {"new_entity_id": entity.id}
            session.command("config/entity_registry/update", entity_id=matches[0], **facts, **moved)
        shown = {entity.id for entity in home.entities}
        states = [line["entity_id"] for line in session.command("get_states")]
        for expose in (True, False):
            ids = [entity for entity in states if (entity in shown) is expose]
            asked = {"assistants": ["conversation"], "entity_ids": ids, "should_expose": expose}
            session.command("homeassistant/expose_entity", **asked)
        heard = next((entity for entity in states if entity.startswith("stt.")), None)
        if heard is None:
            raise VictimError(f"{server.spec}: the recogniser did not become an entity; see the server's log")
        (pipeline, *_) = session.command("assist_pipeline/pipeline/list")["pipelines"]
        facts = {**pipeline, "stt_engine": heard, "stt_language": "en"}
        session.command("assist_pipeline/pipeline/update", pipeline_id=facts.pop("id"), **facts)


def _is(line: dict[str, Any], wanted: str) -> bool:
    """Whether a line of the entity registry is the device ``wanted``."""
    domain = wanted.partition(".")[0]
    lists = domain == "todo" and line.get("platform") == "shopping_list"
    return bool(line["entity_id"].startswith(f"{domain}.") and (line.get("unique_id") == wanted or lists))


def running(place: Place) -> dict[str, int]:
    """Process ids of ours that run, by name: those whose command line names our folder."""
    state, found = place.state(), {}
    for name in ("server", "recogniser"):
        pid = state.get(f"{name}_pid")
        if pid is None:
            continue
        asked = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
        try:
            told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
        except OSError as error:
            raise VictimError(f"ps: cannot be run ({error.strerror}); install it: it tells our processes from others") from error
        if str(place.folder) in told.stdout:
            found[name] = int(pid)
    return found


def down(place: Place) -> None:
    """Stop both, politely and then not."""
    for how, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        for name, pid in running(place).items():
            print(f"stopping the {name} ({pid})", flush=True)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, how)
        until = time.monotonic() + seconds
        while running(place) and time.monotonic() < until:
            time.sleep(0.2)


def status(place: Place) -> bool:
    """Say what runs; whether all does."""
    found, state = running(place), place.state()
    for name, port in (("server", state.get("port")), ("recogniser", state.get("recogniser_port"))):
        print(f"{name}: {f'runs, process {found[name]}, port {port}' if name in found else 'does not run'}")
    return len(found) == 2


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 done, 1 not all runs (status), 2 failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("up", "down", "status"))
    parser.add_argument("--dir", type=Path, required=True, help="the folder under which everything lies")
    parser.add_argument("--home", type=Path, default=None, help="entities, default samples/home.yaml")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the two environments, 3.11 or 3.12")
    given = parser.parse_args(argv)
    place = Place(given.dir)
    try:
        if given.what == "up":
            up(place, given.home or default_home(), given.python)
        elif given.what == "down":
            down(place)
        elif not status(place):
            return 1
    except VoiceAttackError as error:
        print(f"home_assistant: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
