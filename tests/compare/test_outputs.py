"""What ``voiceattack compare`` writes: HTML, JUnit, Markdown and JSON by a file's name, of one run or several; the CI summary."""

from __future__ import annotations

import json
from pathlib import Path

import junitparser
import pytest
import xmlschema
from browser import chromium
from compared import clean, entry, side
from page_check import check_page
from speechlike import ROOT, in_process

from voiceattack.compare.baseline import write_baseline
from voiceattack.compare.judged import Judged, judge
from voiceattack.compare.outputs import FORMATS, write_outputs
from voiceattack.compare.rules import rules_of

HOSTILE = "<img src=x onerror=alert(1)>\u202e|`" + "long" * 30


def judged(name: str = "run", *rules: str) -> Judged:
    """Four of eight are newly fooled, one of two clean clips is newly misheard, one vanished, and what was heard is hostile."""
    before = [*(entry(f"e{n}", False) for n in range(8)), clean("a"), clean("b"), clean("gone")]
    after = [*(entry(f"e{n}", n < 4, 4 * (n < 4), heard=HOSTILE) for n in range(8)), clean("a"), clean("b", 2, heard=HOSTILE)]
    return judge(side(before, "baseline.json"), side([*after, entry("new", True)], name), rules_of(rules))


@pytest.mark.parametrize("name", ["c.html", "c.md", "c.xml", "c.json"])
def test_each_format_says_what_is_broken_and_why(name: str, tmp_path: Path) -> None:
    write_outputs([judged()], [tmp_path / name])
    text = (tmp_path / name).read_text()
    assert all(words in text for words in ("1 of 2 newly misheard", "1 of 3 vanished", "e3"))
    assert ("success_rate" in text and "<img" not in text.replace("\\<img", "")) or name in ("c.json",)
    assert ("\u202e" in text) == (name == "c.json" and False)


def test_junit_is_valid_and_a_broken_rule_is_a_failure_that_names_its_clips(tmp_path: Path) -> None:
    file = tmp_path / "c.xml"
    write_outputs([judged(), judged("other", "newly_misheard > 1", "vanished > 1", "wer_clean +1")], [file])
    xmlschema.validate(str(file), str(ROOT / "tests" / "junit.xsd"))
    worse, other = junitparser.JUnitXml.fromfile(str(file))
    assert (worse.name, worse.failures, other.failures) == ("run against baseline.json", 4, 0)
    failed = {case.name: case.result[0] for case in worse if case.result and isinstance(case.result[0], junitparser.Failure)}
    assert set(failed) == {
        *("success_rate: pgd on v", "wer: pgd on v", "newly_misheard: clean on v", "vanished: clean on v"),
    }
    assert "newly misheard: b (clean on v): clean 'Go' -> clean" in (failed["newly_misheard: clean on v"].text or "")
    (few,) = [case for case in worse if case.name == "wer_clean: clean on v"]
    assert "2 pairs cannot show a difference" in few.result[0].message


def test_a_figure_of_too_few_pairs_is_skipped_in_junit(tmp_path: Path) -> None:
    few = judge(side([entry("a", False)]), side([entry("a", False)]), rules_of(()))
    write_outputs([few], [tmp_path / "c.xml"])
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "c.xml"))
    (case,) = [case for case in suite if case.name == "success_rate: pgd on v"]
    assert "1 pair cannot show a difference" in case.result[0].message and suite.failures == 0


@pytest.mark.parametrize("runs", [1, 2])
def test_the_page_in_a_browser(runs: int, tmp_path: Path) -> None:
    page_file = tmp_path / "c.html"
    write_outputs([judged(f"run-{HOSTILE}-{place}") for place in range(runs)], [page_file])
    with chromium() as page:
        check_page(page, page_file)
        expected = "Worse: 4 rules broken" if runs == 1 else "2 of 2 runs are worse"
        assert page.find_element("tag name", "h1").text == expected
        assert len(page.find_elements("css selector", ".rules li")) == 4 * runs
        kinds = [one.text for one in page.find_elements("css selector", ".changed .pill")]
        assert [kinds.count(kind) for kind in ("newly fooled", "newly misheard", "vanished")] == [4 * runs, runs, runs]
        assert len(page.find_elements("css selector", "#side")) == runs - 1


def test_several_runs_against_one_baseline_and_the_summary_that_ci_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    for name, fooled in (("base", 0), ("same", 0), ("worse", 8)):
        write_baseline(tmp_path / f"{name}.json", side([entry(f"e{n}", n < fooled, 4 * (n < fooled)) for n in range(8)]))
    base, same, worse = (tmp_path / f"{name}.json" for name in ("base", "same", "worse"))
    done = in_process("compare", base, same, worse, *(part for suffix in FORMATS for part in ("-o", tmp_path / f"out{suffix}")))
    assert done.returncode == 1 and f"{same}: no difference\n" in done.stdout and f"{worse}: 2 rules broken\n" in done.stdout
    runs = json.loads((tmp_path / "out.json").read_text())["runs"]
    assert [(Path(one["run"]).name, len(one["broken"])) for one in runs] == [("same.json", 0), ("worse.json", 2)]
    step = (tmp_path / "step.md").read_text()
    assert step == (tmp_path / "out.md").read_text() + "\n" and "0.000 (+0.000) | 1.000 (+1.000) |" in step.replace("\\", "")
    alone = in_process("compare", base, same, "--quiet")
    assert (alone.returncode, alone.stdout) == (0, "") and "no difference" in (tmp_path / "step.md").read_text()[len(step) :]
