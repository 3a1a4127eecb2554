"""What is dear to make and the same for every test: made once a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from voiceattack.victims.whisper.victim import WhisperVictim


@pytest.fixture(scope="session", autouse=True)
def _no_lines_between() -> None:
    """What a command run in this process says must not depend on how long it took."""
    from voiceattack.cli.progress import PACE

    PACE.every = 1e6


@pytest.fixture(scope="session")
def whisper() -> WhisperVictim:
    """The default victim. No test changes it."""
    from voiceattack.victims import load_victim
    from voiceattack.victims.whisper.victim import WhisperVictim

    victim = load_victim("whisper-tiny.en", device="cpu")
    assert isinstance(victim, WhisperVictim)
    return victim
