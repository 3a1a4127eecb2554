"""A metric or a report section from outside the project is seen in every table, with nothing edited but its registration."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from speechlike import in_process, tones, write_clips
from torch import Tensor

from voiceattack.audio import Batch
from voiceattack.errors import RunError, SpecError
from voiceattack.evaluate import evaluate
from voiceattack.export import export
from voiceattack.metrics import METRICS, Metric, columns, measure, metrics
from voiceattack.report import render
from voiceattack.report.sections import SECTIONS
from voiceattack.runs import Run
from voiceattack.suite.gate_metrics import all_figures
from voiceattack.suite.gates import parse_gate
from voiceattack.suite.schema import GateEntry
from voiceattack.victims import load_victim

MODULE = """
from markupsafe import Markup
from voiceattack.metrics import Column, Metric
from voiceattack.report.sections.base import Section


def roughness(clean, adversarial):
    return 0.25 + float((adversarial - clean).abs().mean())


def plain(clean, adversarial):
    return 7.0


def letters_apart(reference, hypothesis):
    return float(len(hypothesis.split()))


def terms_told(reference, hypothesis, terms, language):
    if not terms:
        raise ValueError("no terms")
    return len(terms) + 0.5


ROUGHNESS = Metric("roughness", roughness, "roughness", unit="grit", digits=4, better="lower", columns={"list": Column("Grit")})
LETTERS = Metric("letters_apart", letters_apart, "letters apart", of="transcripts", digits=1)
TERMS = Metric("terms_told", terms_told, "terms told", of="terms", digits=1)
WEATHER = Section(
    lambda material: f"\\n## Weather\\n\\nFair over {material.run.id}.\\n",
    lambda material: Markup("<section><h2>Weather</h2><p>Fair over {}.</p></section>").format(material.run.id),
)
SILENT = Section(lambda material: "", lambda material: Markup(""))
"""
OUTSIDE = {"roughness": "ROUGHNESS", "letters_apart": "LETTERS", "terms_told": "TERMS", "plain": "plain"}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is no part of the project, and registries that forget what is added."""
    (tmp_path / "outside_columns.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "outside_columns", raising=False)
    for registry in (METRICS, SECTIONS):
        registry.names()  # installed plug-ins are loaded before the copy is made
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def register() -> None:
    for name, attribute in OUTSIDE.items():
        METRICS.add(name, f"outside_columns:{attribute}", f"{name}, from outside")


def said() -> str:
    return load_victim("tiny").transcribe(Batch.of([tones(0)]))[0].text


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips attacked, heard and reported with the project's own metrics; one has a text."""
    folder = tmp_path_factory.mktemp("columns")
    write_clips(folder / "in", 2)
    lines: list[dict[str, Any]] = [{"audio_filepath": "clip0.wav", "text": said()}, {"audio_filepath": "clip1.wav"}]
    (folder / "in" / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ("--victim", "tiny", "--steps", "2", "--param", "check_every=1", "--snr-db", "20")
    done = in_process("attack", folder / "in" / "m.jsonl", *options, "--out", folder / "run")
    assert done.returncode in (0, 1), done.stderr
    render(Run.open(folder / "run"), ["md", "html"])
    return folder / "run"


@pytest.fixture
def run(attacked: Path, tmp_path: Path) -> Run:
    """A copy of it."""
    return Run.open(shutil.copytree(attacked, tmp_path / "run"))


def heard_again(run: Run) -> str:
    """Evaluate with a critical term that the first clip says, and report in every format; what the console says."""
    done = in_process("evaluate", run.path, "--critical-terms", said().split()[0])
    assert done.returncode in (0, 1), done.stderr
    render(run, ["md", "html", "json", "csv"])
    return done.stdout


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("outside")
def test_a_metric_from_outside_is_in_every_table(run: Run) -> None:
    register()
    console = heard_again(run)
    rows = [json.loads(line) for line in read(run.path / "results.jsonl").splitlines()]
    first = rows[0]
    assert first["roughness"] > 0.25 and first["plain"] == 7.0 and first["terms_told"] == 1.5
    assert first["letters_apart"] == len(first["hypothesis_normalized"].split())
    assert all(set(OUTSIDE) <= row.keys() for row in rows)
    group = json.loads(read(run.path / "summary.json"))["groups"][0]
    attacked = sorted(row["roughness"] for row in rows if row["control_for"] is None)
    assert group["roughness_median"] == pytest.approx(sum(attacked) / 2) and group["plain_median"] == 7.0
    median, shown = f"{group['roughness_median']:.4f}", f"{first['roughness']:.4f}"
    headings = ("roughness grit", "letters apart", "terms told")
    assert median in console and all(word in console for word in ("grit", "apart", "told", "plain"))
    assert "terms_told  " in in_process("list", "metrics").stdout

    parts = dict(part.split("\n", 1) for part in read(run.path / "report.md").split("\n## ")[1:])
    assert all(heading in parts["Figures"] for heading in (*headings, "plain")) and median in parts["Figures"]
    assert all(heading in parts["Examples"] for heading in headings) and f"| {shown} |" in parts["Examples"]
    assert f"roughness {shown}" in parts["Examples"], "the line of sizes"
    assert "terms told" in parts["Critical terms"] and "1.5" in parts["Critical terms"]
    assert "roughness" not in parts["Critical terms"], "it is of sounds"

    page = read(run.path / "report.html")
    figures, examples = page[page.index('id="figures"') : page.index('id="examples"')], page[page.index('id="examples"') :]
    assert "roughness grit" in figures and median in figures
    assert (
        "Grit</button>" in examples
        and "Noise letters apart</button>" in examples
        and f'data-label="Grit">{shown}</td>' in examples
    )
    data = "".join(map(read, (run.path / "report_files").glob("*.js")))
    assert f'["roughness", "{shown} grit", ' in data
    (line, *_) = csv.DictReader(read(run.path / "report.csv").splitlines())
    assert float(line["roughness"]) == first["roughness"] and line["terms_told"] == "1.5"
    assert json.loads(read(run.path / "report.json"))["results"][0]["plain"] == 7.0


@pytest.mark.usefixtures("outside")
def test_a_metric_from_outside_is_exported(run: Run, tmp_path: Path) -> None:
    register()
    heard_again(run)
    assert in_process("export", run.path, "--format", "hf", "--out", tmp_path / "hf").returncode == 0
    items = [json.loads(line) for path in (tmp_path / "hf").rglob("metadata.jsonl") for line in read(path).splitlines()]
    by_id = {row.id: row for row in run.results()}
    assert len(items) == 2 and all(item["roughness"] == by_id[item["id"]].value("roughness") for item in items)
    sheets = "".join(read(path) for path in (tmp_path / "hf").glob("*.md"))
    assert "roughness" in sheets and "plain" in sheets
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (pip install 'voiceattack[export]')")
    assert in_process("export", run.path, "--format", "parquet", "--out", tmp_path / "pq").returncode == 0
    tables = [parquet.read_table(path) for path in (tmp_path / "pq").glob("*.parquet")]
    assert all(str(table.schema.field("roughness").type) == "double" for table in tables)


@pytest.mark.usefixtures("outside")
def test_a_metric_from_outside_has_gates(tmp_path: Path) -> None:
    register()
    write_clips(tmp_path / "in", 2)
    attack = {"attack": "pgd", "params": {"steps": 2, "check_every": 1}, "budget": {"snr_db": 15}}
    gates = ["roughness_median <= 0.26", "roughness_median <= 0.9", "success_rate <= 1 at plain <= 7", "terms_told_median >= 1"]
    whole = {"inputs": ["in"], "victims": ["tiny"], "attacks": [attack], "critical_terms": ["lamp"], "gates": gates}
    whole["min_clips"] = 1
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(whole))
    done = in_process("run", tmp_path / "suite.yaml", "--out", tmp_path / "out")
    found = {one["gate"]: one for one in json.loads(read(tmp_path / "out" / "summary.json"))["gates"]}
    verdicts = [found[str(parse_gate(GateEntry.model_validate(gate)))]["verdict"] for gate in gates]
    assert verdicts == ["failed", "passed", "passed", "passed"] and done.returncode == 1, done.stdout
    rows = [json.loads(line) for path in (tmp_path / "out").rglob("results.jsonl") for line in read(path).splitlines()]
    worst = max((row for row in rows if row["control_for"] is None), key=lambda row: row["roughness"])
    assert found["roughness_median <= 0.26"]["worst"]["id"] == worst["id"], "lower is better"
    hints = [parse_gate(GateEntry.model_validate(f"{name}_median >= 3")).hint for name in ("roughness", "plain")]
    assert "weak victim" in hints[0] and not hints[1]
    assert all_figures()["roughness_median"].summary == "roughness of the artefacts"


@pytest.mark.usefixtures("outside")
def test_a_metric_registered_later_is_measured_when_the_run_is_evaluated_again(run: Run) -> None:
    assert "roughness" not in read(run.path / "report.md")
    register()
    assert render(run, ["md", "html"]) and "roughness grit" in read(run.path / "report.md"), "a dash where nothing was measured"
    evaluate(run, [load_victim("tiny")])
    assert all((row.value("roughness") or 0) > 0.25 for row in run.results())


def test_a_plain_function_of_an_installed_package_is_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_columns.py").write_text(MODULE, encoding="utf-8")
    info = tmp_path / "outside_columns-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-columns\nVersion: 1.0\n")
    points = "[voiceattack.metrics]\nplain = outside_columns:plain\nroughness = outside_columns:ROUGHNESS\n"
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "outside_columns", raising=False)
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    monkeypatch.setattr(METRICS, "_plugins_loaded", False)
    assert [metric.name for metric in metrics()][-2:] == ["plain", "roughness"], "after those of the project"
    assert metrics()[-2].label == "plain" and metrics()[-1].unit == "grit"
    clip = tones(0)
    assert measure(clip, clip)[0]["plain"] == 7.0 and {"plain", "roughness"} <= {one.name for one in columns("results")}


