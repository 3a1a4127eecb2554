"""One's own model: the three wrappers, the ``python:`` spec, and every code block of docs/how-to/own-model.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from voiceattack.audio import Batch
from voiceattack.errors import SpecError, VictimError
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.own import from_ctc_module, from_function, from_loss_module, victim

DOCS = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "own-model.md"


def tones(*sizes: int) -> list[Tensor]:
    return [0.3 * torch.sin(torch.arange(size) * 0.05 * (index + 1)) for index, size in enumerate(sizes)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh current folder for the user's modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_the_page_runs(home: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 7
    scope: dict[str, Any] = {"clips": tones(8000, 6000)}
    for block in blocks:
        named = re.match(r"# (\w+\.py)\n", block)
        if named:
            (home / named[1]).write_text(block, encoding="utf-8")
            wrapper = re.search(r"^class .*|^def transcribe.*", block, re.MULTILINE | re.DOTALL)
            assert wrapper and len([line for line in wrapper[0].splitlines() if line.strip()]) <= 20, (
                "at most 20 lines of user code"
            )
        sys.path.insert(0, str(home))
        if not named:
            exec(compile(block, str(DOCS), "exec"), scope)
    assert len(scope["crafted"]) == 2 and all(hasattr(result, "waveform") for result in scope["crafted"]), scope["crafted"]
    for spec, found in (("python:my_model:ctc", "crafted"), ("python:my_function:engine", "black_box")):
        heard = [load_victim(spec, "cpu").transcribe(Batch.of([result.waveform]))[0].text for result in scope[found]]
        assert len(heard) == 2 and all(
            result.waveform.shape == clip.shape for result, clip in zip(scope[found], scope["clips"], strict=True)
        )
        if found == "black_box":
            clean = [load_victim(spec, "cpu").transcribe(Batch.of([clip]))[0].text for clip in scope["clips"]]
            assert all(before != after for before, after in zip(clean, heard, strict=True)), "a function is fooled"
            assert all(0 < result.queries <= 200 for result in scope[found])
    switch = load_victim("python:my_assistant:Switch", "cpu")
    assert switch.capabilities == {"acts"} and switch.interpret("Turn on the lamp").name == "TurnOn"
    for spec in (
        "python:my_model:ctc",
        "python:my_loss_model:spotter",
        "python:my_function:engine",
        "python:my_function:transcribe",
    ):
        heard = load_victim(spec, "cpu")
        assert heard.spec == spec
        texts = [transcript.text for transcript in heard.transcribe(Batch.of(scope["clips"]))]
        assert texts[0] and scope["clean_wer"](heard, scope["clips"][:1], texts[:1]) == 0.0
        assert scope["clean_wer"](heard, scope["clips"][:1], ["other words"]) >= 0.5


class Mean(nn.Module):
    """A loss module whose answers can be worked out by hand: the text is the sign of the clip's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))

    def loss(self, waveforms: Tensor, lengths: Tensor, texts: list[str]) -> Tensor:
        wanted = torch.tensor([1.0 if text == "up" else -1.0 for text in texts])
        return nn.functional.softplus(-self.gain * wanted * waveforms.sum(dim=1) / lengths)

    def transcribe(self, waveforms: Tensor, lengths: Tensor) -> list[str]:
        return ["up" if total > 0 else "down" for total in waveforms.sum(dim=1).tolist()]


@pytest.mark.parametrize("batched", [False, True])
def test_loss_module(batched: bool) -> None:
    made = from_loss_module(Mean(), batched=batched)
    batch = Batch.of([torch.full((4,), 0.5), torch.full((6,), -0.25)])
    assert [heard.text for heard in made.transcribe(batch)] == ["up", "down"]
    waveforms = batch.waveforms.clone().requires_grad_(True)
    loss = made.loss(batch.replace(waveforms), ["up", "up"])
    assert torch.allclose(loss, nn.functional.softplus(torch.tensor([-1.0, 0.5])))
    (gradient,) = torch.autograd.grad(loss.sum(), waveforms)
    assert bool((gradient[0, :4] < 0).all()) and not bool(gradient[0, 4:].any()), "padding got a gradient"
    assert torch.allclose(made.score(batch, ["up", "up"]), -loss.detach())
    assert made.attack_loss(batch, ["up", "up"], LossConfig("away")).matches is None


def test_loss_module_mistakes() -> None:
    with pytest.raises(SpecError, match="no method 'loss'"):
        from_loss_module(nn.Linear(1, 1))

    class Wrong(Mean):
        def loss(self, waveforms: Tensor, lengths: Tensor, texts: list[str]) -> Tensor:
            return waveforms

        def transcribe(self, waveforms: Tensor, lengths: Tensor) -> Any:
            return "up"

    class Detached(Mean):
        def loss(self, waveforms: Tensor, lengths: Tensor, texts: list[str]) -> Tensor:
            return super().loss(waveforms, lengths, texts).detach()

    batch = Batch.of(tones(40))
    with pytest.raises(VictimError, match=r"\(1, 40\), expected a tensor \(1,\)"):
        from_loss_module(Wrong()).loss(batch, ["up"])
    with pytest.raises(VictimError, match="list of 1 texts"):
        from_loss_module(Wrong()).transcribe(batch)
    with pytest.raises(VictimError, match="no gradient"):
        from_loss_module(Detached()).forward_backward(batch, ["up"])


