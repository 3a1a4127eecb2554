"""The CTC family in itself: alignment and loss against brute force, cheap check, refusals, batches, and the tiny victim."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from voiceattack.audio import Batch, quantize16
from voiceattack.errors import AttackError, AudioError, SpecError, TargetError, VictimError
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.ctc.vocabulary import Vocabulary, align, edit_distance, frames_needed

ABC = Vocabulary(("-", "|", "A", "B"), blank=0)
CPU = torch.device("cpu")


def direct(vocabulary: Vocabulary = ABC) -> CTCVictim:
    """A victim whose logits are its samples, ten a frame: expected values can be worked out by hand."""
    size = len(vocabulary.tokens)

    def emissions(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        whole = waveforms.shape[1] // 10 * 10
        return 10 * waveforms[:, :whole].reshape(len(waveforms), -1, 10)[:, :, :size], lengths // 10

    return CTCVictim(emissions, vocabulary, CPU, batched=True, min_samples=10)


def checked(victim: CTCVictim, batch: Batch, texts: list[str], config: LossConfig) -> tuple[Tensor, list[bool], list[float]]:
    """Loss, matches and distances of an attack loss that must have all three."""
    result = victim.attack_loss(batch, texts, config)
    assert result.matches is not None and result.distance is not None
    return result.loss, result.matches.tolist(), result.distance.tolist()


def clip(frames: int, seed: int) -> Tensor:
    return torch.rand(frames * 10, generator=torch.Generator().manual_seed(seed)) - 0.5


def all_paths(log_probs: np.ndarray, ids: list[int]) -> list[tuple[float, tuple[int, ...]]]:
    """Every path of tokens that collapses to ``ids``, with its log-probability."""
    paths = itertools.product(range(log_probs.shape[1]), repeat=len(log_probs))
    return [(float(sum(log_probs[t, k] for t, k in enumerate(path))), path) for path in paths if ABC.collapse(path) == ids]


@pytest.mark.parametrize("text", ["", "A", "AB", "AA", "A B", "BAB"])
def test_loss_and_alignment_equal_brute_force(text: str) -> None:
    victim = direct()
    for seed in range(3):
        batch = Batch.of([clip(6, seed)])
        log_probs = victim.logits(batch)[0].log_softmax(-1)[0].numpy()
        paths = all_paths(log_probs, ABC.encode(text))
        total = math.log(sum(math.exp(score) for score, _ in paths))
        assert float(victim.loss(batch, [text])) == pytest.approx(-total, rel=1e-5)
        assert float(victim.score(batch, [text])) == pytest.approx(total, rel=1e-5)
        found = tuple(align(log_probs, ABC.encode(text), 0).tolist())
        assert found == max(paths)[1]


def test_saturating_gradient_equals_autograd_through_the_recursion() -> None:
    """The capped loss against a CTC written as a sum over all paths of clamped emissions, differentiated by torch."""
    victim, cap = direct(), 3.0
    waveforms = Batch.of([2 * clip(5, 4)]).waveforms.requires_grad_(True)
    batch = Batch(waveforms, torch.tensor([50]))
    loss = victim.attack_loss(batch, ["AB"], LossConfig("away", "ce", cap)).loss
    clamped = victim.logits(batch)[0].log_softmax(-1)[0].clamp(min=-cap)
    assert bool((clamped == -cap).any()), "nothing saturates: the test shows nothing"
    paths = all_paths(clamped.detach().numpy(), ABC.encode("AB"))
    scores = torch.stack([clamped[torch.arange(5), torch.tensor(path)].sum() for _, path in paths])
    expected = torch.logsumexp(scores, dim=0) / 2
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    (one,), (other,) = torch.autograd.grad(loss.sum(), waveforms, retain_graph=True), torch.autograd.grad(expected, waveforms)
    assert torch.allclose(one, other, atol=1e-5)


def test_margin() -> None:
    victim = direct()
    wave = torch.zeros(30)
    wave[[2, 10, 23]] = torch.tensor([0.9, 0.5, 0.2])  # logits 9 for A, 5 for blank, 2 for B
    batch = Batch.of([wave])
    toward, matches, distance = checked(victim, batch, ["AB"], LossConfig("toward", "margin", confidence=6.0))
    assert matches == [True] and distance == [0.0]
    assert float(toward) == pytest.approx(0 + 1 + 4)  # head-room of 6 asked of leads 9, 5, 2
    away = victim.attack_loss(batch, ["AB"], LossConfig("away", "margin", cap=6.0))
    assert float(away.loss) == pytest.approx((9 + 5 + 2) / 3)
    _, matches, distance = checked(victim, batch, ["B"], LossConfig("away", "margin", cap=6.0))
    assert matches == [False] and distance == pytest.approx([0.5])
    # Until the greedy path spells the text, the margin toward it is the CTC loss.
    assert torch.equal(
        victim.attack_loss(batch, ["B"], LossConfig("toward", "margin")).loss,
        victim.attack_loss(batch, ["B"], LossConfig("toward")).loss,
    )


def test_cheap_check_agrees_with_the_decoder() -> None:
    victim = direct()
    batch = Batch.of([clip(8, seed) for seed in range(8)])
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    assert len(set(heard)) > 3
    assert all(checked(victim, batch, heard, LossConfig("away"))[1])
    _, matches, distance = checked(victim, batch, [victim.mute_text] * 8, LossConfig("toward"))
    assert matches == [not text for text in heard] and max(distance) <= 1
    silent = Batch.of([torch.full((60,), -0.01).index_fill(0, torch.arange(0, 60, 10), 0.9)])
    assert victim.transcribe(silent)[0].text == ""
    assert checked(victim, silent, [""], LossConfig("toward", "margin"))[1] == [True]


def test_text_to_tokens_and_back() -> None:
    assert ABC.encode("  a  b\nb ") == [2, 1, 3, 1, 3] and ABC.encode("Ab, a!") == [2, 3, 1, 2]
    assert ABC.decode([1, 2, 2, 0, 2, 1, 1, 0, 1, 3]) == "AA B"
    assert ABC.trimmed([1, 2, 1, 1, 3, 1]) == [2, 1, 3]
    assert Vocabulary(("a", "sch", "s", " ", "_"), blank=4, delimiter=" ").encode("SCHA SA") == [1, 0, 3, 2, 0]
    assert frames_needed([2, 2, 3]) == 4 and frames_needed([]) == 0
    assert edit_distance([1, 2, 3], [2, 3, 4]) == 2 and edit_distance([], [1, 2]) == 2


def test_refusals_name_what_is_wrong() -> None:
    victim = direct()
    victim.spec = "direct"
    with pytest.raises(TargetError, match=r"'C', '7', which the victim's vocabulary lacks"):
        victim.check_target("a c7c")
    with pytest.raises(TargetError, match="at least one word"):
        victim.check_target(" . ")
    with pytest.raises(TargetError, match="' '"):
        Vocabulary(("-", "A"), delimiter=None).encode("a a")
    with pytest.raises(AttackError, match=r"needs 6 frames, clip 2 of the batch .* has 5 for victim 'direct'; shorten"):
        victim.loss(Batch.of([clip(6, 0), clip(5, 1)]), ["A", "ABABAB"])
    with pytest.raises(AudioError, match=r"clip 2 of the batch: 9 samples are fewer than the 10"):
        victim.transcribe(Batch.of([clip(6, 0), torch.zeros(9)]))
    with pytest.raises(AudioError, match=r"tiny\.wav: 1 samples"):
        victim.check_length(1 / 16_000, "tiny.wav")
    with pytest.raises(VictimError, match="order of the axes"):
        CTCVictim(lambda waves, lengths: (torch.zeros(4, 1, 9), lengths), ABC, CPU, batched=True).transcribe(
            Batch.of([clip(2, 0)])
        )
    with pytest.raises(SpecError, match="blank index 7"):
        Vocabulary(("-", "A"), blank=7)


def test_tiny_is_deterministic_and_the_same_in_any_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    clips = []
    for index, size in enumerate(range(5000, 21_000, 2000)):
        sweep = torch.sin(torch.cumsum(torch.linspace(0.02, 0.02 + 0.1 * index, size), 0))
        bursts = (torch.arange(size) % 2500 < 1500).float()  # sound and near-silence, as words and the gaps between them
        clips.append(quantize16(0.3 * sweep * bursts + 0.002 * torch.randn(size, generator=generator)))
    batch = Batch.of(clips)
    victim, again = load_victim("tiny", "cpu"), load_victim("tiny", "cpu")
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    assert heard == [transcript.text for transcript in again.transcribe(batch)]
    assert heard == [victim.transcribe(Batch.of([wave]))[0].text for wave in batch.clips()]
    assert len(set(heard)) >= 6 and any(" " in text for text in heard)
    assert victim.transcribe(Batch.of([torch.zeros(16_000)]))[0].text == ""
    assert victim.transcribe(Batch.of([torch.full((1,), 0.5)]))[0].text is not None
    assert victim.capabilities == {"hears", "scores", "differentiates"}
    with pytest.raises(SpecError, match="takes no path"):
        load_victim("tiny:x", "cpu")


def test_tiny_gives_gradients_but_not_in_the_padding() -> None:
    victim = load_victim("tiny", "cpu")
    assert isinstance(victim, CTCVictim)
    batch = Batch.of([0.3 * torch.sin(torch.arange(size) * 0.1) for size in (9600, 7000)])
    for config in (
        LossConfig("away", "ce", 8.0),
        LossConfig("toward", "ce"),
        LossConfig("away", "margin"),
        LossConfig("toward", "margin"),
    ):
        waveforms = (batch.waveforms + 0.001).requires_grad_(True)
        (gradient,) = torch.autograd.grad(
            victim.attack_loss(batch.replace(waveforms), ["HI", "HI"], config).loss.sum(), waveforms
        )
        assert bool(torch.isfinite(gradient).all())
        assert bool(((gradient != 0) & batch.mask()).any(dim=1).all()) and not bool(gradient[~batch.mask()].any())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_cuda_hears_and_differentiates_as_the_cpu() -> None:
    cpu, cuda = load_victim("tiny", "cpu"), load_victim("tiny", "cuda")
    batch = Batch.of([0.3 * torch.sin(torch.arange(size) * 0.1) for size in (9600, 7000)])
    assert [heard.text for heard in cpu.transcribe(batch)] == [heard.text for heard in cuda.transcribe(batch.to("cuda"))]
    assert isinstance(cpu, CTCVictim) and isinstance(cuda, CTCVictim)
    assert torch.allclose(cpu.loss(batch, ["HI", "HO"]), cuda.loss(batch.to("cuda"), ["HI", "HO"]).cpu(), atol=1e-2)
    waveforms = batch.to("cuda").waveforms.requires_grad_(True)
    runs = [cuda.attack_loss(Batch(waveforms, batch.lengths), ["HI", "HO"], LossConfig("away", "ce", 8.0)).loss for _ in range(2)]
    gradients = [torch.autograd.grad(loss.sum(), waveforms)[0] for loss in runs]
    assert torch.equal(*gradients) and bool(gradients[0].any())
