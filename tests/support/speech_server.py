"""Real speech servers over the victim ``tiny`` on loopback, that can misbehave: OpenAI's transcription API, and Wyoming.

In this process: ``with serving("openai", fault=...) as server``. As a process of its own, to be killed, or to die by itself:
``python tests/support/speech_server.py openai --port 0 --log FILE --die-after 5``; the first line it prints is its port.
"""

from __future__ import annotations

import argparse
import contextlib
import email.parser
import email.policy
import hashlib
import io
import json
import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from voiceattack.audio import Batch
from voiceattack.victims import Victim, load_victim

PROTOCOLS = ("openai", "wyoming")
PAGE = b"<!doctype html><title>Sign in</title><h1>Please sign in</h1>"
SURROGATE = "hi \ud800 there"
"""JSON can write it, and no file can hold it."""


@dataclass
class Asked:
    """One request: SHA-256 of its 16-bit samples, and what came beside them."""

    digest: str
    fields: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class State:
    """What a server knows.

    Attributes:
        victim: who listens.
        fault: what goes wrong with the n-th request (from 0), None for nothing: ``hang``, ``close``, ``html``, ``late``, ``500``,
            ``drip``, ``half``, ``surrogate``, ``echo`` (a long page of error in which the key is cut by many a limit), or a
            status and a header as ``429 Retry-After: 1``.
        early: what the n-th connection (from 0) meets as soon as its headers are there, None for nothing: ``reset``, or a status.
            HTTP only.
        lie: the whole HTTP answer to the n-th request (from 0), as bytes, None for an honest one.
        connections: so many came.
        tls: certificate and key of a server of HTTPS.
        answered: called with the digest after an answer was sent.
    """

    victim: Victim
    fault: Callable[[int, Asked], str | None]
    answered: Callable[[str], None] = lambda digest: None
    requests: list[Asked] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    protocol: str = "openai"
    early: Callable[[int], str | None] = lambda connection: None
    lie: Callable[[int, Asked], bytes | None] = lambda number, asked: None
    connections: int = 0
    tls: tuple[Path, Path] | None = None

    def spec(self, options: str = "") -> str:
        """The victim that asks this server."""
        if self.protocol == "wyoming":
            return f"wyoming://127.0.0.1:{self.port}" + (f"?{options}" if options else "")
        return f"openai+http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1?model=tiny" + (f"&{options}" if options else "")

    def hear(self, samples: bytes) -> str:
        clip = torch.frombuffer(bytearray(samples), dtype=torch.int16).to(torch.float32) / 32768.0
        return self.victim.transcribe(Batch.of([clip]))[0].text

    def ask(self, asked: Asked) -> str | None:
        """Note a request; the fault it meets."""
        self.requests.append(asked)
        return self.fault(len(self.requests) - 1, asked)


