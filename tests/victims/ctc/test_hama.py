"""``hama``: a real CTC model on real speech, against the package's own engine; phones count as words."""

from __future__ import annotations

import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from speechlike import ROOT

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.errors import AudioError, SpecError, TargetError, VictimError
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim
from voiceattack.victims.ctc.hama import HAMA
from voiceattack.victims.ctc.hama_file import MARK, read_hama
from voiceattack.victims.ctc.phones import PHONES, Phones
from voiceattack.victims.ctc.victim import CTCVictim

installed = pytest.mark.skipif(find_spec("hama") is None, reason="hama is not installed (extra hama)")
CLIP = ROOT / "samples" / "command-46.flac"
OWN = """
import sys, numpy, soundfile
from hama.asr import ASRModel
wave, rate = soundfile.read(sys.argv[1], dtype="float32")
print(*ASRModel().transcribe_waveform(wave, rate).frame_token_ids)
"""


@pytest.fixture(scope="module")
def victim() -> CTCVictim:
    found = load_victim("hama", "cpu")
    assert isinstance(found, CTCVictim)
    return found


@installed
def test_each_frame_is_heard_as_the_package_hears_it(victim: CTCVictim) -> None:
    done = subprocess.run([sys.executable, "-c", OWN, str(CLIP)], capture_output=True, text=True, check=True)
    expected = list(map(int, done.stdout.split()))
    logits, frames = victim.logits(Batch.of([audio.load(CLIP)]))
    assert int(frames) == len(expected) > 50 and logits[0].argmax(dim=-1).tolist() == expected


@installed
def test_phones_are_moved_by_a_search_and_not_by_noise(victim: CTCVictim) -> None:
    clip = audio.load(CLIP)
    (clean,) = victim.transcribe(Batch.of([clip]))
    (crafted,) = build_attack("pgd", steps=30).craft(
        victim, Batch.of([clip]), [clean.text], Objective("untargeted"), Budget(snr_db=30.0), [0]
    )
    assert not isinstance(crafted, Exception)
    noise = torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))
    noisy = clip + noise * (crafted.waveform - clip).norm() / noise.norm()
    rates = []
    for wave in (crafted.waveform, noisy):
        (heard,) = victim.transcribe(Batch.of([wave]))
        rates.append(word_errors(normalize(clean.text, PHONES), normalize(heard.text, PHONES)).wer)
    assert rates[0] >= 0.5 > rates[1], rates


@installed
def test_what_it_does_not_take_is_told(victim: CTCVictim) -> None:
    with pytest.raises(TargetError, match="'door', which are no phones"):
        victim.check_target("door")
    victim.check_target("d ɔ ɹ | h i")
    with pytest.raises(SpecError, match="takes no path"):
        load_victim("hama:folder", "cpu")
    with pytest.raises(AudioError, match="fewer than the 400"):
        victim.transcribe(Batch.of([torch.zeros(399)]))


def test_phones_are_spelt_with_spaces_and_words_with_bars() -> None:
    phones = Phones(("", "h", "i", "aɪ", "<wb>", "<blank>"), blank=5, delimiter="<wb>")
    assert phones.encode("h aɪ | i") == [1, 3, 4, 2] and phones.encode("") == []
    assert phones.decode([4, 1, 1, 5, 3, 3, 4, 4, 5, 4, 2, 5, 2, 4]) == "h aɪ | i i"
    assert phones.trimmed([4, 1, 4, 4, 2]) == [1, 2]
    with pytest.raises(TargetError, match="'x'"):
        phones.encode("h x")


def test_files_that_are_damaged_are_errors(tmp_path: Path) -> None:
    entry = struct.pack("<H", 1) + b"a" + struct.pack("<BBIQQ", 0, 1, 2, 0, 8)
    whole = MARK + struct.pack("<I", 1) + entry
    whole += b"\0" * (-len(whole) % 16) + struct.pack("<2f", 1.0, 2.0)
    path = tmp_path / "a.hama"
    path.write_bytes(whole)
    assert read_hama(path)["a"].tolist() == [1.0, 2.0]
    for content in (b"", whole[:10], whole[:-1], MARK + b"\xff" * 40, b"x" + whole[1:]):
        path.write_bytes(content)
        with pytest.raises(VictimError, match=r"a\.hama"):
            read_hama(path)
    with pytest.raises(VictimError):
        HAMA.weights(tmp_path)
