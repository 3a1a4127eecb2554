"""Every Markdown file that is written says what names, transcripts and errors say, whatever is in them, and no more."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_reader import Page, read
from result_lines import changed
from speechlike import in_process, write_clips
from suite_fixture import run as run_suite
from suite_fixture import write_suite

from voiceattack.evaluate.corruption_table import corruption_table
from voiceattack.report import render
from voiceattack.report.joint import render_joint
from voiceattack.report.markdown_text import code, escape, link, table
from voiceattack.report.plots import draw_example
from voiceattack.report.sections.actions import actions
from voiceattack.report.sections.corruptions import markdown_table, write_corruptions
from voiceattack.report.sections.home import home_did
from voiceattack.report.text import render_text
from voiceattack.runs import Run
from voiceattack.runs.records import Result
from voiceattack.suite.markdown import to_markdown
from voiceattack.unicode_text import csv_cell, visible

PIECES = (
    "`",
    "``",
    "|",
    "\\",
    "\\|",
    "<b>",
    "<img src=x onerror=alert(1)>",
    "[a](http://b.example)",
    "![a](b)",
    "https://c.example",
)
MORE = ("www.d.example", "a@e.example", "*x*", "_y_", "~~z~~", "&lt;", "&#60;", "#", "- ", "1. ", "$m$", "\n", "\r\n| a |")
NASTY = "a`b|c\\|<b>[x](http://evil.example)</b> ``<i> | https://evil.example <img src=x> _u_ *s* \\"
hostile = st.lists(st.sampled_from((*PIECES, *MORE)) | st.text(max_size=6), max_size=8).map("".join)


def flat(text: str) -> str:
    return " ".join(visible(text).split())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(hostile, hostile, hostile), min_size=1, max_size=3))
def test_cells_hold_what_was_written(rows: list[tuple[str, str, str]]) -> None:
    page = read(table(("text", "code", "both"), [(escape(a), code(b), f"{escape(c)} {code(a)} (n)") for a, b, c in rows]))
    shown = [[" ".join(cell.split()) for cell in row] for row in page.cells[1:]]
    assert shown == [[flat(a), flat(b), " ".join(f"{flat(c)} {flat(a)} (n)".split())] for a, b, c in rows]
    assert not page.links and not page.html and not page.prose


@settings(max_examples=300, deadline=None)
@given(hostile, hostile, hostile)
def test_lines_hold_what_was_written(one: str, two: str, target: str) -> None:
    linked = link(f"to {two}", f"x{target}")
    page = read(f"# {escape(one)} x\n\n- {escape(two)}\n\nSee {code(one)}, {linked}.\n")
    wanted = (f"{flat(one)} x".strip(), flat(two), f"See {flat(one)}, {flat(f'to {two}')}.")
    assert [line for line in page.prose if line] == [line for line in wanted if line]
    assert not page.html and len(page.links) == 1 and ":" not in page.links[0] and not page.links[0].startswith("//")


def clean(page: Page, *allowed: str) -> Page:
    """No HTML, and no link but to files of the run and headings of the page."""
    assert not page.html, page.html
    assert all(target.startswith(("#", "plots/", "audio/", "clean/", *allowed)) for target in page.links), page.links
    return page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two clips through ``tiny``; then every name and text of the run's files is hostile, as somebody else's may be."""
    folder = tmp_path_factory.mktemp("markdown")
    clips = write_clips(folder / "in", 2)
    options = ("--victim", "tiny", "--attack", "noise", "--snr-db", "-5", "--stages", "5", "--no-report")
    done = in_process("attack", *clips, *options, "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    made = Run.open(folder / "run")
    hostile = dict.fromkeys(("victim", "attack", "hypothesis", "reference"), NASTY)
    rows = [{**row.as_json(), **hostile} for row in made.results()]
    for index, row in enumerate(rows):
        row.update(clean_hypothesis=NASTY, warnings=[NASTY], objective=NASTY)
        row.update({"outcome": "error", "error": NASTY} if index == len(rows) - 1 else {})
        row.update(reference_action=NASTY, clean_action=NASTY, action=NASTY + str(index), action_error=True, intent_error=True)
        row.update(slot_errors=1, slots=1, evidence={"answer": NASTY, "changes": []}, clean_evidence=None)
        row.update(critical_terms=1, critical_terms_missed=[NASTY])
    other = [{**row, "victim": "`other` <u>", "source_victim": NASTY} for row in rows]
    made.write_results(Result.model_validate(row) for row in [*rows, *other])
    summary = made.summary()
    for group in summary["groups"]:
        group.update(victim=NASTY, attack=NASTY, objective=NASTY, critical_terms=1, critical_term_error_rate=1.0)
        group.update(critical_term_ci95=[0.5, 1.0], critical_term_error_rate_clean=0.0)
    summary["warnings"] = [NASTY]
    made.write_summary(summary)
    info = json.loads((made.path / "run.json").read_text())
    info.update(platform=NASTY, git_commit=NASTY, created=NASTY, normalizer=NASTY)
    (made.path / "run.json").write_text(json.dumps(info))
    return Run.open(made.path)


def test_the_report_of_a_run(run: Run) -> None:
    (path,) = render(run, ["md"])
    page = clean(read(path.read_text(encoding="utf-8")))
    shown = [cell for row in page.cells for cell in row]
    assert shown.count(flat(NASTY)) > 10 and any(flat(NASTY) in line for line in page.prose)


def test_several_runs_in_one_report(run: Run, tmp_path: Path) -> None:
    page = clean(read(render_joint([run], tmp_path / "all.md").read_text(encoding="utf-8")), "..", "/")
    assert any(flat(NASTY) in row for row in page.cells)


def test_actions_and_homes_alone(run: Run) -> None:
    rows = [row for row in run.results() if not row.is_stage]
    for section in (actions(rows), home_did(rows)):
        page = clean(read(section))
        assert page.cells and any(flat(NASTY) in cell for row in page.cells for cell in row)


def test_a_report_of_texts(tmp_path: Path) -> None:
    done = in_process("text", NASTY, "--perturbation", "typos", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    made = Run.open(tmp_path / "run")
    made.write_results(row.model_copy(update={"victim": NASTY, "error": NASTY}) for row in made.text_results())
    page = clean(read(render_text(Run.open(tmp_path / "run"))))
    assert any(flat(NASTY) in cell for row in page.cells for cell in row)


def test_a_suite_and_its_step_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = tmp_path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    gates = ["success_rate <= 0"]
    suite = write_suite(tmp_path, name=NASTY, victims=[{"name": NASTY, "spec": "tiny"}], gates=gates)
    code_, _, told = run_suite(suite)
    assert code_ in (0, 1), told
    for path in (step, tmp_path / "out" / "report.md"):
        page = clean(read(path.read_text(encoding="utf-8")))
        assert any(flat(NASTY) in row for row in page.cells) and any(flat(NASTY) in line for line in page.prose)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    summary["clean"] = [{"kind": "no-speech", "id": NASTY, "victim": NASTY, "words": 1, "hypothesis": NASTY}]
    worst = {**dict.fromkeys(("id", "said", "heard_clean", "heard", "file"), NASTY), "snr_db": 1}
    summary["gates"][0].update(verdict="failed", worst=worst)
    assert any(row.count(flat(NASTY)) == 3 for row in clean(read(to_markdown(summary))).cells)
    sheet = list(csv.reader(io.StringIO((tmp_path / "out" / "results.csv").read_text())))
    assert len({len(line) for line in sheet}) == 1
    compared = in_process("compare", tmp_path / "out", tmp_path / "out", "-o", tmp_path / "c.md")
    assert compared.returncode == 0, compared.stderr
    assert any(flat(NASTY) in row[0] for row in clean(read((tmp_path / "c.md").read_text(encoding="utf-8"))).cells if row)


def test_corruptions_and_the_datasheet(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)
    asked = ("--victim", "tiny", "--names", "echo", "--severities", "1", "--out", tmp_path / "run")
    done = in_process("corruptions", *clip, *asked)
    assert done.returncode == 0, done.stderr
    made = Run.open(tmp_path / "run")
    made.write_results(changed(row, victim=NASTY, source_victim=NASTY) for row in made.results())
    lines = corruption_table(made.results())
    assert f"{flat(NASTY)}" in clean(read(markdown_table(lines))).prose
    write_corruptions(lines, [tmp_path / "table.csv"])
    assert next(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))["victim"] == csv_cell(NASTY)
    done = in_process("export", tmp_path / "run", "--format", "nemo", "--out", tmp_path / "set", "--license", NASTY)
    assert done.returncode == 0, done.stderr
    page = clean(read((tmp_path / "set" / "DATASHEET.md").read_text(encoding="utf-8")))
    assert any(flat(NASTY) in " ".join(line.split()) for line in page.prose)


def test_a_victim_named_twice_is_one(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 1)
    twice = ("--victim", "tiny", "--victim", "tiny")
    done = in_process("attack", *clips, *twice, "--attack", "noise", "--snr-db", "5", "--out", tmp_path / "run")
    assert done.returncode == 0 and "victim tiny is named 2 times and taken once" in done.stderr
    assert Run.open(tmp_path / "run").request["victim"] == "tiny"
    done = in_process("evaluate", tmp_path / "run", *twice)
    assert done.returncode == 0 and "taken once" in done.stderr
    rows = Run.open(tmp_path / "run").results()
    assert len({(row.id, row.victim) for row in rows}) == len(rows)


def test_no_sheet_holds_a_formula(tmp_path: Path) -> None:
    formula = "=cmd|' /C calc'!A0"
    clip = Path(write_clips(tmp_path, 1)[0])
    (tmp_path / "m.jsonl").write_text(json.dumps({"audio_filepath": clip.name, "text": formula}))
    done = in_process("transcribe", tmp_path / "m.jsonl", "--victim", "tiny", "-o", tmp_path / "heard.csv")
    assert done.returncode == 0, done.stderr
    assert next(csv.DictReader(io.StringIO((tmp_path / "heard.csv").read_text())))["reference"] == f"'{formula}"
    for begin in ("=", "+", "-", "@", "\uff1d"):
        assert str(csv_cell(f"{begin}1")).startswith("'")
    assert csv_cell(-1.5) == -1.5 and csv_cell(None) == "" and csv_cell({"a": "\u200b"}) == '{"a": "\\u200b"}'


def test_dollars_in_a_picture_stay_dollars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    whole = matplotlib.figure.Figure.suptitle

    def kept(self: Any, *args: Any, **options: Any) -> Any:
        drawn.append(whole(self, *args, **options))
        return drawn[-1]

    monkeypatch.setattr(matplotlib.figure.Figure, "suptitle", kept)
    first, second = (Path(path) for path in write_clips(tmp_path, 2))
    draw_example(first, second, "costs $5 and $x^{2$", tmp_path / "a.png")
    assert [(text.get_text(), text.get_parse_math()) for text in drawn] == [("costs $5 and $x^{2$", False)]
    assert os.path.getsize(tmp_path / "a.png") > 1000
