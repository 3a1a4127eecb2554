"""What is generated in docs/ is up to date and whole: navigation, lists, tables of the registries, links to the glossary."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from scripts_fixture import script
from speechlike import ROOT

from voiceattack.cli.list_ import REGISTRIES, Kind
from voiceattack.victims import VICTIMS

DOCS = ROOT / "docs"


@pytest.fixture
def pages() -> ModuleType:
    return script("docs_pages")


@pytest.fixture
def lists() -> ModuleType:
    return script("document_lists")


@pytest.fixture
def glossary() -> ModuleType:
    return script("link_glossary")


def paths(entries: list[Any]) -> list[str]:
    """All pages of a navigation."""
    found = []
    for entry in entries:
        for below in entry.values():
            found += [below] if isinstance(below, str) else paths(below)
    return found


def test_the_navigation_has_every_page_once_in_four_rooms(pages: ModuleType) -> None:
    navigation = pages.navigation()
    there = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
    assert sorted(paths(navigation)) == there
    assert [name for entry in navigation for name in entry] == [
        "Start", "Glossary", "Tutorial", "How to", "Reference", "Explanation",
    ]  # fmt: skip
    assert {Path(page).parts[0] for page in there if "/" in page} == set(pages.ROOMS)
    config: dict[str, Any] = {"nav": None}
    assert pages.on_config(config)["nav"] == navigation
    assert "scripts/docs_pages.py" in yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["hooks"]


def test_the_list_of_pages_is_the_one_of_the_folders(pages: ModuleType) -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    assert pages.with_part(text, "pages", pages.index()) == text, "run: make pages"
    for room in pages.ROOMS:
        for page in (DOCS / room).glob("*.md"):
            assert f"({page.relative_to(DOCS).as_posix()})" in pages.index()


def test_every_kind_of_name_is_on_one_page(lists: ModuleType) -> None:
    assert sorted(kind for kinds in lists.PAGES.values() for kind in kinds) == sorted(kind.value for kind in Kind)


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_a_table_has_all_that_is_registered(kind: str, lists: ModuleType) -> None:
    page = next(name for name, kinds in lists.PAGES.items() if kind in kinds)
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    assert lists.with_part(text, kind, lists.table(kind)) == text, "run: make pages"
    module, attribute = REGISTRIES[Kind(kind)]
    registry = getattr(__import__(module, fromlist=[attribute]), attribute)
    rows = [line for line in lists.table(kind).splitlines()[2:]]
    here = [entry for entry in registry.entries() if entry.outside is None or "plug-in" not in entry.outside.does]
    assert len(rows) == len(here) + len(registry.families())
    for entry in here:
        assert any(re.match(rf"\| \[?`{re.escape(entry.name)}[`:]", row) for row in rows), entry.name


def test_what_is_registered_anew_is_in_the_table(lists: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lists.table("victims")
    monkeypatch.setattr(VICTIMS, "_entries", dict(VICTIMS._entries))
    VICTIMS.add("parrot", "nowhere:load", "parrot:<file>, says A|B whatever is said", requires="birds")
    row = "| `parrot:<file>` | says A\\|B whatever is said | `birds` |  |"
    assert row in lists.table("victims").splitlines() and row not in before.splitlines()


GLOSSARY_WORDS = {
    *("victim", "artefact", "fooled", "held", "control", "head-room", "front-end", "stage", "recipe", "masking-excess", "eps"),
    *("eot", "targeted", "budget", "snr", "success", "white-box", "score", "decision", "shortfall", "gate", "baseline", "cell"),
}


def test_the_glossary_explains_each_word_in_a_sentence_or_two(glossary: ModuleType) -> None:
    text = glossary.GLOSSARY.read_text(encoding="utf-8")
    assert set(glossary.terms()) >= GLOSSARY_WORDS
    entries = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    for entry in entries:
        body = re.sub(r"<!--.*?-->|^#.*$", "", entry.partition("\n")[2], flags=re.MULTILINE).strip()
        sentences = re.findall(r"[.:]\s+[A-Z0-9]|\.$", body)
        assert body and 1 <= len(sentences) <= 4 and len(body) < 330, entry


def test_the_first_use_of_a_word_on_a_page_is_a_link_to_the_glossary(glossary: ModuleType) -> None:
    for page in glossary.pages():
        text = page.read_text(encoding="utf-8")
        assert glossary.linked(page, text) == text, f"{page.relative_to(ROOT)}: run: make pages"
        for target in re.findall(r"glossary\.md#([\w-]+)", text):
            assert target in glossary.terms()
    assert sum(page.read_text(encoding="utf-8").count("glossary.md#") for page in glossary.pages()) > 200


def test_first_uses_are_those_in_prose(glossary: ModuleType, tmp_path: Path) -> None:
    page = glossary.ROOT / "docs" / "reference" / "page.md"
    text = (
        "# The victim\n\n```\nvictim\n```\n\n    voiceattack victim\n\n"
        "`victim`, [victim](x.md), *The victim: a paper*, <!-- victim -->\n"
        "non-victim. Noise\ncontrols, then a victim and the victim; `held` is an outcome, held an ordinary word.\n"
    )
    linked = glossary.linked(page, text)
    assert linked.endswith(
        "non-victim. [Noise\ncontrols](../glossary.md#control), then a [victim](../glossary.md#victim) and the victim; "
        "[`held`](../glossary.md#held) is an outcome, held an ordinary word.\n"
    )
    assert linked.count("glossary.md") == 3 and glossary.linked(page, linked) == linked
    moved = linked.replace("# The victim\n", "# The victim\n\nA victim comes earlier.\n")
    assert glossary.linked(page, moved).count("glossary.md#victim") == 1
    assert "A [victim]" in glossary.linked(page, moved)


def test_a_phrase_in_which_a_word_means_something_else_is_no_use_of_it(glossary: ModuleType) -> None:
    page = glossary.ROOT / "docs" / "page.md"
    assert glossary.linked(page, "Keep it under version\ncontrol. Beside it a control.\n") == (
        "Keep it under version\ncontrol. Beside it a [control](glossary.md#control).\n"
    )
    for phrase in glossary.other_senses():
        assert glossary.linked(page, f"So: {phrase}.\n") == f"So: {phrase}.\n", phrase
        used = [other for other in glossary.pages() if re.search(glossary._pattern(phrase), other.read_text(encoding="utf-8"))]
        assert used, f"no page says {phrase!r}"


def test_the_readme_is_short_and_shows_the_report() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert "$ make demo" in text and "$ make test" in text and "](docs/report.png)" in text
    picture = (DOCS / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and 10_000 < len(picture) < 150_000
