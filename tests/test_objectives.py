"""Success is defined on normalised transcripts, by hand-made cases."""

from __future__ import annotations

import pytest

from voiceattack.errors import SpecError
from voiceattack.objectives import Objective


def test_targeted_is_exact_after_normalisation() -> None:
    objective = Objective("targeted", "unlock the front door")
    assert objective.succeeded("Turn on the lamp.", " Unlock the front door.")
    assert not objective.succeeded("Turn on the lamp.", "Unlock the front doors.")


def test_untargeted_counts_words_against_the_clean_hypothesis() -> None:
    objective = Objective(wer_threshold=0.5)
    assert not objective.succeeded("turn on the lamp", "Turn on the lump.")  # 1 of 4 words
    assert objective.succeeded("turn on the lamp", "Turn off the lump.")  # 2 of 4
    assert objective.succeeded("", "hello") and not objective.succeeded("", "...")


def test_mute_means_nothing_is_left_after_normalisation() -> None:
    assert Objective("mute").succeeded("turn on the lamp", " . ")
    assert not Objective("mute").succeeded("turn on the lamp", "you")


def test_nearness_grows_toward_success() -> None:
    targeted = Objective("targeted", "unlock the front door")
    assert (
        targeted.nearness("x", "unlock the front door")
        > targeted.nearness("x", "unlock the door")
        > targeted.nearness("x", "hello")
    )
    mute = Objective("mute")
    assert mute.nearness("x", ".") > mute.nearness("x", "hello") > mute.nearness("x", "hello there")


@pytest.mark.parametrize(
    "arguments", [("targeted", None), ("targeted", "..."), ("untargeted", "hello"), ("louder", None), ("untargeted", None, 0.0)]
)
def test_what_does_not_fit_together_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(SpecError):
        Objective(*arguments)  # type: ignore[arg-type]
