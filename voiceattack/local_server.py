"""Pages served to this machine alone: loopback, a token in every address, nothing from elsewhere, no file but those named."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from voiceattack.errors import RunError

__all__ = ["LocalHandler", "LocalServer", "serve_until_interrupted"]

log = logging.getLogger(__name__)
POLICY = (
    "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


class LocalServer(ThreadingHTTPServer):
    """Serves on 127.0.0.1 until it is shut down.

    Attributes:
        token: in every address; who does not know it is told nothing.
        url: the page, token included.

    Raises:
        RunError: the port cannot be used.
    """

    daemon_threads = True

    def __init__(self, handler: type[LocalHandler], port: int = 0, token: str | None = None) -> None:
        try:
            super().__init__(("127.0.0.1", port), handler)
        except OSError as error:
            raise RunError(f"port {port} cannot be used ({error.strerror}); choose another, or 0 for a free one") from error
        self.token = token or secrets.token_urlsafe(24)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing on the user's terminal: a tab that closes breaks its connections. The log has what else it may be."""
        log.debug("a request of a local page failed", exc_info=True)


class LocalHandler(BaseHTTPRequestHandler):
    """Answers below the token; a subclass names its static files and answers the rest in ``get`` and ``post``.

    Attributes:
        folder: where static files lie.
        static: address below the token to file name; ``""`` is the page.
        most_body: bytes of a POST at most.
    """

    server: LocalServer
    timeout = 30
    protocol_version = "HTTP/1.1"
    folder: ClassVar[Path]
    static: ClassVar[dict[str, str]]
    most_body: ClassVar[int] = 4096

    def get(self, name: str, asked: dict[str, str]) -> None:
        """Answer a GET of ``name`` with the query ``asked``, by one of ``send``, ``send_json`` and ``refuse``."""
        self.refuse(HTTPStatus.NOT_FOUND)

    def post(self, name: str, told: Any) -> None:
        """Answer a POST of ``name`` with the JSON ``told``, likewise; KeyError, ValueError or TypeError refuses it."""
        self.refuse(HTTPStatus.NOT_FOUND)

    def do_GET(self) -> None:
        """The page, its parts, and what the subclass has."""
        found = self._asked()
        if found is None:
            return self.refuse(HTTPStatus.NOT_FOUND)
        name, asked = found
        if name in self.static:
            path = self.folder / self.static[name]
            return self.send(path.read_bytes(), f"{KINDS[path.suffix]}; charset=utf-8")
        return self.get(name, asked)

    def do_POST(self) -> None:
        """JSON told by the page."""
        found = self._asked()
        if found is None:
            return self.refuse(HTTPStatus.NOT_FOUND)
        try:
            size = int(self.headers.get("Content-Length", "0"))
            if not 0 < size <= self.most_body or self.headers.get("Content-Type") != "application/json":
                return self.refuse(HTTPStatus.BAD_REQUEST)
            return self.post(found[0], json.loads(self.rfile.read(size)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return self.refuse(HTTPStatus.BAD_REQUEST)

    def _asked(self) -> tuple[str, dict[str, str]] | None:
        """What is asked for below the token; None without the token, or from a page of another site (DNS rebinding)."""
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return None
        try:
            parts = urlsplit(self.path)
            token, _, name = parts.path.lstrip("/").partition("/")
            asked = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=20))
        except ValueError:  # no address at all: "http://["
            return None
        return (name, asked) if hmac.compare_digest(token.encode(), self.server.token.encode()) else None

    def send_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Answer with an object."""
        self.send(json.dumps(value).encode(), "application/json", status)

    def refuse(self, status: HTTPStatus) -> None:
        """Answer with nothing but a status."""
        self.close_connection = True  # the body, if any, was not read
        self.send(b"", "text/plain", status)

    def send(self, data: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, **more: str) -> None:
        """Answer with bytes; ``more`` are further headers, with ``_`` for ``-``."""
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(data))),
            ("Content-Security-Policy", POLICY),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            *((name.replace("_", "-"), value) for name, value in more.items()),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the token is in every address."""


def serve_until_interrupted(server: LocalServer) -> None:
    """Serve until Ctrl-C, then close."""
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
