"""Every corruption: it runs, keeps the rate, is the same for a seed and worse at severity 4, and does what its row says."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from speechlike import ROOT, tones, write_clips
from torch import Tensor

from voiceattack._torchaudio import require_torchaudio
from voiceattack.attacks import ATTACKS, attacks_for, build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.corruptions import CORRUPTIONS
from voiceattack.attacks.corruptions.base import Corruption, Draws
from voiceattack.attacks.corruptions.effects import phaser
from voiceattack.attacks.corruptions.losses import PACKET, lose_packets
from voiceattack.attacks.corruptions.rooms import room_response
from voiceattack.attacks.corruptions.severities import LEVELS, TABLE, table
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import SAMPLE_RATE, Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance
from voiceattack.corpus.mixing import mix_at_snr
from voiceattack.errors import AttackError, SpecError, UnknownNameError
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim

NAMES = CORRUPTIONS.names()
SNR_ROWS = [name for name in NAMES if table()[name].snr]
LENGTHS = {"speed_up", "slow_down", "tempo_up", "tempo_down"}
LONGER = {"echo", "reverberation"}
LOSSES = {"packet_loss", "packet_loss_concealed", "time_mask", "gsm", "telephone"}
LINES = {"gsm", "telephone"}
"""Their first severity loses nothing: the others are measured against it."""
SEED = 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [Path(path) for path in write_clips(tmp_path_factory.mktemp("corpus"), 3)]


@pytest.fixture(scope="module")
def speech() -> Tensor:
    """Two seconds of a voice, float32 (samples,)."""
    return audio.quantize16(audio.load(ROOT / "samples" / "command-01.flac"))[: 2 * SAMPLE_RATE]


def clips(corpus: list[Path]) -> list[Utterance]:
    return [Utterance(path, None, path.stem) for path in corpus]


def build(name: str, severity: int, corpus: list[Path], **params: object) -> Corruption:
    if name == "reverberation":
        pytest.importorskip("pyroomacoustics", reason="the extra rooms is not installed")
    attack: Corruption = build_attack(f"corruption:{name}", severity=severity, **params)
    attack.set_corpus(clips(corpus))
    return attack


def log_spectral_distance(clean: Tensor, other: Tensor) -> float:
    """Root mean square difference of log power spectra, dB, of two clips stretched to equally many frames."""

    def levels(wave: Tensor) -> Tensor:
        frames = wave.double().unfold(0, 512, 128)
        power = torch.fft.rfft(frames * torch.hann_window(512, dtype=torch.float64)).abs().square()
        return 10 * torch.log10(power + 1e-6)

    before, after = levels(clean), levels(other)
    after = torch.nn.functional.interpolate(after.T[None], size=len(before), mode="linear")[0].T
    return float((before - after).square().mean().sqrt())


def disturbance(name: str, severity: int, clean: Tensor, other: Tensor) -> float:
    """What grows with the severity: the change of length where that is the point, else the log spectral distance."""
    if name in LENGTHS:
        return abs(len(other) - len(clean)) / len(clean)
    if name in ("echo", "chorus"):
        return table()[name].at(severity)  # the delay itself: an echo disturbs no more for being late
    if name in LOSSES:
        return float((clean - other).square().sum() / clean.square().sum())
    if name in ("bass", "treble"):  # scaled below full scale: compare shapes
        other = other * float(clean.norm() / other.norm())
    return log_spectral_distance(clean, other)


def test_the_table_names_what_is_registered_and_is_read_as_it_stands() -> None:
    with TABLE.open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert set(rows) == set(NAMES) == set(table())
    for name, row in rows.items():
        assert [table()[name].at(level) for level in LEVELS] == [float(row[f"severity_{level}"]) for level in LEVELS]
    # Speech Robust Bench's own, not to be touched.
    assert table()["lowpass"].values == (4000, 2833, 1666, 500) and table()["echo"].unit == "ms delay"
    assert table()["speed_up"].values == (1.25, 1.5, 1.75, 2.0) and table()["gaussian_noise"].values == (30, 20, 10, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_corruption_runs_keeps_the_rate_and_is_deterministic(name: str, speech: Tensor, corpus: list[Path]) -> None:
    before = speech.clone()
    worst: dict[int, float] = {}
    line = speech
    for severity in (1, 4):
        attack = build(name, severity, corpus)
        wave, facts = attack.corrupt(speech, SEED)
        again, same = build(name, severity, corpus).corrupt(speech, SEED)
        assert torch.equal(wave, again) and facts == same, "same seed, other bytes"
        assert wave.dtype == torch.float32 and torch.equal(wave, audio.quantize16(wave)) and float(wave.abs().max()) <= 1
        assert facts["value"] == table()[name].at(severity) and facts["unit"] == table()[name].unit
        other, _ = build(name, severity, corpus).corrupt(speech, SEED + 1)
        differs = other.shape != wave.shape or not torch.equal(other, wave)
        assert differs == attack.random == facts["random"], "random is what another seed changes"
        if name in LENGTHS:
            assert len(wave) == round(len(speech) / table()[name].at(severity))
        else:
            assert len(wave) > len(speech) if name in LONGER else len(wave) == len(speech)
        assert wave.shape != speech.shape or not torch.equal(wave, speech), "no effect"
        line = wave if name in LINES and severity == 1 else line if name in LINES else speech
        worst[severity] = disturbance(name, severity, line, wave)
    assert worst[4] >= worst[1] and worst[4] > 0
    assert torch.equal(speech, before), "the clip was written to"


@pytest.mark.parametrize("severity", LEVELS)
@pytest.mark.parametrize("name", SNR_ROWS)
def test_rows_of_snr_have_that_snr(name: str, severity: int, speech: Tensor, corpus: list[Path]) -> None:
    for clip in (speech, audio.quantize16(speech / speech.abs().max())):  # a loud clip clips
        wave, _ = build(name, severity, corpus).corrupt(clip, SEED)
        assert snr_db(clip, wave) == pytest.approx(table()[name].at(severity), abs=0.1)


def test_an_snr_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    """A click a second clips at full scale long before 0 dB."""
    clicks = torch.zeros(2 * SAMPLE_RATE)
    clicks[::SAMPLE_RATE] = 0.9
    audio.save(tmp_path / "clicks.wav", clicks)
    attack = build("environmental_noise", 4, [], noise=str(tmp_path))
    with pytest.raises(AttackError, match=r"0 dB SNR cannot be reached here, the nearest is \d+\.\d dB: this noise clips"):
        attack.corrupt(audio.quantize16(tones(0, 2.0)), SEED)


def test_noise_under_a_very_quiet_clip_is_not_rounded_away(corpus: list[Path]) -> None:
    quiet = audio.quantize16(torch.sin(torch.arange(32000) * 0.3) * 3 / 32768)
    wave, _ = build("gaussian_noise", 1, corpus).corrupt(quiet, SEED)
    assert snr_db(quiet, wave) == pytest.approx(30, abs=0.1)


def test_mixing_refuses_silence() -> None:
    with pytest.raises(ValueError, match="silent"):
        mix_at_snr(tones(0), torch.zeros(9600), 10)
    with pytest.raises(ValueError, match="length"):
        mix_at_snr(tones(0), torch.zeros(3), 10)


def test_speeds_move_the_pitch_and_tempos_do_not(corpus: list[Path]) -> None:
    tone = audio.quantize16(0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(32000) / SAMPLE_RATE))

    def pitch_of(name: str, severity: int) -> float:
        wave, _ = build(name, severity, corpus).corrupt(tone, SEED)
        middle = wave[len(wave) // 4 : -len(wave) // 4]
        return float(torch.fft.rfft(middle * torch.hann_window(len(middle))).abs().argmax()) * SAMPLE_RATE / len(middle)

    assert pitch_of("speed_up", 4) == pytest.approx(880, rel=0.01) and pitch_of("slow_down", 4) == pytest.approx(220, rel=0.01)
    assert pitch_of("tempo_up", 4) == pytest.approx(440, rel=0.01) and pitch_of("tempo_down", 4) == pytest.approx(440, rel=0.01)
    assert pitch_of("pitch_up", 4) == pytest.approx(880, rel=0.01) and pitch_of("pitch_down", 1) == pytest.approx(370, rel=0.01)


def test_filters_pass_and_stop(corpus: list[Path]) -> None:
    def gain_db(name: str, severity: int, hertz: float) -> float:
        tone = audio.quantize16(0.01 * torch.sin(2 * torch.pi * hertz * torch.arange(16000) / SAMPLE_RATE))
        wave, _ = build(name, severity, corpus).corrupt(tone, SEED)
        return float(20 * torch.log10(wave[4000:].norm() / tone[4000:].norm()))

    assert gain_db("lowpass", 3, 1666) == pytest.approx(-3, abs=0.2) and gain_db("lowpass", 4, 4000) < -30
    assert gain_db("highpass", 4, 3000) == pytest.approx(-3, abs=0.2) and gain_db("highpass", 4, 300) < -35
    assert gain_db("treble", 1, 7500) == pytest.approx(10, abs=0.7) and gain_db("bass", 1, 20) == pytest.approx(20, abs=0.5)
    assert gain_db("resample", 3, 1500) == pytest.approx(0, abs=0.2) and gain_db("resample", 3, 3000) < -60


def test_gain_clips_and_says_how_much(speech: Tensor, corpus: list[Path]) -> None:
    wave, facts = build("gain", 4, corpus).corrupt(speech, SEED)
    assert float((speech * 40).abs().gt(1).float().mean()) == pytest.approx(facts["clipped_share"], abs=1e-4)
    assert torch.equal(wave, audio.quantize16((speech * 40).clamp(-1, 1)))


def test_the_echo_comes_after_its_delay(corpus: list[Path]) -> None:
    click = torch.zeros(4000)
    click[100] = 0.5
    wave, _ = build("echo", 2, corpus).corrupt(click, SEED)
    assert len(wave) == 8000 and wave.nonzero().flatten().tolist() == [100, 4100]
    assert wave[[100, 4100]].tolist() == pytest.approx([0.5 * 0.72, 0.5 * 0.27], abs=1e-4)


def test_the_phaser_is_torchaudios() -> None:
    clip = 0.3 * torch.sin(torch.arange(1600) * 0.3)[None]
    expected = require_torchaudio().functional.phaser(clip.double(), SAMPLE_RATE, decay=0.5, mod_speed=0.5)
    assert np.allclose(phaser(clip[0].double().numpy(), 0.5), expected[0].numpy(), atol=1e-9)


def test_tremolo_swings_twenty_times_a_second(corpus: list[Path]) -> None:
    wave, _ = build("tremolo", 4, corpus).corrupt(torch.full((16000,), 0.5), SEED)
    assert wave[0] == 0.5 and abs(float(wave[400])) < 1e-4 and float(wave[800]) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("rt60", table()["reverberation"].values)
def test_rooms_ring_as_long_as_they_should(rt60: float) -> None:
    pra = pytest.importorskip("pyroomacoustics", reason="the extra rooms is not installed")
    response, facts = room_response(rt60, np.random.default_rng(3))
    measured = float(pra.experimental.measure_rt60(response, fs=SAMPLE_RATE, decay_db=30))
    assert (
        response[0] == 1.0 and measured == pytest.approx(rt60, rel=0.1) and facts["rt60_seconds"] == pytest.approx(rt60, rel=0.1)
    )


def test_a_missing_room_simulator_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyroomacoustics", None)
    with pytest.raises(Exception, match=r"voiceattack\[rooms\]"):
        room_response(0.3, np.random.default_rng(0))


def test_packets_are_lost_at_their_rate_in_bursts() -> None:
    clip = np.ones(PACKET * 20_000)
    draws = Draws(np.random.default_rng(1))
    out = lose_packets(clip, 20, draws, conceal=False)
    lost = np.asarray(draws.facts["lost_packets"])
    assert len(lost) / draws.facts["packets"] == pytest.approx(0.20, abs=0.01)
    assert len(lost) / (1 + int((np.diff(lost) > 1).sum())) == pytest.approx(2.0, abs=0.15), "bursts of two"
    silent = out.reshape(-1, PACKET)[:, 0] == 0
    assert np.flatnonzero(silent).tolist() == lost.tolist()
    assert np.array_equal(lose_packets(clip, 0, draws, conceal=True), clip)


def test_concealment_goes_on_with_the_last_period() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    clip = 0.3 * np.sin(2 * np.pi * 200 * time) + 0.1 * np.sin(2 * np.pi * 400 * time)
    plain, concealed = (lose_packets(clip, 10, Draws(np.random.default_rng(2)), conceal=how) for how in (False, True))
    errors = [float(np.square(wave - clip).sum()) for wave in (plain, concealed)]
    assert 0 < errors[1] < errors[0] / 4, "of a steady tone the last period is nearly all that was lost"


def test_masks_cover_their_share(speech: Tensor, corpus: list[Path]) -> None:
    for severity in LEVELS:
        wave, facts = build("time_mask", severity, corpus).corrupt(speech, SEED)
        assert len(facts["masks_seconds"]) / 20 == pytest.approx(table()["time_mask"].at(severity) / 100, abs=0.025)
        assert all(not wave[round(start * SAMPLE_RATE) :][:1600].any() for start in facts["masks_seconds"])


def test_codecs_stay_in_step_and_name_their_rate(speech: Tensor, corpus: list[Path]) -> None:
    for name, least in (("mp3", 8.0), ("opus", 6.0), ("telephone", 0.0), ("gsm", 0.0)):
        rates = []
        for severity in (1, 4) if name in ("mp3", "opus") else (1,):
            wave, facts = build(name, severity, corpus).corrupt(speech, SEED)
            rates.append(facts["kbit_per_second"])
            correlation = np.correlate(wave.numpy(), speech[400:-400].numpy(), "valid")
            assert abs(int(np.abs(correlation).argmax()) - 400) <= 6, f"{name} moved the speech"
        assert rates == sorted(rates, reverse=True) and rates[-1] >= least
    telephone, _ = build("telephone", 1, corpus).corrupt(speech, SEED)
    power = torch.fft.rfft(telephone.double()).abs().square()
    assert float(power[int(len(power) * 0.55) :].sum() / power.sum()) < 1e-6, "nothing above 4 kHz"


def test_a_codec_loses_packets_when_asked(speech: Tensor, corpus: list[Path]) -> None:
    wave, facts = build("opus", 1, corpus, loss=30).corrupt(speech, SEED)
    plain, _ = build("opus", 1, corpus).corrupt(speech, SEED)
    assert facts["random"] and facts["lost_packets"] and not torch.equal(wave, plain)


def test_recordings_of_your_own(speech: Tensor, corpus: list[Path], tmp_path: Path) -> None:
    for name, param in (("environmental_noise", "noise"), ("music", "music"), ("crosstalk", "speech")):
        wave, facts = build(name, 2, [], **{param: str(corpus[0].parent)}).corrupt(speech, SEED)
        assert facts["recording"] in {path.name for path in corpus} and "kind" not in facts
        recording = audio.quantize16(audio.load(corpus[0].parent / facts["recording"]))
        assert facts["pcm_sha256"] == audio.pcm_sha256(recording)
        added = (wave - speech).double()
        start = round(facts["start_seconds"] * SAMPLE_RATE)
        expected = recording.roll(-start).repeat(10)[: len(added)].double()
        assert float(added @ expected / (added.norm() * expected.norm())) > 0.99, "that stretch of that recording"
        (tmp_path / name).mkdir()
        with pytest.raises((SpecError, AttackError), match=r"no audio|no such"):
            build(name, 2, [], **{param: str(tmp_path / name)}).corrupt(speech, SEED)


def test_crosstalk_takes_another_clip_of_the_corpus(speech: Tensor, corpus: list[Path]) -> None:
    own = audio.quantize16(audio.load(corpus[0]))
    _, facts = build("crosstalk", 1, corpus).corrupt(own, SEED)
    assert facts["recording"] in {path.stem for path in corpus[1:]}, "never itself"
    _, same = build("crosstalk", 1, list(reversed(corpus))).corrupt(own, SEED)
    assert facts == same, "the order of the corpus does not matter"
    with pytest.raises(AttackError, match="speech=FOLDER"):
        build("crosstalk", 1, [corpus[0]]).corrupt(own, SEED)
    attack = build("crosstalk", 1, corpus)
    attack.set_corpus(clips(corpus), {"pcm_sha256": "0" * 64})
    with pytest.raises(AttackError, match="neither in the run nor where it was"):
        attack.corrupt(speech, SEED)


def test_a_damaged_neighbour_costs_no_other_clip(speech: Tensor, corpus: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(corpus[0].read_bytes()[:200])
    for seed in range(4):
        _, facts = build("crosstalk", 1, [broken, corpus[1]]).corrupt(speech, seed)
        assert facts["recording"] == corpus[1].stem


def test_crosstalk_is_found_again_outside_the_run(speech: Tensor, corpus: list[Path]) -> None:
    """With --limit the other utterance need not be among the clips of the run."""
    wave, facts = build("crosstalk", 1, corpus).corrupt(speech, SEED)
    attack = build("crosstalk", 1, [])
    attack.set_corpus([], facts)
    again, same = attack.corrupt(speech, SEED)
    assert torch.equal(again, wave) and same == facts


def test_minutes_of_speech_go_through_every_codec(speech: Tensor) -> None:
    """libsndfile's Vorbis ends the process when it is given minutes at once."""
    long = speech.repeat(100)
    wave, _ = build("vorbis", 1, []).corrupt(long, SEED)
    assert wave.shape == long.shape
    short, _ = build("vorbis", 1, []).corrupt(speech, SEED)
    assert snr_db(speech[:16000], short[:16000]) == pytest.approx(snr_db(speech[:16000], wave[:16000]), abs=3)


