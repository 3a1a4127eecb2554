"""What the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_fixture import REQUEST

from voiceattack.runs import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", REQUEST)
