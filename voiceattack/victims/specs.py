"""Spec strings as texts: their options apart, and those left out that say nothing about what is heard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from voiceattack.errors import SpecError

__all__ = ["DEFAULT_ASR", "OUTSIDE", "PATIENCE", "Spec", "options_apart", "parse_spec", "without_patience"]

PATIENCE = ("timeout", "retries", "rpm")
"""Options of victims outside this process that say how they are asked, and change no transcript."""
OUTSIDE = ("wyoming", "openai+http", "openai+https", "home-assistant+http", "home-assistant+https", "command")
"""Schemes whose options these are; other victims may mean something else by such a name."""


def options_apart(spec: str) -> tuple[str, str, str]:
    """``body?query`` apart. Question marks of a command belong to it, but for a last one that begins ``name=value&...``."""
    if not spec.startswith("command:"):
        return spec.partition("?")
    body, mark, query = spec.rpartition("?")
    if mark and re.fullmatch(r"(\w+=[^&\s]*(&\w+=[^&\s]*)*)?", query):
        return body, mark if query else "", query
    return spec, "", ""


def without_patience(spec: str) -> str:
    """The spec of the same victim, however patiently it is asked: what runs, records and caches know it by.

    So a run that failed because a server was busy goes on with a longer ``timeout``, and answers paid for once are found.
    """
    spec = spec.strip()
    if spec.partition(":")[0] not in OUTSIDE:
        return spec
    body, mark, query = options_apart(spec)
    kept = [part for part in query.split("&") if part.partition("=")[0] not in PATIENCE]
    return body + (mark + "&".join(kept) if kept and mark else "")


@dataclass(frozen=True)
class Spec:
    """A victim's spec in its parts.

    Attributes:
        scheme: registered name of the victim.
        rest: what follows the scheme's colon, without options.
        options: by name, ``normalise`` among them.
        members: specs of the victims inside: an ensemble's, an assistant's recogniser and wake word.
    """

    scheme: str
    rest: str
    options: dict[str, str]
    members: tuple[str, ...] = ()


DEFAULT_ASR = "whisper-tiny.en"
"""The recogniser of an assistant that names none."""


def parse_spec(spec: str) -> Spec:
    """``scheme[:rest][?option=value&...]`` in parts.

    The one reading of a spec: who loads a victim, looks whether it may be loaded, or asks what it is made of, reads it here.

    Raises:
        SpecError: malformed options.
    """
    spec = spec.strip()
    if spec.startswith("ensemble:"):
        # Its members have options of their own.
        rest = spec.removeprefix("ensemble:")
        return Spec("ensemble", rest, {}, tuple(member.strip() for member in rest.split("|") if member.strip()))
    body, mark, query = options_apart(spec)
    try:
        # A plus joins the steps of normalise=nfkc+confusables; it stands for no space here.
        pairs = parse_qsl(query.replace("+", "%2B"), strict_parsing=True, keep_blank_values=True) if mark else []
    except ValueError as error:
        raise SpecError(f"victim {spec!r}: options after '?' must read name=value&name=value") from error
    options = dict(pairs)
    scheme, _, rest = body.partition(":")
    members = (
        [options.get("asr", DEFAULT_ASR), *([options["wake"]] if "wake" in options else [])] if scheme == "assistant" else []
    )
    return Spec(scheme, rest, options, tuple(members))
