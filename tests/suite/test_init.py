"""``voiceattack init``: the suite that it writes is valid, runs, and says of itself what is true."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from speechlike import in_process, write_clips

from voiceattack.suite.gates import parse_gate
from voiceattack.suite.load import load_suite
from voiceattack.suite.plan import plan
from voiceattack.suite.schema import json_schema


def test_init_writes_a_suite_that_is_valid_and_says_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clips(tmp_path / "recordings", 2)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text("{}")
    write_clips(tmp_path / "old", 1)
    monkeypatch.chdir(tmp_path)
    done = in_process("init", "--victim", "tiny")
    assert (done.returncode, done.stderr) == (0, "") and "inputs: recordings;" in done.stdout
    text = (tmp_path / "suite.yaml").read_text()
    assert text.splitlines()[0] == "# yaml-language-server: $schema=./suite.schema.json"
    assert (tmp_path / "suite.schema.json").read_text() == json_schema() and "2 clips" in text
    suite = load_suite(tmp_path / "suite.yaml")
    jsonschema.validate(yaml.safe_load(text), json.loads(json_schema()))
    assert suite.inputs[0].path == "recordings" and len(plan(suite, [])) == 0 and len(suite.gates) == 5
    assert all(parse_gate(gate).hint == "" for gate in suite.gates)
    assert "needs the words said" in text and "\n  # - wer_clean <= 0.10\n" in text, (
        "none is written down here, so the gate could not be judged"
    )
    assert "# 2 clips are few: a figure of fewer than five is not judged." in text
    again = in_process("init")
    assert again.returncode == 2 and "exists already" in again.stderr
    assert in_process("init", "--force", "--quiet").stdout == ""


def test_a_gate_that_the_bundled_victim_cannot_hold_says_so_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for victim, off, gates in (("whisper-tiny.en", "# ", 5), ("tiny", "", 6)):
        assert in_process("init", "--victim", victim, "--force").returncode == 0
        text = (tmp_path / "suite.yaml").read_text()
        assert f"\n  {off}- false_transcript_rate <= 0.20" in text and "\n  - wer_clean <= 0.10\n" in text
        assert len(load_suite(tmp_path / "suite.yaml").gates) == gates
        assert ("The run fails, as it should." in text) is bool(off)
        assert "clips are few" not in text


def test_init_for_a_victim_without_gradients_writes_a_suite_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crafted on the bundled Whisper; here on the toy, which is quicker."""
    write_clips(tmp_path / "in", 5)
    (tmp_path / "ear.py").write_text("print('hello there')")
    monkeypatch.chdir(tmp_path)
    spec = f"command:{sys.executable} ear.py {{audio}}"
    assert in_process("init", "in", "--victim", spec).returncode == 0
    text = (tmp_path / "suite.yaml").read_text()
    assert "\n    crafted_on: whisper-tiny.en  # it has no gradients" in text
    (tmp_path / "suite.yaml").write_text(text.replace("crafted_on: whisper-tiny.en", "crafted_on: tiny"))
    done = in_process("run", "suite.yaml", "--trust")
    verdicts = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))}
    assert (done.returncode, verdicts.pop("false_transcript_rate")) == (1, "FAILED"), done.stderr
    assert set(verdicts.values()) == {"PASSED"} and "success_rate" in verdicts


def test_init_without_inputs_takes_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "samples" in in_process("init").stdout
    missing = in_process("init", "nothing", "--out", "b.yaml")
    assert missing.returncode == 2 and "nothing" in missing.stderr and not (tmp_path / "b.yaml").exists()


@pytest.mark.slow
def test_on_the_bundled_victim_all_gates_hold_but_the_one_that_the_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of what a newcomer runs first, of its two attacks the quiet one, on five of its eight clips."""
    monkeypatch.chdir(tmp_path)
    assert in_process("init").returncode == 0
    text = Path("suite.yaml").read_text()
    loud = text[text.index("  - attack: pgd") : text.index("  - attack: pgd\n    name: quiet")]
    told = "# Whisper tiny.en does not hold this: 40 dB fooled it on 4 of 5 samples. The run fails, as it should."
    assert f"{told}\n  - gate: success_rate <= 0.20 at snr_db >= 30\n" in text
    Path("suite.yaml").write_text(text.replace(loud, "").replace("limit: 8", "limit: 5"))
    done = in_process("run", "suite.yaml", "-o", "all.json")
    gates = json.loads(Path("all.json").read_text())["gates"]
    assert {gate["gate"] for gate in gates if gate["verdict"] != "passed"} == {"success_rate <= 0.2 at snr_db >= 30"}, done.stdout
    assert (done.returncode, len(gates)) == (1, 5)
    (failed,) = (gate for gate in gates if gate["verdict"] == "failed")
    assert failed["value"] >= 0.6 and failed["n"] == 5, "the file says 4 of 5"
    # The known failure that the file has ready, without its #: the same results are green, and say why.
    known = '# expected:\n#   - {gate: "success_rate'
    Path("suite.yaml").write_text(Path("suite.yaml").read_text().replace(known, known.replace("# ", "")))
    done = in_process("run", "suite.yaml")
    assert done.returncode == 0 and "0 artefacts crafted, 5 from before" in done.stdout, done.stdout
    assert "failed as expected: waits for the next model" in done.stdout
