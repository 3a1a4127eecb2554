"""A small server that speaks Home Assistant's two APIs over real sockets, rightly or wrongly: it has a lamp and a lock.

It stands for no decision of Home Assistant's (the slow test asks the real one); it is there to answer as a broken server does.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

TOKEN = "the-right-token"
LAMP, LOCK, HELPER = "light.lamp", "lock.front", "input_boolean.light_lamp"
SENTENCES = {"turn on the lamp": (LAMP, "on"), "turn off the lamp": (LAMP, "off"), "lock the door": (LOCK, "locked")}
PAGE = b"<!DOCTYPE html><html><title>Router</title></html>"


class Talk:
    """A websocket over a socket already accepted; ``receive`` raises ConnectionError when the other side leaves."""

    def __init__(self, connection: socket.socket, written: Callable[[str], str]) -> None:
        self.connection, self.protocol, self.written = connection, ServerProtocol(), written
        self._messages: list[Any] = []
        self.protocol.send_response(self.protocol.accept(self._next()))
        self._flush()

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.connection.sendall(data)

    def _next(self) -> Any:
        while not self._messages:
            data = self.connection.recv(65536)
            if not data:
                raise ConnectionError
            self.protocol.receive_data(data)
            self._flush()
            self._messages += self.protocol.events_received()
        return self._messages.pop(0)

    def receive(self) -> bytes:
        frame = self._next()
        if not isinstance(frame, Frame) or frame.opcode is Opcode.CLOSE:
            raise ConnectionError
        return bytes(frame.data)

    def send(self, message: dict[str, Any]) -> None:
        self.protocol.send_text(self.written(json.dumps(message)).encode())
        self._flush()


class SmallHome:
    """The server; ``wrong`` names what it does wrongly, ``at`` where: ``websocket``, ``post``, ``pipeline``, ``frames``.

    Attributes:
        url: where it listens.
        states: entity to state.
        heard: the audio of each pipeline run, as bytes.
        says: what its recogniser makes of audio.
        token: the one that it takes.
        trouble: what it says where its recogniser fails (``says = "fail"``).
        answer: what it says in place of "Done".
        location: where ``wrong = "redirect"`` leads.
        written: how it writes a JSON text that it sends.
        served: connections so far.
        dripped: bytes of a body sent one by one so far, of the 60 that ``drip-body`` has.
    """

    def __init__(self, wrong: str = "", at: str = "websocket", times: int = 1000) -> None:
        self.wrong, self.at, self.times = wrong, at, times
        self.states = {LAMP: "off", LOCK: "locked", HELPER: "off", "sensor.clock": "0"}
        self.users: dict[str, str | None] = dict.fromkeys(self.states)
        self.says = "turn on the lamp"
        self.token = TOKEN
        self.trouble, self.answer, self.location = "Speech-to-text failed", "Done", ""
        self.written: Callable[[str], str] = str
        self.heard: list[bytes] = []
        self.served = 0
        self.dripped = 0
        self.broken: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = True
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would let one more connection in
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.served += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _misbehaves(self, connection: socket.socket, place: str) -> bool:
        if self.at != place or not self.wrong or self.times <= 0:
            return False
        self.times -= 1
        if self.wrong in ("hang", "deaf"):
            time.sleep(5)
        elif self.wrong in ("drip", "drip-tls"):
            # The head of a long record of TLS, and a record that does not come.
            told = b"\x16\x03\x03\x3f\xff" + b"\0" * 45 if self.wrong == "drip-tls" else b"H" * 50
            with contextlib.suppress(OSError):
                for place in range(50):
                    connection.sendall(told[place : place + 1])
                    time.sleep(0.1)
        elif self.wrong == "drip-body":
            # Without a length, so that the end of the connection is the end of the body, as HTTP/1.0 has it.
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(60):
                    connection.sendall(b" ")
                    self.dripped += 1
                    time.sleep(0.1)
        elif self.wrong == "redirect":
            head = "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            connection.sendall((head % self.location).encode())
        elif self.wrong == "garbage":
            connection.sendall(b"\x16\x03nothing of the kind\r\n\r\n")
        elif self.wrong != "close":
            status, page = {
                "html": (b"200 OK", PAGE),
                "401": (b"401 Unauthorized", b"no"),
                "500": (b"500 Oh", b"oh " + TOKEN.encode()),
                "cut": (b"500 Oh", b"x" * 180 + b" " + self.token.encode() + b" " + b"y" * 400),
                "echo": (b"200 OK", json.dumps({"response": {"speech": {"plain": {"speech": self.token}}}}).encode()),
            }[self.wrong]
            head = b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            connection.sendall(head % (status, len(page)) + page)
        connection.close()
        return True

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            first = connection.recv(4, socket.MSG_PEEK)
            if first == b"POST":
                self._post(connection)
            elif not self._misbehaves(connection, "websocket"):
                self._talk(Talk(connection, self.written), connection)

    def _post(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            length, authorised = 0, False
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                authorised |= name.lower() == b"authorization" and value.strip() == b"Bearer " + self.token.encode()
            body = json.loads(stream.read(length))
        if self._misbehaves(connection, "post"):
            return
        answer = self.written(json.dumps(self._converse(body["text"]))).encode() if authorised else b"401: Unauthorized"
        status = b"200 OK" if authorised else b"401 Unauthorized"
        connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(answer)) + answer)

    def _converse(self, text: str) -> dict[str, Any]:
        entity, state = SENTENCES.get(text.strip(" .").lower(), ("", ""))
        self.set("sensor.clock", str(time.monotonic()), None)  # always on the move, by nobody
        speech = {"plain": {"speech": self.answer if entity else "Sorry, I couldn't understand that"}}
        if not entity:
            return {"response": {"response_type": "error", "speech": speech, "data": {"code": "no_intent_match"}}}
        self.set(entity, state)
        done = {"success": [{"type": "entity", "id": entity, "name": entity}], "failed": []}
        return {"response": {"response_type": "action_done", "speech": speech, "data": done}}

    def set(self, entity: str, state: str, user: str | None = "me") -> None:
        """A service call; a broken entity stays as it is."""
        if entity not in self.broken and self.states[entity] != state:
            self.states[entity], self.users[entity] = state, user
            if entity == LAMP:
                self.states[HELPER], self.users[HELPER] = state, user

    def _talk(self, talk: Talk, connection: socket.socket) -> None:
        talk.send({"type": "auth_required"})
        if json.loads(talk.receive()).get("access_token") != self.token:
            talk.send({"type": "auth_invalid", "message": "Invalid access token or password"})
            return
        talk.send({"type": "auth_ok"})
        while True:
            message = json.loads(talk.receive())
            number, kind = message.pop("id"), message.pop("type")
            if kind == "assist_pipeline/run":
                if not self._misbehaves(connection, "pipeline"):
                    self._run(talk, number)
                continue
            result = self._result(kind, message)
            told = (
                {"success": True, "result": result}
                if result is not ...
                else {"success": False, "error": {"code": "unknown_command"}}
            )
            talk.send({"id": number, "type": "result", **told})

    def _result(self, kind: str, message: dict[str, Any]) -> Any:
        pipeline = {
            "id": "1",
            "name": "Home Assistant",
            "language": "en",
            "conversation_language": "en",
            "conversation_engine": "homeassistant",
        }
        if kind == "get_states":
            return [
                {"entity_id": entity, "state": state, "attributes": {}, "context": {"user_id": self.users[entity]}}
                for entity, state in self.states.items()
            ]
        if kind == "call_service":
            for entity, state in message["service_data"]["entities"].items():
                self.set(entity, state["state"])
            return {}
        if kind == "conversation/agent/homeassistant/debug":
            entity, state = SENTENCES.get(message["sentences"][0].strip(" .").lower(), ("", ""))
            name = "HassTurnOff" if state == "off" else "HassTurnOn"
            found = {"intent": {"name": name}, "details": {"name": {"value": "lamp"}}, "match": True, "targets": {}}
            return {"results": [found if entity else None]}
        answers: dict[str, Any] = {
            "assist_pipeline/pipeline/list": {"pipelines": [pipeline], "preferred_pipeline": "1"},
            "homeassistant/expose_entity/list": {"exposed_entities": {HELPER: {"conversation": False}}},
            "auth/current_user": {"id": "me"},
        }
        return answers.get(kind, ...)

    def _run(self, talk: Talk, number: int) -> None:
        def event(kind: str, data: dict[str, Any]) -> None:
            talk.send({"id": number, "type": "event", "event": {"type": kind, "data": data}})

        talk.send({"id": number, "type": "result", "success": True, "result": None})
        event("run-start", {"runner_data": {"stt_binary_handler_id": 7, "timeout": 300}})
        if self._misbehaves(talk.connection, "frames"):
            return
        audio = b""
        while (frame := talk.receive()) != b"\x07":
            assert frame[0] == 7
            audio += frame[1:]
        self.heard.append(audio)
        if not self.says:
            event("error", {"code": "stt-no-text-recognized", "message": "No text recognized"})
        elif self.says == "fail":
            event("error", {"code": "stt-stream-failed", "message": self.trouble})
        else:
            event("stt-end", {"stt_output": {"text": self.says}})
            event("intent-end", {"intent_output": self._converse(self.says)})
            event("run-end", {})


@contextlib.contextmanager
def small_home(wrong: str = "", at: str = "websocket", times: int = 1000) -> Iterator[SmallHome]:
    """A server for the length of a test."""
    home = SmallHome(wrong, at, times)
    try:
        yield home
    finally:
        home.close()
