"""Searches over edits: greedy by word importance, beam, genetic. Each is a function ``search(problem) -> Trial | None``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from voiceattack.registry import Registry
from voiceattack.text.edits import Edit
from voiceattack.text.problem import TextProblem, TextTrial

__all__ = ["SEARCHES", "beam", "genetic", "greedy"]

SEARCHES: Registry[Callable[[TextProblem], TextTrial | None]] = Registry("search", group="voiceattack.searches")
SEARCHES.add("greedy", "voiceattack.text.search:greedy", "one word after the other, the most important first")
SEARCHES.add(
    "beam", "voiceattack.text.search:beam", "the best few changed texts, widened word by word; finds the smallest change"
)
SEARCHES.add("genetic", "voiceattack.text.search:genetic", "a population of changed texts, crossed and mutated")

BEAM = 4
POPULATION = 16
GENERATIONS = 20


def greedy(problem: TextProblem) -> TextTrial | None:
    """Words in order of what leaving each out does to the answer (TextFooler, Jin et al. 2020; where a victim gives no
    scores, words whose loss changes the answer come first), at each the option that takes it farthest, to the first success."""
    best: TextTrial | None = None
    for place in _by_importance(problem):
        # What gained nothing is not built upon: it would only use up the words allowed.
        kept = best.edits if best is not None and best.gain > 0 else ()
        if sum(edit.words for edit in kept) >= problem.limits.max_words:
            kept = ()
        found: TextTrial | None = None
        for trial in _attempts(problem, [(*kept, edit) for edit in _hopeful_first(problem, problem.options[place])]):
            if trial.success:
                return _shrunk(problem, trial)
            if found is None or trial.gain > found.gain:
                found = trial
        if found is not None and (best is None or found.gain > best.gain):
            best = found
        if problem.spent:
            break
    return best


def beam(problem: TextProblem, width: int = BEAM) -> TextTrial | None:
    """All single edits, then all edits added to the ``width`` best, and so on; of the successes of one depth the smallest."""
    states: list[TextTrial] = []
    best: TextTrial | None = None
    for depth in range(problem.limits.max_words):
        starts: list[tuple[Edit, ...]] = [state.edits for state in states] if depth else [()]
        offered = [edit for place in _by_importance(problem) for edit in _hopeful_first(problem, problem.options[place])]
        tried = list(_attempts(problem, [(*start, edit) for start, edit in product(starts, offered)]))
        if wins := [trial for trial in tried if trial.success]:
            return _shrunk(problem, min(wins, key=lambda trial: trial.cost))
        states = sorted(tried, key=lambda trial: (-trial.gain, trial.cost))[:width]
        if states and (best is None or states[0].gain > best.gain):
            best = states[0]
        if not states or problem.spent:
            break
    return best


def genetic(problem: TextProblem) -> TextTrial | None:
    """Texts with random edits; the fitter are likelier parents, a child has edits of either (Alzantot et al. 2018)."""
    rng = problem.rng
    places = [place for place, offered in enumerate(problem.options) if offered]
    if not places:
        return None

    def draw() -> dict[int, Edit]:
        count = int(rng.integers(1, min(problem.limits.max_words, len(places)) + 1))
        chosen = rng.choice(places, size=count, replace=False).tolist()
        return {place: problem.options[place][int(rng.integers(len(problem.options[place])))] for place in chosen}

    people = [draw() for _ in range(POPULATION)]
    best: TextTrial | None = None
    for _ in range(GENERATIONS):
        scored: list[tuple[float, dict[int, Edit]]] = []
        for genes in people:
            for trial in _attempts(problem, [tuple(genes.values())]):
                if trial.success:
                    return _shrunk(problem, trial)
                scored.append((trial.gain, genes))
                if best is None or trial.gain > best.gain:
                    best = trial
        if problem.spent or not scored:
            break
        weights = [gain + 0.05 for gain, _ in scored]
        shares = [weight / sum(weights) for weight in weights]
        children = [max(scored, key=lambda pair: pair[0])[1]]
        while len(children) < POPULATION:
            pair = rng.choice(len(scored), size=2, p=shares).tolist()
            mother, father = (scored[one][1] for one in pair)
            genes = {place: edit for parent in (mother, father) for place, edit in parent.items() if rng.random() < 0.5}
            if rng.random() < 0.5 or not genes:
                genes |= draw()
            children.append(genes)
        people = children
    return best


def _attempts(problem: TextProblem, wanted: list[tuple[Edit, ...]]) -> Iterator[TextTrial]:
    """Trials of the admissible ones of ``wanted``, while queries last."""
    for edits in wanted:
        if problem.spent:
            return
        if problem.admissible(edits):
            yield problem.attempt(edits)


def _by_importance(problem: TextProblem) -> list[int]:
    """Places with options, the most important word first. Costs a query a word, or none where the victim can be guessed."""
    gains: dict[int, float] = {}
    for place, word in enumerate(problem.words):
        without = problem.text[: word.start] + problem.text[word.end :]
        if not problem.options[place] or not without.strip():
            continue
        guess = problem.listener.guess(without)
        if guess is None and not problem.spent:
            guess = problem.listener.answer(without)
        gains[place] = 0.0 if guess is None else guess.away_from(problem.clean)
    return sorted(gains, key=lambda place: (-gains[place], place))


def _hopeful_first(problem: TextProblem, edits: list[Edit]) -> list[Edit]:
    """Edits that would change the answer if they were heard to the letter come first; else the order stays."""

    def hopeless(edit: Edit) -> bool:
        guess = problem.listener.guess(problem.text[: edit.start] + edit.new + problem.text[edit.end :])
        return guess is not None and guess.label == problem.clean.label

    return sorted(edits, key=hopeless)


def _shrunk(problem: TextProblem, trial: TextTrial) -> TextTrial:
    """The trial without the edits that it does not need."""
    for edit in trial.edits:
        fewer = tuple(other for other in trial.edits if other != edit)
        if fewer and not problem.spent and problem.admissible(fewer):
            again = problem.attempt(fewer)
            if again.success:
                trial = again
    return trial
