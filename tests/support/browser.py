"""A headless Chromium for tests of pages; skips with the reason where it or selenium is missing."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@contextlib.contextmanager
def chromium(width: int = 1280, height: int = 1000) -> Iterator[Any]:
    """A browser that plays without a click's leave and keeps its console and its requests; quits in the end."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install 'voiceattack[dev]')")
    binary = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no chromium with chromedriver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", f"window-size={width},{height}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    page.set_page_load_timeout(60)
    try:
        yield page
    finally:
        page.quit()


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true value of ``condition``; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "the page did not get there"
        time.sleep(0.05)
    return value


def console(page: Any) -> list[str]:
    """What the page said on its console since the last call."""
    return [entry["message"] for entry in page.get_log("browser")]


def requests(page: Any) -> list[str]:
    """URLs asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def serious_findings(page: Any) -> list[str]:
    """What axe-core finds of impact serious or critical."""
    axe = pytest.importorskip(
        "axe_selenium_python", reason="axe-selenium-python is not installed (pip install 'voiceattack[dev]')"
    )
    script = Path(axe.__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
    # Through the debugger, which the page's policy on scripts does not bind.
    page.execute_cdp_cmd("Runtime.evaluate", {"expression": script.read_text(encoding="utf-8")})
    found = page.execute_async_script("const done = arguments[0]; axe.run(document, {}).then(r => done(r.violations))")
    serious = [item for item in found if item["impact"] in ("serious", "critical")]
    return [f"{item['id']}: {item['help']}: {[node['html'][:200] for node in item['nodes'][:3]]}" for item in serious]
