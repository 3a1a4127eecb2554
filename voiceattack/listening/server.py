"""The page of the listening test.

What is A, B or X is not in the page or in an address: the three sounds of a trial are asked for by letter, and both files are
sent as WAV of equal length without metadata, so that neither name, size nor tag gives one away.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any

from voiceattack.errors import VoiceAttackError
from voiceattack.listening.abx import Session, Trial
from voiceattack.listening.sounds import loudness_check, trial_sounds
from voiceattack.local_server import LocalHandler, LocalServer

__all__ = ["ListeningServer"]


class ListeningServer(LocalServer):
    """Serves one session on 127.0.0.1 until it is shut down; raises RunError when the port cannot be used."""

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__(_Handler, port, session.token)
        self.session = session
        self.lock = Lock()


class _Handler(LocalHandler):
    server: ListeningServer
    folder = Path(__file__).parent / "page"
    static = {"": "listen.html", "listen.js": "listen.js", "listen.css": "listen.css"}  # noqa: RUF012

    def get(self, name: str, asked: dict[str, str]) -> None:
        """The trial that is open, and its three sounds."""
        with self.server.lock:
            trial = self.server.session.next()
        if name == "trial":
            return self.send_json(self._state(trial))
        if trial is not None and name in ("a.wav", "b.wav", "x.wav", "volume.wav"):
            session = self.server.session
            try:
                if name == "volume.wav":
                    return self.send(loudness_check(session.run, session.trials), "audio/wav")
                return self.send(trial_sounds(session.run, trial)[name[0]], "audio/wav")
            except VoiceAttackError as error:
                return self.send_json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)
        return self.refuse(HTTPStatus.NOT_FOUND)

    def post(self, name: str, told: Any) -> None:
        """An answer."""
        if name != "answer":
            return self.refuse(HTTPStatus.NOT_FOUND)
        seconds, plays = float(told["seconds"]), {str(name): int(count) for name, count in told["plays"].items()}
        number, choice = int(told["trial"]), str(told["answer"])
        if not math.isfinite(seconds):
            raise ValueError(seconds)
        with self.server.lock:
            try:
                self.server.session.answer(number, choice, seconds, plays)
            except VoiceAttackError as error:
                return self.send_json({"error": str(error)}, HTTPStatus.CONFLICT)
            return self.send_json(self._state(self.server.session.next()))

    def _state(self, trial: Trial | None) -> dict[str, Any]:
        session = self.server.session
        total = len(session.trials)
        return {"trial": None if trial is None else trial.number, "total": total, "listener": session.listener}
