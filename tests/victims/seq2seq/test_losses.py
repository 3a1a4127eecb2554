"""Losses of encoder-decoder victims, by hand; and the victims that lack them say so."""

from __future__ import annotations

import math

import pytest
import torch
from speechlike import tones
from torch import Tensor

from voiceattack.audio import Batch
from voiceattack.errors import AttackError
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.seq2seq.losses import EOT_PLACES, IGNORE, STOP_HEADROOM, attack_loss, cross_entropy, writing_on

INF = float("inf")
EOT = 3


def logits_of(*rows: list[float]) -> Tensor:
    """Log-probabilities from probabilities, float (1, tokens, vocabulary)."""
    return torch.tensor([rows]).log()


# Three tokens and end-of-text, which never comes first.
LOGITS = logits_of([0.5, 0.3, 0.2, 0.0], [0.1, 0.6, 0.2, 0.1], [0.2, 0.1, 0.3, 0.4])
LABELS = torch.tensor([[0, 1, EOT]])


def loss_of(direction: str, kind: str, cap: float | None = None, confidence: float = 0.0) -> float:
    return float(attack_loss(LOGITS, LABELS, LossConfig(direction, kind, cap, confidence)).loss)  # type: ignore[arg-type]


def test_cross_entropy_and_sequence() -> None:
    nll = -math.log(0.5) - math.log(0.6) - math.log(0.4)
    assert float(cross_entropy(LOGITS, LABELS).sum()) == pytest.approx(nll)
    assert loss_of("toward", "ce") == pytest.approx(nll / 3) and loss_of("away", "ce") == pytest.approx(-nll / 3)
    assert loss_of("toward", "sequence") == pytest.approx(nll) and loss_of("away", "sequence") == pytest.approx(-nll)
    # A cap of 0.6 nats a token: token by token it cuts two of them, as a whole (1.8 nats) it cuts what exceeds it.
    assert loss_of("away", "ce", 0.6) == pytest.approx(-(0.6 - math.log(0.6) + 0.6) / 3)
    assert loss_of("away", "sequence", 0.6) == pytest.approx(-1.8)
    assert loss_of("away", "sequence", 0.8) == pytest.approx(-nll)


def test_margin() -> None:
    leads = [math.log(0.5 / 0.3), math.log(0.6 / 0.2), math.log(0.4 / 0.3)]
    assert loss_of("away", "margin") == pytest.approx(sum(leads) / 3)
    assert loss_of("toward", "margin", confidence=1.0) == pytest.approx(sum(max(0, 1 - lead) for lead in leads))


def test_end_of_text() -> None:
    # It may stop at the second place (0.1) or, not having done so, at the third (0.4).
    assert loss_of("away", "eot") == pytest.approx(-math.log(0.1 + 0.9 * 0.4), rel=1e-4)
    words, end = (-math.log(0.5) - math.log(0.6)) / 2, -math.log(0.4)
    assert loss_of("toward", "eot") == pytest.approx((words + end) / 2)


def test_end_of_text_counts_only_the_first_places_and_has_finite_gradients() -> None:
    tokens = 6
    logits = torch.zeros(1, tokens, 4)
    logits[0, 0, EOT] = -INF
    labels = torch.tensor([[0, 1, 2, 0, 1, EOT]])
    logits.requires_grad_(True)
    result = attack_loss(logits, labels, LossConfig("away", "eot"))
    (gradient,) = torch.autograd.grad(result.loss.sum(), logits)
    assert float(result.loss.detach()) == pytest.approx(-math.log(1 - 0.75**EOT_PLACES), rel=1e-4)
    assert bool(torch.isfinite(gradient).all())
    moved = gradient[0].abs().amax(dim=1) > 0
    assert moved.tolist() == [False] + [True] * EOT_PLACES + [False] * (tokens - 1 - EOT_PLACES)
    assert float(gradient[0, 1 : 1 + EOT_PLACES, EOT].max()) < 0, "descent must make end-of-text likelier"


@pytest.mark.parametrize("kind", ["ce", "margin", "sequence", "eot"])
@pytest.mark.parametrize("direction", ["away", "toward"])
def test_padding_changes_nothing(kind: str, direction: str) -> None:
    config = LossConfig(direction, kind, 6.0, 1.0)  # type: ignore[arg-type]
    padded = torch.cat([LOGITS, torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(0))], dim=1)
    labels = torch.cat([LABELS, torch.full((1, 2), IGNORE)], dim=1)
    one, other = attack_loss(LOGITS, LABELS, config), attack_loss(padded, labels, config)
    torch.testing.assert_close(one.loss, other.loss)
    assert one.matches is not None and other.matches is not None and one.distance is not None and other.distance is not None
    assert one.matches.tolist() == other.matches.tolist() == [True] and one.distance.tolist() == other.distance.tolist()


@pytest.mark.parametrize("kind", ["sequence", "eot"])
def test_a_ctc_victim_says_that_it_has_none(kind: str) -> None:
    with pytest.raises(AttackError, match=r"encoder-decoder.*use loss='ce'"):
        load_victim("tiny", device="cpu").attack_loss(Batch.of([tones(0)]), ["a"], LossConfig("away", kind))  # type: ignore[arg-type]


def test_writing_on_holds_the_end_below_the_next_best_at_every_place() -> None:
    words = torch.tensor([[[1.0, 0.0, -INF], [2.0, 0.0, 4.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]])
    words = words[:, [1, 0, 2, 3]].requires_grad_(True)
    ends = torch.tensor([[-INF, 3.0, -2.0, 0.0]], requires_grad=True)
    head = STOP_HEADROOM
    # Forbidden costs nothing; the others what they miss of the head-room.
    missing = [0.0, max(0.0, 3.0 - 1.0 + head), max(0.0, -2.0 - 0.0 + head), max(0.0, 0.0 - 1.0 + head)]
    loss = writing_on(words, ends)
    assert loss.tolist() == pytest.approx([sum(missing)])
    to_words, to_ends = torch.autograd.grad(loss.sum(), [words, ends])
    assert to_words[0, 1].tolist() == [-1, 0, 0] and to_ends.tolist() == [[0, 1, 1, 1]]
    assert not to_words[0, 0].any()
