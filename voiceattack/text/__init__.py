"""Text attacks: perturbed wording, typed or spoken. One file and one registration line a perturbation."""

from __future__ import annotations

from typing import Any

from voiceattack.registry import Registry
from voiceattack.text.base import Perturbation, build

__all__ = ["PERTURBATIONS", "Perturbation", "build_perturbation"]

PERTURBATIONS: Registry[type[Perturbation]] = Registry("perturbation", group="voiceattack.perturbations")

_HERE = "voiceattack.text"
PERTURBATIONS.add("zero-width", f"{_HERE}.perturbations.zero_width:ZeroWidth", "an invisible character inside a word")
PERTURBATIONS.add(
    "homoglyphs", f"{_HERE}.perturbations.homoglyphs:Homoglyphs", "a letter replaced by its lookalike", requires="text"
)
PERTURBATIONS.add(
    "bidi", f"{_HERE}.perturbations.bidi_reorder:Bidi", "letters stored in another order than shown", requires="text"
)
PERTURBATIONS.add("deletions", f"{_HERE}.perturbations.deletions:Deletions", "a letter and the backspace that takes it away")
PERTURBATIONS.add("typos", f"{_HERE}.perturbations.typos:Typos", "neighbouring key, swapped, dropped or repeated letter")
PERTURBATIONS.add(
    "homophones", f"{_HERE}.perturbations.homophones:Homophones", "a word that sounds the same or nearly so", requires="text"
)
PERTURBATIONS.add(
    "boundaries",
    f"{_HERE}.perturbations.boundaries:Boundaries",
    "words cut at another place, said nearly the same",
    requires="text",
)
PERTURBATIONS.add(
    "squatting", f"{_HERE}.perturbations.squatting:Squatting", "a word as the victim itself mishears it", requires="text"
)
PERTURBATIONS.add("synonyms", f"{_HERE}.perturbations.synonyms:Synonyms", "a word that means nearly the same", requires="text")
PERTURBATIONS.add(
    "paraphrase", f"{_HERE}.perturbations.paraphrase:Paraphrase", "the same request in other words", requires="text"
)
PERTURBATIONS.add(
    "disfluencies", f"{_HERE}.perturbations.disfluencies:Disfluencies", "a filler or a repeated beginning before a word"
)
PERTURBATIONS.add("politeness", f"{_HERE}.perturbations.politeness:Politeness", "polite words before or after the command")
PERTURBATIONS.add("numbers", f"{_HERE}.perturbations.numbers_units:Numbers", "numbers and units spelt another way")


def build_perturbation(name: str, **params: Any) -> Perturbation:
    """A perturbation with its parameters checked.

    Raises:
        UnknownNameError: no such perturbation.
        SpecError: a parameter is unknown or out of range.
    """
    return build(PERTURBATIONS.get(name), params)
