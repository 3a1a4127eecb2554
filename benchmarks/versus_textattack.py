"""The same classifier, texts and constraints through recipes of TextAttack and through our perturbations and searches.

TextAttack downloads word vectors, a sentence encoder and a list of stop words when its recipes are built. Nothing is downloaded
here: DeepWordBug runs as it is but for the stop words, which are ours; TextBugger runs without its word-vector swaps, with
neighbouring keys for the lookalikes whose table the package lacks, and its sentence encoder is the one that our tools measure
with. Ours leave the same stop words alone. All changed texts are judged alike: asked again of the classifier, and measured by
the same functions. Where TextAttack is not installed, it goes into a temporary folder for this benchmark alone, without the
packages that these recipes do not use (:mod:`_absent`).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _absent
import _common
import numpy as np
import torch
from rapidfuzz.distance import Levenshtein

from voiceattack.corpus.samples import samples_manifest
from voiceattack.text import build_perturbation
from voiceattack.text.corpus import read_texts
from voiceattack.text.edits import words_of
from voiceattack.text.listeners import Listener
from voiceattack.text.measures.sizes import semantic_similarity
from voiceattack.text.perturbations.word_classes import FUNCTION_WORDS
from voiceattack.text.problem import TextLimits, TextProblem
from voiceattack.text.search import SEARCHES
from voiceattack.victims import load_victim

__all__ = ["run"]

PEER = "textattack==0.3.11"
NEEDED = ("lru-dict", "editdistance", "more-itertools")
UNUSED = (
    *("nltk", "flair", "bert_score", "OpenHowNet", "language_tool_python", "pinyin", "jieba", "lemminflect", "terminaltables"),
    *("langdetect", "word2number", "num2words", "Levenshtein"),
)
"""What TextAttack imports and these recipes do not use; NLTK would download data."""
SIMILARITY = 0.8
QUERIES = 500


@dataclass(frozen=True)
class Made:
    """What a tool made of a text: the changed one (None when it gave up) and what it asked."""

    text: str | None
    queries: int


Tool = Callable[[str], Made]


def peers(victim: Any, queries: int) -> dict[str, Tool]:
    """TextAttack's recipes on ``victim``, by the name of their row."""
    _absent.stand_in(*UNUSED)
    import nltk.corpus

    nltk.corpus.stopwords = SimpleNamespace(words=lambda language: FUNCTION_WORDS)
    import textattack
    from textattack.attack_recipes import DeepWordBugGao2018
    from textattack.attack_results import SkippedAttackResult, SuccessfulAttackResult
    from textattack.constraints import Constraint
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.goal_functions import UntargetedClassification
    from textattack.models.wrappers import ModelWrapper
    from textattack.search_methods import GreedyWordSwapWIR
    from textattack.transformations import (
        CompositeTransformation,
        WordSwapNeighboringCharacterSwap,
        WordSwapQWERTY,
        WordSwapRandomCharacterDeletion,
        WordSwapRandomCharacterInsertion,
    )

    labels = list(victim.confidences("x"))

    class Wrapped(ModelWrapper):
        model = torch.nn.Identity()  # the framework looks at its device

        def __call__(self, texts: Sequence[str]) -> np.ndarray:
            shares = [victim.confidences(text) for text in texts]
            return np.array([[share[label] for label in labels] for share in shares])

    class Meaning(Constraint):
        def _check_constraint(self, transformed: Any, reference: Any) -> bool:
            return semantic_similarity(reference.text, transformed.text) >= SIMILARITY

    wrapped = Wrapped()
    stop = StopwordModification(stopwords=FUNCTION_WORDS)
    ends = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
    bugger = textattack.Attack(
        UntargetedClassification(wrapped),
        [RepeatModification(), stop, Meaning(compare_against_original=True)],
        CompositeTransformation(
            [
                WordSwapRandomCharacterInsertion(letters_to_insert=" ", **ends),
                WordSwapRandomCharacterDeletion(**ends),
                WordSwapNeighboringCharacterSwap(**ends),
                WordSwapQWERTY(skip_first_char=True, skip_last_char=True),
            ]
        ),
        GreedyWordSwapWIR(wir_method="delete"),
    )
    bug = DeepWordBugGao2018.build(wrapped)

    def tool(attack: Any) -> Tool:
        attack.goal_function.query_budget = queries

        def change(text: str) -> Made:
            result = attack.attack(text, labels.index(str(victim.interpret(text))))
            if isinstance(result, SkippedAttackResult):
                return Made(None, 0)
            found = result.perturbed_text() if isinstance(result, SuccessfulAttackResult) else None
            return Made(found, int(result.num_queries))

        return change

    return {"DeepWordBug": tool(bug), f"TextBugger, letters only, similarity >= {SIMILARITY}": tool(bugger)}


