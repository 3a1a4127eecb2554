"""The page of a run of texts: the same parts as every page, each change within its sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import chromium
from page_check import check_page
from speechlike import in_process

CHANGED = "return [...document.querySelectorAll('th.words:has(ins)')].map((one) => one.innerText)"
SPACES = "return [...document.querySelectorAll('thead th')].map((one) => parseFloat(getComputedStyle(one).paddingLeft))"


def test_the_page_of_texts_in_a_browser(tmp_path: Path) -> None:
    pytest.importorskip("hassil", reason="needs the extra assistant")
    pytest.importorskip("home_assistant_intents", reason="needs the extra assistant")
    texts = ["Turn on the kitchen lamp.", "Lock the front door."]
    out = tmp_path / "run"
    made = in_process("text", *texts, "--perturbation", "typos", "--victim", "intents:home", "--out", out)
    assert made.returncode == 0, made.stderr
    assert in_process("report", out, "--format", "html").returncode == 0
    with chromium() as page:
        check_page(page, out / "report.html")
        page.get((out / "report.html").as_uri())
        lines = page.execute_script(CHANGED)
        assert lines and all("\n" not in one for one in lines), "a change stands within its sentence"
        assert all(space >= 8 for space in page.execute_script(SPACES)), "no header is squeezed"
        page.execute_script("document.querySelector('#theme').click()")
        assert page.execute_script("return document.documentElement.dataset.theme") in ("dark", "light")
