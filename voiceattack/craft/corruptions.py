"""Every corruption at every severity in one run directory, crafted once, for any number of victims to hear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from voiceattack.asked import Asked
from voiceattack.attacks.corruptions import CORRUPTIONS, SCHEME
from voiceattack.attacks.corruptions.base import Corruption
from voiceattack.attacks.corruptions.severities import LEVELS, table
from voiceattack.attacks.options import DEFAULTS
from voiceattack.commands import command_line, param_text
from voiceattack.corpus import BadItem, Utterance, read_corpus
from voiceattack.craft.job import Job
from voiceattack.craft.pipeline import craft_items
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import CorpusError, SpecError
from voiceattack.locks import locking
from voiceattack.numbers import LARGEST
from voiceattack.progress import Progress
from voiceattack.runs.run import Run
from voiceattack.victims import Victim
from voiceattack.victims.specs import without_patience
from voiceattack.victims.wrappers.cache import QueryCache, RememberingVictim

__all__ = ["ALL", "CorruptionsRequest", "corrupt", "with_memory"]

ALL = f"{SCHEME}:*"
"""What run.json calls the attack of such a run."""


@dataclass(frozen=True)
class _Setting:
    name: str
    severity: int
    repeat: int

    @property
    def label(self) -> str:
        """Ends the ids of its examples."""
        return f"{SCHEME}:{self.name}-{self.severity}" + (f"-draw{self.repeat + 1}" if self.repeat else "")


class CorruptionsRequest(Asked):
    """What is asked of :func:`corrupt`; JSON-safe.

    Attributes:
        inputs: audio files, folders or manifests.
        victim: spec of the victim that the record names as the one attacked; corruptions ask it no more than others.
        names: corruptions; all of the table when empty.
        severities: of 1 to 4.
        params: given to each corruption that has such a parameter (``noise``, ``music``, ``speech``, ``loss``).
        wer_threshold: least WER against the clean transcript that counts as fooled.
        repeats: draws of the random corruptions at the mildest severity asked at which anything is drawn, for their WER variance.
        seed: of the run; draw k takes ``seed + k``.
        limit: corrupt the first so many clips only.
    """

    inputs: tuple[str, ...]
    victim: str = "whisper-tiny.en"
    names: tuple[str, ...] = ()
    severities: tuple[int, ...] = LEVELS
    params: dict[str, Any] = Field(default_factory=dict)
    wer_threshold: float = Field(default=0.5, gt=0)
    repeats: int = Field(default=1, ge=1, le=100)
    seed: int = Field(default=0, ge=0, le=LARGEST)
    limit: int | None = Field(default=None, ge=1)

    @field_validator("names")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(CORRUPTIONS.entry(name).name for name in dict.fromkeys(names))

    @field_validator("severities")
    @classmethod
    def _levels(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if not levels or not set(levels) <= set(LEVELS):
            raise SpecError(f"severities {', '.join(map(str, levels)) or 'none'}: choose of {', '.join(map(str, LEVELS))}")
        return tuple(sorted(set(levels)))

    def settings(self) -> list[_Setting]:
        """What is to be crafted of each clip, in the table's order."""
        found = []
        for name in self.names or tuple(table()):
            repeated = False
            for severity in self.severities:
                setting = _Setting(name, severity, 0)
                again = not repeated and _random(self.request(setting))
                repeated |= again
                found += [setting, *(_Setting(name, severity, repeat) for repeat in range(1, self.repeats if again else 1))]
        return found

    def request(self, setting: _Setting) -> AttackRequest:
        """One setting as an ordinary request."""
        known = CORRUPTIONS.get(setting.name).Params.model_fields
        params = {name: value for name, value in self.params.items() if name in known}
        return AttackRequest(
            inputs=self.inputs,
            victim=self.victim,
            attack=f"{SCHEME}:{setting.name}",
            params={**params, "severity": setting.severity},
            wer_threshold=self.wer_threshold,
            seed=self.seed + setting.repeat,
            control=False,
        )

    def identity(self) -> dict[str, Any]:
        """What decides an example's bytes. Names, severities and repeats do not: more of them extend the run."""
        return {
            "victim": without_patience(self.victim),
            "attack": ALL,
            "params": self.params,
            "objective": "untargeted",
            "target": None,
            "wer_threshold": self.wer_threshold,
            "budget": {},
            "seed": self.seed,
            **DEFAULTS.recorded(),
        }

    def command(self, out: str | Path) -> str:
        """The command line that asks for the same, for a shell; as :meth:`voiceattack.craft.request.AttackRequest.command`."""
        words: list[str | Path] = ["--victim", self.victim]
        words += ["--names", ",".join(self.names)] if self.names else []
        words += [] if self.severities == LEVELS else ["--severities", ",".join(map(str, self.severities))]
        words += [] if self.repeats == 1 else ["--repeats", str(self.repeats)]
        for name, value in self.params.items():
            words += ["--param", param_text(name, value)]
        words += [] if self.limit is None else ["--limit", str(self.limit)]
        words += [] if self.wer_threshold == 0.5 else ["--wer-threshold", repr(self.wer_threshold)]
        words += ["--seed", str(self.seed), "--out", Path(out)]
        behind = any(given.startswith("-") for given in self.inputs)
        return command_line("corruptions", *([*words, "--", *self.inputs] if behind else [*self.inputs, *words]))

    def items(self) -> list[Utterance | BadItem]:
        """The inputs, all of them: crosstalk draws from those beyond ``limit`` too.

        Raises:
            CorpusError: there are none.
        """
        items = list(read_corpus(self.inputs))
        if not items:
            raise CorpusError(f"no audio found in {', '.join(self.inputs)}; give audio files, folders or manifests")
        return items

    def check(self) -> None:
        """Raise SpecError for a parameter that none of the corruptions has."""
        names = self.names or tuple(table())
        known = {name for corruption in names for name in CORRUPTIONS.get(corruption).Params.model_fields} - {"severity"}
        for name in self.params:
            if name not in known:
                raise SpecError(
                    f"--param {name}: none of these corruptions has it; they have: {', '.join(sorted(known)) or 'none'}"
                )
        for setting in self.settings():
            self.request(setting).build()


