"""``transfer``: candidates from a surrogate, chosen by the victim's queries or by none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from speechlike import in_process, tones, write_clips

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.craft.estimate import estimate
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import AttackError, SpecError
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.runs import Run
from voiceattack.victims import Transcript, Victim, load_victim
from voiceattack.victims.wrappers.cache import remembering

FEW = {"surrogates": "tiny", "steps": 40, "searches": 2, "check_every": 5}
BUDGET = Budget(snr_db=15)


class Ears(Victim):
    """A black box over ``tiny`` that counts what it is asked; deaf ones never change their mind."""

    spec = "ears"

    def __init__(self, *, deaf: bool = False) -> None:
        self.inner, self.deaf, self.asked = load_victim("tiny", device="cpu"), deaf, 0

    def transcribe(self, batch: Batch) -> list[Transcript]:
        self.asked += len(batch)
        return [Transcript("word")] * len(batch) if self.deaf else self.inner.transcribe(batch)


def craft(
    victim: Victim, batch: Batch, seeds: tuple[int, ...] = (1, 2), objective: Objective | None = None, **params: object
) -> list[Crafted]:
    clean = [transcript.text for transcript in victim.transcribe(batch)]
    attack = build_attack("transfer", **{**FEW, **params})
    results = attack.craft(victim, batch, clean, objective or Objective(), BUDGET, seeds[: len(batch)])
    assert all(isinstance(result, Crafted) for result in results), results
    return results  # type: ignore[return-value]


@pytest.fixture
def batch() -> Batch:
    return Batch.of([tones(1), tones(2, seconds=0.5)])


def test_without_queries_the_victim_is_not_asked(batch: Batch) -> None:
    victim = Ears()
    results = craft(victim, batch, queries=0)
    assert victim.asked == len(batch), "the clean clips alone"
    for clip, result in zip(batch.clips(), results, strict=True):
        assert result.queries == 0 and result.steps == FEW["steps"]
        assert 15.0 <= float(snr_db(clip, result.waveform)) < 16.0, "the budget is filled"
        assert result.trace[0]["surrogates"] == "tiny" and result.trace[0]["fool_them"] > 0
    heard = victim.transcribe(batch.replace(torch.nn.utils.rnn.pad_sequence([r.waveform for r in results], batch_first=True)))
    clean = victim.transcribe(batch)
    assert all(Objective().succeeded(before.text, after.text) for before, after in zip(clean, heard, strict=True))


def test_the_victim_chooses_and_is_left_alone_once_fooled(batch: Batch) -> None:
    victim = Ears()
    results = craft(victim, batch, queries=9)
    assert victim.asked == len(batch) + sum(result.queries for result in results)
    for result in results:
        assert result.queries == 1 and result.trace[-1]["success"], "the surrogate is the victim: its first candidate fools"
        assert result.steps == FEW["steps"] // 2, "the second search was not needed"


def test_a_victim_that_holds_is_asked_exactly_so_often(batch: Batch) -> None:
    victim = Ears(deaf=True)
    results = craft(victim, batch, queries=5)
    assert [result.queries for result in results] == [5, 5] and victim.asked == len(batch) + 10
    searches = [entry["search"] for entry in results[0].trace if "search" in entry]
    assert len(searches) == 2 and len(set(searches)) == 2, "another search where the first did not do"
    assert all(not entry["success"] for entry in results[0].trace if "success" in entry)


def test_a_target_gains_head_room_past_its_first_success(batch: Batch) -> None:
    victim = load_victim("tiny", device="cpu")
    alone = Batch.of([tones(1)])
    target = Objective("targeted", "ab")
    (result,) = craft(victim, alone, objective=target, queries=0, steps=120, check_every=10)
    assert result.steps == 120
    assert target.succeeded("", victim.transcribe(Batch.of([result.waveform]))[0].text)


def test_what_cannot_be_crafted_on_is_refused() -> None:
    with pytest.raises(AttackError, match=r"surrogate 'pocketsphinx'|needs the extra|pocketsphinx"):
        build_attack("transfer", surrogates="pocketsphinx").check(Ears(), Objective(), BUDGET)
    with pytest.raises(AttackError, match="random-search"):
        build_attack("transfer", surrogates="tiny").check(Ears(), Objective("evade"), BUDGET)
    with pytest.raises(SpecError, match="names no victim"):
        build_attack("transfer", surrogates=" , ").check(Ears(), Objective(), BUDGET)


def test_surrogates_run_where_the_user_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Though the victim itself is an engine that knows of no device."""
    asked: list[str | None] = []

    def noted(spec: str, device: str | None = None) -> Victim:
        asked.append(device)
        return load_victim(spec, device)

    monkeypatch.setattr("voiceattack.attacks.combined.transfer.load_victim", noted)
    engine = load_victim("command:true {audio}", "cpu")
    for victim in (engine, remembering(engine, tmp_path), Ears()):
        build_attack("transfer", surrogates="tiny").check(victim, Objective(), BUDGET)
    assert asked == ["cpu", "cpu", None]


def test_surrogates_together_are_an_ensemble(batch: Batch) -> None:
    (result, _) = craft(Ears(), batch, queries=0, surrogates="tiny, tiny")
    assert result.trace[0]["surrogates"] == "ensemble:tiny|tiny"


def test_the_steps_foretold_are_the_surrogates(tmp_path: Path) -> None:
    clips = write_clips(tmp_path, 1)
    request = AttackRequest(inputs=tuple(clips), victim="ears", attack="transfer", params=FEW, budget={"snr_db": 15})
    foretold = estimate(request, victim=Ears())
    assert foretold.steps == FEW["steps"] and foretold.step_seconds > 0, "a black box takes no steps itself"
    assert foretold.queries == build_attack("transfer").max_queries + 1


def test_the_record_says_surrogates_steps_and_queries(tmp_path: Path) -> None:
    (clip,) = write_clips(tmp_path / "in", 1, first=1)
    params = [f"--param={name}={value}" for name, value in {**FEW, "surrogates": "tiny,tiny"}.items()]
    ran = in_process(
        "attack", clip, "--victim", "tiny", "--attack", "transfer", *params, "--snr-db", "15", "--out", tmp_path / "run"
    )
    assert ran.returncode == 0, ran.stderr
    (row,) = [row for row in Run.open(tmp_path / "run").results() if not row.is_control]
    with_name = Run.open(tmp_path / "run").info["victims"]
    assert "capabilities" in with_name["tiny"] and "ensemble:tiny|tiny" in with_name
    assert row.params["surrogates"] == "tiny,tiny" and row.steps == 20 and row.queries == 1 and row.success
