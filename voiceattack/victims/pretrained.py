"""Models, tokenizers and their like from a Hugging Face folder or cache: the only place that calls ``from_pretrained``.

Whatever is loaded here, no code that comes with a model is run, no pickle is read, weights that are missing, damaged or of
another shape are an error instead of random numbers, and arithmetic is float32 however the weights are stored, unless the caller
says otherwise on CUDA.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from voiceattack.audio.clips import SAMPLE_RATE
from voiceattack.errors import SpecError, VictimError
from voiceattack.files import read_text
from voiceattack.victims.options import take_choice

__all__ = [
    "check_rate",
    "checked_config",
    "checked_folder",
    "load_model",
    "load_part",
    "precision",
    "quiet_transformers",
    "stored_dtype",
    "take_dtype",
]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TRAINING_ONLY = ("masked_spec_embed",)
"""Ends of weights' names that fine-tuned models often lack and that are not used to transcribe."""
LAYER = re.compile(r"(?:^|\.)layers?\.\d+\.")
IMPLEMENTATIONS = ("attn_implementation", "experts_implementation")
INDEX = "model.safetensors.index.json"


def take_dtype(spec: str, options: dict[str, str], device: torch.device) -> torch.dtype:
    """The precision to compute in, ``dtype`` taken out of ``options``: float32, or on CUDA what was asked for.

    Raises:
        SpecError: another name, or half precision on the CPU.
    """
    name = take_choice(spec, options, "dtype", "float32", tuple(DTYPES))
    if name != "float32" and device.type == "cpu":
        raise SpecError(f"{spec}: dtype={name} is for CUDA; on the CPU models compute in float32: leave the option out")
    return DTYPES[name]


def checked_folder(spec: str, folder: Path) -> dict[str, Any]:
    """``config.json`` of a local folder whose weights are there as safetensors.

    Raises:
        VictimError: a file is missing or is not what it should be; see :func:`checked_config` too.
    """
    config = _json_object(spec, folder, "config.json", "give the folder that save_pretrained() wrote")
    if not any(folder.glob("*.safetensors")):
        raise VictimError(f"{spec}: holds no *.safetensors weights (pickled ones are not loaded); save it with save_pretrained()")
    if not (folder / "model.safetensors").is_file() and (folder / INDEX).is_file():
        parts = _json_object(spec, folder, INDEX, "save the model again").get("weight_map")
        names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
        for name in names:
            if Path(name).name != name or not name.endswith(".safetensors"):
                raise VictimError(f"{spec}: {INDEX} names {name!r}, which is no *.safetensors file of the folder; not loaded")
            if not (folder / name).is_file():
                raise VictimError(f"{spec}: {INDEX} names {name}, which is not there; copy all parts of the model")
        if not names:
            raise VictimError(f"{spec}: {INDEX} holds no weight_map of names to files; save the model again")
    checked_config(spec, config)
    return config


def checked_config(spec: str, config: Mapping[str, Any]) -> None:
    """Refuse a config that has code fetched to compute with.

    Raises:
        VictimError: it names an implementation in a repository.
    """
    for key, value in config.items():
        if isinstance(value, dict) and key.lstrip("_") not in IMPLEMENTATIONS:
            checked_config(spec, value)
        elif key.lstrip("_").removesuffix("_internal") in IMPLEMENTATIONS and "/" in json.dumps(value, default=str):
            raise VictimError(
                f"{spec}: its config.json wants {key} from {value!r}, which is code; models' own code is never run here: "
                "take the line out"
            )


