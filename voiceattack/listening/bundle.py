"""The listening test for people elsewhere: a folder of plain files to host, and the files of answers that they send back.

The page draws the order of the trials, and which sound is called A, anew for each person. What is clean is in no name and no
size; who reads the files' bytes can find out which two of three are alike.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voiceattack.errors import RunError
from voiceattack.files import one_line, read_bytes, write_whole, writing
from voiceattack.listening.abx import Answer, Trial, file_of, keep, read_file, trials_of
from voiceattack.listening.sounds import loudness_check, trial_sounds
from voiceattack.runs.run import Run

__all__ = ["take_answers", "write_bundle"]

PAGE = Path(__file__).parent / "page"
RECORD = "bundle.json"
MOST_BYTES = 4 << 20
POLICY = (
    "default-src 'none'; img-src data:; script-src 'self' file:; style-src 'self' file:; media-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)


class Sheet(BaseModel):
    """What a bundle was made of; it stays in the run, since it names what is right."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    test: str
    name: str
    most: int | None
    repeat: int


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    trial: Annotated[int, Field(ge=0)]
    answer: Literal["a", "b"]
    seconds: Annotated[float, Field(ge=0)]
    plays: dict[Literal["a", "b", "x"], Annotated[int, Field(ge=0, le=1_000_000)]]
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT[0-9:.]{8,12}(Z|\+00:00)$")]


class _Answers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["voiceattack listening answers 1"]
    test: str
    listener: str
    answers: Annotated[list[_Given], Field(max_length=100_000)]


def write_bundle(run: Run, folder: Path, name: str, most: int | None = None, repeat: int = 1) -> int:
    """Write the page and its sounds into a new folder; the number of its trials.

    Args:
        run: evaluated.
        folder: new or empty; host it anywhere, or send it.
        name: of this test; another name draws other trials and assignments.
        most: no more clips than this.
        repeat: trials a clip.

    Raises:
        RunError: the folder holds something, the run has nothing to hear, or the disk refuses.
    """
    trials = trials_of(run, name, most, repeat)
    file_of(run, name)
    sheet = Sheet(test=_digest(run, trials), name=name, most=most, repeat=repeat)
    with writing(folder, "choose a new folder"):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder}: holds something already; choose a new folder")
        (folder / "sounds").mkdir(parents=True)
        write_whole(folder / "sounds" / "volume.wav", loudness_check(run, trials))
        listed = []
        for trial in trials:
            names = {letter: f"sounds/{secrets.token_hex(8)}.wav" for letter in "abx"}
            for letter, data in trial_sounds(run, trial).items():
                write_whole(folder / names[letter], data)
            listed.append({"trial": trial.number, **names})
        told = {"test": sheet.test, "trials": listed}
        write_whole(folder / "bundle.js", f"window.voiceattackBundle = {json.dumps(told)};\n".encode())
        for file in ("listen.js", "listen.css"):
            write_whole(folder / file, (PAGE / file).read_bytes())
        page = (PAGE / "listen.html").read_text(encoding="utf-8")
        policy = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        page = page.replace('<meta charset="utf-8">', policy, 1)
        page = page.replace('<script src="listen.js">', '<script src="bundle.js"></script><script src="listen.js">', 1)
        write_whole(folder / "index.html", page.encode())
    kept = run.resolve(f"listening/{sheet.test}.{RECORD}")
    with writing(kept, "make room"):
        kept.parent.mkdir(exist_ok=True)
        write_whole(kept, (sheet.model_dump_json() + "\n").encode())
    return len(trials)


def take_answers(run: Run, path: Path) -> tuple[str, int]:
    """Take the answers that a listener sent back into the run; who answered, and how many answers were new.

    Raises:
        RunError: it is no file of answers, is of another test, names a trial twice or one that there is not, or the listener's
            name has answers of another test already.
    """
    try:
        data = read_bytes(path)
        if len(data) > MOST_BYTES:
            raise RunError(f"{path}: {len(data)} bytes are too many for answers; ask for the file that the page saved")
        given = _Answers.model_validate_json(data)
    except (OSError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = one_line(error) if first is None else f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise RunError(f"{path}: is no file of answers ({why}); ask for the file that the page saved") from error
    trials = {trial.number: trial for trial in _trials(run, path, given.test)}
    file = file_of(run, given.listener)
    known = {(answer.trial, answer.id): answer for answer in read_file(file)}
    made = []
    for one in given.answers:
        trial = trials.pop(one.trial, None)
        if trial is None:
            raise RunError(f"{path}: trial {one.trial} is answered twice or is none of this test; nothing was taken")
        answer = Answer.to(
            trial, given.listener, one.answer, one.seconds, {str(name): count for name, count in one.plays.items()}, one.time
        )
        before = known.get((trial.number, trial.id))
        if before is not None and before != answer:
            raise RunError(f"{path}: {given.listener!r} has other answers already ({file}); give this listener another name")
        made += [answer] if before is None else []
    for answer in made:
        file.parent.mkdir(exist_ok=True)
        keep(file, answer)
    return given.listener, len(made)


def _trials(run: Run, path: Path, test: str) -> list[Trial]:
    folder = run.resolve("listening")
    for record in sorted(folder.glob(f"*.{RECORD}")) if folder.is_dir() else []:
        try:
            sheet = Sheet.model_validate_json(read_bytes(run.resolve(f"listening/{record.name}")))
        except (OSError, ValueError) as error:
            raise RunError(f"{record}: damaged ({one_line(error)}); make the bundle again") from error
        if sheet.test == test:
            trials = trials_of(run, sheet.name, sheet.most, sheet.repeat)
            if _digest(run, trials) != test:
                raise RunError(f"{path}: the run has changed since the bundle was made; make and send a new one")
            return trials
    raise RunError(f"{path}: is of another test; take it with the run that its bundle was made of")


def _digest(run: Run, trials: list[Trial]) -> str:
    told = [run.id, *((trial.number, trial.id, trial.a, trial.x) for trial in trials)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
