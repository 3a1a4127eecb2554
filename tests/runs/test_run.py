"""The run directory: identity, resuming, durability under kill -9 and a full disk, and paths that stay inside."""

from __future__ import annotations

import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from result_lines import result, result_line
from speechlike import in_process

from voiceattack.audio import clips as audio
from voiceattack.errors import RunError
from voiceattack.runs import Example, Run, adversarial_comment, example_id, example_seed, provenance, slug
from voiceattack.runs.records import Result
from voiceattack.text.runs import TextRun

ROOT = Path(__file__).resolve().parents[2]
REQUEST: dict[str, Any] = {"victim": "tiny", "attack": "pgd", "params": {"steps": 3}, "budget": {"snr_db": 35.0}, "seed": 0}


def example(id: str = "a-00000000-pgd", **changes: Any) -> Example:
    """A whole example with some fields changed."""
    fields: dict[str, Any] = {
        "id": id,
        "source": "in/a.flac",
        "source_sha256": "00",
        "audio": f"audio/{id}.flac",
        "clean_audio": "clean/a.flac",
        "source_victim": "tiny",
        "attack": "pgd",
        "params": {"steps": 3},
        "objective": "untargeted",
        "target": None,
        "reference": None,
        "clean_hypothesis": "hello",
        "control_for": None,
        "steps": 3,
        "queries": 4,
        "seconds": 0.5,
        "seed": 1,
        "sha256": "11",
        "recipe": {},
    }
    return Example(**{**fields, **changes})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", REQUEST)


# Identity


def test_the_id_is_the_requests_alone(tmp_path: Path) -> None:
    first = Run.create(tmp_path / "a", REQUEST)
    second = Run.create(tmp_path / "b", dict(reversed(REQUEST.items())))
    other = Run.create(tmp_path / "c", {**REQUEST, "seed": 1})
    assert re.fullmatch("[0-9a-f]{12}", first.id)
    assert first.id == second.id != other.id
    assert adversarial_comment(first.id, "00") == f"adversarial audio made by voiceattack 0.1.0; run={first.id}; source=sha256:00"


def test_the_same_request_gives_the_same_tagged_bytes(tmp_path: Path) -> None:
    files = []
    for name in "ab":
        run = Run.create(tmp_path / name, REQUEST)
        path = run.audio_path("x")
        audio.save(path, torch.zeros(1600), comment=adversarial_comment(run.id, "00"))
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_run_json_holds_the_request_and_where_it_ran(run: Run) -> None:
    info = json.loads((run.path / "run.json").read_text())
    assert info == run.info
    assert set(info) == {"request", "run_id", "versions", "platform", "git_commit", "normalizer", "created"}
    assert info["request"] == run.request == REQUEST
    assert {"voiceattack", "python", "torch", "soundfile"} <= set(info["versions"])
    assert info["normalizer"].startswith("whisper-normalizer ")


def test_seeds_depend_on_content_never_on_place() -> None:
    assert example_seed(0, "ab", "pgd") == example_seed(0, "ab", "pgd")
    different = {example_seed(s, p, a) for s in (0, 1) for p in ("ab", "cd") for a in ("pgd", "noise")}
    assert len(different) == 8


@given(st.integers(), st.text(), st.text(max_size=5))
def test_seeds_are_31_bits(seed: int, sha256: str, attack: str) -> None:
    assert 0 <= example_seed(seed, sha256.encode("utf-8", "replace").decode(), attack) < 2**31


@given(st.text())
def test_a_slug_is_a_safe_file_name(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,58}[a-z0-9])?", slug(name))
    assert slug(slug(name)) == slug(name)


@given(st.text(), st.text(max_size=20))
def test_an_example_id_is_accepted_as_a_file_name_and_stays_in_the_run(name: str, attack: str) -> None:
    run = Run(Path("/run"), {})
    identifier = example_id(name, "0123456789", attack)
    assert run.audio_path(identifier).parent == Path("/run/audio")
    assert run.clean_path(example_id(name, "0123456789", "").rstrip("-")).parent == Path("/run/clean")


