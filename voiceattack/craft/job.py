"""What the steps of one crafting run share: its clips, and the state of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from voiceattack import files
from voiceattack.attacks.base import Attack
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import DiskError
from voiceattack.objectives import Objective
from voiceattack.progress import Progress
from voiceattack.runs.run import Example, Run
from voiceattack.victims import Victim

__all__ = ["Clip", "Job", "writing"]


@dataclass(frozen=True)
class Clip:
    """One clip ready to be attacked: where it came from, and its clean 16-bit waveform float32 (samples,)."""

    id: str
    utterance: Utterance
    source_sha256: str
    pcm_sha256: str
    clean_audio: str
    waveform: Tensor
    warnings: list[str]
    heard: str = ""


@dataclass
class Job:
    """The state of one :func:`craft` call.

    ``label`` ends the ids of its examples: the attack's name, unless one run holds several settings of an attack. ``repeat`` is
    the number of the draw where one run holds several of each. ``fooled`` says of each clip searched whether its search
    heard a success, ``best_snr_db`` how quiet the quietest of these is.
    """

    request: AttackRequest
    run: Run
    victim: Victim
    attack: Attack
    objective: Objective
    budget: Budget
    items: int
    on_progress: Progress | None
    on_error: Callable[[str], None] | None
    recorded: dict[str, Example] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    finished: int = 0
    label: str = ""
    repeat: int | None = None
    fooled: list[bool] = field(default_factory=list)
    best_snr_db: float | None = None

    def __post_init__(self) -> None:
        self.label = self.label or self.request.attack

    def tell(self, steps: int, label: str, *, ended: bool = False) -> None:
        """Show progress: ``steps`` were done on the clips at hand, which ``label`` names, or all, and these are finished."""
        if self.on_progress is not None:
            unit = max(1, self.attack.max_steps)
            clip = f"clip {min(self.finished + (not ended), self.items)} of {self.items}: {label}"
            fooled = f", fooled {sum(self.fooled)} of {len(self.fooled)}" if self.fooled else ""
            best = "" if self.best_snr_db is None else f", best {self.best_snr_db:.1f} dB SNR"
            self.on_progress(min(self.finished * unit + steps, self.items * unit), self.items * unit, clip + fooled + best)

    def searched(self, fooled: bool, snr_db: float | None) -> None:
        """Count a clip whose search ended: whether it heard a success, and the artefact's SNR in dB where one is defined."""
        self.fooled.append(fooled)
        if fooled and snr_db is not None:
            self.best_snr_db = snr_db if self.best_snr_db is None else max(snr_db, self.best_snr_db)

    def done(self, id: str) -> Example | None:
        """The example ``id`` if it is finished; a failed one is not."""
        example = self.recorded.get(id)
        return None if example is None or example.error is not None else example

    def stages_of(self, id: str) -> list[str]:
        """Ids of the artefacts that were met on the way to example ``id``."""
        return [example.id for example in self.recorded.values() if example.stage_of == id and example.control_for is None]

    def add(self, example: Example) -> None:
        """Append one line to the run (unless it failed before in the same way), and say so when it is a failure."""
        before = self.recorded.get(example.id)
        if before is None or example.error is None or before.error != example.error:
            self.run.append(example)
        self.recorded[example.id] = example
        if example.error is not None and self.on_error is not None:
            self.on_error(f"{example.source}: {example.error}")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a full or read-only disk raises into the one error that ends a run; what else is raised stays as it is."""
    try:
        with files.writing(path, "free some space"):
            yield
    except DiskError as error:
        raise DiskError(f"{error}; finished examples are kept: the same command resumes") from error
