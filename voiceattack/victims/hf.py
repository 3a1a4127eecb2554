"""``hf:<id or folder>``: reads a Hugging Face model's config and picks the family whose code path hears and attacks it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from voiceattack.errors import SpecError, VictimError
from voiceattack.victims.base import Victim
from voiceattack.victims.pretrained import checked_config, checked_folder

__all__ = ["FAMILIES", "is_here", "load"]

Family = Callable[[str, torch.device, dict[str, str], bool], Victim]


def _ctc(name: str, device: torch.device, options: dict[str, str], local_files_only: bool) -> Victim:
    from voiceattack.victims.ctc.hugging_face import from_pretrained

    return from_pretrained(name, device, options, local_files_only=local_files_only)


def _wav2vec2_bert(name: str, device: torch.device, options: dict[str, str], local_files_only: bool) -> Victim:
    from voiceattack.victims.ctc.hugging_face import from_pretrained_wav2vec2_bert

    return from_pretrained_wav2vec2_bert(name, device, options, local_files_only=local_files_only)


def _parakeet(name: str, device: torch.device, options: dict[str, str], local_files_only: bool) -> Victim:
    from voiceattack.victims.ctc.hugging_face import from_pretrained_parakeet

    return from_pretrained_parakeet(name, device, options, local_files_only=local_files_only)


def _whisper(name: str, device: torch.device, options: dict[str, str], local_files_only: bool) -> Victim:
    from voiceattack.victims.whisper.hugging_face import from_pretrained

    return from_pretrained(name, device, options, local_files_only=local_files_only)


def _moonshine(name: str, device: torch.device, options: dict[str, str], local_files_only: bool) -> Victim:
    from voiceattack.victims.moonshine.hugging_face import from_pretrained

    return from_pretrained(name, device, options, local_files_only=local_files_only)


FAMILIES: dict[str, tuple[Family, frozenset[str]]] = {
    "parakeet_ctc": (_parakeet, frozenset({"dtype", "language"})),
    "wav2vec2": (_ctc, frozenset({"dtype", "language"})),
    "wav2vec2-bert": (_wav2vec2_bert, frozenset({"dtype", "language"})),
    "hubert": (_ctc, frozenset({"dtype", "language"})),
    "wavlm": (_ctc, frozenset({"dtype", "language"})),
    "moonshine": (_moonshine, frozenset({"dtype", "language"})),
    "whisper": (_whisper, frozenset({"dtype", "language", "task", "frontend", "timestamps"})),
}
"""``model_type`` in a model's config to its family's loader and the options it takes."""


def load(rest: str, options: dict[str, str], device: torch.device) -> Victim:
    """Factory of ``hf:<id or folder>``.

    A folder is read from disk. An id is looked for in the Hugging Face cache first; only if it is not there is the hub
    asked, with a notice on stderr, since the spec names it.

    Raises:
        SpecError: no id or folder, or unknown options.
        VictimError: no such folder or model, a model of another type, or without safetensors weights.
    """
    if not rest:
        raise SpecError("victim hf needs an id or a folder, for example hf:openai/whisper-small.en or hf:./my-model")
    folder = Path(rest).expanduser()
    if folder.is_dir():
        name, local, model_type = str(folder), True, _folder_type(folder)
    elif not _is_id(rest):
        raise VictimError(f"hf:{rest}: no such folder; give a folder that holds config.json and model.safetensors")
    else:
        name, (model_type, local) = rest, _hub_type(rest)
    if model_type not in FAMILIES:
        raise VictimError(f"hf:{rest}: model type {model_type!r} is not supported; supported: {', '.join(sorted(FAMILIES))}")
    loader, known = FAMILIES[model_type]
    unknown = sorted(set(options) - known)
    if unknown:
        raise SpecError(
            f"hf:{rest}: unknown option {unknown[0]!r}; a {model_type} model takes: {', '.join(sorted(known)) or 'none'}"
        )
    return _loaded(loader, name, device, options, local)


def is_here(rest: str) -> bool:
    """Whether ``hf:<rest>`` is loaded, or refused, without asking the hub: a folder, or config and weights in the cache."""
    from huggingface_hub import try_to_load_from_cache

    def cached(name: str) -> bool:
        return isinstance(try_to_load_from_cache(rest, name), str)

    try:
        if not _is_id(rest):
            return True
        return cached("config.json") and (cached("model.safetensors") or cached("model.safetensors.index.json"))
    except ValueError:
        return False  # no name that a model or a folder could have


def _is_id(rest: str) -> bool:
    """Whether it names a model of the hub, not a folder."""
    folder = Path(rest).expanduser()
    return not (folder.is_dir() or folder.is_absolute() or rest.startswith((".", "~")) or rest.count("/") > 1)


def _folder_type(folder: Path) -> str:
    """``model_type`` of a local folder, its weights checked to be safetensors."""
    config = checked_folder(f"hf:{folder}", folder)
    return str(config.get("model_type"))


def _hub_type(name: str) -> tuple[str, bool]:
    """``model_type`` of a hub model, and whether its config was in the cache already."""
    from huggingface_hub.errors import HFValidationError
    from transformers import PretrainedConfig

    try:
        config, _ = PretrainedConfig.get_config_dict(name, local_files_only=True)
        if config.get("model_type"):
            checked_config(f"hf:{name}", config)
            return str(config["model_type"]), True
    except (OSError, HFValidationError):
        pass
    print(f"hf:{name}: not in the Hugging Face cache; asking the hub, since the spec names it", file=sys.stderr)
    try:
        config, _ = PretrainedConfig.get_config_dict(name, local_files_only=False)
    except Exception as error:  # the hub client fails in many ways: no network, no such id, gated
        raise VictimError(_unreachable(name, error)) from error
    checked_config(f"hf:{name}", config)
    return str(config.get("model_type")), False


def _unreachable(name: str, error: Exception) -> str:
    return (
        f"hf:{name}: not in the Hugging Face cache and the hub gave no model ({_first_line(error)}); "
        f"on a connected machine run: hf download {name} --local-dir DIR, copy DIR here and name it as hf:./DIR"
    )


def _loaded(loader: Family, name: str, device: torch.device, options: dict[str, str], local: bool) -> Victim:
    """Load from disk; a cache that holds the config but not all files is completed from the hub, with a notice."""
    if local:
        try:
            return loader(name, device, options, True)
        except VictimError:
            if Path(name).is_dir():
                raise
            print(f"hf:{name}: incomplete in the Hugging Face cache; asking the hub for the rest", file=sys.stderr)
    try:
        return loader(name, device, options, False)
    except VictimError:
        raise
    except Exception as error:
        raise VictimError(_unreachable(name, error)) from error


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
