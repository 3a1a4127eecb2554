"""``voiceattack transcribe``: what a victim hears."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceattack.cli.console import DeviceOption, InputsArgument, QuietOption, progress, say, tell_warnings, warn
from voiceattack.errors import CorpusError, RunError, SpecError, as_error
from voiceattack.progress import each
from voiceattack.unicode_text import csv_cell

if TYPE_CHECKING:
    from voiceattack.corpus import Utterance

__all__ = ["transcribe"]

SUFFIXES = (".json", ".csv", ".txt")
FIELDS = ("file", "victim", "text", "reference", "error", "warnings")


def transcribe(
    inputs: InputsArgument,
    victim: Annotated[str, typer.Option("--victim", help="Who listens.")] = "whisper-tiny.en",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write here: .json, .csv or .txt.")] = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Print what a victim hears, one line a file."""
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise SpecError(f"--output {output}: the suffix names the format; use one of {', '.join(SUFFIXES)}")
    from voiceattack.corpus import BadItem, read_corpus
    from voiceattack.victims import load_victim

    items = list(read_corpus(inputs))
    if not items:
        raise CorpusError(f"no audio found in {', '.join(inputs)}; give audio files, folders or manifests")
    listener = load_victim(victim, device)
    rows: list[dict[str, Any]] = []
    with progress("listening", quiet=quiet) as on_progress:
        for item in each(items, "hearing", lambda item: item.where if isinstance(item, BadItem) else item.place, on_progress):
            row: dict[str, Any] = dict.fromkeys(FIELDS) | {"victim": listener.spec, "warnings": []}
            if isinstance(item, BadItem):
                row |= {"file": item.where, "error": item.error}
            else:
                row |= {"file": item.place, "reference": item.text}
                try:
                    row["text"] = _hear(listener, item, row["warnings"])
                except Exception as error:  # a victim may be anybody's code
                    row["error"] = str(as_error(error))
            rows.append(row)
            tell_warnings(row["file"], row["warnings"], quiet=quiet)
            if row["error"] is not None:
                warn(row["error"] if str(row["file"]) in row["error"] else f"{row['file']}: {row['error']}")
            else:
                say(f"{row['file']}\t{row['text']}", quiet=quiet)
    if output is not None:
        from voiceattack.files import write_whole, writing

        with writing(output, "choose another file"):
            write_whole(output, _rendered(rows, output.suffix.lower()).encode())
    if all(row["error"] is not None for row in rows):
        raise RunError("none of the inputs could be heard" if len(rows) > 1 else "the input could not be heard")


def _hear(listener: Any, item: Utterance, warnings: list[str]) -> str:
    """The transcript; what the loader has to say is added to ``warnings``."""
    from voiceattack.audio import clips as audio

    waveform, told = item.load()
    warnings += told
    listener.check_length(waveform.shape[-1] / audio.SAMPLE_RATE, item.place)
    return str(listener.transcribe(audio.Batch.of([waveform]))[0].text)


def _rendered(rows: list[dict[str, Any]], suffix: str) -> str:
    if suffix == ".json":
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if suffix == ".txt":
        return "".join(f"{row['text']}\n" for row in rows if row["error"] is None)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    shown = ({**row, "warnings": "; ".join(row["warnings"])} for row in rows)
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in shown)
    return stream.getvalue()