def ours(victim: Any, perturbations: Sequence[str], search: str, similarity: float | None, queries: int) -> Tool:
    """Our perturbations with a search, any number of words, stop words left alone."""
    built = [build_perturbation(name) for name in perturbations]
    limits = TextLimits(max_words=30, min_similarity=similarity, max_queries=queries)

    def change(text: str) -> Made:
        options: list[list[Any]] = [[] for _ in words_of(text)]
        for perturbation in built:
            for index, edits in enumerate(perturbation.all_options(text)):
                if words_of(text)[index].text.lower() not in FUNCTION_WORDS:
                    options[index] += edits
        listener = Listener(victim)
        problem = TextProblem(text, options, listener, "any", None, limits, np.random.default_rng(0))
        best = SEARCHES.get(search)(problem)
        return Made(best.text if best is not None and best.success else None, listener.queries)

    return change


def run(victim: str | None = None, clips: int = 12, steps: int = QUERIES) -> str:
    """The comparison as Markdown.

    Args:
        victim: spec of a classifier with confidences; by default the nearest of the sample commands, whatever its distance.
        clips: how many of the sample commands, as texts.
        steps: most queries a text.
    """
    manifest = samples_manifest().parent / "commands.jsonl"
    asked: Any = load_victim(victim or f"nearest:{manifest}?threshold=-1")
    items = [item.text for item in read_texts([str(manifest)]) if item.error is None][:clips]
    with tempfile.TemporaryDirectory() as folder:
        peer = _common.install(PEER, Path(folder), *NEEDED)
        tools: dict[str, Tool] = {f"{peer}: {name}": tool for name, tool in peers(asked, steps).items()}
        tools["voiceattack typos, greedy"] = ours(asked, ["typos"], "greedy", None, steps)
        for names, search in ((["typos", "homoglyphs"], "greedy"), (["typos"], "beam"), (["synonyms"], "greedy")):
            name = f"voiceattack {' and '.join(names)}, {search}, similarity >= {SIMILARITY}"
            tools[name] = ours(asked, names, search, SIMILARITY, steps)
        rows = [_row(name, tool, asked, items) for name, tool in tools.items()]
    head = ("tool", "success", "queries, median", "similarity, median", "characters, median", "words, median", "seconds")
    lines = [f"| {' | '.join(head)} |", "| --- |" + " --: |" * (len(head) - 1), *rows]
    return (
        f"{len(items)} commands of samples/commands.jsonl, the action of the nearest example as the class, any other class as "
        f"success, at most {steps} queries. Sizes are of the successes: cosine of sentence embeddings of what is read, edit "
        "distance in characters, words that differ.\n\n" + "\n".join(lines) + "\n"
    )


def _row(name: str, tool: Tool, victim: Any, texts: Sequence[str]) -> str:
    started = time.perf_counter()
    made = [(text, tool(text)) for text in texts]
    seconds = time.perf_counter() - started
    won = [(text, m.text) for text, m in made if m.text is not None and victim.interpret(m.text) != victim.interpret(text)]
    sizes = [
        [semantic_similarity(text, new) for text, new in won],
        [Levenshtein.distance(text, new) for text, new in won],
        [Levenshtein.distance(text.split(), new.split()) for text, new in won],
    ]
    digits = (2, 0, 0)
    cells = [f"{statistics.median(values):.{place}f}" if values else "-" for values, place in zip(sizes, digits, strict=True)]
    queries = statistics.median(m.queries for _, m in made)
    return f"| {name} | {len(won)} of {len(made)} | {queries:.0f} | {' | '.join(cells)} | {seconds:.0f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim")
    parser.add_argument("--clips", type=int, default=12, help="commands of samples/commands.jsonl")
    parser.add_argument("--steps", type=int, default=QUERIES, help="most queries a command")
    print(run(**vars(parser.parse_args())))
