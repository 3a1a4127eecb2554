"""A thief who listens at another port, forms in which a server may repeat a key, and a search for them in files."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy", "socks_proxy", "no_proxy")
"""Environment variables, in lower case and in upper, that libraries read a proxy from."""


def percent(text: str) -> str:
    return "".join(f"%{ord(character):02x}" for character in text)


def unicode_escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04X}" for character in text)


FORMS = {
    "as it is": str,
    "in another case": str.upper,
    "percent-encoded": percent,
    "percent-encoded where it must be": lambda key: quote(key, safe=""),
    "percent-encoded twice": lambda key: quote(percent(key), safe=""),
    "JSON in JSON": lambda key: json.dumps({"told": unicode_escaped(key)}),
    "escaped as JSON": unicode_escaped,
    "backslash x": lambda key: "".join(f"\\x{ord(character):02x}" for character in key),
    "HTML, decimal": lambda key: "".join(f"&#{ord(character)};" for character in key),
    "HTML, hexadecimal": lambda key: "".join(f"&#x{ord(character):X};" for character in key),
    "HTML, by name": lambda key: html.escape(key).replace("_", "&lowbar;").replace("/", "&sol;"),
    "partly": lambda key: percent(key[:4]) + key[4:9] + unicode_escaped(key[9:]),
    "percent-encoded JSON": lambda key: quote(unicode_escaped(key), safe=""),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a pair": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "base64 in a URL": lambda key: base64.urlsafe_b64encode(f"u:{key}:v".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
}


class Thief:
    """Listens on every address of this machine and says nothing.

    Attributes:
        port: where.
        got: what each connection brought, empty as long as nobody came.
        addresses: ``host:port`` under other names than 127.0.0.1.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("", 0))
        self.port: int = self._listener.getsockname()[1]
        self.got: list[bytes] = []
        self.addresses = [f"127.0.0.1:{self.port}", f"localhost:{self.port}", f"127.0.0.2:{self.port}"]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(0.5)
                    self.got.append(b"")
                    while data := connection.recv(65536):
                        self.got[-1] += data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def thief() -> Iterator[Thief]:
    """One for the length of a test."""
    made = Thief()
    try:
        yield made
    finally:
        made.close()


def leaks(key: str, *places: Path) -> list[str]:
    """The files below ``places`` in whose bytes the key stands, in any of the forms above; a part of it counts."""
    found = []
    for path in sorted(path for place in places for path in (place.rglob("*") if place.is_dir() else [place])):
        if path.is_file() and (piece := leaked(key, path.read_bytes().decode("latin-1"))):
            found.append(f"{path.name}: {piece}")
    return found


def leaked(key: str, text: str) -> str | None:
    """What of the key, or more than half of it, stands in ``text``; None for nothing. Decodes everything, again and again."""
    part = len(key) // 2 + 1
    pieces = [key[place : place + part] for place in range(len(key) - part + 1)]
    encoded = [base64.b64encode(bytes(before) + key.encode()).decode()[4:-4] for before in range(3)]
    encoded += [each.translate(str.maketrans("+/", "-_")) for each in encoded]
    for _ in range(6):
        low = text.lower()
        for piece in [*pieces, *encoded, key.encode().hex()]:
            if (place := low.find(piece.lower())) >= 0:
                return text[max(0, place - 40) : place + 60]
        decoded = re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), html.unescape(unquote(text)))
        if decoded == text:
            return None
        text = decoded
    return None
