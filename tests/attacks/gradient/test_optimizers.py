"""Update rules, schedules, restarts, and steps shared out among stages."""

from __future__ import annotations

import itertools

import eagerpy as ep
import pytest
import torch
from speechlike import tones
from torch import Tensor

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.gradient.diversity import diverse
from voiceattack.attacks.gradient.optimizers import Adam, ByTurns, Momentum, Sign, SpeechOptimizer, TurnKind
from voiceattack.attacks.gradient.schedules import Constant, Cosine, Plateau, Schedule, checkpoints
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.sequence import Stage, run_in_turn, split_steps
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.errors import SpecError
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim
from voiceattack.victims.base import Victim


@pytest.fixture(scope="module")
def victim() -> Victim:
    return load_victim("tiny", device="cpu")


def test_cosine_falls_from_one_to_the_last_step() -> None:
    factors = [Cosine(10, 0.1).factor(done) for done in range(10)]
    assert factors[0] == 1.0 and factors[-1] == pytest.approx(0.1)
    assert all(after < before for before, after in itertools.pairwise(factors))
    assert Cosine(1, 0.1).factor(0) == 1.0


def test_adam_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = [torch.randn(2, 5, generator=generator) for _ in range(6)]
    variable = torch.zeros(2, 5, requires_grad=True)
    reference = torch.optim.Adam([variable], lr=0.1, maximize=True)
    ours, rule = torch.zeros(2, 5), Adam(linf=True)
    for gradient in gradients:
        variable.grad = gradient.clone()
        reference.step()
        ours = ours + rule(gradient, 0.1)
    torch.testing.assert_close(ours, variable.detach())


@pytest.mark.parametrize("kind", ["momentum", "adam", "sign"])
def test_steps_have_the_length_asked_for(kind: str) -> None:
    gradients = torch.randn(3, 7, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([[0.5], [0.25], [0.125]])
    build = {"momentum": lambda linf: Momentum(linf, 0.9), "adam": Adam, "sign": Sign}[kind]
    euclidean, linf = build(False)(gradients, lengths), build(True)(gradients, lengths)
    torch.testing.assert_close(euclidean.norm(dim=1, keepdim=True), lengths)
    torch.testing.assert_close(linf.abs().amax(dim=1, keepdim=True), lengths, rtol=1e-3, atol=0)
    assert float((euclidean * gradients).sum(dim=1).min()) > 0 and float((linf * gradients).sum(dim=1).min()) > 0


def descend(schedule: Schedule, start: Tensor, steps: int, stepsize: float) -> tuple[Tensor, list[Tensor]]:
    """Descent on the sum of squares, (batch, samples); the last point and all losses on the way."""
    optimizer, z, losses = SpeechOptimizer(Momentum(False, 0.0), schedule, stepsize), start, []
    for _ in range(steps):
        losses.append(z.square().sum(dim=1))
        gradient = optimizer.observe(z, range(len(z)), losses[-1], -2 * z)
        z = z + optimizer(ep.astensor(gradient)).raw
    return z, losses


def test_plateau_halves_where_a_constant_step_jumps_to_and_fro() -> None:
    start = torch.tensor([[1.0, 0.3], [0.1, -0.2]])
    plateau = Plateau(start, 60)
    last, losses = descend(plateau, start, 60, 0.7)
    constant, _ = descend(Constant(), start, 60, 0.7)
    assert bool((last.norm(dim=1) < 0.2 * constant.norm(dim=1)).all())
    assert bool((plateau.factors < 0.2).all())
    torch.testing.assert_close(plateau.best, torch.stack(losses).amin(dim=0))


def test_plateau_goes_back_to_the_best_point_of_that_clip_alone() -> None:
    z = torch.tensor([[0.0, 1.0], [5.0, 5.0]])
    schedule = Plateau(z, 10)
    assert sorted(checkpoints(100))[:4] == [22, 41, 57, 70]
    first = min(checkpoints(10))
    back: list[int] = []
    for step in range(first + 1):
        # The first clip is worse at every point after the first, the second better.
        start, back = schedule.observe(
            z + step, [0, 1], torch.tensor([float(step), -float(step)]), torch.full_like(z, float(step))
        )
    assert back == [0] and torch.equal(start[0], z[0]) and torch.equal(start[1], z[1] + first)
    assert schedule.factors.flatten().tolist() == [0.5, 1.0]
    gradient = schedule.gradient(torch.full_like(z, float(first)))
    assert gradient[0].tolist() == [0.0, 0.0] and gradient[1].tolist() == [first, first]


def test_steps_are_shared_out_whole() -> None:
    assert split_steps(300, (35, 25, 20, 20)) == [105, 75, 60, 60]
    assert split_steps(2, (1, 1, 1)) == [1, 1, 0]
    for steps in range(1, 40):
        assert sum(split_steps(steps, (35, 25, 20, 20))) == steps and min(split_steps(steps, (1, 1, 1))) >= 0


def craft(victim: Victim, clips: list[Tensor], budget: Budget, objective: Objective, **params: object) -> list[Crafted]:
    batch = Batch.of(clips)
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    made = build_attack("pgd", **params).craft(victim, batch, heard, objective, budget, list(range(len(clips))))
    assert all(isinstance(result, Crafted) for result in made), made
    return made  # type: ignore[return-value]


@pytest.mark.parametrize("budget", [Budget(snr_db=20), Budget(linf=0.03)], ids=str)
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "sign"])
@pytest.mark.parametrize("schedule", ["cosine", "constant", "plateau"])
def test_every_combination_attacks(victim: Victim, budget: Budget, optimizer: str, schedule: str) -> None:
    clips = [tones(seed) for seed in range(3)]
    for result in craft(victim, clips, budget, Objective(), steps=40, optimizer=optimizer, schedule=schedule):
        assert result.trace[-1]["success"], result.trace
        assert result.warnings == []


