"""Optional packages, imported through one helper that names the feature, the package and the command that adds it."""

from __future__ import annotations

import importlib
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from types import ModuleType

from voiceattack.errors import MissingExtraError

__all__ = ["install_command", "missing", "optional_import", "python_line"]


def optional_import(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import ``module`` or say how to get it.

    Args:
        module: dotted module name, ``"pesq"``.
        extra: the extra of this project that brings it, ``"perceptual"``.
        feature: what the user asked for, ``"the PESQ metric"``.

    Raises:
        MissingExtraError: the module is not installed or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{feature} needs the package {module.partition('.')[0]!r}, which cannot be imported ({error}); "
            f"install it with: {install_command(extra)}"
        ) from error


def install_command(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'voiceattack[{extra}]'"


def missing(extra: str) -> list[str]:
    """The packages of an extra that are not installed, by what this distribution says of itself; nothing is imported.

    Args:
        extra: its name; of one that the distribution does not know nothing is missing.
    """
    try:
        needed = requires("voiceattack") or []
    except PackageNotFoundError:  # run from files that were never installed
        return []
    mark = re.compile(rf"""extra == ["']{re.escape(extra)}["']""")
    names = [re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in needed if mark.search(one)]
    return [name for name in names if not _there(name)]


def _there(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def python_line(code: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """The command that runs ``code`` in a Python of its own.

    ``python -c`` looks for modules in the current folder first, which may be one that somebody sent; here it does not.

    Args:
        code: to run.
        arguments: what it finds in ``sys.argv[1:]``.
        python: the interpreter.
    """
    return [python, "-c", f"import sys; sys.path[:] = [path for path in sys.path if path]\n{code}", *arguments]
