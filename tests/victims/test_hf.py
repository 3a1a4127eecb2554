"""``hf:``: wav2vec2, HuBERT and WavLM through one path, equal to the library; refusals in one line, offline."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ctc_fixture import build, ctc_folder, sample_clips
from torch import Tensor

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.errors import SpecError, VictimError
from voiceattack.objectives import Objective
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.ctc.hugging_face import from_pretrained
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.front_ends.waveform import normalized
from voiceattack.victims.hf import FAMILIES
from voiceattack.victims.own import from_ctc_module

__all__ = ["ctc_folder"]
CPU = torch.device("cpu")


def noise(*sizes: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [0.1 * torch.randn(size, generator=generator) + 0.02 for size in sizes]


@pytest.mark.parametrize("masked", [True, False])
def test_normalisation_equals_the_library(masked: bool) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=masked)  # type: ignore[no-untyped-call]
    clips = [*noise(4000, 900, 2500), torch.zeros(700)]
    if masked:
        expected = extractor(
            [clip.numpy() for clip in clips], sampling_rate=16_000, padding=True, return_tensors="pt"
        ).input_values
        batch = Batch.of(clips)
        assert torch.allclose(normalized(batch.waveforms, batch.lengths), expected, atol=1e-5)
    for clip in clips:
        expected = extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt").input_values
        assert torch.allclose(normalized(clip[None], torch.tensor([len(clip)])), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # transformers' own WavLM
@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("model_type", ["wav2vec2", "hubert", "wavlm"])
def test_families_equal_the_library(tmp_path: Path, model_type: str, norm: str) -> None:
    """Untrained models of each family: logits, loss and transcripts are transformers' own, batched or not."""
    from transformers import AutoModelForCTC, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor

    build(tmp_path, norm=norm, model_type=model_type).save_pretrained(tmp_path)
    victim = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(victim, CTCVictim) and victim.batched == (norm == "layer")
    batch = Batch.of(noise(6000, 9000, 4000, 8000, 7000, 5000, 6500, 3000))
    together = [heard.text for heard in victim.transcribe(batch)]
    assert together == [victim.transcribe(Batch.of([clip]))[0].text for clip in batch.clips()]
    logits, frames = victim.logits(batch)
    losses = victim.loss(batch, ["A B"] * 8)
    model = AutoModelForCTC.from_pretrained(tmp_path).eval()
    tokenizer, extractor = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path), Wav2Vec2FeatureExtractor.from_pretrained(tmp_path)
    model.config.ctc_loss_reduction = "sum"
    for row, clip in enumerate(batch.clips()):
        values = extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            expected = model(values, labels=torch.tensor([tokenizer("A B").input_ids]))
        assert int(frames[row]) == expected.logits.shape[1]
        assert torch.allclose(logits[row, : frames[row]], expected.logits[0], atol=2e-4)
        assert float(losses[row]) == pytest.approx(float(expected.loss), rel=1e-4)
        assert together[row] == tokenizer.decode(expected.logits[0].argmax(-1))


def test_trained_model_hears_its_samples(ctc_folder: Path) -> None:
    victim = load_victim(f"hf:{ctc_folder}", "cpu")
    clips = sample_clips()
    assert [heard.text.lower() for heard in victim.transcribe(Batch.of([clip for clip, _ in clips]))] == [
        text for _, text in clips
    ]
    # A batch of eight, the trained clips and cuts of them.
    eight = Batch.of([clip[start:] for clip, _ in clips for start in (0, 4000)])
    assert [heard.text for heard in victim.transcribe(eight)] == [
        victim.transcribe(Batch.of([clip]))[0].text for clip in eight.clips()
    ]
    facts = victim.describe()
    assert facts["model_type"] == "wav2vec2" and len(facts["weights_sha256"]["model.safetensors"]) == 64
    assert json.loads(json.dumps(facts)) == facts


def test_the_same_weights_as_ones_own_module(ctc_folder: Path) -> None:
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Wav2Vec2ForCTC.from_pretrained(ctc_folder)

        def forward(self, waveforms: Tensor) -> Tensor:
            centred = waveforms - waveforms.mean(dim=1, keepdim=True)
            logits: Tensor = self.model(centred / (centred.square().mean(dim=1, keepdim=True) + 1e-7).sqrt()).logits
            return logits

    assert Wav2Vec2FeatureExtractor.from_pretrained(ctc_folder).do_normalize
    vocabulary = sorted(json.loads((ctc_folder / "vocab.json").read_text()).items(), key=lambda item: item[1])
    own = from_ctc_module(Own(), [token for token, _ in vocabulary], blank=0)
    hf = load_victim(f"hf:{ctc_folder}", "cpu")
    assert isinstance(hf, CTCVictim)
    clips = sample_clips()
    batch, texts = Batch.of([clip for clip, _ in clips]), [text for _, text in clips]
    assert [heard.text for heard in own.transcribe(batch)] == [heard.text for heard in hf.transcribe(batch)]
    assert torch.allclose(own.loss(batch, texts), hf.loss(batch, texts), atol=1e-3)


