"""Every attack has a page with its own parameters; every command and link of every page is one that there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from scripts_fixture import script
from speechlike import ROOT

from voiceattack.attacks import ATTACKS, build_attack
from voiceattack.cli import app
from voiceattack.cli.console import parse_params
from voiceattack.objectives import Objective
from voiceattack.text import PERTURBATIONS
from voiceattack.victims import VICTIMS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", ATTACKS.names())
def test_an_attack_has_a_page_with_its_parameters_a_picture_and_its_limits(name: str) -> None:
    page = (ROOT / "docs" / "reference" / "attacks" / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert re.search(r"\*\*(Papers?|Source)\.\*\*", page) and "**When not to trust it.**" in page
    assert script("document_attacks").parameters(name) in page, "run: python scripts/document_attacks.py"
    assert (
        f"![Spectrograms]({name}.png)" in page and (ROOT / "docs" / "reference" / "attacks" / f"{name}.png").stat().st_size > 5000
    )


@pytest.mark.parametrize("name", ATTACKS.names())
def test_every_parameter_says_what_it_is(name: str) -> None:
    for field, info in ATTACKS.get(name).Params.model_fields.items():
        assert info.description, f"{name}: {field} has no description"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8")):
            target = page.parent / link if link else page
            assert target.exists(), f"{page.name}: {link}"
            if anchor and target.suffix == ".md":
                assert anchor in script("link_glossary").anchors(target.read_text(encoding="utf-8")), (
                    f"{page.name}: {link}#{anchor}"
                )


def commands(page: Path) -> list[tuple[str, bool]]:
    """What a page tells its reader to type, and whether it is whole: lines of console blocks, commands within its text."""
    text = page.read_text(encoding="utf-8")
    found: list[tuple[str, bool]] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        found += [(line, True) for line in re.findall(r"^\$ (.*)$", block.replace("\\\n", " "), re.MULTILINE)]
    indented = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ")
    found += [(line, True) for line in re.findall(r"^ {4,}(voiceattack .*)$", indented, re.MULTILINE)]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`([^`\n]+)`", prose):
        span = span.replace("\\|", "|")
        if span.startswith("voiceattack ") and not re.search(r"\.\.\.|\w\|\w", span):
            found.append((span, False))
        elif span.startswith("--attack "):
            found.append((f"voiceattack attack INPUT {span}", True))
    parts = [(part.strip(), whole) for line, whole in found for part in line.split("&&")]
    return [(part, whole) for part, whole in parts if part.startswith("voiceattack ")]


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """The subcommand and its parameters as the real command line parses them.

    Raises:
        ValueError: no such command, option or choice.
    """
    group: Any = typer.main.get_command(app)
    name, *arguments = shlex.split(line, comments=True)[1:]
    if name in {option for param in group.params for option in param.opts}:
        return name, {}
    if name not in group.commands:
        raise ValueError(f"no command {name!r}")
    try:
        return name, group.commands[name].make_context(name, arguments).params
    except Exception as error:
        if not hasattr(error, "format_message"):  # what click raises for its user
            raise
        raise ValueError(error.format_message()) from error


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_on_a_page_parses(page: Path) -> None:
    for line, whole in commands(page):
        try:
            name, given = parsed(line)
        except ValueError as error:
            if not whole and re.match(r"Missing |.* requires an argument", str(error)):  # a command or an option is named
                continue
            raise AssertionError(f"{page.name}: {line}: {error}") from error
        victims = given.get("victim") or []
        for spec in [victims] if isinstance(victims, str) else victims:
            if spec.isupper():  # SPEC stands for one
                continue
            VICTIMS.get(re.split(r"[:?]", spec, maxsplit=1)[0])
        if name == "attack":
            params = parse_params(given["param"])
            short = {key: given[key] for key in ("steps", "confidence", "severity") if given[key] is not None}
            build_attack(given["attack_name"], **params, **short)
            target = given["target"]
            if given["objective"] is not None and not given["objective"].startswith("action:"):
                Objective(given["objective"], target)
        for perturbation in given.get("perturbation") or []:
            PERTURBATIONS.get(perturbation)


def test_commands_are_found_and_wrong_ones_are_not_parsed(tmp_path: Path) -> None:
    assert sum(len(commands(page)) for page in PAGES) > 60
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ voiceattack atack x\n$ voiceattack attack x \\\n  --snr 3   # so\n$ ls\n```\n`voiceattack run a --nope`\n"
    )
    lines = commands(page)
    assert len(lines) == 3
    for line, _ in lines:
        with pytest.raises(ValueError):
            parsed(line)
