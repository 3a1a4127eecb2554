"""YAML from anybody: safe, small when its anchors are written out, each key once, and every mistake told with its line."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["YamlError", "parse_yaml"]

MAX_VALUES = 100_000
"""Of a document whose anchors are written out: a few lines can stand for billions."""


class YamlError(ValueError):
    """What is wrong with a document, in one line; ``line`` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line, self.problem = line, problem


class _Loader(yaml.SafeLoader):
    """In which a key given twice is an error, not a silent loss, and a key is a plain value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(key.start_mark.line + 1, "a key is a list or a mapping; write a word")
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise YamlError(key.start_mark.line + 1, f"key {key.value!r} is given twice; keep one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """The value of a document, and its node, which knows the lines; (None, None) for an empty one.

    Raises:
        YamlError: no valid YAML, a value that its kind cannot have, or too large.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            return None, None
        _check_size(node)
        return yaml.load(text, Loader=_Loader), node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, f"no valid YAML ({error.problem or error.context})") from error
    except RecursionError as error:
        raise YamlError(1, "nested too deep") from error
    except yaml.YAMLError as error:
        raise YamlError(1, f"no valid YAML ({' '.join(str(error).split())})") from error
    except YamlError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        # What PyYAML makes of a date that is none, a number of 5,000 digits, a value under a tag that does not fit it.
        raise YamlError(
            1, f"holds a value that cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:100]})"
        ) from error


def _check_size(root: yaml.Node) -> None:
    """Count the values with anchors written out, each node once."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        key = id(node)
        if key in sizes:
            return sizes[key]
        if key in open_nodes:
            raise YamlError(node.start_mark.line + 1, "an anchor holds itself; write the value out")
        open_nodes.add(key)
        if isinstance(node, yaml.ScalarNode) and not node.value.isascii():
            try:
                node.value.encode()
            except UnicodeEncodeError as error:
                raise YamlError(node.start_mark.line + 1, "holds half of a surrogate pair; write the character itself") from error
        inner = node.value if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            inner = [one for pair in node.value for one in pair]
        sizes[key] = 1 + sum(map(size, inner))
        open_nodes.discard(key)
        if sizes[key] > MAX_VALUES:
            raise YamlError(node.start_mark.line + 1, f"holds more than {MAX_VALUES} values with its anchors written out")
        return sizes[key]

    size(root)