class Steps(nn.Module):
    """CTC logits (batch, frames, 3) from frames of 10 samples: the first three samples of a frame are its logits."""

    vocabulary = ("-", "A", "B")
    delimiter = None
    min_samples = 10

    def forward(self, waveforms: Tensor) -> Tensor:
        return waveforms[:, : waveforms.shape[1] // 10 * 10].reshape(len(waveforms), -1, 10)[:, :, :3]


def test_ctc_module() -> None:
    clip = torch.zeros(45)
    clip[[1, 11, 20, 31]] = 0.9  # A A - A
    bare = victim(Steps())
    assert bare.transcribe(Batch.of([clip, clip[:20]]))[0].text == "AA"
    assert bare.transcribe(Batch.of([clip, clip[:20]]))[1].text == "A"
    with pytest.raises(VictimError, match=r"\(1, 4, 3\), expected \(1, frames, 2\)"):
        from_ctc_module(Steps(), ["-", "A"], delimiter=None, min_samples=10).transcribe(Batch.of([clip]))
    with pytest.raises(SpecError, match="delimiter"):
        from_ctc_module(Steps(), Steps.vocabulary)
    with pytest.raises(SpecError, match="blank index 9"):
        from_ctc_module(Steps(), Steps.vocabulary, blank=9, delimiter=None)
    with pytest.raises(VictimError, match="expected \\(logits, frames per clip\\)"):

        class Batched(Steps):
            def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
                return super().forward(waveforms)

        from_ctc_module(Batched(), Steps.vocabulary, delimiter=None, batched=True, min_samples=1).transcribe(Batch.of([clip]))


def test_function() -> None:
    calls: list[tuple[tuple[int, ...], str, int]] = []

    def hear(waveform: np.ndarray, sample_rate: int) -> str:
        calls.append((waveform.shape, str(waveform.dtype), sample_rate))
        waveform[:] = 0  # a careless function cannot damage the batch
        return str(len(waveform))

    batch = Batch.of(tones(30, 20))
    before = batch.waveforms.clone()
    made = from_function(hear)
    assert [heard.text for heard in made.transcribe(batch)] == ["30", "20"]
    assert calls == [((30,), "float32", 16_000), ((20,), "float32", 16_000)]
    assert torch.equal(batch.waveforms, before)
    assert made.capabilities == {"hears"}
    with pytest.raises(VictimError, match="returned int, expected str"):
        from_function(lambda waveform, sample_rate: 3).transcribe(batch)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("python:", SpecError, "package.module:factory"),
        ("python:mine", SpecError, "package.module:factory"),
        ("python:../mine:make", SpecError, "package.module:factory"),
        ("python:mine:make?x=1", SpecError, "takes no options, got x"),
        ("python:absent_module:make", VictimError, "no module 'absent_module'; run from the folder"),
        ("python:needy:make", VictimError, "needs the module 'absent_dependency'"),
        ("python:broken:make", VictimError, "importing broken raised ZeroDivisionError"),
        ("python:mine:makes", VictimError, "has no 'makes'; it has: bare, make, raises"),
        ("python:mine:raises", VictimError, r"raises\(\) raised ValueError: no weights; run it alone"),
        ("python:mine:make", VictimError, "got dict, expected a Victim"),
        ("python:mine:bare", VictimError, "Linear has neither loss"),
    ],
)
def test_spec_mistakes_are_one_line_each(home: Path, spec: str, error: type[Exception], says: str) -> None:
    (home / "mine.py").write_text(
        "def make():\n    return {}\n\ndef raises():\n    raise ValueError('no\\nweights')\n\n"
        "def bare():\n    import torch\n    return torch.nn.Linear(1, 1)\n"
    )
    (home / "needy.py").write_text("import absent_dependency\n")
    (home / "broken.py").write_text("1 / 0\n")
    with pytest.raises(error, match=says) as caught:
        load_victim(spec, "cpu")
    assert "\n" not in str(caught.value)


def test_spec_finds_packages_classes_and_objects(home: Path) -> None:
    package = home / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(
        "import torch\n\nclass Steps(torch.nn.Module):\n    vocabulary = ['-', 'A']\n    delimiter = None\n    min_samples = 10\n"
        "    def forward(self, waveforms):\n        return waveforms.reshape(1, -1, 10)[:, :, :2]\n\nready = Steps()\n"
    )
    clip = torch.zeros(20)
    clip[1] = 1.0
    for spec in ("python:pack.inner:Steps", "python:pack.inner:ready"):
        assert load_victim(spec, "cpu").transcribe(Batch.of([clip]))[0].text == "A"
