"""How HTML pages are filled in: everything escaped, undefined names an error, and what a reader would not see marked."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from voiceattack.report.console import number, with_interval
from voiceattack.unicode_text import visible

__all__ = ["fill", "html_environment"]


@lru_cache(maxsize=1)
def html_environment() -> Environment:
    """Jinja2 over the package's templates, with the filters ``percent``, ``fixed`` (a number of decimals) and ``interval``."""
    environment = Environment(
        loader=PackageLoader("voiceattack.report.html"), autoescape=True, undefined=StrictUndefined, finalize=_nothing_hidden
    )
    environment.filters.update(percent=_percent, fixed=number, interval=with_interval)
    return environment


def fill(template: str, **facts: Any) -> Markup:
    """A template with its variables filled in, to stand as it is in a page."""
    return Markup(html_environment().get_template(template).render(facts))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _nothing_hidden(value: object) -> object:
    """Text with its invisible characters marked; what is markup already stays."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
