"""Vosk and sherpa-onnx as victims: real models where a folder is named, and always what is told without one."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from speechlike import ROOT

from voiceattack.audio import Batch, load
from voiceattack.errors import MissingExtraError, SpecError, VictimError
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.victims import load_victim
from voiceattack.victims.engines.sherpa_onnx import KINDS, _files

SAMPLES = ROOT / "samples"


def needs(module: str, variable: str | None = None) -> str:
    """Skip without the package, or without a model; the model's folder."""
    pytest.importorskip(module, reason=f"the extra {module.replace('_', '-')!r} is not installed")
    if variable is None:
        return ""
    if not (folder := os.environ.get(variable, "")):
        pytest.skip(f"no model: name the folder of one in {variable}")
    return folder


def clips(count: int) -> tuple[list[torch.Tensor], list[str]]:
    rows = [json.loads(line) for line in (SAMPLES / "manifest.jsonl").read_text(encoding="utf-8").splitlines()][:count]
    return [load(SAMPLES / row["audio_filepath"]) for row in rows], [row["text"] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "module"), [("vosk", "vosk"), ("sherpa-onnx", "sherpa_onnx")])
def test_a_real_model(scheme: str, module: str) -> None:
    """Of any language: the words are checked when VOICEATTACK_*_LANGUAGE is en, as it is unless set."""
    prefix = f"VOICEATTACK_{module.upper()}"
    folder = needs(module, f"{prefix}_MODEL")
    victim = load_victim(f"{scheme}:{folder}", "cpu")
    waves, said = clips(4)
    together = [heard.text for heard in victim.transcribe(Batch.of([*waves, torch.zeros(0), torch.zeros(1600)]))]
    alone = [victim.transcribe(Batch.of([wave]))[0].text for wave in reversed(waves)][::-1]
    assert together[:4] == alone and all(alone) and together[4] == "", together
    assert victim.capabilities == {"hears"} and json.loads(json.dumps(victim.describe()))["model"] == folder
    if os.environ.get(f"{prefix}_LANGUAGE", "en") == "en":
        errors = [word_errors(normalize(text), normalize(heard)).wer for text, heard in zip(said, alone, strict=True)]
        assert sum(errors) / len(errors) < 0.3, alone


@pytest.mark.parametrize(("scheme", "module"), [("vosk", "vosk"), ("sherpa-onnx", "sherpa_onnx")])
def test_without_the_package_the_error_names_the_extra(
    scheme: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # what Python itself does for a blocked import
    with pytest.raises(MissingExtraError, match=rf"pip install 'voiceattack\[{scheme}\]'"):
        load_victim(f"{scheme}:{tmp_path}", "cpu")


def test_vosk_folders(tmp_path: Path) -> None:
    needs("vosk")
    for spec, error, says in (
        ("vosk:", SpecError, "needs a model"),
        ("vosk:x?beam=5", SpecError, "unknown option 'beam'; known: language"),
        (f"vosk:{tmp_path / 'gone'}", VictimError, "no such folder"),
        (f"vosk:{tmp_path}", VictimError, "holds no am/final.mdl or final.mdl"),
    ):
        with pytest.raises(error, match=says):
            load_victim(spec, "cpu")
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "final.mdl").write_text("not a model")
    with pytest.raises(VictimError, match="Vosk cannot load it"):
        load_victim(f"vosk:{tmp_path}", "cpu")


def test_sherpa_folders(tmp_path: Path) -> None:
    needs("sherpa_onnx")
    for spec, error, says in (
        ("sherpa-onnx:", SpecError, "needs a model"),
        (f"sherpa-onnx:{tmp_path}?kind=lstm", SpecError, "kind='lstm' is not known; known: moonshine, transducer"),
        (f"sherpa-onnx:{tmp_path}?int8=maybe", SpecError, "int8='maybe' is none of yes, no"),
        (f"sherpa-onnx:{tmp_path / 'gone'}", VictimError, "no such folder"),
        (f"sherpa-onnx:{tmp_path}", SpecError, r"files do not tell what it is; add \?kind="),
        (f"sherpa-onnx:{tmp_path}?kind=whisper", VictimError, r"holds no encoder\*\.onnx, decoder\*\.onnx, tokens\*\.txt"),
    ):
        with pytest.raises(error, match=says):
            load_victim(spec, "cpu")


def test_a_model_that_sherpa_would_end_the_process_for(tmp_path: Path) -> None:
    """sherpa-onnx calls exit() on a model of another kind; here that must be an ordinary error."""
    needs("sherpa_onnx")
    library = pytest.importorskip("faster_whisper", reason="the extra 'faster-whisper' is not installed")
    network = next((Path(library.__file__).parent / "assets").glob("*.onnx"))  # a voice-activity detector
    shutil.copy(network, tmp_path / "model.onnx")
    (tmp_path / "tokens.txt").write_text("<blk> 0\na 1\n")
    with pytest.raises(VictimError, match=r"sherpa-onnx refuses it as nemo-ctc \(.*vocab_size"):
        load_victim(f"sherpa-onnx:{tmp_path}?kind=nemo-ctc", "cpu")


def test_files_are_told_apart_by_their_names(tmp_path: Path) -> None:
    names = (
        "encoder-epoch-9.onnx",
        "encoder-epoch-9.int8.onnx",
        "decoder-epoch-9.onnx",
        "joiner-epoch-9.int8.onnx",
        "tokens.txt",
    )
    for name in (*names, "README.md", "bpe.model"):
        (tmp_path / name).touch()
    kind, files = _files("x", tmp_path, None, False)
    assert kind == "transducer"
    assert {role: path.name for role, path in files.items()} == {
        "encoder": names[0], "decoder": names[2], "joiner": names[3], "tokens": names[4],
    }  # fmt: skip
    assert _files("x", tmp_path, None, True)[1]["encoder"].name == names[1]
    (tmp_path / names[3]).unlink()
    assert _files("x", tmp_path, None, False)[0] == "whisper"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_factory_of_the_package(kind: str) -> None:
    needs("sherpa_onnx")
    import sherpa_onnx

    parameters = inspect.signature(getattr(sherpa_onnx.OfflineRecognizer, KINDS[kind].factory)).parameters
    wanted = {*KINDS[kind].files, "tokens", "num_threads", *(("language",) if KINDS[kind].language else ())}
    assert wanted <= set(parameters)
