"""``voiceattack/`` imports only downwards; torchaudio is imported in one place; the package itself loads nothing heavy."""

from __future__ import annotations

import ast
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
    "asked",
    "registry",
    "extras",
    "samples",
    "specs",
    "commands",
    "unicode_text",
    "languages",
    "files",
    "locks",
    "drawing",
    "_torchaudio",
    "audio_view",
    "audio_mpeg",
    "audio_parts",
    "downmix",
    "audio_files",
    "audio",
    "psychoacoustics",
    "metrics",
    "mixing",
    "nospeech",
    "corpus",
    "victims",
    "objectives",
    "constraints",
    "universal",
    "attacks",
    "provenance",
    "runs",
    "text",
    "request",
    "crafting",
    "craft",
    "corrupting",
    "estimate",
    "replay",
    "summarize",
    "curve",
    "corruption_table",
    "wakeword_sweep",
    "compact",
    "evaluate",
    "listening",
    "report",
    "compare",
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


def test_every_module_has_its_place() -> None:
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_downwards(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    used = {name for module in imported(path) if (name := layer(module)) is not None} - {here}
    above = {name for name in used if ORDER.index(name) > ORDER.index(here)}
    assert not above, f"{path.name} ({here}) imports from above: {above}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_torchaudio_is_imported_in_one_place(path: Path) -> None:
    assert not any(module.split(".")[0] == "torchaudio" for module in imported(path))


def test_the_package_alone_is_light() -> None:
    code = "import sys, voiceattack; sys.exit(bool({'torch', 'transformers', 'librosa', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False).returncode == 0
