"""Texts stay what they are on the disk, byte for byte; nothing invisible reaches a terminal, a report or JUnit unmarked."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from result_lines import changed
from speechlike import in_process, voiceattack, write_clips

from voiceattack.audio import clips as audio
from voiceattack.cli.console import progress
from voiceattack.report import render
from voiceattack.report.console import summary_table, text_table
from voiceattack.report.html.text import pieces
from voiceattack.report.markdown_text import code
from voiceattack.runs import Run
from voiceattack.runs.records import TextResult
from voiceattack.suite.junit import to_junit
from voiceattack.text.corpus import read_texts
from voiceattack.text.edits import Edit, apply
from voiceattack.text.runs import TextExample, TextRun
from voiceattack.unicode_text import escape_json, is_invisible, visible

HIDDEN = "a\u200bb\u202ec\u2066d\u2069\x1b[31me\u00a0f\u2028g\U000e0061h\x7fi\bj\u3164k<script>&\"'"
"""An invisible character of each kind, a terminal's escape, and HTML."""


def nothing_hidden(text: str) -> bool:
    return not any(is_invisible(character) for character in text)


def example(text: str, old: str, new: str) -> TextExample:
    start = text.index(old)
    edit = Edit(start, start + len(old), old, new)
    facts: dict[str, Any] = dict.fromkeys(("expected", "source_victim", "search", "target"))
    return TextExample(
        **facts,
        id=f"x-{abs(hash((text, new)))}",
        source=f"{text}.txt",
        text=text,
        text_sha256="0" * 64,
        perturbed=apply(text, [edit]),
        edits=[edit.as_dict()],
        sizes={"edit_distance": 1, "words_touched": 1, "words_share": 0.5},
        perturbation="zero-width",
        objective="any",
        queries=1,
        seconds=0.1,
        seed=1,
        recipe={"note": text},
        warnings=[text],
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(), min_size=1), st.text(alphabet=st.characters(), min_size=1))
def test_every_text_round_trips_through_jsonl_byte_for_byte(tmp_path: Path, text: str, new: str) -> None:
    if text == new:
        return
    made = example(text, text, new)
    run = TextRun.create(tmp_path / f"r{abs(hash((text, new)))}", {"perturbations": {}})
    run.append_text(made)
    (back,) = TextRun.open(run.path).texts()
    data = (run.path / "texts.jsonl").read_bytes()
    (run.path / "texts.jsonl").unlink()
    assert back == made and back.undone() == text
    run.append_text(back)
    assert (run.path / "texts.jsonl").read_bytes() == data and nothing_hidden(data.decode("utf-8"))
    manifest = tmp_path / "again.jsonl"
    manifest.write_bytes(escape_json(json.dumps({"text": text}, ensure_ascii=False)).encode() + b"\n")
    (item,) = read_texts([str(manifest)])
    assert item.text == text


def test_what_a_command_writes_is_read_back_and_written_the_same(tmp_path: Path) -> None:
    manifest = tmp_path / "texts.jsonl"
    manifest.write_text(escape_json(json.dumps({"text": f"Turn {HIDDEN} on"}, ensure_ascii=False)) + "\n", encoding="utf-8")
    out = tmp_path / "run"
    done = in_process("text", manifest, "--perturbation", "zero-width", "--out", out)
    assert done.returncode == 0, done.stderr
    before = (out / "texts.jsonl").read_bytes()
    run = TextRun.open(out)
    (made,) = run.texts()
    assert made.text == f"Turn {HIDDEN} on" and made.undone() == made.text
    (out / "texts.jsonl").unlink()
    run.append_text(made)
    assert (out / "texts.jsonl").read_bytes() == before
    results = (out / "results.jsonl").read_bytes()
    run.write_results(run.text_results())
    assert (out / "results.jsonl").read_bytes() == results


def evaluated(tmp_path: Path) -> TextRun:
    """A run in which every text, answer and message hides something."""
    asked = {"perturbations": {"zero-width": {}}, "victim": HIDDEN, "objective": "action", "target": HIDDEN}
    run = TextRun.create(
        tmp_path / "run", {**asked, "speak": None, "language": "en", "seed": 0, "search": "greedy", "limits": {}}
    )
    made = example(f"Turn {HIDDEN} on", "Turn", "Tu\u200brn")
    run.append_text(made)
    sizes = dict.fromkeys(("semantic_similarity", "visual_similarity", "phonetic_distance"), 0.5) | made.sizes
    answers = dict.fromkeys(("victim", "clean_answer", "answer", "clean_heard", "heard", "error"), HIDDEN)
    row = {**made.model_dump(exclude={"sizes"}), **sizes, **answers, "success": True, "effect": "voided", "outcome": "fooled"}
    run.write_results([TextResult.model_validate(row)])
    group = {f"{name}_median": 1.0 for name in (*sizes, "words_share")} | {
        "victim": HIDDEN,
        "source_victim": HIDDEN,
        "perturbation": HIDDEN,
    }
    names = ("n", "n_scored", "n_fooled", "n_flipped", "n_voided", "n_no_effect", "n_clean_wrong", "n_error")
    counts = dict.fromkeys((*names, "queries_total", "seconds_total"), 1)
    rate = {"success_rate": 1.0, "success_ci95": (0.2, 1.0), "objective": "any"}
    run.write_summary({"run_id": run.id, "kind": "text", "groups": [{**group, **counts, **rate}], "warnings": [HIDDEN]})
    return run


