"""``voiceattack view``: runs found, a table of ten thousand rows searched at once, its server, its page in a browser."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browser import chromium, console, requests, serious_findings, until
from local_fixture import get, served
from speechlike import in_process, write_clips
from suite_fixture import write_suite

from voiceattack.corpus import read_corpus
from voiceattack.errors import RunError
from voiceattack.runs import Run
from voiceattack.view import Asked, Table, export_lines, find_runs
from voiceattack.view.server import ViewServer

SECOND = "command:/bin/sh -c 'echo something else' {audio}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run heard by two victims, a suite's run of two attacks, a run of texts, a run not evaluated, and a damaged one."""
    folder = tmp_path_factory.mktemp("view")
    clips = write_clips(folder / "in", 3)
    options = ("--victim", "tiny", "--snr-db", "20", "--no-report")
    texts = folder / "runs" / "texts"
    for words in (
        ("attack", *clips, *options, "--steps", "4", "--out", folder / "runs" / "pgd"),
        ("evaluate", folder / "runs" / "pgd", "--victim", SECOND),
        ("attack", *clips, *options, "--attack", "noise", "--no-evaluate", "--out", folder / "runs" / "unheard"),
        ("text", "turn on the lamp", "--perturbation", "zero-width", "--victim", "intents:home", "--out", texts),
    ):
        done = in_process(*words)
        assert done.returncode == 0, done.stderr
    suite = write_suite(folder, 2, attacks=[{"attack": "noise", "budget": {"snr_db": 20}}], gates=["wer <= 9"])
    assert in_process("run", suite, "--out", folder / "runs" / "suite").returncode == 0
    shutil.copytree(folder / "runs" / "pgd", folder / "runs" / "torn")
    (folder / "runs" / "torn" / "results.jsonl").write_text("nonsense\n")
    return folder / "runs"


def table_of(folder: Path) -> Table:
    return Table(find_runs([folder])[0])


def test_runs_are_found_and_bad_ones_cost_themselves(folder: Path, tmp_path: Path) -> None:
    runs, notes = find_runs([folder, folder / "pgd"])
    assert [run.path.relative_to(folder).parts[0] for run in runs] == ["pgd", "suite", "texts", "torn"]
    assert len(notes) == 1 and "unheard: not evaluated, left out; run: voiceattack evaluate" in notes[0]
    table = Table(runs)
    assert len(table.notes) == 1 and "torn" in table.notes[0] and len(table.runs) == 3
    with pytest.raises(RunError, match="holds no evaluated run"):
        find_runs([tmp_path])
    with pytest.raises(RunError, match="no such folder"):
        find_runs([tmp_path / "nothing"])
    with pytest.raises(RunError, match="no results can be shown"):
        Table([Run.open(folder / "torn")])


def test_search_filter_sort_and_two_victims(folder: Path) -> None:
    table = table_of(folder)
    whole = table.page(Asked())
    assert whole.fitting == whole.total == len(whole.rows) == 3 * 2 + 2 + 1
    assert table.page(Asked(controls=True)).fitting == 2 * whole.total - 1 - 2  # noise has no noise beside it, nor has a text
    assert {row["victim"] for row in table.page(Asked(victim=SECOND)).rows} == {SECOND}
    clip = whole.rows[0]
    assert {row["id"] for row in table.page(Asked(words=f"PGD {clip['id'].upper()}")).rows} == {clip["id"]}
    assert table.page(Asked(words="no such words")).rows == []
    wers = [row["figures"]["wer"] for row in table.page(Asked(sort="wer", descending=True)).rows]
    known = [wer for wer in wers if wer is not None]
    assert known == sorted(known, reverse=True) and wers[len(known) :] == [None] * (len(wers) - len(known))
    both = table.page(Asked(victim="tiny", beside=SECOND))
    heard = {row["id"]: row["heard"] for row in table.page(Asked(victim=SECOND)).rows}
    assert both.fitting == 3 and all(row["beside"]["heard"] == heard[row["id"]] for row in both.rows)
    differing = table.page(Asked(victim="tiny", beside=SECOND, differ=True)).rows
    assert [row["id"] for row in differing] == [row["id"] for row in both.rows if row["outcome"] != row["beside"]["outcome"]]
    pages = [table.page(Asked(offset=offset), 4).rows for offset in (0, 4, 8)]
    assert [row for page in pages for row in page] == whole.rows
    assert table.page(Asked(sort="key; DROP TABLE row")).fitting == whole.fitting


def test_marks_and_a_manifest_that_can_be_attacked_again(folder: Path, tmp_path: Path) -> None:
    table = table_of(folder)
    keys = [row["key"] for row in table.page(Asked(run=(folder / "pgd").as_posix(), victim="tiny")).rows]
    assert table.mark([*keys, 10**9], True) == 3 and table.mark(keys[:1], False) == 2
    assert [row["key"] for row in table.page(Asked(marked=True)).rows] == keys[1:]
    lines = list(export_lines(table.marked()))
    manifest = tmp_path / "chosen.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    read = list(read_corpus([manifest]))
    assert [item.text for item in read] == [line["text"] for line in lines]
    assert all(Path(line["audio_filepath"]).is_file() and Path(line["clean_filepath"]).is_file() for line in lines)


