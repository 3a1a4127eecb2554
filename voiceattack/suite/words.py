"""What a suite found, in sentences: of the whole, of a gate, of a clip that an assistant acted on."""

from __future__ import annotations

import re
from typing import Any

from voiceattack.suite.gate_metrics import all_figures

__all__ = ["consequence", "figure_text", "found_sentence", "gate_sentence", "headline"]

Json = dict[str, Any]
SIGNS = {"<=": "at most", "<": "less than", ">=": "at least", ">": "more than", "==": "exactly", "!=": "anything but"}
BOUND = re.compile(r"(\w+) (<=|>=|==|!=|<|>) (\S+)(?: at (.*))?")
FOUND = re.compile(r"(\w+) is (\d[\d.]*)(?: \[(\d[\d.]*), (\d[\d.]*)\])? over (\d+) clips")
SWITCHES = ("HassTurnOn", "HassTurnOff")
VERBS = {"lock": ("locked", "unlocked"), "cover": ("opened", "closed")}
"""What switching on and off does to those that are not switched; Home Assistant uses the same two intents for them."""


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
    parts += [f"{name} heard none of the clean clips" for name in summary.get("silent", {})]
    return ", ".join(parts)


def gate_sentence(gate: Json) -> str:
    """What a gate asks, in words: ``at most 0.2 of the clips ...``."""
    kind = all_figures().get(gate["figure"])
    about = kind.summary if kind is not None else gate["figure"]
    found = BOUND.fullmatch(gate["gate"])
    if found is None:
        return str(gate["gate"])
    _, sign, limit, sizes = found.groups()
    limit = figure_text(gate["figure"], float(limit)) if gate["figure"].endswith("_rate") else limit
    return f"{about[0].upper()}{about[1:]}: {SIGNS[sign]} {limit}" + (f", at {sizes}" if sizes else "")


def found_sentence(gate: Json) -> str:
    """What was found, as the gate's reason says it, with shares in per cent: ``28.6% [8.2%, 64.1%] of 7 clips``."""
    reason = str(gate["reason"])
    found = FOUND.match(reason)
    if found is None or found[1] != gate["figure"] or not found[1].endswith("_rate"):
        return reason
    value, low, high, n = found.groups()[1:]
    interval = f" [{figure_text(found[1], float(low))}, {figure_text(found[1], float(high))}]" if low else ""
    clips = "1 clip" if n == "1" else f"{n} clips"
    return f"{figure_text(found[1], float(value))}{interval} of {clips}{reason[found.end() :]}"


def figure_text(name: str, value: float) -> str:
    """A figure for people: a share in per cent, else three digits."""
    if not name.endswith("_rate"):
        return f"{value:.3g}"
    return f"{100 * value:.1f}".removesuffix(".0") + "%"


def consequence(clip: Json) -> str | None:
    """What an assistant did on a clip, and what it should have done; None for a victim that does not act."""
    if "action" not in clip:
        return None
    did, meant = clip["action"], clip["reference_action"]
    told = _switched(did)
    if told is None:
        told = f"made it {_done(did)}"
        return told if _done(did) == _done(meant) else f"{told}, not {_done(meant)}"
    opposite = _name(meant) in SWITCHES and _slots(did) == _slots(meant)
    return told if opposite else f"{told}, and should {_done(meant)}"


def _switched(action: str | None) -> str | None:
    """``HassTurnOff{name=lock.front}`` as ``unlocked lock.front``; None for another action."""
    slots = _slots(action)
    if _name(action) not in SWITCHES or not slots:
        return None
    domain = slots.get("domain", slots.get("name", "").partition(".")[0])
    place = SWITCHES.index(_name(action))
    what = " ".join(slots.values())
    return f"{VERBS[domain][place]} {what}" if domain in VERBS else f"turned {what} {('on', 'off')[place]}"


def _done(action: str | None) -> str:
    """``HassTurnOff{name=light.lamp}`` as ``turn off light.lamp``."""
    name = _name(action)
    if name == "-":
        return "do nothing"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removeprefix("Hass")).lower()
    return " ".join([words, *_slots(action).values()])


def _name(action: str | None) -> str:
    return (action or "-").partition("{")[0]


def _slots(action: str | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in (action or "").partition("{")[2].rstrip("}").split(",")]
    return {name.strip(): value for name, equal, value in pairs if equal}
