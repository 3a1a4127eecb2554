"""Hugging Face folders that are incomplete, damaged or bring code: refused with the reason, and the code is never run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from model_folders import SCHEMES, WRITERS
from speechlike import ROOT, environment, tones
from torch import Tensor
from whisper_fixture import write_whisper

from voiceattack.audio import Batch
from voiceattack.errors import VictimError
from voiceattack.victims import load_victim


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def drop(path: Path, *names: str) -> None:
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key not in names}))


def reweigh(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


SIZES = ("d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "vocab_size")
DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no sizes": ("whisper", lambda at: drop(at / "config.json", *SIZES), "shapes|lack"),
    "nothing but a type": ("whisper", lambda at: (at / "config.json").write_text('{"model_type": "whisper"}'), "shapes|lack"),
    "size as text": ("whisper", lambda at: edit(at / "config.json", d_model="sixteen"), "d_model"),
    "size as list": ("whisper", lambda at: edit(at / "config.json", encoder_layers=[2]), "encoder_layers"),
    "size of nothing": (
        "whisper",
        lambda at: edit(at / "config.json", encoder_attention_heads=0),
        "cannot be loaded as a Whisper",
    ),
    "huge": ("whisper", lambda at: edit(at / "config.json", d_model=1 << 20), "shapes|cannot be loaded"),
    "fewer layers": (
        "whisper",
        lambda at: edit(at / "config.json", encoder_layers=1),
        "layers that its config.json does not count",
    ),
    "more layers": ("whisper", lambda at: edit(at / "config.json", decoder_layers=3), "its weights lack model.decoder.layers.2"),
    "another window": (
        "whisper",
        lambda at: (
            edit(at / "config.json", max_source_positions=500),
            reweigh(
                at, lambda w: w.update({k: v[:500].clone() for k, v in w.items() if k.endswith("encoder.embed_positions.weight")})
            ),
        ),
        "windows of 10 s",
    ),
    "weights missing": (
        "whisper",
        lambda at: reweigh(at, lambda w: w.pop("model.encoder.conv1.weight")),
        "lack model.encoder.conv1",
    ),
    "another shape": (
        "whisper",
        lambda at: reweigh(at, lambda w: w.update({"model.encoder.conv1.weight": torch.zeros(3, 3, 3)})),
        "shapes",
    ),
    "truncated": (
        "whisper",
        lambda at: (at / "model.safetensors").write_bytes((at / "model.safetensors").read_bytes()[:5000]),
        "cannot be loaded as a Whisper model",
    ),
    "empty weights": ("whisper", lambda at: (at / "model.safetensors").write_bytes(b""), "cannot be loaded as a Whisper model"),
    "pickle alone": (
        "whisper",
        lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"),
        "pickled ones are not loaded",
    ),
    "no tokenizer": ("whisper", lambda at: (at / "tokenizer.json").unlink(), "tokenizer|cannot be loaded"),
    "garbled tokenizer": ("whisper", lambda at: (at / "tokenizer.json").write_text("[1]"), "cannot be loaded as a Whisper model"),
    "suppressed words": ("whisper", lambda at: edit(at / "generation_config.json", suppress_tokens=["a"]), "suppress_tokens"),
    "suppressed beyond": ("whisper", lambda at: edit(at / "generation_config.json", suppress_tokens=[99_999]), "suppress_tokens"),
    "odd length": ("whisper", lambda at: edit(at / "generation_config.json", max_length="long"), "max_length"),
    "generation list": ("whisper", lambda at: (at / "generation_config.json").write_text("[]"), "cannot be loaded as a Whisper"),
    "config list": ("whisper", lambda at: (at / "config.json").write_text("[1]"), "config.json holds a list, expected an object"),
    "config nested": ("whisper", lambda at: (at / "config.json").write_text("[" * 100_000), "config.json cannot be read"),
    "config latin": (
        "whisper",
        lambda at: (at / "config.json").write_bytes(b'{"model_type": "\xe9"}'),
        "config.json cannot be read",
    ),
    "foreign kernel": (
        "whisper",
        lambda at: edit(at / "config.json", attn_implementation="some-body/kernel"),
        "own code is never run",
    ),
    "hidden kernel": ("ctc", lambda at: edit(at / "config.json", _attn_implementation_internal="a/b"), "own code is never run"),
    "ctc layer missing": (
        "ctc",
        lambda at: edit(at / "config.json", num_hidden_layers=3),
        "its weights lack wav2vec2.encoder.layers.2",
    ),
    "ctc fewer layers": ("ctc", lambda at: edit(at / "config.json", num_hidden_layers=1), "does not count"),
    "ctc kernels": ("ctc", lambda at: edit(at / "config.json", conv_kernel=["a", 8, 4]), "cannot be loaded as a CTC model"),
    "text headless": ("text", lambda at: reweigh(at, lambda w: w.pop("classifier.weight")), "hold no head"),
    "text layers": ("text", lambda at: edit(at / "config.json", num_hidden_layers=1), "does not count"),
    "text pickle": (
        "text",
        lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"),
        "pickled ones are not loaded",
    ),
    "text truncated": ("text", lambda at: (at / "model.safetensors").write_bytes(b"\x10" * 9), "cannot be loaded as a sequence"),
    "text config": ("text", lambda at: (at / "config.json").write_text("7"), "config.json holds a int"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in WRITERS}
    for kind, write in WRITERS.items():
        write(folders[kind])
    return folders


def copied(folder: Path, to: Path) -> Path:
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_refused_with_the_reason(models: dict[str, Path], tmp_path: Path, damage: str) -> None:
    kind, spoil, says = DAMAGE[damage]
    copied(models[kind], tmp_path)
    spoil(tmp_path)
    with pytest.raises(VictimError, match=says) as caught:
        load_victim(f"{SCHEMES[kind]}:{tmp_path}", "cpu")
    assert "\n" not in str(caught.value) and "unexpected" not in str(caught.value)


def test_a_sharded_folder_loads_what_lies_in_it_and_nothing_else(tmp_path: Path) -> None:
    model = write_whisper(tmp_path)
    whole = load_victim(f"hf:{tmp_path}", "cpu").transcribe(Batch.of([tones(1)]))[0].text
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="1MB")
    index = tmp_path / "model.safetensors.index.json"
    assert load_victim(f"hf:{tmp_path}", "cpu").transcribe(Batch.of([tones(1)]))[0].text == whole
    good = json.loads(index.read_text())
    for stranger in ("../other.safetensors", "weights.bin", "/etc/passwd"):
        names = {key: stranger if key.endswith("conv1.bias") else value for key, value in good["weight_map"].items()}
        index.write_text(json.dumps({**good, "weight_map": names}))
        with pytest.raises(VictimError, match=r"which is no \*\.safetensors file of the folder"):
            load_victim(f"hf:{tmp_path}", "cpu")
    index.write_text(json.dumps(good))
    next(iter(sorted(tmp_path.glob("model-*.safetensors")))).unlink()
    with pytest.raises(VictimError, match="which is not there; copy all parts"):
        load_victim(f"hf:{tmp_path}", "cpu")


CANARY = """
import os
open(os.environ["CANARY"], "a").write(__name__ + "\\n")
class Evil:
    @classmethod
    def from_pretrained(cls, *a, **k): return cls()
