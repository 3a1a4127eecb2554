"""``wyoming://host:port``: a speech-to-text server of Home Assistant's Wyoming protocol; a black box.

An event is one line of JSON, ``{"type": ..., "data_length": N, "payload_length": M}``, then N bytes of JSON that add to its
``data``, then M bytes of payload. Spoken here over a plain socket: the few events of a transcription need no event loop, and
every answer is bounded in time and in size.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, Batch, pcm16
from voiceattack.errors import SpecError, VictimError
from voiceattack.languages import language_code
from voiceattack.unicode_text import visible
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.servers.connections import Address
from voiceattack.victims.servers.retry import Asking, TryAgain, until

__all__ = ["WyomingVictim", "load", "read_events", "write_event"]

CHUNK_BYTES = 2 * 4096
MOST_BYTES = 1 << 20
MOST_EVENTS = 10_000
FORMAT = {"rate": SAMPLE_RATE, "width": 2, "channels": 1}


class WyomingVictim(Victim):
    """A server that answers ``transcribe``, ``audio-start``, ``audio-chunk`` and ``audio-stop`` with ``transcript``.

    Each clip gets a connection of its own, so that an answer that comes too late is never taken for the next clip's.

    Args:
        address: of the server.
        asking: timeout, retries, rate limit.
        language: to ask for, as the server calls it; None leaves it to the server.
        model: name of the model to ask for; None leaves it to the server.
    """

    costly = True

    def __init__(
        self, address: Address, asking: Asking | None = None, language: str | None = None, model: str | None = None
    ) -> None:
        self.spec = f"wyoming://{f'[{address.host}]' if ':' in address.host else address.host}:{address.port}"
        self.language = language_code(language or "en")
        self._address, self._asking = address, asking or Asking()
        asked = {"language": language, "name": model}
        self._wanted = {name: value for name, value in asked.items() if value is not None}

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "server", "protocol": "wyoming", **self._wanted}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip) for clip in batch.clips()]

    def _hear(self, clip: Tensor) -> Transcript:
        if not clip.numel():
            return Transcript("")
        samples = pcm16(clip)
        return self._asking.ask(lambda seconds: self._request(samples, seconds))

    def _request(self, samples: bytes, seconds: float) -> Transcript:
        started = time.monotonic()
        too_late = f"{self.spec}: no transcript within {seconds:g} s; is it busy? raise ?timeout=SECONDS"
        try:
            connection = self._address.connect(seconds)
        except TimeoutError as error:
            raise VictimError(f"{self.spec}: cannot be reached within {seconds:g} s; check the address") from error
        except OSError as error:
            reason = error.strerror or error
            raise TryAgain(f"{self.spec}: cannot be reached ({reason}); start the server or check the address") from error
        with connection, until(connection, seconds - (time.monotonic() - started), too_late):
            try:
                self._send(connection, samples)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it may have answered early and left; what it said is read below
            except OSError as error:
                raise TryAgain(f"{self.spec}: the connection broke ({error.strerror or error})") from error
            try:
                with connection.makefile("rb") as stream:
                    return self._answer(stream)
            except TimeoutError:
                raise
            except OSError as error:
                raise TryAgain(f"{self.spec}: closed the connection without a transcript ({error.strerror or error})") from error

    def _send(self, connection: socket.socket, samples: bytes) -> None:
        write_event(connection, "transcribe", self._wanted)
        write_event(connection, "audio-start", FORMAT)
        for start in range(0, len(samples), CHUNK_BYTES):
            write_event(connection, "audio-chunk", FORMAT, samples[start : start + CHUNK_BYTES])
        write_event(connection, "audio-stop", {})

    def _answer(self, stream: BinaryIO) -> Transcript:
        try:
            for kind, data in read_events(stream):
                if kind == "transcript":
                    if not isinstance(data.get("text"), str):
                        raise VictimError(f"{self.spec}: its transcript has no text; is it a speech-to-text server?")
                    told = data.get("language")
                    return Transcript(data["text"].strip(), {"language": told} if isinstance(told, str) else {})
                if kind == "error":
                    told = " ".join(str(data.get("text")).split())[:200]
                    raise VictimError(f"{self.spec}: the server reports: {visible(told)}")
        except ValueError as error:
            raise VictimError(f"{self.spec}: does not speak Wyoming ({error}); check the port") from error
        raise TryAgain(f"{self.spec}: closed the connection without a transcript")


def write_event(connection: socket.socket, kind: str, data: dict[str, Any], payload: bytes = b"") -> None:
    """Send one event; raises OSError as the socket does."""
    body = json.dumps(data).encode() if data else b""
    head: dict[str, Any] = {"type": kind, "version": "1.0.0"}
    if body:
        head["data_length"] = len(body)
    if payload:
        head["payload_length"] = len(payload)
    connection.sendall(json.dumps(head).encode() + b"\n" + body + payload)


def read_events(stream: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and data of each event until the other side closes; payloads are passed over.

    Raises:
        ValueError: the bytes are no events, or more than a megabyte or ten thousand of them.
        OSError: as the stream does.
    """
    for _ in range(MOST_EVENTS):
        line = stream.readline(MOST_BYTES)
        if not line:
            return
        if not line.endswith(b"\n"):
            if len(line) == MOST_BYTES:
                raise ValueError("it sent a line of more than a megabyte")
            raise ConnectionResetError("it closed in the middle of an event")
        head = _object(line)
        data = head.get("data")
        data = data if isinstance(data, dict) else {}
        if more := _exactly(stream, head.get("data_length")):
            data = {**data, **_object(more)}
        _exactly(stream, head.get("payload_length"))
        yield str(head.get("type")), data
    raise ValueError(f"more than {MOST_EVENTS} events")


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it sent {visible(text[:40].decode('utf-8', 'replace'))!r}") from error
    if not isinstance(value, dict):
        raise ValueError("it sent JSON that is no object")
    return value


def _exactly(stream: BinaryIO, length: Any) -> bytes:
    if not length:
        return b""
    if not isinstance(length, int) or not 0 < length <= MOST_BYTES:
        raise ValueError(f"it announced {length!r} bytes")
    data = stream.read(length)
    if len(data) < length:
        raise ConnectionResetError("it closed in the middle of an event")
    return data


def load(rest: str, options: dict[str, str], device: torch.device) -> WyomingVictim:
    """Factory of ``wyoming://host:port?language=&model=&timeout=60&retries=2&rpm=``; nothing is sent before the first clip.

    Raises:
        SpecError: no host, a port out of range, or malformed options.
    """
    del device
    where, options = f"wyoming:{rest}", dict(options)
    address = Address.parse(where, "wyoming://host:port")
    if address.path.strip("/"):
        raise SpecError(f"victim {where!r} must read wyoming://host:port")
    return WyomingVictim(address, Asking.take(where, options), options.get("language"), options.get("model"))
