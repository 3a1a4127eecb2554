"""A printed command, read by the real command line, asks for the same; every command that the tool or its pages name exists."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import typer
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo
from result_lines import result
from speechlike import ROOT, in_process, write_clips

from voiceattack.attacks import ATTACKS
from voiceattack.attacks.options import SearchOptions
from voiceattack.cli import app
from voiceattack.commands import command_line, param_text, param_value
from voiceattack.craft.corruptions import CorruptionsRequest
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import VoiceAttackError
from voiceattack.numbers import usable
from voiceattack.report.commands import evaluate_command, make_command, replay_command
from voiceattack.runs import Run
from voiceattack.runs.provenance import run_id
from voiceattack.testing import Attempt

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NUMBERS = itertools.count()
VICTIMS = (
    "tiny",
    " tiny ",
    "ensemble:tiny|tiny",
    "ensemble:tiny| tiny",
    "ensemble:tiny|python:all_capable:make",
    "python:all_capable:make",
)
# What of the command line makes the request, and what is beside it and changes no run's id.
OPTIONS = {
    "inputs": ("inputs",),
    "victim": ("victim",),
    "attack": ("attack_name",),
    "params": ("param", "steps", "severity", "confidence", "artefact"),
    "objective": ("objective", "mute"),
    "target": ("target",),
    "wer_threshold": ("wer_threshold",),
    "budget": ("snr_db", "linf", "l2", "db_x", "masking_excess_db", "masking_excess_max_db", "band", "window"),
    **{name: (name,) for name in SearchOptions.model_fields},
    "seed": ("seed",),
    "control": ("no_control",),
    "keep_format": ("keep_format",),
}
BESIDE = (
    *(
        "out",
        "cache",
        "no_cache",
        "no_evaluate",
        "no_report",
        "dry_run",
        "critical_terms",
        "output",
        "device",
        "threads",
        "quiet",
    ),
    *("help",),
)


def parse(line: str) -> dict[str, Any]:
    """What the real command line makes of a printed one."""
    program, name, *words = shlex.split(line)
    assert program == "voiceattack"
    found: dict[str, Any] = COMMANDS[name].make_context(name, words).params
    return found


def test_every_field_of_a_request_has_its_options_and_every_option_its_place() -> None:
    assert set(OPTIONS) == set(AttackRequest.model_fields)
    named = [option for options in OPTIONS.values() for option in options]
    assert sorted([*named, *BESIDE]) == sorted({*(param.name for param in COMMANDS["attack"].params), "help"})


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
FLOATS = st.floats(1e-9, 1e9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=5,
)


@given(JSON | st.sampled_from(["20", "true", "null", "NaN", "1e5", " 7 ", '"quoted"', "[1]", "", "-", "a=b", "'"]))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_parameter_is_read_back_as_it_was(value: Any) -> None:
    name, _, text = param_text("name", value).partition("=")
    assert name == "name" and param_value(text) == value and type(param_value(text)) is type(value)


@given(st.lists(TEXTS, max_size=4))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_words_are_read_back_as_they_were(words: list[str]) -> None:
    assert shlex.split(command_line(*words)) == ["voiceattack", *words]


def other_values(info: Any) -> st.SearchStrategy[Any]:
    """Values of a parameter beside its default; those out of range are refused later."""
    kind, value = info.annotation, info.default
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.integers(max(0, value - 3), value + 3)
    if isinstance(value, float):
        return st.sampled_from([0.5, 1.1, 0.9]).map(lambda factor: value * factor) | st.floats(1e-3, 1)
    if value is None:
        return st.sampled_from([None, 1, 0.25])
    return st.just(value)


def allowed_values(field: FieldInfo) -> st.SearchStrategy[Any]:
    """Values that a search option may have, its default among them."""
    kind = next(kind for kind in (field.annotation, *get_args(field.annotation)) if kind in (bool, int, float, str))
    return st.just(field.default) | st.from_type(Annotated[(kind, *field.metadata)]).filter(usable)  # type: ignore[arg-type]


@st.composite
def requests(draw: st.DrawFn) -> AttackRequest:
    """Requests whose every field varies."""
    attack = draw(
        st.sampled_from([name for name in ATTACKS.names() if name != "universal"] + ["corruption:gain", "corruption:slow_down"])
    )
    made = ATTACKS.get(attack)
    params = {name: draw(other_values(info)) for name, info in made.Params.model_fields.items() if draw(st.booleans())}
    if attack == "transfer":
        params["surrogates"] = "tiny"
    limits: dict[str, Any] = {
        "snr_db": st.floats(-20, 120),
        "linf": st.floats(1e-7, 1),
        "l2": st.floats(1e-7, 1e3),
        "db_x": st.floats(-120, 20),
        "masking_excess_db": st.floats(1e-4, 100),
        "band": st.sampled_from(["300-3400", "20-8000"]),
        "window": st.sampled_from(["speech", "0.1-0.4", "0.25-"]),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(limits)), max_size=4)) if not made.changes_length else set()
    if made.needs_budget:
        chosen = {*chosen, draw(st.sampled_from(["snr_db", "linf", "l2"]))}
    objective = draw(st.sampled_from(["untargeted", "targeted", "mute", "wrong-action", "action:HassTurnOn{name=light.a b}"]))
    target = draw(st.sampled_from(["hello there", "it's on", 'say "hi"', "-x", "--mute"]))
    request = AttackRequest(
        inputs=draw(st.sampled_from([("bad.wav",), ("-bad.wav", "bad.wav"), ("a b's/bad.wav",)])),
        victim=VICTIMS[-1] if "action" in objective else draw(st.sampled_from(VICTIMS)),
        attack=attack,
        params=params,
        objective=objective,
        target=target if objective == "targeted" or ":" in objective else None,
        wer_threshold=draw(FLOATS),
        budget={name: draw(limits[name]) for name in sorted(chosen)},
        seed=draw(st.integers(0, 2**40)),
        **{name: draw(allowed_values(field)) for name, field in SearchOptions.model_fields.items()},
        control=draw(st.booleans()),
        keep_format=draw(st.booleans()),
    )
    try:
        request.build()
    except VoiceAttackError:
        assume(False)
    return request


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs that are no audio, so that a run is begun and nothing is crafted; and a victim that has every capability."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "a b's").mkdir()
    for name in ("bad.wav", "-bad.wav", "a b's/bad.wav"):
        (folder / name).write_bytes(b"no audio")
    (folder / "all_capable.py").write_text(
        "from voiceattack.victims import load_victim\nfrom voiceattack.victims.intent import Intent\n\n"
        "def make():\n    victim = load_victim('tiny', 'cpu')\n    victim.interpret = lambda text: Intent(text)\n"
        "    victim.check_target = lambda text: None\n    return victim\n"
    )
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


@given(request=requests())
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_the_command_of_a_request_makes_a_run_of_the_same_id(request: AttackRequest, here: Path) -> None:
    out = f"it's run {next(NUMBERS)}"
    line = request.command(out)
    params = parse(line)
    assert tuple(params["inputs"]) == request.inputs and Path(params["out"]) == Path(out)
    assert (params["no_control"], params["keep_format"]) == (not request.control, request.keep_format)
    done = in_process(*_quiet(line))
    if not (here / out / "run.json").exists():
        assert "target" in done.stderr or "needs" in done.stderr or "takes no limit" in done.stderr, done.stderr
        assume(False)
    assert Run.open(here / out).id == run_id(request.identity()), line


def _quiet(line: str) -> list[str]:
    words = shlex.split(line)[1:]
    return [words[0], "--quiet", *words[1:]]


@st.composite
def corruption_requests(draw: st.DrawFn) -> CorruptionsRequest:
    return CorruptionsRequest(
        inputs=draw(st.sampled_from([("bad.wav",), ("-bad.wav", "bad.wav")])),
        victim=draw(st.sampled_from(["tiny", "ensemble:tiny|tiny"])),
        names=tuple(draw(st.lists(st.sampled_from(["gain", "telephone", "packet_loss"]), min_size=1, max_size=3))),
        severities=tuple(draw(st.sets(st.integers(1, 4), min_size=1))),
        params=draw(st.sampled_from([{}, {"loss": 7.5}])),
        wer_threshold=draw(st.floats(1e-6, 10)),
        repeats=draw(st.integers(1, 3)),
        seed=draw(st.integers(0, 2**40)),
        limit=draw(st.none() | st.integers(1, 5)),
    )


@given(request=corruption_requests())
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_command_of_corruptions_makes_a_run_of_the_same_id(request: CorruptionsRequest, here: Path) -> None:
    try:
        request.check()
    except VoiceAttackError:
        assume(False)
    out = f"corruptions {next(NUMBERS)}"
    line = request.command(out)
    params = parse(line)
    names, severities = params["names"].split(","), params["severities"].split(",")
    assert (tuple(names), tuple(map(int, severities))) == (request.names, request.severities)
    assert (tuple(params["inputs"]), params["repeats"], params["limit"]) == (request.inputs, request.repeats, request.limit)
    in_process(*_quiet(line))
    assert Run.open(here / out).id == run_id(request.identity()), line


def test_reports_name_commands_that_make_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, run = write_clips(tmp_path / "in", 1)[0], tmp_path / "it's a run"
    asked = ("attack", clip, "--victim", "tiny", "--attack", "noise", "--snr-db", "12.3456789012", "--max-queries", "7")
    more = ("--wer-threshold", "0.1234567890123", "--stages", "2.5000001", "--no-control", "--keep-format", "--seed", "5")
    assert in_process(*asked, *more, "--out", run, "--quiet").returncode == 0
    assert in_process("report", run, "--format", "md,html").returncode == 0
    opened = Run.open(run)
    line = make_command(opened, opened.results())
    assert "--max-queries 7" in line and "--no-control" in line and "--keep-format" in line
    params = parse(line)
    monkeypatch.chdir(tmp_path)
    again = [clip if word == "INPUT" else word for word in shlex.split(line)[1:-1]]
    assert in_process(*again, "again", "--quiet").returncode == 0
    assert params["out"] == Path(run.name) and Run.open(tmp_path / "again").id == opened.id
    files = {path.name: path.read_bytes() for path in (run / "audio").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "again" / "audio").iterdir()}
    (row,) = [row for row in opened.results() if not row.is_stage]
    for printed in (replay_command(Path(run.name), row), evaluate_command(opened)):
        assert in_process(*shlex.split(printed)[1:], "--quiet").returncode == 0, printed
    report = Attempt(row, run).report()
    told = next(line.partition("again:")[2].strip() for line in report.splitlines() if "again:" in line)
    assert in_process(*shlex.split(told)[1:]).returncode == 0
    markdown = (run / "report.md").read_text()
    assert re.search(r"Again: `+ ?(voiceattack replay .*?) ?`+\n", markdown) and "voiceattack replay" in markdown


def test_a_victim_outside_stands_in_the_command_that_replays_it() -> None:
    row = result(id="a-1", source_victim="command:my asr's {audio}")
    params = parse(replay_command(Path("-run"), row))
    assert (params["victim"], params["run"], params["example"]) == (row.source_victim, Path("-run"), "a-1")
    assert "--victim" not in replay_command(Path("run"), result(id="a-1", source_victim="tiny"))


def test_hints_of_the_console_are_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's here"
    clips = write_clips(folder / "in", 3)
    monkeypatch.chdir(folder)
    for victim, trust in (("tiny", False), ("command:true {audio}", True)):
        done = in_process("init", "in", "--out", "my suite.yaml", "--victim", victim, "--force")
        line = done.stdout.partition("next: ")[2].splitlines()[0]
        params = parse(line)
        assert (params["suite"], params["trust"]) == (Path("my suite.yaml"), trust)
        assert ("run suite.yaml --trust\n#" in Path("my suite.yaml").read_text()) is trust
    for goal, wanted in ((("--target", 'say "a" it\'s'), 'say "a" it\'s'), (("--mute",), None), ((), None)):
        fit = ("fit", *clips, "--victim", "tiny", "--steps", "1", "--seconds", "0.1", "--out", "my u.flac")
        done = in_process(*fit, *goal)
        assert done.returncode == 0, done.stderr
        params = parse(done.stdout.partition("next: ")[2].splitlines()[0])
        assert params["artefact"] == Path("my u.flac") and params["target"] == wanted and params["mute"] is ("--mute" in goal)
    assert (
        in_process("attack", clips[0], "--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--out", "a run").returncode
        == 0
    )
    done = in_process("compare", "no baseline.json", "a run")
    params = parse(done.stdout.partition("as one: ")[2].strip())
    assert (params["run"], params["baseline"]) == (Path("a run"), Path("no baseline.json"))
    Path("a run/results.jsonl").unlink()
    done = in_process("report", "a run")
    assert parse(done.stderr.rpartition("run: ")[2].strip())["run"] == Path("a run")


def texts_in(path: Path) -> Iterator[str]:
    """Every text in a Python file, what is filled in as X."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def calls_in(path: Path) -> Iterator[list[str]]:
    """The literal words of every ``command_line(...)`` in a Python file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "command_line":
            yield [str(word.value) if isinstance(word, ast.Constant) else "X" for word in node.args]


def wrong_in(name: str, words: str) -> list[str]:
    """Options named after a command that it does not have."""
    known = {option for param in COMMANDS[name].params for option in param.opts} | {"--help", "--debug"}
    words = re.sub(r"""'[^']*'|"[^"]*\"""", "X", words)
    named = re.findall(r"(?:(?<=\s)|^)(--?[a-zA-Z][\w-]*)", re.split(r"\s[|#>&]\s?|;|`|\$\(", words)[0])
    return [f"{name} {option}" for option in named if option not in known]


