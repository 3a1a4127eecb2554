"""One matrix of who is fooled by what was crafted on one victim, the same in Markdown and HTML."""

from __future__ import annotations

import html
import json
import re

import pytest
from speechlike import in_process, tones, write_clips

from voiceattack.audio import Batch
from voiceattack.evaluate import evaluate
from voiceattack.report import render
from voiceattack.runs import Run
from voiceattack.victims import Transcript, Victim, load_victim

CLIPS = 3


class Softened(Victim):
    """Another black box: ``tiny`` behind a slow ear, which hears a mean of neighbouring samples."""

    spec = "command:softened --file {audio}"

    def transcribe(self, batch: Batch) -> list[Transcript]:
        waveforms = batch.waveforms
        mean = (waveforms + waveforms.roll(1, dims=1)) / 2
        return load_victim("tiny", device="cpu").transcribe(batch.replace(mean))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("matrix")
    clips = write_clips(folder / "in", CLIPS)
    texts = [
        heard.text for heard in load_victim("tiny", device="cpu").transcribe(Batch.of([tones(index) for index in range(CLIPS)]))
    ]
    lines = [json.dumps({"audio_filepath": clip, "text": text}) for clip, text in zip(clips, texts, strict=True)]
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    options = ("--victim", "tiny", "--steps", "20", "--snr-db", "20", "--no-evaluate")
    done = in_process("attack", folder / "in.jsonl", *options, "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    run = Run.open(folder / "run")
    evaluate(run, [load_victim("tiny", device="cpu"), Softened()])
    render(run, ["md", "html"])
    return run


def test_both_reports_have_one_row_a_victim_with_the_same_figures(run: Run) -> None:
    rows = [row for row in run.results() if not row.is_control]
    markdown = (run.path / "report.md").read_text().split("## Transfer and deployments")[1].split("\n## ")[0]
    table = [line.split("|")[1:-1] for line in markdown.splitlines() if line.startswith("| `")]
    page = (run.path / "report.html").read_text()
    section = page[page.index('id="transfer"') :].split("</section>")[0]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.S) for line in re.findall(r"<tr>(.*?)</tr>", section, re.S)][1:]
    plain = [[html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in line] for line in cells]
    assert len(table) == len(plain) == 2
    for in_text, in_page, spec in zip(table, plain, ("tiny", Softened.spec), strict=True):
        assert spec in in_text[0] and spec in in_page[0]
        judged = [row for row in rows if row.victim == spec and row.outcome in ("fooled", "held")]
        assert f"of {len(judged)}" in in_text[1] and f"of {len(judged)}" in in_page[1]
        fooled = sum(row.outcome == "fooled" for row in judged)
        assert (float(in_text[1].split()[0]) * len(judged) == pytest.approx(fooled, abs=0.05)) or not judged
        assert in_text[2].strip() == in_page[2], "WER"
        assert in_text[3].split()[0] == in_page[3].split()[0], "noise fooled"
    assert "attacked" in table[0][0] and "attacked" in plain[0][0]
