"""What holds of every page that stands alone: nothing wider than the window, no serious finding of axe, a silent console, no
request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browser import console, requests, serious_findings

__all__ = ["check_page"]

WIDTHS = (390, 1280, 1600)
WIDER = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter((one) => {
  if (one.closest('.scroll, .hide, .skip, svg')) return false;
  const box = one.getBoundingClientRect();
  return box.width && (box.right > wide + 1 || box.left < -1);
}).map((one) => one.outerHTML.slice(0, 120));
"""
"""Elements that stand out of the window. What scrolls by itself may be wider inside, as tables are."""


def check_page(page: Any, path: Path) -> None:
    """Open the file at each width, in light, dark and print."""
    console(page), requests(page)
    for width in WIDTHS:
        # A window of Chromium is at least 500 pixels wide; what it believes to be may be less.
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        page.get(path.as_uri())
        for theme in ("light", "dark"):
            page.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
            assert (wider := page.execute_script(WIDER)) == [], (width, theme, wider)
            assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth"), (width, theme)
            assert serious_findings(page) == [], (width, theme)
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert (wider := page.execute_script(WIDER)) == [], (width, "print", wider)
        assert page.execute_script("return getComputedStyle(document.querySelector('.tools')).display") == "none"
        paper = page.execute_script("return getComputedStyle(document.documentElement).getPropertyValue('--attack-bg')")
        assert paper.strip() == "#fdebe2", "dark on paper"
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert page.execute_script("return document.querySelector('#theme').textContent") in ("Dark", "Light")
    assert console(page) == []
    assert all(url.startswith((path.as_uri(), "data:")) for url in requests(page))
