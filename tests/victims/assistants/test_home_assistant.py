"""A running Home Assistant as a victim: judged by its states, put back each time, and every broken server costs one item.

The fast tests ask a small server of their own over real sockets. The slow one asks the real Home Assistant, when it is there: set
HOME_ASSISTANT_URL and HOME_ASSISTANT_TOKEN, or HOME_ASSISTANT_DIR to a folder in which ``scripts/home_assistant.py up`` is up.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import read
from speechlike import ROOT, environment, in_process, tones, write_clips
from thief import thief
from tls import make_certificate, relayed

from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.errors import SpecError, VictimError
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent

pytest.importorskip("websockets", reason="the extra home-assistant is not installed")

from home_assistant_fixture import LAMP, LOCK, TOKEN, SmallHome, small_home

ON = "HassTurnOn{name=light.lamp}"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real" not in request.fixturenames:
        monkeypatch.setenv("HOME_ASSISTANT_TOKEN", TOKEN)


@pytest.fixture
def home() -> Iterator[SmallHome]:
    with small_home() as server:
        yield server


def spec(server: SmallHome, **options: Any) -> str:
    told = "&".join(f"{name}={value}" for name, value in {"settle": 0, "timeout": 5, **options}.items())
    return f"home-assistant+{server.url}?{told}"


def victim_of(server: SmallHome, **options: Any) -> Any:
    return load_victim(spec(server, **options), "cpu")


def hear(victim: Victim) -> Transcript:
    return victim.transcribe(Batch.of([tones(1)]))[0]


def test_a_sentence_is_judged_by_the_state_and_put_back(home: SmallHome) -> None:
    victim = victim_of(home)
    action = victim.interpret("Turn on the lamp.")
    assert str(action) == ON and action.evidence["answer"] == "Done"
    # Neither the helper behind the lamp, which is hidden from Assist, nor the sensor that nobody set.
    assert action.evidence["changes"] == [{"entity": LAMP, "before": "off", "after": "on"}]
    assert home.states[LAMP] == "off", "the next sentence finds the home as this one did"
    assert victim.interpret("Turn on the lamp.") == action
    void = victim.interpret("Turn on the lamp\u200b.")
    assert not void and void.evidence == {"answer": "Sorry, I couldn't understand that", "changes": []}


def test_an_answer_that_the_state_belies_is_no_success(home: SmallHome) -> None:
    victim, wanted = victim_of(home), Objective(f"action:{ON}", "turn on the lamp")
    assert wanted.succeeded("", "turn on the lamp", victim.interpret)
    home.broken.add(LAMP)
    action = victim.interpret("turn on the lamp")
    assert str(action) == "HassTurnOn{unchanged=light.lamp}" and action.evidence["answer"] == "Done"
    assert not wanted.succeeded("", "turn on the lamp", victim.interpret)
    assert str(victim.interpret("lock the door")) == "HassTurnOn{unchanged=lock.front}", "it is locked already"
    home.states[LOCK] = "unlocked"
    assert victim.interpret("lock the door").evidence["changes"][0]["after"] == "locked" and home.states[LOCK] == "unlocked"


def test_audio_goes_through_the_pipeline_whole(home: SmallHome) -> None:
    victim = victim_of(home, pipeline="Home%20Assistant", tail=0.5)
    heard = hear(victim)
    assert heard.text == "turn on the lamp" and str(heard.action) == ON == heard.details["action"] and home.states[LAMP] == "off"
    assert home.heard == [audio.pcm16(torch.cat([tones(1), torch.zeros(8000)]))]
    home.says = ""
    assert hear(victim).text == "" and not hear(victim).action
    home.says = "fail"
    with pytest.raises(VictimError, match="its pipeline failed"):
        hear(victim)
    with pytest.raises(VictimError, match="no Assist pipeline 'other'; it has 'Home Assistant'"):
        hear(victim_of(home, pipeline="other"))


@pytest.mark.parametrize(
    ("wrong", "at", "words"),
    [
        ("hang", "websocket", "no answer within 0.5 s"),
        ("drip", "websocket", "no answer within 0.5 s"),
        ("close", "websocket", "(closed the connection|does not speak websocket)"),
        ("garbage", "websocket", "does not speak websocket"),
        ("html", "websocket", "answered HTTP 200 where a websocket was asked for"),
        ("401", "websocket", "refused the token"),
        ("hang", "post", "no answer within 0.5 s"),
        ("drip", "post", "no answer within 0.5 s"),
        ("close", "post", "closed the connection without an answer"),
        ("drip-body", "post", "no answer within 0.5 s"),
        ("garbage", "post", "does not speak HTTP"),
        ("html", "post", "answered text/html instead of JSON"),
        ("401", "post", "refused the token"),
        ("500", "post", r"answered 500 'oh \*\*\*'"),
        ("hang", "pipeline", "no answer within 0.5 s"),
        ("close", "pipeline", "closed the connection"),
    ],
)
def test_a_broken_server_is_one_clear_line(wrong: str, at: str, words: str) -> None:
    with small_home(wrong, at) as server:
        victim = victim_of(server, timeout=0.5)
        with pytest.raises(VictimError, match=words) as caught:
            hear(victim) if at == "pipeline" else victim.interpret("turn on the lamp")
        assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)
        assert str(caught.value).startswith(f"home-assistant+{server.url}")
        assert server.dripped < 60, "it was cut, not read to its end"


def test_a_long_token_that_the_server_repeats_is_cut_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9." + "0123456789" * 16 + "-_"
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", token)
    with small_home("cut", "post") as server:
        server.token = token
        with pytest.raises(VictimError, match=r"answered 500 'x+ \*\*\* y+'") as caught:
            victim_of(server).interpret("turn on the lamp")
        assert token[:8] not in str(caught.value)
    with small_home("echo", "post") as server:
        server.token = token
        assert victim_of(server).interpret("nothing that it knows").evidence["answer"] == "***", "records are no better a place"
    with small_home() as server:
        server.token = server.says = token
        assert hear(victim_of(server)).text == "***"


def test_a_token_that_is_none_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("two\nlines", "t\u00f6ken"):
        monkeypatch.setenv("HOME_ASSISTANT_TOKEN", wrong)
        with pytest.raises(VictimError, match="token in HOME_ASSISTANT_TOKEN has characters that no token has") as caught:
            load_victim("home-assistant+http://127.0.0.1:8123", "cpu")
        assert wrong not in str(caught.value) and "two" not in str(caught.value)


def test_an_action_from_the_cache_is_the_action_seen(home: SmallHome, tmp_path: Path) -> None:
    clips, out = write_clips(tmp_path / "in", 1), tmp_path / "run"
    asked = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--no-evaluate")
    assert in_process("attack", *clips, *asked, "--out", out, "--objective", "untargeted").returncode == 0
    rows, served = [], []
    for _ in range(2):
        done = in_process("evaluate", out, "--victim", spec(home), "--cache", tmp_path / "cache")
        assert done.returncode == 0, done.stderr
        rows.append(read(out / "results.jsonl"))
        served.append(home.served)
    told = json.dumps(rows[0])
    assert rows[0] == rows[1] and f'"action": "{ON}"' in told and '"after": "on"' in told
    assert served[0] == served[1] > 0, "nothing is said to the home a second time, as text neither"


def test_a_server_that_takes_no_audio_ends_in_time_too() -> None:
    with small_home("deaf", "frames") as server:
        victim = victim_of(server, timeout=1)
        with pytest.raises(VictimError, match="no answer within 1 s"):  # 10 MB: more than lies in the sockets' buffers
            victim.transcribe(Batch.of([torch.zeros(300 * audio.SAMPLE_RATE)]))


def test_the_wrong_token_and_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with small_home() as server:
        monkeypatch.setenv("HOME_ASSISTANT_TOKEN", "another-token")
        with pytest.raises(VictimError, match="refused the token; set HOME_ASSISTANT_TOKEN") as caught:
            victim_of(server).interpret("turn on the lamp")
        assert "another-token" not in str(caught.value)
        victim = victim_of(server)
    with pytest.raises(VictimError, match="cannot be reached"):
        victim.interpret("turn on the lamp")


def test_over_tls_with_its_certificate_checked(home: SmallHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    with relayed(int(home.url.rpartition(":")[2]), certificate) as port:
        address = f"home-assistant+https://127.0.0.1:{port}?settle=0&timeout=10"
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(VictimError, match=r"cannot be reached \(self.signed certificate\)"):
            load_victim(address, "cpu").transcribe(Batch.of([tones(1)]))
        assert not home.heard
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        victim: Any = load_victim(address, "cpu")
        assert hear(victim).text == "turn on the lamp" and str(victim.interpret("turn on the lamp")) == ON


def test_a_server_of_tls_that_drips_is_left_in_time() -> None:
    """No single byte is late."""
    with small_home("drip-tls") as server, pytest.raises(VictimError, match="no answer within 1 s"):
        load_victim(f"home-assistant+https{server.url[4:]}?timeout=1", "cpu").transcribe(Batch.of([tones(1)]))


def test_specs_that_cannot_be() -> None:
    for wrong, words in (
        ("home-assistant+http:127.0.0.1:8123", "must read"),
        ("home-assistant+http://", "must read"),
        ("home-assistant+http://127.0.0.1:99999", "must read"),
        ("home-assistant+http://me:secret@127.0.0.1:8123", "must read"),
        ("home-assistant+http://127.0.0.1:8123?token=x", "the token is no option"),
        ("home-assistant+https://127.0.0.1:8123?pipelines=x", "unknown option 'pipelines'"),
        ("home-assistant+http://127.0.0.1:8123?timeout=soon", "option timeout 'soon': must be a number"),
        ("home-assistant+http://127.0.0.1:8123/höme", "percent-encode it: /h%C3%B6me"),
    ):
        with pytest.raises(SpecError, match=words) as caught:
            load_victim(wrong, "cpu")
        assert "secret" not in str(caught.value)


def test_without_a_token_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME_ASSISTANT_TOKEN")
    with pytest.raises(VictimError, match="in the environment variable HOME_ASSISTANT_TOKEN"):
        load_victim("home-assistant+http://127.0.0.1:8123", "cpu")


def test_one_bad_answer_costs_one_item_and_the_report_shows_the_states(tmp_path: Path) -> None:
    clips, out = write_clips(tmp_path / "in", 2), tmp_path / "run"
    asked = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--no-evaluate")
    assert in_process("attack", *clips, *asked, "--out", out, "--objective", "untargeted").returncode == 0
    with small_home("close", "pipeline", times=1) as server:
        done = in_process("evaluate", out, "--victim", spec(server), "-o", tmp_path / "report.md")
        assert done.returncode == 0, done.stderr
    rows = [row for line in (out / "results.jsonl").read_text().splitlines() if not (row := json.loads(line))["control_for"]]
    assert [row["outcome"] for row in rows].count("error") == 1 and "closed the connection" in str([row["error"] for row in rows])
    (good,) = (row for row in rows if row["outcome"] != "error")
    assert good["action"] == ON and good["evidence"]["changes"] == [{"entity": LAMP, "before": "off", "after": "on"}]
    assert "light.lamp: off → on" in (tmp_path / "report.md").read_text()
    with small_home() as server:
        server.says = "nothing that it knows"
        assert in_process("evaluate", out, "--victim", spec(server)).returncode == 0
    told = [
        row["evidence"]["answer"]
        for line in (out / "results.jsonl").read_text().splitlines()
        if (row := json.loads(line)).get("action") == "-"
    ]
    assert "Sorry, I couldn't understand that" in told, "what it answered is kept where it did nothing, too"
    assert not [path for path in out.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_texts_and_audio_in_one_report(home: SmallHome, tmp_path: Path) -> None:
    texts, clips = tmp_path / "texts", tmp_path / "clips"
    asked = ("--perturbation", "zero-width", "--victim", spec(home))
    assert in_process("text", "turn on the lamp", *asked, "--out", texts).returncode == 0
    (row,) = (json.loads(line) for line in (texts / "results.jsonl").read_text().splitlines())
    assert (row["outcome"], row["clean_answer"], row["answer"]) == ("fooled", ON, "-")
    assert row["clean_evidence"]["changes"] and not row["evidence"]["changes"]
    noise = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--no-evaluate", "--objective", "untargeted")
    assert in_process("attack", *write_clips(tmp_path / "in", 1), *noise, "--out", clips).returncode == 0
    assert in_process("evaluate", clips, "--victim", spec(home)).returncode == 0
    done = in_process("report", clips, texts, "-o", tmp_path / "both.md")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "both.md").read_text()
    assert "light.lamp: off → on" in page and "⟨U+200B⟩" in page and "\u200b" not in page
    for run in (clips, texts):
        assert in_process("report", run, "-o", tmp_path / "alone.html").returncode == 0
        alone = (tmp_path / "alone.html").read_text()
        assert "What the home did" in alone and "<code>light.lamp: off → on</code>" in alone and "\u200b" not in alone
    assert "(clips/audio/" in page and "(texts/report.md)" in page
    done = in_process("report", clips, texts)
    assert done.returncode == 2 and "-o FILE.md" in done.stderr
    done = in_process("report", clips, texts, "-o", tmp_path / "both.csv")
    assert done.returncode == 2 and "-o FILE.md" in done.stderr


def test_an_action_seen_counts_before_the_text() -> None:
    did = Transcript("lock the door", action=Intent("HassTurnOn", {"name": LOCK}))
    other = Transcript("lock the door", action=Intent())

    def never(text: str) -> Intent:
        raise AssertionError(f"{text!r} was said twice")

    assert Objective("wrong-action").met(other, did, never) and Objective("no-action").met(did, other, never)
    assert not Objective("wrong-action").met(did, did, never) and not Objective("no-action").met(other, did, never)


def test_the_configuration_holds_the_home_and_listens_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from home_assistant_config import configuration, left_out

    from voiceattack.victims.assistants.home import Home, default_home

    home = Home.read(default_home())
    config = configuration(home, 8123)
    assert config["http"] == {"server_host": "127.0.0.1", "server_port": 8123} and not left_out(home)
    made = json.dumps(config)
    for entity in home.entities:
        assert entity.domain == "todo" or f'"{entity.id}"' in made, f"{entity.id} is not made"


def test_the_script_says_what_it_lacks_and_stops_nothing_of_others(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    script = [sys.executable, str(ROOT / "scripts" / "home_assistant.py")]

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [*script, *arguments, "--dir", str(tmp_path / "place")]
        return subprocess.run(line, capture_output=True, text=True, timeout=120, env=environment(), check=False)

    done = ask("status")
    assert done.returncode == 1 and "server: does not run" in done.stdout
    done = ask("up", "--python", "no-such-python")
    assert done.returncode == 2 and "name another with --python" in done.stderr and "Traceback" not in done.stderr
    state = tmp_path / "place" / "state.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    state.write_text(json.dumps({"server_pid": os.getpid(), "recogniser_pid": 1}))
    assert ask("down").returncode == 0 and "stopping" not in ask("down").stdout, "these are not its own"


def test_the_script_follows_no_redirection_and_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import home_assistant

    with thief() as other, small_home("redirect", "post") as home:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
        home.location = f"http://localhost:{other.port}/"
        assert home_assistant.ask(f"{home.url}/auth/login_flow", body={"password": "of the home"}) is None
        assert home.served == 1 and not other.got


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> str:
    """The spec of a real Home Assistant with the home of samples/home.yaml."""
    url, folder = os.environ.get("HOME_ASSISTANT_URL"), os.environ.get("HOME_ASSISTANT_DIR")
    if url and os.environ.get("HOME_ASSISTANT_TOKEN"):
        return f"home-assistant+{url}"
    if not folder or not (Path(folder) / "token").is_file():
        pytest.skip("no Home Assistant: set HOME_ASSISTANT_URL and _TOKEN, or HOME_ASSISTANT_DIR (scripts/home_assistant.py up)")
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", (Path(folder) / "token").read_text())
    return f"home-assistant+http://127.0.0.1:{json.loads((Path(folder) / 'state.json').read_text())['port']}"


@pytest.mark.slow
def test_the_real_home_assistant_acts_and_is_put_back(real: str) -> None:
    victim: Any = load_victim(real, "cpu")
    lamp = "HassTurnOn{name=light.living_room_lamp}"
    on = victim.interpret("turn on the living room lamp")
    assert str(on) == lamp and [change["entity"] for change in on.evidence["changes"]] == ["light.living_room_lamp"]
    assert victim.interpret("turn on the living room lamp") == on, "it was put back"
    void = victim.interpret("turn on the living room lamp\u200b")
    assert not void and not void.evidence["changes"]
    assert str(victim.interpret("unlock the front door")) == "HassTurnOff{name=lock.front}"
    heard = victim.transcribe(Batch.of([audio.load(ROOT / "samples" / "command-28.flac")]))[0]
    assert "lamp" in heard.text.lower() and str(heard.action) == lamp
    assert victim.transcribe(Batch.of([torch.zeros(16_000)]))[0].action == Intent()
