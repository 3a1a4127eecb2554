"""Suites that anybody wrote: run, or refused in one line; nothing is written beside the run directory, and no program starts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzzing import answered, fuzzed, untouched
from hypothesis import given
from hypothesis import strategies as st
from mutations import damaged, damaged_json
from speechlike import write_clips

SUITE: dict[str, Any] = {
    "version": 1,
    "name": "s",
    "x-free": {"a": 1},
    "env": ["HOME"],
    "inputs": [{"path": "in", "tags": ["speech"], "limit": 1}, {"generate": "no-speech", "kinds": ["silence"], "seconds": 0.5}],
    "victims": [{"name": "toy", "spec": "tiny", "version": "1"}],
    "attacks": [{"attack": "pgd", "params": {"steps": 1, "check_every": 1}, "grid": {"snr_db": [15]}, "control": False}],
    "gates": ["wer_clean <= 0.1", {"gate": "success_rate <= 0.2 at snr_db >= 30", "tag": "speech", "per": ["victim"]}],
    "critical_terms": ["seven"],
    "seed": 0,
    "repeat": 1,
    "limits": {"seconds": 20, "queries": 50},
    "reports": [],
    "outputs": [],
}
DANGEROUS = ("command:", "python:", "http", "hf", "ws:", "wss:", "whisper", "vosk", "sherpa", "/", "..")


def _harmless(value: Any) -> bool:
    """Paths and specs that lead out of the folder, to a program or to a server are other tests' matter."""
    text = yaml.safe_dump(value, allow_unicode=True) if not isinstance(value, str) else value
    return not any(word in text.lower() for word in DANGEROUS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("suite")
    write_clips(place / "in", 2)
    (place / "canary").mkdir()
    (place / "canary" / "kept").write_text("kept")
    return place


def _run(folder: Path, text: bytes) -> None:
    (folder / "suite.yaml").write_bytes(text)
    shutil.rmtree(folder / "out", ignore_errors=True)
    with untouched(folder / "in", folder / "canary"):
        answered("run", folder / "suite.yaml", "--dry-run", "--out", folder / "out", "--device", "cpu")
        assert not (folder / "out").exists()
        answered("run", folder / "suite.yaml", "--out", folder / "out", "--device", "cpu", "--quiet")
    assert {item.name for item in folder.iterdir()} <= {"in", "canary", "suite.yaml", "out"}


@fuzzed
@given(value=damaged_json(SUITE).filter(_harmless))
def test_edited_suites(folder: Path, value: Any) -> None:
    try:
        text = yaml.safe_dump(value, allow_unicode=True).encode()
    except UnicodeEncodeError:
        text = yaml.safe_dump(value).encode()
    _run(folder, text)


@fuzzed
@given(text=damaged(yaml.safe_dump({**SUITE, "inputs": ["in"]}).encode()).filter(lambda data: _harmless(data.decode("latin-1"))))
def test_damaged_suites(folder: Path, text: bytes) -> None:
    _run(folder, text)


YAML_TOKENS = (
    *("? ", "[", "]", "{", "}", ": ", "- ", "&a ", "*a", "!!int ", "!!timestamp ", "!!binary ", "<<: ", "\n", "\n  "),
    *("x", "'", '"', "| "),
)


@fuzzed
@given(tokens=st.lists(st.one_of(st.sampled_from(YAML_TOKENS), st.text(max_size=3)), max_size=30))
def test_any_yaml(folder: Path, tokens: list[str]) -> None:
    (folder / "suite.yaml").write_bytes("".join(tokens).encode("utf-8", "surrogatepass"))
    told = answered("run", folder / "suite.yaml", "--dry-run", "--out", folder / "out")
    assert told.code == 2, told
