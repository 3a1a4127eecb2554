"""Servers as victims: what is sent, what is understood, and what a server that misbehaves costs."""

from __future__ import annotations

import asyncio
import io
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from query_attack import registered, request
from speech_server import PROTOCOLS, State, serving
from speechlike import in_process, tones, write_clips
from tls import make_certificate

from voiceattack.audio import Batch, pcm_sha256
from voiceattack.audio import clips as audio
from voiceattack.craft import craft
from voiceattack.errors import SpecError, VictimError
from voiceattack.evaluate import evaluate
from voiceattack.victims import Victim, load_victim

both = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture(autouse=True)
def noises() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="module")
def tiny() -> Victim:
    return load_victim("tiny", "cpu")


@pytest.fixture(params=PROTOCOLS)
def server(request: pytest.FixtureRequest) -> Iterator[State]:
    with serving(request.param) as state:
        yield state


def first(fault: str, times: int = 1) -> object:
    """The first requests go wrong, the later ones do not."""
    return lambda number, asked: fault if number < times else None


def test_every_sample_arrives_and_the_text_comes_back(server: State, tiny: Victim) -> None:
    clips = [tones(0), tones(1, seconds=1.3), torch.zeros(8000), torch.zeros(0)]
    heard = load_victim(server.spec("language=de"), "cpu").transcribe(Batch.of(clips))
    assert [transcript.text for transcript in heard] == [each.text for each in tiny.transcribe(Batch.of(clips[:3]))] + [""]
    assert heard[0].text and heard[0].text != heard[1].text
    assert [asked.digest for asked in server.requests] == [pcm_sha256(clip) for clip in clips[:3]]
    assert server.requests[0].fields["language"] == "de"


def test_the_form_and_the_event_say_which_model(server: State) -> None:
    load_victim(server.spec() + ("?model=large" if server.protocol == "wyoming" else "&prompt=a%26b"), "cpu").transcribe(
        Batch.of([tones(0)])
    )
    expected = {"name": "large"}
    if server.protocol == "openai":
        expected = {"model": "tiny", "prompt": "a&b", "response_format": "json"}
    assert server.requests[0].fields == expected


REASONS = {
    "hang": "within 0.4 s",
    "drip": "within 0.4 s",
    "late": "within 0.4 s",
    "close": "closed the connection without",
    "half": "closed the connection without",
    "500": "(answered 500|the server reports: out of memory)",
    "html": "(text/html without a transcript|does not speak Wyoming)",
}


@pytest.mark.parametrize("fault", REASONS)
@both
def test_a_fault_costs_its_own_item_one_recorded_error(protocol: str, fault: str, tmp_path: Path, tiny: Victim) -> None:
    paths = write_clips(tmp_path / "in", 3)
    bad = pcm_sha256(audio.load(paths[1]))
    said: list[str] = []
    with serving(protocol, lambda number, asked: fault if asked.digest == bad else None) as server:
        victim = load_victim(server.spec("timeout=0.4&retries=0"), "cpu")
        asked = request(victim.spec, *paths, queries=2, control=False)
        run = craft(asked, tmp_path / "run", victim=victim, on_error=said.append)
    failed = [example for example in run.examples() if example.error]
    assert len(failed) == len(said) == 1 and failed[0].source == paths[1]
    assert re.search(REASONS[fault], str(failed[0].error)), failed[0].error
    done = [example for example in run.examples() if not example.error]
    # The clip after the one that failed got its own answer, not one that came late.
    texts = [transcript.text for transcript in tiny.transcribe(Batch.of([audio.load(paths[place]) for place in (0, 2)]))]
    assert [example.clean_hypothesis for example in done] == texts


def test_a_fault_while_hearing_back_costs_one_row(tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 3)
    broken = False
    bad = pcm_sha256(audio.load(paths[1]))
    with serving("openai", lambda number, asked: "close" if broken and asked.digest == bad else None) as server:
        victim = load_victim(server.spec("timeout=5&retries=0"), "cpu")
        run = craft(request(victim.spec, *paths, queries=1, control=False), tmp_path / "run", victim=victim)
        broken = True
        summary = evaluate(run, [victim])
    outcomes = {row.id[:5]: row.outcome for row in run.results()}
    assert outcomes.pop("clip1") == "error" and "error" not in outcomes.values()
    assert [group["n_error"] for group in summary["groups"]] == [1]


