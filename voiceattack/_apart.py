"""What runs in the process of :mod:`voiceattack.apart`: calls read from standard input, one answer a call. Imports nothing of the
project, so that it starts at once; its arguments are the module path of the process that started it."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path[:] = sys.argv[1:]

import contextlib
import importlib
import json
import os
from typing import Any

import numpy as np


def _argument(told: Any) -> Any:
    """An argument: a number or text as it is, an array from the bytes that follow."""
    if not isinstance(told, dict):
        return told
    return np.frombuffer(sys.stdin.buffer.read(4 * told["samples"]), dtype=np.float32).copy()


def _answer(call: dict[str, Any]) -> dict[str, Any]:
    arguments = [_argument(told) for told in call["arguments"]]
    try:
        return {"value": float(getattr(importlib.import_module(call["module"]), call["function"])(*arguments))}
    except Exception as error:  # whatever it is, the caller judges it
        reason = error.args[0] if error.args else type(error).__name__
        return {"error": type(error).__name__, "reason": reason.decode() if isinstance(reason, bytes) else str(reason)}


def main() -> None:
    """Answer until standard input ends."""
    with contextlib.suppress(ImportError):  # Windows has neither
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its death is expected: no core file
    # Native code may print; what it prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    while line := sys.stdin.buffer.readline():
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
