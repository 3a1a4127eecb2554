"""A victim around a victim is the victim inside, but for what the wrapper says itself; capabilities are asked in one way."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from speechlike import ROOT, tones
from torch import Tensor

from voiceattack.attacks import attacks_for, build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch, quantize16
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError, SpecError, VictimError
from voiceattack.objectives import Objective, interpret_of
from voiceattack.victims import DifferentiableVictim, Transcript, Victim, differentiates, load_victim
from voiceattack.victims.assistants.assistant import AssistantVictim
from voiceattack.victims.base import LossConfig
from voiceattack.victims.intent import Intent
from voiceattack.victims.own import from_loss_module
from voiceattack.victims.whisper.prompted import PromptKind, prompted, takes_prompt
from voiceattack.victims.wrappers.base import VictimWrapper
from voiceattack.victims.wrappers.cache import QueryCache, RememberingVictim, remembering
from voiceattack.victims.wrappers.ensemble import EnsembleVictim
from voiceattack.victims.wrappers.normalised import NormalisedVictim


class Able(DifferentiableVictim):
    """Has every capability, an attribute of its own, and other values than any victim's defaults."""

    capabilities = frozenset({"hears", "scores", "differentiates", "acts"})
    spec, sample_rate, max_seconds, mute_text, language, costly = "able", 8000, 7.0, "-", "de", True
    hallucinations, commands, asked_device = ("so",), ("on",), "cpu"
    threshold = 0.25

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript("on")] * len(batch)

    def transcribe_prompted(self, batch: Batch, prompt: str, kind: PromptKind) -> list[Transcript]:
        return [Transcript(prompt)] * len(batch)

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        return batch.waveforms.square().sum(dim=1)

    def interpret(self, text: str) -> Intent:
        return Intent(text)

    def confidences(self, text: str) -> dict[str, float] | None:
        return {text: 1.0}


PUBLIC = sorted(name for name in {*dir(DifferentiableVictim), *dir(Able)} if not name.startswith("_"))


def wrapped(tmp_path: Path, inner: Victim) -> list[VictimWrapper]:
    """One of each wrapper there is, around ``inner``."""
    made = [
        VictimWrapper(inner),
        RememberingVictim(inner, QueryCache(tmp_path)),
        NormalisedVictim(inner, "nfkc"),
        AssistantVictim(inner, Able()),
    ]
    assert {type(one) for one in made} >= set(VictimWrapper.__subclasses__()), "a wrapper is missing here"
    return made


def own(wrapper: VictimWrapper, name: str) -> bool:
    """Whether a wrapper says ``name`` itself: its class does, or it was given it."""
    classes = type(wrapper).__mro__[: type(wrapper).__mro__.index(VictimWrapper)]
    return name in vars(wrapper) or any(name in vars(one) for one in classes) or name == "transcribe"


def test_what_a_wrapper_does_not_say_is_the_victims(tmp_path: Path) -> None:
    inner = Able()
    said = {}
    for wrapper in wrapped(tmp_path, inner):
        said[type(wrapper)] = {name for name in PUBLIC if own(wrapper, name)}
        for name in set(PUBLIC) - said[type(wrapper)]:
            assert getattr(wrapper, name) == getattr(inner, name), f"{type(wrapper).__name__}.{name}"
        assert wrapper.capabilities == inner.capabilities and differentiates(wrapper)
        assert not hasattr(wrapper, "nothing_of_the_kind")
    assert said[VictimWrapper] == said[RememberingVictim] == {"transcribe"}
    assert said[NormalisedVictim] == {"transcribe", "interpret", "confidences", "describe"}
    assert not {"max_seconds", "mute_text", "language", "costly", "hallucinations", "device"} & said[AssistantVictim]


def test_a_wrapper_follows_its_victim_and_keeps_what_it_is_given() -> None:
    inner = Able()
    wrapper = VictimWrapper(inner)
    inner.language, inner.hallucinations = "fr", ("donc",)
    assert (wrapper.language, wrapper.hallucinations) == ("fr", ("donc",))
    wrapper.spec = "renamed"
    assert (wrapper.spec, inner.spec) == ("renamed", "able")
    twin = copy.deepcopy(pickle.loads(pickle.dumps(wrapper)))
    assert twin.spec == "renamed" and twin.language == "fr" and twin.threshold == 0.25


def test_a_wrapper_of_a_black_box_is_a_black_box(tmp_path: Path) -> None:
    class Ear(Victim):
        spec = "ear"

        def transcribe(self, batch: Batch) -> list[Transcript]:
            return [Transcript("on")] * len(batch)

    for wrapper in (VictimWrapper(Ear()), RememberingVictim(Ear(), QueryCache(tmp_path))):
        assert wrapper.capabilities == {"hears"} and not differentiates(wrapper) and interpret_of(wrapper) is None
        assert "pgd" not in attacks_for(wrapper) and not takes_prompt(wrapper)
        for ask in (lambda: wrapper.interpret("on"), lambda: wrapper.score(Batch.of([tones(0)]), ["on"])):  # noqa: B023
            with pytest.raises(VictimError, match="'ear'"):
                ask()
        with pytest.raises(AttackError, match="'ear' takes no prompt"):
            prompted(wrapper)
    heard = AssistantVictim(Ear(), Able())
    assert heard.capabilities == {"hears", "acts"} and not differentiates(heard)
    with pytest.raises(SpecError, match="victims that read text"):
        NormalisedVictim(Ear(), "nfkc")