def test_gradient_reaches_the_waveform_and_never_the_padding(ctc_folder: Path) -> None:
    victim = load_victim(f"hf:{ctc_folder}", "cpu")
    assert isinstance(victim, CTCVictim)
    clips = [clip for clip, _ in sample_clips()]
    batch = Batch.of([clips[0], clips[1][: len(clips[1]) // 2]])
    for config in (
        LossConfig("away", "ce", 8.0),
        LossConfig("toward", "ce"),
        LossConfig("away", "margin", 6.0),
        LossConfig("toward", "margin"),
    ):
        # Even where a caller's search has written into the padding, it is neither heard nor given a gradient.
        waveforms = (batch.waveforms + 0.01).requires_grad_(True)
        (gradient,) = torch.autograd.grad(
            victim.attack_loss(batch.replace(waveforms), ["OPEN", "SHUT"], config).loss.sum(), waveforms
        )
        assert bool(torch.isfinite(gradient).all())
        assert float(gradient[batch.mask()].abs().max()) > 0 and not bool(gradient[~batch.mask()].any())


def test_attacked(ctc_folder: Path) -> None:
    """Noise leaves it alone, PGD at the same SNR does not, and C&W makes it say something else."""
    victim = load_victim(f"hf:{ctc_folder}", "cpu")
    clips = sample_clips(2)
    batch, clean = Batch.of([clip for clip, _ in clips]), [text.upper() for _, text in clips]

    def heard(attack: str, objective: Objective, budget: Budget, **params: int) -> list[str]:
        crafted = build_attack(attack, **params).craft(victim, batch, clean, objective, budget, [1, 2])
        return [victim.transcribe(Batch.of([result.waveform]))[0].text for result in crafted if isinstance(result, Crafted)]

    untargeted, targeted = Objective(), Objective("targeted", "unlock the front door")
    assert heard("noise", untargeted, Budget(snr_db=35)) == clean
    fooled = heard("pgd", untargeted, Budget(snr_db=35), steps=40)
    assert all(untargeted.succeeded(before, after) for before, after in zip(clean, fooled, strict=True)), fooled
    assert heard("cw", targeted, Budget(), steps=120) == ["UNLOCK THE FRONT DOOR"] * 2
    assert heard("cw", Objective("mute"), Budget(), steps=120) == ["", ""]


def test_decoding_equals_the_tokenizer(ctc_folder: Path) -> None:
    from transformers import Wav2Vec2CTCTokenizer

    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(ctc_folder)
    vocabulary = from_pretrained(str(ctc_folder), CPU).vocabulary
    generator = np.random.default_rng(0)
    for _ in range(50):
        frames = generator.integers(0, len(vocabulary.tokens), size=40).tolist()
        assert vocabulary.decode(frames) == " ".join(str(tokenizer.decode(frames)).split())
    assert vocabulary.encode("it's open") == tokenizer("IT'S OPEN").input_ids


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("hf", SpecError, "needs an id or a folder"),
        ("hf:./nowhere", VictimError, "no such folder"),
        ("hf:/nowhere/model", VictimError, "no such folder"),
        ("hf:empty", VictimError, "holds no config.json"),
        ("hf:garbled", VictimError, "config.json cannot be read"),
        ("hf:pickled", VictimError, r"holds no \*.safetensors weights \(pickled ones are not loaded\)"),
        (
            "hf:other",
            VictimError,
            f"model type 'bert' is not supported; supported: {', '.join(sorted(FAMILIES))}",
        ),
        ("hf:model?speed=2", SpecError, "unknown option 'speed'; known: dtype, language, task, frontend, timestamps"),
        ("hf:model?frontend=all", SpecError, "unknown option 'frontend'; a wav2vec2 model takes: dtype, language"),
        ("hf:headless", VictimError, r"hold no head \(lm_head.* fine-tuned to be a CTC model"),
        ("hf:truncated", VictimError, "cannot be loaded as a CTC model"),
        ("hf:untokenized", VictimError, "cannot be loaded as a CTC model"),
        ("hf:slow", VictimError, "wants 8000 Hz audio"),
        ("hf:some-body/no-such-model", VictimError, "hf download some-body/no-such-model --local-dir"),
    ],
)
def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, error: type[Exception], says: str) -> None:
    def unplugged(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_OFFLINE", True
    )  # as the variable does; else the hub client retries for 20 s
    monkeypatch.setattr(socket.socket, "connect", unplugged)
    monkeypatch.setattr(socket, "getaddrinfo", unplugged)
    name = spec.partition(":")[2].partition("?")[0]
    if name in {"empty", "garbled", "other", "pickled"}:
        Path(name).mkdir()
        (Path(name) / "model.safetensors").touch()
    if name == "garbled":
        (Path(name) / "config.json").write_text("{")
    if name in {"other", "pickled"}:
        (Path(name) / "config.json").write_text(json.dumps({"model_type": "bert" if name == "other" else "wav2vec2"}))
    if name == "pickled":
        (Path(name) / "model.safetensors").rename(Path(name) / "pytorch_model.bin")
    if name in {"model", "headless", "truncated", "untokenized", "slow"}:
        model = build(Path(name))
        (model.wav2vec2 if name == "headless" else model).save_pretrained(name)
    if name == "truncated":
        weights = Path(name) / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    if name == "untokenized":
        (Path(name) / "vocab.json").unlink()
    if name == "slow":
        settings = json.loads((Path(name) / "preprocessor_config.json").read_text())
        (Path(name) / "preprocessor_config.json").write_text(json.dumps({**settings, "sampling_rate": 8000}))
    with pytest.raises(error, match=says) as caught:
        load_victim(spec, "cpu")
    assert "\n" not in str(caught.value)


