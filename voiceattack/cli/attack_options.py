"""What ``voiceattack attack`` can be given, group by group; each field is an option."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from voiceattack.cli.console import parse_params
from voiceattack.commands import CommandOption
from voiceattack.errors import SpecError

__all__ = ["GoalOptions", "LimitOptions", "OutputOptions", "ParamOptions"]

OWN = "the attack's own"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True)


class GoalOptions(_Group):
    """What counts as success."""

    target: Annotated[str | None, CommandOption(metavar="TEXT")] = Field(
        default=None, description="Make the victim hear exactly this."
    )
    mute: bool = Field(default=False, description="Make the victim hear nothing.")
    objective: Annotated[str | None, CommandOption(default="untargeted")] = Field(
        default=None,
        description="What counts as success: untargeted, targeted, mute, drop:TERM or insert:TEXT; of an assistant wrong-action, "
        "no-action or action:INTENT{slot=value}; of a wake word evade or false-trigger; of a Whisper slow, or slow:FACTOR, to "
        "write that many times the tokens of the clean clip (10), runaway to its limit, or repeat; wrong-language, translate.",
    )
    wer_threshold: float = Field(default=0.5, description="Untargeted: least word error rate against the clean transcript.")

    @property
    def kind(self) -> Any:
        """The objective's name.

        Raises:
            SpecError: it is given twice.
        """
        if self.mute and (self.target is not None or self.objective not in (None, "mute")):
            raise SpecError("--mute excludes --target and any other --objective; give one of them")
        if self.objective is not None:
            return self.objective
        return "mute" if self.mute else "untargeted" if self.target is None else "targeted"

    @property
    def text(self) -> str | None:
        """The target given, or for an action the first sample command that means it."""
        if self.target is not None or self.objective is None or not self.objective.startswith("action:"):
            return self.target
        from voiceattack.corpus.samples import command_for

        return command_for(self.objective.removeprefix("action:"))


class LimitOptions(_Group):
    """How much may be changed, and where."""

    snr_db: Annotated[float | None, CommandOption(default="35 without a limit")] = Field(
        default=None, description="Least signal-to-noise ratio, dB."
    )
    linf: float | None = Field(default=None, description="Most change of a sample, fraction of full scale.")
    l2: float | None = Field(default=None, description="Most Euclidean norm of the change.")
    db_x: float | None = Field(default=None, description="Peak of the change relative to the clip's, dB, for example -30.")
    masking_excess_db: float | None = Field(
        default=None, description="Most excess over the masking threshold, mean over bins, dB."
    )
    masking_excess_max_db: float | None = Field(
        default=None, description="The same in any one bin, dB; 0.1 is strictly masked: nobody should hear it."
    )
    band: Annotated[str | None, CommandOption(metavar="LOW-HIGH")] = Field(
        default=None, description="Change these frequencies only, Hz."
    )
    window: Annotated[str | None, CommandOption(metavar="WHEN")] = Field(
        default=None, description="Change it only then: 'speech', or seconds as START-END or START-."
    )

    @property
    def budget(self) -> dict[str, float | str]:
        """The limits given."""
        return self.model_dump(exclude_none=True)

    @property
    def sized(self) -> bool:
        """Whether one of them limits the size."""
        return not self.budget.keys() <= {"band", "window"}


class ParamOptions(_Group):
    """Parameters of the attack, those that have an option of their own among them."""

    severity: Annotated[int | None, CommandOption(default="1")] = Field(
        default=None, ge=1, le=4, description="Attack corruption:NAME: 1 (mild) to 4."
    )
    steps: Annotated[int | None, CommandOption(default=OWN)] = Field(default=None, description="Most gradient steps a clip.")
    param: Annotated[list[str] | None, CommandOption(metavar="NAME=VALUE")] = Field(
        default=None, description="A parameter of the attack. Repeatable."
    )
    confidence: Annotated[float | None, CommandOption(metavar="LOGITS")] = Field(
        default=None, description="Head-room of every token, so that other engines hear it too."
    )
    artefact: Annotated[Path | None, CommandOption(metavar="FILE")] = Field(
        default=None, description="Attack universal: what 'voiceattack fit' wrote."
    )

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name.

        Raises:
            SpecError: one is given twice, or cannot be read.
        """
        params = parse_params(self.param)
        for name, value in (("steps", self.steps), ("severity", self.severity)):
            if value is not None:
                if name in params:
                    raise SpecError(f"{name} is given by --{name} and by --param; give it once")
                params[name] = value
        if self.confidence is not None:
            params["confidence"] = self.confidence
        if self.artefact is not None:
            params["artefact"] = str(self.artefact)
        return params


class OutputOptions(_Group):
    """What is made besides the artefacts. What is made unless told otherwise says what its ``--no-...`` leaves out."""

    control: bool = Field(default=True, description="Leave out the equal-SNR noise controls.")
    evaluate: bool = Field(default=True, description="Only craft; see: voiceattack evaluate.")
    report: bool = Field(default=True, description="Write no report.md and report.html.")
    keep_format: bool = Field(default=False, description="Also save at each file's own rate and channels.")
