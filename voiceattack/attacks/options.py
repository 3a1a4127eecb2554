"""What a search may do besides what its attack's own parameters say: one object, whole from the command line to the recipe.

An option is one field here. The command line, ``--help``, run.json, recipes, the schema of suites and the commands that reports
print read the fields; a search reads ``problem.options``. See CONTRIBUTING.md, "Adding an option".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Self

from voiceattack.commands import CommandOption

__all__ = ["DEFAULTS", "SearchOptions"]

OWN = "the attack's own"


class SearchOptions(BaseModel):
    """What a search may do.

    Requests and entries of suites inherit the fields, so that they stand beside what else is asked for, in JSON, in YAML and as
    keywords. The seed is not among them: a run has one, each clip's search gets another, derived from it.

    Attributes:
        stages_db: width in dB, 0 (excluded) to 120, of the bins of SNR of which the best candidate is saved too; None leaves it
            to the attack. Named ``--stages``.
        max_queries: the most transcriptions and scores that the search on one clip may ask for, at least 1; the search of a batch
            ends when the first of its clips would ask for more. None for the attack's own limits.
        batch_size: clips attacked at once, at least 1. Above 1, batching changes floating-point rounding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    stages_db: Annotated[float | None, CommandOption("--stages", metavar="DB", default=OWN)] = Field(
        default=None, gt=0, le=120, description="Also keep the best result in each bin of SNR that is so many decibels wide."
    )
    max_queries: Annotated[int | None, CommandOption(default=OWN)] = Field(
        default=None, ge=1, description="Most transcripts and scores that the search on one clip may ask for."
    )
    batch_size: int = Field(
        default=1, ge=1, description="Clips attacked at once; above 1, batching changes floating-point rounding."
    )

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """The options in a record that holds more; the inverse of :meth:`recorded`."""
        return cls(**{name: record[name] for name in cls.model_fields if name in record})

    @property
    def options(self) -> SearchOptions:
        """These alone, of a request or an entry that says more."""
        return SearchOptions(**{name: getattr(self, name) for name in SearchOptions.model_fields})

    def recorded(self) -> dict[str, Any]:
        """As run.json and recipes hold them. What is None is left out: with an option more, older runs keep their ids."""
        return self.options.model_dump(mode="json", exclude_none=True)


DEFAULTS = SearchOptions()
