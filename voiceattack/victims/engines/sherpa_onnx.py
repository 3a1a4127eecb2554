"""``sherpa-onnx:<model folder>``: a model in sherpa-onnx's format, run by sherpa-onnx; a black box."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import SpecError, VictimError
from voiceattack.extras import optional_import, python_line
from voiceattack.languages import language_code
from voiceattack.unicode_text import visible
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.options import take_choice

__all__ = ["KINDS", "Kind", "SherpaVictim", "load"]

THREADS = 2
PROBE_SECONDS = 300
PROBE = """
import json, sys
import sherpa_onnx
factory, arguments = json.loads(sys.argv[1])
getattr(sherpa_onnx.OfflineRecognizer, factory)(**arguments)
"""


@dataclass(frozen=True)
class Kind:
    """How a family of models is loaded: the factory of ``OfflineRecognizer``, and the file of each of its arguments.

    A file is found by the pieces that its name must hold, so that ``encoder-epoch-99.int8.onnx`` is an ``encoder``.
    """

    factory: str
    files: dict[str, tuple[str, ...]]
    language: bool = False


KINDS = {
    "moonshine": Kind("from_moonshine_v2", {"encoder": ("encoder_model", ".ort"), "decoder": ("decoder_model_merged", ".ort")}),
    "transducer": Kind(
        "from_transducer", {"encoder": ("encoder", ".onnx"), "decoder": ("decoder", ".onnx"), "joiner": ("joiner", ".onnx")}
    ),
    "whisper": Kind("from_whisper", {"encoder": ("encoder", ".onnx"), "decoder": ("decoder", ".onnx")}, language=True),
    "nemo-ctc": Kind("from_nemo_ctc", {"model": ("model", ".onnx")}),
    "zipformer-ctc": Kind("from_zipformer_ctc", {"model": ("model", ".onnx")}),
    "sense-voice": Kind("from_sense_voice", {"model": ("model", ".onnx")}, language=True),
}
GUESSED = ("moonshine", "transducer", "whisper")
"""Those that their files tell apart, in the order in which they are tried; a lone ``model.onnx`` may be anything."""


class SherpaVictim(Victim):
    """sherpa-onnx's ``OfflineRecognizer``, greedy search, a fresh stream a clip.

    Args:
        recognizer: an ``OfflineRecognizer``.
        folder, kind: what it was loaded from, and as what.
        language: of the speech it expects.
    """

    def __init__(self, recognizer: Any, folder: Path, kind: str, language: str = "en") -> None:
        self.spec = f"sherpa-onnx:{folder}"
        self.language = language_code(language)
        self._recognizer, self._folder, self._kind = recognizer, folder, kind

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "sherpa-onnx", "model": str(self._folder), "kind": self._kind, "device": "cpu"}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip, batch.sample_rate) for clip in batch.clips()]

    def _hear(self, clip: Tensor, sample_rate: int) -> Transcript:
        if not clip.numel():
            return Transcript("")
        stream = self._recognizer.create_stream()
        stream.accept_waveform(sample_rate, clip.detach().to("cpu", torch.float32).numpy())
        self._recognizer.decode_stream(stream)
        return Transcript(str(stream.result.text).strip())


def load(rest: str, options: dict[str, str], device: torch.device) -> SherpaVictim:
    """Factory of ``sherpa-onnx:<model folder>?kind=&int8=yes|no&language=en``; nothing is downloaded, and it runs on the CPU.

    ``kind`` is one of :data:`KINDS`, guessed where the files tell. sherpa-onnx ends the whole process when a model is not what
    it was said to be, so the model is loaded in a process of its own first.

    Raises:
        SpecError: no folder named, malformed options, or a kind that cannot be guessed.
        MissingExtraError: sherpa-onnx is not installed.
        VictimError: no such folder, files are missing, or sherpa-onnx refuses them.
    """
    del device
    where, options = f"sherpa-onnx:{rest}", dict(options)
    if not rest:
        raise SpecError("victim sherpa-onnx needs a model: sherpa-onnx:<folder of an unpacked model>")
    int8, language = take_choice(where, options, "int8", "no", ("yes", "no")), options.get("language", "en")
    module = optional_import("sherpa_onnx", extra="sherpa-onnx", feature="victim sherpa-onnx")
    folder = Path(rest).expanduser()
    if not folder.is_dir():
        raise VictimError(f"{where}: no such folder; give that of an unpacked sherpa-onnx model")
    kind, files = _files(where, folder, options.get("kind"), int8 == "yes")
    arguments: dict[str, Any] = {
        **{name: str(path) for name, path in files.items()},
        "num_threads": min(THREADS, torch.get_num_threads()),
    }
    if KINDS[kind].language:
        arguments["language"] = language_code(language)
    _probe(where, kind, arguments)
    recognizer = getattr(module.OfflineRecognizer, KINDS[kind].factory)(**arguments)
    return SherpaVictim(recognizer, folder, kind, language)


def _files(where: str, folder: Path, kind: str | None, int8: bool) -> tuple[str, dict[str, Path]]:
    """The kind of the model, and the file of each argument, ``tokens`` too."""
    if kind is not None and kind not in KINDS:
        raise SpecError(f"{where}: kind={kind!r} is not known; known: {', '.join(KINDS)}")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    for guess in GUESSED if kind is None else (kind,):
        roles = {**KINDS[guess].files, "tokens": ("tokens", ".txt")}
        found = {role: _best(names, pieces, int8) for role, pieces in roles.items()}
        missing = [role for role, name in found.items() if name is None]
        if not missing:
            return guess, {role: folder / str(name) for role, name in found.items()}
        if kind is not None:
            wanted = ", ".join("*".join(roles[role]) for role in missing)
            raise VictimError(f"{where}: holds no {wanted}, which a model of the kind {kind} has; give its own folder")
    raise SpecError(f"{where}: its files do not tell what it is; add ?kind= and one of {', '.join(KINDS)}")


def _best(names: list[str], pieces: tuple[str, ...], int8: bool) -> str | None:
    """The file whose name holds the first piece and ends in the last; of two precisions the one wanted, else the other."""
    fitting = [name for name in names if pieces[0] in name and name.endswith(pieces[-1])]
    wanted = [name for name in fitting if ("int8" in name) == int8]
    return next(iter([*wanted, *fitting]), None)


def _probe(where: str, kind: str, arguments: dict[str, Any]) -> None:
    """Load the model elsewhere, and tell what that said; raises VictimError when it fails."""
    line = python_line(PROBE, json.dumps([KINDS[kind].factory, arguments]))
    try:
        done = subprocess.run(line, capture_output=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired as error:
        raise VictimError(f"{where}: is not loaded after {PROBE_SECONDS} s; try a smaller model") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise VictimError(
            f"{where}: sherpa-onnx refuses it as {kind} ({visible(said[-1].strip()[:200])}); check the folder or name its ?kind="
        )