def generate(*a, **k): pass
"""
AUTOS = ("AutoConfig", "AutoModel", "AutoModelForCTC", "AutoModelForSequenceClassification", "AutoModelForSpeechSeq2Seq")
PARTS = ("AutoTokenizer", "AutoProcessor", "AutoFeatureExtractor")
LOADER = """
import sys
from voiceattack.errors import VoiceAttackError
from voiceattack.victims import load_victim
for spec in sys.argv[1:]:
    try:
        load_victim(spec, "cpu")
        print("loaded")
    except VoiceAttackError as error:
        print(error)
"""


@pytest.mark.parametrize("answer", ["y\n" * 40, None], ids=["yes", "closed"])
def test_a_models_own_code_is_never_run_nor_offered(models: dict[str, Path], tmp_path: Path, answer: str | None) -> None:
    """Every part of every folder names code of its own: known types load without it, unknown ones are refused."""
    specs, expected = [], []
    for kind in WRITERS:
        for strange in (False, True):
            folder = tmp_path / f"{kind}-{strange}"
            folder.mkdir()
            copied(models[kind], folder)
            (folder / "evil.py").write_text(CANARY)
            (folder / "custom_generate").mkdir()
            (folder / "custom_generate" / "generate.py").write_text(CANARY)
            maps = {name: "evil.Evil" for name in (*AUTOS, *PARTS)}
            maps["AutoTokenizer"] = ["evil.Evil", "evil.Evil"]  # type: ignore[assignment]
            for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"):
                path = folder / name
                path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), "auto_map": maps}))
            if strange:
                edit(folder / "config.json", model_type="evil")
                edit(folder / "tokenizer_config.json", tokenizer_class="Evil")
            specs.append(f"{SCHEMES[kind]}:{folder}")
            expected.append("loaded" if not strange else "own" if kind == "text" else "model type 'evil' is not supported")
    canary = tmp_path / "canary"
    variables = environment(CANARY=str(canary), HF_MODULES_CACHE=str(tmp_path / "modules"))
    with subprocess.Popen(
        [sys.executable, "-c", LOADER, *specs],
        stdin=subprocess.PIPE if answer else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
    ) as process:
        out, err = process.communicate(answer, timeout=300)
    assert not canary.exists(), canary.read_text()
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert len(lines) == len(expected), out + err
    for line, says in zip(lines, expected, strict=True):
        assert says in line, line
    assert "y/N" not in out + err


def test_from_pretrained_is_called_in_one_place() -> None:
    """Where it is called, code, precision, pickles and the network are decided on."""
    callers = set()
    for path in (ROOT / "voiceattack").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "from_pretrained":
                continue
            callers.add(path.name)
    assert callers == {"pretrained.py"}
