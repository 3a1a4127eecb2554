"""Hugging Face folders of all kinds: in half precision, sharded, incomplete, damaged, with code that is never run."""

from __future__ import annotations

import ast
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ctc_fixture import build, sample_clips
from speechlike import ROOT, environment, tones
from torch import Tensor, nn
from whisper_fixture import write_whisper

from voiceattack.audio import Batch
from voiceattack.errors import SpecError, VictimError
from voiceattack.victims import DifferentiableVictim, LossConfig, load_victim
from voiceattack.victims.own import from_ctc_module, from_loss_module
from voiceattack.victims.pretrained import take_dtype
from voiceattack.victims.text.hf_text import TextClassifierVictim
from voiceattack.victims.whisper.model import WhisperModel
from voiceattack.victims.whisper.victim import WhisperVictim

HALVES = [torch.float16, torch.bfloat16]
LABELS = {0: "on", 1: "off", 2: "other"}


def write_ctc(folder: Path, model: Any = None) -> Any:
    made = build(folder)
    model = made if model is None else model
    model.save_pretrained(folder)
    return model


def write_classifier(folder: Path, model: Any = None) -> Any:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    if model is None:
        torch.manual_seed(4)
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
        model = BertForSequenceClassification(BertConfig(vocab_size=len(vocabulary), id2label=LABELS, **sizes))
    model.save_pretrained(folder)
    return model


WRITERS: dict[str, Callable[..., Any]] = {"whisper": write_whisper, "ctc": write_ctc, "text": write_classifier}
SCHEMES = {"whisper": "hf", "ctc": "hf", "text": "hf-text"}


def gradient(victim: DifferentiableVictim, clip: Tensor, text: str) -> Tensor:
    waveform = clip[None].clone().requires_grad_(True)
    loss = victim.attack_loss(Batch(waveform, torch.tensor([len(clip)])), [text], LossConfig("away")).loss
    return torch.autograd.grad(loss.sum(), waveform)[0]


@pytest.mark.parametrize("half", HALVES, ids=["float16", "bfloat16"])
@pytest.mark.parametrize("kind", WRITERS)
def test_half_precision_weights_compute_in_float32(tmp_path: Path, kind: str, half: torch.dtype) -> None:
    """A checkpoint stored in half precision is the same victim as one of the same numbers stored in float32."""
    write = WRITERS[kind]
    model = write(tmp_path / "whole")
    rounded = copy.deepcopy(model).to(half)
    write(tmp_path / "half", rounded)
    write(tmp_path / "whole", copy.deepcopy(rounded).float())
    stored = json.loads((tmp_path / "half" / "config.json").read_text())
    assert stored["dtype"] == str(half).removeprefix("torch.")
    victims = [load_victim(f"{SCHEMES[kind]}:{tmp_path / name}", "cpu") for name in ("half", "whole")]
    if kind == "text":
        shares = [victim.confidences("turn on the lamp") for victim in victims if isinstance(victim, TextClassifierVictim)]
        assert len(shares) == 2 and shares[0] == shares[1]
        return
    clip = tones(1)
    one, other = (victim.transcribe(Batch.of([clip]))[0].text for victim in victims)
    assert one == other
    assert victims[0].describe()["precision"] == f"{stored['dtype']} weights in float32 arithmetic"
    pair = [gradient(victim, clip, "A B") for victim in victims if isinstance(victim, DifferentiableVictim)]
    assert torch.equal(*pair) and bool(pair[0].isfinite().all()) and bool(pair[0].any())


def test_half_precision_is_chosen_on_cuda_alone() -> None:
    assert take_dtype("hf:x", {}, torch.device("cpu")) is torch.float32
    assert take_dtype("hf:x", {}, torch.device("cuda")) is torch.float32
    assert take_dtype("hf:x", {"dtype": "bfloat16"}, torch.device("cuda")) is torch.bfloat16
    with pytest.raises(SpecError, match="dtype=float16 is for CUDA"):
        take_dtype("hf:x", {"dtype": "float16"}, torch.device("cpu"))
    with pytest.raises(SpecError, match="'half' is none of float32, float16, bfloat16"):
        take_dtype("hf:x", {"dtype": "half"}, torch.device("cuda"))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_whisper_that_computes_in_half_precision_hears_scores_and_differentiates(tmp_path: Path, half: torch.dtype) -> None:
    """What ``dtype`` asks for on CUDA runs on the CPU too: features are cast where they enter, logits come out float32."""
    write_whisper(tmp_path)
    whole = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(whole, WhisperVictim)
    model = whole.model
    victim = WhisperVictim(WhisperModel(model.network.to(half), model._encode, model._decode, model.prompt))
    assert victim.transcribe(Batch.of([tones(1)]))[0].text is not None
    found = gradient(victim, tones(1), "open")
    assert found.dtype == torch.float32 and bool(found.isfinite().all()) and bool(found.any())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_ones_own_module_in_another_precision(dtype: torch.dtype) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 3, 400, 160)

        def forward(self, waveforms: Tensor) -> Tensor:
            logits: Tensor = self.conv(waveforms[:, None]).transpose(1, 2)
            return logits

        def loss(self, waveforms: Tensor, lengths: Tensor, texts: list[str]) -> Tensor:
            return self(waveforms).square().mean(dim=(1, 2))

        def transcribe(self, waveforms: Tensor, lengths: Tensor) -> list[str]:
            return ["a" if bool(row.sum() > 0) else "b" for row in self(waveforms)]

    torch.manual_seed(0)
    made = Own().to(dtype)
    for victim in (from_ctc_module(copy.deepcopy(made), ["-", "A", "|"]), from_loss_module(copy.deepcopy(made))):
        assert victim.transcribe(Batch.of([tones(1)]))[0].text is not None
        found = gradient(victim, tones(1), "A")
        assert found.dtype == torch.float32 and bool(found.isfinite().all()) and bool(found.any())