@both
def test_what_may_pass_is_asked_again(protocol: str) -> None:
    for fault, options in (("close", "retries=1"), ("503", "retries=1"), ("429 Retry-After: 1", "retries=1")):
        if protocol == "wyoming" and fault != "close":
            continue
        with serving(protocol, first(fault)) as server:  # type: ignore[arg-type]
            assert load_victim(server.spec(options), "cpu").transcribe(Batch.of([tones(0)]))[0].text
            assert len(server.requests) == 2
    with serving(protocol, first("close", 9)) as server:  # type: ignore[arg-type]
        with pytest.raises(VictimError, match=r"without a[n]? (answer|transcript) \(2 tries\)"):
            load_victim(server.spec("retries=1"), "cpu").transcribe(Batch.of([tones(0)]))
        assert len(server.requests) == 2


def test_what_will_not_pass_is_not_asked_again() -> None:
    for fault in ("400", "401", "404", "301 Location: http://elsewhere/", "html", "429 Retry-After: 3600"):
        with serving("openai", first(fault, 9)) as server:  # type: ignore[arg-type]
            with pytest.raises(VictimError):
                load_victim(server.spec("retries=3"), "cpu").transcribe(Batch.of([tones(0)]))
            assert len(server.requests) == 1, fault


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of 127.0.0.1, by nobody whom anybody trusts, and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


LONG = torch.zeros(400 * audio.SAMPLE_RATE)
"""13 MB: more than lies in the sockets' buffers, so that it is on its way when the server answers or leaves."""


@pytest.mark.parametrize(("status", "says"), [("401", "answered 401 .*refuses the key"), ("413", "answered 413 'told early'")])
def test_an_answer_before_the_upload_ends_is_read(status: str, says: str) -> None:
    with serving("openai") as server:
        server.early = lambda connection: status
        with pytest.raises(VictimError, match=says):
            load_victim(server.spec("retries=2"), "cpu").transcribe(Batch.of([LONG]))
        assert server.connections == 1, "asking again would not help"


def test_a_reset_during_the_upload_is_asked_again() -> None:
    with serving("openai", lambda number, asked: "surrogate") as server:
        server.early = lambda connection: "reset" if connection == 0 else None
        load_victim(server.spec("retries=1"), "cpu").transcribe(Batch.of([LONG]))
        assert server.connections == 2 and len(server.requests) == 1


