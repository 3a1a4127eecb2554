"""Faults made in the code by cosmic-ray, drawn by a seed; what changes no behaviour is passed over."""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Mutant", "behaves_alike", "changed", "draw", "places"]


@dataclass(frozen=True)
class Mutant:
    """A change of one place: cosmic-ray's operator, and which of its places in the file it is; ``code`` is the whole file's."""

    path: str
    line: int
    operator: str
    occurrence: int
    code: str = field(repr=False)
    diff: str
    survived: bool | None = None


class _Behaviour(ast.NodeTransformer):
    """Takes from a syntax tree what does not change behaviour: annotations that nothing reads, texts of errors raised."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if node.bases:  # a model's annotations are its checks
            node.body = [line if isinstance(line, ast.AnnAssign) else self.visit(line) for line in node.body]
            return node
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            texts = (ast.JoinedStr, ast.Constant)
            node.exc.args = [ast.Constant("") if isinstance(one, texts) else one for one in node.exc.args]
        return node


def behaves_alike(code: str, other: str) -> bool:
    """Whether two texts of a module differ in nothing that is run, or the second is no Python at all."""
    try:
        first, second = (ast.dump(_Behaviour().visit(ast.parse(text))) for text in (code, other))
    except SyntaxError:
        return True
    return first == second


def places(root: Path, files: Iterable[Path]) -> Iterator[list[tuple[str, str, int, int]]]:
    """For each place in the files that can be changed its mutants: path, operator, occurrence, line."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    for file in sorted(files):
        nodes = list(ast_nodes(get_ast(file.read_text(encoding="utf-8"))))
        found: dict[tuple[int, int], list[tuple[str, str, int, int]]] = {}
        for operator in map(get_operator, operator_names()):
            if operator.arguments():
                continue
            spans = [span for node in nodes for span in operator().mutation_positions(node)]
            for occurrence, (start, _) in enumerate(spans):
                row = (file.relative_to(root).as_posix(), f"core/{operator.__name__}", occurrence, start[0])
                found.setdefault(start, []).append(row)
        yield from (found[start] for start in sorted(found))


def changed(root: Path, path: str, operator: str, occurrence: int) -> tuple[str, str]:
    """The text of a file with one mutant in it, and the lines that differ."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    code = (root / path).read_text(encoding="utf-8")
    other = str(mutate_code(code, get_operator(operator)(), occurrence))
    lines = (text for text in difflib.ndiff(code.splitlines(), other.splitlines()) if text[0] in "+-")
    return other, "\n".join(lines)


def draw(root: Path, files: Iterable[Path], count: int, seed: int) -> list[Mutant]:
    """That many mutants of the files, one a place."""
    dice, drawn = random.Random(seed), []
    for found in dice.sample(everywhere := list(places(root, files)), len(everywhere)):
        path, operator, occurrence, line = dice.choice(found)
        one = Mutant(path, line, operator, occurrence, *changed(root, path, operator, occurrence))
        if not behaves_alike((root / path).read_text(encoding="utf-8"), one.code):
            drawn.append(one)
        if len(drawn) == count:
            break
    return sorted(drawn, key=lambda one: (one.path, one.line, one.operator, one.occurrence))
