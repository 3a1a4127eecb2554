"""The blind ABX test: its trials, its server, its page in a browser, and what the answers say."""

from __future__ import annotations

import csv
import io
import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import soundfile
from browser import chromium, console, requests, serious_findings, until
from local_fixture import get
from speechlike import in_process, write_clips

from voiceattack.errors import RunError
from voiceattack.listening import Answer, Session, detection, read_answers, trials_of
from voiceattack.listening.server import ListeningServer
from voiceattack.report import render
from voiceattack.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("listen")
    options = ("--victim", "tiny", "--steps", "4", "--snr-db", "20", "--no-report", "--out", folder / "run")
    done = in_process("attack", *write_clips(folder / "in", 3), *options)
    assert done.returncode == 0, done.stderr
    return Run.open(folder / "run")


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[ListeningServer] = []

    def start(session: Session) -> ListeningServer:
        server = ListeningServer(session)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_trials_are_blind_balanced_and_the_same_each_time(run: Run) -> None:
    trials = trials_of(run, "ann", repeat=100)
    assert len(trials) == 600 and trials == trials_of(run, "ann", repeat=100) != trials_of(run, "bob", repeat=100)
    for share in (sum(trial.a == "clean" for trial in trials) / 600, sum(trial.right == "a" for trial in trials) / 600):
        assert 0.42 < share < 0.58
    assert {trial.attack for trial in trials} == {"pgd", "noise, same SNR (control)"}
    assert all({trial.a, trial.b} == {"clean", "adversarial"} and trial.x in (trial.a, trial.b) for trial in trials)
    assert len(trials_of(run, "ann", most=2)) == 2


def test_the_server_gives_nothing_away_and_nothing_away_from_it(run: Run, serve: Any) -> None:
    server = serve(Session(run, "probe"))
    trial = server.session.next()
    base = server.url.split(server.session.token)[0]
    for wrong in ("", "wrong/", "wrong/a.wav", f"{server.session.token}/../run.json", f"{server.session.token}/%2e%2e/run.json"):
        assert get(base + wrong)[0] == 404, wrong
    assert get(server.url, Host="evil.example")[0] == 404, "DNS rebinding"
    status, state = get(server.url + "trial")
    assert status == 200 and json.loads(state) == {"trial": 0, "total": 6, "listener": "probe"}
    sounds = {name: get(server.url + f"{name}.wav")[1] for name in "abx"}
    assert sounds["x"] == sounds[trial.right] != sounds["b" if trial.right == "a" else "a"]
    assert len({len(data) for data in sounds.values()}) == 1 and not any(b"adversarial" in data for data in sounds.values())
    assert soundfile.info(io.BytesIO(sounds["a"])).samplerate == 16000
    for body in (b"", b"{", b"[]", b'{"trial": 0}', b"x" * 5000, b'{"trial":0,"answer":"a","seconds":NaN,"plays":{}}'):
        assert get(server.url + "answer", body)[0] == 400, body
    for number in (b"1e999", b"-1e999", b"NaN"):
        for body in (
            b'{"trial":%s,"answer":"a","seconds":1,"plays":{}}',
            b'{"trial":0,"answer":"a","seconds":1,"plays":{"a":%s}}',
        ):
            assert get(server.url + "answer", body % number)[0] == 400, body % number
    for told in ({"trial": 5, "answer": "a"}, {"trial": 0, "answer": "c"}):
        assert get(server.url + "answer", json.dumps({**told, "seconds": 1, "plays": {}}).encode())[0] == 409
    assert read_answers(run) == []


def talk(server: ListeningServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=60) as connection:
        connection.sendall(request)
        return connection.recv(100)