def test_prompts_pass_a_cache_and_no_assistant(tmp_path: Path) -> None:
    kept = prompted(RememberingVictim(Able(), QueryCache(tmp_path)))
    assert kept.transcribe_prompted(Batch.of([tones(0)]), "lamp", "hotwords")[0].text == "lamp"
    assert not takes_prompt(AssistantVictim(Able(), Able()))


@pytest.fixture(scope="module")
def defended() -> Victim:
    pytest.importorskip("hassil", reason="needs the extra assistant")
    return load_victim("assistant:home?asr=tiny&normalise=nfkc+confusables", "cpu")


def test_a_white_box_assistant_keeps_its_gradients_behind_a_defence(defended: Victim, tmp_path: Path) -> None:
    """Pgd takes its steps on it and finds what it finds without the defence, which changes texts and no sound."""
    bare = load_victim("assistant:home?asr=tiny", "cpu")
    assert isinstance(defended, NormalisedVictim) and differentiates(defended) and defended.token_losses
    assert defended.capabilities == bare.capabilities == {"hears", "acts", "scores", "differentiates"}
    assert (
        str(defended.interpret("turn on the living room lamp\u200b"))
        != "-"
        == str(bare.interpret("turn on the living room lamp\u200b"))
    )
    assert remembering(defended, tmp_path) is defended, "what gives losses is not asked for answers"
    batch = Batch.of([quantize16(tones(0))])
    clean = [heard.text for heard in defended.transcribe(batch)]
    found = []
    for victim in (defended, bare):
        attack = build_attack("pgd", steps=3, check_every=1)
        (result,) = attack.craft(victim, batch, clean, Objective(), Budget(snr_db=15), [0])
        assert isinstance(result, Crafted) and result.steps > 0
        found.append(result.waveform)
    assert torch.equal(*found) and not torch.equal(found[0], batch.waveforms[0])
    waveforms = batch.waveforms.clone().requires_grad_(True)
    loss = defended.attack_loss(batch.replace(waveforms), ["abc"], LossConfig("toward", "margin")).loss.sum()
    assert bool(torch.autograd.grad(loss, waveforms)[0].any())


def test_only_victims_that_know_tokens_are_asked_for_a_margin() -> None:
    class Own(torch.nn.Module):
        def loss(self, waveforms: Tensor, lengths: Tensor, texts: list[str]) -> Tensor:
            return waveforms.square().sum(dim=1)

        def transcribe(self, waveforms: Tensor, lengths: Tensor) -> list[str]:
            return ["on"] * len(waveforms)

    tiny, loss = load_victim("tiny", "cpu"), from_loss_module(Own())
    assert isinstance(tiny, DifferentiableVictim) and tiny.token_losses and not loss.token_losses
    assert EnsembleVictim([tiny, tiny]).token_losses and not EnsembleVictim([tiny, loss]).token_losses
    for inner, known in ((tiny, True), (loss, False)):
        wrapper: Any = AssistantVictim(inner, Able())
        assert wrapper.token_losses is known
    (result,) = build_attack("cw", steps=2).craft(
        EnsembleVictim([loss, loss]), Batch.of([quantize16(tones(0))]), ["on"], Objective(), Budget(), [0]
    )
    assert isinstance(result, Crafted)


def test_somebodys_victim_that_interprets_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Victims written before acting was a capability have the method alone."""
    (tmp_path / "old_assistant.py").write_text(
        "from voiceattack.victims import Victim\nfrom voiceattack.victims.intent import Intent\n\n"
        "class Old(Victim):\n    def interpret(self, text):\n        return Intent(text)\n"
        "    def transcribe(self, batch):\n        return []\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    victim = load_victim("python:old_assistant:Old", "cpu")
    assert victim.capabilities == {"hears", "acts"}
    asked = interpret_of(load_victim("python:old_assistant:Old?normalise=nfkc", "cpu"))
    assert asked is not None and asked("\uff4f\uff4e") == Intent("on")


def test_capabilities_are_asked_in_one_way() -> None:
    """Of a wrapper, the class and the methods it has do not tell what the victim inside can do."""
    asked: list[str] = []
    for path in sorted((ROOT / "voiceattack").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1:
                told = ast.unparse(node.args[1])
                by_class = node.func.id == "isinstance" and re.search(r"\b(DifferentiableVictim|Prompted)\b", told)
                by_method = node.func.id in ("getattr", "hasattr") and told in (
                    "'interpret'",
                    "'score'",
                    "'loss'",
                    "'confidences'",
                )
                if (by_class or by_method) and path.name != "own.py":  # where modules of others are looked at, not victims
                    asked.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not asked, "ask victim.capabilities, differentiates(victim) or takes_prompt(victim)"


class Reads(Victim):
    """Of somebody who does not say that it acts."""

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript("")] * len(batch)

    def interpret(self, text: str) -> Intent:
        return Intent(text)


class ReadsStill(Reads):
    capabilities = frozenset({"hears"})


class ReadsNot(Able):
    capabilities = frozenset({"hears"})
    interpret = None  # type: ignore[assignment]


def test_a_class_that_interprets_acts_however_it_comes_in() -> None:
    for kind in (Reads, ReadsStill):
        told = interpret_of(kind())
        assert kind.capabilities == {"hears", "acts"} and told is not None and told("on") == Intent("on")
        assert interpret_of(VictimWrapper(kind())) is not None and NormalisedVictim(kind(), "nfkc").interpret("on") == Intent(
            "on"
        )
    assert interpret_of(ReadsNot()) is None and Victim.capabilities == {"hears"}
