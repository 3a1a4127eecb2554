"""What decides how a victim hears: its spec, its files, the versions of what runs it, and what its owner calls it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path

from voiceattack.files import open_regular
from voiceattack.provenance import canonical, environment
from voiceattack.specs import without_patience

__all__ = ["fingerprint"]


def fingerprint(spec: str, version: str = "") -> str:
    """16 hexadecimal digits that change when the victim does. The victim is not loaded.

    A folder or file in the spec counts with its content, ``python:`` with its module's source. What a server or a command runs
    cannot be seen from here: its owner gives ``version``.
    """
    facts = {"spec": without_patience(spec), "version": version, "versions": _versions(), "files": _files(spec.strip())}
    return hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    return dict(environment()["versions"])


def _files(spec: str) -> dict[str, str]:
    if spec.startswith("ensemble:"):
        members = spec.removeprefix("ensemble:").split("|")
        return {name: digest for member in members for name, digest in _files(member.strip()).items()}
    scheme, _, rest = spec.partition("?")[0].partition(":")
    if scheme == "python":
        return _module(rest)
    path = Path(rest).expanduser()
    if not rest or not path.exists():
        return {}
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path] if path.is_file() else []
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return {rest: _content(json.dumps(stats))}


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


def _module(rest: str) -> dict[str, str]:
    module = rest.partition(":")[0]
    if not re.fullmatch(r"[\w.]+", module):
        return {}
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return {}
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return {}
    return {module: hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()}
