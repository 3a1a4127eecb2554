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
    "yaml_text",
    "files",
    "locks",
    "drawing",
    "_apart",
    "apart",
    "children",
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
    "record_types",
    "records",
    "run_checks",
    "journal",
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


# Files of users and of runs are opened by files.py: regular ones only, through no planted link, written whole. Exceptions:
OPENS = {
    "attacks/corruptions/severities.py": "its own table",
    "attacks/starts.py": "the samples",
    "cli/__init__.py": "/dev/null",
    "cli/demo.py": "the samples",
    "doctor.py": "a package's data",
    "export/audiofolder.py": "new files in a new folder",
    "export/kaldi.py": "new files in a new folder",
    "export/lhotse_cuts.py": "new files in a new folder",
    "export/nemo.py": "new files in a new folder",
    "export/webdataset_tar.py": "new files in a new folder",
    "files.py": "the place for it",
    "listening/server.py": "its own page",
    "report/html.py": "its own templates",
    "report/text_html.py": "its own templates",
    "samples.py": "the samples",
    "suite/fingerprint.py": "a Python module",
    "suite/init.py": "its own schema",
    "suite/outputs.py": "what GITHUB_STEP_SUMMARY names, appended to",
    "unicode_text.py": "a package's data",
    "victims/asking.py": "a file in memory",
    "victims/command.py": "a temporary file",
    "victims/whisper_bundled.py": "a package's data",
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
    assert OPENS.keys() <= found.keys() | {"cli/__init__.py"}, "opens nothing any more: take it off the list"
