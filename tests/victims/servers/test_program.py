"""Any program as a victim: what it is given, what counts, and what it costs when it misbehaves."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
import torch
from speechlike import tones, write_clips

from voiceattack.audio import Batch, pcm_sha256
from voiceattack.audio import clips as audio
from voiceattack.craft import AttackRequest, craft
from voiceattack.errors import SpecError, VictimError
from voiceattack.victims import load_victim

DIGEST = """
import hashlib, sys, wave
with wave.open(sys.argv[sys.argv.index("--file") + 1]) as file:
    print(file.getframerate(), file.getnchannels(), hashlib.sha256(file.readframes(file.getnframes())).hexdigest())
print(sys.argv[1:-2])
"""


def program(folder: Path, code: str, name: str = "my asr.py") -> str:
    """A script, as the words that run it."""
    path = folder / name
    path.write_text(code)
    return f"'{sys.executable}' '{path}'"


def hear(spec: str, *clips: torch.Tensor) -> list[str]:
    return [heard.text for heard in load_victim(spec, "cpu").transcribe(Batch.of(clips or [tones(0)]))]


def test_the_program_gets_every_sample_and_no_shell(tmp_path: Path) -> None:
    spec = f"command:{program(tmp_path, DIGEST)} '$(touch {tmp_path}/owned)' ';' '*' --file {{audio}}"
    first, second, nothing = hear(spec, tones(0), tones(1, seconds=1.1), torch.zeros(0))
    arguments = [f"$(touch {tmp_path}/owned)", ";", "*"]
    assert first == f"16000 1 {pcm_sha256(tones(0))}\n{arguments}" and pcm_sha256(tones(1, seconds=1.1)) in second
    assert nothing == "" and not (tmp_path / "owned").exists()
    assert load_victim(spec, "cpu").spec == spec and load_victim(spec, "cpu").costly


def test_the_file_is_gone_afterwards(tmp_path: Path) -> None:
    (path,) = hear(f"command:{program(tmp_path, 'import sys; print(sys.argv[1])')} --wav={{audio}}")
    assert path.startswith("--wav=") and not Path(path.removeprefix("--wav=")).exists()


def test_question_marks_of_the_command_are_its_own(tmp_path: Path) -> None:
    script = program(tmp_path, "import sys; print(sys.argv[1:-1])")
    assert hear(f"command:{script} what? http://h/?a=b {{audio}}") == ["['what?', 'http://h/?a=b']"]
    assert hear(f"command:{script} http://h/?a=b {{audio}}?timeout=9&language=de") == ["['http://h/?a=b']"]
    assert hear(f"command:{script} {{audio}} http://h/?a=b?")[0].startswith("['/"), "a bare ? at the end: no options"
    with pytest.raises(SpecError, match="unknown option 'a'; known: timeout, language"):
        load_victim(f"command:{script} {{audio}} http://h/?a=b", "cpu")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; sys.stderr.write('load\\n' * 200 + 'no model'); sys.exit(3)", r"exit code 3 \(it said: \.\.\..*no model\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11; run it by hand"),
        ("import sys; sys.stdout.buffer.write(b'RIFF' + bytes(9))", "printed binary data"),
        ("while True: print('word ' * 1000)", "printed more than 64 KiB"),
    ],
)  # fmt: skip
def test_a_program_that_fails(tmp_path: Path, code: str, says: str) -> None:
    with pytest.raises(VictimError, match=says) as failed:
        hear(f"command:{program(tmp_path, code)} {{audio}}?timeout=20")
    assert "\n" not in str(failed.value) and len(str(failed.value)) < 700


def test_text_that_is_no_utf_8_is_heard_all_the_same(tmp_path: Path) -> None:
    assert hear(f"command:{program(tmp_path, 'import sys; sys.stdout.buffer.write(bytes([104, 105, 255]))')} {{audio}}") == [
        "hi�"
    ]


FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "w") as file:
    file.write(str(child.pid))
sys.stderr.write("still loading")
sys.stderr.flush()
if sys.argv[2] == "wait":
    time.sleep(600)
print("said and done")
"""


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("what", ["wait", "leave"])
def test_its_children_go_with_it(tmp_path: Path, what: str) -> None:
    pid = tmp_path / "pid"
    spec = f"command:{program(tmp_path, FAMILY)} '{pid}' {what} {{audio}}?timeout=3"
    if what == "wait":
        with pytest.raises(VictimError, match=r"no transcript within 3 s, killed \(it said: still loading\); raise \?timeout"):
            hear(spec)
    else:
        assert hear(spec) == ["said and done"]
    until = time.monotonic() + 10
    while alive(int(pid.read_text())) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(int(pid.read_text())), "its child lives on"


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("command:", SpecError, r"must name \{audio\}, for example"),
        ("command:my-asr --file x.wav", SpecError, r"must name \{audio\}"),
        ("command:my-asr 'open {audio}", SpecError, "No closing quotation; quote its words"),
        ("command:my-asr {audio}?timeout=never", SpecError, "option timeout 'never': must be a number"),
        ("command:no-such-recogniser {audio}", VictimError, "command 'no-such-recogniser': no such program; install it"),
        (f"command:{os.devnull} {{audio}}", VictimError, "cannot be run"),
    ],
)
def test_mistakes_are_one_line_each(spec: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        hear(spec)


def test_a_program_that_fails_on_one_clip_costs_that_clip(tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 3)
    code = DIGEST.replace("print(file", "text = (file").replace("print(sys.argv[1:-2])", "print(text)")
    bad = pcm_sha256(audio.load(paths[1]))
    spec = f"command:{program(tmp_path, code + f'sys.exit({bad!r} in str(text))')} --file {{audio}}"
    said: list[str] = []
    request = AttackRequest(inputs=tuple(paths), victim=spec, attack="noise", budget={"snr_db": 30})
    run = craft(request, tmp_path / "run", on_error=said.append)
    assert [example.error is None for example in run.examples()] == [True, False, True] and "exit code 1" in said[0]
