"""JUnit XML of a suite: one test case a gate and group, and one a clip. Errors, failures and unreliable are three things."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from voiceattack.report.junit import (
    add_properties,
    add_result,
    add_suite,
    document,
    make_case,
    new_document,
    rounded,
    xml_text,
)
from voiceattack.suite.samples import place

__all__ = ["to_junit"]

Json = dict[str, Any]
NO_PATH = re.compile(r"[|\]\r\n]")  # what would end an attachment's line before its path does
NOTHING = "(nothing)"
TOLD = 100  # clips in the text of a failed gate; summary.json has all
ATTACHED = 5  # recordings attached to a failed gate; each clip has a case of its own, with its own


def to_junit(summary: Json, folder: Path = Path()) -> str:
    """The XML of a suite's ``summary.json``.

    * test suite ``gates``: a failed gate is one ``failure`` whose text names its clips, one that could not be judged an
      ``error``;
    * test suite ``gates (unreliable)``: gates whose verdict differs between seeds, a ``failure`` of the type ``unreliable``;
    * a test suite an attack and victim, ``clean on VICTIM`` and ``no speech on VICTIM``: a case a clip. Only gates fail, so a
      clip that was fooled, misheard or in which words were invented is ``skipped`` with the reason; it is an ``error`` when
      it could not be made or heard, unless that is a known failure;
    * ``known failures``: ``skipped`` while they stand, a ``failure`` of the type ``expired`` after their last day;
    * ``inputs``: those that cannot be used, ``error``.

    ``time`` is seconds: what making and hearing the clip took when it was made, which for a clip from before is not this run.

    Args:
        summary: what :func:`voiceattack.suite.record.record` gives.
        folder: the suite's run directory, where the recordings lie that are attached.
    """
    root = new_document(f"voiceattack {summary['suite']}")
    gates = summary["gates"]
    add_suite(root, "gates", [_gate(one, folder) for one in gates if one["verdict"] != "unreliable"], _facts(summary))
    add_suite(root, "gates (unreliable)", [_gate(one, folder) for one in gates if one["verdict"] == "unreliable"])
    groups: dict[str, list[ET.Element]] = {}
    excused = _excused(summary.get("expected", []))
    for one in summary["examples"]:
        reason = excused.get((one["id"], one["victim"], one["attack"]))
        groups.setdefault(f"{one['attack']} on {one['victim']}", []).append(_example(one, folder, reason))
    for one in summary["clean"]:
        kind = "no speech" if one["kind"] == "no-speech" else "clean"
        groups.setdefault(f"{kind} on {one['victim']}", []).append(
            _unharmed(one, folder, excused.get((one["id"], one["victim"], None)))
        )
    for name, cases in groups.items():
        add_suite(root, name, cases)
    add_suite(root, "known failures", [_known(one) for one in summary.get("expected", [])])
    add_suite(root, "inputs", [_unusable(one) for one in summary["unusable"]])
    return document(root)


def _facts(summary: Json) -> Json:
    versions = summary["made_with"]["versions"]
    facts = {"verdict": summary["verdict"], "seeds": " ".join(map(str, summary["seeds"]))}
    return {**facts, **summary["counts"], "voiceattack": versions["voiceattack"], "platform": summary["made_with"]["platform"]}


def _gate(one: Json, folder: Path) -> ET.Element:
    case = make_case("gates", one["name"])
    interval = one["interval"]
    facts = {key: one[key] for key in ("verdict", "figure", "value", "n", "decides", "victim", "attack", "tag")}
    if interval is not None:
        facts |= {"interval_low": interval[0], "interval_high": interval[1]}
    if len(one["seeds"]) > 1:
        facts["values_of_seeds"] = " ".join(str(rounded(seed["value"])) for seed in one["seeds"])
    add_properties(case, facts)
    if one["verdict"] == "failed":
        add_result(case, "failure", f"{one['gate']} does not hold: {one['reason']}", "gate", _clips(one["clips"], folder))
    elif one["verdict"] == "unreliable":
        add_result(case, "failure", f"unreliable: {one['reason']}", "unreliable", _clips(one["clips"], folder))
    elif one["verdict"] == "error":
        add_result(case, "error", f"could not be judged: {one['reason']}", "gate")
    elif one["verdict"] == "expected":
        add_result(case, "skipped", f"known failure: {one['reason']}")
    if one["verdict"] in ("failed", "unreliable"):
        _output(case, [clip["file"] for clip in one["clips"][:ATTACHED]], folder)
    return case


def _clips(clips: list[Json], folder: Path) -> str:
    """The clips that speak against the victim, the worst first."""
    parts = [f"{len(clips)} clips speak against it, the worst first:"] if len(clips) > 1 else []
    parts += [_clip(clip, folder) for clip in clips[:TOLD]]
    if len(clips) > TOLD:
        parts.append(f"and {len(clips) - TOLD} more: see results.csv")
    return "\n\n".join(parts)


def _clip(clip: Json, folder: Path) -> str:
    snr = "" if clip["snr_db"] is None else f", {clip['snr_db']:.1f} dB SNR"
    head = f"{clip['id']} ({', '.join(filter(None, (clip['victim'], clip['attack'])))}{snr})"
    if "error" in clip:
        return f"{head}\nerror:       {clip['error']}"
    lines = [head, *_told(clip["said"], clip["heard_clean"] if clip["attack"] else None, clip["heard"])]
    if "action" in clip:
        lines += [f"means:       {clip['reference_action']}", f"action:      {clip['action']}"]
    return "\n".join([*lines, f"play:        {place(clip['file'], folder)}"])


def _told(said: str | None, heard_clean: str | None, heard: str | None) -> list[str]:
    lines = [] if said is None else [f"said:        {said or NOTHING}"]
    lines += [] if heard_clean is None else [f"heard clean: {heard_clean or NOTHING}"]
    return [*lines, f"heard:       {heard or NOTHING}"]


def _excused(known: list[Json]) -> dict[tuple[str, str, str | None], str]:
    """Why a clip fails as expected, by its id, victim and attack."""
    stand = [one for one in known if one["state"] == "expected" and one["gate"] is None]
    return {
        (clip["id"], clip["victim"], clip["attack"]): f"known failure: {one['outcome']}, {one['reason']}"
        for one in stand
        for clip in one["clips"]
    }


def _example(example: Json, folder: Path, excuse: str | None) -> ET.Element:
    seed = f" seed {example['seed']}"
    name = f"{example['id']}{seed} on {example['victim']}"
    case = make_case(f"examples.{example['attack']}", name, example.get("seconds") or 0.0)
    facts = ("outcome", "snr_db", "wer_clean", "wer", "seed", "victim", "attack", "file")
    add_properties(case, {**{key: example[key] for key in facts}, "tags": " ".join(example["tags"])})
    if excuse is not None:
        add_result(case, "skipped", excuse)
    elif example["outcome"] == "error":
        add_result(case, "error", str(example["error"]), "example")
    elif example["outcome"] == "clean_wrong":
        add_result(case, "skipped", "the clean clip is misheard already: not scored")
    elif example["outcome"] == "fooled":
        snr = "" if example["snr_db"] is None else f" at {example['snr_db']:.1f} dB SNR"
        add_result(case, "skipped", f"fooled{snr}: whether so many may be, the gates say")
    told = _told(example["reference"], example["clean_hypothesis"], example["hypothesis"])
    _output(case, [example["file"]], folder, told)
    return case


def _unharmed(one: Json, folder: Path, excuse: str | None) -> ET.Element:
    """The case of a clean clip, or of one without speech."""
    silent = one["kind"] == "no-speech"
    case = make_case("no-speech" if silent else "clean", f"{one['id']} on {one['victim']}", one.get("seconds") or 0.0)
    words = one["words"] if silent else None
    facts = {"words": words, "wake_ups": one.get("wake_ups"), "wer": one["wer"], "audio_seconds": one["audio_seconds"]}
    add_properties(case, {**facts, "tags": " ".join(one["tags"]), "file": one["file"]})
    if excuse is not None:
        add_result(case, "skipped", excuse)
    elif one["error"]:
        add_result(case, "error", one["error"], "example")
    elif silent and (words or one.get("wake_ups")):
        woken = f", wake-ups: {one['wake_ups']}" if one.get("wake_ups") else ""
        add_result(case, "skipped", f"{words} words are heard where none is said{woken}: whether so many may be, the gates say")
    elif not silent and one["wer"]:
        add_result(case, "skipped", f"misheard without an attack, WER {one['wer']:.2f}: whether so many may be, the gates say")
    _output(case, [one["file"]], folder, _told(None if silent else one["reference"], None, one["hypothesis"]))
    return case


def _known(one: Json) -> ET.Element:
    """The case of a known failure: ``skipped`` while it stands, a ``failure`` when it has expired, else passed."""
    about = next(f"{kind} {one[kind]}" for kind in ("clip", "tag", "gate") if one[kind] is not None)
    case = make_case("expected", ", ".join([f"{about}: {one['outcome']}", *filter(None, (one["victim"], one["attack"]))]))
    add_properties(case, {key: one[key] or None for key in ("state", "reason", "ticket", "until")})
    if one["state"] == "expired":
        add_result(case, "failure", one["told"], "expired")
    elif one["state"] != "fixed":
        add_result(case, "skipped", one["told"])
    else:
        ET.SubElement(case, "system-out").text = xml_text(one["told"])
    return case


def _unusable(one: Json) -> ET.Element:
    case = make_case("inputs", one["input"])
    add_result(case, "error", one["error"], "input")
    return case


def _output(case: ET.Element, files: list[str | None], folder: Path, lines: list[str] | None = None) -> None:
    """What was said and heard, and the recordings that are there, each on a line of its own as Jenkins and GitLab attach them."""
    paths = [place(file, folder) for file in files if file is not None]
    told = [*(lines or ()), *(f"play:        {path}" for path in paths if lines)]
    told += [f"[[ATTACHMENT|{_attachment(path)}]]" for path in paths if os.path.isfile(path) and not NO_PATH.search(path)]
    if told:
        ET.SubElement(case, "system-out").text = xml_text("\n".join(told))


def _attachment(path: str) -> str:
    """A path as CI servers read it: absolute, but for GitLab below the project, whose pages are."""
    whole, project = os.path.abspath(path), os.environ.get("CI_PROJECT_DIR", "")
    below = project and os.environ.get("GITLAB_CI") and whole.startswith(os.path.join(project, ""))
    return os.path.relpath(whole, project) if below else whole
