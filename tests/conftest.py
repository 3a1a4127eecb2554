"""What is dear to make and the same for every test: made once a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from voiceattack.victims.whisper.victim import WhisperVictim


@pytest.fixture(scope="session")
def whisper() -> WhisperVictim:
    """The default victim. No test changes it."""
    from voiceattack.victims import load_victim
    from voiceattack.victims.whisper.victim import WhisperVictim

    victim = load_victim("whisper-tiny.en", device="cpu")
    assert isinstance(victim, WhisperVictim)
    return victim
