"""Keys go where the user said and nowhere else, and stand in no file that is written, whatever a server says or does."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from speech_server import serving
from speechlike import ROOT, in_process, tones, write_clips
from suite_fixture import write_suite
from thief import FORMS, PROXIES, Thief, leaked, leaks, thief

from voiceattack.audio import Batch
from voiceattack.errors import SpecError, VictimError
from voiceattack.victims import load_victim
from voiceattack.victims.keys import MARK, Keys
from voiceattack.victims.own import from_function
from voiceattack.victims.servers import program

KEY = "sk-Pro/j3ct_9f8E7d6C5b+4A=.x1Y2z3"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", KEY)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found_where_it_stands(form: str) -> None:
    said = FORMS[form](KEY)
    assert leaked(KEY, said), "the search of these tests knows the form"
    clean = Keys(KEY).text(f"the key {said} is wrong")
    assert clean.startswith("the key ") and clean.endswith(" is wrong") and MARK in clean
    assert leaked(KEY, clean) is None


def test_what_is_no_key_stays() -> None:
    text = 'a 50%25 rise of %zz, \\u00e9, &eacute; &nothing; \\ud83d "sk-Pro/j3ct" c2stUHJvL2oz'
    assert Keys(KEY).text(text) == text and Keys(None, "").text(KEY) == KEY
    assert Keys(KEY).cleaned({"a": [KEY, 1, None, {KEY: True}]}) == {"a": [MARK, 1, None, {MARK: True}]}
    assert Keys(KEY, "other-key").text(f"{KEY}{KEY} other-key") == f"{MARK}{MARK} {MARK}"


@pytest.mark.parametrize(
    ("key", "secret"),
    [("x", False), ("none", False), ("EMPTY", False), ("whisper", False), ("1234", False), ("sk-1", True), ("passwords", True)],
)
def test_words_that_stand_for_no_key_are_not_cut_out_of_transcripts(key: str, secret: bool) -> None:
    """Servers without keys are given such words, and a transcript without them would be another."""
    assert Keys.is_secret(key) is secret
    assert Keys(key).text(f"say {key} twice") == f"say {MARK if secret else key} twice"


def test_a_key_in_a_flood_of_escapes_and_a_text_too_long() -> None:
    assert Keys(KEY).text("%25" * 50_000 + FORMS["percent-encoded"](KEY)).endswith(MARK)
    assert leaked(KEY, Keys(KEY).text("a" * (1 << 22) + KEY)) is None


def lies(location: str) -> list[bytes]:
    """Every form in every place of an answer: transcript, error, page, headers, the target of a redirection."""

    def http(status: str, body: str, *headers: str) -> bytes:
        head = "".join(f"{header}\r\n" for header in headers)
        return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()

    made = []
    for form in FORMS.values():
        said = form(KEY)
        made.append(http("200 OK", json.dumps({"text": f"we heard {said} and no more"}), "Content-Type: application/json"))
        made.append(http("400 Bad", json.dumps({"error": {"message": f"key {said}: wrong"}}), "Content-Type: application/json"))
        made.append(http("200 OK", f"<h1>{said}</h1>", f"Content-Type: text/{said}"))
        made.append(http("307 Elsewhere", f"see {said}", f"Location: http://{location}/v1?key={said}"))
    # A JSON string that is the key only after its escapes are undone: what is on the wire is not what is kept.
    made.append(http("200 OK", f'{{"text": "{unescaped()}"}}'))
    made.append(http("401 No", f'{{"error": {{"message": "{"x" * 100} {unescaped()}"}}}}'))
    return made


def unescaped() -> str:
    return FORMS["escaped as JSON"](KEY)


def test_a_lying_server_gets_the_key_into_no_file_and_no_message(tmp_path: Path) -> None:
    said = []
    with thief() as other:
        told = lies(other.addresses[1])
        paths, many = write_clips(tmp_path / "in", 6, first=100), write_clips(tmp_path / "many", len(told), first=200)
        with serving("openai") as server:
            # The next lie each time; 11 and the number of lies have no common divisor, so that each kind comes early.
            server.lie = lambda number, asked: told[11 * number % len(told)]
            spec, out, cache = server.spec("retries=0&timeout=20"), tmp_path / "run", tmp_path / "cache"
            attack = ("--attack", "noise", "--snr-db", "20", "--objective", "untargeted", "--no-evaluate", "--out", out)
            for arguments in (
                ("attack", *paths, "--victim", spec, *attack),
                ("evaluate", out, "--victim", spec, "--cache", cache),
                ("evaluate", out, "--victim", spec, "--victim", "tiny"),
                *(("report", out, "--format", kind) for kind in ("html", "md", "json", "csv")),
                ("transcribe", *many, "--victim", spec, "-o", tmp_path / "heard.json"),
                *(("transcribe", *paths, "--victim", spec, "-o", tmp_path / f"heard.{kind}") for kind in ("csv", "txt")),
            ):
                done = in_process(*arguments)
                said.append(done.stdout + done.stderr)
                assert "Traceback" not in done.stderr and "unexpected" not in done.stderr, done.stderr
            assert len(server.requests) > len(told) + 20
            assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in server.requests)
        assert not other.got, "nothing arrives at the address that it names"
        assert len(told) % 11
    assert (out / "queries.sqlite").is_file() and (cache / "queries.sqlite").is_file() and (out / "report.html").is_file()
    text = "".join(path.read_text() for path in (out / "examples.jsonl", out / "results.jsonl"))
    assert f"we heard {MARK}" in text and f"key {MARK}" in text and f"redirects to http://{other.addresses[1]}/" in text
    assert leaks(KEY, tmp_path) == [] and [leaked(KEY, each) for each in said] == [None] * len(said)


def test_a_lying_server_in_a_suite(tmp_path: Path) -> None:
    with thief() as other, serving("openai") as server:
        told = lies(other.addresses[1])
        server.lie = lambda number, asked: told[11 * number % len(told)]
        victims = [{"name": "asr", "spec": server.spec("retries=0&timeout=20")}]
        attacks = [{"attack": "noise", "budget": {"snr_db": 20}}]
        suite = write_suite(tmp_path, 12, victims=victims, attacks=attacks, reports=["html", "md"], gates=["wer <= 1"])
        before = tmp_path / "before.json"
        said = [
            done.stdout + done.stderr
            for arguments in (
                ("run", suite, "--trust", "--out", tmp_path / "out", "-o", tmp_path / "junit.xml"),
                ("bless", tmp_path / "out", "--baseline", before, "--yes"),
                ("compare", before, tmp_path / "out", "-o", tmp_path / "compared.json"),
            )
            if (done := in_process(*arguments)).returncode in (0, 1, 2)
        ]
        assert len(server.requests) > 12 and not other.got
    assert MARK in (tmp_path / "out" / "summary.json").read_text()
    assert leaks(KEY, tmp_path) == [] and [leaked(KEY, each) for each in said] == [None] * 3


@pytest.mark.parametrize("protocol", ["openai", "wyoming", "home-assistant"])
def test_no_proxy_of_the_environment_is_asked(protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clip,) = write_clips(tmp_path / "in", 1)
    with thief() as proxy:
        for name in PROXIES:
            value = "" if name == "no_proxy" else f"{'socks5' if name == 'socks_proxy' else 'http'}://127.0.0.1:{proxy.port}"
            for each in (name, name.upper()):
                monkeypatch.setenv(each, value)
        if protocol == "home-assistant":
            pytest.importorskip("websockets", reason="the extra home-assistant is not installed")
            from home_assistant_fixture import small_home

            with small_home() as home:
                home.token = KEY
                victim: Any = load_victim(f"home-assistant+{home.url}?settle=0&timeout=10", "cpu")
                assert str(victim.interpret("turn on the lamp")) == "HassTurnOn{name=light.lamp}"
                assert victim.transcribe(Batch.of([tones(0)]))[0].text == "turn on the lamp"
        else:
            with serving(protocol) as server:
                done = in_process("transcribe", clip, "--victim", server.spec("retries=0"))
                assert done.returncode == 0 and len(server.requests) == 1, done.stderr
        assert not proxy.got


@pytest.mark.parametrize("place", ["websocket", "post"])
@pytest.mark.parametrize("name", [0, 1, 2], ids=["another port", "another name", "another number"])
def test_no_redirection_of_home_assistant_is_followed(place: str, name: int) -> None:
    pytest.importorskip("websockets", reason="the extra home-assistant is not installed")
    from home_assistant_fixture import small_home

    with thief() as other, small_home("redirect", place) as home:
        home.token = KEY
        victim: Any = load_victim(f"home-assistant+{home.url}?settle=0&timeout=10", "cpu")
        for scheme in ("ws", "http", "https", ""):
            home.location = f"{scheme}{':' if scheme else ''}//{other.addresses[name]}/api?key={FORMS['partly'](KEY)}"
            with pytest.raises(VictimError, match=r"it redirects to .*\*\*\*, which is not followed; name the right") as caught:
                victim.interpret("turn on the lamp")
            assert leaked(KEY, str(caught.value)) is None and other.addresses[name] in str(caught.value)
        assert not other.got


def test_a_redirection_on_the_same_server_is_not_followed_either() -> None:
    pytest.importorskip("websockets", reason="the extra home-assistant is not installed")
    from home_assistant_fixture import small_home

    with small_home("redirect", times=1) as home:
        home.token, home.location = KEY, "/elsewhere"
        victim: Any = load_victim(f"home-assistant+{home.url}?settle=0&timeout=10", "cpu")
        with pytest.raises(VictimError, match=r"answered HTTP 302 .* redirects to /elsewhere"):
            victim.interpret("turn on the lamp")
        assert home.served == 1


def test_a_lying_home_gets_the_token_into_no_file_and_no_message(tmp_path: Path) -> None:
    pytest.importorskip("websockets", reason="the extra home-assistant is not installed")
    from home_assistant_fixture import LAMP, small_home

    told = [form(KEY) for form in FORMS.values()]
    clips, out, texts = write_clips(tmp_path / "in", 6), tmp_path / "run", tmp_path / "texts"
    noise = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--no-evaluate", "--objective", "untargeted")
    assert in_process("attack", *clips, *noise, "--out", out).returncode == 0
    said = []
    with small_home() as home:

        def written(text: str) -> str:
            """The next form for each sentence. On the wire each letter is escaped once more, as JSON may be."""
            form = json.dumps(told[len(home.heard) % len(told)])[1:-1]
            return text.replace("(KEY)", form).replace(KEY, unescaped())

        spec = f"home-assistant+{home.url}?settle=0&timeout=10"
        home.token, home.answer, home.trouble, home.written = KEY, "Done, (KEY)", "no (KEY)", written
        home.states[LAMP] = "off (KEY)"
        for says in ("turn on the lamp", "heard (KEY)", "fail"):
            home.says = says
            done = in_process("evaluate", out, "--victim", spec, "--cache", tmp_path / f"cache {says[:5]}")
            said.append(done.stdout + done.stderr)
            (out / "results.jsonl").rename(tmp_path / f"{says[:5]}.jsonl")
            assert done.returncode == 0, done.stderr
        done = in_process("text", "turn on the lamp", "--perturbation", "zero-width", "--victim", spec, "--out", texts)
        assert done.returncode == 0, done.stderr
    kept = {path.stem: path.read_text() for path in tmp_path.glob("*.jsonl")}
    assert f"Done, {MARK}" in kept["turn "] and f"off {MARK}" in kept["turn "]
    assert f'"hypothesis": "heard {MARK}' in kept["heard"] and f"its pipeline failed (no {MARK}" in kept["fail"]
    assert leaks(KEY, tmp_path) == [] and [leaked(KEY, each) for each in said] == [None] * len(said)


def test_a_program_that_prints_a_key_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", secret := "a-secret-of-some-cloud-1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "heard nothing")
    program = tmp_path / "asr.sh"
    program.write_text('#!/bin/sh\necho "heard nothing with $SOME_SECRET"\nprintf "%5000s" "$SOME_SECRET " >&2\nexit $STATUS\n')
    program.chmod(0o755)
    victim = load_victim(f"command:{program} {{audio}}", "cpu")
    monkeypatch.setenv("STATUS", "0")
    assert victim.transcribe(Batch.of([tones(0)]))[0].text == f"heard nothing with {MARK}"
    monkeypatch.setenv("STATUS", "3")
    with pytest.raises(VictimError, match=r"exit code 3 \(it said: \*\*\*\)") as caught:
        victim.transcribe(Batch.of([tones(0)]))
    assert leaked(secret, str(caught.value)) is None
    # The end of what it says is cut to a number of bytes, wherever the key stands.
    program.write_text('#!/bin/sh\nprintf "%s%4080s" "$SOME_SECRET" "." >&2\nexit 3\n')
    with pytest.raises(VictimError, match="exit code 3") as caught:
        victim.transcribe(Batch.of([tones(0)]))
    assert leaked(secret, str(caught.value)) is None


def test_what_a_program_says_is_whole_however_late_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipes are closed when it has ended; the threads that read them may not have begun by then."""
    reads = program._Kept._read

    def late(kept: program._Kept) -> None:
        time.sleep(0.5)
        reads(kept)

    monkeypatch.setattr(program._Kept, "_read", late)
    path = tmp_path / "asr.sh"
    path.write_text("#!/bin/sh\nprintf '%60000s' 'the last word'\n")
    path.chmod(0o755)
    assert load_victim(f"command:{path} {{audio}}", "cpu").transcribe(Batch.of([tones(0)]))[0].text == "the last word"
    path.write_text("#!/bin/sh\necho no model >&2\nexit 3\n")
    with pytest.raises(VictimError, match=r"exit code 3 \(it said: no model\)"):
        load_victim(f"command:{path} {{audio}}", "cpu").transcribe(Batch.of([tones(0)]))