@pytest.mark.usefixtures("outside")
def test_a_metric_that_cannot_be_loaded_costs_its_own_values() -> None:
    METRICS.add("broken", "outside_columns:nothing_of_the_kind", "its module lacks it")
    values, nulls = measure(tones(0), 0.9 * tones(0))
    assert values["broken"] is None and "cannot be loaded" in nulls["broken"] and values["snr_db"] == pytest.approx(20, abs=0.1)
    assert "broken" not in {metric.name for metric in columns("figures")}


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        ("high", None),
        (torch.zeros(4), None),
        (10**400, None),
        (1j, None),
        (KeyError("boom"), None),
        (RuntimeError("boom"), None),
        (math.nan, None),
        (np.float32(1.5), 1.5),
        (np.int64(3), 3.0),
        (torch.tensor(2.5), 2.5),
        (True, True),
    ],
    ids=repr,
)
def test_whatever_a_metric_gives_costs_its_own_values(value: Any, kept: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(clean: Tensor, adversarial: Tensor) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    monkeypatch.setattr(import_module("outside_columns"), "odd", odd, raising=False)
    name = f"odd {value!r}"  # a name of its own, since what is loaded once stays
    METRICS.add(name, "outside_columns:odd", "anybody's code")
    values, nulls = measure(tones(0), 0.9 * tones(0))
    assert values[name] == kept and type(values[name]) in (float, bool, type(None))
    assert (name in nulls) is (kept is None) and values["snr_db"] == pytest.approx(20, abs=0.1)
    assert all(nulls.values()), "each says why"


@pytest.mark.usefixtures("outside")
def test_declarations_that_contradict_themselves_are_refused() -> None:
    METRICS.add("smoothness", "outside_columns:ROUGHNESS", "under a name that is not its own")
    with pytest.raises(SpecError, match=r"'roughness' is registered as 'smoothness'"):
        metrics()
    with pytest.raises(ValueError, match="no table 'wall'"):
        Metric("a", max, "a", shows=frozenset({"wall"}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'summary' must be there too"):
        Metric("a", max, "a", shows=frozenset({"console"}))


@pytest.mark.usefixtures("outside")
def test_a_metric_may_not_take_the_name_of_something_else(run: Run) -> None:
    METRICS.add("seed", "outside_columns:plain", "a name that results have already")
    with pytest.raises(SpecError, match="'seed'"):
        evaluate(run, [load_victim("tiny")])


@pytest.mark.usefixtures("outside")
def test_a_rate_over_the_corpus_of_signals_may_not_either(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("outside_columns"), "ID", Metric("id", max, "id", over="corpus"), raising=False)
    METRICS.add("id", "outside_columns:ID", "a name that results have already")
    with pytest.raises(SpecError, match="'id'"):
        evaluate(run, [load_victim("tiny")])


@pytest.mark.usefixtures("outside")
def test_a_metric_may_not_take_the_name_of_a_field_of_exports(run: Run, tmp_path: Path) -> None:
    METRICS.add("text", "outside_columns:plain", "a name that exports have already")
    evaluate(run, [load_victim("tiny")])
    with pytest.raises(SpecError, match="'text', which exports call something else"):
        export(run, "nemo", tmp_path / "out")


@pytest.mark.usefixtures("outside")
def test_a_value_that_is_no_number_is_refused_when_it_is_read_again(run: Run) -> None:
    register()
    heard_again(run)
    for name in ("results.jsonl", "summary.json"):
        path, whole = run.path / name, read(run.path / name)
        path.write_text(re.sub(r'("roughness(_median)?": ?)[\d.]+', r'\1"much"', whole), encoding="utf-8")
        with pytest.raises(RunError, match="roughness"):
            render(run, ["md"])
        path.write_text(whole, encoding="utf-8")


def test_what_is_declared_is_in_every_line_and_group_of_a_run(run: Run) -> None:
    assert all(metric.name in row.values for metric in columns("results") for row in run.results())
    assert all(metric.median in group for metric in columns("summary") for group in run.summary()["groups"])


@pytest.mark.usefixtures("outside")
def test_a_section_from_outside_is_in_both_reports(run: Run) -> None:
    before = {name: read(run.path / f"report.{name}") for name in ("md", "html")}
    SECTIONS.add("silent", "outside_columns:SILENT", "nothing to say")
    render(run, ["md", "html"])
    assert before == {name: read(run.path / f"report.{name}") for name in ("md", "html")}
    SECTIONS.add("weather", "outside_columns:WEATHER", "fair")
    render(run, ["md", "html"])
    text, page = read(run.path / "report.md"), read(run.path / "report.html")
    assert text.index("\n## Figures") < text.index(f"\n## Weather\n\nFair over {run.id}.\n") < text.index("\n## Examples")
    assert page.index('id="figures"') < page.index(f"<p>Fair over {run.id}.</p>") < page.index('id="examples"')
    assert text.replace(f"\n## Weather\n\nFair over {run.id}.\n\n", "") == before["md"], "the rest stands as it stood"
