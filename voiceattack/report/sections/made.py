"""How the run was made, and the command that makes it again."""

from __future__ import annotations

from markupsafe import Markup

from voiceattack.report.commands import make_command
from voiceattack.report.console import normalizer_of
from voiceattack.report.markdown_text import escape
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill
from voiceattack.runs.run import Run

__all__ = ["MADE"]


def _markdown(material: Material) -> str:
    run = material.run
    versions = ", ".join(f"{name} {version}" for name, version in run.info.get("versions", {}).items())
    commit = f"; git commit {escape(run.info['git_commit'])}" if run.info.get("git_commit") else ""
    return f"\n## Made with\n\n{escape(versions)}; {escape(str(run.info.get('platform', '')))}{commit}\n"


def _html(material: Material) -> Markup:
    command = make_command(material.run, material.every)
    return fill("sections/made.html.j2", command=command, asked=_asked(material.run))


def _asked(run: Run) -> list[tuple[str, str]]:
    info = run.info
    versions = ", ".join(f"{name} {version}" for name, version in info.get("versions", {}).items())
    facts = [
        ("Run", f"{run.id}, begun {info.get('created', '')}"),
        ("Normaliser", normalizer_of(run)),
        ("Versions", versions),
        ("Platform", str(info.get("platform", ""))),
        ("Git commit", str(info.get("git_commit") or "")),
    ]
    return [(name, value) for name, value in facts if value]


MADE = Section(_markdown, _html, markdown_place=210, html_place=210)