def test_as_an_attack_it_hears_once_and_takes_no_limit() -> None:
    victim = load_victim("tiny", device="cpu")
    batch = Batch.of([tones(0), tones(1, 0.5)])
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    attack = build_attack("corruption:speed_up", severity=2)
    results = attack.craft(victim, batch, heard, Objective(), Budget(), [1, 2], options=SearchOptions(max_queries=1))
    for clip, result in zip(batch.clips(), results, strict=True):
        assert isinstance(result, Crafted) and result.queries == 1 and result.steps == 0
        assert len(result.waveform) == round(len(clip) / 1.5) and result.draws["value"] == 1.5
        assert result.trace[0]["heard"] == victim.transcribe(Batch.of([result.waveform]))[0].text
    with pytest.raises(AttackError, match="--snr-db"):
        attack.check(victim, Objective(), Budget(snr_db=20))
    with pytest.raises(AttackError, match="too short"):
        build_attack("corruption:speed_up", severity=4).corrupt(tones(0, 0.15), 1)


def test_names_and_severities_that_are_not_known() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gaussian_noise'"):
        ATTACKS.get("corruption:gausian_noise")
    with pytest.raises(UnknownNameError, match="corruption:NAME"):
        ATTACKS.get("corruptions")
    with pytest.raises(SpecError, match="severity"):
        build_attack("corruption:gain", severity=5)
    with pytest.raises(SpecError, match="noise"):
        build_attack("corruption:gain", noise="folder")
    assert "corruption:NAME" in attacks_for(load_victim("tiny"))


def test_the_page_holds_the_table_as_it_is() -> None:
    page = (ROOT / "docs" / "reference" / "corruptions.md").read_text(encoding="utf-8")
    with TABLE.open(newline="") as stream:
        for row in csv.DictReader(stream):
            cells = (f"`{row['name']}`", *(row[f"severity_{level}"] for level in LEVELS), row["unit"], row["note"])
            assert "| " + " | ".join(cells) + " |" in page, row["name"]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_says_what_it_is(name: str) -> None:
    for field, info in CORRUPTIONS.get(name).Params.model_fields.items():
        assert info.description, f"{name}: {field} has no description"