def test_a_reset_under_tls_is_asked_again(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Victim
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving("openai", lambda number, asked: "surrogate", certificate) as server:
        server.early = lambda connection: "reset" if connection == 0 else None
        load_victim(server.spec("retries=1"), "cpu").transcribe(Batch.of([LONG]))
        assert server.connections == 2 and len(server.requests) == 1
    with serving("openai", first("close"), tls=certificate) as server:  # type: ignore[arg-type]
        assert load_victim(server.spec("retries=1"), "cpu").transcribe(Batch.of([tones(0)]))[0].text
        assert len(server.requests) == 2
    audio.save(tmp_path / "a.wav", LONG)
    (second,) = write_clips(tmp_path / "in", 1)
    with serving("openai", tls=certificate) as server:
        server.early = lambda connection: "reset" if connection == 0 else None
        done = in_process("transcribe", tmp_path / "a.wav", second, "--victim", server.spec("retries=0"))
    assert done.returncode == 0 and "closed the connection without an answer" in done.stderr, done.stderr
    assert tiny.transcribe(Batch.of([audio.load(second)]))[0].text in done.stdout, "the other clip is heard"


def test_a_certificate_that_nobody_trusts(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving("openai", tls=certificate) as server:
        with pytest.raises(VictimError, match=r"its certificate is not trusted \(self.signed certificate\); .*SSL_CERT_FILE"):
            load_victim(server.spec("retries=2"), "cpu").transcribe(Batch.of([tones(0)]))
        assert server.connections == 1, "it would be no other the next time"


def test_text_that_no_file_can_hold(server: State, tmp_path: Path) -> None:
    """A lone surrogate, which JSON can write, becomes U+FFFD; the answer is kept and written like any other."""
    server.fault = lambda number, asked: "surrogate"
    (clip,) = write_clips(tmp_path / "in", 1)
    for suffix in (".json", ".csv", ".txt"):
        out = tmp_path / f"heard{suffix}"
        done = in_process("transcribe", clip, "--victim", server.spec(), "-o", out)
        assert done.returncode == 0, done.stderr
        assert "hi \ufffd there" in done.stdout and "hi \ufffd there" in out.read_text(encoding="utf-8")
    run = craft(
        request(server.spec(), clip, queries=1, control=False), tmp_path / "run", victim=load_victim(server.spec(), "cpu")
    )
    (example,) = run.examples()
    assert example.error is None and example.clean_hypothesis == "hi \ufffd there"


def test_a_redirection_is_not_followed() -> None:
    with serving("openai") as elsewhere:
        fault = f"307 Location: http://127.0.0.1:{elsewhere.port}/v1/audio/transcriptions"
        with (
            serving("openai", lambda number, asked: fault) as server,
            pytest.raises(VictimError, match="name the right address instead"),
        ):
            load_victim(server.spec(), "cpu").transcribe(Batch.of([tones(0)]))
        assert not elsewhere.requests


@both
def test_nobody_there(protocol: str) -> None:
    with serving(protocol) as server:
        spec = server.spec("retries=0")
    with pytest.raises(VictimError, match=r"cannot be reached \(Connection refused\); start the server"):
        load_victim(spec, "cpu").transcribe(Batch.of([tones(0)]))


def test_the_rate_is_kept(server: State) -> None:
    victim = load_victim(server.spec("rpm=600"), "cpu")
    started = time.monotonic()
    victim.transcribe(Batch.of([tones(seed) for seed in range(4)]))
    assert time.monotonic() - started >= 0.3 - 0.02  # three waits of 0.1 s: a sleep is never shorter


def test_the_key_comes_from_the_environment_and_stays_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    def keys(options: str = "", fault: str | None = None) -> list[str | None]:
        with serving("openai", lambda number, asked: fault) as server:
            load_victim(server.spec(options), "cpu").transcribe(Batch.of([tones(0)]))
            return [asked.headers.get("authorization") for asked in server.requests]

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert keys() == [None]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    monkeypatch.setenv("OTHER_KEY", "sk-secret-2")
    assert keys() == ["Bearer sk-secret-1"] and keys("key_env=OTHER_KEY") == ["Bearer sk-secret-2"]
    with pytest.raises(VictimError, match="refuses the key: set OPENAI_API_KEY") as refused:
        keys(fault="401")
    assert "told: Bearer ***" in str(refused.value) and "secret" not in str(refused.value)
    long = "sk-" + "0123456789" * 18
    monkeypatch.setenv("OPENAI_API_KEY", long)
    with pytest.raises(VictimError, match="answered 400") as cut:
        keys(fault="echo")
    assert long[:8] not in str(cut.value), "a limit cuts the key; what is left of it is still the key"
    with pytest.raises(VictimError, match=r"redirects to http://\*\*\*/") as moved:
        keys(fault=f"301 Location: http://{long}/")
    assert long not in str(moved.value)
    monkeypatch.setenv("OPENAI_API_KEY", "text")
    assert keys() == ["Bearer text"], "what is heard stays as it is, though a key of that kind is in it"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    with pytest.raises(SpecError, match="variable NO_KEY is not set"):
        keys("key_env=NO_KEY")
    monkeypatch.setenv("OTHER_KEY", "two\nlines")
    with pytest.raises(SpecError, match="characters that no key has") as refused_early:
        keys("key_env=OTHER_KEY")
    assert "two" not in str(refused_early.value)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("openai+http://localhost:1/v1?model=m", True),
        ("openai+http://[::1]:1/v1?model=m", True),
        ("openai+https://example.org/v1?model=m", True),
        ("openai+http://192.0.2.1/v1?model=m", False),
        ("openai+http://localhost.example.org/v1?model=m", False),
        ("openai+http://192.0.2.1/v1?model=m&key_env=OPENAI_API_KEY", True),
    ],
)
def test_a_key_does_not_go_in_the_clear_to_other_machines_unless_asked(
    address: str, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voiceattack.victims.servers.openai import OpenAIVictim

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    victim = load_victim(address, "cpu")
    assert isinstance(victim, OpenAIVictim) and (victim._key == "sk-secret") is sent
    assert "secret" not in str(victim.describe())


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("wyoming:", "must read wyoming://host:port"),
        ("wyoming:127.0.0.1:10300", "must read wyoming://host:port"),
        ("wyoming://host:port", "must read wyoming://host:port .a port is a number from 1 to 65535"),
        ("wyoming://host:99999", "must read wyoming://host:port .a port is a number"),
        ("wyoming://host/path", "must read wyoming://host:port"),
        ("wyoming://host?timeout=soon", "timeout 'soon': must be a number"),
        ("wyoming://host?timeout=0", "must be from 0.05 to 3600"),
        ("wyoming://host?retries=1.5", "whole number"),
        ("wyoming://host?speed=2", "unknown option 'speed'; known: language, model, timeout, retries, rpm"),
        ("openai+http://127.0.0.1:8000/v1", "needs a model"),
        ("openai+http:/v1?model=m", "must read openai"),
        ("openai+https://me:secret@host/v1?model=m", "must read openai"),
        ("openai+http://host/v1?model=m&rpm=0", "must be from 0.01"),
        ("openai+http://host/größe/v1?model=m", "percent-encode it: /gr%C3%B6%C3%9Fe/v1"),
        ("openai+http://host/my models/v1?model=m", "percent-encode it: /my%20models/v1"),
        ("openai+http://a..b/v1?model=m", r"'a\.\.b' is no host name"),
        ("wyoming://a..b", r"'a\.\.b' is no host name"),
    ],
)
def test_specs_are_checked(spec: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        load_victim(spec, "cpu")


def test_the_usual_port() -> None:
    from voiceattack.victims.servers.wyoming import WyomingVictim

    for spec in ("wyoming://localhost", "wyoming://[::1]"):
        victim = load_victim(spec, "cpu")
        assert isinstance(victim, WyomingVictim) and victim._address.port == 10300


@pytest.mark.parametrize(
    "answer",
    [
        b'{"type": "transcript", "payload_length": 99999999999}\n',
        b'{"type": "transcript", "data_length": -4}\n',
        b'{"type": "transcript", "data_length": "9"}\n',
        b'{"type": "transcript", "data": {"text": 7}}\n',
        b"[1, 2]\n",
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
        b"a" * (1 << 21),
    ],
    ids=lambda answer: str(answer[:50]),
)
def test_no_answer_of_a_wyoming_server_is_trusted(answer: bytes) -> None:
    from voiceattack.victims.servers.connections import Address
    from voiceattack.victims.servers.wyoming import WyomingVictim

    with pytest.raises(VictimError, match=r"(does not speak Wyoming|has no text)"):
        WyomingVictim(Address("wyoming", "127.0.0.1", 1, ""))._answer(io.BytesIO(answer))


@pytest.mark.filterwarnings("ignore:'audioop' is deprecated:DeprecationWarning")
def test_the_reference_implementation_of_wyoming_understands_it(tiny: Victim) -> None:
    """The protocol's own package as the server."""
    pytest.importorskip("wyoming", reason="the package 'wyoming' is not installed")
    from wyoming.asr import Transcribe, Transcript
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.event import Event
    from wyoming.server import AsyncEventHandler, AsyncTcpServer

    seen: list[object] = []

    class Handler(AsyncEventHandler):
        samples = b""

        async def handle_event(self, event: Event) -> bool:
            if Transcribe.is_type(event.type):
                seen.append(Transcribe.from_event(event).language)
            elif AudioStart.is_type(event.type):
                seen.append(AudioStart.from_event(event).rate)
            elif AudioChunk.is_type(event.type):
                self.samples += AudioChunk.from_event(event).audio
            elif AudioStop.is_type(event.type):
                clip = torch.frombuffer(bytearray(self.samples), dtype=torch.int16).float() / 32768.0
                await self.write_event(Transcript(tiny.transcribe(Batch.of([clip]))[0].text).event())
                return False
            return True

    loop = asyncio.new_event_loop()
    server = AsyncTcpServer("127.0.0.1", 0)
    loop.run_until_complete(server.start(Handler))
    port = server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        (heard,) = load_victim(f"wyoming://127.0.0.1:{port}?language=en", "cpu").transcribe(Batch.of([tones(3)]))
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
    assert heard.text == tiny.transcribe(Batch.of([tones(3)]))[0].text
    assert seen == ["en", 16_000]