def test_ids_read_as_name_digest_attack() -> None:
    assert example_id("Licht an, bitte!", "0123456789abcdef", "mi-fgsm") == "licht-an-bitte-01234567-mi-fgsm"
    assert example_id("Über../../etc/passwd", "0123456789abcdef", "cw") == "uber-etc-passwd-01234567-cw"
    assert slug("日本語") == "clip"


@pytest.mark.parametrize("identifier", ["", "..", "../x", "a/b", "A", ".hidden", "a\0", "a\n", "a b"])
def test_unsafe_ids_are_refused(run: Run, identifier: str) -> None:
    with pytest.raises(RunError, match="is no example id"):
        run.audio_path(identifier)


# Creating, opening, resuming


def test_the_same_request_resumes(run: Run) -> None:
    run.append(example())
    before = (run.path / "run.json").read_bytes()
    again = Run.create(run.path, REQUEST)
    assert again.done_ids() == {"a-00000000-pgd"}
    assert (run.path / "run.json").read_bytes() == before
    assert Run.open(run.path).info == run.info


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "'seed' (0 there, 1 asked)"),
        ({"params": {"steps": 4}}, "'params.steps' (3 there, 4 asked)"),
        ({"params": {"steps": 3, "norm": "l2"}}, "'params.norm' (null there, \"l2\" asked)"),
        ({"params": {"steps": 3, "norm": None}}, "'params'"),
        ({"budget": {"snr_db": 35}}, "'budget.snr_db' (35.0 there, 35 asked)"),
    ],
)
def test_another_request_is_refused_with_the_key_that_differs(run: Run, change: dict[str, Any], words: str) -> None:
    with pytest.raises(RunError) as caught:
        Run.create(run.path, {**REQUEST, **change})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_resuming_under_other_versions_is_written_down(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__version__", "0.2.0")
    again = Run.create(run.path, REQUEST)
    assert again.info["versions"]["voiceattack"] == "0.2.0"
    assert [earlier["versions"]["voiceattack"] for earlier in again.info["earlier"]] == ["0.1.0"]
    assert Run.open(run.path).info == again.info


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match=r"holds other files \(thesis\.txt\)"):
        Run.create(tmp_path, REQUEST)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(RunError, match="cannot be written"):
        Run.create(tmp_path / "thesis.txt", REQUEST)
    with pytest.raises(RunError, match="is no run"):
        Run.open(tmp_path)
    with pytest.raises(RunError, match="is no run"):
        Run.open(tmp_path / "thesis.txt")


def test_run_json_keeps_what_each_victim_says_of_itself(run: Run) -> None:
    run.note_victim("a", {"device": Path("cpu"), "rate": float("inf"), "parts": ("x", "y")})
    run.note_victim("b", {"device": "gpu"})
    before = (run.path / "run.json").stat().st_mtime_ns
    run.note_victim("b", {"device": "gpu"})
    assert (run.path / "run.json").stat().st_mtime_ns == before
    told = Run.open(run.path).info["victims"]
    assert told == {"a": {"device": "cpu", "rate": None, "parts": ["x", "y"]}, "b": {"device": "gpu"}}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"request": {}}', '{"request": 1, "run_id": 2}', "\xff"])
