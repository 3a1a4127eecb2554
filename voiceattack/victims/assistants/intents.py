"""``intents:home``: Home Assistant's own intent recogniser (hassil and its sentences) over a home; text in, action out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch

from voiceattack.audio.clips import Batch
from voiceattack.corpus.samples import sample_commands
from voiceattack.errors import SpecError, VictimError
from voiceattack.extras import optional_import
from voiceattack.files import files_below, read_text
from voiceattack.languages import language_code, model_code
from voiceattack.victims.assistants.home import Home, default_home
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent
from voiceattack.yaml_text import parse_yaml

__all__ = ["IntentsVictim", "load"]

EXTRA, FEATURE = "assistant", "the intent recogniser"


class IntentsVictim(Victim):
    """Sentences to actions, as Home Assistant's default conversation agent finds them.

    It takes the best match of all (``recognize_best``, preferring the match with the longest name). The slot ``name`` holds the
    entity's id, ``area`` and ``floor`` theirs. An action on a whole area, floor or kind of device of which the home has
    none is no action, as there.

    Args:
        intents: ``hassil.Intents``.
        home: whose names may be said.
        language: of the sentences.
        commands: sentences that it understands; to switch each entity on and off is added.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"acts"})

    def __init__(self, intents: Any, home: Home, language: str = "en", commands: Sequence[str] = ()) -> None:
        self.language, self._spoken = language_code(language), language
        self.home = home
        switched = [f"Turn {way} the {entity.name}." for entity in home.entities for way in ("on", "off")]
        self.commands = (*commands, *(switched if self.language == "en" else ()))
        self._hassil = optional_import("hassil", extra=EXTRA, feature=FEATURE)
        self._intents = intents
        self._lists = _slot_lists(home)

    def interpret(self, text: str) -> Intent:
        """The action of one sentence, an empty Intent when it is not understood."""
        result = self._hassil.recognize_best(
            text, self._intents, slot_lists=self._lists, language=self._spoken, best_slot_name="name"
        )
        if result is None:
            return Intent()
        slots = {name: _plain(entity.value) for name, entity in result.entities.items()}
        about = {name: slots.get(name) for name in ("domain", "device_class", "area", "floor")}
        if "name" not in slots and any(about.values()) and not self.home.has(**about):
            return Intent()
        return Intent(result.intent.name, slots)

    def transcribe(self, batch: Batch) -> list[Transcript]:
        raise VictimError(f"victim {self.spec!r} reads text and hears nothing; for audio name assistant:home?asr=SPEC")

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "entities": len(self.home.entities), "intents": len(self._intents.intents)}


def _plain(value: Any) -> str:
    """A slot's value as text: ``30`` for 30 and 30.0, no blanks at its ends (wildcards have them)."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _slot_lists(home: Home) -> dict[str, Any]:
    tuples = optional_import("hassil.intents", extra=EXTRA, feature=FEATURE).TextSlotList.from_tuples
    areas = {area.id: area for area in home.areas}
    names = []
    for entity in home.entities:
        context = {"domain": entity.domain}
        if entity.device_class is not None:
            context["device_class"] = entity.device_class
        if entity.area in areas:
            context["area"] = areas[entity.area].id
        names += [(name, entity.id, context) for name in entity.names]
    return {
        "name": tuples(names, name="name", allow_template=False),
        "area": tuples([(n, area.id) for area in home.areas for n in area.names], name="area", allow_template=False),
        "floor": tuples([(n, floor.id) for floor in home.floors for n in floor.names], name="floor", allow_template=False),
    }


@lru_cache(maxsize=4)
def _builtin(language: str) -> Any:
    data = optional_import("home_assistant_intents", extra=EXTRA, feature=FEATURE).get_intents(language)
    return optional_import("hassil", extra=EXTRA, feature=FEATURE).Intents.from_dict(data)


def _custom(folder: Path, language: str) -> Any:
    """Sentences of the user's own, every ``.yaml`` and ``.json`` of a folder as one, in Home Assistant's format."""
    hassil = optional_import("hassil", extra=EXTRA, feature=FEATURE)
    files = sorted(path for path in files_below(folder) if path.suffix.lower() in (".yaml", ".yml", ".json"))
    if not files:
        raise SpecError(f"{folder}: holds no .yaml file of sentences; see docs/assistants.md for the format")
    merged: dict[str, Any] = {"language": language, "intents": {}}
    util = optional_import("hassil.util", extra=EXTRA, feature=FEATURE)
    for path in files:
        try:
            text = read_text(path)
            data = json.loads(text) if path.suffix.lower() == ".json" else parse_yaml(text)[0]
            util.merge_dict(merged, data)
            hassil.Intents.from_dict(merged)
        except Exception as error:  # hassil has no error class for a malformed file
            told = " ".join(str(error).split())
            raise SpecError(
                f"{path}: not a file of sentences ({type(error).__name__}: {told}); see docs/assistants.md"
            ) from error
    if not merged["intents"]:
        raise SpecError(f"{folder}: its files define no intents; see docs/assistants.md for the format")
    return hassil.Intents.from_dict(merged)


def load(rest: str, options: dict[str, str], device: torch.device) -> IntentsVictim:
    """``intents:home?entities=FILE&language=en`` or ``intents:<folder>`` with sentences of one's own.

    Raises:
        SpecError: unreadable files.
        MissingExtraError: without the extra ``assistant``.
    """
    if not rest:
        raise SpecError("intents: name home or a folder of sentences, for example intents:home?entities=home.yaml")
    language = options.get("language", "en")
    folder = Path(rest)
    if rest != "home" and not folder.is_dir():
        raise SpecError(f"intents:{rest}: no such folder; name home or a folder of YAML files with sentences")
    if rest == "home":
        sentences = optional_import("home_assistant_intents", extra=EXTRA, feature=FEATURE)
        language = model_code(language, sentences.get_languages(), "intents:home")
    intents = _builtin(language) if rest == "home" else _custom(folder, language)
    home_file = Path(options["entities"]) if "entities" in options else default_home()
    known = [command["text"] for command in sample_commands()] if rest == "home" and language == "en" else []
    return IntentsVictim(intents, Home.read(home_file), language, known)
