"""Telling how far a work is, by a callback."""

from __future__ import annotations

from voiceattack.progress import each, showing


def test_each_tells_every_item_as_it_is_begun() -> None:
    told: list[tuple[int, int, str]] = []
    done: list[str] = []
    for item in each(["a", "b"], "drawing", str.upper, lambda *step: told.append(step)):
        assert len(told) == len(done) + 1
        done.append(item)
    assert done == ["a", "b"] and told == [(0, 2, "drawing 1 of 2: A"), (1, 2, "drawing 2 of 2: B")]


def test_what_is_reached_through_a_registry_tells_whoever_shows_it() -> None:
    told: list[str] = []

    def section() -> list[int]:
        return list(each(iter((5, 6)), "drawing", str, of=2))

    with showing(lambda done, of, label: told.append(label)):
        assert section() == [5, 6]
        with showing(None):
            assert section() == [5, 6]
    assert section() == [5, 6] and told == ["drawing 1 of 2: 5", "drawing 2 of 2: 6"]
