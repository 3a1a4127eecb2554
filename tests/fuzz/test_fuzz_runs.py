"""Run directories that were edited or damaged, through every command that reads one."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzzing import answered, fuzzed, untouched
from hypothesis import assume, given
from hypothesis import strategies as st
from mutations import damaged, damaged_json
from speechlike import in_process, write_clips

from voiceattack.runs.provenance import run_id

DANGEROUS = ("command:", "python:", "http", "hf", "ws:", "wss:", "whisper", "vosk", "sherpa")
FILES = ("run.json", "examples.jsonl", "results.jsonl", "summary.json")
READERS: dict[str, Callable[[Path, Path, str], tuple[object, ...]]] = {
    "report": lambda run, out, id: ("report", run, "--format", "md,json,csv"),
    "html": lambda run, out, id: ("report", run, "--format", "html"),
    "joint": lambda run, out, id: ("report", run, run, "-o", out / "joint.md"),
    "evaluate": lambda run, out, id: ("evaluate", run, "--victim", "tiny", "--quiet"),
    "attacked": lambda run, out, id: ("evaluate", run, "--quiet"),
    "export": lambda run, out, id: ("export", run, "--format", "nemo", "--out", out / "export"),
    "kaldi": lambda run, out, id: ("export", run, "--format", "kaldi", "--out", out / "export"),
    "parquet": lambda run, out, id: ("export", run, "--format", "parquet", "--out", out / "export"),
    "compare": lambda run, out, id: ("compare", run, run),
    "bless": lambda run, out, id: ("bless", run, "--baseline", out / "baseline.json"),
    "listen": lambda run, out, id: ("listen", run, "--listener", "me", "--dry-run"),
    "replay": lambda run, out, id: ("replay", run, id),
    "curve": lambda run, out, id: ("curve", run, "--out", out / "curve"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of audio (an attack with stages, corruptions) and of texts, evaluated."""
    folder = tmp_path_factory.mktemp("made")
    clips = write_clips(folder / "in", 2)
    (folder / "m.json").write_text("".join(json.dumps({"audio_filepath": clip, "text": "a b"}) + "\n" for clip in clips[:1]))
    options = ("--victim", "tiny", "--no-report", "--quiet")
    search = ("--steps", "3", "--param", "check_every=1", "--snr-db", "10", "--stages", "5")
    assert in_process("attack", folder / "m.json", clips[1], *options, *search, "--out", folder / "audio").returncode == 0
    corrupt = ("--attack", "corruption:speed_up")
    assert in_process("attack", *clips, *options, *corrupt, "--out", folder / "corruption").returncode == 0
    texts = ("turn on the light in the kitchen", "open the front door")
    assert in_process("text", *texts, "--perturbation", "typos", "--quiet", "--out", folder / "text").returncode == 0
    return folder


@pytest.mark.parametrize("kind", ["audio", "corruption", "text"])
@fuzzed
@given(data=st.data(), reader=st.sampled_from(sorted(READERS)))
def test_edited_and_damaged_runs(kind: str, made: Path, tmp_path: Path, data: st.DataObject, reader: str) -> None:
    names = [name if name != "examples.jsonl" or kind != "text" else "texts.jsonl" for name in FILES]
    work, out = tmp_path / "run", tmp_path / "out"
    for path in (work, out):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(made / kind, work)
    out.mkdir()
    name = data.draw(st.sampled_from(names), label="file")
    content = (work / name).read_bytes()
    ids = [json.loads(line)["id"] for line in (work / names[1]).read_bytes().splitlines()]
    edited = data.draw(st.integers(0, 3), label="0 damages")
    changed = _edited(data, name, content) if edited else data.draw(damaged(content))
    assume(not any(word.encode() in changed for word in DANGEROUS))
    (work / name).write_bytes(changed)
    with untouched(made):
        answered(*READERS[reader](work, out, data.draw(st.sampled_from(ids), label="id")))
    assert {item.name for item in tmp_path.iterdir()} <= {"run", "out"}


def _edited(data: st.DataObject, name: str, content: bytes) -> bytes:
    if name.endswith(".jsonl"):
        lines = [json.loads(line) for line in content.splitlines()]
        place = data.draw(st.integers(0, len(lines) - 1))
        lines[place] = data.draw(damaged_json(lines[place]))
        return "".join(json.dumps(line) + "\n" for line in lines).encode()
    value = data.draw(damaged_json(json.loads(content)))
    if name == "run.json" and data.draw(st.booleans(), label="with its id computed again"):
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            value["run_id"] = run_id(value["request"])
    return json.dumps(value).encode()