def _random(request: AttackRequest) -> bool:
    attack = request.build()[0]
    return isinstance(attack, Corruption) and attack.random


def with_memory(run: Run, victims: Sequence[Victim], folder: Path | None = None) -> list[Victim]:
    """Victims that keep what they heard, so that no file is heard twice, in this call or the next.

    An answer is what the victim said then; to hear anew after a change of its model, delete ``queries.sqlite`` there.

    Args:
        run: whose folder holds the answers, unless ``folder`` does.
        victims: whatever they are.
        folder: of a memory that several runs share.
    """
    cache = QueryCache(run.path if folder is None else folder)
    return [v if isinstance(v, RememberingVictim) else RememberingVictim(v, cache) for v in victims]


@locking("out")
def corrupt(
    request: CorruptionsRequest,
    out: str | Path,
    victim: Victim,
    *,
    memory: Path | None = None,
    on_progress: Progress | None = None,
    on_error: Callable[[str], None] | None = None,
) -> tuple[Run, Victim]:
    """Craft all that is asked and not there yet; a clip that fails costs itself alone.

    Args:
        request: what is asked.
        out: the run directory; one of the same identity is resumed or extended.
        victim: ``request.victim``, loaded; it hears each artefact once, and its answers are kept.
        memory: folder of the answers, the run's when None; see :func:`with_memory`.
        on_progress: called with (artefacts done, artefacts in all, what is at hand).
        on_error: called with one line for each item that failed; once for a line that is the same for several settings.

    Returns:
        The run, and the victim with its memory.

    Raises:
        CorpusError: there is no input at all.
        SpecError: an unknown name or parameter; nothing is written.
        RunError: ``out`` holds another request, or cannot be written.
    """
    request.check()
    items = request.items()
    run = Run.create(out, request.identity())
    (hearing,) = with_memory(run, [victim], memory)
    settings = request.settings()
    told: set[str] = set()

    def once(line: str) -> None:
        if on_error is not None and line not in told:
            on_error(line)
        told.add(line)

    recorded = {example.id: example for example in run.examples()}
    for index, setting in enumerate(settings):
        one = request.request(setting)
        attack, objective, budget = one.build()
        attack.check(hearing, objective, budget)
        attack.set_corpus([item for item in items if isinstance(item, Utterance)])
        tell = _told(on_progress, index, len(settings), setting.label)
        chosen = items[: request.limit]
        job = Job(one, run, hearing, attack, objective, budget, len(chosen), tell, once, recorded)
        job.label, job.repeat = setting.label, setting.repeat
        craft_items(job, chosen)
    return run, hearing


def _told(on_progress: Progress | None, place: int, settings: int, label: str) -> Progress | None:
    if on_progress is None:
        return None
    return lambda done, total, clip: on_progress(place * total + done, settings * total, f"{label} {clip}")