def test_a_damaged_run_json(run: Run, content: str) -> None:
    (run.path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(RunError, match=r"run\.json: ") as caught:
        Run.open(run.path)
    assert "\n" not in str(caught.value)


def test_an_edited_request_is_noticed(run: Run) -> None:
    file = run.path / "run.json"
    file.write_text(file.read_text().replace('"steps": 3', '"steps": 300'))
    with pytest.raises(RunError, match="edited after the run began"):
        Run.open(run.path)


# Examples


def test_examples_come_back_as_they_were(run: Run) -> None:
    kept = [example("a"), example("b", reference="ça va?\u2028\n", trace=[{"step": 1}], error="no"), example("c", audio=None)]
    for item in kept:
        run.append(item)
    assert run.examples() == kept
    assert run.done_ids() == {"a", "b", "c"}
    assert Run.open(run.path).examples() == kept


def test_of_two_lines_with_one_id_the_later_counts(run: Run) -> None:
    for item in (example("a", error="no"), example("b"), example("a")):
        run.append(item)
    assert [(item.id, item.error) for item in run.examples()] == [("a", None), ("b", None)]


def test_numbers_that_json_lacks_become_null(run: Run) -> None:
    run.append(example("a", trace=[{"snr_db": math.inf, "loss": torch.tensor(0.5), "worst": [math.nan]}]))
    assert run.examples()[0].trace == [{"snr_db": None, "loss": 0.5, "worst": [None]}]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        example("a", colour="red")


@pytest.mark.parametrize("torn", ['{"id": "b", "sour', "\0" * 100, "{", '{"id": "b"}'])
def test_a_torn_last_line_is_dropped(run: Run, torn: str) -> None:
    run.append(example("a"))
    file = run.path / "examples.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + torn.encode())
    assert run.done_ids() == {"a"}
    run.append(example("b"))
    assert [item.id for item in run.examples()] == ["a", "b"]
    assert file.read_bytes().startswith(whole + b'{"id": "b", "source"')


def test_a_whole_last_line_without_its_line_feed_is_kept(run: Run) -> None:
    run.append(example("a"))
    file = run.path / "examples.jsonl"
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    assert run.done_ids() == {"a"}
    run.append(example("b"))
    assert [item.id for item in run.examples()] == ["a", "b"]


def test_damage_before_the_last_line_is_named_never_skipped(run: Run) -> None:
    for name in "abc":
        run.append(example(name))
    file = run.path / "examples.jsonl"
    lines = file.read_bytes().split(b"\n")
    for damage in (b"{", b"[]", b'{"id": 1}', b""):
        file.write_bytes(b"\n".join([lines[0], damage, *lines[2:]]))
        with pytest.raises(RunError, match=r"examples\.jsonl:2: no valid example") as caught:
            run.examples()
        assert "\n" not in str(caught.value)


# Paths


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "audio/../../x", "..", "", "a\0b", "..\\x", "link/x", "audio/link.flac"])
def test_a_record_cannot_name_a_path_outside_the_run(run: Run, path: str) -> None:
    (run.path / "link").symlink_to("/tmp")
    (run.path / "audio" / "link.flac").symlink_to("/etc/passwd")
    with pytest.raises(RunError, match="outside the run"):
        run.resolve(path)
    run.append(example("a", audio=path))
    with pytest.raises(RunError, match="outside the run"):
        run.examples()
    run.write_results([result(clean_audio=path)])
    with pytest.raises(RunError, match="outside the run"):
        run.results()


def test_paths_inside_resolve(run: Run) -> None:
    assert run.resolve("audio/a.flac") == run.path / "audio" / "a.flac" == run.audio_path("a")


def test_a_run_moved_elsewhere_still_opens(run: Run, tmp_path: Path) -> None:
    run.append(example("a"))
    moved = run.path.rename(tmp_path / "moved")
    (only,) = Run.open(moved).examples()
    assert only.audio is not None
    assert Run.open(moved).resolve(only.audio) == moved / "audio" / "a.flac"


# Results and summary


