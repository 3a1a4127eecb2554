"""The page of a suite's run: the verdict first, each gate in a sentence, what changed and what was, and nothing that runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from browser import chromium
from own_recogniser import OwnRecogniser
from page_check import check_page
from speechlike import in_process
from suite_fixture import run

from voiceattack.suite.again import again
from voiceattack.suite.earlier import MOST, keep_last
from voiceattack.suite.page import to_html
from voiceattack.suite.words import consequence, found_sentence, gate_sentence, headline

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"


def gate(verdict: str = "failed", **changes: Any) -> dict[str, Any]:
    facts = {
        "name": "success_rate <= 0.2 (own, pgd)",
        "gate": "success_rate <= 0.2",
        "figure": "success_rate",
        "decides": "estimate",
    }
    group = {"victim": "own", "attack": "pgd", "tag": None, "verdict": verdict, "reason": "success_rate is 0.5 over 6 clips"}
    return {**facts, **group, "value": 0.5, "interval": [0.2, 0.8], "n": 6, "seeds": [], "clips": [], "worst": None, **changes}


def summary(*gates: dict[str, Any], **changes: Any) -> dict[str, Any]:
    counts = {"clips": 6, "crafted": 6, "reused": 0, "heard_clean": 6, "seconds": 1.0, "steps": 0, "queries": 0}
    empty: dict[str, Any] = {
        name: [] for name in ("hints", "incomplete", "expected", "cells", "stale", "unusable", "examples", "clean")
    }
    told = {
        "suite": "s",
        "verdict": "failed",
        "exit_code": 1,
        "seeds": [0],
        "shard": None,
        "gates": list(gates),
        "counts": counts,
    }
    places = {
        "finished": "2026-11-27T08:24:00+00:00",
        "commit": None,
        "victims": [{"name": "own", "spec": "tiny", "version": None}],
    }
    return {"format": "voiceattack suite summary 1", **told, **empty, "silent": {}, "earlier": {}, **places, **changes}


def clip(**changes: Any) -> dict[str, Any]:
    facts = {"id": "order-1-pgd", "victim": "own", "attack": "pgd", "said": "turn on the lamp", "heard_clean": "turn on the lamp"}
    return {**facts, "heard": "turn off the lamp", "snr_db": 40.0, "wer": 0.25, "file": None, **changes}


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        (["passed"], "The gate holds"),
        (["passed", "passed"], "All 2 gates hold"),
        (["failed", "passed", "failed"], "2 of 3 gates failed"),
        (["failed", "error", "unreliable"], "1 of 3 gates failed, 1 unreliable, 1 could not be judged"),
        (["expected", "passed"], "1 of 2 gates hold, 1 failed as expected"),
        ([], "No gates"),
    ],
)
def test_the_verdict_in_one_sentence(verdicts: list[str], told: str) -> None:
    assert headline(summary(*map(gate, verdicts))) == told


def test_what_spoils_the_verdict_stands_beside_it() -> None:
    known = {"state": "expired", "gate": None, "clips": [], "told": "expired on 2026-01-01: clip a: fooled"}
    assert headline(summary(gate("passed"), expected=[known])) == "The gate holds, 1 known failure has expired"
    assert headline(summary(gate("passed"), incomplete=["the limit"])) == "The gate holds, not all was done"
    assert headline(summary(shard="1/2")).startswith("Shard 1/2")


@pytest.mark.parametrize(
    ("asked", "figure", "told"),
    [
        ("success_rate <= 0.2 at snr_db >= 30", "success_rate", "Share of clips fooled: at most 20%, at snr_db >= 30"),
        ("wer_clean < 0.1", "wer_clean", "Word error rate of the clean clips, over the corpus: less than 0.1"),
        ("no_longer_known == 3", "no_longer_known", "No_longer_known: exactly 3"),
    ],
)
def test_a_gate_in_words(asked: str, figure: str, told: str) -> None:
    assert gate_sentence({"gate": asked, "figure": figure}) == told


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("success_rate is 0.286 [0.082, 0.641] over 7 clips (1 left out)", "28.6% [8.2%, 64.1%] of 7 clips (1 left out)"),
        ("success_rate is 1 over 1 clips", "100% of 1 clip"),
        ("wer_clean is 0.5 [0.2, 0.8] over 6 clips", "wer_clean is 0.5 [0.2, 0.8] over 6 clips"),
        ("too few to judge", "too few to judge"),
    ],
)
def test_what_was_found_in_words(reason: str, told: str) -> None:
    assert found_sentence({"figure": reason.split()[0], "reason": reason}) == told


def test_what_an_assistant_did_in_words() -> None:
    turned = clip(action="HassTurnOff{name=light.lamp}", reference_action="HassTurnOn{name=light.lamp}")
    assert consequence(turned) == "turned light.lamp off"
    assert consequence(clip(action="-", reference_action="HassTurnOn{name=a}")) == "made it do nothing, not turn on a"
    for did, meant, told in (
        ("HassTurnOff{name=lock.front}", "HassTurnOn{name=lock.front}", "unlocked lock.front"),
        ("HassTurnOn{domain=cover,area=garage}", "-", "opened cover garage, and should do nothing"),
        ("HassTurnOff{name=light.a}", "HassTurnOff{name=light.b}", "turned light.a off, and should turn off light.b"),
        ("HassStartTimer{minutes=5}", "HassStartTimer{minutes=15}", "made it start timer 5, not start timer 15"),
        ("HassTurnOff", "HassTurnOn", "made it turn off, not turn on"),
    ):
        assert consequence(clip(action=did, reference_action=meant)) == told
    assert consequence(clip()) is None
    page = to_html(summary(gate(clips=[turned])))
    assert page.count("“<i><bdi>turn on the lamp</bdi></i>” <b><bdi>turned light.lamp off</bdi></b>") == 2, "on top, and its gate"


def test_commands_that_make_it_again() -> None:
    made = clip(file="cells/pgd-tiny-0-12/audio/order-1-pgd.flac")
    assert again(made, {}) == "voiceattack replay cells/pgd-tiny-0-12 order-1-pgd"
    assert again(clip(), {}) == "" and again(clip(file="in/a b.wav", attack=None), {"own": "tiny"}) == (
        "voiceattack transcribe 'in/a b.wav' --victim tiny"
    )


def test_hostile_names_and_transcripts_are_text() -> None:
    hostile = clip(id=HOSTILE, said=HOSTILE, heard=HOSTILE, heard_clean=HOSTILE + "x", victim=HOSTILE, attack=HOSTILE)
    bad = gate(name=HOSTILE, reason=HOSTILE, clips=[hostile])
    more = {
        "suite": HOSTILE,
        "hints": [HOSTILE],
        "silent": {HOSTILE: HOSTILE},
        "unusable": [{"input": HOSTILE, "error": HOSTILE}],
    }
    page = to_html(summary(bad, **more))
    assert "<img" not in page and "\u202e" not in page and page.count("</script>") == 1


def test_the_summary_before_is_kept_and_the_oldest_go(tmp_path: Path) -> None:
    keep_last(tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing is there to be kept"
    for number in range(MOST + 3):
        (tmp_path / "summary.json").write_text(
            json.dumps(summary(finished=f"2026-01-01T00:{number // 60:02}:{number % 60:02}+00:00"))
        )
        keep_last(tmp_path)
    kept = sorted(path.name for path in (tmp_path / "earlier").iterdir())
    assert len(kept) == MOST and kept[0] == "2026-01-01T00-00-03+00-00.json"


def test_no_summary_is_kept_elsewhere_and_a_damaged_one_or_a_shards_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    for text in (json.dumps(summary(finished="../../x", shard="1/2")), "{", "[]", json.dumps(summary(finished="../../x"))):
        (out / "summary.json").write_text(text)
        keep_last(out)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*x.json")] == ["deep/out/earlier/..-..-x.json"]


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: all good and blessed, good, and bad; one failure is known."""
    folder = tmp_path_factory.mktemp("page")
    own = OwnRecogniser(folder)
    suite = own.suite(expected=[{"clip": "order1", "reason": "the lamp's name is short", "ticket": "VOICE-7"}])
    assert run(suite, "--trust")[0] == 0
    done = in_process("bless", folder / "out", "--baseline", folder / "voiceattack-baseline.json", "--yes")
    assert done.returncode == 0, done.stderr
    assert run(suite, "--trust")[0] == 0
    page = (folder / "out" / "report.html").read_text()
    assert "PASS</span> All 2 gates hold" in page and 'stamp FAIL"' not in page and "<audio" not in page
    own.change(fragile=["order1", "order2", "order4"])
    assert run(suite, "--trust")[0] == 1
    return folder


