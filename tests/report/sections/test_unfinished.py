"""A report of an evaluation that was cut says so before it gives a figure."""

from __future__ import annotations

from pathlib import Path

from speechlike import in_process, write_clips

from voiceattack.report import render
from voiceattack.runs import Run


def test_what_was_not_heard_stands_on_top(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 2)
    out = tmp_path / "run"
    done = in_process("attack", *clips, "--victim", "tiny", "--steps", "1", "--no-report", "--out", out)
    assert done.returncode in (0, 1), done.stderr
    run = Run.open(out)
    for path in render(run, ["md", "html"]):
        assert "has not come to its end" not in path.read_text(encoding="utf-8")
    lines = (out / "results.jsonl").read_text().splitlines()
    (out / "results.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    text, page = (path.read_text(encoding="utf-8") for path in render(Run.open(out), ["md", "html"]))
    told = f"has heard {len(lines) - 1} of {len(lines)} files"
    assert told in text and told in page
    assert text.index(told) < text.index("\n## ") and page.index(told) < page.index("<h1")
    assert f"voiceattack evaluate {out} --victim tiny" in text and f"voiceattack evaluate {out} --victim tiny" in page
