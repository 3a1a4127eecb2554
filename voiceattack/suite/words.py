"""What a suite found, in sentences: of the whole, of a gate, of a clip that an assistant acted on."""

from __future__ import annotations

import re
from typing import Any

from voiceattack.suite.gate_metrics import all_figures

__all__ = ["consequence", "gate_sentence", "headline"]

Json = dict[str, Any]
SIGNS = {"<=": "at most", "<": "less than", ">=": "at least", ">": "more than", "==": "exactly", "!=": "anything but"}
BOUND = re.compile(r"(\w+) (<=|>=|==|!=|<|>) (\S+)(?: at (.*))?")


def headline(summary: Json) -> str:
    """The verdict in one sentence."""
    gates = summary["gates"]
    if summary["shard"]:
        return f"Shard {summary['shard']}: its gates are judged after the merge"
    counts = [
        (sum(one["verdict"] == verdict for one in gates), told)
        for verdict, told in (("failed", "failed"), ("unreliable", "unreliable"), ("error", "could not be judged"))
    ]
    told = [f"{count} {what}" for count, what in counts if count]
    expired = sum(one["state"] == "expired" for one in summary["expected"])
    known = sum(one["verdict"] == "expected" for one in gates)
    if not gates:
        parts = ["No gates"]
    elif told:
        parts = [f"{told[0].partition(' ')[0]} of {len(gates)} gates {told[0].partition(' ')[2]}", *told[1:]]
    else:
        parts = [f"All {len(gates)} gates hold" if len(gates) > 1 else "The gate holds"] if not known else []
        parts += [f"{len(gates) - known} of {len(gates)} gates hold"] if known else []
    parts += [f"{known} failed as expected"] if known else []
    parts += [f"{expired} known {'failure has' if expired == 1 else 'failures have'} expired"] if expired else []
    parts += ["not all was done"] if summary["incomplete"] else []
    return ", ".join(parts)


def gate_sentence(gate: Json) -> str:
    """What a gate asks, in words: ``at most 0.2 of the clips ...``."""
    kind = all_figures().get(gate["figure"])
    about = kind.summary if kind is not None else gate["figure"]
    found = BOUND.fullmatch(gate["gate"])
    if found is None:
        return str(gate["gate"])
    _, sign, limit, sizes = found.groups()
    limit = f"{float(limit):.0%}" if gate["figure"].endswith("_rate") else limit
    return f"{about[0].upper()}{about[1:]}: {SIGNS[sign]} {limit}" + (f", at {sizes}" if sizes else "")


def consequence(clip: Json) -> str | None:
    """What an assistant did on a clip, and what it should have done; None for a victim that does not act."""
    if "action" not in clip:
        return None
    did, meant = _done(clip["action"]), _done(clip["reference_action"])
    return f"made it {did}" if did == meant else f"made it {did}, not {meant}"


def _done(action: str | None) -> str:
    """``HassTurnOff{name=light.lamp}`` as ``turn off light.lamp``."""
    name, _, slots = (action or "-").partition("{")
    if name == "-":
        return "do nothing"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removeprefix("Hass")).lower()
    values = [pair.partition("=")[2] for pair in slots.rstrip("}").split(",") if "=" in pair]
    return " ".join([words, *values])
