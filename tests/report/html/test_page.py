"""The HTML report in a browser: it plays, sorts, filters, asks nobody, and what was transcribed stays text."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, console, requests, serious_findings, until
from page_check import check_page
from speechlike import in_process, write_clips

from voiceattack.metrics.intervals import wilson
from voiceattack.report import render
from voiceattack.report.alignment import align
from voiceattack.report.commands import make_command
from voiceattack.report.sections.base import Material
from voiceattack.report.sections.groups import groups_of
from voiceattack.runs import Run
from voiceattack.unicode_text import visible

HOSTILE = (
    '<script>document.title = "owned"</script><img src=x onerror=alert(1)>',
    "\u202eevil right to left\u202c \u200bzero\u200bwidth",
    "</script><b>bold</b> {{ 7 * 7 }} ${alert(1)} ' \" `",
    "שלום עולם mixed العربية",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips through ``tiny``, one with a hostile file name; then hostile transcripts written over its own."""
    folder = tmp_path_factory.mktemp("report")
    clips = [Path(path) for path in write_clips(folder / "in", 4)]
    named = clips[0].with_name("<img src=x onerror=alert(1)>\u202e.wav")
    clips[0].rename(named)
    options = ("--victim", "tiny", "--steps", "6", "--param", "check_every=2", "--snr-db", "20", "--stages", "5")
    done = in_process("attack", named, *clips[1:], *options, "--no-report", "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    results = folder / "run" / "results.jsonl"
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    ids = list(dict.fromkeys(row["control_for"] or row["stage_of"] or row["id"] for row in rows))
    for row in rows:
        text = HOSTILE[ids.index(row["control_for"] or row["stage_of"] or row["id"])]
        row.update(hypothesis=text, hypothesis_normalized=text, reference=f"said {text}")
        row["warnings"] = [text]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    render(Run.open(folder / "run"), ["html"])
    return folder / "run"


@pytest.fixture(scope="module")
def page() -> Any:
    with chromium() as browser:
        yield browser


def shown(page: Any) -> list[Any]:
    return [row for row in page.find_elements("css selector", "tr.row") if row.is_displayed()]


def opened(page: Any, path: Path, place: int = 0) -> Any:
    """The detail of an example, once it is drawn."""
    page.get(path.as_uri())
    page.find_elements("css selector", "button.open")[place].click()
    return until(lambda: page.find_elements("css selector", "tr.detail[data-ready]"))[0]


def test_an_example_plays_and_its_texts_stay_text(run: Path, page: Any) -> None:
    for place, text in enumerate(HOSTILE):
        detail = opened(page, run / "report.html", place)
        marked = visible(text)
        assert marked in page.execute_script("return arguments[0].textContent", detail)
        assert marked in page.execute_script("return document.querySelector('#table').textContent")
        assert "\u202e" not in page.execute_script("return document.documentElement.outerHTML"), "nothing hidden is left"
        assert not detail.find_elements("css selector", "img, script, b b")
        assert page.title == "voiceattack report: pgd on tiny"
    detail = opened(page, run / "report.html")
    source = next(str(e.source) for e in Run.open(run).examples() if "onerror" in e.source)
    assert visible(source) in page.execute_script("return arguments[0].textContent", detail)
    buttons = {button.text: button for button in detail.find_elements("css selector", "button.play")}
    assert list(buttons) == ["Clean", "Adversarial", "Perturbation alone", "Noise, same SNR"]
    # A clip lasts 0.6 s, less than a busy machine may need to ask: what played is noted as it begins.
    page.execute_script(
        "window.began = []; playing.add = (a) => { Set.prototype.add.call(playing, a); began.push([a, playing.size]); }"
    )
    for place, button in enumerate(buttons.values()):
        button.click()
        until(lambda place=place: page.execute_script(f"return began.length > {place} && began[{place}][0].played.length > 0"))
        assert page.execute_script(f"return [began[{place}][1], began[{place}][0].played.end(0) > 0]") == [1, True]
        until(lambda button=button: button.get_attribute("aria-pressed") == "false")  # it ends by itself
    pixels = "c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
    drawn = f"return [...document.querySelectorAll('.plot canvas')].map(c => new Set({pixels}).size)"
    assert all(colours > 2 for colours in page.execute_script(drawn)), "a picture is blank"
    assert "Amplified by" in detail.text and "voiceattack replay run" in detail.text
    assert console(page) == []
    urls = requests(page)
    assert urls and all(url.startswith((run.as_uri(), "blob:", "data:")) for url in urls), urls


def test_sorting_and_filtering(run: Path, page: Any) -> None:
    page.get((run / "report.html").as_uri())
    heading = next(th for th in page.find_elements("css selector", "#table thead th") if th.text.startswith("PESQ"))
    column = int(heading.get_attribute("data-column"))
    for order in ("ascending", "descending"):
        heading.find_element("tag name", "button").click()
        assert heading.get_attribute("aria-sort") == order
        values = [float(row.find_elements("css selector", "th, td")[column].text) for row in shown(page)]
        assert len(values) == 4 and values == sorted(values, reverse=order == "descending")
    page.find_element("id", "find").send_keys("עולם")
    assert len(shown(page)) == 1 and page.find_element("id", "count").text == "1 of 4 shown"
    page.find_element("id", "find").clear()
    page.find_element("id", "find").send_keys(" ")
    outcomes = [row.get_attribute("data-outcome") for row in shown(page)]
    page.find_element("css selector", ".chip").click()
    chosen = page.find_element("css selector", ".chip").get_attribute("data-outcome")
    assert len(shown(page)) == outcomes.count(chosen) > 0


def test_errors_only_hides_what_was_heard_right(run: Path, page: Any) -> None:
    detail = opened(page, run / "report.html", 3)
    line = detail.find_element("css selector", ".diff")
    assert "said" in line.text and HOSTILE[3].split()[0] in line.text
    detail.find_element("css selector", ".errors-only").click()
    line = detail.find_element("css selector", ".diff")
    assert "said" in line.find_element("tag name", "del").text and HOSTILE[3].split()[0] not in line.text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_serious_accessibility_findings(run: Path, page: Any, dark: bool) -> None:
    opened(page, run / "report.html")
    if dark:
        page.find_element("id", "theme").click()
    assert serious_findings(page) == []


def test_a_file_elsewhere_stands_alone(run: Path, page: Any, tmp_path: Path) -> None:
    done = in_process("report", run, "-o", tmp_path / "there" / "report.html")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["report.html"]
    shutil.move(tmp_path / "there" / "report.html", tmp_path / "moved.html")
    console(page), requests(page)
    assert len(opened(page, tmp_path / "moved.html").find_elements("css selector", "button.play")) == 4
    assert console(page) == [] and all(url.startswith(("file:", "blob:", "data:")) for url in requests(page))


def test_markup_is_escaped_without_a_browser(run: Path) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "<img" not in html and "<b>bold" not in html and "onerror" in html
    assert html.count("<script>") == 1 and "default-src 'none'" in html
    assert not any(word in html for word in ('src="http', 'href="http', "@import", "//cdn"))


def test_large_sounds_lie_beside_the_file(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voiceattack.report.html import render as html

    monkeypatch.setattr(html, "MOST_EMBEDDED_BYTES", 1000)
    html.render_alone(Run.open(run), tmp_path / "big.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.html", "big_files"]
    assert len(list((tmp_path / "big_files").glob("*.js"))) == 4


def test_the_command_named_makes_the_same_run(run: Path, tmp_path: Path) -> None:
    import shlex

    words = shlex.split(make_command(Run.open(run), Run.open(run).results()))
    assert words[:3] == ["voiceattack", "attack", "INPUT"]
    sources = [example.source for example in Run.open(run).examples() if example.control_for is None and example.stage_of is None]
    again = tmp_path / "again"
    words = [*words[1:2], *sources, *words[3:-1], str(again), "--no-evaluate", "--quiet"]
    done = in_process(*words)
    assert done.returncode == 0, done.stderr
    assert Run.open(again).id == Run.open(run).id


def test_alignment() -> None:
    assert align("turn the lamp on", "turn a lamp") == [
        ("equal", "turn", "turn"),
        ("substitute", "the", "a"),
        ("equal", "lamp", "lamp"),
        ("delete", "on", ""),
    ]
    assert align("", "ghost words") == [("insert", "", "ghost words")]
    assert align("lost", "") == [("delete", "lost", "")] and align("", "") == []


def test_the_masking_picture_is_of_the_loudest_second() -> None:
    import torch

    from voiceattack.report.html.example import _loudest_second

    wave = torch.zeros(50_000)
    wave[30_000:34_000] = 0.5
    assert 18_000 <= _loudest_second(wave) <= 30_000 and _loudest_second(wave[:5000]) == 0


def test_the_page_with_an_example_opened_in_every_width(run: Path, page: Any) -> None:
    check_page(page, run / "report.html")
    for width in (390, 1280, 1600):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        opened(page, run / "report.html")
        left, right = page.execute_script(
            "const b = document.querySelector('.inside').getBoundingClientRect(); return [b.left, b.right]"
        )
        assert left >= 0 and right <= width, (width, left, right)
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_no_table_is_wider_than_paper(run: Path, page: Any) -> None:
    paper = {"width": 718, "height": 1040, "deviceScaleFactor": 1, "mobile": False}  # A4, margins of 1 cm
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", paper)
    opened(page, run / "report.html")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    widths = page.execute_script("return [...document.querySelectorAll('.scroll > table')].map((one) => one.offsetWidth)")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert len(widths) >= 2 and max(widths) <= 718, widths


def test_the_page_of_corruptions_in_every_width(page: Any, tmp_path: Path) -> None:
    asked = ("--victim", "tiny", "--names", "gain", "--severities", "1", "--out", tmp_path / "run")
    done = in_process("corruptions", *write_clips(tmp_path / "in", 1), *asked)
    assert done.returncode == 0, done.stderr
    render(Run.open(tmp_path / "run"), ["html"])
    check_page(page, tmp_path / "run" / "report.html")


def test_what_was_said_and_heard_is_the_first_column_and_fooled_come_first(run: Path) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    first = html.index('data-column="0"')
    assert html[first : first + 60].startswith('data-column="0"><button type="button">Said and heard')
    outcomes = re.findall(r'<tr class="row"[^>]*data-outcome="(\w+)"', html)
    assert outcomes == sorted(outcomes, key=("fooled", "held", "clean_wrong", "no_effect", "error").index)
    assert 'title="Signal-to-noise ratio: how much louder' in html


@pytest.mark.parametrize(
    ("scored", "fooled", "noise", "told", "verdict"),
    [
        (6, 1.0, 0.0, "6 of 6 clips fooled at 30 dB SNR; noise fooled none", "it is the attack, not the loudness"),
        (2, 1.0, 0.0, "2 of 2 clips fooled at 30 dB SNR; noise fooled none", "Too few clips (2) to tell; use at least 5."),
        (6, 0.5, 0.5, "3 of 6 clips fooled at 30 dB SNR; noise fooled 3", "The intervals overlap"),
        (0, None, None, "Nothing could be scored", "No clip could be scored"),
    ],
)
def test_the_first_sentence_says_what_it_means(
    scored: int, fooled: float | None, noise: float | None, told: str, verdict: str
) -> None:
    def group(rate: float | None, control: bool) -> dict[str, Any]:
        interval = None if rate is None else wilson(round(rate * scored), scored)
        facts = {
            "victim": "v",
            "source_victim": "v",
            "attack": "noise" if control else "pgd",
            "objective": "untargeted",
            "target": None,
        }
        figures = {"n_scored": scored, "success_rate": rate, "success_ci95": interval, "snr_db_median": 30.2, "pesq_median": 1.4}
        return {**facts, **figures, "is_control": control, "severity": None}

    material = Material(None, [], {"groups": [group(fooled, False), group(noise, True)]}, Path())  # type: ignore[arg-type]
    (lead,) = groups_of(material)
    assert lead["headline"] == told and verdict in lead["verdict"]
    assert lead["audible"] == "clearly audible"


def test_examples_beyond_fifty_are_on_further_pages(run: Path, page: Any, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "many")
    many = tmp_path / "many" / "report.html"
    html = many.read_text(encoding="utf-8")
    row = re.search(r'<tr class="row".*?</tr>', html, re.DOTALL)
    assert row is not None
    more = "".join(row[0].replace('id="x-', f'id="x-{n}-') for n in range(120))
    many.write_text(html.replace(row[0], row[0] + more, 1), encoding="utf-8")
    page.get(many.as_uri())
    assert len(shown(page)) == 50 and "1 to 50 of 124" in page.find_element("css selector", "#pager").text
    page.find_element("css selector", "#next").click()
    assert len(shown(page)) == 50
    page.find_element("css selector", "#next").click()
    assert len(shown(page)) == 24 and not page.find_element("css selector", "#next").is_enabled()
