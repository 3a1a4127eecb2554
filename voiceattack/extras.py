"""Optional packages, imported through one helper that names the feature, the package and the command that adds it."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from voiceattack.errors import MissingExtraError

__all__ = ["optional_import", "python_line"]


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
            f"install it with: pip install 'voiceattack[{extra}]'"
        ) from error


def python_line(code: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """The command that runs ``code`` in a Python of its own.

    ``python -c`` looks for modules in the current folder first, which may be one that somebody sent; here it does not.

    Args:
        code: to run.
        arguments: what it finds in ``sys.argv[1:]``.
        python: the interpreter.
    """
    return [python, "-c", f"import sys; sys.path[:] = [path for path in sys.path if path]\n{code}", *arguments]
