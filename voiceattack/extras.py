"""Optional packages, imported through one helper that names the feature, the package and the command that adds it."""

from __future__ import annotations

import importlib
from types import ModuleType

from voiceattack.errors import MissingExtraError

__all__ = ["optional_import"]


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
