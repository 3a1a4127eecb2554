"""JUnit XML: the parts of which every such file here is made."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from voiceattack.unicode_text import visible

__all__ = ["add_properties", "add_result", "add_suite", "document", "make_case", "new_document", "rounded", "xml_text"]

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: object) -> str:
    """Text with invisible characters marked, and without what XML 1.0 cannot hold."""
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible(str(text)))


def new_document(name: str) -> ET.Element:
    """The root; :func:`document` makes it a file."""
    return ET.Element("testsuites", name=xml_text(name))


def add_suite(root: ET.Element, name: str, cases: list[ET.Element], facts: Mapping[str, Any] | None = None) -> None:
    """A test suite with its counts, and ``facts`` as properties; none where there is neither case nor fact."""
    if not cases and facts is None:
        return
    suite = ET.SubElement(root, "testsuite", name=xml_text(name), tests=str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    if facts:
        add_properties(suite, facts)
    suite.extend(cases)


def make_case(group: str, name: str, seconds: float = 0.0) -> ET.Element:
    """A test case that passed, until it is given a result."""
    return ET.Element(
        "testcase", classname=xml_text(f"voiceattack.{group}"), name=xml_text(name), time=f"{max(0.0, seconds):.3f}"
    )


def add_properties(parent: ET.Element, facts: Mapping[str, Any]) -> None:
    """Facts under a case or suite; those that are None are left out."""
    properties = ET.SubElement(parent, "properties")
    for name, value in facts.items():
        if value is not None:
            ET.SubElement(properties, "property", name=name, value=xml_text(rounded(value)))


def rounded(value: object) -> object:
    """A figure with three decimals at most, as people read it; anything else as it is."""
    return f"{round(value, 3):.10g}" if isinstance(value, float) else value


def add_result(case: ET.Element, tag: str, message: str, kind: str | None = None, text: str = "") -> None:
    """``failure``, ``error`` or ``skipped``, with the message on one line and more as its text."""
    element = ET.SubElement(case, tag, message=xml_text(message))
    if kind:
        element.set("type", kind)
    element.text = xml_text(text) or None


def document(root: ET.Element) -> str:
    """The whole file, with the counts of its suites added up."""
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(child.get(count, "0")) for child in root)))
    root.set("time", f"{sum(float(child.get('time', '0')) for child in root):.3f}")
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
