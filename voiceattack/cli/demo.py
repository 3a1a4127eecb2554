"""``voiceattack demo``: the whole loop on the bundled samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceattack.cli.attack import fail_if_nothing_worked
from voiceattack.cli.console import DeviceOption, QuietOption, hold, progress, say, say_next, stdout, warn
from voiceattack.errors import CorpusError
from voiceattack.progress import showing

if TYPE_CHECKING:
    from rich.table import Table

    from voiceattack.runs.run import Run

__all__ = ["demo"]

VICTIM = "whisper-tiny.en"
SNR_DB = 35.0
CLIPS = 6
TARGET = "unlock the front door"
TARGETED_STEPS = 120


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where to write; resumed when it exists.")] = Path("demo"),
    steps: Annotated[int, typer.Option(min=1, help="PGD steps a clip.")] = 60,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Attack bundled speech with the bundled Whisper: PGD, its noise control, one targeted example. Minutes on two cores."""
    from voiceattack.craft.run import AttackRequest, craft
    from voiceattack.evaluate.scoring import evaluate
    from voiceattack.files import inside, writing
    from voiceattack.report import render
    from voiceattack.victims import load_victim

    samples = _samples()
    hold(out)
    with writing(out, "choose another --out"):
        many, one = (
            _manifest(inside(out, "pgd.jsonl"), samples[:CLIPS]),
            _manifest(inside(out, "targeted.jsonl"), samples[CLIPS : CLIPS + 1]),
        )
    victim = load_victim(VICTIM, device)
    requests = {
        "pgd": AttackRequest(inputs=(many,), victim=VICTIM, attack="pgd", params={"steps": steps}, budget={"snr_db": SNR_DB}),
        "targeted": AttackRequest(
            inputs=(one,),
            victim=VICTIM,
            attack="cw",
            params={"steps": TARGETED_STEPS},
            objective="targeted",
            target=TARGET,
            control=False,
        ),
    }
    runs = {}
    for name, request in requests.items():
        with progress(f"crafting ({name})", quiet=quiet) as on_progress:
            runs[name] = craft(request, out / name, victim=victim, on_progress=on_progress, on_error=warn)
        fail_if_nothing_worked(runs[name])
        with progress(f"hearing back ({name})", quiet=quiet) as on_progress:
            evaluate(runs[name], [victim], on_progress=on_progress)
        with progress(f"writing the report ({name})", quiet=quiet) as on_progress, showing(on_progress):
            render(runs[name], ["md", "html"])
    if not quiet:
        _show_paths(list(runs.values()))
        stdout().print(_table(runs["pgd"], runs["targeted"]))
        for run in runs.values():
            say(f"report: {run.path / 'report.md'}")
            say(f"report: {run.path / 'report.html'}")
        say_next("listen to all of it, side by side", "view", out)


def _samples() -> list[dict[str, Any]]:
    """The samples in the manifest's order, with absolute paths."""
    from voiceattack.corpus.samples import samples_manifest

    manifest = samples_manifest()
    try:
        lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise CorpusError(f"the samples are not there ({error}); run this from a clone of the project") from error
    return [{**line, "audio_filepath": str((manifest.parent / line["audio_filepath"]).resolve())} for line in lines]


def _manifest(path: Path, lines: Sequence[dict[str, Any]]) -> str:
    from voiceattack.files import write_whole

    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
    return str(path)


def _show_paths(runs: Sequence[Run]) -> None:
    say("listen:")
    for run in runs:
        for line in run.results():
            if line.audio and line.clean_audio and not line.is_control:
                say(f"  clean {run.path / line.clean_audio}  heard {(line.clean_hypothesis or '').strip()!r}")
                say(f"  {line.attack:<5} {run.path / line.audio}  heard {(line.hypothesis or '').strip()!r}")


def _table(pgd: Run, targeted: Run) -> Table:
    """One table: clean, noise, PGD, and the targeted example."""
    from rich.markup import escape
    from rich.table import Table

    groups = pgd.summary()["groups"]
    attack = next(group for group in groups if not group["is_control"])
    control = next((group for group in groups if group["is_control"]), None)
    table = Table(title=f"voiceattack demo: {attack['n']} clips and one target, heard by {VICTIM} from the saved 16-bit files")
    for name in ("audio", "SNR dB", "WER", "heard"):
        table.add_column(name, justify="left" if name in ("audio", "heard") else "right", overflow="fold")
    table.add_row("clean", "", _number(attack["wer_clean"], 2), "")
    if control is not None:
        table.add_row("noise of the same size (control)", _number(control["snr_db_median"], 1), _number(control["wer"], 2), "")
    table.add_row("pgd", _number(attack["snr_db_median"], 1), _number(attack["wer"], 2), "")
    for line in targeted.results():
        verdict = "success" if line.success else "no success"
        heard = "" if line.hypothesis is None else escape(repr(line.hypothesis.strip()))
        table.add_row(f'cw, target "{TARGET}": {verdict}', _number(line.snr_db, 1), "", heard)
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