def test_the_server_gives_what_is_asked_and_nothing_else(folder: Path) -> None:
    with served(ViewServer(table_of(folder))) as server:
        base, url = server.url.split(server.token)[0], server.url

        def asked(name: str, **query: object) -> dict:  # type: ignore[type-arg]
            status, body = get(f"{url}{name}?{urlencode(query)}")
            assert status == 200, body
            found: dict = json.loads(body)  # type: ignore[type-arg]
            return found

        for wrong in (
            "",
            "wrong/rows",
            f"{server.token}/../run.json",
            f"{server.token}/%2e%2e/run.json",
            f"{server.token}/run.json",
        ):
            assert get(base + wrong)[0] == 404, wrong
        assert get(url, Host="evil.example")[0] == 404, "DNS rebinding"
        row = asked("rows", attack="pgd", victim=SECOND)["rows"][0]
        shown = asked("example", key=row["key"])
        assert shown["id"] == row["id"] and [one["victim"] for one in shown["heard"]] == [SECOND, "tiny"]
        assert shown["sounds"] == ["adversarial", "clean", "noise"] and "voiceattack replay" in shown["replay"]
        for kind in shown["sounds"]:
            assert get(f"{url}sound?key={row['key']}&kind={kind}")[1][:4] == b"fLaC"
        text = next(row for row in asked("rows", words="lamp")["rows"])
        assert "⟨U+" in json.dumps(asked("example", key=text["key"]), ensure_ascii=False)
        for bad in ("sound?key=999999&kind=clean", "example?key=999999", f"sound?key={text['key']}&kind=clean"):
            status, body = get(url + bad)
            assert status == 404 and json.loads(body)["error"], bad
        for bad in ("example", "example?key=x", "sound?key=1", "rows?offset=x"):
            assert get(url + bad)[0] == 400, bad
        assert get(f"{url}sound?key={row['key']}&kind=../../run.json")[0] == 404
        for body in (b"", b"{", b"[]", b"{}", b'{"keys": ["x"], "on": true}', b'{"keys": [1]}'):
            assert get(url + "mark", body)[0] == 400, body
        assert json.loads(get(url + "mark", b'{"asked": {"attack": "pgd"}, "on": true}')[1]) == {"marked": 6}
        assert len(get(url + "export.jsonl")[1].splitlines()) == 6
        assert len(list(csv.DictReader(io.StringIO(get(url + "export.csv")[1].decode())))) == 6


def test_ten_thousand_examples_by_the_page(folder: Path, tmp_path: Path) -> None:
    """The figure that counts is printed, and never asserted: machines differ."""
    big = tmp_path / "big"
    shutil.copytree(folder / "pgd", big)
    line = json.loads((big / "results.jsonl").read_text().splitlines()[0])
    with (big / "results.jsonl").open("w") as stream:
        for index in range(10_000):
            stream.write(json.dumps({**line, "id": f"clip-{index:05d}", "hypothesis": f"word{index % 977} heard"}) + "\n")
    table = Table([Run.open(big)])
    began = time.perf_counter()
    found = table.page(Asked(words="word976", sort="id", descending=True))
    print(f"search and sort of 10,000: {time.perf_counter() - began:.3f} s")
    assert found.total == 10_000 and found.fitting == 10 and found.rows[0]["id"] == "clip-09769"
    assert len(table.page(Asked(offset=9_975)).rows) == 25


def test_the_page_in_a_browser(folder: Path) -> None:
    with served(ViewServer(table_of(folder))) as server, chromium(1600, 900) as page:

        def rows() -> int:
            return len(page.find_elements("css selector", "tbody tr.row"))

        for width in (390, 1280, 1600):
            # A window of Chromium is at least 500 pixels wide; what it believes to be may be less.
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            page.get(server.url)
            until(lambda: rows() == 9)
            page.find_element("name", "words").send_keys("pgd")
            until(lambda: rows() == 6)
            page.find_element("css selector", "tbody tr.row .open").click()
            until(lambda: page.find_elements("css selector", ".detail .sounds audio"))
            assert "Heard by" in page.find_element("css selector", ".detail").text
            page.find_element("id", "mark-none").click()
            until(lambda: not page.find_element("id", "side").is_enabled())
            until(lambda: not page.find_elements("css selector", "tbody input:checked"))
            # In one go: the rows are made anew when an answer of the server comes.
            page.execute_script("document.querySelectorAll('tbody input').forEach((box, n) => n < 2 && box.click())")
            until(lambda: page.find_element("id", "side").text.startswith("2 marked"))
            page.find_element("id", "side").click()
            until(lambda: len(page.find_elements("css selector", "#beside .side")) == 2)
            for theme in ("light", "dark"):
                page.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
                assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth"), (width, theme)
            assert serious_findings(page) == []
        assert console(page) == []
        assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:")) for url in requests(page))


def test_the_command(folder: Path) -> None:
    done = in_process("view", folder, "--dry-run")
    assert done.returncode == 0 and "9 examples of 3 runs; nothing was served" in done.stdout, done
    assert "not evaluated, left out" in done.stderr and "torn" in done.stderr
    assert in_process("view", folder / "nothing").returncode == 2
