"""What a ``suite.yaml`` may say. Data only: nothing in it is run. ``suite.schema.json`` is exported from here, for editors."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from voiceattack.attacks.options import SearchOptions
from voiceattack.numbers import LARGEST
from voiceattack.objectives import ObjectiveKind
from voiceattack.suite.variables import Expansion, in_specs
from voiceattack.victims.specs import without_patience
from voiceattack.victims.trust import specs_in

__all__ = [
    "SCHEMA_FILE",
    "AttackEntry",
    "Decides",
    "ExpectedEntry",
    "GateEntry",
    "InputEntry",
    "Limits",
    "Part",
    "Suite",
    "VictimEntry",
    "json_schema",
]

OLDER_WORD = "spec"
SCHEMA_FILE = Path(__file__).with_name("suite.schema.json")
Decides = Literal["estimate", "interval"]


class Part(BaseModel):
    """Base of the parts of a suite: unknown keys are errors; ``short`` names the key that a plain text stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)
    short: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {cls.short: value} if cls.short is not None and isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.short is None:
            return schema
        return {
            "anyOf": [{"type": "string", "description": f"short for {{{cls.short}: ...}}"}, handler.resolve_ref_schema(schema)]
        }


class InputEntry(Part):
    """Speech to attack, or clips without speech; a plain text is a path."""

    short: ClassVar[str | None] = "path"

    path: str | None = Field(None, description="Audio file, folder or manifest, relative to the suite file.")
    generate: Literal["no-speech"] | None = Field(
        None, description="Make clips without speech instead: they are heard, not attacked."
    )
    kinds: tuple[str, ...] = Field((), description="Which clips without speech; all when left out.")
    speech: bool = Field(
        True, description="False: nothing is said in these clips (recordings of rooms, of a radio); heard, not attacked."
    )
    seconds: float = Field(5.0, gt=0.1, le=300, description="Length of each generated clip.")
    tags: tuple[str, ...] = Field((), description="Names by which attacks and gates choose these clips.")
    limit: int | None = Field(None, ge=1, description="Take the first so many clips only.")

    @model_validator(mode="after")
    def _one_source(self) -> InputEntry:
        if (self.path is None) == (self.generate is None):
            raise ValueError("give either 'path' or 'generate'")
        if self.kinds and self.generate is None:
            raise ValueError("'kinds' is for 'generate: no-speech'")
        return self


class VictimEntry(Part):
    """A system under test; a plain text is its spec."""

    short: ClassVar[str | None] = "victim"

    victim: str = Field(min_length=1, description="Spec of the victim, as --victim takes it.")
    name: str = Field("", description="Name in gates, reports and baselines; the spec when left out.")
    crafted_on: str | None = Field(
        None,
        description="Spec of another victim that attacks are crafted on, for a victim without gradients; this one hears them.",
    )
    version: str = Field("", description="Your name of the model behind a server or command; a new one is heard again.")

    @model_validator(mode="before")
    @classmethod
    def _older_word(cls, value: Any) -> Any:
        """Suites said ``spec`` once, and may go on."""
        if not isinstance(value, dict) or OLDER_WORD not in value:
            return value
        if "victim" in value:
            raise ValueError(f"'{OLDER_WORD}' is the older word for 'victim'; give one of them")
        return {("victim" if key == OLDER_WORD else key): inner for key, inner in value.items()}

    @model_validator(mode="after")
    def _named(self) -> VictimEntry:
        return self if self.name else self.model_copy(update={"name": self.victim})

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        entry = schema["anyOf"][1]
        older = {**entry["properties"]["victim"], "description": "The older word for victim.", "deprecated": True}
        entry["properties"][OLDER_WORD] = older
        entry["oneOf"] = [{"required": [key]} for key in ("victim", OLDER_WORD)]
        del entry["required"]
        return schema

    @property
    def spec(self) -> str:
        """The spec of the victim under test."""
        return self.victim

    @property
    def hears_as(self) -> str:
        """What the rows of results call it: its spec without what says how patiently it is asked."""
        return without_patience(self.spec)

    @property
    def source(self) -> str:
        """Spec of the victim attacked."""
        return self.crafted_on or self.spec


