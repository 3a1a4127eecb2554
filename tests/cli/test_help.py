"""``--help``: commands in groups, options in panels, examples that run, and nothing cut at 80 columns."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from speechlike import command, environment, in_process

from voiceattack.cli import app
from voiceattack.cli.examples import EXAMPLES
from voiceattack.cli.help import first_sentence
from voiceattack.cli.panels import COMMAND_GROUPS, PANELS
from voiceattack.extras import missing

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def panels(told: str) -> dict[str, str]:
    """What stands in each panel of a help."""
    parts = re.split(r"╭─ (\S[^─]*) ─+╮\n", told)
    return {
        title: re.sub(r"\s*│\s*", " ", inside.partition("╰")[0]) for title, inside in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_command_stands_in_one_group() -> None:
    named = [name for names in COMMAND_GROUPS.values() for name in names]
    assert sorted(named) == sorted(COMMANDS)
    shown = panels(in_process("--help").stdout)
    assert list(shown) == ["Options", *COMMAND_GROUPS]
    for title, names in COMMAND_GROUPS.items():
        for name in names:
            assert re.search(rf"(^| ){name} ", shown[title]), name


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_of_a_help_is_cut(name: str) -> None:
    told = in_process(name, "--help").stdout
    assert "…" not in told and "<bool>" not in told and not re.search(r"<(str|int|float|path|list)\b", told)
    assert max(map(len, told.splitlines())) <= 80
    flat = " ".join(panels(told).values())
    for param in COMMANDS[name].params:
        assert all(opt in flat for opt in param.opts) or param.param_type_name == "argument"
        assert all(word in flat for word in (param.help or "").split())


def test_options_of_a_long_command_stand_in_panels() -> None:
    shown = panels(in_process("attack", "--help").stdout)
    assert list(shown) == ["Arguments", "Options", *PANELS]
    assert re.findall(r"(?<= )--[\w-]+", shown["Options"]) == ["--victim", "--attack"]
    assert "--target" in shown["Goal"] and "--snr-db" in shown["Budget"]
    assert "--steps" in shown["Search"] and "--output, -o PATH" in shown["Output"] and "--quiet, -q" in shown["Running"]
    assert list(panels(in_process("bless", "--help").stdout)) == ["Arguments", "Options"]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_examples_are_commands(name: str) -> None:
    assert EXAMPLES[name][0][1].startswith(f"voiceattack {name}")
    told = in_process(*[name][: bool(name)], "--help").stdout
    for _what, line in EXAMPLES[name]:
        program, called, *words = shlex.split(line.replace("\\\n", " "))
        assert program == "voiceattack"
        if "--help" not in words:
            COMMANDS[called].make_context(called, words)
        assert all(part in told for part in line.split("\n"))


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("compare", "compare [OPTIONS] BASELINE RUN..."),
        ("view", "view [OPTIONS] [RUN|DIR...]"),
        ("attack", "attack [OPTIONS] INPUT..."),
        ("list", "list [OPTIONS] KIND"),
        ("doctor", "doctor [OPTIONS]"),
    ],
)
def test_usage_names_the_arguments(name: str, usage: str) -> None:
    assert f"Usage: voiceattack {usage}" in [line.strip() for line in in_process(name, "--help").stdout.splitlines()]


def test_no_example_is_of_no_command() -> None:
    assert set(EXAMPLES) == {"", *COMMANDS}


def test_help_of_a_command_imports_nothing_heavy() -> None:
    code = (
        "import sys; from voiceattack.cli import main; main(['attack', '--help']);"
        "sys.exit(bool({'torch', 'transformers', 'foolbox'} & set(sys.modules)))"
    )
    assert subprocess.run([*command()[:1], "-c", code], env=environment(), check=False, capture_output=True).returncode == 0


def test_first_sentence() -> None:
    assert (
        first_sentence("Make it a.b so. Then\nmore.") == "Make it a.b so." and first_sentence("One\ntwo\n\nthree.") == "One two"
    )


def test_list_says_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "(the default) (installed)" in in_process("list", "victims").stdout
    about = tmp_path / "voiceattack-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: voiceattack\nVersion: 9\nProvides-Extra: vosk\n"
        "Requires-Dist: no-such-package-here<1,>=0.3; extra == 'vosk'\nRequires-Dist: typer; extra == 'vosk'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert missing("vosk") == ["no-such-package-here"] and missing("perceptual") == []
    told = {line.split()[0]: line for line in in_process("list", "victims").stdout.splitlines()}
    assert told["vosk"].endswith("(not installed: pip install 'voiceattack[vosk]')")
    assert told["tiny"].endswith("(installed)")
