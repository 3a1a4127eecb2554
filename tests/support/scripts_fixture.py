"""The scripts of ``scripts/`` as modules."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
from speechlike import ROOT


def script(name: str) -> ModuleType:
    """The script ``name``, imported with those beside it in reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        return importlib.import_module(name)
