"""The pytest plugin: fixtures ``victim``, ``attack`` and ``speech``, and the marker ``voiceattack``.

Loaded by every pytest in the environment, so nothing heavy is imported before a test asks for it.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from voiceattack.corpus import Utterance
    from voiceattack.testing import Attempt
    from voiceattack.victims import Victim

__all__ = ["Speech", "attack", "speech", "victim"]

DEFAULT_VICTIM = "whisper-tiny.en"
OURS = ("victim", "speech", "limit")
VICTIMS_KEY = pytest.StashKey[dict[str, Any]]()
MARKER = (
    "voiceattack(victim=..., attack='pgd', snr_db=..., objective=..., target=..., speech=..., limit=..., **params): "
    "which victim is attacked, how, and on which clips; params are the attack's own"
)


@dataclass(frozen=True)
class Speech:
    """One clip: the file, and what is said in it (None when nobody wrote it down)."""

    path: Path
    text: str | None
    clip: Utterance | None = None
    """Which part of the file, when a manifest names one."""

    def __str__(self) -> str:
        return self.path.stem if self.clip is None else self.clip.name

    def utterance(self) -> Utterance:
        """The clip as the corpus gives it, its path absolute."""
        from voiceattack.corpus import Utterance

        whole = Utterance(self.path.resolve(), (self.text or "").strip() or None, self.path.stem)
        if self.clip is None:
            return whole
        return replace(whole, name=self.clip.name, segment=self.clip.segment, packed=self.clip.packed)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini keys."""
    group = parser.getgroup("voiceattack", "robustness of speech recognition")
    group.addoption("--voiceattack-out", metavar="DIR", help="Keep run directories and artefacts here; resumed when they exist.")
    group.addoption("--voiceattack-victim", metavar="SPEC", help="Victim of tests whose marker names none.")
    parser.addini("voiceattack_victim", "Victim of tests whose marker names none.", default=DEFAULT_VICTIM)
    parser.addini("voiceattack_speech", "Audio files, folders or manifests for the fixture speech.", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)
    config.stash[VICTIMS_KEY] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that is marked and asks for ``speech`` runs once a clip."""
    marker = metafunc.definition.get_closest_marker("voiceattack")
    if marker is None or "speech" not in metafunc.fixturenames:
        return
    options = _options(metafunc.definition)
    clips = _clips(options.get("speech"), metafunc.config, metafunc.definition.path.parent)
    metafunc.parametrize("speech", clips[: options.get("limit")], ids=str, indirect=True)


@pytest.fixture
def speech(request: pytest.FixtureRequest) -> Speech:
    """One clip of those that the marker, or the ini key ``voiceattack_speech``, names; else of the bundled samples."""
    clip: Speech | None = getattr(request, "param", None)
    if clip is None:
        pytest.fail("the fixture speech needs the marker: @pytest.mark.voiceattack(speech='folder')", pytrace=False)
    return clip


@pytest.fixture
def victim(request: pytest.FixtureRequest) -> Victim:
    """The victim that the marker names, else ``--voiceattack-victim``, else the ini key; loaded once a process."""
    config = request.config
    spec = _options(request.node).get("victim") or config.getoption("--voiceattack-victim") or config.getini("voiceattack_victim")
    loaded = config.stash[VICTIMS_KEY]
    if spec not in loaded:
        loaded[spec] = _told(lambda: importlib.import_module("voiceattack.victims").load_victim(spec))
    found: Victim = loaded[spec]
    return found


@pytest.fixture
def attack(request: pytest.FixtureRequest, victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Attempt]:
    """Attacks one clip as the marker says and hears it back: ``attack(speech)``, ``attack("clip.wav", snr_db=40)``.

    Returns an :class:`~voiceattack.testing.Attempt`; keywords take precedence over the marker's.
    """
    marked = {name: value for name, value in _options(request.node).items() if name not in OURS}
    kept = request.config.getoption("--voiceattack-out")
    folder = Path(kept).resolve() if kept else tmp_path_factory.mktemp("voiceattack")

    def testing() -> Any:
        return importlib.import_module("voiceattack.testing")

    def go(clip: Speech | str | Path, text: str | None = None, **options: Any) -> Attempt:
        one = clip if isinstance(clip, Speech) else Speech(Path(clip), text)
        asked = _told(lambda: testing().request_of({**marked, **options}, victim.spec))
        # A test of its own, a run of its own: under pytest-xdist no two write to one directory.
        name = request.node.nodeid.rpartition("/")[2].replace("::", "-")
        attempt: Attempt = _told(lambda: testing().attack_clip(asked, one.utterance(), victim, folder, f"{name}-{one}"))
        for key in ("outcome", "snr_db", "wer_clean", "wer"):
            request.node.user_properties.append((f"voiceattack_{key}", getattr(attempt.row, key)))
        request.node.user_properties.append(("voiceattack_audio", str(attempt.audio)))
        return attempt

    return go


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where the artefacts are."""
    if (kept := config.getoption("--voiceattack-out")) and Path(kept).is_dir():
        terminalreporter.write_line(f"voiceattack: runs and audio are in {kept}")


def _options(node: pytest.Item) -> dict[str, Any]:
    """Keywords of all the markers, the nearest counting."""
    options: dict[str, Any] = {}
    for marker in node.iter_markers("voiceattack"):
        if marker.args:
            pytest.fail(f"{node.nodeid}: the marker voiceattack takes keywords only: attack='pgd', snr_db=30", pytrace=False)
        options = {**marker.kwargs, **options}
    return options


def _clips(given: Any, config: pytest.Config, folder: Path) -> list[Speech]:
    from voiceattack.corpus import BadItem, read_corpus
    from voiceattack.corpus.samples import samples_manifest
    from voiceattack.errors import VoiceAttackError

    if given is None:
        paths = config.getini("voiceattack_speech") or [samples_manifest()]
    else:
        paths = [folder / path for path in ([given] if isinstance(given, (str, Path)) else given)]
    try:
        items = list(read_corpus([str(path) for path in paths]))
    except VoiceAttackError as error:
        raise pytest.UsageError(f"voiceattack: {error}") from error
    for item in items:
        if isinstance(item, BadItem):
            raise pytest.UsageError(f"voiceattack: {item.where}: {item.error}")
    return [Speech(item.path, item.text, _part(item)) for item in items if not isinstance(item, BadItem)]


def _part(item: Utterance) -> Utterance | None:
    return None if item.segment is None and item.packed is None else item


def _told(call: Callable[[], Any]) -> Any:
    """A mistake in the question is one line, without a traceback."""
    from voiceattack.errors import VoiceAttackError

    try:
        # A project that turns warnings into errors means its own, not those of the packages under a recogniser.
        with warnings.catch_warnings():
            for category in (DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            return call()
    except VoiceAttackError as error:
        message = f"voiceattack: {error}"
    pytest.fail(message, pytrace=False)  # outside the handler, so that no chain of causes is shown
