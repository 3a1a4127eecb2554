"""What was asked; in HTML the headline: how many clips were fooled, and whether noise as loud fools them too."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from voiceattack.attacks import ATTACKS
from voiceattack.craft.corruptions import ALL
from voiceattack.errors import VoiceAttackError
from voiceattack.metrics import metrics
from voiceattack.objectives import wanted
from voiceattack.report.console import normalizer_of, rate_label
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.sections.corruptions import facts_of
from voiceattack.report.sections.groups import groups_of
from voiceattack.report.templates import fill

__all__ = ["HEAD"]


def _markdown(material: Material) -> str:
    run = material.run
    request = run.request
    budget = request.get("budget", {}).items()
    limits = ", ".join(f"{name} {limit if isinstance(limit, str) else format(limit, 'g')}" for name, limit in budget) or "none"
    params = ", ".join(f"{name}={value}" for name, value in _telling(request).items()) or "as by default"
    goal = escape(request.get("objective", "untargeted")) + (
        f', target "{escape(request["target"])}"' if request.get("target") else ""
    )
    facts = [
        ("victim attacked", code(request.get("victim"))),
        ("attack", f"{code(request.get('attack'))} ({escape(params)})"),
        ("objective", goal),
        ("budget", escape(limits)),
        ("seed", escape(request.get("seed"))),
        ("run", f"{code(run.id)}, begun {escape(run.info.get('created', ''))}"),
        ("normaliser", escape(normalizer_of(run))),
    ]
    warning = "The files under `audio/` are adversarial: made to be misheard. Use them on systems that you own.\n"
    return f"# voiceattack report\n\n{warning}\n" + table(("asked", ""), facts)


def _telling(request: dict[str, Any]) -> dict[str, Any]:
    """The attack's parameters that are not as by default; all of an attack that is not installed here."""
    given: dict[str, Any] = request.get("params", {})
    try:
        defaults = ATTACKS.get(str(request.get("attack")))().params
    except VoiceAttackError:
        return given
    return {name: value for name, value in given.items() if name not in defaults or defaults[name] != value}


def _html(material: Material) -> Markup:
    request, groups = material.run.request, material.once(groups_of)
    return fill(
        "sections/head.html.j2",
        request=request,
        goal=wanted(request.get("objective", "untargeted"), request.get("target")),
        lead=groups[0] if groups and request.get("attack") != ALL else None,
        rate=rate_label(material.summary["groups"]),
        corruptions=material.once(facts_of),
        meaning={metric.name: metric.meaning for metric in metrics()},
    )


HEAD = Section(_markdown, _html, markdown_place=0, html_place=0)
