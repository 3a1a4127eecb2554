"""As ``test_planted_links.py``, but a link stands at every other place of a run or suite: what a command touches last or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import RUN_CASES, SUITE_CASES, attempt, make, parted

pytestmark = pytest.mark.slow
CASES = [*(("run", name) for name in RUN_CASES), *(("suite", name) for name in SUITE_CASES)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_no_command_writes_out_at_any_place(made: Path, tmp_path: Path, kind: str, name: str) -> None:
    case = {"run": RUN_CASES, "suite": SUITE_CASES}[kind][name]
    for place in parted(made / kind, case)[1]:
        attempt(made, tmp_path / "attempt", kind, case, place)
