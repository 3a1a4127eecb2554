"""One's own model as a victim: from Python with the three functions here, or by the spec ``python:package.module:factory``."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from voiceattack.errors import SpecError, VictimError, VoiceAttackError
from voiceattack.victims.base import Victim
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.ctc.vocabulary import Vocabulary
from voiceattack.victims.own_adapters import FunctionVictim, LossVictim, Transcriber

__all__ = ["from_ctc_module", "from_function", "from_loss_module", "load", "victim"]


def from_ctc_module(
    module: nn.Module,
    vocabulary: Sequence[str],
    *,
    blank: int = 0,
    delimiter: str | None = "|",
    batched: bool = False,
    min_samples: int = 400,
    device: torch.device | str = "cpu",
    name: str = "own CTC module",
) -> CTCVictim:
    """A module that maps waveforms to CTC logits.

    Args:
        module: ``module(waveforms)`` on 16 kHz float32 (1, samples) returns logits (1, frames, vocabulary). With ``batched``,
            ``module(waveforms, lengths)`` on (batch, samples) returns (logits, frames per clip).
        vocabulary: one string an output.
        blank: index of the CTC blank.
        delimiter: the token between words, None if there is none.
        batched: whether the module takes padded batches and gives each clip what it gives it alone.
        min_samples: the shortest clip that gives one frame.
        device: where the module is put, its weights made float32, in which the waveforms come.
        name: for ``victim.spec`` and reports.

    Raises:
        SpecError: blank or delimiter do not fit the vocabulary.
    """
    module = _placed(module, device)

    def emissions(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        output = module(waveforms, lengths) if batched else module(waveforms)
        if isinstance(output, (tuple, list)) and len(output) == 2:
            return output[0], lengths.new_full((1,), output[0].shape[1]) if not batched else output[1]
        if not isinstance(output, Tensor) or batched:
            wanted = "(logits, frames per clip)" if batched else "a tensor of logits"
            raise VictimError(f"victim {name!r}: the module returned {type(output).__name__}, expected {wanted}")
        return output, lengths.new_full((1,), output.shape[1])

    words = Vocabulary(tuple(vocabulary), blank=blank, delimiter=delimiter)
    made = CTCVictim(
        emissions, words, torch.device(device), batched=batched, min_samples=min_samples, facts={"model": type(module).__name__}
    )
    made.spec = name
    return made


def from_loss_module(
    module: nn.Module, *, batched: bool = False, device: torch.device | str = "cpu", name: str = "own module with its own loss"
) -> LossVictim:
    """A module with its own loss, of any architecture.

    Args:
        module: has ``loss(waveforms, lengths, texts) -> Tensor (batch,)``, low where ``texts`` are likely and differentiable
            with respect to the waveforms, and ``transcribe(waveforms, lengths) -> list[str]``, its ordinary inference.
            Waveforms are 16 kHz float32 (batch, samples), lengths int64 (batch,).
        batched: whether it takes padded batches; otherwise it is given one clip at a time, without padding.
        device: where the module is put, its weights made float32, in which the waveforms come.
        name: for ``victim.spec`` and reports.

    Raises:
        SpecError: one of the two methods is missing.
    """
    for method in ("loss", "transcribe"):
        if not callable(getattr(module, method, None)):
            raise SpecError(f"{type(module).__name__} has no method {method!r}; from_loss_module needs loss() and transcribe()")
    made = LossVictim(_placed(module, device), torch.device(device), batched)
    made.spec = name
    return made


def _placed(module: nn.Module, device: torch.device | str) -> nn.Module:
    """The module in eval mode, frozen, on ``device``, its weights in the float32 of the waveforms it is given."""
    return module.eval().requires_grad_(False).to(device).float()


def from_function(transcribe: Transcriber, *, name: str = "own function") -> FunctionVictim:
    """A plain function ``transcribe(waveform, sample_rate) -> str``: a black box.

    Args:
        transcribe: given float32 (samples,) in [-1, 1] and the rate in Hz (16000).
        name: for ``victim.spec`` and reports.
    """
    return FunctionVictim(transcribe, name)


def victim(thing: Any, *, device: torch.device | str = "cpu", name: str = "own model") -> Victim:
    """Any of one's own things as a victim.

    Args:
        thing: a Victim; a module with ``loss`` and ``transcribe``; a module with a ``vocabulary`` (and perhaps ``blank``,
            ``delimiter``, ``batched``, ``min_samples``) that returns CTC logits; or a function of waveform and sample rate.
        device: where a module is put.
        name: for ``victim.spec`` and reports.

    Raises:
        VictimError: none of these.
    """
    if isinstance(thing, Victim):
        return thing
    if isinstance(thing, nn.Module):
        if callable(getattr(thing, "loss", None)) and callable(getattr(thing, "transcribe", None)):
            return from_loss_module(thing, batched=bool(getattr(thing, "batched", False)), device=device, name=name)
        if hasattr(thing, "vocabulary"):
            extras = {key: getattr(thing, key) for key in ("blank", "delimiter", "batched", "min_samples") if hasattr(thing, key)}
            return from_ctc_module(thing, thing.vocabulary, device=device, name=name, **extras)  # type: ignore[arg-type]
        raise VictimError(
            f"{name}: the module {type(thing).__name__} has neither loss() and transcribe() nor a vocabulary attribute; "
            "add one, or wrap it with voiceattack.victims.own.from_ctc_module"
        )
    if callable(thing):
        return from_function(thing, name=name)
    raise VictimError(
        f"{name}: got {type(thing).__name__}, expected a Victim, an nn.Module or a function transcribe(waveform, sample_rate)"
    )


def load(rest: str, options: dict[str, str], device: torch.device) -> Victim:
    """Factory of ``python:package.module:factory``; the current folder is searched first, as ``python -m`` does.

    ``factory`` takes nothing and returns what :func:`victim` accepts; a function of two arguments is taken to be the
    ``transcribe`` function itself.

    Raises:
        SpecError: the spec does not read ``python:package.module:factory``.
        VictimError: the module or attribute is missing, the factory raised, or it returned something else.
    """
    where = f"python:{rest}"
    module_name, colon, attribute = rest.partition(":")
    if not colon or not attribute or not all(part.isidentifier() for part in [*module_name.split("."), attribute]):
        raise SpecError(f"victim {where!r} must read python:package.module:factory")
    if options:
        raise SpecError(f"victim {where!r} takes no options, got {', '.join(options)}; set them in the factory")
    factory = _attribute(where, module_name, attribute)
    if callable(factory) and not isinstance(factory, (nn.Module, Victim)) and _required(factory) < 2:
        try:
            factory = factory()
        except VoiceAttackError:
            raise
        except Exception as error:
            raise VictimError(f"{where}: {attribute}() raised {_reason(error)}; run it alone to see where") from error
    try:
        return victim(factory, device=device, name=where)
    except RuntimeError as error:
        raise VictimError(f"{where}: cannot be moved to {device}: {_reason(error)}") from error


def _attribute(where: str, module_name: str, attribute: str) -> Any:
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise VictimError(f"{where}: no module {module_name!r}; run from the folder that holds it, or install it") from error
        raise VictimError(f"{where}: importing {module_name} needs the module {error.name!r}, which is not installed") from error
    except Exception as error:
        raise VictimError(f"{where}: importing {module_name} raised {_reason(error)}") from error
    if not hasattr(module, attribute):
        offered = ", ".join(
            sorted(name for name in vars(module) if not name.startswith("_") and callable(getattr(module, name)))[:12]
        )
        raise VictimError(f"{where}: module {module_name!r} has no {attribute!r}; it has: {offered or 'nothing callable'}")
    return getattr(module, attribute)


def _required(function: Callable[..., Any]) -> int:
    """How many arguments a call must give."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in positional and parameter.default is inspect.Parameter.empty for parameter in parameters)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