def test_restarts_share_the_steps_and_leave_winners_alone(victim: Victim) -> None:
    clips = [tones(seed) for seed in range(3)]
    # The target is out of reach of these clips: every restart is spent.
    hard = craft(victim, clips, Budget(snr_db=60), Objective("targeted", "hello there"), steps=10, restarts=3)
    for result in hard:
        assert result.steps == 10
        assert [line["stage"] for line in result.trace if "stage" in line] == ["first start", "restart 1", "restart 2"]
    easy = craft(victim, clips, Budget(snr_db=5), Objective(), steps=40, restarts=2, check_every=5)
    for result in easy:
        assert result.steps <= 20 and [line["stage"] for line in result.trace if "stage" in line] == ["first start"]
    again = craft(victim, clips, Budget(snr_db=60), Objective("targeted", "hello there"), steps=10, restarts=3)
    assert all(torch.equal(one.waveform, other.waveform) for one, other in zip(hard, again, strict=True))
    with pytest.raises(SpecError, match="restarts"):
        build_attack("pgd", restarts=0)


@pytest.mark.parametrize("budget", [Budget(snr_db=20), Budget(linf=0.03)], ids=str)
def test_a_random_start_is_half_the_budget(victim: Victim, budget: Budget) -> None:
    """One step of next to no length from a random start leaves the start itself."""
    clip = tones(1)
    (made,) = craft(victim, [clip], budget, Objective(), steps=1, step_size=1e-6, random_start=True)
    assert budget.excess(clip, made.waveform) == pytest.approx(0.5, abs=0.01)


