"""Craft changed texts: corpus in, one durable line each out; with a victim by search, without one drawn by seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from voiceattack.asked import Asked
from voiceattack.audio import clips as audio
from voiceattack.errors import SpecError, as_error
from voiceattack.languages import language_code
from voiceattack.locks import locking
from voiceattack.numbers import LARGEST
from voiceattack.progress import Progress, each
from voiceattack.runs.provenance import example_seed, slug
from voiceattack.text import PERTURBATIONS, build_perturbation
from voiceattack.text.base import Perturbation
from voiceattack.text.corpus import TextItem, read_texts
from voiceattack.text.edits import Edit, apply, words_of
from voiceattack.text.listeners import Listener
from voiceattack.text.measures.sizes import measure
from voiceattack.text.problem import TextLimits, TextObjective, TextProblem, within
from voiceattack.text.runs import TextExample, TextRun
from voiceattack.text.search import SEARCHES
from voiceattack.text.speech import load_speaker
from voiceattack.victims import load_victim
from voiceattack.victims.base import Victim
from voiceattack.victims.specs import without_patience

__all__ = ["TextRequest", "craft_texts", "listener_of", "offers"]


class TextRequest(Asked):
    """What is asked of :func:`craft_texts`; JSON-safe.

    Attributes:
        inputs: texts, files of lines or manifests.
        perturbations: registered names; the search may use any of them at any word.
        params: parameters, by ``name`` (one perturbation) or ``perturbation.name``.
        victim: spec string; None makes a corpus without one.
        search: registered name.
        objective, target: see :func:`voiceattack.text.problem.succeeded`.
        limits: what a change may cost.
        interpreter: spec of who acts on what ``victim`` heard, when that does not itself.
        speak: spec of a speaker, when the victim is to hear the texts.
        variants: texts to draw from each, without a victim.
        language: of the texts, see :func:`voiceattack.languages.language_code`.
        seed: of the run; each example derives its own from it and from its text.
    """

    inputs: tuple[str, ...]
    perturbations: tuple[str, ...] = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
    victim: str | None = None
    search: str = "greedy"
    objective: TextObjective = "any"
    target: str | None = None
    limits: TextLimits = TextLimits()
    interpreter: str | None = None
    speak: str | None = None
    variants: int = Field(default=1, ge=1, le=1000)
    language: str = "en"
    seed: int = Field(default=0, ge=0, le=LARGEST)

    @field_validator("language")
    @classmethod
    def _one_code(cls, given: str) -> str:
        return language_code(given, "--language")

    def build(self) -> list[Perturbation]:
        """The perturbations, parameters and language checked.

        Raises:
            SpecError: one is unknown, a parameter is wrong, the language is not served, or options exclude each other.
        """
        if len(set(self.perturbations)) < len(self.perturbations):
            raise SpecError("a perturbation is named twice; name it once")
        wanted: dict[str, dict[str, Any]] = {name: {} for name in self.perturbations}
        for key, value in self.params.items():
            owner, dot, name = key.partition(".")
            if not dot and len(wanted) > 1:
                raise SpecError(
                    f"--param {key}: say of which perturbation, for example --param {self.perturbations[0]}.{key}=..."
                )
            owner, name = (owner, name) if dot else (self.perturbations[0], owner)
            if owner not in wanted:
                raise SpecError(f"--param {key}: perturbation {owner!r} is not used here ({', '.join(wanted)})")
            wanted[owner][name] = value
        if (self.objective == "action") != (self.target is not None):
            raise SpecError("objective action needs --target, and --target the objective action; give both or neither")
        if self.interpreter is not None and self.speak is None:
            raise SpecError("--interpreter acts on what a victim heard; add --speak, or name it as --victim")
        SEARCHES.entry(self.search)
        built = [build_perturbation(PERTURBATIONS.entry(name).name, **params) for name, params in wanted.items()]
        for perturbation in built:
            perturbation.check_language(self.language)
            if self.speak and not perturbation.spoken:
                raise SpecError(f"perturbation {perturbation.name!r} changes what is read, not what is heard; drop --speak")
        return built

    def identity(self) -> dict[str, Any]:
        """All that decides an example, and nothing else: adding, removing or reordering inputs changes none."""
        built = {perturbation.name: perturbation.params for perturbation in self.build()}
        data = self.model_dump(mode="json", exclude={"inputs", "perturbations", "params"})
        if self.victim is None:
            del data["search"]
        else:
            data["victim"] = without_patience(self.victim)
        if self.interpreter is None:
            del data["interpreter"]
        return {"perturbations": built, **data}


def listener_of(request: TextRequest, victim: Victim) -> Listener:
    """The victim as one that answers texts, spoken if the request says so."""
    interpreter = load_victim(request.interpreter) if request.interpreter else None
    return Listener(victim, load_speaker(request.speak) if request.speak else None, interpreter)


@locking("out")
def craft_texts(
    request: TextRequest,
    out: str | Path,
    *,
    victim: Victim | None = None,
    keep_answers: bool = True,
    on_progress: Progress | None = None,
    on_error: Callable[[str], None] | None = None,
) -> TextRun:
    """Craft every text of ``request`` that ``out`` does not hold yet; what failed is tried again.

    Args:
        request: what is asked.
        out: run directory; one begun with the same request is resumed.
        victim: loaded; must be given when the request names one.
        keep_answers: whether what a server or program heard of spoken texts is kept in the run, ``queries.sqlite``, so that a run
            that was cut off asks nothing twice when resumed; see :mod:`voiceattack.victims.wrappers.cache`.
        on_progress: called with (done, all, text).
        on_error: called with one line for each text that cannot be used.

    Raises:
        SpecError, CorpusError, RunError: nothing can be crafted at all.
    """
    perturbations = request.build()
    listener = None if victim is None else listener_of(request, victim)
    items = list(read_texts(request.inputs))
    run = TextRun.create(out, request.identity())
    if keep_answers and listener is not None and listener.victim.costly:
        listener.remember(run.path)
    recorded = {example.id: example for example in run.texts()}
    seen = {example.id for example in recorded.values() if example.error is None}
    name = "+".join(request.perturbations)
    for item in each(items, "changing", lambda item: item.text[:40], on_progress):
        for variant in range(1 if listener is not None else request.variants):
            identifier = f"{slug(item.text or Path(item.source).name)[:40].rstrip('-._')}-{item.sha256[:8]}-{slug(name)}"
            identifier += f"-{variant}" if variant else ""
            if identifier in seen:
                continue
            seen.add(identifier)
            example = _one(request, run, item, identifier, perturbations, listener, variant)
            if example.error and on_error is not None:
                on_error(example.error)
            before = recorded.get(identifier)
            if before is None or example.error is None or before.error != example.error:
                run.append_text(example)
    return run


def _one(
    request: TextRequest,
    run: TextRun,
    item: TextItem,
    identifier: str,
    perturbations: Sequence[Perturbation],
    listener: Listener | None,
    variant: int,
) -> TextExample:
    name = "+".join(request.perturbations)
    seed = example_seed(request.seed, item.sha256, f"{name}:{variant}")
    started = time.perf_counter()
    facts: dict[str, Any] = {
        "id": identifier,
        "source": item.source,
        "text": item.text,
        "text_sha256": item.sha256,
        "expected": item.expected,
        "source_victim": request.victim,
        "perturbation": name,
        "search": None if listener is None else request.search,
        "objective": request.objective,
        "target": request.target,
        "seed": seed,
        "recipe": {**request.identity(), "variant": variant},
    }
    before = 0 if listener is None else listener.queries
    spoken: dict[str, Any] = {}
    try:
        if item.error:
            raise SpecError(item.error)
        rng = np.random.default_rng(seed)
        options = offers(perturbations, item.text)
        found, error, warnings = _search(request, item, options, listener, rng)
        perturbed = apply(item.text, found) if found else None
        if listener is not None and listener.speak is not None:
            spoken = _save(run, identifier, item, perturbed, listener)
    except Exception as problem:  # a victim, a voice or a perturbation may be anybody's code: it costs this text
        found, perturbed, error, warnings = (), None, str(as_error(problem)), []
    return TextExample(
        **facts,
        **spoken,
        perturbed=perturbed,
        edits=[edit.as_dict() for edit in found],
        sizes=measure(item.text, perturbed, found) if perturbed is not None else {},
        queries=0 if listener is None else listener.queries - before,
        seconds=round(time.perf_counter() - started, 3),
        warnings=warnings,
        error=error,
    )


def offers(perturbations: Sequence[Perturbation], text: str) -> list[list[Edit]]:
    """The edits of all perturbations at each word of ``text``."""
    offered: list[list[Edit]] = [[] for _ in words_of(text)]
    for perturbation in perturbations:
        for index, edits in enumerate(perturbation.all_options(text)):
            offered[index] += edits
    return offered


def _search(
    request: TextRequest, item: TextItem, options: list[list[Edit]], listener: Listener | None, rng: np.random.Generator
) -> tuple[tuple[Edit, ...], str | None, list[str]]:
    if listener is None:
        return _draw(item.text, options, request.limits, rng), None, []
    problem = TextProblem(item.text, options, listener, request.objective, request.target, request.limits, rng)
    if not any(problem.options):
        return (), None, ["no edit of this perturbation fits the text and the limits"]
    best = SEARCHES.get(request.search)(problem)
    return (best.edits if best is not None else ()), None, []


def _draw(text: str, options: list[list[Edit]], limits: TextLimits, rng: np.random.Generator) -> tuple[Edit, ...]:
    """Edits at up to ``max_words`` words, drawn; none where nothing fits the limits."""
    chosen: list[Edit] = []
    places = [place for place, offered in enumerate(options) if offered]
    for place in rng.permutation(places).tolist() if places else []:
        for index in rng.permutation(len(options[place])).tolist():
            grown = sorted([*chosen, options[place][index]])
            apart = all(one.end <= two.start and one.start < two.start for one, two in pairwise(grown))
            if apart and within(text, grown, limits) and apply(text, grown) != text:
                chosen = grown
                break
        if sum(edit.words for edit in chosen) >= limits.max_words:
            break
    return tuple(chosen)


def _save(run: TextRun, identifier: str, item: TextItem, perturbed: str | None, listener: Listener) -> dict[str, str]:
    """The clean and the changed text as spoken, 16-bit FLAC; their paths in the run."""
    assert listener.speak is not None
    clean = run.clean_path(f"{slug(item.text)[:40].rstrip('-._')}-{item.sha256[:8]}")
    if not clean.exists():
        audio.save(clean, listener.speak(item.text), comment="synthetic speech by voiceattack", title=item.text)
    paths = {"clean_audio": clean.relative_to(run.path).as_posix()}
    if perturbed is not None:
        spoken = run.audio_path(identifier)
        comment = f"adversarial wording, spoken by voiceattack; run={run.id}"
        audio.save(spoken, listener.speak(perturbed), comment=comment, title=perturbed)
        paths["audio"] = spoken.relative_to(run.path).as_posix()
    return paths