def whisper_folder(folder: Path, languages: tuple[str, ...]) -> Path:
    """An untrained Whisper with tokens for ``languages``; English-only without any."""
    import transformers

    names = ["endoftext", "startoftranscript", *languages, "translate", "transcribe", "startofprev", "notimestamps"]
    tokens = [*map(chr, range(97, 123)), "Ġ", *(f"<|{name}|>" for name in names)]
    place = {token: index for index, token in enumerate(tokens)}
    library: Any = transformers  # untyped
    special = {f"{kind}_token": "<|endoftext|>" for kind in ("unk", "bos", "eos", "pad")}
    tokenizer = library.WhisperTokenizer(vocab=place, merges=[], **special)
    tokenizer.add_special_tokens({"additional_special_tokens": tokens[27:]})
    tokenizer.save_pretrained(folder)
    library.WhisperFeatureExtractor().save_pretrained(folder)
    end, start = place["<|endoftext|>"], place["<|startoftranscript|>"]
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"), 1)
    model = library.WhisperForConditionalGeneration(
        library.WhisperConfig(
            **{**sizes, "vocab_size": len(tokens), "d_model": 8, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8},
            **{"pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": start},
        )
    )
    config = model.generation_config
    config._from_model_config = False  # else the library makes it anew when it loads the model
    config.is_multilingual, config.no_timestamps_token_id = bool(languages), place["<|notimestamps|>"]
    config.suppress_tokens = config.begin_suppress_tokens = None
    config.lang_to_id = {f"<|{name}|>": place[f"<|{name}|>"] for name in languages}
    config.task_to_id = {"transcribe": place["<|transcribe|>"], "translate": place["<|translate|>"]}
    model.save_pretrained(folder)
    return folder


def test_the_languages_of_a_whisper_model(tmp_path: Path) -> None:
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    known = tuple(LANGUAGES)[: list(LANGUAGES).index("no") + 1]  # the library counts on their order
    folder = whisper_folder(tmp_path / "many", known)
    for given, own, code in (("fr-CA", "fr", "fr"), ("Norwegian", "no", "no"), ("nb", "no", "no"), ("zh-TW", "zh", "zh")):
        victim: Any = load_victim(f"hf:{folder}?language={given}", "cpu")
        assert victim.language == code and victim.model.generate_options["language"] == own
    with pytest.raises(SpecError, match=r"language='yue' \(yue\) is not one of the model's; it has: .*en, .*no"):
        load_victim(f"hf:{folder}?language=yue", "cpu")
    english = whisper_folder(tmp_path / "one", ())
    assert load_victim(f"hf:{english}?language=en-GB", "cpu").language == "en"
    with pytest.raises(SpecError, match=r"language='fr' \(fr\) is not one of the model's; it has: en"):
        load_victim(f"hf:{english}?language=fr", "cpu")


def test_the_language_of_a_ctc_model(tmp_path: Path) -> None:
    build(tmp_path / "model").save_pretrained(tmp_path / "model")
    assert load_victim(f"hf:{tmp_path / 'model'}", "cpu").language == "en"
    assert load_victim(f"hf:{tmp_path / 'model'}?language=German", "cpu").language == "de"
