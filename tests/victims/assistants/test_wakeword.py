"""Wake words: the streaming detector, assistants that wait for one, and sweeps over thresholds and noise."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from scipy.stats import poisson as scipy_poisson
from speechlike import ROOT, in_process, tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError, SpecError
from voiceattack.evaluate.wakeword import Stream, Sweep, add_noise, sweep
from voiceattack.metrics.intervals import poisson
from voiceattack.metrics.signal import snr_db
from voiceattack.metrics.wakeups import wake_ups
from voiceattack.objectives import Objective
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.assistants.assistant import ASLEEP

SPEC = "assistant:home?asr=tiny&wake=wakeword:hey_jarvis"


@pytest.fixture(scope="module")
def phrase() -> torch.Tensor:
    """ "Hey Jarvis" in a synthetic voice, float32 (samples,)."""
    pytest.importorskip("pymicro_wakeword", reason="the extra assistant is not installed")
    pytest.importorskip("hibari", reason="the extra tts is not installed")
    from voiceattack.text.speech import load_speaker

    return audio.quantize16(load_speaker("hibari")("Hey Jarvis."))


@pytest.fixture
def command(phrase: torch.Tensor) -> torch.Tensor:
    """The phrase, half a second of nothing, and notes that the toy hears letters in."""
    return torch.cat([phrase, torch.zeros(8000), tones(3)])


def test_the_detector_tells_when_it_heard_the_phrase(phrase: torch.Tensor) -> None:
    victim = load_victim("wakeword:hey_jarvis")
    (heard,) = victim.transcribe(Batch.of([phrase]))
    seconds = heard.details["seconds"]
    assert heard.text == "hey jarvis" and 0.3 < seconds < len(phrase) / audio.SAMPLE_RATE + 0.5
    assert max(victim.means(phrase)) == heard.details["probability"] > victim.threshold  # type: ignore[attr-defined]
    # It knows no future: up to then the clip may end in anything.
    until = round(seconds * audio.SAMPLE_RATE)
    other = torch.cat([phrase[:until], tones(1)])
    assert victim.transcribe(Batch.of([other]))[0].details["seconds"] == seconds


def test_random_search_evades_within_its_queries(phrase: torch.Tensor) -> None:
    victim, budget = load_victim("wakeword:hey_jarvis"), Budget(snr_db=0)
    (result,) = build_attack("random-search", queries=400).craft(
        victim, Batch.of([phrase]), ["hey jarvis"], Objective("evade"), budget, [0]
    )
    assert isinstance(result, Crafted) and result.queries <= 400
    assert victim.transcribe(Batch.of([result.waveform]))[0].text == ""
    assert snr_db(phrase, result.waveform) >= 0.0


def test_an_assistant_hears_what_follows_its_wake_word(command: torch.Tensor, phrase: torch.Tensor) -> None:
    pytest.importorskip("hassil", reason="the extra assistant is not installed")
    victim, toy = load_victim(SPEC), load_victim("tiny")
    asleep = tones(3)
    heard, nothing, ends = victim.transcribe(Batch.of([command, asleep, phrase[: len(phrase) - 3200]]))
    start = round(heard.details["seconds"] * audio.SAMPLE_RATE)
    assert 0 < start < len(phrase) + 8000
    assert heard.text == toy.transcribe(Batch.of([command[start:]]))[0].text != toy.transcribe(Batch.of([command]))[0].text
    assert nothing.text == "" and nothing.details["seconds"] is None
    assert ends.text == "" or ends.details["seconds"] < len(phrase) / audio.SAMPLE_RATE


def test_its_score_wakes_first_and_then_hears(command: torch.Tensor) -> None:
    pytest.importorskip("hassil", reason="the extra assistant is not installed")
    victim, toy = load_victim(SPEC), load_victim("tiny")
    start = round(victim.transcribe(Batch.of([command]))[0].details["seconds"] * audio.SAMPLE_RATE)
    awake, asleep = victim.score(Batch.of([command, tones(3)]), ["abc", "abc"]).tolist()
    (alone,) = toy.score(Batch.of([command[start:]]), ["abc"]).tolist()
    assert awake == pytest.approx(alone, rel=1e-4) and asleep < ASLEEP / 2 < awake
    detector = load_victim("wakeword:hey_jarvis").score(Batch.of([tones(3)]), [""])
    assert asleep == pytest.approx(ASLEEP + float(detector[0]), abs=0.01)


def test_gradients_leave_the_wake_word_alone(command: torch.Tensor) -> None:
    pytest.importorskip("hassil", reason="the extra assistant is not installed")
    victim = load_victim(SPEC)
    start = round(victim.transcribe(Batch.of([command]))[0].details["seconds"] * audio.SAMPLE_RATE)
    batch = Batch.of([command, command[:-1600]])
    search = victim.search(batch)  # type: ignore[attr-defined]
    waveforms = batch.waveforms.clone().requires_grad_(True)
    search.attack_loss(waveforms, [0, 1], ["abc", "abc"], LossConfig("toward")).loss.sum().backward()
    assert waveforms.grad is not None and not waveforms.grad[:, :start].any() and waveforms.grad[:, start:].any(dim=1).all()
    (result,) = build_attack("cw", steps=4, start_snr_db=10).craft(
        victim, Batch.of([command]), ["x"], Objective("targeted", "abc"), Budget(), [0]
    )
    assert isinstance(result, Crafted), result
    assert torch.equal(result.waveform[:start], command[:start]) and not torch.equal(result.waveform, command)
    with pytest.raises(AttackError, match="wake word is not heard"):
        victim.search(Batch.of([tones(3)]))  # type: ignore[attr-defined]


def test_noise_has_the_snr_asked_for() -> None:
    clip = tones(0)
    assert snr_db(clip, add_noise(clip, 10.0, "pink-noise", 1)) == pytest.approx(10.0, abs=0.05)
    assert torch.equal(add_noise(clip, None, "pink-noise", 1), clip)
    assert torch.equal(add_noise(torch.zeros(1600), 10.0, "white-noise", 1), torch.zeros(1600))
    with pytest.raises(SpecError, match="silent"):
        add_noise(clip, 10.0, "silence", 1)


def test_false_accepts_are_counted_as_a_device_wakes() -> None:
    means = [0.0, 0.9, 0.9, 0.9, 0.0, 0.9]
    assert wake_ups(means, 0.5, 0.03) == 1 and wake_ups(means, 0.5, 0.5) == 3 and wake_ups(means, 0.9, 0.5) == 0


def test_rates_of_a_sweep_by_hand() -> None:
    said = {None: [Stream([0.2, 0.95], 1.0), Stream([0.6], 1.0)], 10.0: [Stream([0.1], 1.0), Stream([0.1], 1.0)]}
    other = {None: [Stream([0.7] + [0.0] * 40 + [0.7], 1800.0)], 10.0: []}
    points = Sweep("w", 0.9, 0.03, (0.5, 0.9), said, other).points()
    assert [(p["snr_db"], p["threshold"], p["missed"], p["false_accepts"]) for p in points] == [
        (None, 0.5, 0, 2),
        (None, 0.9, 1, 0),
        (10.0, 0.5, 2, 0),
        (10.0, 0.9, 2, 0),
    ]
    assert points[0]["false_accepts_per_hour"] == 4.0 and points[2]["false_accepts_per_hour"] is None
    assert [p["own_threshold"] for p in points] == [False, True, False, True]
    low, high = points[0]["false_accepts_ci95"]
    assert scipy_poisson.sf(1, low / 2) == pytest.approx(0.025) and scipy_poisson.cdf(2, high / 2) == pytest.approx(0.025)
    assert poisson(0) == (0.0, pytest.approx(-math.log(0.025)))
    with pytest.raises(ValueError, match="count"):
        poisson(-1)


def test_a_sweep_from_the_command_line(phrase: torch.Tensor, tmp_path: Path) -> None:
    said, other = tmp_path / "said.flac", tmp_path / "other.flac"
    audio.save(said, phrase)
    audio.save(other, tones(5, 2.0))
    line = ("wakeword-sweep", said, "--victim", "wakeword:hey_jarvis", "--other", other, "--snr-db", "clean,-20")
    done = in_process(*line, "--dry-run", "--out", tmp_path / "no")
    assert done.returncode == 0 and "noises: 2" in done.stdout and not (tmp_path / "no").exists()
    done = in_process(*line, "--out", tmp_path / "out", "-o", tmp_path / "more" / "table.csv")
    assert done.returncode == 0 and "missed" in done.stdout and str(tmp_path / "out" / "det.png") in done.stdout
    assert (tmp_path / "out" / "det.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "out" / "sweep.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert (tmp_path / "more" / "table.csv").read_bytes() == (tmp_path / "out" / "sweep.csv").read_bytes()
    own = {row["snr_db"]: row for row in rows if row["own_threshold"] == "True"}
    assert own[""]["missed"] == "0" and own["-20.0"]["missed"] == "1" and own[""]["false_accepts"] == "0"
    assert float(own[""]["hours"]) == pytest.approx(2 / 3600) and float(own[""]["false_accepts_ci95_high"]) > 1000
    misses = [int(row["missed"]) for row in rows if row["snr_db"] == ""]
    assert misses == sorted(misses), "a higher threshold never misses less"
    assert in_process(*line, "--quiet", "--out", tmp_path / "out").stdout == ""


def test_what_cannot_be_swept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="name a wake-word detector"):
        sweep(load_victim("tiny"), [tones(0)], [])
    clip = ROOT / "samples" / "command-01.flac"
    for options, told in (
        (("--thresholds", "0.5,high"), "--thresholds 'high'"),
        (("-o", tmp_path / "a.pdf"), "the suffix names the format"),
    ):
        done = in_process("wakeword-sweep", clip, "--victim", "tiny", *options)
        assert done.returncode == 2 and told in done.stderr


def test_a_suite_gates_on_wake_ups_where_nothing_is_said_to_the_device(phrase: torch.Tensor, tmp_path: Path) -> None:
    radio = tmp_path / "radio" / "radio.flac"
    radio.parent.mkdir()
    audio.save(radio, torch.cat([phrase, torch.zeros(32000), phrase, torch.zeros(32000)]))
    suite = tmp_path / "suite.yaml"
    asked = {
        "inputs": [{"path": "radio", "speech": False}, {"generate": "no-speech", "kinds": ["silence"], "seconds": 2}],
        "victims": ["wakeword:hey_jarvis", {"spec": "assistant:home?asr=tiny&wake=wakeword:hey_jarvis", "name": "home"}, "tiny"],
        "gates": [{"gate": "false_accepts_per_hour <= 1", "victim": "home"}, "false_accepts_per_hour <= 1"],
    }
    suite.write_text(json.dumps(asked))
    done = in_process("run", suite, "--out", tmp_path / "out")
    assert done.returncode == 1, done.stdout + done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    woken = {(one["victim"], "radio" in one["id"]): one["wake_ups"] for one in summary["clean"]}
    assert woken[("wakeword:hey_jarvis", True)] == woken[("home", True)] == 2 and woken[("home", False)] == 0
    assert woken[("tiny", True)] is None and all(one["kind"] == "no-speech" for one in summary["clean"])
    hours = sum(one["audio_seconds"] for one in summary["clean"] if one["victim"] == "home") / 3600
    gates = {gate["victim"]: gate for gate in summary["gates"]}
    assert gates["home"]["value"] == pytest.approx(2 / hours) and gates["home"]["verdict"] == "failed"
    assert gates["tiny"]["verdict"] == "error" and "no wake word" in str(gates["tiny"])
    assert "wake-ups: 2" in (tmp_path / "out" / "junit.xml").read_text()
