"""Robustness tests of a recogniser: one that Whisper tiny.en passes, one that it fails."""

import pytest

from voiceattack.testing import assert_robust


@pytest.mark.voiceattack(attack="noise", snr_db=20, limit=1)
def test_noise_does_not_fool_it(speech, attack):
    assert_robust(attack(speech))


@pytest.mark.voiceattack(attack="pgd", snr_db=25, steps=40, limit=1)
def test_an_attacker_does_not_fool_it(speech, attack):
    assert_robust(attack(speech))