def _json_object(spec: str, folder: Path, name: str, remedy: str) -> dict[str, Any]:
    try:
        found = json.loads(read_text(folder / name))
    except FileNotFoundError as error:
        raise VictimError(f"{spec}: holds no {name}; {remedy}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise VictimError(f"{spec}: {name} cannot be read ({error}); save the model again") from error
    if not isinstance(found, dict):
        raise VictimError(f"{spec}: {name} holds a {type(found).__name__}, expected an object; save the model again")
    return found


def load_part(spec: str, what: str, kind: Any, name: str, *, local_files_only: bool = True) -> Any:
    """A tokenizer or feature extractor, whose own code is never run.

    Args:
        spec: of the victim, for messages.
        what: what is wanted of the folder, for messages: "a Whisper model".
        kind: the class.
        name: local folder, or an id on the hub.
        local_files_only: never touch the network.

    Raises:
        VictimError: it cannot be loaded.
    """
    try:
        with quiet_transformers(bars=not local_files_only):
            return kind.from_pretrained(name, local_files_only=local_files_only, trust_remote_code=False)
    except Exception as error:  # each file has its own reader, and each reader its own errors
        raise VictimError(_refusal(spec, what, error)) from error


def check_rate(spec: str, extractor: Any) -> None:
    """Refuse a model for another sample rate than that of all clips here.

    Raises:
        VictimError: its feature extractor names another.
    """
    if extractor.sampling_rate != SAMPLE_RATE:
        raise VictimError(f"{spec}: wants {extractor.sampling_rate} Hz audio; only {SAMPLE_RATE} Hz models are supported")


def load_model(
    spec: str,
    what: str,
    kind: Any,
    name: str,
    device: torch.device,
    *,
    head: str | None = None,
    dtype: torch.dtype = torch.float32,
    local_files_only: bool = True,
    **arguments: Any,
) -> Any:
    """A model with all of its weights, from safetensors, in eval mode, frozen, on ``device``.

    Args:
        spec, what, kind, name, local_files_only: as for :func:`load_part`.
        device: where it goes.
        head: how the names of the weights begin that make a pretrained model one of this kind.
        dtype: what it computes in; the one in which its weights are stored counts for nothing.
        arguments: for the class.

    Raises:
        VictimError: it cannot be loaded, or the folder's config and weights do not fit each other.
    """
    try:
        with quiet_transformers(bars=not local_files_only):
            model, report = kind.from_pretrained(
                name,
                local_files_only=local_files_only,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
                **arguments,
            )
    except Exception as error:
        raise VictimError(_refusal(spec, what, error)) from error
    _complete(spec, what, head, report)
    # Parts that a model keeps in float32 of its own accord stay there on CUDA; on the CPU all is float32.
    return (model.float() if dtype is torch.float32 else model).eval().requires_grad_(False).to(device)


def stored_dtype(name: str) -> str | None:
    """The precision in which a model's weights are stored, as its config says; None where it does not."""
    from transformers import PretrainedConfig

    try:
        config, _ = PretrainedConfig.get_config_dict(name, local_files_only=True)
    except Exception:  # it was loaded already, so this is for the record alone
        return None
    return str(config.get("dtype") or config.get("torch_dtype"))


def precision(stored: object, used: torch.dtype) -> str:
    """For records: how the weights are stored, as config.json has it, and what they compute in."""
    name = str(used).removeprefix("torch.")
    known = str(stored).removeprefix("torch.")
    return f"{known} weights in {name} arithmetic" if known in DTYPES else f"{name} arithmetic"


def _complete(spec: str, what: str, head: str | None, report: Mapping[str, Any]) -> None:
    """Refuse a model of which some weights would be random, or some of the file's layers left out."""
    if wrong := sorted(str(one) for one in report.get("mismatched_keys") or ()):
        raise VictimError(f"{spec}: its weights have other shapes than its config.json says ({wrong[0]}); {_REMEDY}")
    if missing := sorted(key for key in report.get("missing_keys") or () if not key.endswith(TRAINING_ONLY)):
        if head and all(key.startswith(head) for key in missing):
            raise VictimError(f"{spec}: its weights hold no head ({_named(missing)}); use a model fine-tuned to be {what}")
        raise VictimError(f"{spec}: its weights lack {_named(missing)}; {_REMEDY}")
    if more := sorted(key for key in report.get("unexpected_keys") or () if LAYER.search(key)):
        raise VictimError(f"{spec}: its weights hold layers that its config.json does not count ({_named(more)}); {_REMEDY}")


_REMEDY = "config.json and weights must be of one model of this kind: save it again with save_pretrained()"


def _named(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"


def _refusal(spec: str, what: str, error: Exception) -> str:
    said = " ".join(str(error).split())
    if "custom code" in said or "trust_remote_code" in said:
        return f"{spec}: wants to run code of its own (auto_map), which is never done here; use a model that transformers knows"
    if isinstance(error, RuntimeError) and "ignore_mismatched_sizes" in said:
        return f"{spec}: its weights have other shapes than its config.json says; {_REMEDY}"
    return f"{spec}: cannot be loaded as {what} ({type(error).__name__}: {said[:240]}); check its files"


@contextmanager
def quiet_transformers(bars: bool = True) -> Iterator[None]:
    """transformers warns at every call of its own defaults, draws bars for files on disk and prints tables of weights: what
    matters of these is an error here, and the rest is nothing to act on. ``bars`` keeps the bars, for downloads."""
    from transformers.utils import logging

    before, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not bars:
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
        if shown:
            logging.enable_progress_bar()
