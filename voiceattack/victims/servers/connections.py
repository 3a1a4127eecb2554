"""Connections to the address that a spec names, and to no other: no proxy, whatever the environment says, and no redirection.

Every client of a server opens its connections here. What is sent, a key above all, goes where the user said, and nowhere else.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from voiceattack.errors import SpecError
from voiceattack.extras import optional_import

__all__ = ["Address", "http_connection", "redirection", "websocket"]

PORTS = {"http": 80, "https": 443, "wyoming": 10300}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_LONGEST_NAME = 253


@dataclass(frozen=True)
class Address:
    """Where a server is.

    Attributes:
        scheme: ``http``, ``https`` or ``wyoming``.
        host: name or number, an IPv6 number without its brackets.
        port: from 1 to 65535.
        path: what stands behind, ``""`` or from ``/`` on, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str, form: str, victim: str = "") -> Address:
        """The address in ``scheme://host:port/path``; the port may be left out.

        Args:
            url: of one of the schemes of :data:`PORTS`.
            form: how the spec must read, for messages.
            victim: the spec without its options, for messages; else ``url``. Passwords in it are not shown.

        Raises:
            SpecError: it has another form, a user or a fragment; no host that can be looked up; a port out of range; characters
                that a URL does not have.
        """
        shown = re.sub(r"//[^/]*@", "//***@", victim or url)

        def refused(reason: str = "") -> SpecError:
            return SpecError(f"victim {shown!r} must read {form}{reason and f' ({reason})'}")

        if any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 or 0xD800 <= ord(character) < 0xE000 for character in url):
            raise refused("it has control characters")  # urlsplit takes some of them out without a word
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise refused("its host is malformed") from error
        if not parts.hostname or not url.startswith(f"{parts.scheme}://") or "@" in parts.netloc or "#" in url or "?" in url:
            raise refused()
        _check_host(shown, parts.hostname)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port == 0 or (parts.netloc.startswith("[") and not re.fullmatch(r"\[[^\]]*\](:\d*)?", parts.netloc)):
            raise refused("a port is a number from 1 to 65535")
        _check_path(shown, parts.path)
        return cls(parts.scheme, parts.hostname, port or PORTS[parts.scheme], parts.path)

    def connect(self, seconds: float) -> socket.socket:
        """A connection to it; over ``https`` with its certificate checked.

        Raises:
            TimeoutError: the connection, or the handshake of TLS, took longer than ``seconds``.
            OSError: it cannot be reached, or is not trusted (``ssl.SSLCertVerificationError``).
        """
        opened = socket.create_connection((self.host, self.port), timeout=seconds)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.scheme != "https":
                return opened
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            return context.wrap_socket(opened, server_hostname=self.host)
        except BaseException:
            opened.close()
            raise


def http_connection(address: Address, seconds: float) -> http.client.HTTPConnection:
    """An open connection for one request; a redirection is an answer like others. Raises as :meth:`Address.connect`."""
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=seconds)
    connection.sock = address.connect(seconds)
    return connection


@contextlib.contextmanager
def websocket(address: Address, path: str, seconds: float, most_bytes: int, extra: str, feature: str) -> Iterator[Any]:
    """An open ``websockets.sync.client.ClientConnection``.

    Made over a connection of our own: ``websockets.connect`` follows redirections to other servers, and asks the environment
    for a proxy.

    Args:
        address: of the server.
        path: from ``/`` on, below the address's own.
        seconds: for the connection and for the handshake.
        most_bytes: of one message.
        extra, feature: for the error where websockets is not installed.

    Raises:
        TimeoutError, OSError: as :meth:`Address.connect`, or no answer within ``seconds``.
        websockets.exceptions.WebSocketException: what answers speaks no websocket, or redirects (``InvalidStatus``).
        MissingExtraError: without websockets.
    """
    client = optional_import("websockets.sync.client", extra=extra, feature=feature)
    parse_uri = optional_import("websockets.uri", extra=extra, feature=feature).parse_uri
    host = f"[{address.host}]" if ":" in address.host else address.host
    uri = parse_uri(f"{'wss' if address.scheme == 'https' else 'ws'}://{host}:{address.port}{address.path.rstrip('/')}{path}")
    with contextlib.closing(address.connect(seconds)) as opened:
        opened.settimeout(None)  # websockets reads it in a thread and keeps the time itself
        protocol = client.ClientProtocol(uri, max_size=most_bytes)
        connection = client.ClientConnection(opened, protocol, ping_interval=None, close_timeout=1)
        try:
            connection.handshake(timeout=seconds)
            with connection:
                yield connection
        finally:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)  # its thread ends


def redirection(status: int, location: str) -> str:
    """What to do about an answer that redirects to ``location``; ``""`` for other statuses."""
    if not 300 <= status < 400:
        return ""
    return f"it redirects to {location or 'nowhere'}, which is not followed; name the right address instead"


def _check_host(shown: str, host: str) -> None:
    """Refuse what no look-up takes: otherwise each clip would fail, or none would say why."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return
    try:
        name = host.encode("idna").decode()
    except UnicodeError:
        name = ""
    if len(name) > _LONGEST_NAME or not host.isprintable() or not _NAME.fullmatch(name):
        raise SpecError(f"victim {shown!r}: {host!r} is no host name; check the address")


def _check_path(shown: str, path: str) -> None:
    if not (path.isascii() and path.isprintable() and " " not in path):
        written = quote(path, safe="/%:@!$&'()*+,;=~")
        raise SpecError(f"victim {shown!r}: its path has spaces or characters beyond ASCII; percent-encode it: {written}")