FILES = sorted((ROOT / "voiceattack").rglob("*.py"))
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docs" / "how-to" / "ci").iterdir()),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "voiceattack").rglob("*.j2")),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_the_code_names_exist(path: Path) -> None:
    for words in calls_in(path):
        if words[0] != "X":
            assert words[0] in COMMANDS and not wrong_in(words[0], " ".join(words[1:])), words
    for text in texts_in(path):
        for name, rest in re.findall(r"voiceattack ([a-z][a-z-]+)\b([^\n]*)", text):
            assert name not in COMMANDS or not wrong_in(name, rest), text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_the_pages_name_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, rest in re.findall(r"(?:\$ |`|: |'|^\s*|\bthen )voiceattack ([a-z][a-z-]+)\b([^\n]*)", text, flags=re.MULTILINE):
        assert name in COMMANDS, f"{path.name}: voiceattack {name}"
        assert not wrong_in(name, rest), f"{path.name}: voiceattack {name}{rest}"


def test_a_wrong_option_is_found() -> None:
    assert wrong_in("report", " RUN --formats html") == ["report --formats"] and not wrong_in("report", " RUN --format html")
    assert wrong_in("evaluate", " RUN | head -3") == [] and wrong_in("evaluate", " 'a --b' -x; -y") == ["evaluate -x"]
