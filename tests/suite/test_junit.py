"""junit.xml of a suite, as the format's schema, two viewers' parsers and CI servers read it."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import junitparser
import pytest
import xmlschema
import yaml
from junit2htmlreport import parser as junit2html
from speechlike import ROOT, in_process
from suite_fixture import run, summary, write_suite

from voiceattack.suite.junit import to_junit

LOUD = {"attack": "noise", "name": "loud", "budget": {"snr_db": -5}}
QUIET = {"attack": "noise", "name": "quiet", "budget": {"snr_db": 90}}
GATES = [
    "success_rate <= 0.2",
    {"gate": "wer <= 100", "attack": "quiet"},
    "success_rate <= 1 at pesq >= 5",
    "wer_clean <= 0.1",
    "false_transcript_rate < 0",
]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which gates pass, fail and cannot be judged, a clip is misheard when clean, and an input is missing."""
    folder = tmp_path_factory.mktemp("junit")
    suite = write_suite(folder, attacks=[LOUD, QUIET], gates=GATES)
    asked = yaml.safe_load(suite.read_text())
    asked["inputs"] += [{"generate": "no-speech", "kinds": ["white-noise"], "seconds": 1}, "in/m.jsonl"]
    lines = [{"audio_filepath": "none.wav"}, {"audio_filepath": "misheard.wav", "text": "words that nobody hears"}]
    shutil.copy(folder / "in" / "clip1.wav", folder / "in" / "misheard.wav")
    (folder / "in" / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    suite.write_text(yaml.safe_dump(asked))
    assert run(suite)[0] == 1
    return suite


@pytest.fixture
def file(suite: Path) -> Path:
    return suite.parent / "out" / "junit.xml"


def read(file: Path) -> dict[str, junitparser.TestSuite]:
    return {suite.name: suite for suite in junitparser.JUnitXml.fromfile(str(file))}


def test_it_is_valid_and_each_viewer_counts_the_same(file: Path) -> None:
    xmlschema.validate(str(file), str(ROOT / "tests" / "junit.xsd"))
    found = read(file)
    assert set(found) == {"gates", "loud on toy", "quiet on toy", "clean on toy", "no speech on toy", "inputs"}
    page = junit2html.Junit(str(file))
    assert {suite.name: len(suite.all()) for suite in page.suites} == {name: suite.tests for name, suite in found.items()}
    assert {suite.name: len(suite.failed()) for suite in page.suites} == {
        name: suite.failures + suite.errors for name, suite in found.items()
    }
    assert "success_rate &lt;= 0.2" in page.html()
    total = ET.parse(file).getroot()
    for count in ("failures", "errors", "skipped", "tests"):
        assert int(total.get(count, "")) == sum(int(getattr(one, count)) for one in found.values()), count


def test_gates_alone_fail_and_each_once(file: Path) -> None:
    found = read(file)
    results = {case.name: [type(result).__name__ for result in case.result] for case in found["gates"]}
    assert results["success_rate <= 0.2 (toy, loud)"] == ["Failure"] and results["success_rate <= 0.2 (toy, quiet)"] == []
    assert any(name.startswith("success_rate <= 1 at pesq >= 5") and kinds == ["Error"] for name, kinds in results.items())
    assert {name: one.failures for name, one in found.items() if one.failures} == {"gates": 3}
    assert found["inputs"].errors == 1
    properties = {item.name: item.value for item in found["gates"].properties()}
    assert properties["verdict"] == "failed" and properties["crafted"] == "6"


def test_a_failed_gate_names_all_its_clips_and_attaches_them(suite: Path, file: Path) -> None:
    (gate,) = (one for one in summary(suite)["gates"] if one["name"] == "success_rate <= 0.2 (toy, loud)")
    assert len(gate["clips"]) == 2 and gate["clips"][0] == gate["worst"]
    (case,) = (case for case in read(file)["gates"] if case.name == gate["name"])
    text = case.result[0].text
    for clip in gate["clips"]:
        assert f"{clip['id']} (toy, loud, {clip['snr_db']:.1f} dB SNR)\n" in text and f"heard:       {clip['heard']}" in text
        assert f"[[ATTACHMENT|{file.parent / clip['file']}]]" in case.system_out
    assert text.startswith("2 clips speak against it, the worst first:")


def test_clips_have_cases_of_their_own_with_seconds_and_a_recording(suite: Path, file: Path) -> None:
    found, told = read(file), summary(suite)
    loud = {case.name: case for case in found["loud on toy"]}
    messages = [result.message for case in loud.values() for result in case.result]
    assert all(re.fullmatch(r"fooled at -[45]\.\d dB SNR: whether so many may be, the gates say", one) for one in messages[:2])
    assert messages[2:] == ["the clean clip is misheard already: not scored"]
    assert [case.name for case in found["quiet on toy"] if case.result] == [name for name in loud if "misheard" in name]
    for example in (one for one in told["examples"] if one["attack"] == "loud"):
        case = loud[f"{example['id']} seed 0 on toy"]
        assert case.time == pytest.approx(example["seconds"], abs=5e-4) and case.time > 0
        (attached,) = re.findall(r"^\[\[ATTACHMENT\|(.+)\]\]$", case.system_out, re.MULTILINE)
        assert Path(attached).is_absolute() and Path(attached).samefile(file.parent / example["file"])
    clean = {case.name: case for case in found["clean on toy"]}
    assert len(clean) == 3 and sum(bool(case.result) for case in clean.values()) == 1
    assert any("misheard without an attack, WER 1.00" in result.message for case in clean.values() for result in case.result)
    for heard in told["clean"]:
        group = found["no speech on toy"] if heard["kind"] == "no-speech" else found["clean on toy"]
        (case,) = (case for case in group if case.name == f"{heard['id']} on toy")
        assert heard["seconds"] > 0 and case.time == pytest.approx(heard["seconds"], abs=6e-4)
    (silent,) = (one["hypothesis"] for one in told["clean"] if one["kind"] == "no-speech")
    (case,) = found["no speech on toy"]
    assert f"heard:       {silent or '(nothing)'}\n" in case.system_out
    assert all("[[ATTACHMENT|" in case.system_out for case in (*clean.values(), *found["no speech on toy"]))


def test_figures_are_rounded(file: Path) -> None:
    values = [item.get("value", "") for item in ET.parse(file).iter("property")]
    numbers = [value for value in values if re.fullmatch(r"-?\d+\.\d+(e.*)?", value)]
    assert numbers and all(len(value.partition(".")[2]) <= 3 for value in numbers), numbers


def test_gitlab_gets_paths_below_its_project(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = suite.parent / "out"
    told = summary(suite)
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_PROJECT_DIR", str(suite.parent))
    assert f"[[ATTACHMENT|out/{told['examples'][0]['file']}]]" in to_junit(told, out)
    monkeypatch.setenv("CI_PROJECT_DIR", str(suite.parent / "elsewhere"))
    assert f"[[ATTACHMENT|{out / told['examples'][0]['file']}]]" in to_junit(told, out)


def test_transcripts_that_xml_cannot_hold_stay_readable(suite: Path, tmp_path: Path) -> None:
    found = summary(suite)
    found["examples"][0]["hypothesis"] = "\x00<script>]]>\x1b\u202e & \ud800"
    file = tmp_path / "hostile.xml"
    file.write_text(to_junit(found), encoding="utf-8")
    xmlschema.validate(str(file), str(ROOT / "tests" / "junit.xsd"))
    assert any("<script>]]>" in (case.system_out or "") for one in junitparser.JUnitXml.fromfile(str(file)) for case in one)


def test_a_misheard_recording_of_one_s_own_is_played_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(tmp_path, 1, attacks=[QUIET], gates=["wer_clean <= 0.1"], inputs=["in/m.jsonl"])
    (tmp_path / "in" / "m.jsonl").write_text('{"audio_filepath": "clip0.wav", "text": "words that nobody hears"}\n')
    monkeypatch.chdir(tmp_path)
    done = in_process("run", "suite.yaml")
    assert done.returncode == 1 and re.search(r"; play in/clip0\.wav$", done.stdout, re.MULTILINE), done.stdout
    text = Path("suite-run/junit.xml").read_text()
    assert "play:        in/clip0.wav\n" in text and f"[[ATTACHMENT|{tmp_path}/in/clip0.wav]]" in text


def test_known_failures_are_skipped_with_their_reason(tmp_path: Path) -> None:
    """A clip that is fooled, one that cannot be read, a gate, and one that has expired."""
    expected = [
        {"clip": "clip0", "outcome": "fooled", "reason": "a short word"},
        {"clip": "broken", "outcome": "error", "reason": "cut in the studio", "ticket": "V-1"},
        {"gate": "wer <= 0.1", "reason": "waits for the new model"},
        {"clip": "clip1", "reason": "was to be mended", "until": "2020-01-31"},
    ]
    gates = [{"gate": "success_rate <= 0.5", "min_clips": 1}, {"gate": "wer <= 0.1", "min_clips": 1}]
    suite = write_suite(tmp_path, attacks=[LOUD], gates=gates, expected=expected)
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF")
    asked = yaml.safe_load(suite.read_text())
    asked["inputs"].append("in/broken.wav")
    suite.write_text(yaml.safe_dump(asked))
    run(suite)
    file = tmp_path / "out" / "junit.xml"
    xmlschema.validate(str(file), str(ROOT / "tests" / "junit.xsd"))
    found = {(suite.name, case.name.partition("-")[0]): case.result for suite in read(file).values() for case in suite}
    (fooled,), (broken,) = found["loud on toy", "clip0"], found["clean on toy", "broken"]
    assert (fooled.type, fooled.message) == (None, "known failure: fooled, a short word")
    assert isinstance(broken, junitparser.Skipped) and broken.message == "known failure: error, cut in the studio"
    (gate,) = (result for (_, name), result in found.items() if name.startswith("wer <= 0.1"))
    assert isinstance(gate[0], junitparser.Skipped) and gate[0].message.startswith("known failure: wer is")
    kinds = {
        name.partition(":")[0]: type(result[0]).__name__ for (group, name), result in found.items() if group == "known failures"
    }
    assert kinds == {"clip clip0": "Skipped", "clip broken": "Skipped", "gate wer <= 0.1": "Skipped", "clip clip1": "Failure"}
