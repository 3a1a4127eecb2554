"""The command ``voiceattack``: one file a command, heavy modules imported only by the command that needs them."""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from voiceattack import __version__
from voiceattack.children import terminable
from voiceattack.cli import (
    attack,
    compare,
    completion,
    confusions,
    console,
    corruptions,
    curve,
    demo,
    doctor,
    evaluate,
    export,
    fit,
    history,
    list_,
    listen,
    prompts,
    replay,
    report,
    speak,
    suite,
    text,
    transcribe,
    usage,
    view,
    wakeword_sweep,
)
from voiceattack.cli.console import warn
from voiceattack.cli.progress import PACE, hush
from voiceattack.cli.threads import keep_to_quota, wait_passively
from voiceattack.errors import VoiceAttackError
from voiceattack.unicode_text import visible

__all__ = ["app", "main"]

EXIT_FAILED = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="voiceattack",
    cls=usage.Program,
    help="Craft adversarial audio against speech recognition, hear it back, and measure how badly the recogniser failed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a comparison failed, 2 nothing could run, 130 interrupted.",
)
app.command("demo")(demo.demo)
app.command("attack")(attack.attack)
app.command("fit")(fit.fit)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("listen")(listen.listen)
app.command("view")(view.view)
app.command("transcribe")(transcribe.transcribe)
app.command("text")(text.text)
app.command("speak")(speak.speak)
app.command("confusions")(confusions.confusions)
app.command("prompts")(prompts.prompts)
app.command("wakeword-sweep")(wakeword_sweep.wakeword_sweep)
app.command("corruptions")(corruptions.corruptions)
app.command("curve")(curve.curve)
app.command("init")(suite.init)
app.command("run")(suite.run_suite)
app.command("merge")(suite.merge)
app.command("compare")(compare.compare)
app.command("bless")(compare.bless)
app.command("history")(history.history)
app.command("list")(list_.list_names)
app.command("replay")(replay.replay)
app.command("doctor")(doctor.doctor)
for _registered in app.registered_commands:
    _registered.cls = usage.Command


def _version(value: bool) -> None:
    if value:
        print(f"voiceattack {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (anywhere on the line).")] = False,
) -> None:
    del version, debug


@functools.lru_cache(maxsize=1)
def _tree() -> Any:
    """All commands with their options; made once, for those who call :func:`main` again and again."""
    return typer.main.get_command(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. A user sees one line an error, and a traceback only with ``--debug``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("voiceattack").setLevel(logging.DEBUG)
    else:
        _show_warnings()
        warnings.filterwarnings("ignore")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    completion.join_bash_words()
    wait_passively()
    keep_to_quota()
    PACE.begin()
    try:
        try:
            with terminable():
                code: Any = _tree()(args=arguments, prog_name="voiceattack", standalone_mode=False)
        finally:
            hush()
            console.let_go()
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (``| head``); keep Python from saying so at exit.
        console.unheard()
        return 0
    except Exception as error:
        if debug:
            traceback.print_exception(error)
        if message := _message(error):
            _print_error(message)
        return EXIT_FAILED
    if code == EXIT_INTERRUPTED:
        _print_error("interrupted; finished examples are kept, resume with the same command")
    return code if isinstance(code, int) else 0


class _Warnings(logging.Handler):
    """What the package's log warns of, as a line of the command line."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


def _show_warnings() -> None:
    log = logging.getLogger("voiceattack")
    if not any(isinstance(handler, _Warnings) for handler in log.handlers):
        log.addHandler(_Warnings(logging.WARNING))


def _message(error: Exception) -> str:
    if isinstance(error, VoiceAttackError):
        return str(error)
    if callable(usage := getattr(error, "format_message", None)):
        # Without any arguments the help was printed already, and the message is empty.
        return f"{usage()} (see voiceattack --help)" if usage() else ""
    return f"unexpected {type(error).__name__}: {error} (run again with --debug for the traceback, and please report it)"


def _print_error(message: str) -> None:
    print(f"voiceattack: error: {visible(' '.join(message.split()))}", file=sys.stderr)
