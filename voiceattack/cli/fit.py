"""``voiceattack fit``: one universal perturbation from a folder of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceattack.cli.console import DeviceOption, InputsArgument, QuietOption, parse_params, progress, say, tell_warnings, warn
from voiceattack.commands import command_line
from voiceattack.errors import AttackError, CorpusError, SpecError, as_error

if TYPE_CHECKING:
    from torch import Tensor

    from voiceattack.victims.base import Victim

__all__ = ["fit"]


def fit(
    inputs: InputsArgument,
    out: Annotated[Path, typer.Option("--out", help="Audio file to write; its recipe goes beside it as .json.")] = Path(
        "universal.flac"
    ),
    victim: Annotated[str, typer.Option(help="Recogniser to fit against.")] = "whisper-tiny.en",
    mode: Annotated[str, typer.Option(help="prepend a segment, or additive over the whole clip.")] = "prepend",
    target: Annotated[str | None, typer.Option("--target", metavar="TEXT", help="Hear exactly this in every clip.")] = None,
    mute: Annotated[bool, typer.Option("--mute", help="Hear nothing in every clip.")] = False,
    seconds: Annotated[float, typer.Option(help="Length of the perturbation.")] = 0.64,
    linf: Annotated[float, typer.Option(help="Largest amplitude, fraction of full scale.")] = 0.02,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps.")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips a step.")] = 8,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="crop_seconds, confidence, lr, gain_db, reuse ... Repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of draws and crops.")] = 0,
    start: Annotated[Path | None, typer.Option(metavar="FILE", help="Go on from an earlier perturbation.")] = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fit one perturbation to all of INPUT; apply it with: voiceattack attack --attack universal --artefact FILE."""
    if out.suffix.lower() not in (".flac", ".wav"):
        raise SpecError(f"--out {out}: name a .flac or .wav file")
    if mute and target is not None:
        raise SpecError("--mute excludes --target; give one of them")
    from voiceattack.attacks.universal.artefact import Recipe, load_artefact, save_artefact
    from voiceattack.attacks.universal.fit import FitParams, Fitted, fit_universal
    from voiceattack.objectives import Objective
    from voiceattack.runs.provenance import environment
    from voiceattack.victims import differentiates, load_victim

    asked = {"mode": mode, "seconds": seconds, "linf": linf, "steps": steps, "batch_size": batch_size}
    try:
        params = FitParams.model_validate({**asked, **parse_params(param)})
    except SpecError as error:
        raise SpecError(f"fit: {error}; parameters: {', '.join(FitParams.model_fields)}") from error
    objective = Objective("mute" if mute else "untargeted" if target is None else "targeted", target)
    loaded = load_victim(victim, device)
    if not differentiates(loaded):
        raise AttackError(
            f"fitting needs gradients, which victim {victim!r} does not give; fit on another and apply it to this one"
        )
    if target is not None:
        loaded.check_target(target)
    names, clips = _clips(inputs, loaded, 0.0 if mode == "additive" else seconds)

    earlier = None if start is None else load_artefact(start)

    def recipe(fitted: Fitted) -> Recipe:
        return Recipe(
            mode=params.mode,
            linf=linf,
            victim=victim,
            objective=objective.kind,
            target=target,
            wer_threshold=objective.wer_threshold,
            params=params.model_dump(mode="json"),
            seed=seed,
            clips=names,
            steps=fitted.steps,
            validation={"fooled": fitted.fooled, "clips": fitted.validated},
            versions=environment()["versions"],
            start=None if earlier is None else earlier[1].sha256,
        )

    def save(best: Fitted) -> None:
        save_artefact(out, best.waveform, recipe(best))

    def tell(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(done, total, f"{len(clips)} clips")

    with progress("fitting", quiet=quiet) as on_progress:
        fitted = fit_universal(
            loaded,
            clips,
            objective,
            params,
            seed,
            on_step=tell,
            # Each new best is saved at once: a fit that is killed loses nothing it found.
            on_best=save,
            start=None if earlier is None else earlier[0],
        )
    save(fitted)
    say(f"{fitted.fooled} of {fitted.validated} clips held out from fitting fell to it", quiet=quiet)
    say(f"written: {out} and {out.with_suffix('.json')}", quiet=quiet)
    goal = ["--mute"] if mute else [] if target is None else ["--target", target]
    say(f"next: {command_line('attack', 'RECORDINGS', '--attack', 'universal', '--artefact', out, *goal)}", quiet=quiet)


def _clips(inputs: list[str], victim: Victim, room: float) -> tuple[list[str], list[Tensor]]:
    """Names and waveforms of the usable inputs; the others cost themselves alone."""
    from voiceattack.audio import clips as audio
    from voiceattack.corpus import BadItem, read_corpus

    names, clips = [], []
    for item in read_corpus(inputs):
        if isinstance(item, BadItem):
            warn(f"{item.where}: {item.error}")
            continue
        try:
            loaded, warnings = item.load()
            waveform = audio.quantize16(loaded)
            victim.check_length(len(waveform) / audio.SAMPLE_RATE + room, item.name)
            if not bool(waveform.any()):
                raise AttackError(f"{item.place}: digital silence")
        except Exception as error:  # a victim may be anybody's code
            told = str(as_error(error))
            warn(told if str(item.path) in told else f"{item.place}: {told}")
            continue
        tell_warnings(item.place, warnings)
        names.append(Path(item.place).name)
        clips.append(waveform)
    if not clips:
        raise CorpusError(f"no usable audio in {', '.join(inputs)}")
    return names, clips
