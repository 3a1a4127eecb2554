"""``voiceattack fit``: one universal perturbation from a folder of recordings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceattack.cli.console import DeviceOption, InputsArgument, QuietOption, parse_params, progress, say, tell_warnings, warn
from voiceattack.commands import command_line
from voiceattack.errors import AttackError, CorpusError, SpecError, as_error
from voiceattack.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from voiceattack.attacks.universal.artefact import Recipe
    from voiceattack.attacks.universal.fit import FitParams, Fitted
    from voiceattack.objectives import Objective
    from voiceattack.victims.base import DifferentiableVictim, Victim

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
    objective: Annotated[
        str | None, typer.Option(help="slow, runaway, repeat, drop:TERM, insert:TEXT, wrong-language ...: as attack takes it.")
    ] = None,
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
    if objective is not None and (mute or target is not None):
        raise SpecError("--objective excludes --mute and --target; give one of them")
    asked = {"mode": mode, "seconds": seconds, "linf": linf, "steps": steps, "batch_size": batch_size}
    params = _params({**asked, **parse_params(param)})
    from voiceattack.attacks.universal.artefact import load_artefact
    from voiceattack.objectives import Objective

    goal = Objective(objective or ("mute" if mute else "untargeted" if target is None else "targeted"), target)
    if objective is not None and (goal.acts or goal.wakes or not goal.aim.follows_clean):
        raise SpecError(f"--objective {objective}: fit takes what is wanted of transcripts there; for others --target or --mute")
    loaded = _victim(victim, device, target)
    names, clips = _clips(inputs, loaded, 0.0 if mode == "additive" else seconds)
    earlier = None if start is None else load_artefact(start)
    recipe = _recipe(victim, goal, params, linf, seed, names, None if earlier is None else earlier[1].sha256)
    with progress("fitting", quiet=quiet) as on_progress:
        tell = None if on_progress is None else partial(_tell, on_progress, f"{len(clips)} clips")
        fitted = _fit(loaded, clips, goal, params, recipe, out, None if earlier is None else earlier[0], tell)
    say(f"{fitted.fooled} of {fitted.validated} clips held out from fitting fell to it", quiet=quiet)
    say(f"written: {out} and {out.with_suffix('.json')}", quiet=quiet)
    same = ["--objective", objective] if objective else ["--mute"] if mute else [] if target is None else ["--target", target]
    say(f"next: {command_line('attack', 'RECORDINGS', '--attack', 'universal', '--artefact', out, *same)}", quiet=quiet)


def _params(given: dict[str, Any]) -> FitParams:
    from voiceattack.attacks.universal.fit import FitParams

    try:
        return FitParams.model_validate(given)
    except SpecError as error:
        raise SpecError(f"fit: {error}; parameters: {', '.join(FitParams.model_fields)}") from error


def _victim(spec: str, device: str | None, target: str | None) -> DifferentiableVictim:
    from voiceattack.victims import differentiates, load_victim

    loaded = load_victim(spec, device)
    if not differentiates(loaded):
        raise AttackError(
            f"fitting needs gradients, which victim {spec!r} does not give; fit on another and apply it to this one"
        )
    if target is not None:
        loaded.check_target(target)
    return loaded


def _recipe(
    victim: str, objective: Objective, params: FitParams, linf: float, seed: int, names: list[str], start: str | None
) -> Recipe:
    """The recipe, but for what the fit will have given."""
    from voiceattack.attacks.universal.artefact import Recipe
    from voiceattack.runs.provenance import environment

    return Recipe(
        mode=params.mode,
        linf=linf,
        victim=victim,
        objective=objective.kind,
        target=objective.target,
        wer_threshold=objective.wer_threshold,
        params=params.model_dump(mode="json"),
        seed=seed,
        clips=names,
        steps=0,
        validation={},
        versions=environment()["versions"],
        start=start,
    )


def _fit(
    victim: DifferentiableVictim,
    clips: list[Tensor],
    objective: Objective,
    params: FitParams,
    recipe: Recipe,
    out: Path,
    start: Tensor | None,
    tell: Callable[[int, int], None] | None,
) -> Fitted:
    """Fit and save; each new best is saved at once, so that a fit that is killed loses nothing it found."""
    from voiceattack.attacks.universal.artefact import save_artefact
    from voiceattack.attacks.universal.fit import fit_universal

    def save(best: Fitted) -> None:
        given = {"steps": best.steps, "validation": {"fooled": best.fooled, "clips": best.validated}}
        save_artefact(out, best.waveform, recipe.model_copy(update=given))

    fitted = fit_universal(victim, clips, objective, params, recipe.seed, on_step=tell, on_best=save, start=start)
    save(fitted)
    return fitted


def _tell(shown: Progress, label: str, done: int, total: int) -> None:
    shown(done, total, label)


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
