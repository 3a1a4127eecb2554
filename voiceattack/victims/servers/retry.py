"""How a server outside this process is asked: a deadline for each request, retries with backoff, a rate limit, 16-bit WAV."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, pcm16
from voiceattack.errors import VictimError
from voiceattack.victims.options import take_number, take_whole

__all__ = ["Asking", "TryAgain", "cut_after", "until", "wav"]

T = TypeVar("T")
TIMEOUT_SECONDS = 60.0
RETRIES = 2
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0


class TryAgain(VictimError):
    """A trouble that may pass: the connection was refused or closed, or the server says that it is busy or broken.

    Attributes:
        wait_seconds: how long the server asks to be left alone, or None.
    """

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


@dataclass
class Asking:
    """The patience of one victim.

    Attributes:
        timeout: seconds that one request may take from connecting to the last byte.
        retries: further tries after a :class:`TryAgain`. A request that ran out of time is not sent again.
        rpm: most requests a minute, retries included; None for no limit.
    """

    timeout: float = TIMEOUT_SECONDS
    retries: int = RETRIES
    rpm: float | None = None
    _next: float = field(default=0.0, repr=False)

    @classmethod
    def take(cls, where: str, options: dict[str, str]) -> Asking:
        """``timeout`` (seconds), ``retries`` and ``rpm`` out of ``options``.

        Raises:
            SpecError: one is no number, or out of range.
        """
        timeout = take_number(where, options, "timeout", TIMEOUT_SECONDS, 0.05, 3600)
        retries = take_whole(where, options, "retries", RETRIES, 0, 20)
        rpm = take_number(where, options, "rpm", 0.0, 0.01, 1e6) if "rpm" in options else None
        return cls(timeout, retries, rpm)

    def ask(self, request: Callable[[float], T]) -> T:
        """The answer of ``request(seconds it may take)``; asked again, after 0.5 s, 1 s, 2 s and so on, while it may help.

        Raises:
            VictimError: what the last try raised.
        """
        for attempt in range(self.retries + 1):
            self._take_turn()
            try:
                return request(self.timeout)
            except TryAgain as error:
                wait = min(FIRST_WAIT_SECONDS * 2**attempt, LONGEST_WAIT_SECONDS)
                if error.wait_seconds is not None:
                    wait = max(wait, error.wait_seconds)
                if attempt == self.retries or wait > LONGEST_WAIT_SECONDS:
                    tried = "" if not attempt else f" ({attempt + 1} tries)"
                    raise VictimError(f"{error}{tried}") from error
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _take_turn(self) -> None:
        if self.rpm is None:
            return
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + 60.0 / self.rpm


@contextlib.contextmanager
def cut_after(seconds: float, connection: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Cut a connection after ``seconds``.

    A socket's own timeout begins anew with every byte, so a slow drip, or a server that reads nothing, passes it.

    Args:
        seconds: from now on.
        connection: the socket to cut, None while there is none; asked when the time is up.

    Raises:
        TimeoutError: the time ran out.
    """
    late = threading.Event()

    def cut() -> None:
        late.set()
        if (opened := connection()) is not None:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(max(seconds, 0.001), cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    except Exception as error:  # whatever reading from a cut connection leads to
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        watch.cancel()
    if late.is_set():
        raise TimeoutError


@contextlib.contextmanager
def until(connection: socket.socket, seconds: float, too_late: str) -> Iterator[None]:
    """:func:`cut_after` with words for it.

    Raises:
        VictimError: ``too_late``, when the time ran out.
    """
    try:
        with cut_after(seconds, lambda: connection):
            yield
    except TimeoutError as error:
        raise VictimError(too_late) from error


def wav(clip: Tensor) -> bytes:
    """A clip float32 (samples,) as a mono 16-bit WAV file of 16 kHz."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm16(clip))
    return stream.getvalue()