def test_a_function_that_repeats_a_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def asks_a_cloud(waveform: Any, sample_rate: int) -> str:
        if len(waveform) < 5000:
            return f"heard {KEY}"
        raise RuntimeError(f"401 for https://cloud.example/hear?key={FORMS['percent-encoded'](KEY)}\nsee the manual")

    victim = from_function(asks_a_cloud)
    assert victim.transcribe(Batch.of([torch.zeros(4000)]))[0].text == f"heard {MARK}"
    with pytest.raises(VictimError, match=r"raised RuntimeError: 401 for .*key=\*\*\* see the manual") as caught:
        victim.transcribe(Batch.of([tones(0)]))
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("HOME_ASSISTANT_TOKEN")
    with pytest.raises(RuntimeError, match="see the manual"):
        from_function(asks_a_cloud).transcribe(Batch.of([tones(0)]))


SERVERS = {
    "openai+http": ("openai+http://{}/v1?model=m", "openai+http://host:port/v1"),
    "openai+https": ("openai+https://{}?model=m", "openai+https://host:port/v1"),
    "wyoming": ("wyoming://{}", "wyoming://host:port"),
    "home-assistant+http": ("home-assistant+http://{}", "home-assistant+http://host:port"),
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "address",
    [
        *("ho\0st", "host:80\0", "ho\nst", "host:8\n0", "ho\x1bst", "ho\x9bst", "host\ud800", "ho st", "ho\u200bst", "ho\\st"),
        *("", ":80", "[::1", "[::1]x:80", "[x]", "host:0", "host:-1", "host:+80", "host:8_0", "host:\u0661", "host:99999"),
        *("me:s3cret@host", "s3cret@host", "@host", "host#part", "a..b", ".host", "a" * 64, ".".join(["a" * 60] * 5), "ho%00st"),
    ],
)
def test_an_address_that_cannot_be_is_a_plain_error_of_the_spec(server: str, address: str) -> None:
    spec, form = SERVERS[server]
    with pytest.raises(SpecError) as caught:
        load_victim(spec.format(address), "cpu")
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)
    assert form in str(caught.value) or "no host name" in str(caught.value) or "NUL" in str(caught.value)