def row(id: str, **changes: Any) -> dict[str, Any]:
    """A whole line of results.jsonl, of an example that failed."""
    texts = ("target", "control_for", "reference", "reference_source", "clean_hypothesis", "hypothesis", "error")
    counts = ("steps", "queries", "seconds", "seed")
    nothing = (*texts, "clean_hypothesis_normalized", "hypothesis_normalized", "wer_clean", "wer", "cer")
    names = {"victim": "tiny", "source_victim": "tiny", "attack": "pgd", "objective": "untargeted", "outcome": "error"}
    return {"id": id, **names, **dict.fromkeys(nothing), **dict.fromkeys(counts, 0), "params": {}, "recipe": {}, **changes}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"wer": "0.5"}, "wer: Input should be a valid number"),
        ({"params": []}, "params: Input should be"),
        ({"warnings": "x"}, "warnings"),
        ({"outcome": "won"}, "outcome"),
        ({"outcome": "held"}, "reference is missing, though the outcome is held"),
        ({"recipe": {"draws": []}}, "recipe.draws"),
        ({"recipe": {"pcm_sha256": "x"}}, "recipe.pcm_sha256"),
        ({"nulls": {"pesq": 3}}, "nulls.pesq"),
        ({"attack": "corruption:speed_up"}, "params.severity is missing"),
    ],
)
def test_edited_results_are_told_by_line_and_value(run: Run, changes: dict[str, Any], word: str) -> None:
    lines = (row("a"), row("b", **changes))
    (run.path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(
        RunError, match=r"results\.jsonl:2: damaged .*; delete that line, and run: voiceattack evaluate"
    ) as caught:
        run.results()
    assert word in str(caught.value)


@pytest.mark.parametrize("summary", [{}, {"groups": {}}, {"groups": [1], "warnings": []}, {"groups": [], "warnings": [1]}])
def test_an_edited_summary_is_told(run: Run, summary: dict[str, Any]) -> None:
    run.write_summary(summary)
    with pytest.raises(RunError, match=r"summary\.json: damaged \(\w+.*; run: voiceattack evaluate"):
        run.summary()


@pytest.mark.parametrize("changes", [{"versions": []}, {"platform": 3}, {"victims": {"x": 1}}, {"request": []}, {"run_id": 7}])
def test_an_edited_run_json_is_told(run: Run, changes: dict[str, Any]) -> None:
    (run.path / "run.json").write_text(json.dumps({**run.info, **changes}))
    with pytest.raises(RunError, match=rf"run\.json: damaged \(RecordError: {min(changes)}"):
        Run.open(run.path)


def test_results_and_summary_come_back(run: Run) -> None:
    rows = [row("a", wer=0.5, snr_db=20, another=math.inf, text="ü\n"), row("b")]
    run.write_results(Result.model_validate(one) for one in rows)
    assert (run.path / "results.jsonl").read_text() == "".join(
        json.dumps({**one, **({"another": None} if "another" in one else {})}, ensure_ascii=False) + "\n" for one in rows
    )
    run.write_summary({"groups": [], "warnings": [], "more": math.nan})
    assert [one.as_json() for one in run.results()] == [{**rows[0], "another": None}, rows[1]]
    assert run.summary() == {"groups": [], "warnings": [], "more": None}
    run.write_results([])
    assert run.results() == []


def test_an_answer_that_no_line_can_hold_costs_its_line_and_an_example_is_named(run: Run) -> None:
    whole = result_line(id="a")
    assert run.result(Result, whole, {}) == result(id="a")
    failed = run.result(Result, {**whole, "evidence": {"answer": 3}}, {**whole, "hypothesis": None})
    assert failed.failed and failed.hypothesis is None and failed.error is not None and "evidence.answer" in failed.error
    damaged = {**whole, "seed": -1}
    with pytest.raises(RunError, match=r"examples\.jsonl: example a is damaged \(seed: .*; delete its line"):
        run.result(Result, damaged, damaged)


def test_runs_of_texts_and_of_audio_are_read_as_what_they_are(run: Run, tmp_path: Path) -> None:
    run.write_results([result()])
    assert list(run.any_results()) == run.results() == [result()]
    texts = TextRun.create(tmp_path / "texts", {"perturbations": {}})
    texts.write_results([])
    assert texts.text_results() == list(texts.any_results()) == []
    with pytest.raises(RunError, match="is a run of texts"):
        texts.results()


def test_results_before_evaluation_and_damaged_ones(run: Run) -> None:
    with pytest.raises(RunError, match=r"has no results\.jsonl yet; run: voiceattack evaluate"):
        run.results()
    with pytest.raises(RunError, match=r"has no summary\.json yet"):
        run.summary()
    (run.path / "results.jsonl").write_text(json.dumps(row("a")) + "\n{\n")
    with pytest.raises(RunError, match=r"results\.jsonl:2: damaged"):
        run.results()
    (run.path / "summary.json").write_text("[]")
    with pytest.raises(RunError, match=r"summary\.json: damaged"):
        run.summary()


# Full disk, kill -9


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """As a full disk: no file may grow beyond ``size`` bytes; a write beyond it is cut short, then an OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_keeps_what_was_there(run: Run) -> None:
    run.append(example("a"))
    run.write_results([result()])
    whole = (run.path / "examples.jsonl").read_bytes()
    writes: list[Callable[[], None]] = [
        lambda: run.append(example("b")),
        lambda: run.write_results([result(id="x" * 10_000)]),
        lambda: run.write_summary({"x": "x" * 10_000}),
    ]
    with file_size_limit(len(whole) + 100):
        for write in writes:
            with pytest.raises(RunError, match=r"cannot be written \(File too large\)") as caught:
                write()
            assert "\n" not in str(caught.value)
    assert (run.path / "examples.jsonl").read_bytes() == whole
    assert run.results() == [result()]
    assert sorted(item.name for item in run.path.iterdir()) == ["audio", "clean", "examples.jsonl", "results.jsonl", "run.json"]
    run.append(example("b"))
    assert run.done_ids() == {"a", "b"}


def test_a_run_cannot_begin_on_a_full_disk(tmp_path: Path) -> None:
    with file_size_limit(10), pytest.raises(RunError, match="cannot be written"):
        Run.create(tmp_path / "run", REQUEST)
    assert Run.create(tmp_path / "run", REQUEST).examples() == []


def test_killed_in_the_middle_the_run_resumes_and_loses_no_finished_example(tmp_path: Path) -> None:
    program = (
        "import sys\nsys.path[:0] = ['tests/runs', 'tests/support']\n"
        "from test_run import REQUEST, example\nfrom voiceattack.runs import Run\n"
        "run = Run.create(sys.argv[1], REQUEST)\n"
        "for n in range(len(run.done_ids()), 10**9):\n"
        "    run.append(example(f'n{n}', reference='x' * 200_000))\n    print(n, flush=True)\n"
    )
    path, promised = tmp_path / "run", -1
    for _ in range(2):
        command = [sys.executable, "-c", program, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
            assert process.stdout is not None
            for _ in range(10):
                promised = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
    # Whatever the moment of the kill was, tear the line as the worst moment would.
    file = path / "examples.jsonl"
    with open(file, "ab") as handle:
        handle.write(b'{"id": "n' + b"x" * 1000)
    run = Run.create(path, REQUEST)
    ids = [item.id for item in run.examples()]
    assert ids == [f"n{n}" for n in range(len(ids))]
    assert len(ids) > promised
    run.append(example("last"))
    assert [item.id for item in run.examples()] == [*ids, "last"]
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_a_run_of_texts_is_told_where_audio_is_meant(tmp_path: Path) -> None:
    out = tmp_path / "texts"
    assert in_process("text", "turn on the light", "--perturbation", "typos", "--quiet", "--out", out).returncode == 0
    for words in (
        ("bless", out, "--baseline", tmp_path / "b.json"),
        ("compare", out, out),
        ("export", out, "--out", tmp_path / "e"),
        ("listen", out, "--listener", "me", "--dry-run"),
        ("curve", out),
        ("replay", out, "x"),
    ):
        done = in_process(*words)
        assert done.returncode == 2 and "unexpected" not in done.stderr, (words, done.stderr)
        assert "is a run of texts" in done.stderr or words[0] == "replay", (words, done.stderr)
