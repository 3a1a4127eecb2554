"""TLS on loopback: a certificate that nobody trusts, and a relay that puts TLS before a server that speaks none."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, and its key; skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no program openssl to make a certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    kind = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    line = ["openssl", *kind, *names, "-keyout", str(key), "-out", str(cert)]
    made = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    if made.returncode:
        pytest.skip(f"openssl makes no certificate: {made.stderr[-200:]}")
    return cert, key


@contextlib.contextmanager
def relayed(port: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """The port of a relay that takes TLS and hands everything to ``port`` on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve(plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(plain, server_side=True) as near,
            socket.create_connection(("127.0.0.1", port)) as far,
        ):
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join(10)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
