"""``voiceattack/`` imports only downwards and in no circle; torchaudio in one place; files and functions are small."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from speechlike import ROOT, environment

PACKAGE = ROOT / "voiceattack"
# Lowest first; ARCHITECTURE.md says the same in words.
ORDER = (
    "errors",
    "numbers",
    "progress",
    "commands",
    "asked",
    "registry",
    "extras",
    "unicode_text",
    "languages",
    "yaml_text",
    "files",
    "locks",
    "local_server",
    "_apart",
    "apart",
    "children",
    "_torchaudio",
    "audio",
    "metrics",
    "corpus",
    "victims",
    "objectives",
    "constraints",
    "attacks",
    "runs",
    "text",
    "craft",
    "evaluate",
    "listening",
    "report",
    "view",
    "compare",
    "history",
    "suite",
    "testing",
    "pytest_plugin",
    "export",
    "doctor",
    "cli",
)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.name.startswith("__"))


def imported(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "voiceattack" and len(parts) > 1 and parts[1] != "__version__" else None


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def graph() -> dict[str, set[str]]:
    """Every module of the package and those that it imports, anywhere in it."""
    names = {module_name(path): path for path in PACKAGE.rglob("*.py")}

    def nearest(name: str) -> str | None:
        return name if name in names else parent if (parent := name.rpartition(".")[0]) in names else None

    return {name: {used for each in imported(path) if (used := nearest(each))} - {name} for name, path in names.items()}


def circle(links: dict[str, set[str]]) -> list[str]:
    try:
        graphlib.TopologicalSorter(links).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(graph()) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}), "this test would see one"


@pytest.mark.parametrize("room", sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name in ORDER))
def test_no_folders_of_a_room_import_each_other_in_a_circle(room: str) -> None:
    """A folder inside a room counts as one; a file beside it as itself."""
    inside = f"voiceattack.{room}"

    def place(module: str) -> str | None:
        if module != inside and not module.startswith(f"{inside}."):
            return None
        first = module.removeprefix(inside).lstrip(".").split(".")[0]
        return first or "__init__"

    links: dict[str, set[str]] = {}
    for name, used in graph().items():
        if here := place(name):
            links.setdefault(here, set()).update({there for each in used if (there := place(each))} - {here})
    assert circle(links) == []


def test_every_module_has_its_place() -> None:
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} == set(ORDER)


def test_imports_point_downwards() -> None:
    above = {}
    for path in FILES:
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        used = {name for module in imported(path) if (name := layer(module)) is not None} - {here}
        above[path.name] = sorted(name for name in used if ORDER.index(name) > ORDER.index(here))
    assert {name: found for name, found in above.items() if found} == {}


def test_torchaudio_is_imported_in_one_place() -> None:
    assert [path.name for path in FILES if any(module.split(".")[0] == "torchaudio" for module in imported(path))] == []


LONGEST_FILE, LONGEST_FUNCTION = 400, 80  # lines


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file, with its lines from ``def`` to its last."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("folder", ["voiceattack", "tests"])
def test_no_file_is_long(folder: str) -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert len(lines) > 100 and {name: length for name, length in lines.items() if length > LONGEST_FILE} == {}


def test_no_function_is_long() -> None:
    lengths = {(path.relative_to(PACKAGE).as_posix(), name): length for path in FILES for name, length in functions(path)}
    assert max(lengths.values()) > 60, "this test would see one"
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_the_package_alone_is_light() -> None:
    code = "import sys, voiceattack; sys.exit(bool({'torch', 'transformers', 'librosa', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False).returncode == 0


# Files of users and of runs are opened by files.py: regular ones only, through no planted link, written whole. Exceptions:
OPENS = {
    "attacks/corruptions/severities.py": "its own table",
    "attacks/decision/starting_points.py": "the samples",
    "cli/console.py": "/dev/null",
    "cli/demo.py": "the samples",
    "corpus/samples.py": "the samples",
    "export/audiofolder.py": "new files in a new folder",
    "export/kaldi.py": "new files in a new folder",
    "export/lhotse_cuts.py": "new files in a new folder",
    "export/nemo.py": "new files in a new folder",
    "export/webdataset_tar.py": "new files in a new folder",
    "files.py": "the place for it",
    "listening/bundle.py": "its own page",
    "local_server.py": "pages of the package",
    "view/server.py": "the reports' colours",
    "suite/fingerprint.py": "a Python module",
    "suite/init.py": "its own schema",
    "report/step_summary.py": "what GITHUB_STEP_SUMMARY names, appended to",
    "unicode_text.py": "a package's data",
    "victims/servers/program.py": "a temporary file",
    "victims/servers/retry.py": "a file in memory",
}
OPENERS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "savefig", "copyfile", "copytree"}
OURS = {"Run", "TextRun", "cls", "super"}  # whose open() opens a run


def opens(path: Path) -> Iterator[int]:
    """Lines that open a file by other means than files.py."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id == "open":
                yield node.lineno
            elif isinstance(called, ast.Attribute) and called.attr in OPENERS:
                owner = called.value.func if isinstance(called.value, ast.Call) else called.value
                if not (isinstance(owner, ast.Name) and owner.id in OURS) and not _is_given_a_file(node):
                    yield node.lineno


def _is_given_a_file(call: ast.Call) -> bool:
    """Whether it gets an open file of ours (``gzip.open(packed)``, ``figure.savefig(file)``), not a path."""
    return bool(call.args) and isinstance(call.args[0], ast.Name) and call.args[0].id in ("file", "packed", "out")


def test_files_are_opened_in_one_place() -> None:
    found = {path.relative_to(PACKAGE).as_posix(): list(opens(path)) for path in FILES}
    found = {name: lines for name, lines in found.items() if lines}
    assert {name: lines for name, lines in found.items() if name not in OPENS} == {}, "use voiceattack.files"
    assert OPENS.keys() <= found.keys(), "opens nothing any more: take it off the list"
