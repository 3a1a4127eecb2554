"""The same victim, clips, L2 budget and number of steps through the Adversarial Robustness Toolbox's PGD and through ours.

ART has no estimator for Whisper; its PGD asks for loss gradients only, so the victim is handed to it in the small class below:
the same weights, the same cross-entropy of what is heard in the clean clip, over the whole window. All tools are judged alike:
output saved as 16-bit FLAC, read again, transcribed by the victim's ordinary path. Where ART is not installed, it goes into a
temporary folder for this benchmark alone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _common
import torch
from torch import Tensor

from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.victims import DifferentiableVictim

if TYPE_CHECKING:
    import numpy as np

__all__ = ["run"]

PEER = "adversarial-robustness-toolbox==1.20.1"
SNR_DB = 40.0
RATIOS = {"eps/3, its default": 3, "eps/10": 10}  # ART's defaults are eps 0.3 and a step of 0.1; the finer step suits 100 steps


def budget_of(clean: Tensor) -> Budget:
    return Budget(l2=float(clean.norm()) * 10 ** (-SNR_DB / 20))


def estimator(victim: DifferentiableVictim) -> Any:
    """The victim as ART's PGD wants it: ``BaseEstimator`` and ``LossGradientsMixin``; labels are texts, as an object array."""
    import numpy as np
    from art.estimators.estimator import BaseEstimator, LossGradientsMixin
    from art.estimators.speech_recognition import SpeechRecognizerMixin

    class SpeechEstimator(SpeechRecognizerMixin, LossGradientsMixin, BaseEstimator):
        def __init__(self) -> None:
            super().__init__(model=victim, clip_values=(-1.0, 1.0), preprocessing=None)

        @property
        def input_shape(self) -> tuple[int, ...]:
            return (-1,)

        def predict(self, x: np.ndarray, **_: Any) -> np.ndarray:
            """Waveforms float32 (batch, samples) to transcripts, object (batch,)."""
            heard = victim.transcribe(Batch.of(list(torch.from_numpy(x))))
            return np.array([transcript.text for transcript in heard], dtype=object)

        def fit(self, x: np.ndarray, y: np.ndarray, **_: Any) -> None:
            raise NotImplementedError("the victim is under test, not in training")

        def loss_gradient(self, x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
            """Gradient of the negative log-likelihood of the texts ``y``, float32 (batch, samples)."""
            batch = Batch.of(list(torch.from_numpy(x))).to(victim.device)
            waveforms = batch.waveforms.detach().requires_grad_(True)
            loss = victim.loss(batch.replace(waveforms), [str(text) for text in y]).sum()
            (grad,) = torch.autograd.grad(loss, waveforms)
            return grad.cpu().numpy()

    return SpeechEstimator()


def art_pgd(victim: DifferentiableVictim, steps: int, parts: int) -> _common.Tool:
    """ART's untargeted PGD within the L2 budget, with steps of the budget's radius divided by ``parts``."""
    from art.attacks.evasion import ProjectedGradientDescent

    wrapped = estimator(victim)

    def craft(clean: Tensor) -> Tensor:
        eps = budget_of(clean).l2
        assert eps is not None
        attack = ProjectedGradientDescent(wrapped, norm=2, eps=eps, eps_step=eps / parts, max_iter=steps, verbose=False)
        x = clean[None].numpy()
        made: np.ndarray = attack.generate(x, wrapped.predict(x))
        return torch.from_numpy(made[0])

    return craft


def noise(clean: Tensor) -> Tensor:
    """Gaussian noise that uses the whole budget."""
    delta = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return (clean + delta * (budget_of(clean).l2 or 0.0) / delta.norm()).clamp(-1, 1)


def run(victim: str = "whisper-tiny.en", clips: int = 5, steps: int = 100) -> str:
    """The comparison as Markdown."""
    hearing = _common.differentiable(victim)
    items = _common.clips(clips)
    with tempfile.TemporaryDirectory() as folder:
        peer = _common.install(PEER, Path(folder), "six")
        tools: dict[str, _common.Tool] = {"clean": lambda clean: clean, "Gaussian noise, same L2": noise}
        tools |= {f"{peer} PGD, step {name}": art_pgd(hearing, steps, parts) for name, parts in RATIOS.items()}
        tools["voiceattack pgd"] = _common.our_pgd(hearing, budget_of, steps)
        table = _common.judge(hearing, items, tools, budget_of)
    return (
        f"{len(items)} clips of samples/, {victim}, untargeted, at most {steps} steps, L2 per clip = {SNR_DB:.0f} dB SNR; heard "
        "back from 16-bit files. Seconds include each tool's own decodes; ART's PGD takes every step, voiceattack's leaves a "
        f"clip once its WER against the clean transcript is 1.\n\n{table}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim", default="whisper-tiny.en")
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    print(run(**vars(parser.parse_args())))
