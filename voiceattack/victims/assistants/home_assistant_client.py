"""The two APIs of a running Home Assistant that a test needs: HTTP for a typed sentence, the websocket for all else.

Home Assistant's developer documentation describes both. The token goes to the address given and nowhere else
(:mod:`voiceattack.victims.servers.connections`), and is cleaned out of every answer (:mod:`voiceattack.victims.keys`).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

from voiceattack.errors import VictimError
from voiceattack.extras import optional_import
from voiceattack.unicode_text import visible
from voiceattack.victims.keys import Keys
from voiceattack.victims.servers.connections import Address, http_connection, redirection, websocket
from voiceattack.victims.servers.retry import cut_after

__all__ = ["EXTRA", "HomeAssistant", "Session"]

EXTRA = "home-assistant"
FEATURE = "a running Home Assistant"
MOST_BYTES = 64 << 20
FRAME_BYTES = 2048
"""64 ms of 16-bit audio at 16 kHz, about what satellites send at once."""

Message = dict[str, Any]


class HomeAssistant:
    """One server. Nothing is sent before it is used.

    Args:
        url: ``http://host:port`` or ``https://...``, with the path of a reverse proxy, if any.
        token: long-lived access token; no message or error repeats it.
        timeout: seconds that one sentence, or one session on the websocket, may take in all.
        spec: how errors call the server.

    Raises:
        SpecError: ``url`` is malformed.
    """

    def __init__(self, url: str, token: str, timeout: float, spec: str = "") -> None:
        self.url, self.timeout, self.spec = url.rstrip("/"), timeout, spec or url
        self._address = Address.parse(self.url, "http(s)://host:port")
        self._token, self._keys = token, Keys(token)

    @contextlib.contextmanager
    def session(self, seconds: float | None = None) -> Iterator[Session]:
        """A websocket connection that is logged in, for ``seconds`` (else ``timeout``).

        Raises:
            VictimError: it cannot be reached, does not answer in time, refuses the token, closes, or is no Home Assistant.
        """
        errors = optional_import("websockets.exceptions", extra=EXTRA, feature=FEATURE)
        seconds = self.timeout if seconds is None else seconds
        deadline = time.monotonic() + seconds
        try:
            with websocket(self._address, "/api/websocket", seconds, MOST_BYTES, EXTRA, FEATURE) as connection:
                opened = Session(connection, deadline, self.spec, self._keys)
                with cut_after(deadline - time.monotonic(), lambda: connection.socket):
                    self._log_in(opened)
                    yield opened
        except TimeoutError as error:
            raise VictimError(f"{self.spec}: no answer within {seconds:g} s; is it busy? raise timeout=SECONDS") from error
        except errors.ConnectionClosed as error:
            raise VictimError(f"{self.spec}: closed the connection without an answer; see its log") from error
        except errors.InvalidStatus as error:
            raise VictimError(self._no_websocket(error.response)) from error
        except (errors.InvalidHandshake, errors.InvalidURI, EOFError) as error:
            # Not from the error itself, whose text may have the token in it.
            raise VictimError(f"{self.spec}: does not speak websocket ({self._one_line(error)}); check the address") from None
        except OSError as error:
            raise VictimError(self._unreachable(error)) from error

    def _log_in(self, session: Session) -> None:
        greeting = session.receive()
        if greeting.get("type") == "auth_required":
            session.send({"type": "auth", "access_token": self._token})
            greeting = session.receive()
        if greeting.get("type") == "auth_invalid":
            raise VictimError(_refused(self.spec))
        if greeting.get("type") != "auth_ok":
            raise VictimError(f"{self.spec}: greets with {str(greeting.get('type'))!r}; is it Home Assistant?")

    def post(self, path: str, body: Message) -> Message:
        """The JSON object that a POST of ``body`` to ``path`` answers; ``timeout`` holds from connecting to the last byte.

        Raises:
            VictimError: as :meth:`session`, or the answer is no JSON object (HTML, for example).
        """
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", "User-Agent": "voiceattack"}
        opened: socket.socket | None = None
        try:
            with contextlib.ExitStack() as stack, cut_after(self.timeout, lambda: opened):
                connection = stack.enter_context(contextlib.closing(http_connection(self._address, self.timeout)))
                opened = connection.sock  # the connection forgets it once the headers say that it will be closed
                connection.request("POST", self._address.path + path, json.dumps(body).encode(), headers)
                with connection.getresponse() as answer:
                    data = answer.read(MOST_BYTES)
        except TimeoutError as error:
            late = f"no answer within {self.timeout:g} s; is it busy? raise timeout=SECONDS"
            raise VictimError(f"{self.spec}: {late}") from error
        except (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionResetError) as error:
            raise VictimError(f"{self.spec}: closed the connection without an answer; see its log") from error
        except http.client.HTTPException as error:
            raise VictimError(f"{self.spec}: does not speak HTTP ({type(error).__name__}); check the address") from error
        except OSError as error:
            raise VictimError(self._unreachable(error)) from error
        return self._read(path, answer, data.decode("utf-8", "replace"))

    def _read(self, path: str, answer: http.client.HTTPResponse, text: str) -> Message:
        if answer.status == 401:
            raise VictimError(_refused(self.spec))
        if answer.status != 200:
            advice = redirection(answer.status, self._shown(answer.getheader("Location", ""))) or "see its log"
            raise VictimError(f"{self.spec}: answered {answer.status} {self._shown(text)!r} to {path}; {advice}")
        if (found := _object(text, self._keys)) is None:
            kind = self._shown(str(answer.getheader("Content-Type")))
            raise VictimError(f"{self.spec}: answered {kind} instead of JSON to {path}; is it Home Assistant?")
        return found

    def _shown(self, text: str) -> str:
        """The start of what the server sent, on one line and without the token."""
        return visible(" ".join(self._keys.text(text).split())[:200])

    def _one_line(self, error: BaseException) -> str:
        return self._shown(str(error)) or type(error).__name__

    def _unreachable(self, error: OSError) -> str:
        reason = getattr(error, "verify_message", None) or error.strerror or self._one_line(error)
        return f"{self.spec}: cannot be reached ({reason}); start it or check the address"

    def _no_websocket(self, response: Any) -> str:
        status = response.status_code
        if status in (401, 403):
            return _refused(self.spec)
        advice = redirection(status, self._shown(response.headers.get("Location", "")))
        told = f"answered HTTP {status} where a websocket was asked for"
        return f"{self.spec}: {told}; {advice or 'is it Home Assistant, and its address?'}"


class Session:
    """One connection that is logged in; made by :meth:`HomeAssistant.session`."""

    def __init__(self, connection: Any, deadline: float, spec: str, keys: Keys) -> None:
        self._connection, self._deadline, self.spec, self._keys = connection, deadline, spec, keys
        self._last = 0

    def send(self, message: Message) -> None:
        """One message as JSON."""
        self._connection.send(json.dumps(message))

    def receive(self) -> Message:
        """The next message; raises TimeoutError at the deadline, VictimError when it is no JSON object."""
        text = self._connection.recv(timeout=max(0.001, self._deadline - time.monotonic()))
        if (message := _object(text, self._keys)) is None:
            told = visible(self._keys.text(text)[:80] if isinstance(text, str) else "binary data")
            raise VictimError(f"{self.spec}: sent no JSON object ({told!r}); is it Home Assistant?")
        return message

    def command(self, kind: str, **fields: Any) -> Any:
        """The result of one command; events of others are passed over.

        Raises:
            VictimError: the command failed.
        """
        number = self.begin(kind, **fields)
        while True:
            message = self.receive()
            if message.get("id") == number and message.get("type") == "result":
                return self._result(kind, message)

    def begin(self, kind: str, **fields: Any) -> int:
        """Send a command; its number."""
        self._last += 1
        self.send({"id": self._last, "type": kind, **fields})
        return self._last

    def _result(self, kind: str, message: Message) -> Any:
        if message.get("success") is True:
            return message.get("result")
        error = message.get("error")
        told = error.get("message") or error.get("code") if isinstance(error, dict) else error
        raise VictimError(f"{self.spec}: refused {kind} ({visible(' '.join(str(told).split())[:200])})")

    def run_pipeline(self, pcm: bytes, sample_rate: int, pipeline: str, **fields: Any) -> list[Message]:
        """Audio through an Assist pipeline, from speech to the action; the events of the run, each ``{"type", "data"}``.

        Args:
            pcm: little-endian 16-bit mono.
            sample_rate: Hz.
            pipeline: its id.
            fields: more of ``assist_pipeline/run``.
        """
        kind = "assist_pipeline/run"
        stages = {"start_stage": "stt", "end_stage": "intent", "pipeline": pipeline}
        number = self.begin(kind, **stages, input={"sample_rate": sample_rate}, **fields)
        events: list[Message] = []
        while not events or events[-1].get("type") not in ("run-end", "error"):
            message = self.receive()
            if message.get("id") != number:
                continue
            if message.get("type") == "result":
                self._result(kind, message)
            elif message.get("type") == "event" and isinstance(message.get("event"), dict):
                events.append(message["event"])
                if events[-1].get("type") == "run-start":
                    self._stream(pcm, events[-1])
        return events

    def _stream(self, pcm: bytes, start: Message) -> None:
        """Every frame is led by the byte that names the run; that byte alone ends the audio."""
        try:
            handler = bytes([start["data"]["runner_data"]["stt_binary_handler_id"]])
        except (KeyError, TypeError, ValueError) as error:
            raise VictimError(f"{self.spec}: began a pipeline without a way to send audio; is it Home Assistant?") from error
        for index in range(0, len(pcm), FRAME_BYTES):
            self._connection.send(handler + pcm[index : index + FRAME_BYTES])
        self._connection.send(handler)


def _object(text: str | bytes, keys: Keys) -> Message | None:
    """The JSON object in ``text``, cleaned after its escapes are undone; None where there is none."""
    try:
        found = keys.cleaned(json.loads(text))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refused(spec: str) -> str:
    return f"{spec}: refused the token; set HOME_ASSISTANT_TOKEN to a long-lived access token (its user page, Security)"
