"""What a reader does not see: marked, escaped, undone by the defence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceattack.errors import SpecError
from voiceattack.report.markdown_text import escape
from voiceattack.unicode_text import csv_cell, escape_json, is_invisible, normalise, shown, visible

HIDDEN = [
    "\u200b",
    "\u200d",
    "\u2060",
    "\u202e",
    "\u2066",
    "\x1b",
    "\b",
    "\x7f",
    "\u00a0",
    "\u3164",
    "\ufe0f",
    "\U000e0061",
    "\u2028",
]


@pytest.mark.parametrize("character", HIDDEN)
def test_what_is_hidden_is_marked_everywhere(character: str) -> None:
    text = f"tu{character}rn"
    assert visible(text) == f"tu⟨U+{ord(character):04X}⟩rn"
    for printed in (escape(text), csv_cell(text), escape_json(json.dumps(text, ensure_ascii=False))):
        assert not any(map(is_invisible, printed))
    assert json.loads(escape_json(json.dumps(text, ensure_ascii=False))) == text


def test_what_is_seen_is_left_alone() -> None:
    text = "Schalte das Licht im Büro aus — 明かり, один\tzwei\n"
    assert visible(text) == text and escape_json(text) == text


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_escaped_json_is_the_same_value(text: str) -> None:
    document = escape_json(json.dumps({"text": text}, ensure_ascii=False, indent=1))
    assert json.loads(document) == {"text": text}
    assert not any(is_invisible(character) for character in document)


def test_the_defence_undoes_each_kind_of_change() -> None:
    pytest.importorskip("confusable_homoglyphs", reason="needs the extra text")
    pytest.importorskip("bidi", reason="needs the extra text")
    clean = "Turn on the floor lamp, clock 1."
    for changed in (
        clean.replace("lamp", "la\u200bmp"),
        clean.replace("lamp", "l\u0430mp"),
        clean.replace("lamp", "l\u2066\u202ema\u202c\u2069p"),
        clean.replace("lamp", "lax\bmp"),
        clean.replace("floor", "\u017floor"),  # NFKC alone makes "sloor" of it
        clean.replace("clock", "\u03f2lock"),
        clean.replace("on", "\uff4f\uff4e"),
        clean.replace("the", "\U0001d42dhe"),
    ):
        assert changed != clean
        assert normalise(changed, "nfkc+confusables") == clean
    assert normalise("la\u200bmp", "nfkc") == "la\u200bmp"
    assert shown("abc\b\bd") == "ad"
    with pytest.raises(SpecError, match="unknown step 'nfd'"):
        normalise("x", "nfkc+nfd")


def test_terminal_shows_marks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from voiceattack.cli import main

    assert main(["speak", "x\u202ey.txt", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "⟨U+202E⟩" in told and "\u202e" not in told