def test_whisper_without_a_generation_config_hears_as_with_it(tmp_path: Path) -> None:
    """Without it ``generate`` would stop after 20 tokens and leave out <|notimestamps|>, which the losses expect."""
    write_whisper(tmp_path)
    path = tmp_path / "generation_config.json"
    whole = json.loads(path.read_text())
    clip = Batch.of([tones(1)])
    fewer = {key: whole[key] for key in ("suppress_tokens", "begin_suppress_tokens")}
    long = {key: value for key, value in whole.items() if key != "max_length"}
    path.write_text(json.dumps({**long, "max_length": 448}))
    expected = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(expected, WhisperVictim)
    text = expected.transcribe(clip)[0].text
    for given in (fewer, {**long, "forced_decoder_ids": [[1, 11]]}):
        path.write_text(json.dumps(given))
        victim = load_victim(f"hf:{tmp_path}", "cpu")
        assert isinstance(victim, WhisperVictim) and victim.model.prompt == expected.model.prompt
        assert victim.transcribe(clip)[0].text == text
        assert victim.model.first_stamp == expected.model.first_stamp
    path.unlink()
    victim = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(victim, WhisperVictim) and victim.model.prompt == expected.model.prompt
    assert victim.model.network.generation_config.max_length == 448 and victim.model.first_stamp == expected.model.first_stamp


def test_whisper_of_several_languages_without_a_generation_config(tmp_path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    write_whisper(tmp_path, vocab_size=51_865)
    words = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    names = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev", "nospeech"]
    document = json.loads(words.to_str())
    # As in the multilingual vocabulary, the special tokens begin one place later.
    document["added_tokens"] = []
    del document["model"]["vocab"]["<|endoftext|>"]
    document["model"]["vocab"]["|filler|"] = 50_256
    fresh = Tokenizer.from_str(json.dumps(document))
    fresh.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in [*names, "notimestamps"]])
    fresh.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "generation_config.json").unlink()
    victim = load_victim(f"hf:{tmp_path}?language=fr", "cpu")
    assert isinstance(victim, WhisperVictim)
    vocabulary = fresh.get_vocab()
    said = ["<|startoftranscript|>", "<|fr|>", "<|transcribe|>", "<|notimestamps|>"]
    assert victim.model.prompt == [vocabulary[name] for name in said]
    assert victim.transcribe(Batch.of([tones(1)]))[0].text is not None


@pytest.mark.slow
@pytest.mark.parametrize("form", ["whole", "no generation config", "forced", "sharded", "float16", "bfloat16", "old config"])
def test_folders_made_of_the_bundled_weights_hear_as_the_bundled_model(tmp_path: Path, form: str) -> None:
    bundled = load_victim("whisper-tiny.en", "cpu")
    assert isinstance(bundled, WhisperVictim)
    model: Any = copy.deepcopy(bundled.model.network)
    if form in ("float16", "bfloat16"):
        model = model.to(getattr(torch, form))
    write_whisper(tmp_path, model)
    if form == "sharded":
        (tmp_path / "model.safetensors").unlink()
        model.save_pretrained(tmp_path, max_shard_size="40MB")
        assert len(list(tmp_path.glob("*.safetensors"))) > 1
    generation, config = tmp_path / "generation_config.json", tmp_path / "config.json"
    if form == "forced":
        generation.write_text(json.dumps({**json.loads(generation.read_text()), "forced_decoder_ids": [[1, 50362]]}))
    if form in ("no generation config", "old config"):
        generation.unlink()
    if form == "old config":
        old = {"forced_decoder_ids": [[1, 50362]], "suppress_tokens": [], "begin_suppress_tokens": [220, 50256]}
        config.write_text(json.dumps({**json.loads(config.read_text()), **old}))
    victim = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(victim, WhisperVictim)
    clip = sample_clips(1)[0][0]
    heard = victim.transcribe(Batch.of([clip]))[0].text
    assert heard and heard == bundled.transcribe(Batch.of([clip]))[0].text
    # The losses agree with the ear: teacher-forced, what was heard is what is likeliest.
    assert bool(victim.attack_loss(Batch.of([clip]), [heard], LossConfig("toward")).matches.all())  # type: ignore[union-attr]
    found = gradient(victim, clip, heard)
    assert bool(found.isfinite().all()) and bool(found.any())


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
