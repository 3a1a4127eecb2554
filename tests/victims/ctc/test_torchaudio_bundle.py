"""torchaudio bundles: the wrapping on a tiny model of the same architecture, and the errors of an offline machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch

from voiceattack.audio import Batch
from voiceattack.errors import MissingExtraError, SpecError, UnknownNameError, VictimError
from voiceattack.victims import LossConfig, load_victim

try:
    import torchaudio
except (ImportError, OSError, RuntimeError) as error:  # the torch/torchaudio mismatch is a RuntimeError or an OSError
    pytest.skip(f"torchaudio cannot be imported: {error}", allow_module_level=True)

from voiceattack.victims.ctc.torchaudio_bundle import bundle_names, weights_file, wrap

LABELS = ("-", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
CONFIG = {
    "extractor_mode": "group_norm",
    "extractor_conv_layer_config": [(16, 10, 5), (16, 8, 4), (16, 4, 4), (16, 4, 4)],
    "extractor_conv_bias": False,
    "encoder_embed_dim": 32,
    "encoder_projection_dropout": 0.1,
    "encoder_pos_conv_kernel": 16,
    "encoder_pos_conv_groups": 4,
    "encoder_num_layers": 1,
    "encoder_num_heads": 2,
    "encoder_attention_dropout": 0.1,
    "encoder_ff_interm_features": 64,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.1,
    "encoder_layer_norm_first": False,
    "encoder_layer_drop": 0.05,
    "aux_num_out": len(LABELS),
}


def tiny_model(path: Path) -> torch.nn.Module:
    """A model as a bundle makes it: built from its config, then its weights read from a file."""
    torch.manual_seed(3)
    torch.save(torchaudio.models.wav2vec2_model(**CONFIG).state_dict(), path)
    model: torch.nn.Module = torchaudio.models.wav2vec2_model(**CONFIG)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch.of([0.1 * torch.randn(size, generator=generator) for size in (6000, 9000, 4000, 8000, 7000, 5000, 6500, 3000)])


def test_wrapped_model_hears_and_differentiates(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "weights.pth")
    victim = wrap(model, LABELS, torch.device("cpu"))
    clips = batch()
    together = [heard.text for heard in victim.transcribe(clips)]
    assert together == [victim.transcribe(Batch.of([clip]))[0].text for clip in clips.clips()]
    assert any(together)
    # The library's own output for one clip alone is what the victim scores.
    logits, frames = victim.logits(clips)
    with torch.no_grad():
        expected, _ = model(clips.waveforms[2:3, :4000])
    assert torch.equal(logits[2, : frames[2]], expected[0])
    waveforms = clips.waveforms.clone().requires_grad_(True)
    loss = victim.attack_loss(clips.replace(waveforms), ["NOTE"] * 8, LossConfig("toward")).loss
    (gradient,) = torch.autograd.grad(loss.sum(), waveforms)
    assert bool((gradient.abs().amax(dim=1) > 0).all()) and not bool(gradient[~clips.mask()].any())


def test_names() -> None:
    assert "WAV2VEC2_ASR_BASE_960H" in bundle_names() and "WAV2VEC2_BASE" not in bundle_names()
    with pytest.raises(UnknownNameError, match="did you mean 'WAV2VEC2_ASR_BASE_960H'"):
        load_victim("torchaudio:WAV2VEC2_ASR_BASE_960", "cpu")
    with pytest.raises(SpecError, match="unknown option 'x'; known: none"):
        load_victim("torchaudio:WAV2VEC2_ASR_BASE_960H?x=1", "cpu")


def test_offline_is_one_line_that_says_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def unplugged(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", unplugged)
    monkeypatch.setattr(socket, "getaddrinfo", unplugged)
    place = weights_file(torchaudio.pipelines.WAV2VEC2_ASR_BASE_960H)
    with pytest.raises(VictimError, match="fetch it elsewhere and place it at") as caught:
        load_victim("torchaudio:WAV2VEC2_ASR_BASE_960H", "cpu")
    assert str(place) in str(caught.value) and place.parent == tmp_path / "hub" / "checkpoints" and "\n" not in str(caught.value)
    out, err = capfd.readouterr()
    assert not out and "downloading" in err
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"not weights")
    with pytest.raises(VictimError, match="delete it and place a good copy") as caught:
        load_victim("torchaudio:WAV2VEC2_ASR_BASE_960H", "cpu")
    assert "\n" not in str(caught.value)


def test_a_mismatch_names_the_mending_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torchaudio", None)  # what Python itself does for a blocked import
    with pytest.raises(MissingExtraError, match=r"pip install 'torch==.*' 'torchaudio=="):
        load_victim("torchaudio:WAV2VEC2_ASR_BASE_960H", "cpu")