class AttackGoal(Part):
    """Which attack, within what limits, and what for."""

    attack: str = Field(
        min_length=1,
        description="Registered name: voiceattack list attacks; corruption:* is all of voiceattack list corruptions.",
    )
    name: str = Field("", description="Name in gates and reports; the attack's when left out.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the attack; the rest take their defaults.")
    budget: dict[str, float | str] = Field(default_factory=dict, description="Limits: snr_db, linf, l2, db_x, band, window, ...")
    grid: dict[str, list[Any]] = Field(
        default_factory=dict, description="Values to try of parameters or limits, each with each: one attack a combination."
    )
    objective: ObjectiveKind = Field("untargeted", description="What counts as success.")
    target: str | None = Field(None, description="The text to be heard, for objective targeted.")
    wer_threshold: float = Field(0.5, gt=0, description="Least WER against the clean transcript, for objective untargeted.")


class AttackEntry(SearchOptions, AttackGoal):
    """An attack with its parameters, or a grid of them; a plain text is its registered name."""

    short: ClassVar[str | None] = "attack"

    control: bool = Field(True, description="Make a noise control of the same SNR beside each artefact.")
    inputs: tuple[str, ...] = Field((), description="Only clips with one of these tags; all speech when left out.")
    victims: tuple[str, ...] = Field((), description="Only these victims, by name; all when left out.")

    @model_validator(mode="after")
    def _named(self) -> AttackEntry:
        return self if self.name else self.model_copy(update={"name": self.attack})

    @field_validator("params", "budget", "grid")
    @classmethod
    def _recordable(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A run's record holds them."""
        for name, value in given.items():
            try:
                json.dumps({name: value}, allow_nan=False).encode()
            except (ValueError, TypeError) as error:
                raise ValueError(f"{name}: must be a finite number, text, true or false, or a list or mapping of them") from error
        return given


class GateEntry(Part):
    """A sentence that must hold; a plain text is the sentence."""

    short: ClassVar[str | None] = "gate"

    gate: str = Field(min_length=1, description="For example: success_rate <= 0.20 at snr_db >= 30")
    decides: Decides = Field(
        "estimate", description="estimate: the figure itself must hold; interval: its whole 95% interval must."
    )
    victim: str | None = Field(None, description="Only this victim, by name.")
    attack: str | None = Field(None, description="Only this attack, by name.")
    tag: str | None = Field(None, description="Only clips with this tag.")
    per: tuple[Literal["victim", "attack"], ...] = Field(
        ("victim", "attack"), description="Judged apart for each; [] judges all that is left together."
    )
    min_clips: int | None = Field(
        None, ge=1, description="Fewest clips that decide, else it is an error; left out: 5, or 1 for what is counted by time."
    )


OfClip = Literal["fooled", "misheard", "invented", "error"]
OfGate = Literal["failed", "unreliable", "error"]


class ExpectedEntry(Part):
    """A failure that is known and stands, for now, in nobody's way."""

    clip: str | None = Field(None, description="Name of the clip that fails: its file's without suffix, or the manifest's.")
    tag: str | None = Field(None, description="Or a tag, for all clips that have it.")
    gate: str | None = Field(None, description="Or a gate, its sentence as it stands under gates.")
    outcome: OfClip | OfGate | None = Field(
        None,
        description="Of clips: fooled (when left out), misheard, invented, error; of a gate: failed (when left out), unreliable, "
        "error.",
    )
    victim: str | None = Field(None, description="Only of this victim, by name.")
    attack: str | None = Field(None, description="Only by this attack, by name.")
    reason: str = Field(min_length=1, description="Why it is known and may stand.")
    ticket: str = Field("", description="Where it is tracked.")
    until: date | None = Field(None, description="Last day on which it may stand, as 2027-03-31; after it, it fails.")

    @model_validator(mode="after")
    def _one_thing(self) -> ExpectedEntry:
        if sum(named is not None for named in (self.clip, self.tag, self.gate)) != 1:
            raise ValueError("give exactly one of 'clip', 'tag' and 'gate'")
        allowed = get_args(OfGate) if self.gate is not None else get_args(OfClip)
        if self.outcome is not None and self.outcome not in allowed:
            raise ValueError(
                f"outcome {self.outcome!r}: of a {'gate' if self.gate else 'clip'} it is one of {', '.join(allowed)}"
            )
        return self

    @property
    def expects(self) -> str:
        """The outcome, as given or left out."""
        return self.outcome or ("failed" if self.gate is not None else "fooled")

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        about = next(f"{kind} {name}" for kind in ("clip", "tag", "gate") if (name := getattr(self, kind)) is not None)
        return ", ".join([about, *filter(None, (self.victim, self.attack))])


class Limits(Part):
    """Where a run stops though not all is done; what is finished is kept and the next run goes on."""

    seconds: float | None = Field(None, gt=0, description="Wall-clock time of crafting in one call.")
    queries: int | None = Field(None, ge=1, description="Transcriptions asked of victims by all attacks together.")


class Suite(Part):
    """A whole suite."""

    version: Literal[1] = Field(1, description="Version of this format.")
    env: tuple[str, ...] = Field((), description="Environment variables that ${NAME} in this suite may stand for.")
    name: str = Field("suite", description="Name in reports.")
    inputs: tuple[InputEntry, ...] = Field(min_length=1)
    victims: tuple[VictimEntry, ...] = Field(min_length=1)
    attacks: tuple[AttackEntry, ...] = ()
    gates: tuple[GateEntry, ...] = ()
    min_clips: int | None = Field(None, ge=1, description="Of every gate that names none of its own.")
    expected: tuple[ExpectedEntry, ...] = Field((), description="Known failures: shown apart, and no failure until they expire.")
    critical_terms: tuple[str, ...] = Field((), description="Words that must be heard right, for critical_term_error_rate.")
    seed: int = Field(0, ge=0, le=LARGEST - 100, description="Of the first repetition; the next take the next.")
    repeat: int = Field(1, ge=1, le=100, description="Seeds to run; a gate whose verdict differs between them is unreliable.")
    unreliable: Literal["fail", "pass"] = Field("fail", description="What an unreliable gate does to the exit code.")
    limits: Limits = Field(default_factory=lambda: Limits.model_validate({}))
    reports: tuple[str, ...] = Field(
        (), description="Reports to write for each attack and victim, into its own run directory: voiceattack list formats."
    )
    outputs: tuple[str, ...] = Field(
        (), description="Further files to write, relative to the suite file; the suffix names the format: .xml, .md, .json, .csv."
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> Suite:
        for kind, names in {"victim": [v.name for v in self.victims], "attack": [a.name for a in self.attacks]}.items():
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"two {kind}s are named {name!r}; give one of them another 'name'")
        return self

    _expansions: tuple[Expansion, ...] = ()

    def with_expansions(self, expansions: tuple[Expansion, ...]) -> Suite:
        """The same, which knows what variables were put into it."""
        self._expansions = expansions
        return self

    @property
    def variables_in_specs(self) -> dict[str, list[str]]:
        """See :func:`voiceattack.suite.variables.in_specs`."""
        return in_specs(self._expansions)

    @property
    def specs(self) -> list[str]:
        """Every victim that it names: who listens, who is crafted on, and whoever an attack's parameters name."""
        own = [spec for victim in self.victims for spec in (victim.spec, victim.source)]
        given = [spec for entry in self.attacks for spec in specs_in({"params": [entry.params, entry.grid]})]
        return list(dict.fromkeys([*own, *given]))

    @property
    def seeds(self) -> list[int]:
        """One a repetition."""
        return [self.seed + index for index in range(self.repeat)]


def json_schema() -> str:
    """The JSON Schema of a suite, as ``suite.schema.json`` holds it."""
    own = {"$schema": "https://json-schema.org/draft/2020-12/schema", "patternProperties": {"^x-": {}}}
    schema = {**own, **Suite.model_json_schema()}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
