"""Options of victims' specs: declared once, with the victim; listed, and refused where they are not declared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from speechlike import in_process

from voiceattack.errors import SpecError
from voiceattack.registry import Option
from voiceattack.suite.fingerprint import fingerprint
from voiceattack.victims import VICTIMS, load_victim
from voiceattack.victims.hf import FAMILIES
from voiceattack.victims.options import SECRETS, refuse_unknown, take_choice, take_number, take_whole


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A victim registered from outside, with two options, one of them a file."""
    (tmp_path / "opted_engine.py").write_text(
        "from voiceattack.victims.options import take_number\nfrom voiceattack.victims.ctc.tiny import load as tiny\n\n"
        "def load(rest, options, device):\n"
        "    victim = tiny('', {}, device)\n"
        "    victim.gain = take_number('opted-engine', dict(options), 'gain', 1, 0, 9)\n"
        "    return victim\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(VICTIMS, "_entries", dict(VICTIMS._entries))
    known = [Option("gain", "0 to 9"), Option("words", "file of words", file=True)]
    VICTIMS.add("opted-engine", "opted_engine:load", "an engine with options", options=known)
    yield tmp_path


def test_an_option_declared_with_its_victim_is_found_everywhere(outside: Path) -> None:
    told = in_process("list", "victims").stdout
    assert "options: gain, words" in told[told.index("opted-engine") :].split("\n", 2)[1]
    victim = load_victim("opted-engine?gain=3", "cpu")
    assert victim.gain == 3 and victim.spec == "opted-engine?gain=3"  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match="opted-engine: unknown option 'gian'; known: gain, words"):
        load_victim("opted-engine?gian=3", "cpu")
    with pytest.raises(SpecError, match="opted-engine: option gain '10': must be from 0 to 9"):
        load_victim("opted-engine?gain=10", "cpu")
    words = outside / "words.txt"
    words.write_text("on")
    spec = f"opted-engine?words={words}"
    before = fingerprint(spec)
    words.write_text("off, and more")
    assert fingerprint(spec) != before, "a file that an option names counts with its content"


@pytest.mark.parametrize("name", [entry.name for entry in VICTIMS.entries() if entry.options is not None])
def test_every_victim_refuses_what_it_does_not_declare(name: str) -> None:
    """Before anything is loaded: the folders and servers here are none."""
    with pytest.raises(SpecError, match="unknown option 'no_such'; known: "):
        load_victim(f"{name}:none?no_such=1" if name != "ensemble" else "ensemble:tiny?no_such=1|tiny", "cpu")


def test_victims_that_decide_themselves_are_not_kept_from_their_options() -> None:
    assert [entry.name for entry in VICTIMS.entries() if entry.options is None] == ["python"]


def test_the_families_of_hugging_face_take_what_is_declared() -> None:
    declared = {option.name for option in VICTIMS.entry("hf").options or ()}
    assert set().union(*(known for _, known in FAMILIES.values())) == declared


def test_secrets_are_no_options_and_are_not_repeated() -> None:
    for name in SECRETS:
        with pytest.raises(SpecError, match=f"the {name} is no option") as caught:
            refuse_unknown("openai+https", {name: "hush"}, [Option("model", "its name")])
        assert "hush" not in str(caught.value)
    with pytest.raises(SpecError) as caught:
        load_victim("openai+https://me:hush@host/v1?model=m&speed=2", "cpu")
    assert "hush" not in str(caught.value)


def test_values_are_taken_out_and_checked() -> None:
    given = {"rate": "2.5", "beams": "4", "vad": "on", "left": "x"}
    assert take_number("v", given, "rate", 1, 0, 3) == 2.5 and take_whole("v", given, "beams", 1, 1, 9) == 4
    assert take_choice("v", given, "vad", "off", ("on", "off")) == "on" and given == {"left": "x"}
    assert take_number("v", given, "rate", 1, 0, 3) == 1 and take_choice("v", given, "vad", "off", ("on", "off")) == "off"
    for text, says in (("nan", "must be from"), ("x", "must be a number"), ("2.5", "whole"), ("0", "must be from 1 to 9")):
        with pytest.raises(SpecError, match=says):
            take_whole("v", {"beams": text}, "beams", 1, 1, 9)
    with pytest.raises(SpecError, match="v: vad='yes' is none of on, off"):
        take_choice("v", {"vad": "yes"}, "vad", "off", ("on", "off"))
