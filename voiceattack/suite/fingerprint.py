"""What decides how a victim hears: its spec, its files, the versions of what runs it, and what its owner calls it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import sys
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from voiceattack.files import files_below, open_regular
from voiceattack.runs.provenance import SHARED, canonical, versions_of, victim_options, victim_packages
from voiceattack.victims.specs import OUTSIDE, Spec, parse_spec, without_patience

__all__ = ["fingerprint"]


def fingerprint(spec: str, version: str = "") -> str:
    """16 hexadecimal digits that change when the victim does. The victim is not loaded, and none of its code runs.

    A folder or file in the spec counts with its content, ``python:`` with its module's source, an engine with the versions of
    its own packages and of those that everything here uses, a ``command:`` with its program and the files that it names, and a
    victim with those inside it. What a server runs, and what a program or module reads besides, cannot be seen from here: its
    owner gives ``version``, or it is heard anew (:func:`voiceattack.suite.rounds.renews`).
    """
    facts = {
        "spec": without_patience(spec),
        "version": version,
        "versions": versions_of([*SHARED, *victim_packages(spec)]),
        "files": _files(parse_spec(spec)),
    }
    return hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]


def _files(spec: Spec) -> dict[str, str]:
    found = {name: digest for member in spec.members for name, digest in _files(parse_spec(member)).items()}
    if spec.scheme == "python":
        return {**found, **_module(spec.rest)}
    if spec.scheme == "command":
        return {**found, **_program(spec.rest)}
    named = [spec.rest] if spec.scheme not in OUTSIDE else []
    named += [spec.options[option.name] for option in victim_options(spec) if option.file and option.name in spec.options]
    return {**found, **{name: digest for name in named if name and (digest := _digest(Path(name).expanduser()))}}


def _digest(path: Path) -> str:
    """Of the regular files there, ``""`` without any; one that cannot be read counts by its name, and loading it will say why."""
    try:
        files = sorted(files_below(path)) if path.is_dir() else [path] if path.is_file() else []
        stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return _content(json.dumps(stats)) if stats else ""
    except (OSError, ValueError):
        return ""


@lru_cache(maxsize=64)
def _content(stats: str) -> str:
    """Digest of the content of the files listed, remembered while their sizes and times stay."""
    digest = hashlib.sha256()
    for name, size, _ in json.loads(stats):
        digest.update(f"{Path(name).name}:{size}:".encode())
        with open_regular(name) as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _program(rest: str) -> dict[str, str]:
    """The program that a command starts, and the files among its words: scripts, models, settings."""
    try:
        words = shlex.split(rest)
    except ValueError:  # loading it will say what is wrong
        return {}
    program = shutil.which(words[0]) if words else None
    places = [*([program] if program else []), *words, *(word.partition("=")[2] for word in words)]
    files = [place for place in dict.fromkeys(places) if place and Path(place).expanduser().is_file()]
    return {place: digest for place in files if (digest := _digest(Path(place).expanduser()))}


def _module(rest: str) -> dict[str, str]:
    name = rest.partition(":")[0]
    found = _find(name) if re.fullmatch(r"\w+(\.\w+)*", name) else None
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return {}
    return {name: hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()}


def _find(name: str) -> ModuleSpec | None:
    """Where a module lies. ``importlib.util.find_spec`` would import the packages above it, and that runs their code.

    The current folder is searched first, as it is when the victim is loaded.
    """
    path = [os.getcwd(), *sys.path]
    found: ModuleSpec | None = None
    parts = name.split(".")
    for depth in range(len(parts)):
        finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
        here = ".".join(parts[: depth + 1])
        found = next((spec for finder in finders if (spec := finder.find_spec(here, path)) is not None), None)
        if found is None:
            return None
        path = list(found.submodule_search_locations or [])
    return found
