"""JUnit XML of a suite: one test case a gate and group, and one an example. Errors, failures and unreliable are three things."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

from voiceattack.unicode_text import visible

__all__ = ["to_junit"]

Json = dict[str, Any]
BLAMING = ("success_rate", "wer", "wer_capped", "cer", "max_snr_db_to_fool", "median_snr_db_to_fool", "critical_term_error_rate")
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(summary: Json) -> str:
    """The XML of a suite's ``summary.json``.

    * test suite ``gates``: failed gates are ``failure``, those that could not be judged ``error``;
    * test suite ``gates (unreliable)``: gates whose verdict differs between seeds, a ``failure`` of the type ``unreliable``;
    * a test suite an attack and victim: an example is a ``failure`` when it was fooled and a failed gate on success is about
      it, ``skipped`` when its clean clip was misheard already, an ``error`` when it could not be made or heard;
    * ``no speech heard``, ``inputs``: the same for clips without speech, and for inputs that cannot be used.
    """
    root = ET.Element("testsuites", name=_clean(f"voiceattack {summary['suite']}"))
    gates = summary["gates"]
    _suite(root, "gates", [_gate(one) for one in gates if one["verdict"] != "unreliable"], _facts(summary))
    _suite(root, "gates (unreliable)", [_gate(one) for one in gates if one["verdict"] == "unreliable"])
    groups: dict[str, list[ET.Element]] = {}
    for example in summary["examples"]:
        groups.setdefault(f"{example['attack']} on {example['victim']}", []).append(_example(example, gates))
    for name, cases in groups.items():
        _suite(root, name, cases)
    _suite(root, "no speech heard", [_silent(one, gates) for one in summary["clean"] if one["kind"] == "no-speech"])
    _suite(root, "inputs", [_unusable(one) for one in summary["unusable"]])
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(child.get(count, "0")) for child in root)))
    root.set("time", f"{summary['counts']['seconds']:.3f}")
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _clean(text: object) -> str:
    """Text with invisible characters marked, and without what XML 1.0 cannot hold."""
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible(str(text)))


def _suite(root: ET.Element, name: str, cases: list[ET.Element], facts: Json | None = None) -> None:
    if not cases and facts is None:
        return
    suite = ET.SubElement(root, "testsuite", name=_clean(name), tests=str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    if facts:
        _properties(suite, facts)
    suite.extend(cases)


def _case(group: str, name: str, seconds: float = 0.0) -> ET.Element:
    return ET.Element("testcase", classname=_clean(f"voiceattack.{group}"), name=_clean(name), time=f"{seconds:.3f}")


def _properties(parent: ET.Element, facts: Json) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in facts.items():
        if value is not None:
            ET.SubElement(properties, "property", name=name, value=_clean(value))


def _result(case: ET.Element, tag: str, message: str, kind: str | None = None, text: str = "") -> None:
    element = ET.SubElement(case, tag, message=_clean(message))
    if kind:
        element.set("type", kind)
    element.text = _clean(text) or None


def _facts(summary: Json) -> Json:
    versions = summary["made_with"]["versions"]
    facts = {"verdict": summary["verdict"], "seeds": " ".join(map(str, summary["seeds"]))}
    return {**facts, **summary["counts"], "voiceattack": versions["voiceattack"], "platform": summary["made_with"]["platform"]}


def _gate(one: Json) -> ET.Element:
    case = _case("gates", one["name"])
    interval = one["interval"]
    facts = {key: one[key] for key in ("verdict", "figure", "value", "n", "decides", "victim", "attack", "tag")}
    if interval is not None:
        facts |= {"interval_low": interval[0], "interval_high": interval[1]}
    if len(one["seeds"]) > 1:
        facts["values_of_seeds"] = " ".join(str(seed["value"]) for seed in one["seeds"])
    _properties(case, facts)
    if one["verdict"] == "failed":
        _result(case, "failure", f"{one['gate']} does not hold: {one['reason']}", "gate", _worst(one["worst"]))
    elif one["verdict"] == "unreliable":
        _result(case, "failure", f"unreliable: {one['reason']}", "unreliable", _worst(one["worst"]))
    elif one["verdict"] == "error":
        _result(case, "error", f"could not be judged: {one['reason']}", "gate")
    return case


def _worst(worst: Json | None) -> str:
    if worst is None:
        return ""
    if "error" in worst:
        return f"worst example: {worst['id']} ({worst['victim']})\nerror:       {worst['error']}"
    lines = [f"worst example: {worst['id']} ({worst['victim']})", f"said:        {worst['said']}"]
    lines += [f"heard clean: {worst['heard_clean']}", f"heard:       {worst['heard']}"]
    if "action" in worst:
        lines += [f"means:       {worst['reference_action']}", f"action:      {worst['action']}"]
    if worst["snr_db"] is not None:
        lines.append(f"SNR:         {worst['snr_db']:.1f} dB")
    return "\n".join([*lines, f"play:        {worst['file']}"])


def _example(example: Json, gates: list[Json]) -> ET.Element:
    seed = f" seed {example['seed']}"
    case = _case(f"examples.{example['attack']}", f"{example['id']}{seed} on {example['victim']}")
    facts = ("outcome", "snr_db", "wer_clean", "wer", "seed", "victim", "attack", "file")
    _properties(case, {**{key: example[key] for key in facts}, "tags": " ".join(example["tags"])})
    told = f"said: {example['reference']}\nheard clean: {example['clean_hypothesis']}\nheard: {example['hypothesis']}"
    if example["outcome"] == "error":
        _result(case, "error", str(example["error"]), "example")
    elif example["outcome"] == "clean_wrong":
        _result(case, "skipped", "the clean clip is misheard already: not scored")
    elif example["outcome"] == "fooled" and (broken := next((gate for gate in gates if _blames(gate, example)), None)):
        snr = "" if example["snr_db"] is None else f" at {example['snr_db']:.1f} dB SNR"
        _result(case, "failure", f"fooled{snr}; gate {broken['name']} does not hold", "example", told)
    ET.SubElement(case, "system-out").text = _clean(f"{told}\nplay: {example['file']}")
    return case


def _blames(gate: Json, one: Json) -> bool:
    """Whether a gate that failed is about this example."""
    about = all(gate[key] in (None, one[key]) for key in ("victim", "attack")) and gate["tag"] in (None, *one["tags"])
    return gate["verdict"] == "failed" and about and gate["figure"] in BLAMING


def _silent(one: Json, gates: list[Json]) -> ET.Element:
    case = _case("no-speech", f"{one['id']} on {one['victim']}")
    woken = one.get("wake_ups")
    _properties(case, {"words": one["words"], "wake_ups": woken, "audio_seconds": one["audio_seconds"], "file": one["file"]})
    names = ("false_transcript_rate", "invented_words_per_minute", "false_accepts_per_hour", "repetition_loop_rate")
    failed = [gate for gate in gates if gate["verdict"] == "failed" and gate["figure"] in names]
    blamed = [gate for gate in failed if gate["victim"] in (None, one["victim"]) and gate["tag"] in (None, *one["tags"])]
    if one["error"]:
        _result(case, "error", one["error"], "example")
    elif (one["words"] or woken) and blamed:
        text = f"{one['words']} words are heard where none is said" + (f", wake-ups: {woken}" if woken else "")
        _result(case, "failure", text, "example", str(one["hypothesis"]))
    return case


def _unusable(one: Json) -> ET.Element:
    case = _case("inputs", one["input"])
    _result(case, "error", one["error"], "input")
    return case
