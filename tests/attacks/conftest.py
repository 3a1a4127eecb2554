"""What the tests of every attack share."""

from __future__ import annotations

import pytest
import torch
from conforming import FEW_STEPS

from voiceattack.attacks.universal.artefact import Recipe, save_artefact
from voiceattack.audio import Batch, quantize16
from voiceattack.victims import Victim, load_victim


@pytest.fixture(scope="session")
def victim() -> Victim:
    return load_victim("tiny", device="cpu")


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(5)
    tone = torch.sin(torch.arange(9600) * 0.3) * 0.3
    return Batch.of([quantize16(tone + 0.05 * torch.randn(9600, generator=generator)), quantize16(tone[:7000] * 0.5)])


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What ``universal`` applies."""
    path = tmp_path_factory.mktemp("universal") / "u.flac"
    segment = quantize16(0.01 * torch.randn(1600, generator=torch.Generator().manual_seed(1)).clamp(-1, 1))
    facts = {"victim": "tiny", "objective": "untargeted", "target": None, "wer_threshold": 0.5, "seed": 0, "steps": 0}
    empty: dict[str, object] = {"params": {}, "clips": [], "validation": {}, "versions": {}}
    save_artefact(path, segment, Recipe.model_validate({"mode": "additive", "linf": 0.02, **facts, **empty}))
    FEW_STEPS["universal"] = {"artefact": str(path)}
