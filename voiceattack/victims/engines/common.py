"""What the deployed engines share: a converted model's folder and digest, the device, the options of their specs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from voiceattack.audio.clips import file_sha256
from voiceattack.errors import AudioError, SpecError, VictimError, VoiceAttackError
from voiceattack.files import read_text
from voiceattack.victims.whisper.packaged import PACKAGED, TINY

__all__ = ["WIDEST_BEAM", "ConvertedModel", "Placement", "engine_errors", "find_model", "placement"]

FILES = ("model.bin", "config.json", "tokenizer.json")
MOST_THREADS = 4
WIDEST_BEAM = 100


@dataclass(frozen=True)
class ConvertedModel:
    """A Whisper in CTranslate2's format: how a spec names it, its folder, the name to record, the SHA-256 of ``model.bin``."""

    spec: str
    folder: Path
    name: str
    sha256: str


@dataclass(frozen=True)
class Placement:
    """Where and how precisely an engine computes.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
        index: which GPU.
        compute_type: CTranslate2's name for weights and arithmetic, ``"float32"`` or ``"int8"``.
        threads: of the CPU.
    """

    device: str
    index: int
    compute_type: str
    threads: int

    def describe(self) -> str:
        """The device as torch writes it."""
        return self.device if self.device == "cpu" else f"{self.device}:{self.index}"


def find_model(scheme: str, rest: str) -> ConvertedModel:
    """The model that a spec names: weights of a package, their digest checked, or a folder. Nothing is downloaded.

    Args:
        scheme: of the spec, for messages.
        rest: ``whisper-tiny.en``, ``whisper-base`` or a folder with ``model.bin``, ``config.json`` and ``tokenizer.json``.

    Raises:
        SpecError: no model named.
        DigestError: the packaged weights are not the files expected.
        VictimError: no such folder, or files are missing.
    """
    if not rest:
        raise SpecError(f"victim {scheme} needs a model: {scheme}:{TINY.name} or {scheme}:<folder of a model>")
    if (packaged := PACKAGED.get(rest)) is not None:
        return ConvertedModel(f"{scheme}:{rest}", packaged.joined(_kept(rest)), packaged.model, packaged.sha256)
    spec, folder = f"{scheme}:{rest}", Path(rest).expanduser()
    if not folder.is_dir():
        raise VictimError(
            f"{spec}: no such folder; give {' or '.join(PACKAGED)}, or a folder that ct2-transformers-converter wrote"
        )
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise VictimError(
            f"{spec}: holds no {' and no '.join(missing)}; "
            "convert with: ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json ..."
        )
    _check_tokens(spec, folder)
    try:
        return ConvertedModel(spec, folder, str(folder), file_sha256(folder / "model.bin"))
    except AudioError as error:
        raise VictimError(f"{spec}: {error}") from error


def _kept(name: str) -> Path:
    """Where the one file is made that engines want of weights that come in parts: the user's cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "voiceattack" / name


def _check_tokens(spec: str, folder: Path) -> None:
    """Refuse token ids in config.json that the vocabulary does not have: CTranslate2 would write past its memory and die."""
    try:
        config = json.loads(read_text(folder / "config.json"))
        listed = folder / "vocabulary.json"
        # One token a line; a token may hold other ends of lines.
        words = json.loads(read_text(listed)) if listed.is_file() else read_text(folder / "vocabulary.txt").split("\n")[:-1]
    except FileNotFoundError as error:
        raise VictimError(f"{spec}: holds no vocabulary.json or vocabulary.txt; convert the model again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise VictimError(f"{spec}: config.json or the vocabulary cannot be read ({error}); convert the model again") from error
    if not isinstance(config, dict) or not isinstance(words, list):
        raise VictimError(f"{spec}: config.json must hold an object and vocabulary.json a list; convert the model again")
    for name in ("suppress_ids", "suppress_ids_begin", "lang_ids"):
        ids = config.get(name)
        if ids is not None and not (isinstance(ids, list) and all(type(one) is int and 0 <= one < len(words) for one in ids)):
            raise VictimError(
                f"{spec}: {name} in config.json is no list of tokens from 0 to {len(words) - 1}; convert the model again"
            )


def placement(ctranslate2: Any, spec: str, options: dict[str, str], device: torch.device) -> Placement:
    """Device and ``compute_type`` (taken out of ``options``; ``float32`` unless said) that CTranslate2 can do here.

    Raises:
        SpecError: CTranslate2 has no such device, or not that compute type on it.
        VictimError: CTranslate2 cannot use the GPU.
    """
    if device.type not in ("cpu", "cuda"):
        raise SpecError(f"{spec}: CTranslate2 runs on cpu or cuda, not on {device}; use --device cpu")
    index = device.index or 0
    with engine_errors(spec, device.type):
        supported = sorted(ctranslate2.get_supported_compute_types(device.type, index))
    wanted = options.pop("compute_type", "float32")
    if wanted not in supported:
        raise SpecError(f"{spec}: compute_type={wanted!r} is not supported on {device.type} here; use {', '.join(supported)}")
    return Placement(device.type, index, wanted, min(MOST_THREADS, torch.get_num_threads()))


@contextmanager
def engine_errors(spec: str, device: str) -> Iterator[None]:
    """Turn an engine's own errors into a VictimError of one line; on a GPU they mostly mean a missing library."""
    try:
        yield
    except VoiceAttackError:
        raise
    except Exception as error:  # each part has its own errors, tokenizers' bare ones among them
        line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        advice = (
            "check the model's folder"
            if device == "cpu"
            else "add the CUDA libraries of CTranslate2's build (cuBLAS 12: pip install nvidia-cublas-cu12) or use --device cpu"
        )
        raise VictimError(f"{spec}: cannot run on {device} ({line}); {advice}") from error