def test_the_server_says_nothing_on_the_terminal(run: Run, serve: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever it is sent, and when a tab is closed in the middle."""
    server = serve(Session(run, "tab"))
    host = f"Host: 127.0.0.1:{server.server_address[1]}\r\n".encode()
    for address in (b"http://[", b"http://]x[/", b"//[", b"\xff\xfe", b"%", b"/" * 70_000):
        assert b" 4" in talk(server, b"GET " + address + b" HTTP/1.1\r\n" + host + b"\r\n")[:14], address[:20]
    path = urlsplit(server.url).path.encode()
    before = threading.active_count()
    for _ in range(20):  # closed while three sounds are on their way
        with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=60) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(
                b"".join(b"GET " + path + name + b".wav HTTP/1.1\r\n" + host + b"\r\n" for name in (b"a", b"b", b"x"))
            )
            connection.recv(1)
    until(lambda: threading.active_count() <= before)
    assert get(server.url + "trial")[0] == 200 and capfd.readouterr() == ("", "")


def test_a_listener_answers_in_a_browser_leaves_and_resumes(run: Run, serve: Any, tmp_path: Path) -> None:
    server = serve(Session(run, "eve"))
    trials = server.session.trials

    def answer(page: Any, number: int, right: bool) -> None:
        until(lambda: page.execute_script("return document.body.dataset.ready") == str(number))
        assert not page.find_element("css selector", ".answer").is_enabled(), "an answer before all was heard"
        for name in "abx":
            page.find_element("css selector", f"[data-sound={name}]").click()
            until(lambda name=name: page.execute_script(f"return sounds.{name}.currentTime > 0.02"))
        choice = trials[number].right if right else "ab"[trials[number].right == "a"]
        page.find_element("css selector", f"[data-answer={choice}]").click()

    def begin(page: Any) -> None:
        assert not page.find_element("id", "begin").is_enabled(), "the volume comes first"
        page.find_element("id", "volume").click()
        until(lambda: page.find_element("id", "begin").is_enabled())
        page.find_element("id", "begin").click()

    with chromium(800, 900) as page:
        page.get(server.url)
        until(lambda: page.find_element("id", "start").is_displayed())
        assert serious_findings(page) == []
        begin(page)
        for number in range(3):
            answer(page, number, right=number != 1)
        until(lambda: len(server.session.done) == 3)
        assert serious_findings(page) == []
        server = serve(Session(run, "eve"))  # the next day: another port, another token
        page.get(server.url)
        until(lambda: page.find_element("id", "start").is_displayed())
        begin(page)
        for number in range(3, 6):
            answer(page, number, right=True)
        until(lambda: page.find_element("id", "end").is_displayed())
        assert console(page) == []
        assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:")) for url in requests(page))

    answers = read_answers(run)
    assert [answer.right for answer in answers] == [True, False, True, True, True, True]
    assert all(answer.seconds > 0 and answer.plays == "a:1 b:1 x:1" for answer in answers)
    done = in_process("listen", run.path, "--csv", tmp_path / "answers.csv", "--results")
    assert done.returncode == 0 and "pgd" in done.stdout, done
    with (tmp_path / "answers.csv").open(newline="") as stream:
        assert [row["id"] for row in csv.DictReader(stream)] == [trial.id for trial in trials]
    assert "0 of 6 comparisons are left" in in_process("listen", run.path, "--listener", "eve", "--dry-run").stdout
    html = render(run, ["html"])[0].read_text(encoding="utf-8")
    assert "What people heard" in html and "not shown to be heard" in html


def test_a_torn_line_is_asked_again_and_a_damaged_one_is_an_error(run: Run) -> None:
    session = Session(run, "torn")
    session.answer(0, "a", 1.0, {"a": 1})
    with session.file.open("a") as stream:
        stream.write('{"listener": "torn", "tri')
    again = Session(run, "torn")
    assert again.next() is not None and again.next().number == 1  # type: ignore[union-attr]
    again.answer(1, "b", 1.0, {"x": 2})
    assert [answer.trial for answer in read_answers(run) if answer.listener == "torn"] == [0, 1]
    session.file.write_text("nonsense\n")
    with pytest.raises(RunError, match=r"torn\.jsonl"):
        Session(run, "torn")
    session.file.unlink()
    for name in ("../x", "", "A b"):
        with pytest.raises(RunError, match="listener"):
            Session(run, name)


def test_detection() -> None:
    def answers(attack: str, right: int, wrong: int) -> list[Answer]:
        one = {"listener": "ann", "trial": 0, "id": "x", "attack": attack, "x": "clean", "answer": "a", "seconds": 1.0}
        return [Answer(**one, right=index < right, plays="", time="") for index in range(right + wrong)]

    loud, quiet = detection([*answers("loud", 19, 1), *answers("quiet", 11, 9)])
    assert (loud["right"], loud["trials"], loud["listeners"]) == (19, 20, 1)
    assert loud["ci95"] == pytest.approx((0.7639, 0.9911), abs=1e-3)  # Wilson: 19 of 20
    assert loud["reading"] == "listeners hear the difference" and quiet["reading"].startswith("not shown to be heard")