def test_an_address_that_cannot_be_on_the_command_line() -> None:
    done = in_process("transcribe", ROOT / "samples", "--victim", "openai+http://ho\0st/v1?model=m")
    assert done.returncode == 2 and "has a NUL character" in done.stderr and "unexpected" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "spec",
    [
        *("wyoming://host?language=%00", "openai+http://host/v1?model=a%00b", "openai+http://host/v1?model=m&key_env=A%00"),
        *("openai+http://host/v1?model=m&key_env=\ud800", "openai+http://host/v1?model=m&key_env=A=B"),
        *("openai+http://host/v1\n?model=m", "openai+http://host/v1?model=\ud800", "wyoming://host?model=\ud800"),
        *("home-assistant+http://host?pipeline=\ud800", "home-assistant+http://host?timeout=%00"),
        *("command:asr\0 {audio}", "assistant:home?asr=tiny&entities=a%00", "hf:a\0", "nearest:a\0", "ensemble:tiny|tiny\0"),
    ],
)
def test_characters_that_no_spec_has(spec: str) -> None:
    with pytest.raises(SpecError, match=r"(NUL|key_env|control characters|lone surrogate)"):
        load_victim(spec, "cpu")


@pytest.mark.parametrize(
    ("spec", "host", "port"),
    [
        ("openai+http://[::1]/v1?model=m", "::1", 80),
        ("openai+https://example.org/v1?model=m", "example.org", 443),
        ("openai+http://my_host.:8000/v1?model=m", "my_host.", 8000),
        ("wyoming://b\u00fccher.example", "b\u00fccher.example", 10300),
        ("wyoming://[fe80::1%eth0]:1", "fe80::1%eth0", 1),
    ],
)
def test_addresses_that_can_be(spec: str, host: str, port: int) -> None:
    victim: Any = load_victim(spec, "cpu")
    assert (victim._address.host, victim._address.port) == (host, port)


def test_connections_are_opened_in_one_place() -> None:
    """A client elsewhere would bring its own redirections and proxies."""
    opening = ("urllib.request", "requests", "httpx", "aiohttp", "urllib3")
    for path in (ROOT / "voiceattack").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        names = [
            name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        ]
        assert not [name for name in names if name in opening], path
        if path.name != "connections.py":
            for call in ("create_connection(", "websockets.connect(", "HTTPConnection(", "HTTPSConnection(", ".open_connection("):
                assert call not in text, f"{path}: {call}"


def test_silence_is_asked_for_nothing() -> None:
    with thief() as nobody:
        heard = load_victim(f"openai+http://127.0.0.1:{nobody.port}/v1?model=m", "cpu").transcribe(Batch.of([torch.zeros(0)]))
        assert heard[0].text == "" and not nobody.got and isinstance(nobody, Thief)
