"""Caches that were edited or damaged: an answer that cannot be read is asked for again, a file that cannot is named."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from fuzzing import answered, fuzzed, untouched
from hypothesis import given
from hypothesis import strategies as st
from mutations import damaged, json_values, odd_texts
from speechlike import in_process, write_clips

QUICK = ("--victim", "tiny", "--names", "speed_up", "--severities", "1", "--quiet")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, and what the toy said to them, kept."""
    folder = tmp_path_factory.mktemp("made")
    write_clips(folder / "in", 1)
    assert in_process("corruptions", folder / "in", *QUICK, "--out", folder / "run", "--cache", folder / "kept").returncode == 0
    return folder


def _hear(made: Path, tmp_path: Path) -> int:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    with untouched(made):
        told = answered("corruptions", made / "in", *QUICK, "--out", tmp_path / "run", "--cache", tmp_path / "kept")
    assert {item.name for item in tmp_path.iterdir()} <= {"run", "kept"}
    return told.code


@fuzzed
@given(data=st.data())
def test_damaged_caches(made: Path, tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "kept", ignore_errors=True)
    shutil.copytree(made / "kept", tmp_path / "kept")
    file = tmp_path / "kept" / "queries.sqlite"
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    _hear(made, tmp_path)


cells = st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(), st.binary(max_size=8), odd_texts, json_values.map(str))


@fuzzed
@given(column=st.sampled_from(["text", "details", "action", "audio", "victim"]), value=cells)
def test_edited_answers(made: Path, tmp_path: Path, column: str, value: object) -> None:
    shutil.rmtree(tmp_path / "kept", ignore_errors=True)
    shutil.copytree(made / "kept", tmp_path / "kept")
    with sqlite3.connect(tmp_path / "kept" / "queries.sqlite") as cache:
        try:
            cache.execute(f"UPDATE OR IGNORE answers SET {column} = ?", (value,))
        except (sqlite3.IntegrityError, UnicodeEncodeError):
            return
    cache.close()
    assert _hear(made, tmp_path) == 0
