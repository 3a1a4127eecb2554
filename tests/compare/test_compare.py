"""``voiceattack compare`` and ``bless``: pairs, intervals, rules, baselines."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from compared import clean, entry, side
from scipy.stats import binomtest
from speechlike import in_process, write_clips
from suite_fixture import run, write_suite

from voiceattack.compare.differences import compare
from voiceattack.compare.judged import judge
from voiceattack.compare.rules import broken, parse_rule, rules_of
from voiceattack.compare.snapshots import ComparedExample, load_snapshot
from voiceattack.compare.text import changes, differences, to_markdown
from voiceattack.errors import RunError, SpecError
from voiceattack.metrics.intervals import mcnemar, paired_difference

NOISE = ("--victim", "tiny", "--attack", "noise")


def attack(folder: Path, name: str, *options: str, clips: int = 3) -> Path:
    out = folder / name
    paths = write_clips(folder / "in", clips)
    done = in_process("attack", *paths, *NOISE, "--out", out, "--quiet", "--no-report", *options)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 1), (3, 9), (12, 4), (7, 7), (0, 20)])
def test_mcnemar_is_the_exact_binomial_test(one: int, other: int) -> None:
    expected = binomtest(one, one + other, 0.5).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(expected)


def test_the_paired_interval_covers_the_true_difference() -> None:
    rng = random.Random(0)
    hits = 0
    for trial in range(100):
        before = [float(rng.random() < 0.3) for _ in range(60)]
        after = [max(value, float(rng.random() < 0.2)) for value in before]  # the true difference is 0.7 * 0.2
        found = paired_difference(before, after, [1.0] * 60, seed=trial, resamples=400)
        assert found is not None
        hits += found[1][0] <= 0.14 <= found[1][1]
    assert 88 <= hits <= 100
    assert paired_difference([], [], []) is None
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1], [1, 2], [1])


def test_differences_are_paired_per_victim_and_attack() -> None:
    before = side([entry("a", False, 1), entry("b", True, 4), entry("c", False, 0), entry("z", False, attack="cw")])
    after = side([entry("c", True, 4), entry("a", False, 1), entry("b", False, 2), entry("n", True)], platform="other")
    found = compare(before, after)
    group, gone = found.groups
    assert [one.id for _, one in group.newly_fooled] == ["c"] and [one.id for _, one in group.newly_safe] == ["b"]
    figures = {one.figure: one for one in group.differences}
    assert (figures["success_rate"].change, figures["success_rate"].p) == (0.0, 1.0)
    assert figures["wer"].change == pytest.approx((1 + 2 + 4) / 12 - 5 / 12) and figures["wer"].n == 3
    assert (
        [one.id for one in gone.vanished] == ["z"]
        and [one.id for one in found.new] == ["n"]
        and [one.id for one in found.stale] == ["z"]
    )
    assert "another machine" in found.notes[0] and not found.same


def test_clips_misheard_when_clean_do_not_count_as_newly_fooled() -> None:
    wrong = entry("a", True, outcome="clean_wrong")
    (group,) = compare(side([wrong, entry("b", False)]), side([entry("a", True), entry("b", False)])).groups
    assert not group.newly_fooled and next(d for d in group.differences if d.figure == "success_rate").n == 1
    assert [after.id for _, after in group.reheard] == ["a"]


def reasons(before: list[ComparedExample], after: list[ComparedExample], *rules: str) -> list[str]:
    return [one.reason for one in broken(compare(side(before), side(after)), rules_of(rules))]


def test_clips_that_are_misheard_now_or_gone_break_a_rule_whatever_else_fails_on() -> None:
    before = [clean("a"), clean("b"), clean("c")]
    after = [clean("a", 2), clean("b", 4), clean("c")]
    assert reasons(before, after) == ["2 of 3 newly misheard, 0 allowed"]
    assert reasons(before, after, "success_rate +1") == ["2 of 3 newly misheard, 0 allowed"]
    assert not reasons(before, after, "newly_misheard > 2") and not reasons(before, after, "newly_misheard > 67%")
    assert reasons(before, after, "newly_misheard > 66%") == ["2 of 3 newly misheard, 1.98 allowed"]
    # A tolerance for one attack leaves the rule on all else.
    attacked = [entry("a", False)]
    assert reasons([*before, *attacked], [*after, *attacked], "newly_misheard > 9 for attack pgd") == reasons(before, after)
    assert not reasons(after, before), "better is no failure"
    assert not any("misheard" in one for one in reasons([clean("a", 1)], [clean("a", 3)])), "it was misheard already"
    assert reasons(before, before[:1]) == ["2 of 3 vanished, 0 allowed"]
    assert reasons(before, [*before[:2], clean("c", outcome="error", words=None)]) == ["1 of 3 vanished, 0 allowed"]
    assert not reasons(before, before[:1], "vanished > 2") and not reasons(before[:1], before)
    assert reasons([*before, *attacked], before) == ["1 of 1 vanished, 0 allowed"], "a whole attack"


def test_a_clip_that_its_attack_can_no_longer_be_judged_on_is_newly_misheard() -> None:
    before, after = [entry("a", False)], [entry("a", True, outcome="clean_wrong", clean_errors=2)]
    (group,) = compare(side(before), side(after)).groups
    assert [one.id for _, one in group.newly_misheard] == ["a"] and not group.newly_fooled and not group.reheard
    assert reasons(before, after, "success_rate +1") == ["1 of 1 newly misheard, 0 allowed"]


def test_capital_letters_alone_are_folded_away() -> None:
    found = compare(side([clean("a", heard="Turn on.")]), side([clean("a", heard="turn  ON")]))
    assert found.same and list(changes(found)) == [
        "heard otherwise in capital letters, punctuation or spaces alone: 1 of clean on v"
    ]
    other = compare(side([clean("a", heard="We're on")]), side([clean("a", heard="were on")]))
    assert not other.same and [one.id for _, one in other.groups[0].reheard] == ["a"]


def test_few_pairs_are_said_to_be_few() -> None:
    few_before, few_after = [entry(str(i), False) for i in range(3)], [entry(str(i), i == 0) for i in range(3)]
    few = compare(side(few_before), side(few_after))
    assert "pgd on v: 3 pairs cannot show a difference; 6 can, if all change alike" in list(differences(few))
    assert "3 pairs cannot show a difference" in to_markdown([judge(side(few_before), side(few_after), [])])
    enough = compare(side([entry(str(i), False) for i in range(6)]), side([entry(str(i), i == 0) for i in range(6)]))
    assert not any("cannot" in line for line in differences(enough))
    wrong = [entry("a", False, outcome="clean_wrong")]
    assert "pgd on v: 0 pairs cannot" in " ".join(differences(compare(side(wrong), side(wrong))))


def test_one_victim_under_another_name_is_taken_for_the_same() -> None:
    found = compare(side([entry("a", False, victim="float32")]), side([entry("a", True, victim="int8")]))
    assert "victim float32 of the baseline is compared with int8" in found.notes[0] and len(found.groups) == 1
    with pytest.raises(RunError, match="no example in common"):
        compare(side([entry("a", False)]), side([entry("b", False)]))


def test_rules_with_tolerances_for_attack_and_victim() -> None:
    before = side([entry(str(i), False, attack=name) for i in range(10) for name in ("pgd", "cw")])
    after = side(
        [entry(str(i), i < 1 if name == "pgd" else i < 6, 4 * (i < 6), attack=name) for i in range(10) for name in ("pgd", "cw")]
    )
    found = compare(before, after)

    def fails(*rules: str) -> list[str]:
        return [one.group.attack for one in broken(found, [parse_rule(rule) for rule in rules])]

    assert fails("success_rate worse by more than 0.05") == ["pgd", "cw"] == fails("success_rate +5%")
    assert fails("success_rate worse by more than 0.1") == ["cw"]
    assert fails("success_rate +0", "success_rate +0.7 for attack cw") == ["pgd"], "the narrower rule holds"
    assert fails("success_rate worse, interval decides") == ["cw"], "one of ten may be chance"
    assert fails("success_rate +0.5 for attack cw for victim v") == ["cw"]
    assert fails("newly_fooled > 1") == ["cw"] and fails("wer_clean worse") == []
    for text in ("success_rate", "success_rate better", "loudness +1", "success_rate worse by more than lots"):
        with pytest.raises(SpecError):
            parse_rule(text)
    with pytest.raises(SpecError, match="about nothing that was compared"):
        broken(found, [parse_rule("wer +0 for attack fgsm")])


def test_two_runs_of_one_seed_do_not_differ_and_a_louder_one_does(tmp_path: Path) -> None:
    one = attack(tmp_path, "one", "--snr-db", "60")
    two = attack(tmp_path, "two", "--snr-db", "60")
    done = in_process("compare", one, two)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("no difference\n")
    loud = attack(tmp_path, "loud", "--snr-db", "-5")
    done = in_process("compare", one, loud, "-o", tmp_path / "c.md", "-o", tmp_path / "c.json")
    assert done.returncode == 1 and done.stdout.count("newly fooled: ") == 3 and "WORSE" in done.stdout
    assert "success_rate 0.000 -> 1.000, +1.000 [+1.000, +1.000] over 3 pairs, McNemar p = 0.25" in done.stdout
    assert "rules broken" in (tmp_path / "c.md").read_text()
    found = json.loads((tmp_path / "c.json").read_text())
    assert len(found["groups"][0]["newly_fooled"]) == 3 and found["broken"]
    # Its summary.json alone is as good, and the other way round it is better.
    assert in_process("compare", one / "summary.json", loud).stdout == in_process("compare", one, loud).stdout
    assert in_process("compare", loud, one).returncode == 0
    assert in_process("compare", one, loud, "--fail-on", "success_rate +1").returncode == 0


def test_without_a_baseline_it_passes_and_says_how_to_keep_one_then_bless_shows_each_change(tmp_path: Path) -> None:
    quiet, loud = attack(tmp_path, "quiet", "--snr-db", "60"), attack(tmp_path, "loud", "--snr-db", "-5", clips=2)
    kept = tmp_path / "kept.json"
    bless = f"voiceattack bless {quiet} --baseline {kept}"
    first = in_process("compare", kept, quiet, "--first-run")
    assert first.returncode == 0 and bless in first.stdout and not first.stderr
    silent = in_process("compare", kept, quiet)
    assert silent.returncode == 0 and "nothing was compared" in silent.stderr
    missing = in_process("compare", kept, quiet, "--require-baseline")
    assert missing.returncode == 2 and "no such baseline" in missing.stderr and bless in missing.stderr
    both = in_process("compare", kept, quiet, "--require-baseline", "--first-run")
    assert both.returncode == 2 and "give one of them" in both.stderr
    assert "a first baseline of 3 entries" in in_process("bless", quiet, "--baseline", kept).stdout
    assert in_process("compare", kept, quiet, "--require-baseline").stdout.endswith("no difference\n")
    again = in_process("compare", kept, quiet, "--first-run")
    assert again.returncode == 2 and "leave --first-run out" in again.stderr
    assert "nothing changed" in in_process("bless", quiet, "--baseline", kept).stdout
    before = kept.read_bytes()
    asked = in_process("bless", loud, "--baseline", kept)
    assert asked.returncode == 2 and "--yes accepts" in asked.stderr and kept.read_bytes() == before
    assert asked.stdout.count("newly fooled: ") == 2 and asked.stdout.count("vanished: ") == 1
    assert in_process("bless", loud, "--baseline", kept, "--yes", "--keep-stale").returncode == 0
    assert len(load_snapshot(kept).entries) == 3
    done = in_process("bless", loud, "--baseline", kept, "--yes")
    assert "1 stale entries are dropped" in done.stdout and len(load_snapshot(kept).entries) == 2
    assert in_process("compare", kept, loud).returncode == 0 and in_process("compare", kept, quiet).returncode == 0


def test_suites_compare_with_their_clean_and_silent_clips(tmp_path: Path) -> None:
    inputs = [{"path": "in"}, {"generate": "no-speech", "kinds": ["silence", "white-noise"], "seconds": 1}]
    noise = [{"attack": "noise", "name": "n", "budget": {"snr_db": 60}}]
    suite = write_suite(tmp_path, inputs=inputs, attacks=noise, repeat=2)
    assert run(suite, out="a")[0] == 0 == run(suite, out="b")[0]
    same = in_process("compare", tmp_path / "a", tmp_path / "b" / "summary.json")
    assert same.returncode == 0 and "clean on toy: false_transcript_rate" in same.stdout and "no difference" in same.stdout
    assert len(load_snapshot(tmp_path / "a").entries) == 2 * 2 + 2
    suite.write_text(suite.read_text().replace("snr_db: 60", "snr_db: -5"))
    assert run(suite, out="c")[0] == 0
    worse = in_process("compare", tmp_path / "a", tmp_path / "c", "--fail-on", "success_rate +0.1 for attack n")
    assert worse.returncode == 1 and worse.stdout.count("newly fooled: ") == 4


def test_a_recogniser_that_now_mishears_two_of_three_clips_is_worse_though_no_rate_says_so(tmp_path: Path) -> None:
    """Both runs have one and the same program; it hears the words, then only those of the longest clip."""
    program = tmp_path / "asr.sh"
    manifest = tmp_path / "manifest.jsonl"
    rows = []
    for place, seconds in enumerate((0.5, 0.7, 0.9)):
        soundfile.write(tmp_path / f"{place}.wav", 0.1 * np.sin(np.arange(int(16000 * seconds)) / 9), 16000)
        rows.append({"audio_filepath": f"{place}.wav", "text": "turn on the lamp"})
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = (
        "attack",
        manifest,
        "--victim",
        f"command:/bin/sh {program} {{audio}}",
        "--attack",
        "noise",
        "--snr-db",
        "40",
        "--no-report",
    )
    program.write_text("echo Turn on the lamp.\n")
    assert in_process(*words, "--out", tmp_path / "before").returncode == 0
    program.write_text('[ $(wc -c < "$1") -gt 25000 ] && echo TURN on the lamp || echo Thank you\n')
    assert in_process(*words, "--out", tmp_path / "after").returncode == 0
    done = in_process("compare", tmp_path / "before", tmp_path / "after", "--fail-on", "success_rate worse by more than 0.05")
    assert done.returncode == 1 and "WORSE      noise on command:" in done.stdout, done
    assert "2 of 3 newly misheard, 0 allowed" in done.stdout and done.stdout.count("newly misheard: ") == 2
    assert (
        "1 pair cannot show a difference" in done.stdout
        and "heard otherwise in capital letters, punctuation or spaces alone: 1 of" in done.stdout
    )
    assert in_process("compare", tmp_path / "before", tmp_path / "after", "--fail-on", "newly_misheard > 2").returncode == 0


def test_what_cannot_be_compared_is_exit_2(tmp_path: Path) -> None:
    one = attack(tmp_path, "one", "--snr-db", "60", clips=1)
    (tmp_path / "broken.json").write_text('{"entries": [{"id": 1}]}')
    (tmp_path / "not.json").write_text("{")
    unheard = attack(tmp_path, "unheard", "--snr-db", "50", "--no-evaluate", clips=1)
    cases = {
        "holds no examples": ("compare", tmp_path / "broken.json", one),
        "cannot be read": ("compare", tmp_path / "not.json", one),
        "voiceattack evaluate": ("compare", one, unheard),
        "holds no results": ("compare", one, tmp_path / "nothing"),
        "names no format": ("compare", one, one, "-o", "x.pdf"),
        "about nothing": ("compare", one, one, "--fail-on", "wer +0 for victim nobody"),
    }
    for words, arguments in cases.items():
        done = in_process(*arguments)
        assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1, (words, done.stderr)


def test_other_versions_are_warned_of(tmp_path: Path) -> None:
    one = attack(tmp_path, "one", "--snr-db", "60", clips=1)
    kept = tmp_path / "kept.json"
    in_process("bless", one, "--baseline", kept)
    kept.write_text(kept.read_text().replace('"numpy": "', '"numpy": "0.'))
    done = in_process("compare", kept, one)
    assert done.returncode == 0 and "other versions: numpy 0." in done.stderr
