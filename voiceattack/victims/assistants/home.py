"""A home as its user describes it: areas, floors and entities in a YAML file; see ``samples/home.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from voiceattack.corpus.samples import samples_manifest
from voiceattack.errors import SpecError
from voiceattack.files import read_text
from voiceattack.yaml_text import parse_yaml

__all__ = ["Area", "Entity", "Floor", "Home", "default_home"]


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The name and what else people call it."""
        return (self.name, *self.aliases)


class Floor(_Named):
    """A storey: ``{id: ground, name: ground floor, aliases: [downstairs]}``."""


class Area(_Named):
    """A room: ``{id: kitchen, name: kitchen, floor: ground}``."""

    floor: str | None = None


class Entity(_Named):
    """A device: ``{id: lock.front, name: front door, area: hall}``; ``device_class`` as Home Assistant's (``blind``)."""

    area: str | None = None
    device_class: str | None = None

    @field_validator("id")
    @classmethod
    def _has_domain(cls, id: str) -> str:
        if id.count(".") != 1 or not all(id.split(".")):
            raise ValueError("must read domain.name, for example lock.front")
        return id

    @property
    def domain(self) -> str:
        """``lock`` of ``lock.front``."""
        return self.id.partition(".")[0]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    floors: tuple[Floor, ...] = ()
    areas: tuple[Area, ...] = ()
    entities: tuple[Entity, ...]


@dataclass(frozen=True)
class Home:
    """Everything of a home that a sentence can be about."""

    floors: tuple[Floor, ...]
    areas: tuple[Area, ...]
    entities: tuple[Entity, ...]

    @classmethod
    def read(cls, path: str | Path) -> Home:
        """The home in a YAML file with ``entities``, ``areas`` and ``floors``.

        Raises:
            SpecError: it cannot be read, or something in it is wrong; names the place.
        """
        try:
            loaded, _ = parse_yaml(read_text(path))
        except (OSError, ValueError) as error:
            raise SpecError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())}); see samples/home.yaml") from error
        try:
            file = _File.model_validate(loaded)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise SpecError(f"{path}: {where}: {first['msg']}; see samples/home.yaml") from error
        home = cls(file.floors, file.areas, file.entities)
        home._check(path)
        return home

    def _check(self, path: str | Path) -> None:
        for kind, items in (("floor", self.floors), ("area", self.areas), ("entity", self.entities)):
            ids = [item.id for item in items]
            if twice := {id for id in ids if ids.count(id) > 1}:
                raise SpecError(f"{path}: {kind} {sorted(twice)[0]!r} is given twice; keep one")
        floors, areas = {floor.id for floor in self.floors}, {area.id for area in self.areas}
        for area in self.areas:
            if area.floor is not None and area.floor not in floors:
                raise SpecError(f"{path}: area {area.id!r} lies on floor {area.floor!r}, which is not among the floors; add it")
        for entity in self.entities:
            if entity.area is not None and entity.area not in areas:
                raise SpecError(
                    f"{path}: entity {entity.id!r} lies in area {entity.area!r}, which is not among the areas; add it"
                )

    def has(self, *, domain: str | None, device_class: str | None, area: str | None, floor: str | None) -> bool:
        """Whether some entity fits all that is given."""
        floor_of = {each.id: each.floor for each in self.areas}
        return any(
            (domain is None or entity.domain == domain)
            and (device_class is None or entity.device_class == device_class)
            and (area is None or entity.area == area)
            and (floor is None or floor_of.get(entity.area or "") == floor)
            for entity in self.entities
        )


def default_home() -> Path:
    """The sample home beside the sample clips."""
    return samples_manifest().parent / "home.yaml"
