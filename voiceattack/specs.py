"""Spec strings as texts: their options apart, and those left out that say nothing about what is heard."""

from __future__ import annotations

import re

__all__ = ["OUTSIDE", "PATIENCE", "options_apart", "without_patience"]

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
