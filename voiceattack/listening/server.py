"""The page of the listening test, served to this machine alone: loopback, a token in every address, no files but its own.

What is A, B or X is not in the page or in an address: the three sounds of a trial are asked for by letter, and both files are
sent as WAV of equal length without metadata, so that neither name, size nor tag gives one away.
"""

from __future__ import annotations

import hmac
import io
import json
import logging
import math
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import soundfile
import torch

from voiceattack.audio import clips as audio
from voiceattack.errors import VoiceAttackError
from voiceattack.listening.abx import Session, Trial

__all__ = ["ListeningServer"]

log = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
MOST_BODY = 4096
STATIC = {
    "": ("listen.html", "text/html"),
    "listen.js": ("listen.js", "text/javascript"),
    "listen.css": ("listen.css", "text/css"),
}


class ListeningServer(ThreadingHTTPServer):
    """Serves one session on 127.0.0.1 until it is shut down.

    Attributes:
        url: the page, token included.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.session = session
        self.lock = Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/{session.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing on the listener's terminal: a tab that closes breaks its connections. The log has what else it may be."""
        log.debug("a request of the listening test failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: ListeningServer
    timeout = 30
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page, its parts, the trial that is open, and its three sounds."""
        name = self._name()
        if name is None:
            return self._refuse(HTTPStatus.NOT_FOUND)
        if name in STATIC:
            file, kind = STATIC[name]
            return self._send((PAGE / file).read_bytes(), f"{kind}; charset=utf-8")
        with self.server.lock:
            trial = self.server.session.next()
        if name == "trial":
            return self._json(self._state(trial))
        if trial is not None and name in ("a.wav", "b.wav", "x.wav"):
            try:
                return self._send(_sound(self.server.session, trial, name[0]), "audio/wav")
            except VoiceAttackError as error:
                return self._json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)
        return self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """An answer."""
        if self._name() != "answer":
            return self._refuse(HTTPStatus.NOT_FOUND)
        try:
            size = int(self.headers.get("Content-Length", "0"))
            if not 0 < size <= MOST_BODY or self.headers.get("Content-Type") != "application/json":
                return self._refuse(HTTPStatus.BAD_REQUEST)
            told = json.loads(self.rfile.read(size))
            seconds, plays = float(told["seconds"]), {str(name): int(count) for name, count in told["plays"].items()}
            number, choice = int(told["trial"]), str(told["answer"])
            if not math.isfinite(seconds):
                raise ValueError(seconds)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return self._refuse(HTTPStatus.BAD_REQUEST)
        with self.server.lock:
            try:
                self.server.session.answer(number, choice, seconds, plays)
            except VoiceAttackError as error:
                return self._json({"error": str(error)}, HTTPStatus.CONFLICT)
            return self._json(self._state(self.server.session.next()))

    def _state(self, trial: Trial | None) -> dict[str, Any]:
        session = self.server.session
        total = len(session.trials)
        return {"trial": None if trial is None else trial.number, "total": total, "listener": session.listener}

    def _name(self) -> str | None:
        """What is asked for below the token; None without the token, or from a page of another site (DNS rebinding)."""
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return None
        try:
            token, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
        except ValueError:  # no address at all: "http://["
            return None
        return name if hmac.compare_digest(token.encode(), self.server.session.token.encode()) else None

    def _json(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True  # the body, if any, was not read
        self._send(b"", "text/plain", status)

    def _send(self, data: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(data))),
            ("Content-Security-Policy", POLICY),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the token is in every address."""


def _sound(session: Session, trial: Trial, letter: str) -> bytes:
    kind = {"a": trial.a, "b": trial.b, "x": trial.x}[letter]
    waves = {name: audio.load(session.run.resolve(getattr(trial, name))) for name in ("clean", "adversarial")}
    length = max(map(len, waves.values()))
    wave = torch.nn.functional.pad(waves[kind], (0, length - len(waves[kind])))
    out = io.BytesIO()
    soundfile.write(out, wave.numpy(), audio.SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return out.getvalue()
