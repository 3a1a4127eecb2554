"""Every attack has a page that says what the issue of trust needs, and whose parameters are the attack's own."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
from speechlike import ROOT

from voiceattack.attacks import ATTACKS


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ATTACKS.names())
def test_an_attack_has_a_page_with_its_parameters_a_picture_and_its_limits(name: str) -> None:
    page = (ROOT / "docs" / "attacks" / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert re.search(r"\*\*(Papers?|Source)\.\*\*", page) and "**When not to trust it.**" in page
    assert script("document_attacks").parameters(name) in page, "run: python scripts/document_attacks.py"
    assert f"![Spectrograms]({name}.png)" in page and (ROOT / "docs" / "attacks" / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize("name", ATTACKS.names())
def test_every_parameter_says_what_it_is(name: str) -> None:
    for field, info in ATTACKS.get(name).Params.model_fields.items():
        assert info.description, f"{name}: {field} has no description"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
