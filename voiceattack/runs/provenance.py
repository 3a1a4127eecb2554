"""Names, seeds and digests that depend on content alone, and the facts about this machine that run.json keeps beside them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import unicodedata
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from voiceattack import __version__
from voiceattack.errors import UnknownNameError
from voiceattack.metrics.text import NORMALIZER
from voiceattack.registry import Option
from voiceattack.victims import VICTIMS
from voiceattack.victims.specs import Spec, parse_spec

__all__ = [
    "SHARED",
    "adversarial_comment",
    "canonical",
    "environment",
    "example_id",
    "example_seed",
    "project_commit",
    "run_id",
    "slug",
    "versions_of",
    "victim_options",
    "victim_packages",
]

SHARED = (
    *("torch", "foolbox", "librosa", "soundfile", "soxr", "numpy", "scipy", "jiwer", "whisper-normalizer"),
    *("pesq", "pystoi", "pyroomacoustics"),
)
"""Packages whose versions may change a result whoever listens. What computes for one victim stands in its registration."""


def slug(name: str) -> str:
    """``name`` as a safe part of a file name: 1 to 60 of ``[a-z0-9._-]``, with a letter or digit at both ends."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"([^a-z0-9._-]|\.\.+)+", "-", ascii_name).strip("-._")[:60].rstrip("-._") or "clip"


def example_id(name: str, source_sha256: str, attack: str) -> str:
    """The id of an example: readable, and tied to the source's content, never to its place in the list."""
    return f"{slug(name)}-{source_sha256[:8]}-{slug(attack)}"


def example_seed(run_seed: int, source_pcm_sha256: str, attack: str) -> int:
    """The seed of an example, in [0, 2**31): from the run's seed and the example's content, never from its place in the list."""
    return int(hashlib.sha256(f"{run_seed}:{source_pcm_sha256}:{attack}".encode()).hexdigest()[:8], 16) >> 1


def adversarial_comment(run_id: str, source_sha256: str) -> str:
    """The tag in an artefact's metadata; it holds no time, so that the same request gives the same bytes."""
    return f"adversarial audio made by voiceattack {__version__}; run={run_id}; source=sha256:{source_sha256}"


def canonical(request: Mapping[str, Any]) -> str:
    """The one JSON text of a request, whatever the order of its keys."""
    return json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def run_id(request: Mapping[str, Any]) -> str:
    """12 hexadecimal digits derived from the request alone."""
    return hashlib.sha256(canonical(request).encode()).hexdigest()[:12]


def victim_packages(spec: str) -> list[str]:
    """The packages that compute for the victim ``spec``, those of the victims inside it with them; see its registration."""
    parsed = parse_spec(spec)
    try:
        own = VICTIMS.entry(parsed.scheme).packages
    except UnknownNameError:
        own = ()
    return list(dict.fromkeys([*own, *(name for member in parsed.members for name in victim_packages(member))]))


def victim_options(spec: Spec) -> tuple[Option, ...]:
    """The options of the victim that ``spec`` names, as registered; none where they are not known."""
    try:
        return VICTIMS.entry(spec.scheme).options or ()
    except UnknownNameError:
        return ()


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those that are installed, and of this package and Python."""
    versions = {"voiceattack": __version__, "python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def environment() -> dict[str, Any]:
    """What may change a result though the request is the same: ``versions, platform, git_commit, normalizer``.

    The versions are of what everything here uses and of every victim's packages; those not installed are left out.
    """
    engines = (package for entry in VICTIMS.entries() for package in entry.packages)
    versions = versions_of(dict.fromkeys([*SHARED, *engines]))
    return {"versions": versions, "platform": platform.platform(), "git_commit": _git_commit(), "normalizer": NORMALIZER}


def project_commit() -> str | None:
    """The commit of the project that is tested: what GitHub, GitLab, Jenkins or Azure say, else that of the current folder."""
    told = (os.environ.get(name) for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILD_SOURCEVERSION"))
    found = next((commit for commit in told if commit and re.fullmatch("[0-9a-fA-F]{7,64}", commit)), None)
    return found or _commit_of(Path())


def _git_commit() -> str | None:
    """The commit of this code when it runs from a checkout."""
    root = Path(__file__).resolve().parents[2]
    return _commit_of(root) if (root / ".git").exists() else None


def _commit_of(folder: Path) -> str | None:
    try:
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
