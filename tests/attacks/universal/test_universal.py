"""Universal perturbations: fitted on the toy, saved with their recipe, applied to clips never seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from speechlike import ROOT, in_process, tones, write_clips

from voiceattack.attacks import build_attack
from voiceattack.attacks.universal.artefact import load_artefact
from voiceattack.attacks.universal.attack import place
from voiceattack.attacks.universal.fit import FitParams, fit_universal
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.cli import main
from voiceattack.errors import AttackError
from voiceattack.objectives import Objective
from voiceattack.runs import Run
from voiceattack.victims import DifferentiableVictim, load_victim
from voiceattack.victims.whisper.victim import WhisperVictim

FEW = {"steps": 12, "batch_size": 3, "validate_every": 6, "seconds": 0.2, "linf": 0.2}


@pytest.fixture(scope="module")
def tiny() -> DifferentiableVictim:
    victim = load_victim("tiny", device="cpu")
    assert isinstance(victim, DifferentiableVictim)
    return victim


@pytest.mark.parametrize("mode", ["prepend", "additive"])
def test_a_fit_repeats_itself_and_stays_within_its_limit(mode: str, tiny: DifferentiableVictim) -> None:
    params = FitParams.model_validate({**FEW, "mode": mode})
    clips = [tones(seed) for seed in range(6)]
    one = fit_universal(tiny, clips, Objective("untargeted"), params, 3)
    other = fit_universal(tiny, clips, Objective("untargeted"), params, 3)
    assert torch.equal(one.waveform, other.waveform)
    assert float(one.waveform.abs().max()) <= params.linf and one.waveform.shape == (3200,)
    assert torch.equal(audio.quantize16(one.waveform), one.waveform)
    assert 0 <= one.fooled <= one.validated == 1


def test_an_additive_fit_beats_noise_of_the_same_size(tiny: DifferentiableVictim) -> None:
    params = FitParams.model_validate({**FEW, "mode": "additive", "steps": 60, "linf": 0.05, "validation": 0.3})
    fitted = fit_universal(tiny, [tones(seed) for seed in range(20)], Objective("untargeted"), params, 1)
    unseen = Batch.of([tones(seed) for seed in range(100, 112)])
    clean = [transcript.text for transcript in tiny.transcribe(unseen)]
    noise = (torch.rand(3200, generator=torch.Generator().manual_seed(0)) * 2 - 1) * params.linf
    noise = noise * min(1.0, float(fitted.waveform.norm() / noise.norm()))

    def fooled(segment: torch.Tensor) -> int:
        waveforms = audio.quantize16(unseen.waveforms + place(segment, unseen.waveforms, "additive"))
        heard = tiny.transcribe(unseen.replace(waveforms))
        return sum(Objective().succeeded(before, after.text) for before, after in zip(clean, heard, strict=True))

    assert fooled(fitted.waveform) > fooled(noise)


def test_place_repeats_or_comes_first() -> None:
    segment, waveforms = torch.tensor([1.0, 2.0]), torch.zeros(2, 5)
    assert place(segment, waveforms, "additive").tolist() == [[1, 2, 1, 2, 1]] * 2
    assert place(segment, waveforms, "prepend").tolist() == [[1, 2, 0, 0, 0]] * 2


def test_fit_attack_and_evaluate_from_the_command_line(tmp_path: Path) -> None:
    train, unseen = write_clips(tmp_path / "train", 5), write_clips(tmp_path / "unseen", 2, first=50)
    (tmp_path / "train" / "broken.wav").write_bytes(b"RIFF....")
    out = tmp_path / "muting.flac"
    common = ["--seconds", "0.2", "--linf", "0.02", "--steps", "3", "--batch-size", "2", "--victim", "tiny", "--quiet"]
    assert main(["fit", str(tmp_path / "train"), "--mute", *common, "--out", str(out)]) == 0
    segment, recipe = load_artefact(out)
    assert len(recipe.clips) == len(train) and recipe.objective == "mute" and "adversarial" in str(audio.read_comment(out))
    run = tmp_path / "run"
    arguments = ["attack", *unseen, "--victim", "tiny", "--attack", "universal", "--artefact", str(out), "--mute", "--quiet"]
    assert main([*arguments, "--out", str(run)]) == 0
    examples = [example for example in Run.open(run).examples() if example.control_for is None]
    assert len(examples) == 2
    for example, source in zip(examples, unseen, strict=True):
        clean, attacked = (audio.load(run / str(path)) for path in (example.clean_audio, example.audio))
        original = audio.load(source)
        assert len(attacked) == len(original) + len(segment)
        assert torch.equal(attacked[: len(segment)], segment) and torch.equal(attacked[len(segment) :], original)
        assert not bool(clean[: len(segment)].any()) and torch.equal(clean[len(segment) :], original)
        assert example.params["sha256"] == recipe.sha256
        assert main(["replay", str(run), example.id]) == 0
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    assert all(row["outcome"] != "error" for row in rows)


def test_an_artefact_that_is_not_its_recipes_is_refused(tmp_path: Path) -> None:
    write_clips(tmp_path / "train", 4)
    out = tmp_path / "u.wav"
    common = ["--mode", "additive", "--seconds", "0.2", "--steps", "1", "--batch-size", "2", "--victim", "tiny", "--quiet"]
    assert main(["fit", str(tmp_path / "train"), *common, "--out", str(out)]) == 0
    audio.save(out, tones(1) * 0.01)
    with pytest.raises(AttackError, match="SHA-256"):
        build_attack("universal", artefact=str(out)).artefact()
    out.with_suffix(".json").unlink()
    with pytest.raises(AttackError, match=r"u\.json"):
        build_attack("universal", artefact=str(out)).artefact()
    with pytest.raises(AttackError, match="--artefact"):
        build_attack("universal").artefact()


def test_fit_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(tmp_path / "two", 2)
    for extra, told in [
        (["--steps", "2"], "at least three clips"),
        (["--mode", "after"], "prepend"),
        (["--out", str(tmp_path / "x.mp3")], ".flac or .wav"),
        (["--mute", "--target", "hello"], "excludes"),
    ]:
        assert main(["fit", str(tmp_path / "two"), "--victim", "tiny", "--quiet", *extra]) == 2
        assert told in capsys.readouterr().err


@pytest.mark.slow
def test_the_muting_segment_of_the_samples_mutes_speech_it_never_saw(whisper: WhisperVictim) -> None:
    attack = build_attack("universal", artefact=str(ROOT / "docs" / "reference" / "attacks" / "mute-whisper-tiny.en.flac"))
    segment, recipe = attack.artefact()
    assert len(segment) == 10240 and float(segment.abs().max()) <= 0.02
    muted = noisy = 0
    names = [f"command-{number:02d}.flac" for number in (1, 8, 15, 20)] + ["sentence-03.flac", "sentence-10.flac"]
    assert not set(names) & set(recipe.clips)
    generator = torch.Generator().manual_seed(0)
    for name in names:
        clip = audio.quantize16(audio.load(ROOT / "samples" / name))
        noise = segment[torch.randperm(len(segment), generator=generator)]
        heard = whisper.transcribe(Batch.of([torch.cat([segment, clip])]))[0].text
        control = whisper.transcribe(Batch.of([torch.cat([noise, clip])]))[0].text
        muted += Objective("mute").succeeded("words", heard)
        noisy += Objective("mute").succeeded("words", control)
    assert muted == len(names) and noisy == 0


def test_slow_is_fitted_on_a_victim_that_writes(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 3)
    for asked, why in (
        (("--objective", "slow"), "objective slow is fitted on a Whisper with gradients, and victim 'tiny' is none"),
        (("--objective", "evade"), "fit takes what is wanted of transcripts there"),
        (("--objective", "slow", "--mute"), "--objective excludes --mute and --target"),
    ):
        done = in_process("fit", *clips, "--victim", "tiny", *asked, "--steps", "1", "--out", tmp_path / "x.flac")
        assert done.returncode == 2 and why in done.stderr, done.stderr
