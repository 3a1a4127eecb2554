"""The listening test as a folder for people elsewhere: its files, its page in a browser from the disk, the answers sent back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import soundfile
from browser import chromium, console, requests, serious_findings, until
from speechlike import in_process, write_clips

from voiceattack.errors import RunError
from voiceattack.listening import read_answers, trials_of
from voiceattack.listening.bundle import take_answers, write_bundle
from voiceattack.runs import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    options = ("--victim", "tiny", "--steps", "4", "--snr-db", "20", "--no-report", "--out", tmp_path / "run")
    done = in_process("attack", *write_clips(tmp_path / "in", 2), *options)
    assert done.returncode == 0, done.stderr
    return Run.open(tmp_path / "run")


def listed(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "bundle.js").read_text().partition("= ")[2].rstrip(";\n"))
    return found


def answers_of(folder: Path, listener: str, choices: dict[int, str], **other: Any) -> str:
    plays = {"a": 1, "b": 2, "x": 3}
    given = [
        {"trial": n, "answer": c, "seconds": 1.5, "plays": plays, "time": "2030-01-01T00:00:00.000Z"} for n, c in choices.items()
    ]
    whole = {"format": "voiceattack listening answers 1", "test": listed(folder)["test"], "listener": listener, "answers": given}
    return json.dumps({**whole, **other})


def test_nothing_in_the_folder_says_what_is_clean(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    assert write_bundle(run, folder, "lab") == 4
    trials = trials_of(run, "lab")
    for told, trial in zip(listed(folder)["trials"], trials, strict=True):
        sounds = {letter: (folder / told[letter]).read_bytes() for letter in "abx"}
        assert sounds["x"] == sounds[trial.right] and len({len(data) for data in sounds.values()}) == 1
    text = "".join(path.read_text() for path in folder.iterdir() if path.is_file())
    assert not any(word in text for trial in trials for word in (trial.id, trial.clean, trial.adversarial))
    level, speech = (soundfile.read(path)[0].std() for path in (folder / "sounds" / "volume.wav", run.resolve(trials[0].clean)))
    assert 0.5 < level / speech < 2
    with pytest.raises(RunError, match="holds something already"):
        write_bundle(run, folder, "lab")


def test_answers_sent_back_count_once(run: Run, tmp_path: Path) -> None:
    folder, file = tmp_path / "host", tmp_path / "answers.json"
    write_bundle(run, folder, "lab")
    trials = trials_of(run, "lab")
    wrong = {"a": "b", "b": "a"}
    file.write_text(answers_of(folder, "ann", {0: trials[0].right, 2: wrong[trials[2].right]}))
    assert take_answers(run, file) == ("ann", 2) and take_answers(run, file) == ("ann", 0)
    found = read_answers(run)
    assert [(one.listener, one.trial, one.id, one.right, one.plays) for one in found] == [
        ("ann", 0, trials[0].id, True, "a:1 b:2 x:3"),
        ("ann", 2, trials[2].id, False, "a:1 b:2 x:3"),
    ]
    bad = {
        "answered twice or is none": answers_of(folder, "bob", {0: "a", 9: "a"}),
        "another test": answers_of(folder, "bob", {0: "a"}, test="0" * 16),
        "listener '../x'": answers_of(folder, "../x", {0: "a"}),
        "other answers already": answers_of(folder, "ann", {0: wrong[trials[0].right]}),
        "no file of answers": answers_of(folder, "bob", {0: "c"}),
        "no file of answers .*format": answers_of(folder, "bob", {}, format="x"),
        "no file of answers .*Invalid JSON": "{",
    }
    for message, text in bad.items():
        file.write_text(text)
        with pytest.raises(RunError, match=message):
            take_answers(run, file)
    assert read_answers(run) == found
    good = tmp_path / "good.json"
    good.write_text(answers_of(folder, "eve", {1: "a"}))
    done = in_process("listen", run.path, "--answers", file, "--answers", good, "--results")
    assert done.returncode == 0 and "1 new answers of eve" in done.stdout and "no file of answers" in done.stderr, done
    assert in_process("listen", run.path, "--answers", file).returncode == 2


def test_somebody_elsewhere_answers_in_a_browser(run: Run, tmp_path: Path) -> None:
    done = in_process("listen", run.path, "--listener", "lab", "--bundle", tmp_path / "host")
    assert done.returncode == 0 and "4 comparisons" in done.stdout, done
    with chromium(500, 900) as page:

        def answer(number: int) -> None:
            until(lambda: page.execute_script("return document.body.dataset.ready") == str(number))
            for name in "abx":
                page.find_element("css selector", f"[data-sound={name}]").click()
                until(lambda name=name: page.execute_script(f"return sounds.{name}.currentTime > 0.02"))
            page.find_element("css selector", "[data-answer=a]").click()

        def begin() -> None:
            until(lambda: page.find_element("id", "start").is_displayed())
            page.find_element("id", "volume").click()
            until(lambda: page.find_element("id", "begin").is_enabled())
            page.find_element("id", "begin").click()

        page.get((tmp_path / "host" / "index.html").as_uri())
        until(lambda: page.find_element("id", "name").is_displayed())
        assert serious_findings(page) == []
        page.find_element("id", "name").send_keys("Ann")
        begin()
        answer(0)
        until(lambda: page.execute_script("return document.body.dataset.ready") == "1")
        page.refresh()  # the next day
        begin()
        for number in range(1, 4):
            answer(number)
        until(lambda: page.find_element("id", "file").is_displayed())
        told = unquote(page.find_element("id", "file").get_attribute("href").partition(",")[2])
        assert page.find_element("id", "file").get_attribute("download") == "voiceattack-answers-ann.json"
        assert console(page) == []
        assert all(url.startswith(("file:", "blob:", "data:")) for url in requests(page))
    (tmp_path / "answers.json").write_text(told)
    assert take_answers(run, tmp_path / "answers.json") == ("ann", 4)
    assert sorted(one.trial for one in read_answers(run)) == [0, 1, 2, 3]