class OpenAIHandler(socketserver.StreamRequestHandler):
    """POST /v1/audio/transcriptions and nothing else."""

    state: State

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        headers: dict[str, str] = {}
        while (header := self.rfile.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        early = self.state.early(self.state.connections - 1)
        if early == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if early is not None:
            self.send(f"{early} Trouble", b'{"error": {"message": "told early"}}')
            return
        body = self.rfile.read(int(headers.get("content-length", 0)))
        if not line.startswith("POST /v1/audio/transcriptions "):
            self.send("404 Not Found", b'{"error": {"message": "no such path"}}')
            return
        fields = parse_form(headers["content-type"], body)
        with wave.open(io.BytesIO(fields.pop("file"))) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
            samples = file.readframes(file.getnframes())
        asked = Asked(hashlib.sha256(samples).hexdigest(), {name: value.decode() for name, value in fields.items()}, headers)
        fault = self.state.ask(asked)
        if (lie := self.state.lie(len(self.state.requests) - 1, asked)) is not None:
            self.wfile.write(lie)
        elif fault == "hang":
            self.state.stop.wait(60)
        elif fault == "close":
            pass
        elif fault == "html":
            self.send("200 OK", PAGE, "text/html")
        elif fault == "drip":
            drip(self.state, self.wfile, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 600)
        elif fault == "half":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n" + b'{"text": "ha'
            )
        elif fault == "surrogate":
            self.send("200 OK", json.dumps({"text": SURROGATE}).encode())
        elif fault == "echo":
            self.send("400 Bad Request", b"x" * 100 + b" " + headers.get("authorization", "").encode() + b" " + b"y" * 4000)
        elif fault is not None and fault[:3].isdigit():
            status, _, header = fault.partition(" ")
            self.send(
                f"{status} Trouble", b'{"error": {"message": "told: ' + headers.get("authorization", "").encode() + b'"}}', header
            )
        else:
            if fault == "late":
                time.sleep(1.0)
            self.send("200 OK", json.dumps({"text": self.state.hear(samples)}).encode())
            self.state.answered(asked.digest)

    def send(self, status: str, body: bytes, header: str = "application/json") -> None:
        header = header if ": " in header else f"Content-Type: {header}"
        self.wfile.write(f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        self.wfile.flush()


class WyomingHandler(socketserver.StreamRequestHandler):
    """Events up to ``audio-stop``, then the transcript."""

    state: State

    def handle(self) -> None:
        samples, fields = b"", {}
        while line := self.rfile.readline():
            head = json.loads(line)
            data = {**head.get("data", {}), **json.loads(self.rfile.read(head.get("data_length", 0)) or b"{}")}
            payload = self.rfile.read(head.get("payload_length", 0))
            if head["type"] == "transcribe":
                fields = data
            elif head["type"] == "audio-chunk":
                assert data == {"rate": 16_000, "width": 2, "channels": 1}
                samples += payload
            elif head["type"] == "audio-stop":
                break
        else:
            return
        asked = Asked(hashlib.sha256(samples).hexdigest(), fields)
        fault = self.state.ask(asked)
        if fault == "hang":
            self.state.stop.wait(60)
        elif fault == "close":
            pass
        elif fault == "html":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n" + PAGE)
        elif fault == "drip":
            drip(self.state, self.wfile, b'{"type": "transcript", "data": {"text": "' + b"a" * 600)
        elif fault == "half":
            self.wfile.write(b'{"type": "transcript", "data_length": 500}\n{"text": "ha')
        elif fault == "500":
            self.wfile.write(b'{"type": "error", "data": {"text": "out of memory", "code": "boom"}}\n')
        else:
            if fault == "late":
                time.sleep(1.0)
            body = json.dumps({"text": SURROGATE if fault == "surrogate" else self.state.hear(samples)}).encode()
            # As real servers do: other events before the transcript, data apart from the line.
            self.wfile.write(b'{"type": "transcript-start", "data": {}}\n')
            self.wfile.write(json.dumps({"type": "transcript", "data_length": len(body)}).encode() + b"\n" + body)
            self.wfile.flush()
            self.state.answered(asked.digest)


def drip(state: State, stream: Any, data: bytes) -> None:
    """One byte every 50 ms: no single wait is long."""
    for index in range(len(data)):
        stream.write(data[index : index + 1])
        stream.flush()
        if state.stop.wait(0.05):
            return


def parse_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart form, by the standard library's parser of mail."""
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body
    )
    assert message.is_multipart() and not message.defects
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True) for part in message.iter_parts()
    }


class Listener(socketserver.ThreadingTCPServer):
    """One thread a connection; a client that leaves is no news."""

    allow_reuse_address = True
    daemon_threads = True
    state: State

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        self.state.connections += 1
        if self.state.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.state.tls)
            connection = context.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def listen(state: State, port: int = 0) -> Listener:
    """The server of ``state``, bound and not yet serving."""
    kind = OpenAIHandler if state.protocol == "openai" else WyomingHandler
    server = Listener(("127.0.0.1", port), type("Bound", (kind,), {"state": state}))
    server.state = state
    state.port = server.server_address[1]
    return server


@contextlib.contextmanager
def serving(
    protocol: str, fault: Callable[[int, Asked], str | None] = lambda number, asked: None, tls: tuple[Path, Path] | None = None
) -> Iterator[State]:
    """A server in a thread of this process."""
    state = State(load_victim("tiny", "cpu"), fault, protocol=protocol, tls=tls)
    with listen(state) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            state.stop.set()
            server.shutdown()
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=PROTOCOLS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--die-after", type=int)
    arguments = parser.parse_args()
    lock = threading.Lock()
    count = 0

    def answered(digest: str) -> None:
        nonlocal count
        with lock, open(arguments.log, "a") as stream:
            stream.write(digest + "\n")
            count += 1

    def fault(number: int, asked: Asked) -> str | None:
        if arguments.die_after is not None and count >= arguments.die_after:
            os._exit(1)  # as a server that the kernel kills: no farewell
        return None

    state = State(load_victim("tiny", "cpu"), fault, answered, protocol=arguments.protocol)
    with listen(state, arguments.port) as server:
        print(state.port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
