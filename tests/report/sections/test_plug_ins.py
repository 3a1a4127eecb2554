"""A section of an installed plug-in may be anybody's code: it costs itself, and the rest of the report stands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from speechlike import in_process, write_clips

from voiceattack.report import render
from voiceattack.report.sections import SECTIONS
from voiceattack.runs import Run

MODULE = """
from voiceattack.report.sections.base import Section


def boom(material):
    raise KeyError("<boom>")


RAISES = Section(boom, boom)
NOTHING = Section(lambda material: None, lambda material: None)
NUMBER = Section(lambda material: 5, lambda material: 5)
RAW = Section(lambda material: "\\n## Mine\\n", lambda material: "<b>raw</b>")
NO_SECTION = len
"""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sections")
    (clip,) = write_clips(folder / "in", 1)
    done = in_process("attack", clip, "--victim", "tiny", "--steps", "1", "--no-report", "--out", folder / "run")
    assert done.returncode in (0, 1), done.stderr
    return folder / "run"


@pytest.mark.parametrize(
    ("attribute", "in_text", "in_page"),
    [
        ("RAISES", "failed: KeyError", "failed: KeyError: &#39;&lt;boom&gt;&#39;"),
        ("NOTHING", "", ""),
        ("NUMBER", "\n5\n", "\n5\n"),
        ("RAW", "\n## Mine\n", "&lt;b&gt;raw&lt;/b&gt;"),
        ("NO_SECTION", "expected a Section", "expected a Section"),
        ("MISSING", "failed: AttributeError", "failed: AttributeError"),
    ],
    ids=["raises", "nothing", "number", "raw", "no-section", "missing"],
)
def test_it_costs_itself(
    attribute: str, in_text: str, in_page: str, attacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.open(shutil.copytree(attacked, tmp_path / "run"))
    render(run, ["md", "html"])
    before = {name: (run.path / f"report.{name}").read_text(encoding="utf-8") for name in ("md", "html")}
    (tmp_path / "outside_sections.py").write_text(MODULE, encoding="utf-8")
    info = tmp_path / "outside_sections-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-sections\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[voiceattack.sections]\nmine = outside_sections:{attribute}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "outside_sections", raising=False)
    monkeypatch.setattr(SECTIONS, "_entries", dict(SECTIONS._entries))
    monkeypatch.setattr(SECTIONS, "_plugins_loaded", False)
    render(run, ["md", "html"])
    text, page = ((run.path / f"report.{name}").read_text(encoding="utf-8") for name in ("md", "html"))
    assert in_text in text and in_page in page
    assert (text == before["md"] and page == before["html"]) is not bool(in_text)
    assert "\n## Examples" in text and 'id="examples"' in page, "the rest stands"
