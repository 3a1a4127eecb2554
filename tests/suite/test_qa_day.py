"""A day of a QA engineer with a recogniser of their own: nothing is green for the wrong reason, or red without its name."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from own_recogniser import OwnRecogniser
from speechlike import voiceattack
from suite_fixture import run, summary

from voiceattack.suite.rounds import Round

TRUST = "--trust"
DAY = timedelta(days=1)


@pytest.fixture
def own(tmp_path: Path) -> OwnRecogniser:
    return OwnRecogniser(tmp_path)


def verdicts(suite: Path) -> dict[str, str]:
    return {one["gate"]: one["verdict"] for one in summary(suite)["gates"]}


def in_junit(suite: Path, kind: str) -> list[str]:
    """Names of the cases with such a result."""
    root = ET.parse(suite.parent / "out" / "junit.xml").getroot()
    return [str(case.get("name")) for case in root.iter("testcase") if case.find(kind) is not None]


def test_both_colours_as_a_process_with_exit_code_and_files(own: OwnRecogniser) -> None:
    suite = own.suite()
    done = voiceattack("run", suite, "--out", own.folder / "out", TRUST)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("PASSED") == 2 and "suite suite: passed" in done.stdout
    own.change(fragile=["order1", "order4"])
    done = voiceattack("run", suite, "--out", own.folder / "out", TRUST)
    assert done.returncode == 1, "the model behind the program is another, though nothing that can be seen has changed"
    assert "FAILED     success_rate <= 0.2 (own, noise): success_rate is 0.333 [" in done.stdout
    assert "0 artefacts crafted, 6 from before" in done.stdout
    assert "note: 6 artefacts were crafted in an earlier run, on what command:" in done.stdout
    assert "a new 'version' crafts them anew" in done.stdout
    (failed,) = in_junit(suite, "failure")
    assert failed.startswith("success_rate <= 0.2") and verdicts(suite)["wer_clean <= 0.1"] == "passed"


def test_a_recogniser_that_hears_one_clip_of_three_passes_nothing(tmp_path: Path) -> None:
    own = OwnRecogniser(tmp_path, clips=3)
    own.change(deaf=["order0", "order2"])
    suite = own.suite(gates=["success_rate <= 0.2"])
    code, text, errors = run(suite, TRUST)
    assert code == 2 and "ERROR      success_rate <= 0.2 (own, noise): too few clips to judge: 1, at least 5 are needed" in text
    assert "2 clips left out, misheard before any attack" in text and "could not be judged" in errors
    assert run(own.suite(gates=[{"gate": "success_rate <= 0.2", "min_clips": 1}]), TRUST)[0] == 0
    assert run(own.suite(gates=["success_rate <= 0.2"], min_clips=1), TRUST)[0] == 0


def test_with_a_version_answers_are_kept_and_said_to_be_old(own: OwnRecogniser) -> None:
    versioned = {"victim": {"version": "1"}}
    suite = own.suite(**versioned)
    code, text, _ = run(suite, TRUST)
    assert code == 0 and "earlier run" not in text
    own.change(fragile=list(own.state["said"]))
    code, text, _ = run(suite, TRUST)
    today = summary(suite)["earlier"]["first"][:10]
    assert code == 0 and f"note: 12 of 12 answers are from an earlier run, of {today}" in text
    assert f"12 of 12 answers are from an earlier run, of {today}" in (own.folder / "out" / "report.md").read_text()
    own.program.write_text(own.program.read_text() + "\n# another program\n")
    code, text, _ = run(suite, TRUST)
    assert code == 1 and "earlier run" not in text, "its file changed, whatever its version is called"
    own.change(fragile=[])
    assert run(own.suite(victim={"version": "2"}), TRUST)[0] == 0


def known(**changes: Any) -> dict[str, Any]:
    return {"clip": "order1", "reason": "the lamp's name is short", "ticket": "VOICE-7", **changes}


def test_a_known_failure_fails_nothing_and_a_new_one_fails_by_name(own: OwnRecogniser) -> None:
    own.change(fragile=["order1"])
    gates = [{"gate": "success_rate == 0", "min_clips": 1}]
    code, text, _ = run(own.suite(gates=gates), TRUST)
    assert code == 1 and "worst: order1-" in text
    suite = own.suite(gates=gates, expected=[known()])
    code, text, _ = run(suite, TRUST)
    assert code == 0 and "known: expected: clip order1: fooled (the lamp's name is short, VOICE-7)" in text
    assert "over 5 clips" in text, "it is not among those that the gate judges"
    (one,) = summary(suite)["expected"]
    assert one["state"] == "expected" and one["clips"][0]["id"].startswith("order1-")
    assert in_junit(suite, "failure") == [] and "clip order1: fooled" in in_junit(suite, "skipped")
    page = (own.folder / "out" / "report.md").read_text()
    assert "## Known failures" in page and "VOICE-7" in page
    own.change(fragile=["order1", "order3"])
    code, text, _ = run(suite, TRUST)
    assert code == 1 and "worst: order3-" in text and "worst: order1-" not in text, "the new one, by name"


def test_a_known_failure_that_is_gone_is_told_and_one_that_expired_fails(own: OwnRecogniser) -> None:
    suite = own.suite(expected=[known()])
    code, text, _ = run(suite, TRUST)
    assert (
        code == 0 and "known: fixed: clip order1: fooled (the lamp's name is short, VOICE-7); take it out of 'expected'" in text
    )
    own.change(fragile=["order1"])
    yesterday, tomorrow = date.today() - DAY, date.today() + DAY
    suite = own.suite(expected=[known(until=yesterday)])
    code, text, _ = run(suite, TRUST)
    assert code == 1 and f"known: expired on {yesterday}: clip order1: fooled" in text
    assert verdicts(suite)["success_rate <= 0.2"] == "passed", "one of six: it is the day that fails"
    assert in_junit(suite, "failure") == ["clip order1: fooled"]
    assert run(own.suite(expected=[known(until=tomorrow)]), TRUST)[0] == 0


def test_known_failures_of_a_tag_and_of_a_gate(own: OwnRecogniser) -> None:
    own.change(fragile=["order1", "order2"])
    all_orders = {"tag": "orders", "reason": "known since spring"}
    code, text, _ = run(own.suite(gates=[{"gate": "success_rate <= 0.2", "min_clips": 1}], expected=[all_orders]), TRUST)
    assert code == 0 and "known: expected: tag orders: fooled" in text
    suite = own.suite(expected=[{"gate": "success_rate <= 0.2", "reason": "waits for the new model"}])
    code, text, _ = run(suite, TRUST)
    assert code == 0 and verdicts(suite)["success_rate <= 0.2"] == "expected"
    assert "EXPECTED   success_rate <= 0.2 (own, noise): success_rate is 0.333" in text and "waits for the new model" in text
    own.change(fragile=[])
    code, text, _ = run(suite, TRUST)
    assert code == 0 and "known: fixed: gate success_rate <= 0.2: failed" in text
    own.change(deaf=["order5"])
    code, text, _ = run(own.suite(gates=["wer_clean <= 0"], expected=[known(clip="order5", outcome="misheard")]), TRUST)
    assert code == 0 and "known: expected: clip order5: misheard" in text


def test_a_known_failure_is_not_fixed_by_what_was_not_seen(own: OwnRecogniser) -> None:
    """Misheard when clean, not heard at all, or a gate that could not be judged: nothing was mended."""
    by_gate = {"gate": "success_rate <= 0.2", "reason": "waits for the new model"}
    suite = own.suite(expected=[known(), by_gate], gates=["success_rate <= 0.2"])
    own.change(deaf=["order1", "order2"])
    code, text, _ = run(suite, TRUST)
    assert code == 2 and "too few clips to judge: 4" in text
    assert "known: not tried: clip order1: fooled (the lamp's name is short, VOICE-7); this run cannot tell" in text
    assert "known: not tried: gate success_rate <= 0.2: failed" in text and "known: fixed" not in text
    own.change(deaf=[], broken=["order1"])
    assert "known: not tried: clip order1: fooled" in run(suite, TRUST)[1]
    own.change(broken=[])
    assert "known: fixed: clip order1: fooled" in run(suite, TRUST)[1]


def test_one_recording_attacked_often_is_one_clip(tmp_path: Path) -> None:
    own = OwnRecogniser(tmp_path, clips=3)
    attacks = [{"attack": "noise", "budget": {"snr_db": snr}, "name": f"noise{snr}"} for snr in (20, 30)]
    suite = own.suite(attacks=attacks, gates=[{"gate": "success_rate <= 1", "per": ["victim"]}])
    code, text, _ = run(suite, TRUST)
    assert code == 2 and "too few clips to judge: 3, at least 5 are needed (min_clips)" in text
    assert "over 6 clips, 3 of them different" in text


def test_what_could_not_be_heard_is_said_beside_the_figure(own: OwnRecogniser) -> None:
    own.change(broken=["order0"])
    code, text, _ = run(own.suite(), TRUST)
    assert code == 0 and "over 5 clips (1 clip left out, which could not be crafted or heard)" in text
    assert "(1 clip left out, which could not be heard)" in text
    own.change(broken=[])
    assert "left out" not in run(own.suite(), TRUST)[1], "it answers now"
    pinned = own.suite(victim={"version": "1"})
    own.change(broken=["order0"])
    assert "left out, which could not be crafted or heard" in run(pinned, TRUST)[1]
    own.change(broken=[])
    code, text, _ = run(pinned, TRUST)
    assert code == 0 and "which could not be crafted or heard" not in text, "a failure is no answer that is kept"


def test_a_function_is_heard_anew_too(own: OwnRecogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    (own.folder / "qa_ear.py").write_text(
        "import json, pathlib\n"
        "def make():\n"
        "    state = json.loads(pathlib.Path(__file__).with_name('model.json').read_text())\n"
        "    said = lambda wave: state['said'][state['lengths'][str(len(wave))]]\n"
        "    return lambda wave, rate: 'thank you' if state['invents'] else said(wave)\n"
    )
    monkeypatch.syspath_prepend(str(own.folder))
    suite = own.suite(victims=[{"name": "own", "victim": "python:qa_ear:make"}])
    assert run(suite, TRUST)[0] == 0
    own.change(invents=True)
    code, text, _ = run(suite, TRUST)
    assert code == 1 and "FAILED     wer_clean <= 0.1" in text


def test_a_round_waits_a_day_for_who_is_silent(tmp_path: Path) -> None:
    first = Round.begin(tmp_path)
    first.wait()
    assert Round.begin(tmp_path).begun == first.begun
    old = (datetime.now(timezone.utc) - 2 * DAY).isoformat(timespec="microseconds")
    Round(tmp_path, old).wait()
    assert not Round.begin(tmp_path).resumed, "what the others said two days ago is too old"
    Round(tmp_path, old)._kept(finished=False)
    assert Round.begin(tmp_path).resumed, "one that was cut goes on"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"clip": "ordre1", "reason": "x"}, "expected: names clip 'ordre1' (did you mean 'order1'?)"),
        ({"gate": "success_rate <= 0.3", "reason": "x"}, "expected: names gate 'success_rate <= 0.3'"),
        ({"tag": "order", "reason": "x"}, "names tag 'order'"),
        ({"clip": "order1", "victim": "owl", "reason": "x"}, "names victim 'owl'"),
        ({"clip": "order1", "tag": "orders", "reason": "x"}, "give exactly one of 'clip', 'tag' and 'gate'"),
        ({"clip": "order1"}, "reason"),
        ({"clip": "order1", "outcome": "unreliable", "reason": "x"}, "of a clip it is one of fooled, misheard, invented, error"),
    ],
)
def test_a_known_failure_that_names_nothing_is_an_error(own: OwnRecogniser, entry: dict[str, str], told: str) -> None:
    code, _, errors = run(own.suite(expected=[entry]), TRUST)
    assert code == 2 and told in errors, errors
    assert not (own.folder / "out" / "cells").exists()


def test_what_does_not_answer_is_found_before_anything_is_crafted(own: OwnRecogniser) -> None:
    own.change(dead=True)
    code, text, errors = run(own.suite(), TRUST)
    assert code == 2 and not (own.folder / "out" / "cells").exists(), "nothing was crafted"
    assert "own heard none of the clean clips, so nothing is crafted for it" in errors and "the licence has expired" in errors
    page = (own.folder / "out" / "report.html").read_text()
    assert "own heard none of the clean clips" in page.partition("</h1>")[0], "the verdict names it"
    assert "own heard none of the clean clips: " in (own.folder / "out" / "report.md").read_text()
    misspelt = {"name": "own", "spec": own.spec.replace("recogniser.py", "recognizer.py")}
    assert run(own.suite(victims=[misspelt]), TRUST, out="typo")[0] == 2 and not (own.folder / "typo" / "cells").exists()
    both = [{"name": "own", "spec": own.spec}, {"name": "toy", "spec": "tiny"}]
    suite = own.suite(victims=both, gates=[{"gate": "success_rate <= 1", "victim": "own"}])
    code, text, errors = run(suite, TRUST)
    assert code == 2 and "ERROR      success_rate <= 1 (own): it heard none of the clean clips" in text
    assert summary(suite)["cells"][0]["heard_by"] == ["toy"], "the other goes on"
    own.change(dead=False)
    code, text, _ = run(suite, TRUST)
    assert code == 0 and "6 artefacts crafted, 6 from before" in text


def test_cells_say_who_heard_them_and_seeds_that_clean_clips_were_heard_once(own: OwnRecogniser) -> None:
    victims = [{"name": "deployed", "spec": own.spec, "crafted_on": "tiny"}, {"name": "toy", "spec": "tiny"}]
    suite = own.suite(victims=victims, gates=["success_rate <= 1"], repeat=2, inputs=["recordings/order0.wav"], min_clips=1)
    code, text, _ = run(suite, TRUST)
    assert code == 0 and "note: repeat: the clean clips were heard once, not once a seed" in text
    cells = summary(suite)["cells"]
    assert [(one["crafted_on"], one["heard_by"], one["seed"]) for one in cells] == [
        ("tiny", ["deployed", "toy"], n) for n in (0, 1)
    ]
    page = (own.folder / "out" / "report.md").read_text()
    assert re.search(r"\| crafted on +\| heard by", page) and "deployed, toy" in page


def test_a_run_that_was_cut_goes_on_as_the_same_run(own: OwnRecogniser) -> None:
    code, _, errors = run(own.suite(limits={"seconds": 1e-6}, gates=["success_rate <= 0.2"]), TRUST)
    assert code == 2 and "not finished: " in errors
    own.change(deaf=list(own.state["said"]))
    code, text, _ = run(own.suite(gates=["wer_clean <= 0"]), TRUST)
    assert code == 0 and "note: this went on with the run begun at" in text, "what was heard when clean counts"
    assert run(own.suite(gates=["wer_clean <= 0"]), TRUST)[0] == 1, "the next run asks anew"
