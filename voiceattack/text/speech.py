"""Text to audio, by a synthesiser that is independent of the recogniser under test."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import soxr
import torch
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.children import child
from voiceattack.errors import AudioError, SpecError, VictimError
from voiceattack.extras import optional_import
from voiceattack.registry import Registry
from voiceattack.unicode_text import visible

__all__ = ["SPEAKERS", "Speaker", "load_speaker"]

Speaker = Callable[[str], Tensor]
"""Text to float32 (samples,) at 16 kHz, peak 0.7, with 0.2 s of silence at both ends; raises AudioError or VictimError."""

SPEAKERS: Registry[Callable[[str, dict[str, str]], Speaker]] = Registry("speaker", group="voiceattack.speakers")
SPEAKERS.add(
    "hibari",
    "voiceattack.text.speech:hibari",
    "hibari[?speed=1.0&pitch=1.0&seed=0], the one voice inside hibari-tts (English)",
    requires="tts",
)
SPEAKERS.add(
    "command",
    "voiceattack.text.speech:command",
    "command:<program with {text} and {out}>[?speed=1.0&pitch=1.0&timeout=30], any program that writes audio",
)

PEAK = 0.7
SILENCE_SECONDS = 0.2
TIMEOUT_SECONDS = 30.0


def load_speaker(spec: str) -> Speaker:
    """The speaker that ``spec`` names: ``hibari?speed=1.1`` or ``command:espeak-ng -w {out} {text}``.

    Raises:
        UnknownNameError: no such speaker.
        SpecError: its options are wrong.
        MissingExtraError: hibari without the extra ``tts``.
    """
    body, mark, query = spec.strip().partition("?")
    try:
        options = dict(parse_qsl(query, strict_parsing=True)) if mark else {}
    except ValueError as error:
        raise SpecError(f"speaker {spec!r}: options after '?' must read name=value&name=value") from error
    scheme, _, rest = body.partition(":")
    return SPEAKERS.get(scheme)(rest, options)


@lru_cache(maxsize=1)
def _hibari() -> Any:
    return optional_import("hibari", extra="tts", feature="speaking a text").Hibari(threads=1)


def hibari(rest: str, options: dict[str, str]) -> Speaker:
    """hibari-tts with its own voice; ``speed`` 0.5 (slow) to 2, ``pitch`` 0.7 (deep) to 1.4, ``seed`` of its noise part.

    A pitch is the voice played slower or faster, with formants and all; the synthesis makes up for the tempo.
    """
    if rest or set(options) - {"speed", "pitch", "seed"}:
        raise SpecError(f"speaker hibari takes the options speed, pitch and seed only, got {rest or ''}{options or ''}")
    speed, pitch = _number(options, "speed", 1.0, 0.5, 2.0), _number(options, "pitch", 1.0, 0.7, 1.4)
    seed = int(_number(options, "seed", 0, 0, 2**31))
    voice = _hibari()

    def speak(text: str) -> Tensor:
        said = np.asarray(voice(text, speed=speed / pitch, seed=seed), dtype=np.float32)
        if not len(said):
            raise AudioError(f"{visible(text)!r}: the synthesiser says nothing; give a text with words")
        return _levelled(torch.from_numpy(soxr.resample(said, 24_000 * pitch, audio.SAMPLE_RATE, "HQ")), text)

    return speak


def command(rest: str, options: dict[str, str]) -> Speaker:
    """Any program, without a shell: ``{out}`` stands for the audio file it must write, ``{text}`` for the text; where there is no
    ``{text}`` it comes on standard input. ``speed`` and ``pitch`` change what it wrote, as for :func:`hibari`, the tempo by a
    phase vocoder."""
    if set(options) - {"speed", "pitch", "timeout"}:
        raise SpecError(f"speaker command takes the options speed, pitch and timeout only, got {options}")
    speed, pitch = _number(options, "speed", 1.0, 0.5, 2.0), _number(options, "pitch", 1.0, 0.7, 1.4)
    timeout = _number(options, "timeout", TIMEOUT_SECONDS, 0.1, 3600)
    words = shlex.split(rest)
    if not words or not any("{out}" in word for word in words):
        raise SpecError("speaker command must name {out}, for example 'command:espeak-ng -w {out} {text}'")
    as_argument = any("{text}" in word for word in words)

    def speak(text: str) -> Tensor:
        if text.startswith("-") and as_argument:
            raise AudioError(
                f"{visible(text)!r}: begins with '-', which the program would read as an option; drop {{text}}: stdin"
            )
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "said.wav"
            line = [word.replace("{out}", str(out)).replace("{text}", text) for word in words]
            try:
                code, said = _run(line, None if as_argument else text.encode(), timeout)
            except FileNotFoundError as error:
                raise VictimError(f"speaker {words[0]!r}: no such program; install it or give its path") from error
            except (OSError, ValueError) as error:
                raise VictimError(f"speaker {words[0]!r}: cannot be run ({error}); check it") from error
            except subprocess.TimeoutExpired as error:
                raise VictimError(f"speaker {words[0]!r}: no answer in {timeout:g} s; raise ?timeout=SECONDS") from error
            if code:
                told = " ".join(said.decode("utf-8", "replace").split())[:200]
                raise VictimError(f"speaker {words[0]!r}: exit code {code} ({visible(told)}); run it by hand")
            return _levelled(_changed(audio.load(out), speed, pitch), text)

    return speak


def _run(line: list[str], stdin: bytes | None, timeout: float) -> tuple[int, bytes]:
    """Exit code and standard error of a program; when this is left, however, neither it nor a child of it is."""
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    given = nothing if stdin is None else pipe
    with child(line, stdin=given, stdout=nothing, stderr=pipe) as process:
        told = process.communicate(stdin, timeout)[1]
        return process.returncode, told


def _changed(said: Tensor, speed: float, pitch: float) -> Tensor:
    """``said`` at another tempo and pitch."""
    if pitch != 1.0:
        said = torch.from_numpy(soxr.resample(said.numpy(), audio.SAMPLE_RATE * pitch, audio.SAMPLE_RATE, "HQ"))
    if speed != pitch:
        from librosa.effects import time_stretch

        said = torch.from_numpy(time_stretch(said.numpy(), rate=speed / pitch))
    return said


def _levelled(said: Tensor, text: str) -> Tensor:
    peak = float(said.abs().max()) if said.numel() else 0.0
    if peak < 1e-4:
        raise AudioError(f"{visible(text)!r}: the synthesiser gave silence; give another text or speaker")
    return torch.nn.functional.pad(said * (PEAK / peak), [round(SILENCE_SECONDS * audio.SAMPLE_RATE)] * 2)


def _number(options: dict[str, str], name: str, default: float, low: float, high: float) -> float:
    try:
        value = float(options.get(name, default))
    except ValueError as error:
        raise SpecError(f"speaker option {name}={options[name]!r} must be a number") from error
    if not low <= value <= high:
        raise SpecError(f"speaker option {name}={value:g} must be from {low:g} to {high:g}")
    return value
