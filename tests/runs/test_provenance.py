"""Ids, seeds and facts: pinned, since runs made before are found by them."""

from __future__ import annotations

import hashlib
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from voiceattack import __version__
from voiceattack.runs import provenance
from voiceattack.runs.provenance import canonical, environment, example_seed, run_id, versions_of, victim_options, victim_packages
from voiceattack.victims.specs import parse_spec


def test_the_canonical_text_and_what_follows_from_it() -> None:
    request = {"b": [1, 2.5], "a": {"d": None, "c": "é"}}
    assert canonical(request) == '{"a":{"c":"\\u00e9","d":null},"b":[1,2.5]}'
    assert run_id(request) == hashlib.sha256(canonical(request).encode()).hexdigest()[:12]
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})


def test_a_seed_is_31_bits_of_a_digest() -> None:
    digest = hashlib.sha256(b"7:ab:pgd").digest()
    assert example_seed(7, "ab", "pgd") == int.from_bytes(digest[:4], "big") // 2
    assert max(example_seed(seed, "ab", "pgd") for seed in range(50)) > 2**30, "all of the 31 are used"


def test_packages_and_options_are_those_registered_of_inner_victims_too() -> None:
    assert victim_packages("no-such-victim") == [] and victim_options(parse_spec("no-such-victim")) == ()
    inner = victim_packages("whisper-tiny.en")
    assert inner and len(set(inner)) == len(inner)
    ensemble = victim_packages("assistant:home?asr=tiny")
    assert "hassil" in ensemble
    assert "language" in [option.name for option in victim_options(parse_spec("command:x"))]


def test_versions_of_what_is_installed() -> None:
    found = versions_of(["torch", "no-such-package-here"])
    assert found.keys() == {"voiceattack", "python", "torch"}
    assert found["voiceattack"] == __version__ and found["torch"] == version("torch")


def test_the_commit_is_that_of_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "voiceattack" / "runs"
    package.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    assert environment()["git_commit"] is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert environment()["git_commit"] is None, "nothing is committed"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = environment()["git_commit"]
    assert commit == subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert len(commit) == 40
