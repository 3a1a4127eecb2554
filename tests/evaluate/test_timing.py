"""Time as a figure: what has a time, what has none and why, and that nothing else depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from killing import read
from result_lines import result
from speechlike import in_process, write_clips

from voiceattack.audio import Batch
from voiceattack.evaluate import evaluate
from voiceattack.evaluate.timing import CACHED, TOGETHER, WARM_UP, Stopwatch, of_pair, summarize_time
from voiceattack.report import render
from voiceattack.runs import Run
from voiceattack.runs.timing import timing_of
from voiceattack.victims import Transcript, Victim, load_victim
from voiceattack.victims.wrappers.cache import remembering


class Writer(Victim):
    """Writes a token for each tenth of a second."""

    spec = "writer"

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript("word", {"tokens": len(clip) // 1600}) for clip in batch.clips()]


def clip(tenths: int) -> Batch:
    return Batch.of([torch.full((1600 * tenths,), 0.25)])


def test_the_first_hearing_an_answer_kept_and_clips_heard_together_have_no_time(tmp_path: Path) -> None:
    watch = Stopwatch(remembering(Writer(), tmp_path))
    (first,), (second,), (again,) = watch.hear(clip(1)), watch.hear(clip(20)), watch.hear(clip(20))
    assert (first.seconds, first.note, first.rtf) == (None, WARM_UP, None)
    assert second.seconds is not None and second.rtf == second.seconds / 2.0 and second.note is None
    assert (again.seconds, again.note, again.said.tokens) == (None, CACHED, 20), "tokens are kept with the answer"
    assert {one.note for one in watch.hear(Batch.of([torch.zeros(1600), torch.ones(1600)]))} == {TOGETHER}
    # An answer out of the cache does not warm a victim up.
    cold = Stopwatch(remembering(Writer(), tmp_path))
    assert [cold.hear(clip(20))[0].note, cold.hear(clip(30))[0].note, cold.hear(clip(40))[0].note] == [CACHED, WARM_UP, None]
    told = of_pair(first, second)
    assert told["note"] == WARM_UP and told["tokens"] == 20 and told["clean_tokens"] == 1 and told["clean_seconds"] is None


def test_what_a_victim_says_of_its_tokens_is_a_count_or_nothing() -> None:
    assert [Transcript("", {"tokens": told}).tokens for told in (3, 0, -1, True, "3", 2.0)] == [3, 0, None, None, None, None]
    assert Transcript("a").tokens is None and Transcript("a") == Transcript("a", remembered=True)


def test_ratios_are_of_pairs_and_a_clean_clip_without_words_counts_one_token() -> None:
    rows = [
        result(timing={"seconds": 4.0, "clean_seconds": 2.0, "rtf": 1.0, "clean_rtf": 0.5, "tokens": 30, "clean_tokens": 10}),
        result(timing={"seconds": 1.0, "clean_seconds": None, "rtf": 0.2, "tokens": 8, "clean_tokens": 0, "note": WARM_UP}),
        result(),
    ]
    found = summarize_time(rows)["time"]
    assert (found["n"], found["latency_ratio_p50"], found["latency_ratio_p95"]) == (2, 2.0, 2.0)
    assert (found["rtf_p50"], found["rtf_p95"], found["clean_rtf_p95"]) == (0.2, 1.0, 0.5)
    assert (found["tokens_ratio_p50"], found["tokens_ratio_max"]) == (3.0, 8.0)
    assert summarize_time([result()]) == {} and timing_of(result()) is None
    with pytest.raises(ValueError, match=r"timing\.seconds"):
        result(timing={"seconds": -1.0})


def test_a_run_has_times_in_its_files_and_reports_and_is_the_same_without_them(tmp_path: Path) -> None:
    clips = [str(path) for path in write_clips(tmp_path / "in", 2)]
    run = tmp_path / "run"
    done = in_process("attack", *clips, "--victim", "tiny", "--steps", "1", "--out", run)
    assert done.returncode in (0, 1), done.stderr
    rows = Run.open(run).results()
    timings = [one for row in rows if (one := timing_of(row)) is not None]
    assert len(timings) == len(rows) and sum(one.clean_seconds is None for one in timings) >= 1, "the first is warm-up"
    assert any(one.latency_ratio is not None and one.rtf for one in timings) and all(one.tokens is None for one in timings)
    render(Run.open(run), ["md", "html"])
    assert "\n## Time\n" in (run / "report.md").read_text(encoding="utf-8")
    assert '<h2 id="time">' in (run / "report.html").read_text(encoding="utf-8")
    before = {name: read(run / name) for name in ("results.jsonl", "summary.json")}
    evaluate(Run.open(run), [load_victim("tiny", "cpu")], batch_size=8)
    assert {name: read(run / name) for name in before} == before
    assert all(row.timing and row.timing["seconds"] is None for row in Run.open(run).results())
    render(Run.open(run), ["md"])
    assert "## Time" not in (run / "report.md").read_text(encoding="utf-8"), "nothing has a time, so there is nothing to say"
