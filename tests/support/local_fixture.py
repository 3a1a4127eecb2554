"""What tests of pages served to this machine share."""

from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

from voiceattack.local_server import LocalServer


@contextlib.contextmanager
def served(server: LocalServer) -> Iterator[LocalServer]:
    """Serves in a thread until the block is left."""
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def get(url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of a GET, or of a POST of JSON."""
    kind = {"Content-Type": "application/json"} if data is not None else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, {**kind, **headers}), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