def test_no_report_of_texts_hides_anything(tmp_path: Path) -> None:
    run = evaluated(tmp_path)
    for path in render(run, ["md", "html", "json", "csv"]):
        shown = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        assert nothing_hidden(shown), path
        if path.suffix in (".md", ".html", ".csv"):
            assert "⟨U+200B⟩" in shown and "⟨U+00A0⟩" in shown and "⟨U+2028⟩" in shown, path
        if path.suffix == ".md":
            assert "<script>" not in re.sub("`[^`]*`", "", shown), "escaped, or a code span"
    html = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<del><bdi>Turn</bdi></del><ins><bdi>Tu⟨U+200B⟩rn</bdi></ins>" in html
    assert "default-src 'none'; script-src 'sha256-" in html and html.count("<script") == 1, "the page's own, by its digest"
    assert json.loads((run.path / "report.json").read_text(encoding="utf-8"))["results"][0]["heard"] == HIDDEN
    alone = tmp_path / "elsewhere" / "page.html"
    done = in_process("report", run.path, "--format", "html", "-o", alone)
    assert done.returncode == 0 and alone.read_text(encoding="utf-8") == html


def test_a_code_span_cannot_be_left() -> None:
    assert code("a`b|c\u200b <i>\n") == "``a`b|c⟨U+200B⟩ <i>``"


def test_pieces_are_the_changed_text_and_the_clean_one() -> None:
    text = "Turn on the lamp"
    edits = [Edit(8, 8, "", "um, "), Edit(12, 16, "lamp", "ramp")]
    found = pieces(text, [edit.as_dict() for edit in reversed(edits)])
    assert "".join(part for kind, part in found if kind != "new") == text
    assert "".join(part for kind, part in found if kind != "old") == apply(text, edits)


def test_tables_and_messages_of_the_terminal_are_marked(tmp_path: Path) -> None:
    from rich.console import Console

    group = evaluated(tmp_path).summary()["groups"][0]
    sound = {**group, "attack": HIDDEN, "is_control": False, "wer_clean": 0.0, "wer": 1.0, "wer_ci95": None, "snr_db_median": 1.0}
    for table in (text_table({"groups": [group]}), summary_table({"groups": [{**sound, "pesq_median": 1.0}]})):
        out = io.StringIO()
        Console(file=out, width=300, highlight=False).print(table)
        assert nothing_hidden(out.getvalue()) and "⟨U+200B⟩" in out.getvalue() and "⟨U+001B⟩[31m" in out.getvalue()
    done = in_process("text", "x\u202ey\x1b[2J.txt", "--perturbation", "typos", "--out", tmp_path / "z")
    assert done.returncode == 2 and nothing_hidden(done.stderr + done.stdout) and "⟨U+202E⟩" in done.stderr
    listed = in_process("text", f"Turn {HIDDEN} on", "--perturbation", "zero-width", "--out", tmp_path / "y", "--dry-run")
    assert listed.returncode == 0 and nothing_hidden(listed.stdout + listed.stderr)


def test_the_progress_bar_marks_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with progress("asking", quiet=False) as tell:
        assert tell is not None
        tell(1, 2, "Tu\u200brn\u202e on")
    assert "⟨U+200B⟩" in screen.getvalue() and not {"\u200b", "\u202e"} & set(screen.getvalue())


def test_junit_and_the_sound_report_are_marked(tmp_path: Path) -> None:
    words = "tu\u200brn\u202e"
    facts = {"gates": [], "clean": [], "unusable": [{"input": words, "error": f"{words}\x1b"}], "seeds": [1], "verdict": "passed"}
    example_row = {
        **dict.fromkeys(("reference", "clean_hypothesis", "hypothesis", "id", "victim", "attack", "file"), words),
        **{"outcome": "held", "snr_db": 1.0, "wer_clean": 0.0, "wer": 0.0, "seed": 1, "tags": [words], "error": None},
    }
    counts = {"seconds": 1.0, "crafted": 1}
    made = {"versions": {"voiceattack": "0"}, "platform": words}
    xml = to_junit({**facts, "suite": words, "examples": [example_row], "counts": counts, "made_with": made})
    assert nothing_hidden(xml) and "tu⟨U+200B⟩rn⟨U+202E⟩" in xml

    clips = write_clips(tmp_path / "clips", 1)
    out = tmp_path / "run"
    assert in_process("attack", *clips, "--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--out", out).returncode == 0
    run = Run.open(out)
    run.write_results(changed(row, hypothesis=words, reference=words, clean_hypothesis=words) for row in run.results())
    pages = render(run, ["html", "md", "csv", "json"])
    for path in [*pages, *(out / "report_files").iterdir()]:
        shown = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        assert nothing_hidden(shown), path
    (script,) = (out / "report_files").iterdir()
    data = json.loads(script.read_text().removeprefix("voiceattackExample(").removesuffix(");\n"))
    assert data["reference"] == visible(words), "what a script sets as text is marked before it gets there"


def test_a_spoken_manifest_keeps_the_text(tmp_path: Path) -> None:
    script = tmp_path / "say.py"
    script.write_text(
        "import sys, wave\nwith wave.open(sys.argv[1], 'wb') as f:\n"
        " f.setparams((1, 2, 16000, 0, 'NONE', ''))\n f.writeframes(b'\\x00\\x10\\x00\\xf0' * 4000)\n"
    )
    text = "tu\u200brn\u202e on"
    done = voiceattack("speak", text, "--speaker", f"command:{sys.executable} {script} {{out}}", "--out", tmp_path / "out")
    assert done.returncode == 0 and nothing_hidden(done.stdout + done.stderr), done.stderr
    data = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    row = json.loads(data)
    assert row["text"] == text and nothing_hidden(data.decode()) and len(audio.load(tmp_path / "out" / row["audio_filepath"]))
