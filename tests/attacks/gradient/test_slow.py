"""The objective ``slow``: the victim writes on and on, judged from the saved file by the tokens that it wrote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from speechlike import ROOT, in_process, tones, write_clips
from whisper_fixture import END, write_whisper

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError
from voiceattack.objectives import Objective
from voiceattack.runs import Run
from voiceattack.runs.timing import timing_of
from voiceattack.victims import load_victim
from voiceattack.victims.whisper.victim import WhisperVictim
from voiceattack.victims.whisper.writing import PLACES, write_on
from voiceattack.victims.wrappers.ensemble import EnsembleVictim


@pytest.mark.slow
def test_a_saved_file_makes_whisper_write_ten_times_as_much_and_noise_does_not(tmp_path: Path) -> None:
    clip, out = ROOT / "samples" / "command-46.flac", tmp_path / "run"
    asked = ("--objective", "slow", "--snr-db", "25", "--steps", "60", "--no-report")
    done = in_process("attack", clip, *asked, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = {row.is_control: row for row in Run.open(out).results()}
    timing, noise = timing_of(rows[False]), timing_of(rows[True])
    assert timing is not None and timing.tokens_ratio is not None and noise is not None and noise.tokens_ratio is not None
    assert rows[False].outcome == "fooled" and timing.tokens_ratio >= 10.0, timing
    assert rows[True].outcome == "held" and noise.tokens_ratio <= 2.0, noise


@pytest.mark.parametrize("options", ["", "?frontend=all"])
def test_the_loss_follows_what_the_decoder_would_write_and_can_be_pushed_down(tmp_path: Path, options: str) -> None:
    write_whisper(tmp_path)
    victim = load_victim(f"hf:{tmp_path}{options}", "cpu")
    assert isinstance(victim, WhisperVictim) and victim.writes_on
    clean = Batch.of([tones(1), tones(2)])
    for mode in victim.model.modes:
        scripts = write_on(victim.model, victim.model.log_mel(clean.waveforms), mode)
        assert [len(script) for script in scripts] == [PLACES, PLACES]
        assert max(scripts[0] + scripts[1]) < END, "neither the end nor a timestamp"
    with torch.no_grad():  # this one never ends by itself: let end-of-text be as likely as what it writes most
        weights = victim.model.network.proj_out.weight
        weights[END] = 1.1 * weights[Counter(scripts[0]).most_common(1)[0][0]]
    search = victim.search(clean)
    waveforms = clean.waveforms.clone()
    losses = []
    for _ in range(6):
        waveforms = waveforms.detach().requires_grad_(True)
        loss = search.writing_loss(waveforms, [0, 1]).loss
        losses.append(float(loss.detach().sum()))
        (grad,) = torch.autograd.grad(loss.sum(), waveforms)
        waveforms = waveforms - 0.02 * grad / grad.norm().clamp(min=1e-12)
    assert losses[0] > 0 and min(losses) < losses[0], losses


def test_an_ensemble_is_led_on_in_each_of_its_members(tmp_path: Path) -> None:
    write_whisper(tmp_path)
    specs = [f"hf:{tmp_path}", f"hf:{tmp_path}?frontend=feature-pad&timestamps=on"]
    both, clean = load_victim(f"ensemble:{'|'.join(specs)}", "cpu"), Batch.of([tones(1)])
    assert isinstance(both, EnsembleVictim) and both.writes_on
    alone = [float(member.search(clean).writing_loss(clean.waveforms, [0]).loss) for member in both.members]
    assert float(both.search(clean).writing_loss(clean.waveforms, [0]).loss) == pytest.approx(sum(alone) / 2)


def test_who_cannot_be_slowed_is_told(whisper: WhisperVictim, tmp_path: Path) -> None:
    (clip,) = write_clips(tmp_path, 1)
    batch = Batch.of([audio.load(clip)])
    tiny = load_victim("tiny", "cpu")
    for attack, victim, why in (
        ("pgd", tiny, "needs a Whisper with gradients"),
        ("random-search", tiny, "does not search for objective slow; use pgd, cw or minimum-norm"),
        ("mi-fgsm", whisper, "does not search for objective slow"),
    ):
        with pytest.raises(AttackError, match=why):
            build_attack(attack).craft(victim, batch, ["word"], Objective("slow"), Budget(snr_db=20.0), [0])