def test_the_page_on_which_a_release_is_decided(decided: Path) -> None:
    out = decided / "out"
    page = (out / "report.html").read_text()
    assert "FAIL</span> 1 of 2 gates failed" in page
    first = page.index("Share of clips fooled: at most 20%")
    assert first < page.index("Word error rate of the clean clips"), "what failed comes first"
    assert "was heard as <b>“<bdi>open the garage door</bdi>”</b>" in page
    sounds = re.findall(r'<audio [^>]*src="([^"]+)"', page)
    assert len(sounds) == 3 and all((out / unquote(sound)).is_file() for sound in sounds)
    command = re.search(r"<code>voiceattack (replay cells/\S+ order\d-\S+)</code>", page)
    assert command is not None and (out / command[1].split()[1]).is_dir()
    assert "Known failures" in page and "clip order1: fooled (the lamp&#39;s name is short, VOICE-7)" in page
    assert "Since the baseline" in page and "newly fooled" in page and "(baseline 0%, known failures counted)" in page
    assert "Over the last 3 runs" in page and page.count('class="chart over-runs"') == 2


def test_report_writes_it_again_and_elsewhere(decided: Path, tmp_path: Path) -> None:
    out = decided / "out"
    (out / "report.html").unlink()
    done = in_process("report", out)
    assert done.returncode == 0 and done.stdout == f"written: {out / 'report.html'}\n", done.stderr
    elsewhere = tmp_path / "deep" / "page.html"
    elsewhere.parent.mkdir()
    assert in_process("report", out, "-o", elsewhere, "-o", tmp_path / "j.xml").returncode == 0
    sounds = re.findall(r'<audio [^>]*src="([^"]+)"', elsewhere.read_text())
    assert sounds and all((elsewhere.parent / unquote(sound)).is_file() for sound in sounds)
    for options, told in (
        (["--baseline", tmp_path / "none.json"], "no such baseline"),
        (["--history", tmp_path / "none"], "no such folder or file"),
        (["--format", "htlm"], "format 'htlm' is none of a suite's (did you mean 'html'?)"),
        ([tmp_path], "name it alone"),
    ):
        done = in_process("report", out, *options)
        assert done.returncode == 2 and told in done.stderr, done.stderr
    summary_file = out / "summary.json"
    whole = summary_file.read_text()
    summary_file.write_text(whole[:100])
    done = in_process("report", out)
    assert done.returncode == 2 and "summary.json" in done.stderr
    summary_file.write_text(whole)


def test_the_page_in_a_browser(decided: Path) -> None:
    with chromium() as page:
        check_page(page, decided / "out" / "report.html")


def test_a_recording_that_is_misheard_when_clean_is_named_from_the_runs_folder(tmp_path: Path) -> None:
    own = OwnRecogniser(tmp_path)
    own.change(deaf=["order2"])
    assert run(own.suite(gates=["wer_clean <= 0"]), "--trust")[0] == 1
    page = (tmp_path / "out" / "report.html").read_text()
    command = re.search(r"<code>voiceattack transcribe (\S+) --victim", page)
    assert command is not None and (tmp_path / "out" / command[1]).is_file(), "typed in the run's folder it finds the sound"


def test_history_takes_what_a_run_kept_of_those_before(decided: Path) -> None:
    done = in_process("history", decided / "out", "-o", decided / "history.json")
    assert done.returncode == 0 and len(json.loads((decided / "history.json").read_text())["suites"][0]["runs"]) == 3
