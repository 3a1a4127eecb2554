"""Every export format, loaded by its own library: the run's counts, samples and transcripts; and memory that does not grow."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from speechlike import environment, in_process, write_clips

from voiceattack.audio import clips as audio
from voiceattack.corpus import Utterance, read_corpus
from voiceattack.errors import RunError, SpecError
from voiceattack.export import EXPORTS, Selection, export, survey
from voiceattack.export.base import DEFAULT_SPLITS, parse_splits, split_of
from voiceattack.progress import showing
from voiceattack.runs import Run

Heard = dict[str, tuple[str, str, torch.Tensor]]  # by id: said, heard, samples


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Twelve clips; one is heard by a second victim as fooled, one failed, some held."""
    folder = tmp_path_factory.mktemp("export")
    options = ("--victim", "tiny", "--steps", "4", "--param", "check_every=2", "--snr-db", "40", "--no-report", "--stages", "5")
    done = in_process("attack", *write_clips(folder / "in", 12), *options, "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    results = folder / "run" / "results.jsonl"
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    plain = [row for row in rows if row["control_for"] is None and row["stage_of"] is None]
    for index, row in enumerate(plain):
        row.update(outcome="fooled" if index % 2 else "held", success=bool(index % 2), reference=f"said {index} ünï שלום")
    plain[0].update(outcome="error", error="made to fail", hypothesis=None, wer=None)
    rows += [{**plain[1], "victim": "other"}, {**plain[3], "victim": "other", "outcome": "held", "success": False}]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Run.open(folder / "run")


def expected(run: Run) -> Heard:
    rows = [row for row in run.results() if row.victim == "tiny" and row.is_final]
    return {
        row.id: (str(row.reference), str(row.hypothesis), audio.load(run.path / str(row.audio)))
        for row in rows
        if row.outcome != "error"
    }


def samples(data: bytes) -> torch.Tensor:
    wave, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == 16000
    return torch.from_numpy(wave)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def load_nemo(folder: Path) -> Heard:
    found = {}
    for manifest in folder.glob("*.jsonl"):
        heard = {row["id"]: row["heard"] for row in lines(manifest)}
        items = [item for item in read_corpus([manifest]) if isinstance(item, Utterance)]
        assert len(items) == len(heard)
        found.update({i.extra["id"]: (i.text or "", heard[i.extra["id"]], audio.load(i.path)) for i in items})
    return found


def load_datasets(kind: str, folder: Path, cache: Path) -> Heard:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (pip install 'voiceattack[dev]')")
    where: dict[str, Any] = {"data_dir": str(folder)}
    if kind == "parquet":
        where = {"data_files": {path.stem: str(path) for path in folder.glob("*.parquet")}}
    if kind == "audiofolder":
        # datasets asks for it before it takes so much as a path.
        try:
            from torchcodec.encoders import AudioEncoder  # noqa: F401
        except (ImportError, RuntimeError, OSError):
            pytest.skip("torchcodec, or the FFmpeg libraries it needs, is not installed")
    loaded = datasets.load_dataset(kind, cache_dir=str(cache), **where)
    found = {}
    for split in loaded.values():
        assert isinstance(split.features["audio"], datasets.Audio)
        # Decoding is another package's (torchcodec); the bytes are all there.
        for row in split.cast_column("audio", datasets.Audio(decode=False)):
            data = row["audio"]["bytes"] or Path(row["audio"]["path"]).read_bytes()
            found[row["id"]] = (row["text"], row["heard"], samples(data))
            assert json.loads(row["recipe"])["attack"] == row["attack"] == "pgd" and row["license"]
    return found


def load_lhotse(folder: Path) -> Heard:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed (pip install 'voiceattack[dev]')")
    found = {}
    for manifest in folder.glob("cuts.*.jsonl"):
        for cut in lhotse.CutSet.from_file(manifest).with_recording_path_prefix(str(folder)):
            (said,) = cut.supervisions
            found[cut.id] = (said.text, said.custom["heard"], torch.from_numpy(cut.load_audio()[0]))
            assert cut.duration == pytest.approx(said.duration)
    return found


def load_kaldi(folder: Path) -> Heard:
    found = {}
    for split in (path for path in folder.iterdir() if path.is_dir()):
        heard = {row["id"]: row["heard"] for row in lines(split / "metadata.jsonl")}
        names = [line.split()[0] for line in (split / "wav.scp").read_text().splitlines()]
        assert names == sorted(names) and names == [line.split()[0] for line in (split / "utt2spk").read_text().splitlines()]
        for item in read_corpus([split / "wav.scp"]):
            assert isinstance(item, Utterance), item
            found[item.name] = (item.text or "", heard[item.name], audio.load(item.path))
    return found


def load_webdataset(folder: Path) -> Heard:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed (pip install 'voiceattack[dev]')")
    found = {}
    for shard in folder.glob("*.tar"):
        for sample in webdataset.WebDataset(str(shard), shardshuffle=False, empty_check=False):
            fields = json.loads(sample["json"])
            assert fields["text"] == sample["txt"].decode()
            found[fields["id"]] = (fields["text"], fields["heard"], samples(sample["flac"]))
    return found


# webdataset leaves its shards for the garbage collector to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("name", EXPORTS.names())
def test_loaded_by_its_own_library_it_is_the_run(name: str, run: Run, tmp_path: Path) -> None:
    loaders: dict[str, Callable[[Path], Heard]] = {
        "nemo": load_nemo,
        "hf": lambda folder: load_datasets("audiofolder", folder, tmp_path / "cache"),
        "parquet": lambda folder: load_datasets("parquet", folder, tmp_path / "cache"),
        "lhotse": load_lhotse,
        "kaldi": load_kaldi,
        "webdataset": load_webdataset,
    }
    done = in_process("export", run.path, "--format", name, "--out", tmp_path / "out", "--license", "CC0-1.0")
    assert done.returncode == 0 and "11 clips" in done.stdout and "left out: 1 failed (error)" in done.stdout, done
    found, wanted = loaders[name](tmp_path / "out"), expected(run)
    assert found.keys() == wanted.keys() and len(found) == 11
    for identifier, (said, heard, wave) in wanted.items():
        assert found[identifier][:2] == (said, heard)
        assert torch.equal(found[identifier][2], wave), identifier
    sheet = (tmp_path / "out" / "DATASHEET.md").read_text(encoding="utf-8")
    assert "11 clips" in sheet and "CC0-1.0" in sheet and run.id in sheet


def test_an_audiofolder_is_what_its_reader_and_the_json_of_datasets_read(run: Run, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (pip install 'voiceattack[dev]')")
    export(run, "hf", tmp_path / "out")
    tables = {path.parent.name: str(path) for path in (tmp_path / "out").glob("*/metadata.jsonl")}
    loaded = datasets.load_dataset("json", data_files=tables, cache_dir=str(tmp_path / "cache"))
    wanted = expected(run)
    rows = {row["id"]: (name, row) for name, split in loaded.items() for row in split}
    items = {item.extra["id"]: item for item in read_corpus([tmp_path / "out"]) if isinstance(item, Utterance)}
    assert rows.keys() == items.keys() == wanted.keys()
    for identifier, (said, heard, wave) in wanted.items():
        split, row = rows[identifier]
        assert (row["text"], row["heard"]) == (said, heard) and items[identifier].text == said
        assert torch.equal(audio.load(tmp_path / "out" / split / row["file_name"]), wave)


def test_filters(run: Run) -> None:
    assert survey(run, Selection()).items == 11
    assert survey(run, Selection(fooled=True)).items == 6
    transfers = survey(run, Selection(transfers=True))
    assert transfers.items == 1 and transfers.skipped["fooled no other victim"] == 10
    excess = sorted(
        row.value("masking_excess_db") or 0.0 for row in run.results() if row.id in expected(run) and row.victim == "tiny"
    )
    assert survey(run, Selection(max_masking_excess_db=excess[4])).items == 5


def test_splits_follow_the_source_alone() -> None:
    splits = parse_splits("train=0.7,dev=0.2,test=0.1")
    drawn = {f"{index:064x}": split_of(f"{index:064x}", splits) for index in range(3000)}
    counts = Counter(drawn.values())
    assert all(abs(counts[name] / 3000 - share) < 0.03 for name, share in splits.items())
    assert drawn == {digest: split_of(digest, splits) for digest in reversed(drawn)}
    for wrong in ("train", "train=0.5", "train=0.9,test=0.2", "a/b=1", "train=x", "train=-1,test=2"):
        with pytest.raises(SpecError):
            parse_splits(wrong)


def test_two_artefacts_of_one_recording_are_in_one_split(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 6)
    split: dict[str, set[str]] = {}
    for attack in ("fgsm", "noise"):
        done = in_process("attack", *clips, "--victim", "tiny", "--attack", attack, "--no-report", "--out", tmp_path / attack)
        assert done.returncode == 0, done.stderr
        export(Run.open(tmp_path / attack), "nemo", tmp_path / f"out-{attack}", Selection(splits={"a": 0.5, "b": 0.5}))
        for manifest in (tmp_path / f"out-{attack}").glob("*.jsonl"):
            for row in lines(manifest):
                split.setdefault(row["source_pcm_sha256"], set()).add(manifest.stem)
    assert len(split) == 6 and all(len(names) == 1 for names in split.values())
    assert set().union(*split.values()) == {"a", "b"}


def test_it_tells_what_it_writes(run: Run, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    with showing(lambda *step: told.append(step)):
        tally = export(run, "hf", tmp_path / "corpus")
    assert [(done, label.partition(":")[0]) for done, _, label in told][:1] == [(0, f"writing 1 of {told[0][1]}")]
    assert len(told) == told[0][1] >= tally.items


def test_a_changed_file_is_left_out_and_said(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, tmp_path / "run")
    name = sorted(expected(run))[0]
    audio.save(tmp_path / "run" / "audio" / f"{name}.flac", torch.zeros(1600))
    done = in_process("export", tmp_path / "run", "--format", "nemo", "--out", tmp_path / "out")
    assert done.returncode == 0 and "10 clips" in done.stdout
    assert done.stderr == "voiceattack: left out: 1 the file is not the one that was crafted (other SHA-256)\n"


def test_bad_requests(run: Run, tmp_path: Path) -> None:
    def fails(*arguments: str | Path) -> str:
        done = in_process("export", *arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
        return done.stderr

    assert "'nemo'" in fails(run.path, "--format", "nemmo", "--out", tmp_path / "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "not an empty folder" in fails(run.path, "--out", tmp_path / "full")
    assert "no example passes the filters" in fails(run.path, "--max-masking-excess-db", "-1", "--out", tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    dry = in_process("export", run.path, "--out", tmp_path / "dry", "--dry-run")
    assert dry.returncode == 0 and "nothing was written" in dry.stdout and not (tmp_path / "dry").exists()
    with pytest.raises(RunError, match="evaluate"):
        export(Run.create(tmp_path / "empty", {"victim": "tiny"}), "nemo", tmp_path / "y")


MEASURE = """
import resource, sys
from pathlib import Path
from voiceattack.export import EXPORTS, export
from voiceattack.runs import Run
run = Run.open(sys.argv[1])
assert all(export(run, name, Path(sys.argv[2]) / name).items == int(sys.argv[3]) for name in EXPORTS.names())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_run(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (pip install 'voiceattack[export]')")
    row = next(row.as_json() for row in run.results() if row.outcome == "fooled" and row.victim == "tiny")
    peaks = []
    for count in (100, 1000):
        folder = tmp_path / str(count)
        copy = Run.create(folder / "run", run.request)
        data = (run.path / row["audio"]).read_bytes()
        with (copy.path / "results.jsonl").open("w") as stream:
            for index in range(count):
                name = f"clip-{index:05d}-pgd"
                (copy.path / "audio" / f"{name}.flac").write_bytes(data)
                recipe = {**row["recipe"], "pcm_sha256": f"{index:064x}"}
                stream.write(json.dumps({**row, "id": name, "audio": f"audio/{name}.flac", "recipe": recipe}) + "\n")
        arguments = [sys.executable, "-c", MEASURE, str(copy.path), str(folder), str(count)]
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    print(f"peak memory, all formats: 100 examples {peaks[0] / 1024:.0f} MB, 1,000 examples {peaks[1] / 1024:.0f} MB")
    assert peaks[1] < 1.1 * peaks[0]


def test_default_splits_sum_to_one() -> None:
    assert sum(DEFAULT_SPLITS.values()) == pytest.approx(1.0)