def test_stages_in_turn_on_what_stands(victim: Victim) -> None:
    clips = Batch.of([tones(seed) for seed in range(3)])
    heard = [transcript.text for transcript in victim.transcribe(clips)]
    told: list[tuple[int, int]] = []
    problem = Problem(victim, clips, heard, Objective(), Budget(snr_db=15), [1, 2, 3], 10, lambda *at: told.append(at))
    seen: list[tuple[list[str], list[int]]] = []

    def idle(part: Problem) -> Tensor:
        seen.append((part.clean_hypotheses, part.seeds))
        part.hear(part.clean.waveforms, range(len(part.clean)))
        part.step(range(len(part.clean)), 4)
        return part.clean.waveforms

    def win_one(part: Problem) -> Tensor:
        seen.append((part.clean_hypotheses, part.seeds))
        part.hear(part.clean.waveforms[1:2].flip(1).contiguous(), [1])
        return part.clean.waveforms

    winners = run_in_turn(
        problem, [Stage("idle", 4, idle), Stage("one", 3, win_one), Stage("none", 0, idle), Stage("last", 3, idle)]
    )
    assert winners == ["idle", "one", "idle"]
    assert [hypotheses for hypotheses, _ in seen] == [heard, heard, [heard[0], heard[2]]]
    assert seen[0][1] == [1, 2, 3] and len({tuple(seeds[:1]) for _, seeds in seen}) == 3
    assert problem.unsolved() == [0, 2] and [log.steps for log in problem.logs] == [2, 1, 2]
    assert told == [(4, 10), (10, 10)] and torch.equal(problem.best()[0], clips.waveforms[0])


def test_input_diversity_varies_the_clip_that_a_gradient_is_of_and_stays_repeatable() -> None:
    waveforms = torch.stack([tones(0), tones(1)])

    def varied(probability: float, seed: int = 3) -> torch.Tensor:
        return diverse(waveforms, [torch.Generator().manual_seed(seed + row) for row in range(2)], probability)

    assert torch.equal(varied(0.0), waveforms)
    assert torch.equal(varied(1.0), varied(1.0)) and not torch.equal(varied(1.0), varied(1.0, seed=9))
    for clip, other in zip(waveforms, varied(1.0), strict=True):
        gain_db = 20 * float((other.norm() / clip.norm()).log10())
        assert abs(gain_db) <= 3.01 and not torch.equal(clip, other)
    leaf = waveforms.clone().requires_grad_(True)
    diverse(leaf, [torch.Generator().manual_seed(row) for row in range(2)], 1.0).sum().backward()
    assert leaf.grad is not None and bool((leaf.grad != 0).all())


@pytest.mark.parametrize("name", ["pgd", "mi-fgsm"])
def test_an_attack_with_input_diversity_succeeds_and_differs(name: str) -> None:
    victim = load_victim("tiny", device="cpu")
    batch = Batch.of([tones(0)])
    heard = [victim.transcribe(batch)[0].text]

    def crafted(**params: float) -> Crafted:
        (made,) = build_attack(name, steps=20, **params).craft(victim, batch, heard, Objective(), Budget(snr_db=25), [1])
        assert isinstance(made, Crafted)
        return made

    plain, varied = crafted(), crafted(diversity=0.7)
    assert Objective().succeeded(heard[0], victim.transcribe(Batch.of([varied.waveform]))[0].text)
    assert not torch.equal(plain.waveform, varied.waveform)


@pytest.mark.parametrize(
    ("kind", "turn", "alone"), [("auto", 0, "adam"), ("auto", 1, "momentum"), ("adam", 1, "adam"), ("momentum", 0, "momentum")]
)
def test_by_turns_each_clip_moves_by_the_rule_whose_turn_it_is(kind: TurnKind, turn: int, alone: str) -> None:
    generator = torch.Generator().manual_seed(3)
    gradients = [torch.randn(2, 8, generator=generator) for _ in range(3)]
    rule = ByTurns(kind, 0.8)
    single = Adam(linf=False) if alone == "adam" else Momentum(linf=False, momentum=0.8)
    length = torch.tensor([[0.5], [0.0]])
    for gradient in gradients:
        step, expected = rule(gradient, length, [turn, 1 - turn]), single(gradient, length)
        assert torch.equal(step[0], expected[0])
        assert not step[1].any()
