"""``openai+http(s)://host:port/v1?model=M``: any server with OpenAI's ``/audio/transcriptions``; a black box."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import re
import secrets
import ssl
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import SpecError, VictimError
from voiceattack.languages import language_code
from voiceattack.unicode_text import visible
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.keys import Keys
from voiceattack.victims.servers.connections import Address, http_connection, redirection
from voiceattack.victims.servers.retry import Asking, TryAgain, until, wav

__all__ = ["OpenAIVictim", "load_http", "load_https"]

KEY = "OPENAI_API_KEY"
FIELDS = ("model", "language", "prompt", "temperature")
MOST_BYTES = 1 << 20
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""


class OpenAIVictim(Victim):
    """A server that answers a multipart POST of a WAV file with ``{"text": ...}``.

    Connections are direct, one a clip, so that an answer that comes too late is never taken for the next clip's. Audio and key go
    to the address given and nowhere else (:mod:`voiceattack.victims.servers.connections`), and where an answer repeats the key, ``***``
    stands (:mod:`voiceattack.victims.keys`).

    Args:
        url: up to ``/v1``, without ``/audio/transcriptions``.
        fields: form fields besides the file: ``model``, ``language``, ``prompt``, ``temperature``.
        key: bearer token, or None.
        asking: timeout, retries, rate limit.
    """

    costly = True

    def __init__(self, url: str, fields: dict[str, str], key: str | None = None, asking: Asking | None = None) -> None:
        self.spec = f"openai+{url}"
        self.language = language_code(fields.get("language", "en"))
        self._address = Address.parse(url, "openai+http(s)://host:port/v1?model=M", self.spec)
        self._fields, self._key, self._keys, self._asking = fields, key, Keys(key), asking or Asking()
        self._path = f"{self._address.path.rstrip('/')}/audio/transcriptions"

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "server", "protocol": "openai", **self._fields}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip) for clip in batch.clips()]

    def _hear(self, clip: Tensor) -> Transcript:
        if not clip.numel():
            return Transcript("")
        kind, body = form(self._fields, wav(clip))
        headers = {"Content-Type": kind, "Accept": "application/json", "User-Agent": "voiceattack"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return self._asking.ask(lambda seconds: self._request(body, headers, seconds))

    def _request(self, body: bytes, headers: dict[str, str], seconds: float) -> Transcript:
        started = time.monotonic()
        too_late = f"{self.spec}: no answer within {seconds:g} s; is it busy? raise timeout=SECONDS"
        with contextlib.closing(self._connect(seconds)) as connection:
            with until(connection.sock, seconds - (time.monotonic() - started), too_late), self._transport():
                # A server that refuses, before it has read the whole clip, answers and leaves: what it said is read below.
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    connection.request("POST", self._path, body, headers)
                with connection.getresponse() as answer:
                    data = answer.read(MOST_BYTES + 1)
                if answer.length and len(data) <= MOST_BYTES:  # http.client says so only when asked for everything
                    raise http.client.IncompleteRead(data)
            return self._read(answer, data)

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        try:
            return http_connection(self._address, seconds)
        except TimeoutError as error:
            raise VictimError(f"{self.spec}: cannot be reached within {seconds:g} s; check the address") from error
        except ssl.SSLCertVerificationError as error:
            advice = "check the address, or name its authority's certificate in the environment variable SSL_CERT_FILE"
            raise VictimError(f"{self.spec}: its certificate is not trusted ({error.verify_message}); {advice}") from error
        except OSError as error:
            raise TryAgain(
                f"{self.spec}: cannot be reached ({error.strerror or error}); start the server or check the address"
            ) from error

    @contextlib.contextmanager
    def _transport(self) -> Iterator[None]:
        """What a broken connection raises, as a trouble that may pass; what is no HTTP, as one that will not."""
        try:
            yield
        except TimeoutError:
            raise
        except (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError, ssl.SSLEOFError) as error:
            raise TryAgain(f"{self.spec}: closed the connection without an answer") from error
        except OSError as error:
            raise TryAgain(f"{self.spec}: the connection broke ({error.strerror or error})") from error
        except http.client.HTTPException as error:
            raise VictimError(f"{self.spec}: does not speak HTTP ({type(error).__name__}); check the port") from error

    def _read(self, answer: http.client.HTTPResponse, data: bytes) -> Transcript:
        status, told = answer.status, self._excerpt(data)
        if status in PASSING:
            raise TryAgain(f"{self.spec}: answered {status} {told}", _retry_after(answer))
        if status != 200:
            advice = f"check model={self._fields.get('model', '')}"
            if moved := redirection(status, self._header(answer, "Location")):
                advice = moved
            elif status in (401, 403):
                advice = f"it refuses the key: set {KEY}, or name another variable with key_env=NAME"
            elif status == 404:
                advice = f"nothing is at {self._path}: give the address up to /v1, and a model that the server has"
            raise VictimError(f"{self.spec}: answered {status} {told}; {advice}")
        if len(data) > MOST_BYTES:
            raise VictimError(f"{self.spec}: answered more than a megabyte; is it a transcription server?")
        try:
            text = json.loads(data)["text"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            said = f"answered {self._header(answer, 'Content-Type') or 'no kind'} without a transcript ({told})"
            raise VictimError(f"{self.spec}: {said}; is it a transcription server?") from error
        if not isinstance(text, str):
            raise VictimError(f"{self.spec}: its text is {type(text).__name__}, expected a string")
        return Transcript(self._keys.text(text).strip())

    def _excerpt(self, data: bytes) -> str:
        """The start of an answer, on one line, without the key if the server repeats it."""
        text = data.decode("utf-8", "replace")
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            text = str(json.loads(text)["error"]["message"])
        return repr(visible(" ".join(self._keys.text(text).split())[:120]))

    def _header(self, answer: http.client.HTTPResponse, name: str) -> str:
        return visible(" ".join(self._keys.text(answer.getheader(name, "")).split())[:200])


def form(fields: dict[str, str], wav_file: bytes) -> tuple[str, bytes]:
    """Content type and body of a multipart form (RFC 7578) with ``fields`` and the file ``audio.wav``."""
    boundary = f"voiceattack-{secrets.token_hex(16)}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in {**fields, "response_format": "json"}.items()
    ]
    head = 'Content-Disposition: form-data; name="file"; filename="audio.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    parts += [f"--{boundary}\r\n{head}".encode(), wav_file, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def _retry_after(answer: http.client.HTTPResponse) -> float | None:
    """Seconds of the header ``Retry-After``; None for a date or nothing."""
    text = (answer.getheader("Retry-After") or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None


def load_http(rest: str, options: dict[str, str], device: torch.device) -> OpenAIVictim:
    """Factory of ``openai+http://host:port/v1?model=M&language=&prompt=&temperature=&key_env=&timeout=60&retries=2&rpm=``.

    Nothing is sent before the first clip. The key comes from the environment: ``OPENAI_API_KEY``, or the variable that
    ``key_env`` names. Over plain http, to another machine, it is sent only when ``key_env`` names it.

    Raises:
        SpecError: a malformed address, no model, malformed options, or ``key_env`` is not set.
    """
    del device
    return _load("http", rest, options)


def load_https(rest: str, options: dict[str, str], device: torch.device) -> OpenAIVictim:
    """As :func:`load_http` over TLS, certificates checked; the key is sent to any host."""
    del device
    return _load("https", rest, options)


def _load(scheme: str, rest: str, options: dict[str, str]) -> OpenAIVictim:
    url, where, options = f"{scheme}:{rest}", f"openai+{scheme}:{rest}", dict(options)
    address = Address.parse(url, f"openai+{scheme}://host:port/v1?model=M", where)
    if not options.get("model"):
        raise SpecError(f"victim {where!r} needs a model: add ?model=whisper-1 or the name under which the server has it")
    asking = Asking.take(where, options)
    key = _key(where, address, options)
    return OpenAIVictim(url, {name: options[name] for name in FIELDS if name in options}, key, asking)


def _key(where: str, address: Address, options: dict[str, str]) -> str | None:
    named = options.get("key_env")
    if named is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", named):
        raise SpecError(f"{where}: key_env={named!r} is no name of an environment variable")
    key = os.environ.get(named or KEY, "").strip()
    if named is not None and not key:
        raise SpecError(f"{where}: the environment variable {named} is not set; export it, or drop key_env")
    if not (key.isascii() and key.isprintable()):
        raise SpecError(f"{where}: the key in {named or KEY} has characters that no key has; set it again")
    # The key of a cloud service must not go in the clear to whatever host was named for a test.
    return key if key and (named is not None or address.scheme == "https" or _is_here(address.host)) else None


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
