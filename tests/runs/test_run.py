"""The run directory: its identity, creating, opening and resuming it."""

from __future__ import annotations

import json
import re
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from run_fixture import REQUEST, example

from voiceattack.audio import clips as audio
from voiceattack.errors import RunError
from voiceattack.runs import Run, adversarial_comment, example_id, example_seed, provenance, slug

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("changes", [{"versions": []}, {"platform": 3}, {"victims": {"x": 1}}, {"request": []}, {"run_id": 7}])
def test_an_edited_run_json_is_told(run: Run, changes: dict[str, Any]) -> None:
    (run.path / "run.json").write_text(json.dumps({**run.info, **changes}))
    with pytest.raises(RunError, match=rf"run\.json: damaged \(RecordError: {min(changes)}"):
        Run.open(run.path)


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
