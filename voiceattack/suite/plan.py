"""A suite as the list of what is to be done: one ordinary run a (victim attacked, attack, seed)."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from voiceattack.attacks import ATTACKS
from voiceattack.constraints import Budget
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import SpecError, UnknownNameError
from voiceattack.runs.provenance import canonical, example_id, slug
from voiceattack.suite.fingerprint import fingerprint
from voiceattack.suite.inputs import SuiteClip
from voiceattack.suite.load import nearest
from voiceattack.suite.schema import AttackEntry, Suite, VictimEntry
from voiceattack.victims.trust import specs_in

__all__ = ["Cell", "Variant", "check_names", "plan", "variants"]

MAX_VARIANTS = 1000
"""Of one grid."""
LIMITS = frozenset(field.name for field in fields(Budget))


@dataclass(frozen=True)
class Variant:
    """One attack with one set of parameters; ``label`` names it apart from the others of its grid."""

    label: str
    entry: AttackEntry
    params: dict[str, Any]
    budget: dict[str, Any]

    def request(self, source: str, seed: int) -> AttackRequest:
        """What :func:`~voiceattack.craft.run.craft` is asked, but for the inputs."""
        entry = self.entry
        return AttackRequest(
            inputs=(),
            victim=source,
            attack=entry.attack,
            params=self.params,
            objective=entry.objective,
            target=entry.target,
            wer_threshold=entry.wer_threshold,
            budget=self.budget,
            seed=seed,
            control=entry.control,
            **entry.options.model_dump(),
        )


@dataclass(frozen=True)
class Cell:
    """One run directory, ``cells/<id>/``: what is crafted in it, and who listens.

    Its id is derived from the request and from the victim's fingerprint: what is unchanged is found there again.
    """

    id: str
    variant: Variant
    source: str
    seed: int
    request: AttackRequest
    listeners: tuple[VictimEntry, ...]
    items: tuple[SuiteClip, ...]

    @property
    def ids(self) -> dict[str, SuiteClip]:
        """The clips by the id of their example."""
        return {example_id(item.name, item.sha256, self.request.attack): item for item in self.items}


def plan(suite: Suite, items: Sequence[SuiteClip]) -> list[Cell]:
    """The cells, those of one victim together.

    Raises:
        SpecError: an attack, one of its parameters, or a name or tag is not known.
    """
    check_names(suite, items)
    usable = [item for item in items if item.error is None]
    versions = {victim.spec: victim.version for victim in suite.victims}
    cells = []
    for source in dict.fromkeys(victim.source for victim in suite.victims):
        mark = fingerprint(source, versions.get(source, ""))
        for variant, seed in itertools.product(variants(suite), suite.seeds):
            wanted, names = set(variant.entry.inputs), set(variant.entry.victims)
            chosen = tuple(item for item in usable if (item.tags & wanted if wanted else item.speech))
            listeners = tuple(v for v in suite.victims if v.source == source and (not names or v.name in names))
            if not listeners or not chosen:
                continue
            request = variant.request(source, seed)
            identity = request.identity()
            # Victims that the attack's parameters name, as surrogates, decide the artefacts too.
            others = [fingerprint(spec, versions.get(spec, "")) for spec in specs_in({"params": identity["params"]})]
            key = hashlib.sha256(":".join([canonical(identity), mark, *others]).encode()).hexdigest()[:10]
            id = f"{slug(variant.label)[:30].rstrip('-._')}-{slug(source)[:20].rstrip('-._')}-{seed}-{key}"
            cells.append(Cell(id, variant, source, seed, request, listeners, chosen))
    return cells


def variants(suite: Suite) -> list[Variant]:
    """Every attack of every grid, its parameters checked."""
    found = []
    for entry, called in _members(suite):
        if (count := math.prod(map(len, entry.grid.values()))) > MAX_VARIANTS:
            raise SpecError(
                f"attack {called!r} of the suite: its grid has {count} combinations, {MAX_VARIANTS} at most; shorten it"
            )
        for values in itertools.product(*entry.grid.values()):
            chosen = dict(zip(entry.grid, values, strict=True))
            budget = {**entry.budget, **{name: value for name, value in chosen.items() if name in LIMITS}}
            params = {**entry.params, **{name: value for name, value in chosen.items() if name not in LIMITS}}
            label = called + (f"[{','.join(f'{name}={value}' for name, value in chosen.items())}]" if chosen else "")
            variant = Variant(label, entry, params, budget)
            _check(variant)
            found.append(variant)
    return found


def _members(suite: Suite) -> Iterator[tuple[AttackEntry, str]]:
    """The entries and what each is called; ``attack: corruption:*`` stands for one entry a corruption, all of one name."""
    for entry in suite.attacks:
        family = ATTACKS.family(entry.attack)
        scheme, _, member = entry.attack.partition(":")
        if family is None or member != "*":
            yield entry, entry.name
            continue
        for name in family.names():
            attack = f"{scheme}:{name}"
            yield entry.model_copy(update={"attack": attack}), attack if entry.name == entry.attack else f"{entry.name}:{name}"


def _check(variant: Variant) -> None:
    where = f"attack {variant.label!r} of the suite"
    attack = ATTACKS.get(variant.entry.attack)
    known = list(attack.Params.model_fields)
    for name in variant.params:
        if name not in known:
            if name in LIMITS:
                raise SpecError(f"{where}: {name} is a limit, no parameter; write  budget: {{{name}: {variant.params[name]}}}")
            raise SpecError(
                f"{where}: unknown parameter {name!r}{nearest(name, known)}; parameters: {', '.join(known) or 'none'}"
            )
    for name in variant.budget:
        if name not in LIMITS:
            raise SpecError(
                f"{where}: unknown limit {name!r}{nearest(name, sorted(LIMITS))}; limits: {', '.join(sorted(LIMITS))}"
            )
    if attack.needs_budget and not LIMITS - {"band", "window"} & set(variant.budget):
        raise SpecError(f"{where}: needs a budget, for example  budget: {{snr_db: 35}}")
    try:
        variant.request("", 0).build()
    except SpecError as error:
        raise type(error)(f"{where}: {error}") from error


def check_names(suite: Suite, items: Sequence[SuiteClip]) -> None:
    """Raise :class:`~voiceattack.errors.UnknownNameError` for a victim, attack or tag that nothing is called."""
    victims = [victim.name for victim in suite.victims]
    attacks = list(dict.fromkeys(name for entry in suite.attacks for name in (entry.name, entry.attack)))
    attacks += [variant.label for variant in variants(suite)]
    tags = sorted({tag for item in items for tag in item.tags} | {tag for entry in suite.inputs for tag in entry.tags})
    for entry in suite.attacks:
        _known(f"attack {entry.name!r}", "victim", entry.victims, victims)
        _known(f"attack {entry.name!r}", "tag", entry.inputs, tags)
    for gate in suite.gates:
        where = f"gate {gate.gate!r}"
        _known(where, "victim", [gate.victim] if gate.victim else [], victims)
        _known(where, "attack", [gate.attack] if gate.attack else [], attacks)
        _known(where, "tag", [gate.tag] if gate.tag else [], tags)
    for known in suite.expected:
        where = f"expected {known.subject!r}"
        _known(where, "victim", [known.victim] if known.victim else [], victims)
        _known(where, "attack", [known.attack] if known.attack else [], attacks)
        _known(where, "tag", [known.tag] if known.tag else [], tags)


def _known(where: str, kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            listed = ", ".join(dict.fromkeys(known)) or "none"
            raise UnknownNameError(f"{where} names {kind} {name!r}{nearest(name, known)}; there are: {listed}")
