"""Attacks: how the attacker searches. One file and one registration line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voiceattack.registry import Registry

if TYPE_CHECKING:
    from voiceattack.victims.base import Victim

__all__ = ["ATTACKS", "attacks_for", "build_attack"]

ATTACKS: Registry[Any] = Registry("attack", group="voiceattack.attacks")

_HERE = "voiceattack.attacks"
ATTACKS.add("noise", f"{_HERE}.noise:Noise", "random noise of the same size: the control every report shows")
ATTACKS.add("fgsm", f"{_HERE}.gradient.fgsm:FGSM", "one gradient step (Goodfellow et al. 2015)")
ATTACKS.add("pgd", f"{_HERE}.gradient.pgd:PGD", "projected gradient descent within a budget (Madry et al. 2018)")
ATTACKS.add("mi-fgsm", f"{_HERE}.gradient.mi_fgsm:MIFGSM", "iterated gradient steps with momentum (Dong et al. 2018)")
ATTACKS.add("cw", f"{_HERE}.gradient.cw:CarliniWagner", "the quietest success by a shrinking bound (Carlini & Wagner 2018)")
ATTACKS.add("random-search", f"{_HERE}.score.random_search:RandomSearch", "windowed tones kept when the victim's score improves")
ATTACKS.add(
    "square", f"{_HERE}.score.square:Square", "rectangles of time and frequency exchanged (after Andriushchenko et al. 2020)"
)
ATTACKS.add("nes", f"{_HERE}.score.nes:NES", "gradient estimated from scores, Gaussian directions (Ilyas et al. 2018)")
ATTACKS.add("spsa", f"{_HERE}.score.spsa:SPSA", "gradient estimated from scores, random signs and Adam (Uesato et al. 2018)")
ATTACKS.add(
    "genetic", f"{_HERE}.score.genetic:Genetic", "breeding, then gradient estimation (Alzantot et al. 2018; Taori et al. 2019)"
)
ATTACKS.add(
    "kenansville",
    f"{_HERE}.decision.kenansville:Kenansville",
    "as few quiet components removed as mislead the victim (Abdullah et al. 2020)",
)
ATTACKS.add(
    "minimum-norm",
    f"{_HERE}.gradient.minimum_norm:MinimumNorm",
    "the quietest perturbation that works, per clip, and the robustness curve",
)
ATTACKS.add("auto", f"{_HERE}.combined.auto:Auto", "several attacks in turn, without parameters (after Croce & Hein 2020)")
ATTACKS.add(
    "imperceptible",
    f"{_HERE}.gradient.imperceptible:Imperceptible",
    "first fool, then hide under the masking threshold (Qin et al. 2019)",
)
ATTACKS.add("transfer", f"{_HERE}.combined.transfer:Transfer", "crafted on a white box, chosen among by a few queries or none")
ATTACKS.add(
    "universal",
    f"{_HERE}.universal.attack:Universal",
    "one fitted perturbation for any clip (Neekhara et al. 2019; Raina et al. 2024)",
)
ATTACKS.add("boundary", f"{_HERE}.decision.boundary:Boundary", "random steps along the decision boundary (Brendel et al. 2018)")
ATTACKS.add(
    "hop-skip-jump", f"{_HERE}.decision.hop_skip_jump:HopSkipJump", "the boundary's gradient from decisions (Chen et al. 2020)"
)
ATTACKS.add("pointwise", f"{_HERE}.decision.pointwise:Pointwise", "the start restored cell by cell (Schott et al. 2019)")
ATTACKS.add(
    "tf-evolution",
    f"{_HERE}.decision.tf_evolution:TFEvolution",
    "time-frequency cells evolved, decisions only (Zheng et al. 2021)",
)
ATTACKS.add_family(
    "corruption", f"{_HERE}.corruptions:CORRUPTIONS", "noise, effects, rooms, codecs: what happens to speech without an attacker"
)


def build_attack(name: str, **params: Any) -> Any:
    """The attack ``name`` with its parameters.

    Raises:
        UnknownNameError: no such attack; the message lists them.
        SpecError: a parameter is unknown or out of range.
    """
    return ATTACKS.get(name)(**params)


def attacks_for(victim: Victim) -> list[str]:
    """Names of the attacks whose needs ``victim`` meets."""
    known = [name for name in ATTACKS.names() if ATTACKS.get(name).needs <= victim.capabilities]
    return known + [entry.name for entry in ATTACKS.families() if "hears" in victim.capabilities]
